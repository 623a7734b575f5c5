"""What a run would change, worked out from what is there: pure, without a directory.

A plan keeps the descriptors that it was made from, so that ``apply`` can tell whether they still hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from acl import AccessMask, Ace, Acl, SecurityDescriptor, Sid
from acl.edit import grant, is_canonical

from .catalogue import PLACEMENTS, Feature, TargetKind
from .errors import ParameterError, UnsafePlan

__all__ = ["Change", "Target", "hands_over", "plan_grants", "same_permissions", "wanted_aces"]


@dataclass(frozen=True, slots=True)
class Target:
    """An object to grant on, as read. ``label`` is what ShouldProcess calls it; ``domain`` is a DNS name."""

    kind: TargetKind
    domain: str
    dn: str
    label: str
    object_class: str
    descriptor: SecurityDescriptor


@dataclass(frozen=True, slots=True)
class Change:
    """One object's permissions before and after. ``added`` and ``removed`` compare them as multisets."""

    operation: str
    domain: str
    dn: str
    label: str
    before: SecurityDescriptor
    after: SecurityDescriptor

    @property
    def is_needed(self) -> bool:
        """False when everything is there already."""
        return self.before.dacl != self.after.dacl

    @property
    def added(self) -> tuple[Ace, ...]:
        """The entries of ``after`` that ``before`` lacks."""
        return _difference(self.after, self.before)

    @property
    def removed(self) -> tuple[Ace, ...]:
        """The entries of ``before`` that ``after`` lacks: those that others were merged into."""
        return _difference(self.before, self.after)


def wanted_aces(feature: Feature, target: Target, sid: Sid, classes: Mapping[str, UUID]) -> tuple[Ace, ...]:
    """The entries that the feature's grants become on this target; ``classes`` maps class names to GUIDs.

    Raises ParameterError when the feature has nothing to grant on an object of this class.
    """
    placement = PLACEMENTS.get(target.kind, feature.on_container)
    grants = feature.grants
    if target.kind is TargetKind.OBJECT:
        # What an object is not cannot be inherited by anything below it either.
        grants = tuple(each for each in grants if each.inherited_class in (None, target.object_class))
        if not grants:
            kinds = ", ".join(each.inherited_class or "any class" for each in feature.grants)
            raise ParameterError(
                f"'{target.dn}' is of class {target.object_class}, on which {feature.cmdlet} has nothing to "
                f"grant: name an OU, a container, a domain, or an object of class {kinds}"
            )
    return tuple(
        Ace.allow(
            sid,
            each.rights,
            flags=placement.flags,
            inherited_object_type=classes[each.inherited_class]
            if placement.keeps_class and each.inherited_class
            else None,
        )
        for each in grants
    )


def plan_grants(operation: str, target: Target, aces: Iterable[Ace]) -> tuple[Change, tuple[str, ...]]:
    """The change that grants these entries on the target, and what the caller should be warned of.

    Raises UnsafePlan where an entry would take away access that everybody has now (a NULL DACL).
    """
    before = target.descriptor
    if before.dacl is None:
        raise UnsafePlan(
            target.dn, "it has no access control list, so that everybody has full control; mend that first"
        )
    warnings = []
    if not is_canonical(before.dacl):
        warnings.append(
            f"the permissions of '{target.dn}' are not in canonical order; the order is left as it is, and "
            "an entry in front may decide before the one that is added"
        )
    dacl: Acl = before.dacl
    for ace in aces:
        dacl = grant(dacl, ace)
    after = before if dacl is before.dacl else before.with_dacl(dacl)
    return Change(operation, target.domain, target.dn, target.label, before, after), tuple(warnings)


#: What a right without an object type lets its holder do to a member of Domain Admins, or to that group.
_TAKEOVER: Final[dict[AccessMask, str]] = {
    AccessMask.DS_WRITE_PROPERTY: (
        "write every attribute of it, such as the members of Domain Admins or the key credentials, logon "
        "script and service principal names of its members"
    ),
    AccessMask.DS_CONTROL_ACCESS: "reset its password",
    AccessMask.DELETE: "delete it",
    AccessMask.WRITE_DAC: "rewrite its permissions",
    AccessMask.WRITE_OWNER: "take ownership of it",
}


def hands_over(ace: Ace) -> str | None:
    """What an entry in effect on protected accounts lets its trustee do to them, or None if little."""
    if ace.object_type is not None:
        return None
    able = [text for right, text in _TAKEOVER.items() if ace.mask & right]
    return "; ".join(able) or None


def same_permissions(one: SecurityDescriptor, other: SecurityDescriptor) -> bool:
    """True when both say the same of their own: explicit entries as a multiset, and protection.

    Controllers sort what they store, and derive inherited entries by themselves.
    """
    return (
        _explicit(one) == _explicit(other)
        and one.dacl_is_protected == other.dacl_is_protected
        and (one.dacl is None) == (other.dacl is None)
    )


def _explicit(descriptor: SecurityDescriptor) -> Counter[Ace]:
    return Counter(ace for ace in descriptor.dacl or () if not ace.is_inherited)


def _difference(one: SecurityDescriptor, other: SecurityDescriptor) -> tuple[Ace, ...]:
    return tuple((Counter(one.dacl or ()) - Counter(other.dacl or ())).elements())
