"""What the features of an account let it hold on an object, and what an entry holds beyond that: pure.

Rule 1: every form counts in which the catalogue grants a feature on this kind of object: the full grants, the
        narrower ones, and those of Microsoft's builds.
Rule 2: an entry is held against what is granted twice: for the object itself, and for what inherits it. Rights
        that are granted for one of the two alone are beyond it for the other.
Rule 3: where a narrower form is known, what the full one gives beyond it is kept apart: it is expected, and still
        more than the feature needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from acl import DIRECTORY_MAPPING, AccessMask, Ace, AceFlag, SecurityDescriptor, Sid

from .abilities import names_of_abilities
from .catalogue import (
    CLOUD_SYNC,
    DEVICE_REGISTRATION_CONFIGURATION,
    FEATURES,
    REGISTERED_DEVICES,
    UNIFIED_GROUP_WRITEBACK,
    Feature,
    Grant,
    TargetKind,
)
from .errors import ADSyncConfigError
from .facts import AuditContext
from .grants import names_of, wanted_entries
from .operations import ORGANIZATIONAL_UNIT
from .origin import ADMIN_SD_HOLDER
from .plan import Target
from .powers import BELOW, Powers
from .schema import Kind

__all__ = ["NAMES", "Beyond", "Expected", "beyond", "expected_on", "kind_of", "known_in", "powers_in"]

_CONTAINERS: Final = frozenset({ORGANIZATIONAL_UNIT, "container", "builtinDomain"})
#: The containers of device writeback, by how their names begin: what is granted there is expected nowhere else.
_OF_DEVICES: Final = {
    REGISTERED_DEVICES: "cn=registereddevices,dc=",
    DEVICE_REGISTRATION_CONFIGURATION: "cn=device registration configuration,cn=services,",
}
_BEGINNINGS: Final = (*_OF_DEVICES.values(), ADMIN_SD_HOLDER.casefold())


class Expected(NamedTuple):
    """An entry that a feature brings; ``wide`` where a narrower form of it is known on this kind of object."""

    feature: Feature
    ace: Ace
    wide: bool = False


class Beyond(NamedTuple):
    """What an entry gives beyond what is expected: on the object itself, and on what inherits it.

    ``needed_by`` are the features that need the rest of it, each with whether in its narrower form.
    """

    here: AccessMask
    below: AccessMask
    needed_by: tuple[Expected, ...] = ()

    @property
    def rights(self) -> AccessMask:
        """Both together."""
        return self.here | self.below

    def __bool__(self) -> bool:
        return bool(self.rights)


def _names() -> tuple[tuple[Kind, str], ...]:
    every = (*FEATURES.values(), *CLOUD_SYNC.values(), *_OF_DEVICES)
    tables = [names_of_abilities(), *(names_of((*each.grants, *(each.least or ()))) for each in every)]
    found = [(Kind.CLASS, name) for name in BELOW]
    found += ((kind, name) for table in tables for kind, names in table.items() for name in names)
    return tuple(dict.fromkeys(found))


#: What the rules of excess and takeover ask the schema for.
NAMES: Final = _names()


def kind_of(dn: str, object_class: str) -> TargetKind:
    """How grants are written on this object."""
    if dn.casefold().startswith(ADMIN_SD_HOLDER.casefold()):
        return TargetKind.ADMIN_SD_HOLDER
    if object_class == "domainDNS":
        return TargetKind.DOMAIN
    return TargetKind.CONTAINER if object_class in _CONTAINERS else TargetKind.OBJECT


def expected_on(
    features: Iterable[Feature],
    dn: str,
    object_class: str,
    *,
    sid: Sid,
    names: Mapping[tuple[Kind, str], UUID],
) -> tuple[Expected, ...]:
    """Every entry that these features bring on this object, in any of their forms."""
    kind = kind_of(dn, object_class)
    target = Target(kind, "", dn, "", object_class, SecurityDescriptor())
    found: dict[Expected, None] = {}
    for feature in features:
        begins = _OF_DEVICES.get(feature)
        if begins is not None and not dn.casefold().startswith(begins):
            continue
        # On a domain nothing narrower than the full grant of group writeback is of use: there it is for an OU.
        narrower = feature.least is not None and kind in feature.least_on
        wide = narrower or (feature is UNIFIED_GROUP_WRITEBACK and kind is TargetKind.DOMAIN)
        forms = [(feature.grants, wide), (feature.least or (), False) if narrower else ((), False)]
        for grants, is_wide in forms:
            for ace in _entries(feature, grants, target, sid, names):
                found[Expected(feature, ace, is_wide)] = None
    return tuple(found)


def _entries(
    feature: Feature,
    grants: tuple[Grant, ...],
    target: Target,
    sid: Sid,
    names: Mapping[tuple[Kind, str], UUID],
) -> tuple[Ace, ...]:
    if not grants:
        return ()
    try:
        return wanted_entries(feature, grants, target, sid=sid, names=names).aces
    except ADSyncConfigError:  # nothing of it is for this class, or this forest has no such names
        return ()


def beyond(ace: Ace, expected: Iterable[Expected]) -> Beyond:
    """What the entry gives beyond these; nothing for one that allows nothing."""
    mask = DIRECTORY_MAPPING.map(ace.mask) if ace.is_allow else AccessMask(0)
    here = mask if ace.is_effective else AccessMask(0)
    below = mask if ace.flags & AceFlag.CONTAINER_INHERIT else AccessMask(0)
    needed_by: dict[Expected, None] = {}
    for each in expected:
        granted = each.ace
        # The full form of a feature stands for itself, and not for entries on single attributes.
        if granted.object_type != ace.object_type and (granted.object_type is not None or each.wide):
            continue
        rights = DIRECTORY_MAPPING.map(granted.mask)
        covers_here = granted.is_effective and here & rights
        covers_below = (
            granted.flags & AceFlag.CONTAINER_INHERIT
            and granted.inherited_object_type in (None, ace.inherited_object_type)
            and below & rights
        )
        if covers_here:
            here = here.without(rights)
        if covers_below:
            below = below.without(rights)
        if covers_here or covers_below:
            needed_by[each] = None
    return Beyond(here, below, tuple(needed_by))


class Known:
    """What is worked out once for each audit: the abilities, and what is expected where."""

    def __init__(self, context: AuditContext) -> None:
        self.context = context
        self.powers = Powers(context.guids, context.property_sets)
        self._expected: dict[tuple[object, ...], tuple[Expected, ...]] = {}
        #: What ``holdings.given_by`` worked out, for objects that hold the same entries.
        self.given: dict[tuple[object, ...], Any] = {}

    def expected(
        self, features: tuple[Feature, ...], dn: str, object_class: str, sid: Sid
    ) -> tuple[Expected, ...]:
        """As ``expected_on``; of the object's name only its beginning matters, for a few."""
        begins = next((text for text in _BEGINNINGS if dn.casefold().startswith(text)), None)
        key = (features, begins, object_class, sid)
        if key not in self._expected:
            self._expected[key] = expected_on(features, dn, object_class, sid=sid, names=self.context.guids)
        return self._expected[key]


_last: list[Known] = []


def known_in(context: AuditContext) -> Known:
    """What is known in this audit; kept for the last one."""
    if not _last or _last[0].context is not context:
        _last[:] = [Known(context)]
    return _last[0]


def powers_in(context: AuditContext) -> Powers:
    """The abilities with the names of the audit's forest."""
    return known_in(context).powers
