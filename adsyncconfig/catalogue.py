"""What each feature of the connector needs, as data: names only, resolved to GUIDs and SIDs late.

A feature's grants are what Microsoft's cmdlet writes. ``PLACEMENTS`` says how a grant is written on each kind of
target; ``editions`` which grants belong to which build. Sources: the ADSyncConfig module, its documentation and
that of Cloud Sync, as docs/compatibility.md weighs them; MS-ADTS for the rights.

Rule 1: rights of single attributes and control access rights are named, never by GUID.
Rule 2: a grant of ``Reach.DOMAIN_ROOT`` is written on the root of a domain, this object only, and nowhere else.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from acl import AccessMask, AceFlag

from .dsacls import mask
from .schema import Kind

__all__ = [
    "CLOUD_SYNC",
    "FEATURES",
    "PLACEMENTS",
    "Edition",
    "Feature",
    "Grant",
    "Placement",
    "Reach",
    "TargetKind",
]


class TargetKind(Enum):
    """The kinds of object on which a grant is written in different ways."""

    DOMAIN = "domain root"
    ADMIN_SD_HOLDER = "AdminSDHolder"
    CONTAINER = "organizational unit or container"
    OBJECT = "other object"


class Edition(Enum):
    """Whose grants to write: a build of Microsoft's, or the later one with its defects mended."""

    MENDED = "mended"
    BUILD_2 = "2.x"
    BUILD_1 = "1.x"


class Reach(Enum):
    """Where a grant belongs."""

    TARGET = "the target and what is below it"
    DOMAIN_ROOT = "the root of the domain, this object only"
    #: On a container, effective on itself and inherited, whatever the feature's own placement says.
    TARGET_ITSELF = "the target itself and what is below it, for every class"


class Placement(NamedTuple):
    """How an entry is written: its flags, and whether it keeps the class that it is for."""

    flags: AceFlag
    keeps_class: bool


class Grant(NamedTuple):
    """Rights, on what, for objects of which class.

    ``on`` is the attribute, class or control access right that the rights are limited to; None for all.
    ``inherited_class`` is the lDAPDisplayName of the class of object that the grant is for; None for any.
    ``optional`` names are left out with a warning where the forest's schema lacks them.
    """

    rights: AccessMask
    inherited_class: str | None = None
    on: tuple[Kind, str] | None = None
    reach: Reach = Reach.TARGET
    editions: frozenset[Edition] = frozenset(Edition)
    optional: bool = False


class Feature(NamedTuple):
    """One feature: its short name, its cmdlet, what ShouldProcess calls it, and its grants.

    ``on_container`` is how its grants are written on an OU or container. ``least`` are the narrower grants that
    are known to do, for ``least_on`` kinds of target; None where none are known. ``forest_wide_warning`` is what
    a caller should know who grants it on whole domains, ``least_leaves`` what the narrower grant leaves.
    """

    name: str
    cmdlet: str
    operation: str
    grants: tuple[Grant, ...]
    on_container: Placement
    takes_object: bool = True
    least: tuple[Grant, ...] | None = None
    least_on: frozenset[TargetKind] = frozenset()
    least_leaves: str | None = None
    forest_wide_warning: str | None = None

    @property
    def revoking(self) -> str:
        """What ShouldProcess calls it when the grants are taken away."""
        return self.operation.replace("Grant ", "Revoke ", 1)


_CI: Final = AceFlag.CONTAINER_INHERIT
#: dsacls /I:S, subobjects only.
SUBOBJECTS: Final = Placement(_CI | AceFlag.INHERIT_ONLY, keeps_class=True)
#: dsacls /I:T, this object and subobjects.
THIS_OBJECT_AND_SUBOBJECTS: Final = Placement(_CI, keeps_class=True)
#: dsacls without /I.
THIS_OBJECT_ONLY: Final = Placement(AceFlag(0), keeps_class=False)

#: How grants are written where all features agree. AdminSDHolder's list is copied as it is onto protected
#: objects, users and groups alike, so that only an entry without flags and class takes effect there.
PLACEMENTS: Final[dict[TargetKind, Placement]] = {
    TargetKind.DOMAIN: SUBOBJECTS,
    TargetKind.ADMIN_SD_HOLDER: THIS_OBJECT_ONLY,
    TargetKind.OBJECT: Placement(_CI, keeps_class=False),
}

_LATER: Final = frozenset({Edition.MENDED, Edition.BUILD_2})
_READ: Final = mask("RP")
_READ_WRITE: Final = mask("RPWP")
_CONTROL: Final = mask("CA")


def _right(cn: str, *, editions: frozenset[Edition] = frozenset(Edition)) -> Grant:
    """A control access right on the root of the domain."""
    return Grant(_CONTROL, on=(Kind.RIGHT, cn), reach=Reach.DOMAIN_ROOT, editions=editions)


def _attribute(rights: AccessMask, name: str, inherited_class: str, *, optional: bool = False) -> Grant:
    return Grant(rights, inherited_class, (Kind.ATTRIBUTE, name), optional=optional)


#: What Exchange hybrid writes back (reference-connect-sync-attributes-synchronized, "Exchange hybrid writeback").
_EXCHANGE_USER: Final = (
    "msDS-ExternalDirectoryObjectId",
    "msExchArchiveStatus",
    "msExchBlockedSendersHash",
    "msExchSafeRecipientsHash",
    "msExchSafeSendersHash",
    "msExchUCVoiceMailSettings",
    "msExchUserHoldPolicies",
    "proxyAddresses",
    "publicDelegates",
)

UNIFIED_GROUP_WRITEBACK: Final = Feature(
    name="UnifiedGroupWriteback",
    cmdlet="Set-ADSyncUnifiedGroupWritebackPermissions",
    operation="Grant Group Writeback permissions",
    grants=(Grant(mask("GRGWCCDCSDDT"), "group"),),
    on_container=THIS_OBJECT_AND_SUBOBJECTS,
    least=(
        Grant(mask("CCDC"), on=(Kind.CLASS, "group"), reach=Reach.TARGET_ITSELF),
        Grant(mask("LCRPWPLOSDRC"), "group"),
    ),
    least_on=frozenset({TargetKind.CONTAINER}),
    least_leaves=(
        "the account owns the groups that it creates, and an owner may change permissions; and it may change "
        "every other group in this OU, its members included: keep an OU for written-back groups alone"
    ),
    forest_wide_warning=(
        "this lets the account change and delete groups, but create none: the entry on the domain root is "
        "for groups only; grant the OU of the written-back groups too, with -ADobjectDN"
    ),
)

BASIC_READ: Final = Feature(
    name="BasicRead",
    cmdlet="Set-ADSyncBasicReadPermissions",
    operation="Grant basic read permissions",
    grants=(
        *(
            Grant(_READ, name)
            for name in (
                "computer",
                "device",
                "foreignSecurityPrincipal",
                "user",
                "inetOrgPerson",
                "group",
                "contact",
            )
        ),
        _right("DS-Replication-Get-Changes", editions=_LATER),
    ),
    on_container=SUBOBJECTS,
)

EXCHANGE_HYBRID: Final = Feature(
    name="ExchangeHybrid",
    cmdlet="Set-ADSyncExchangeHybridPermissions",
    operation="Grant Exchange Hybrid permissions",
    grants=tuple(Grant(_READ_WRITE, name) for name in ("user", "inetOrgPerson", "group", "contact")),
    on_container=SUBOBJECTS,
    least=(
        *(
            _attribute(_READ_WRITE, attribute, inherited_class, optional=True)
            for inherited_class in ("user", "inetOrgPerson")
            for attribute in _EXCHANGE_USER
        ),
        *(_attribute(_READ_WRITE, "proxyAddresses", each, optional=True) for each in ("group", "contact")),
    ),
    least_on=frozenset({TargetKind.DOMAIN, TargetKind.CONTAINER, TargetKind.OBJECT}),
    least_leaves="it may still write the mail addresses of every user, group and contact that inherits this",
)

EXCHANGE_MAIL_PUBLIC_FOLDER: Final = Feature(
    name="ExchangeMailPublicFolder",
    cmdlet="Set-ADSyncExchangeMailPublicFolderPermissions",
    operation="Grant Exchange Mail Public Folder permissions",
    grants=(Grant(_READ, "publicFolder", optional=True),),
    on_container=SUBOBJECTS,
)

MS_DS_CONSISTENCY_GUID: Final = Feature(
    name="MsDsConsistencyGuid",
    cmdlet="Set-ADSyncMsDsConsistencyGuidPermissions",
    operation="Grant mS-DS-ConsistencyGuid permissions",
    grants=(_attribute(_READ_WRITE, "mS-DS-ConsistencyGuid", "user"),),
    on_container=SUBOBJECTS,
)

PASSWORD_WRITEBACK: Final = Feature(
    name="PasswordWriteback",
    cmdlet="Set-ADSyncPasswordWritebackPermissions",
    operation="Grant Password Writeback permissions",
    grants=(
        Grant(_CONTROL, "user", (Kind.RIGHT, "User-Force-Change-Password")),
        _attribute(mask("WP"), "lockoutTime", "user"),
        _attribute(mask("WP"), "pwdLastSet", "user"),
        _right("Unexpire-Password", editions=_LATER),
    ),
    on_container=SUBOBJECTS,
)

PASSWORD_HASH_SYNC: Final = Feature(
    name="PasswordHashSync",
    cmdlet="Set-ADSyncPasswordHashSyncPermissions",
    operation="Grant Password Hash Synchronization permissions",
    grants=(_right("DS-Replication-Get-Changes"), _right("DS-Replication-Get-Changes-All")),
    on_container=SUBOBJECTS,
    takes_object=False,
)

#: The features with a cmdlet of their own, by their names.
FEATURES: Final[dict[str, Feature]] = {
    feature.name: feature
    for feature in (
        BASIC_READ,
        EXCHANGE_HYBRID,
        EXCHANGE_MAIL_PUBLIC_FOLDER,
        MS_DS_CONSISTENCY_GUID,
        PASSWORD_HASH_SYNC,
        PASSWORD_WRITEBACK,
        UNIFIED_GROUP_WRITEBACK,
    )
}


def _cloud_sync(name: str, grants: tuple[Grant, ...]) -> Feature:
    """A permission type of Set-AADCloudSyncPermissions."""
    return Feature(
        name=name,
        cmdlet="Set-AADCloudSyncPermissions",
        operation=f"Grant {name} permissions",
        grants=grants,
        on_container=SUBOBJECTS,
    )


_CLOUD_SYNC_TYPES: Final = (
    _cloud_sync("BasicRead", tuple(each for each in BASIC_READ.grants if each.reach is Reach.TARGET)),
    _cloud_sync("PasswordHashSync", PASSWORD_HASH_SYNC.grants),
    _cloud_sync("PasswordWriteBack", PASSWORD_WRITEBACK.grants),
    _cloud_sync("HybridExchangePermissions", EXCHANGE_HYBRID.grants),
    _cloud_sync("ExchangeMailPublicFolderPermissions", EXCHANGE_MAIL_PUBLIC_FOLDER.grants),
    _cloud_sync(
        "UserGroupCreateDelete",
        tuple(
            grant
            for name in ("group", "user")
            for grant in (
                Grant(mask("CCDC"), on=(Kind.CLASS, name), reach=Reach.TARGET_ITSELF),
                Grant(mask("GW"), name),
            )
        ),
    ),
)

#: The permission types of Cloud Sync's cmdlet, by name; All is every one of them.
CLOUD_SYNC: Final[dict[str, Feature]] = {
    feature.name: feature
    for feature in (
        *_CLOUD_SYNC_TYPES,
        _cloud_sync(
            "All", tuple(dict.fromkeys(grant for each in _CLOUD_SYNC_TYPES for grant in each.grants))
        ),
    )
}

#: Device writeback: no cmdlet of Microsoft's grants it, but the wizard's script does, on these containers.
DEVICE_WRITEBACK_CMDLET: Final = "Set-ADSyncDeviceWritebackPermissions"
REGISTERED_DEVICES: Final = Feature(
    name="DeviceWriteback",
    cmdlet=DEVICE_WRITEBACK_CMDLET,
    operation="Grant Device Writeback permissions",
    grants=(Grant(mask("GRGWCCDCSDDT")),),
    on_container=THIS_OBJECT_AND_SUBOBJECTS,
    takes_object=False,
)
DEVICE_REGISTRATION_CONFIGURATION: Final = Feature(
    name="DeviceWritebackConfiguration",
    cmdlet=DEVICE_WRITEBACK_CMDLET,
    operation=REGISTERED_DEVICES.operation,
    grants=(Grant(mask("GRGW")),),
    on_container=THIS_OBJECT_AND_SUBOBJECTS,
    takes_object=False,
)
