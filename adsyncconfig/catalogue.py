"""What each feature of the connector needs, as data: names only, resolved to GUIDs and SIDs late.

A feature's grants are what Microsoft's cmdlet writes; ``PLACEMENTS`` says how they are written on each kind
of target. Sources: the ADSyncConfig module and its documentation, as docs/compatibility.md weighs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from acl import AccessMask, AceFlag

from .dsacls import mask

__all__ = ["PLACEMENTS", "UNIFIED_GROUP_WRITEBACK", "Feature", "Grant", "Placement", "TargetKind"]


class TargetKind(Enum):
    """The kinds of object on which a grant is written in different ways."""

    DOMAIN = "domain root"
    ADMIN_SD_HOLDER = "AdminSDHolder"
    CONTAINER = "organizational unit or container"
    OBJECT = "other object"


@dataclass(frozen=True, slots=True)
class Placement:
    """How an entry is written: its flags, and whether it keeps the class that it is for."""

    flags: AceFlag
    keeps_class: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on objects of one class, by its lDAPDisplayName; None for every class."""

    rights: AccessMask
    inherited_class: str | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: the cmdlet's name, what ShouldProcess calls it, its grants, and what they lack or leave.

    ``on_container`` is how its grants are written on an OU or container; ``forest_wide_warning`` is what a
    caller should know who grants it on whole domains.
    """

    cmdlet: str
    operation: str
    grants: tuple[Grant, ...]
    on_container: Placement
    forest_wide_warning: str | None = None


_CI: Final = AceFlag.CONTAINER_INHERIT
#: dsacls /I:S, subobjects only.
SUBOBJECTS: Final = Placement(_CI | AceFlag.INHERIT_ONLY, keeps_class=True)
#: dsacls /I:T, this object and subobjects.
THIS_OBJECT_AND_SUBOBJECTS: Final = Placement(_CI, keeps_class=True)

#: How grants are written where all features agree. AdminSDHolder's list is copied as it is onto protected
#: objects, users and groups alike, so that only an entry without flags and class takes effect there.
PLACEMENTS: Final[dict[TargetKind, Placement]] = {
    TargetKind.DOMAIN: SUBOBJECTS,
    TargetKind.ADMIN_SD_HOLDER: Placement(AceFlag(0), keeps_class=False),
    TargetKind.OBJECT: Placement(_CI, keeps_class=False),
}

UNIFIED_GROUP_WRITEBACK: Final = Feature(
    cmdlet="Set-ADSyncUnifiedGroupWritebackPermissions",
    operation="Grant Group Writeback permissions",
    grants=(Grant(mask("GRGWCCDCSDDT"), "group"),),
    on_container=THIS_OBJECT_AND_SUBOBJECTS,
    forest_wide_warning=(
        "this lets the account change and delete groups, but create none: the entry on the domain root is "
        "for groups only; grant the OU of the written-back groups too, with -ADobjectDN"
    ),
)
