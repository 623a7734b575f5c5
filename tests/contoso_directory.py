r"""What the lab's directories contain, as data, and `populate`, which makes it over LDAPS.

The order here is the order of creation, so with the lab's fixed domain SIDs every run gives each account the
same SID. All accounts share one password. What each part is for:

- OU=Writeback is where tests change things; OU=Blocked doesn't inherit from the domain.
- The last OUs, and one account, have names that trip careless quoting. What a DN escapes with a backslash
  stands here escaped, as in the DN.
- "svc-sync" is the name of one account and the sAMAccountName of another, so a search for it finds both.
- helpdesk is an ordinary user: it reads permissions and can't change them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ldap3 import MODIFY_ADD, MODIFY_REPLACE
from ldap3.protocol.microsoft import security_descriptor_control
from samba_lab import CONTOSO, PASSWORD, DomainController, LabError, connect_as

CONNECTOR: Final = "MSOL_0123456789ab"
CONNECTOR_DN: Final = f"CN={CONNECTOR},CN=Users,{CONTOSO.base_dn}"
CONNECTOR_SID: Final = f"{CONTOSO.sid}-1102"  # the first account made after the provision's own
HELPDESK: Final = "helpdesk"
AMBIGUOUS_NAME: Final = "svc-sync"
HOSTILE_ACCOUNT_NAME: Final = "svc-åter(eu)"
HOSTILE_ACCOUNT_DN: Final = rf"CN=Synk\, Återskrivning (EU*) \\ test,OU=Users Synced,{CONTOSO.base_dn}"
# Every OU whose name needs care in a DN, in a search filter or on a command line.
HOSTILE_OUS: Final = tuple(
    f"{rdn},{CONTOSO.base_dn}"
    for rdn in (
        r"OU=Grupper\, Återskrivning",
        r"OU=Research \+ Development",
        r"OU=The \"Quoted\" Unit",
        r"OU=Back\\slash",
        r"OU=Sales (Nordic)",
        r"OU=Star * Unit",
        r"OU=Sparse\, Inc. \+ \"Co\"",
    )
)

# groupType: 2 global, 4 domain local, 8 universal; and 0x80000000, as a signed number, for a security group.
UNIVERSAL_DISTRIBUTION: Final = 8
GLOBAL_SECURITY: Final = 2 - 2**31
DOMAIN_LOCAL_SECURITY: Final = 4 - 2**31
UNIVERSAL_SECURITY: Final = 8 - 2**31

_NORMAL_ACCOUNT = 0x200
_DONT_EXPIRE_PASSWORD = 0x10000
_WORKSTATION_TRUST_ACCOUNT = 0x1000

_SE_DACL_PROTECTED = 0x1000
_INHERITED_ACE = 0x10
_DACL_SECURITY_INFORMATION = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """An object to make; `rdns` is its DN without the domain's own part."""

    rdns: str
    object_class: str
    attributes: Mapping[str, int | str | bytes] = field(default_factory=dict)
    member_of: str = ""
    protected: bool = False


def _ou(rdns: str, *, protected: bool = False) -> Entry:
    return Entry(rdns, "organizationalUnit", protected=protected)


def _group(rdns: str, account_name: str, group_type: int) -> Entry:
    return Entry(rdns, "group", {"sAMAccountName": account_name, "groupType": group_type})


def _user(rdns: str, account_name: str, *, member_of: str = "", **attributes: str) -> Entry:
    account: dict[str, int | str | bytes] = {
        "sAMAccountName": account_name,
        "userAccountControl": _NORMAL_ACCOUNT | _DONT_EXPIRE_PASSWORD,
        "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le"),
    }
    return Entry(rdns, "user", account | attributes, member_of=member_of)


CONTOSO_ENTRIES: Final = (
    _user(
        f"CN={CONNECTOR},CN=Users",
        CONNECTOR,
        # The words of the Entra Connect installer, by which the connector's account is found.
        description=(
            "Account created by Microsoft Azure Active Directory Connect with installation identifier"
            " 0123456789ab4cdef0123456789abcde running on computer CONNECT1 configured to synchronize to"
            " tenant contoso.example. This account must have directory replication permissions in the local"
            " Active Directory and write permission on certain attributes to enable Hybrid Deployment."
        ),
    ),
    _ou("OU=Groups"),
    _ou("OU=Writeback"),
    _ou("OU=Nested,OU=Writeback"),
    _ou("OU=Users Synced"),
    _ou("OU=Blocked", protected=True),
    _ou("OU=Child,OU=Blocked"),
    *(_ou(dn.removesuffix(f",{CONTOSO.base_dn}")) for dn in HOSTILE_OUS),
    _group("CN=All Staff,OU=Groups", "all-staff", UNIVERSAL_DISTRIBUTION),
    _group("CN=Engineers,OU=Groups", "engineers", GLOBAL_SECURITY),
    _group("CN=File Share Readers,OU=Groups", "file-share-readers", DOMAIN_LOCAL_SECURITY),
    _group("CN=Team Blue,OU=Writeback", "team-blue", UNIVERSAL_DISTRIBUTION),
    _group("CN=Team Green,OU=Writeback", "team-green", UNIVERSAL_SECURITY),
    _group("CN=Team Deep,OU=Nested,OU=Writeback", "team-deep", UNIVERSAL_DISTRIBUTION),
    _group("CN=Shielded Team,OU=Blocked", "shielded-team", UNIVERSAL_SECURITY),
    _group("CN=Shielded Child,OU=Child,OU=Blocked", "shielded-child", UNIVERSAL_SECURITY),
    _group(r"CN=Lag\, Öst,OU=Grupper\, Återskrivning", "lag-öst", UNIVERSAL_DISTRIBUTION),
    _user("CN=User One,OU=Users Synced", "user1", mail="user1@contoso.example"),
    _user("CN=User Two,OU=Users Synced", "user2", member_of="CN=Engineers,OU=Groups"),
    _user("CN=Shielded User,OU=Blocked", "shielded-user"),
    _user("CN=Domain Keeper,OU=Users Synced", "keeper", member_of="CN=Domain Admins,CN=Users"),
    _user(f"CN={HELPDESK},OU=Users Synced", HELPDESK),
    _user(HOSTILE_ACCOUNT_DN.removesuffix(f",{CONTOSO.base_dn}"), HOSTILE_ACCOUNT_NAME),
    _user(f"CN={AMBIGUOUS_NAME},OU=Users Synced", "svc-sync-old"),
    _user("CN=Sync Service,OU=Users Synced", AMBIGUOUS_NAME),
    Entry("CN=Contact One,OU=Users Synced", "contact", {"mail": "contact1@fabrikam.example"}),
    Entry(
        "CN=WORKSTATION1,CN=Computers",
        "computer",
        {"sAMAccountName": "WORKSTATION1$", "userAccountControl": _WORKSTATION_TRUST_ACCOUNT},
    ),
)

EMEA_ENTRIES: Final = (
    _ou("OU=Groups"),
    _ou("OU=Writeback"),
    _group("CN=Team Emea,OU=Writeback", "team-emea", UNIVERSAL_DISTRIBUTION),
    _user("CN=User Emea,CN=Users", "user-emea"),
)


def populate(controller: DomainController) -> None:
    """Make the contents of the controller's domain, as its administrator.

    Raises:
        LabError: The server refused something; the text names the object.
    """
    entries = CONTOSO_ENTRIES if controller.domain == CONTOSO else EMEA_ENTRIES
    connection = connect_as(controller, controller.administrator)
    try:
        for entry in entries:
            _make(connection, entry, controller.base_dn)
        # One name that logs on everywhere, as an Enterprise Admin's does in a real forest.
        dn = f"CN=Administrator,CN=Users,{controller.base_dn}"
        name = f"Administrator@{CONTOSO.realm}"
        _done(connection.modify(dn, {"userPrincipalName": [(MODIFY_REPLACE, [name])]}), connection, dn)
    finally:
        connection.unbind()


def _make(connection: Any, entry: Entry, base_dn: str) -> None:
    dn = f"{entry.rdns},{base_dn}"
    values = {
        name: str(value) if isinstance(value, int) else value for name, value in entry.attributes.items()
    }
    _done(connection.add(dn, entry.object_class, values), connection, dn)
    if entry.protected:
        _block_inheritance(connection, dn)
    if entry.member_of:
        group = f"{entry.member_of},{base_dn}"
        _done(connection.modify(group, {"member": [(MODIFY_ADD, [dn])]}), connection, group)


def _block_inheritance(connection: Any, dn: str) -> None:
    """Do what "Convert inherited permissions into explicit permissions" does."""
    control = security_descriptor_control(sdflags=_DACL_SECURITY_INFORMATION)
    name = "nTSecurityDescriptor"
    found = connection.search(dn, "(objectClass=*)", "BASE", attributes=[name], controls=control)
    _done(found, connection, dn)
    descriptor = protected(connection.response[0]["raw_attributes"][name][0])
    _done(connection.modify(dn, {name: [(MODIFY_REPLACE, [descriptor])]}, controls=control), connection, dn)


def protected(descriptor: bytes) -> bytes:
    """Give a self-relative descriptor whose DACL inherits nothing and whose ACEs are all explicit.

    Written without the project's own codec, which the lab is there to check (layout: MS-DTYP 2.4.4 to 2.4.6).
    """
    data = bytearray(descriptor)
    (flags,) = struct.unpack_from("<H", data, 2)
    struct.pack_into("<H", data, 2, flags | _SE_DACL_PROTECTED)
    (dacl,) = struct.unpack_from("<I", data, 16)
    (count,) = struct.unpack_from("<H", data, dacl + 4)
    ace = dacl + 8
    for _ in range(count):
        data[ace + 1] &= ~_INHERITED_ACE
        (size,) = struct.unpack_from("<H", data, ace + 2)
        ace += size
    return bytes(data)


def _done(succeeded: bool, connection: Any, dn: str) -> None:
    if not succeeded:
        result = connection.result
        raise LabError(f"{dn}: {result['description']} {result['message']}")
