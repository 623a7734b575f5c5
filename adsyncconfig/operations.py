"""What each feature of the connector does in a directory, as data: operations, and the rights that each needs.

Grants say what an administrator writes; operations say what the connector then does. ``effect`` tells whether
it can. Sources: the attributes that Microsoft documents for each feature (docs/compatibility.md), and MS-ADTS
3.1.1.5 for the rights that the directory checks.

Rule 1: an operation is possible in one of several ways, and a way needs every one of its rights.
Rule 2: rights, classes and attributes are named, never by GUID. What is ``optional`` comes with Exchange or a
        later schema; in a forest without it the operation does without.
Rule 3: creating is a matter of the container, deleting of the object or of its container.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Final, NamedTuple

from acl import AccessMask

from .catalogue import CLOUD_SYNC, Feature
from .schema import Kind

__all__ = [
    "CLOUD_SYNC_OPERATIONS",
    "OPERATIONS",
    "ORGANIZATIONAL_UNIT",
    "Need",
    "Operation",
    "Place",
    "names_of_operations",
    "operations_of",
]


class Place(Enum):
    """What an operation is done to."""

    TARGET = "the target itself"
    CONTAINER = "the container that the feature's objects are in"
    OBJECT = "an object of the operation's class"
    DOMAIN_ROOT = "the root of the domain"


class Need(NamedTuple):
    """One thing that the directory checks: rights, on what, and on which object.

    ``on`` is an attribute, a class to create or delete, or a control access right; None is the whole object.
    ``of_container``: what the object is in is asked, not the object.
    """

    rights: AccessMask
    on: tuple[Kind, str] | None = None
    of_container: bool = False
    optional: bool = False


_IN_CONTAINERS: Final = frozenset({Place.CONTAINER, Place.OBJECT})
#: The class of container that the objects of a domain are in.
ORGANIZATIONAL_UNIT: Final = "organizationalUnit"


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a feature does; ``name`` is what output calls it.

    ``ways`` are the alternatives, each all that is needed. ``object_class`` is the class of object that it is
    about; None for the root of a domain, and for whatever the target is.
    """

    name: str
    place: Place
    ways: tuple[tuple[Need, ...], ...]
    object_class: str | None = None


_M: Final = AccessMask
_READ: Final = _M.DS_READ_PROPERTY
_WRITE: Final = _M.DS_WRITE_PROPERTY


def _attributes(rights: AccessMask, names: Iterable[str], *, optional: bool = False) -> tuple[Need, ...]:
    return tuple(Need(rights, (Kind.ATTRIBUTE, name), optional=optional) for name in names)


def _a(object_class: str) -> str:
    return f"{'an' if object_class[0] in 'aeio' else 'a'} {object_class}"


def _create(object_class: str) -> Operation:
    needed = Need(_M.DS_CREATE_CHILD, (Kind.CLASS, object_class), of_container=True)
    return Operation(f"create {_a(object_class)}", Place.CONTAINER, ((needed,),), object_class)


def _delete(object_class: str) -> Operation:
    own = Need(_M.DELETE)
    containers = Need(_M.DS_DELETE_CHILD, (Kind.CLASS, object_class), of_container=True)
    return Operation(f"delete {_a(object_class)}", Place.OBJECT, ((own,), (containers,)), object_class)


def _rename(object_class: str) -> Operation:
    needed = _attributes(_WRITE, ("name", "cn"))
    return Operation(f"rename {_a(object_class)}", Place.OBJECT, (needed,), object_class)


def _on(object_class: str, name: str, needs: tuple[Need, ...]) -> Operation:
    return Operation(name.format(_a(object_class)), Place.OBJECT, (needs,), object_class)


def _domain_right(name: str, cn: str) -> Operation:
    needed = Need(_M.DS_CONTROL_ACCESS, (Kind.RIGHT, cn))
    return Operation(name, Place.DOMAIN_ROOT, ((needed,),))


#: An object in a container whose contents may not be listed cannot be seen, whatever may be read of it.
_SEEN: Final = Need(_M.DS_LIST_CONTENTS, of_container=True)


def _read(object_class: str, names: Iterable[str], *, optional: Iterable[str] = ()) -> Operation:
    needs = (*_attributes(_READ, names), *_attributes(_READ, optional, optional=True))
    return _on(object_class, "read the attributes of {}", (*needs, _SEEN))


# The attributes are those of reference-connect-sync-attributes-synchronized that the base schema has.
_READ_USER: Final = (
    "cn", "displayName", "mail", "mS-DS-ConsistencyGuid", "proxyAddresses", "pwdLastSet", "sAMAccountName",
    "userAccountControl", "userPrincipalName",
)  # fmt: skip
_READ_COMPUTER: Final = (
    "cn", "displayName", "operatingSystem", "sAMAccountName", "userAccountControl", "userCertificate",
)  # fmt: skip
_BASIC_READ: Final = (
    _read("user", _READ_USER),
    _read("inetOrgPerson", _READ_USER),
    _read("group", ("cn", "displayName", "groupType", "mail", "member", "proxyAddresses", "sAMAccountName")),
    _read("contact", ("cn", "displayName", "mail", "proxyAddresses")),
    _read("computer", _READ_COMPUTER),
    _read("device", ("cn",)),
    _read("foreignSecurityPrincipal", ("cn",)),
)
_REPLICATE: Final = _domain_right("replicate changes", "DS-Replication-Get-Changes")
_PASSWORD_HASHES: Final = _domain_right("replicate password hashes", "DS-Replication-Get-Changes-All")

# "Exchange hybrid writeback" of the same page. What Exchange's schema brings is optional; so is the identifier
# of the object in Entra, which the schema of Windows Server 2016 brings.
_HYBRID_USER: Final = (
    *_attributes(_WRITE, ("proxyAddresses",)),
    *_attributes(
        _WRITE,
        (
            "msDS-ExternalDirectoryObjectId", "msExchArchiveStatus", "msExchBlockedSendersHash",
            "msExchSafeRecipientsHash", "msExchSafeSendersHash", "msExchUCVoiceMailSettings",
            "msExchUserHoldPolicies", "publicDelegates",
        ),
        optional=True,
    ),
)  # fmt: skip
_HYBRID_OTHER: Final = _attributes(_WRITE, ("proxyAddresses",))
_EXCHANGE_HYBRID: Final = (
    _on("user", "write the Exchange attributes of {}", _HYBRID_USER),
    _on("inetOrgPerson", "write the Exchange attributes of {}", _HYBRID_USER),
    _on("group", "write the Exchange attributes of {}", _HYBRID_OTHER),
    _on("contact", "write the Exchange attributes of {}", _HYBRID_OTHER),
)
_PUBLIC_FOLDERS: Final = (
    _read(
        "publicFolder",
        ("displayName", "mail", "proxyAddresses"),
        optional=("msExchRecipientTypeDetails", "targetAddress"),
    ),
)

_CONTROL: Final = _M.DS_CONTROL_ACCESS
_RESET: Final = Need(_CONTROL, (Kind.RIGHT, "User-Force-Change-Password"))
_PASSWORD_WRITEBACK: Final = (
    _on("user", "reset the password of {}", (_RESET,)),
    _on("user", "unlock {} (write lockoutTime)", _attributes(_WRITE, ("lockoutTime",))),
    _on("user", "expire the password of {} (write pwdLastSet)", _attributes(_WRITE, ("pwdLastSet",))),
    _domain_right("restore an expired password", "Unexpire-Password"),
)
_CONSISTENCY_GUID: Final = (
    _on("user", "write mS-DS-ConsistencyGuid of {}", _attributes(_WRITE, ("mS-DS-ConsistencyGuid",))),
)
# adminDescription marks a written-back group; the others are what a Microsoft 365 group shows in a mail client.
_GROUP_ATTRIBUTES: Final = (
    "adminDescription", "description", "displayName", "mail", "proxyAddresses", "sAMAccountName",
)  # fmt: skip
_GROUP_WRITEBACK: Final = (
    _create("group"),
    _on("group", "write the attributes of {}", _attributes(_WRITE, _GROUP_ATTRIBUTES)),
    _on("group", "change the members of {}", _attributes(_WRITE, ("member",))),
    _rename("group"),
    _delete("group"),
)
_DEVICE_ATTRIBUTES: Final = (
    "altSecurityIdentities", "displayName", "msDS-CloudAnchor", "msDS-DeviceID", "msDS-DeviceOSType",
    "msDS-DeviceOSVersion", "msDS-DeviceObjectVersion", "msDS-DevicePhysicalIDs", "msDS-IsCompliant",
    "msDS-IsEnabled", "msDS-IsManaged", "msDS-KeyCredentialLink", "msDS-RegisteredOwner",
)  # fmt: skip
_DEVICE_WRITEBACK: Final = (
    _create("msDS-Device"),
    _on("msDS-Device", "write the attributes of {}", _attributes(_WRITE, _DEVICE_ATTRIBUTES, optional=True)),
    _delete("msDS-Device"),
)
_DEVICE_CONFIGURATION: Final = (
    Operation("read the device registration configuration", Place.TARGET, ((Need(_READ),),)),
    Operation("write the device registration configuration", Place.TARGET, ((Need(_WRITE),),)),
)
_USER_GROUP_CREATE_DELETE: Final = (
    _create("group"),
    _on("group", "write the attributes of {}", _attributes(_WRITE, _GROUP_ATTRIBUTES)),
    _on("group", "change the members of {}", _attributes(_WRITE, ("member",))),
    _delete("group"),
    _create("user"),
    _on("user", "write the attributes of {}", _attributes(_WRITE, ("displayName", "mail", "sAMAccountName"))),
    _delete("user"),
)

#: What each feature of ``catalogue`` does, by its name.
OPERATIONS: Final[dict[str, tuple[Operation, ...]]] = {
    "BasicRead": (*_BASIC_READ, _REPLICATE),
    "ExchangeHybrid": _EXCHANGE_HYBRID,
    "ExchangeMailPublicFolder": _PUBLIC_FOLDERS,
    "MsDsConsistencyGuid": _CONSISTENCY_GUID,
    "PasswordHashSync": (_REPLICATE, _PASSWORD_HASHES),
    "PasswordWriteback": _PASSWORD_WRITEBACK,
    "UnifiedGroupWriteback": _GROUP_WRITEBACK,
    "DeviceWriteback": _DEVICE_WRITEBACK,
    "DeviceWritebackConfiguration": _DEVICE_CONFIGURATION,
}

#: What each permission type of Cloud Sync is for; All is every one of them.
CLOUD_SYNC_OPERATIONS: Final[dict[str, tuple[Operation, ...]]] = {
    "BasicRead": _BASIC_READ,
    "PasswordHashSync": OPERATIONS["PasswordHashSync"],
    "PasswordWriteBack": _PASSWORD_WRITEBACK,
    "HybridExchangePermissions": _EXCHANGE_HYBRID,
    "ExchangeMailPublicFolderPermissions": _PUBLIC_FOLDERS,
    "UserGroupCreateDelete": _USER_GROUP_CREATE_DELETE,
}
CLOUD_SYNC_OPERATIONS["All"] = tuple(
    dict.fromkeys(each for operations in CLOUD_SYNC_OPERATIONS.values() for each in operations)
)


def operations_of(feature: Feature) -> tuple[Operation, ...]:
    """What the feature does."""
    table = CLOUD_SYNC_OPERATIONS if feature is CLOUD_SYNC.get(feature.name) else OPERATIONS
    return table[feature.name]


def names_of_operations(operations: Iterable[Operation]) -> dict[Kind, list[str]]:
    """The names that the operations use, each once, by kind: what to look up in the schema.

    The class of OUs is among them where objects are concerned, for what they hand down.
    """
    names: dict[Kind, dict[str, None]] = {}
    for operation in operations:
        if operation.place in _IN_CONTAINERS:
            names.setdefault(Kind.CLASS, {})[ORGANIZATIONAL_UNIT] = None
        if operation.object_class:
            names.setdefault(Kind.CLASS, {})[operation.object_class] = None
        for need in chain(*operation.ways):
            if need.on:
                names.setdefault(need.on[0], {})[need.on[1]] = None
    return {kind: list(each) for kind, each in names.items()}
