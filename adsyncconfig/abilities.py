"""What the holder of a right can do with an object, as data: abilities, and the rights that each comes from.

``operations`` says what a feature does; this says what whoever holds a right could do, whether it is meant or not.

Rule 1: an ability is held in one of several ways, each a single need: a right on the whole object, an attribute, a
        control access right or a validated write. Property sets follow from the attribute.
Rule 2: rights and attributes are named, never by GUID.
Rule 3: an ability counts on the classes for which it is worth something; every class where none is named.
Rule 4: ``within`` names the abilities that hold this one, so that a report says the wider one alone.

Sources: MS-ADTS 5.1.3.2 (rights), 5.1.3.2.1 (control access rights), 3.1.1.5.3.1.1 (validated writes); what each is
good for: docs/decisions/0010-what-counts-as-control.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from acl import DIRECTORY_MAPPING, AccessMask

from .findings import Power
from .operations import Need
from .schema import Kind

__all__ = ["ABILITIES", "COMPUTERS", "LOGONS", "OWNING", "PEOPLE", "Ability", "names_of_abilities"]


class Ability(NamedTuple):
    """One thing that somebody can do with an object.

    ``words`` go behind "can". ``power`` is what it comes to in the picture of the tree.
    """

    id: str
    words: str
    power: Power
    ways: tuple[Need, ...]
    classes: frozenset[str] | None = None
    within: frozenset[str] = frozenset()


PEOPLE: Final = frozenset({"user", "inetOrgPerson"})
#: ``computer`` and what is derived from it, for which a forest can block the rights of owners (MS-ADTS 6.1.3.4).
COMPUTERS: Final = frozenset(
    {
        "computer",
        "msDS-ManagedServiceAccount",
        "msDS-GroupManagedServiceAccount",
        "msDS-DelegatedManagedServiceAccount",
    }
)
#: The classes of object that log on.
LOGONS: Final = PEOPLE | COMPUTERS
_GROUPS: Final = frozenset({"group"})
_DOMAINS: Final = frozenset({"domainDNS"})
_MANAGED: Final = frozenset({"msDS-GroupManagedServiceAccount", "msDS-DelegatedManagedServiceAccount"})

_M: Final = AccessMask
_WRITE: Final = _M.DS_WRITE_PROPERTY
_FULL: Final = frozenset({"full-control"})
_FULL_OR_WRITE: Final = frozenset({"full-control", "write-everything"})
_FULL_OR_RIGHTS: Final = frozenset({"full-control", "every-extended-right"})


def _whole(rights: AccessMask) -> tuple[Need, ...]:
    return (Need(rights),)


def _attribute(name: str, *validated_writes: str) -> tuple[Need, ...]:
    validated = (Need(_M.DS_WRITE_PROPERTY_EXTENDED, (Kind.RIGHT, each)) for each in validated_writes)
    return (Need(_WRITE, (Kind.ATTRIBUTE, name)), *validated)


def _right(cn: str) -> tuple[Need, ...]:
    return (Need(_M.DS_CONTROL_ACCESS, (Kind.RIGHT, cn)),)


_CONTROL: Final = Power.CONTROL
_CREATE: Final = Power.CREATE

#: Being the owner comes from no entry; what it brings is the right to change permissions (MS-DTYP 2.5.3.2).
OWNING: Final = Ability("own", "change its permissions as its owner", _CONTROL, (), None)

#: Every ability that entries give, the widest first.
ABILITIES: Final[tuple[Ability, ...]] = (
    Ability("full-control", "do everything with it", _CONTROL, _whole(DIRECTORY_MAPPING.all)),
    Ability("write-permissions", "change its permissions", _CONTROL, _whole(_M.WRITE_DAC), None, _FULL),
    Ability("write-owner", "take ownership of it", _CONTROL, _whole(_M.WRITE_OWNER), None, _FULL),
    Ability("write-everything", "write every attribute of it", Power.WRITE, _whole(_WRITE), None, _FULL),
    Ability(
        "every-extended-right",
        "use every extended right on it",
        Power.WRITE,
        _whole(_M.DS_CONTROL_ACCESS),
        None,
        _FULL,
    ),
    Ability(
        "reset-password",
        "reset its password",
        _CONTROL,
        _right("User-Force-Change-Password"),
        LOGONS,
        _FULL_OR_RIGHTS,
    ),
    Ability(
        "write-key-credentials",
        "log on as it with a new key (msDS-KeyCredentialLink)",
        _CONTROL,
        _attribute("msDS-KeyCredentialLink"),
        PEOPLE | _MANAGED,
        _FULL_OR_WRITE,
    ),
    # The validated write is one of computers alone, which give it to themselves.
    Ability(
        "write-computer-key-credentials",
        "log on as it with a new key (msDS-KeyCredentialLink)",
        _CONTROL,
        _attribute("msDS-KeyCredentialLink", "DS-Validated-Write-Computer"),
        COMPUTERS - _MANAGED,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-delegation",
        "log on to it as anybody (msDS-AllowedToActOnBehalfOfOtherIdentity)",
        _CONTROL,
        _attribute("msDS-AllowedToActOnBehalfOfOtherIdentity"),
        LOGONS,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-certificate-mapping",
        "log on as it with a certificate (altSecurityIdentities)",
        _CONTROL,
        _attribute("altSecurityIdentities"),
        LOGONS,
        _FULL_OR_WRITE,
    ),
    Ability(
        "read-managed-password",
        "say who reads its managed password (msDS-GroupMSAMembership)",
        _CONTROL,
        _attribute("msDS-GroupMSAMembership"),
        _MANAGED,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-logon-script",
        "say which program runs when it logs on (scriptPath)",
        _CONTROL,
        _attribute("scriptPath"),
        PEOPLE,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-service-names",
        "give it a name under which its password can be guessed offline (servicePrincipalName)",
        Power.WRITE,
        _attribute("servicePrincipalName", "Validated-SPN"),
        LOGONS,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-account-control",
        "disable it or weaken how it logs on (userAccountControl)",
        Power.WRITE,
        _attribute("userAccountControl"),
        LOGONS,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-source-anchor",
        "tie it to another identity in Entra (mS-DS-ConsistencyGuid)",
        Power.WRITE,
        _attribute("mS-DS-ConsistencyGuid"),
        PEOPLE | _GROUPS,
        _FULL_OR_WRITE,
    ),
    Ability(
        "write-members",
        "change its members",
        Power.WRITE,
        _attribute("member", "Self-Membership"),
        _GROUPS,
        _FULL_OR_WRITE,
    ),
    Ability(
        "link-group-policy",
        "link group policies to it, which run programs on the computers in it (gPLink)",
        _CONTROL,
        _attribute("gPLink"),
        frozenset({"organizationalUnit", "domainDNS"}),
        _FULL_OR_WRITE,
    ),
    Ability(
        "replicate-secrets",
        "read the password hashes of every account in the domain",
        _CONTROL,
        _right("DS-Replication-Get-Changes-All"),
        _DOMAINS,
        _FULL,
    ),
    Ability(
        "replicate-filtered-set",
        "replicate the attributes that read-only controllers are not given",
        Power.READ,
        _right("DS-Replication-Get-Changes-In-Filtered-Set"),
        _DOMAINS,
        _FULL_OR_RIGHTS,
    ),
    Ability(
        "replicate-changes",
        "replicate what is no secret",
        Power.READ,
        _right("DS-Replication-Get-Changes"),
        _DOMAINS,
        _FULL_OR_RIGHTS,
    ),
    Ability(
        "create-everything",
        "create objects of every class in it",
        _CREATE,
        _whole(_M.DS_CREATE_CHILD),
        None,
        _FULL,
    ),
    Ability(
        "delete-everything",
        "delete objects of every class in it",
        _CREATE,
        _whole(_M.DS_DELETE_CHILD),
        None,
        _FULL,
    ),
    Ability(
        "delete-tree", "delete it with all that is in it", _CREATE, _whole(_M.DS_DELETE_TREE), None, _FULL
    ),
    Ability("delete", "delete it", _CREATE, _whole(_M.DELETE), None, _FULL),
)


def names_of_abilities(abilities: Iterable[Ability] = ABILITIES) -> dict[Kind, list[str]]:
    """The names that the abilities use, each once, by kind: what to look up in the schema."""
    names: dict[Kind, dict[str, None]] = {}
    for ability in abilities:
        for name in ability.classes or ():
            names.setdefault(Kind.CLASS, {})[name] = None
        for need in ability.ways:
            if need.on:
                names.setdefault(need.on[0], {})[need.on[1]] = None
    return {kind: sorted(each) for kind, each in names.items()}
