"""Which features an account serves, told from its entries: pure.

Rule 1: an entry tells a feature when it holds a whole grant of that feature, on the same attribute, class or right
        and for the same class, which no other feature's grant of the kind holds too. So reading users tells nothing
        (BasicRead, and every feature that writes users, reads them), and reading computers tells BasicRead.
Rule 2: only the account's own entries count, and only those that allow. A wider entry, such as full control without
        a class, tells nothing: it would tell everything.
Rule 3: grants on the root of a domain tell there alone; those of device writeback, which name neither class nor
        attribute, on its own containers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final
from uuid import UUID

from acl import Ace, Sid

from .catalogue import (
    CLOUD_SYNC,
    DEVICE_REGISTRATION_CONFIGURATION,
    FEATURES,
    REGISTERED_DEVICES,
    Feature,
    Grant,
    Reach,
)
from .schema import Kind

__all__ = ["DEVICE_FEATURES", "features_told", "is_of_cloud_sync"]

Names = Mapping[tuple[Kind, str], UUID]

DEVICE_FEATURES: Final = (REGISTERED_DEVICES, DEVICE_REGISTRATION_CONFIGURATION)
_SYNC: Final = tuple(FEATURES.values())
_CLOUD: Final = tuple(feature for name, feature in CLOUD_SYNC.items() if name != "All")


def features_told(
    sid: Sid, aces: Iterable[Ace], names: Names, *, is_root: bool, cloud: bool = False
) -> Iterator[Feature]:
    """The features that a container's entries tell for the account; ``cloud`` takes those of Cloud Sync."""
    own = [ace for ace in aces if ace.sid == sid and ace.is_allow]
    told: dict[str, Feature] = {}
    for feature, grant in _characteristic(cloud):
        here = feature.name not in told and (is_root or grant.reach is not Reach.DOMAIN_ROOT)
        if here and any(_holds(ace, grant, names) for ace in own):
            told[feature.name] = feature
    yield from told.values()


def is_of_cloud_sync(object_class: str) -> bool:
    """True for the kind of account that Cloud Sync uses, a group managed service account."""
    return object_class == "msDS-GroupManagedServiceAccount"


def _holds(ace: Ace, grant: Grant, names: Names) -> bool:
    on = names.get(grant.on) if grant.on else None
    inherited = names.get((Kind.CLASS, grant.inherited_class)) if grant.inherited_class else None
    if (grant.on and on is None) or (grant.inherited_class and inherited is None):
        return False
    return (
        ace.object_type == on
        and ace.inherited_object_type == inherited
        and ace.mask & grant.rights == grant.rights
    )


@cache
def _characteristic(cloud: bool) -> tuple[tuple[Feature, Grant], ...]:
    features = _CLOUD if cloud else _SYNC
    return tuple(
        (feature, grant)
        for feature in features
        for grant in _grants(feature)
        if not any(
            _covers(other, grant) for each in features if each is not feature for other in _grants(each)
        )
    )


def _grants(feature: Feature) -> tuple[Grant, ...]:
    return (*feature.grants, *(feature.least or ()))


def _covers(other: Grant, grant: Grant) -> bool:
    same = (other.on, other.inherited_class) == (grant.on, grant.inherited_class)
    return same and other.rights & grant.rights == grant.rights
