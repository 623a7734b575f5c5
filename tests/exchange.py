"""What Exchange and later schemas add and the lab's controller lacks, as far as the cmdlets name it.

The GUIDs are those of MS-ADSC and MS-ADA and, for Exchange, of a published Exchange schema; the object identifiers
are the lab's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import ldap3

__all__ = ["add_key_credentials", "extend_schema"]

_ARC: Final = "1.3.6.1.4.1.99999.1"
#: lDAPDisplayName, schemaIDGUID, and the syntax: a string, a DN string, or an octet string.
_STRING = ("2.5.5.12", "64")
_OCTETS = ("2.5.5.10", "4")
ATTRIBUTES: Final[Mapping[str, tuple[str, tuple[str, str]]]] = {
    "msDS-ExternalDirectoryObjectId": ("bd29bf90-66ad-40e1-887b-10df070419a6", _STRING),
    "msExchSafeSendersHash": ("7cb4c7d3-8787-42b0-b438-3c5d479ad31e", _OCTETS),
}
PUBLIC_FOLDER: Final = "f0f8ffac-1191-11d0-a060-00aa006c33ed"


#: What the schema of Windows Server 2016 has beyond the lab's: keys with which an account logs on.
KEY_CREDENTIALS: Final = {
    "msDS-KeyCredentialLink": ("5b47d60f-6090-40b2-9f37-2a4de88f3063", _OCTETS),
}


def extend_schema(administrator: Any, schema: str) -> None:
    """Add the attributes and the class publicFolder to the schema at this DN, and have the controller load them."""
    _add_attributes(administrator, schema, ATTRIBUTES, first=1)
    folder = {
        "lDAPDisplayName": "publicFolder",
        "governsID": f"{_ARC}.2.1",
        "subClassOf": "top",
        "objectClassCategory": "1",
        "possSuperiors": ["organizationalUnit", "container"],
        "mayContain": ["displayName", "mail", "description"],
        "rDNAttID": "cn",
        "schemaIDGUID": UUID(PUBLIC_FOLDER).bytes_le,
        "defaultSecurityDescriptor": "D:(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;DA)",
    }
    _add(administrator, f"CN=publicFolder,{schema}", "classSchema", folder)
    _add_to_class(administrator, f"CN=User,{schema}", list(ATTRIBUTES))
    _reload(administrator)


def add_key_credentials(administrator: Any, schema: str) -> None:
    """Add the attribute of key credentials to the schema at this DN, for users."""
    _add_attributes(administrator, schema, KEY_CREDENTIALS, first=1 + len(ATTRIBUTES))
    _add_to_class(administrator, f"CN=User,{schema}", list(KEY_CREDENTIALS))
    _reload(administrator)


def _add_attributes(
    administrator: Any, schema: str, attributes: Mapping[str, tuple[str, tuple[str, str]]], *, first: int
) -> None:
    for number, (name, (guid, (syntax, om_syntax))) in enumerate(attributes.items(), first):
        attribute = {
            "lDAPDisplayName": name,
            "attributeID": f"{_ARC}.1.{number}",
            "attributeSyntax": syntax,
            "oMSyntax": om_syntax,
            "isSingleValued": "TRUE",
            "schemaIDGUID": UUID(guid).bytes_le,
        }
        _add(administrator, f"CN={name},{schema}", "attributeSchema", attribute)
    _reload(administrator)


def _add(administrator: Any, dn: str, object_class: str, values: Mapping[str, Any]) -> None:
    assert administrator.add(dn, object_class, dict(values)), administrator.result


def _add_to_class(administrator: Any, dn: str, attributes: list[str]) -> None:
    assert administrator.modify(dn, {"mayContain": [(ldap3.MODIFY_ADD, attributes)]}), administrator.result


def _reload(administrator: Any) -> None:
    assert administrator.modify("", {"schemaUpdateNow": [(ldap3.MODIFY_ADD, ["1"])]}), administrator.result
