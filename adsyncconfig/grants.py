"""From the catalogue's grants to the entries that they become on one target: pure.

Rule 1: the kind of target decides flags and class (``catalogue.PLACEMENTS``); a single object takes only what is
        for its class, without the class.
Rule 2: a grant for the domain root is written there alone; elsewhere it is left out, and that is said.
Rule 3: a name that the forest lacks leaves its grant out with a warning where the catalogue says so, and is an
        error otherwise, or where nothing is left.
Rule 4: editions of Microsoft's write inherit-only entries on AdminSDHolder, and it is said that they do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from acl import AccessMask, Ace, AceFlag, Sid

from .catalogue import (
    PLACEMENTS,
    SUBOBJECTS,
    THIS_OBJECT_ONLY,
    Edition,
    Feature,
    Grant,
    Placement,
    Reach,
    TargetKind,
)
from .errors import ParameterError, UnknownName
from .plan import Target
from .schema import Kind

__all__ = ["Wanted", "hands_over", "names_of", "selected", "wanted_entries"]

Names = Mapping[tuple[Kind, str], UUID]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The entries to write on a target, and what the caller should know about them."""

    aces: tuple[Ace, ...]
    notices: tuple[str, ...] = ()


def selected(feature: Feature, edition: Edition, *, least_privilege: bool = False) -> tuple[Grant, ...]:
    """The grants of this edition, or the narrower ones. Raises ParameterError where none are known."""
    if least_privilege:
        if feature.least is None:
            raise ParameterError(
                f"no grant narrower than Microsoft's is known to be enough for {feature.name}: leave "
                "-LeastPrivilege out"
            )
        return feature.least
    return tuple(grant for grant in feature.grants if edition in grant.editions)


def names_of(grants: Iterable[Grant]) -> dict[Kind, list[str]]:
    """The names that the grants use, each once, by kind: what to look up in the schema."""
    names: dict[Kind, dict[str, None]] = {}
    for grant in grants:
        if grant.inherited_class:
            names.setdefault(Kind.CLASS, {})[grant.inherited_class] = None
        if grant.on:
            names.setdefault(grant.on[0], {})[grant.on[1]] = None
    return {kind: list(each) for kind, each in names.items()}


def wanted_entries(
    feature: Feature,
    grants: Iterable[Grant],
    target: Target,
    *,
    sid: Sid,
    names: Names,
    edition: Edition = Edition.MENDED,
) -> Wanted:
    """What these grants of the feature become on this target. Raises ParameterError and UnknownName."""
    given = tuple(grants)
    there, notices = _known(given, names)
    if not there:
        kind, name = _names(given[0])[0]
        raise UnknownName(
            name, kind.value, f"this forest's schema has no {kind.value} '{name}': {feature.name} needs it"
        )
    if target.kind is TargetKind.OBJECT:
        matching = tuple(each for each in there if _applies(each, target.object_class))
        if not matching:
            kinds = ", ".join(dict.fromkeys(each.inherited_class or "any class" for each in there))
            raise ParameterError(
                f"'{target.dn}' is of class {target.object_class}, on which {feature.cmdlet} has nothing to "
                f"grant: name an OU, a container, a domain, or an object of class {kinds}"
            )
        there = matching
    aces: dict[Ace, None] = {}
    for each in there:
        placement = _placement(feature, each, target.kind, edition)
        if placement is None:
            if target.kind is not TargetKind.ADMIN_SD_HOLDER:
                notices.append(
                    f"{_names(each)[0][1]} belongs to the root of the domain and was left out on '{target.dn}': "
                    "run the cmdlet without -ADobjectDN too"
                )
            continue
        aces[_entry(each, placement, sid, names)] = None
    if target.kind is TargetKind.ADMIN_SD_HOLDER and edition is not Edition.MENDED and aces:
        notices.append(
            f"the entries on '{target.dn}' are inherit-only, as build {edition.value} writes them, and take no "
            "effect on the protected accounts that they are copied to"
        )
    return Wanted(tuple(aces), tuple(notices))


def _known(grants: Iterable[Grant], names: Names) -> tuple[tuple[Grant, ...], list[str]]:
    """The grants whose names this forest has, and a notice for each of the others that may be left out."""
    there: list[Grant] = []
    notices: dict[str, None] = {}
    for grant in grants:
        missing = [name for name in _names(grant) if name not in names]
        if not missing:
            there.append(grant)
            continue
        kind, name = missing[0]
        if not grant.optional:
            raise UnknownName(name, kind.value, f"this forest's schema has no {kind.value} '{name}'")
        notices[f"this forest's schema has no {kind.value} '{name}' (it comes with Exchange): left out"] = (
            None
        )
    return tuple(there), list(notices)


def _names(grant: Grant) -> list[tuple[Kind, str]]:
    on = [grant.on] if grant.on else []
    return [*on, (Kind.CLASS, grant.inherited_class)] if grant.inherited_class else on


def _applies(grant: Grant, object_class: str) -> bool:
    return grant.inherited_class in (None, object_class)


def _placement(feature: Feature, grant: Grant, kind: TargetKind, edition: Edition) -> Placement | None:
    """How the grant is written on a target of this kind; None where it is not."""
    if grant.reach is Reach.DOMAIN_ROOT:
        return THIS_OBJECT_ONLY if kind is TargetKind.DOMAIN else None
    if kind is TargetKind.ADMIN_SD_HOLDER and edition is not Edition.MENDED:
        return SUBOBJECTS
    if grant.reach is Reach.TARGET_ITSELF and kind in (TargetKind.DOMAIN, TargetKind.CONTAINER):
        return Placement(AceFlag.CONTAINER_INHERIT, keeps_class=True)
    if kind is TargetKind.CONTAINER:
        # Of the narrower grants, what is for a class is for what is below the container alone.
        is_least = feature.least is not None and grant in feature.least
        return SUBOBJECTS if is_least else feature.on_container
    return PLACEMENTS[kind]


def _entry(grant: Grant, placement: Placement, sid: Sid, names: Names) -> Ace:
    kept = grant.inherited_class if placement.keeps_class else None
    return Ace.allow(
        sid,
        grant.rights,
        flags=placement.flags,
        object_type=names[grant.on] if grant.on else None,
        inherited_object_type=names[Kind.CLASS, kept] if kept else None,
    )


_EVERY_ATTRIBUTE: Final = (
    "write every attribute of it, such as the members of Domain Admins or the key credentials, logon script and "
    "service principal names of its members"
)
#: What a right without an object type lets its holder do to a member of Domain Admins, or to that group.
_TAKEOVER: Final[dict[AccessMask, str]] = {
    AccessMask.DS_WRITE_PROPERTY: _EVERY_ATTRIBUTE,
    AccessMask.DS_CONTROL_ACCESS: "reset its password",
    AccessMask.DELETE: "delete it",
    AccessMask.WRITE_DAC: "rewrite its permissions",
    AccessMask.WRITE_OWNER: "take ownership of it",
}
#: The same of rights limited to one of these: control access rights, property sets and attributes.
_TAKEOVER_ON: Final[dict[tuple[Kind, str], str]] = {
    (Kind.RIGHT, "User-Force-Change-Password"): "reset its password",
    (Kind.RIGHT, "Self-Membership"): "change the members of Domain Admins",
    (Kind.RIGHT, "Membership"): "change the members of Domain Admins",
    (Kind.ATTRIBUTE, "member"): "change the members of Domain Admins",
    (Kind.ATTRIBUTE, "msDS-KeyCredentialLink"): "log on as it with a key of one's own",
}


def hands_over(grant: Grant) -> str | None:
    """What a grant in effect on protected accounts lets its trustee do to them, or None if little."""
    if grant.on is not None:
        return _TAKEOVER_ON.get(grant.on)
    return "; ".join(text for right, text in _TAKEOVER.items() if grant.rights & right) or None
