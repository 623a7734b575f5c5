"""What an account can do, found out by trying: each function does one thing over LDAP and says how it went.

The answer is the name of the server's result code, such as "success" or "insufficientAccessRights".
"""

from __future__ import annotations

from typing import Any

import ldap3
from contoso_directory import UNIVERSAL_DISTRIBUTION
from ldap3.protocol.microsoft import security_descriptor_control

SUCCESS = "success"
REFUSED = "insufficientAccessRights"
DACL = 4


def create_group(connection: Any, dn: str) -> str:
    """Create a universal distribution group, as group writeback does."""
    name = dn.split(",", 1)[0].removeprefix("CN=").replace(" ", "-").lower()
    connection.add(dn, "group", {"sAMAccountName": name, "groupType": str(UNIVERSAL_DISTRIBUTION)})
    return _said(connection)


def create(connection: Any, dn: str, object_class: str) -> str:
    """Create an object of a class that needs no other attribute."""
    connection.add(dn, object_class, {})
    return _said(connection)


def write(connection: Any, dn: str, attribute: str, value: str) -> str:
    """Replace an attribute's value."""
    connection.modify(dn, {attribute: [(ldap3.MODIFY_REPLACE, [value])]})
    return _said(connection)


def add_member(connection: Any, dn: str, member: str) -> str:
    """Add a member to a group."""
    connection.modify(dn, {"member": [(ldap3.MODIFY_ADD, [member])]})
    return _said(connection)


def rename(connection: Any, dn: str, rdn: str) -> str:
    """Give the object another name at the same place."""
    connection.modify_dn(dn, rdn)
    return _said(connection)


def delete(connection: Any, dn: str) -> str:
    """Delete the object."""
    connection.delete(dn)
    return _said(connection)


def write_dacl(connection: Any, dn: str, descriptor: bytes) -> str:
    """Replace the object's DACL with that of a descriptor."""
    connection.modify(
        dn,
        {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [descriptor])]},
        controls=security_descriptor_control(sdflags=DACL),
    )
    return _said(connection)


def read_descriptor(connection: Any, dn: str, *, flags: int = DACL) -> bytes:
    """The object's descriptor as the server sends it."""
    found = connection.search(
        dn,
        "(objectClass=*)",
        ldap3.BASE,
        attributes=["nTSecurityDescriptor"],
        controls=security_descriptor_control(sdflags=flags),
    )
    assert found, connection.result
    raw: bytes = connection.response[0]["raw_attributes"]["nTSecurityDescriptor"][0]
    return raw


def _said(connection: Any) -> str:
    said: str = connection.result["description"]
    return said
