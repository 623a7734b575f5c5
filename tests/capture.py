"""What is kept of a lab's directory in fixtures/directories: chosen so that two captures are alike.

GUIDs of objects, times and counters differ with each provision and stay out; SIDs are fixed by the lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adsyncconfig.directory import Directory, Entry, Scope
from adsyncconfig.filters import EVERYTHING, AnyOf, Equals
from adsyncconfig.operations import CLOUD_SYNC_OPERATIONS, OPERATIONS, names_of_operations
from adsyncconfig.schema import Kind

__all__ = ["ORIGIN", "captured"]

ORIGIN: Final = (
    "script/capture-fixtures, from a Samba AD DC 4.17 that tests/samba_lab.py provisions and "
    "tests/contoso_directory.py fills; facts of that controller, free to use"
)
ATTRIBUTES: Final = (
    "objectClass", "cn", "name", "objectSid", "sAMAccountName", "userPrincipalName", "description",
    "displayName", "groupType", "member", "primaryGroupID", "userAccountControl", "adminCount",
    "isCriticalSystemObject", "nTSecurityDescriptor",
)  # fmt: skip
CROSS_REF: Final = ("objectClass", "cn", "name", "dnsRoot", "nETBIOSName", "systemFlags")
CLASS: Final = ("objectClass", "cn", "lDAPDisplayName", "schemaIDGUID", "attributeSecurityGUID")
RIGHT: Final = ("objectClass", "cn", "displayName", "rightsGuid", "validAccesses")
#: Classes of the objects kept, and those that the features grant rights on.
CLASSES: Final = (
    "builtinDomain", "computer", "contact", "container", "device", "domainDNS", "foreignSecurityPrincipal",
    "group", "inetOrgPerson", "organizationalUnit", "user",
)  # fmt: skip
#: What the features read, write and create, as far as the controller's schema has it.
OPERATED: Final = names_of_operations(
    operation
    for table in (OPERATIONS, CLOUD_SYNC_OPERATIONS)
    for each in table.values()
    for operation in each
)
SCHEMA_NAMES: Final = (*CLASSES, *OPERATED[Kind.CLASS], *OPERATED[Kind.ATTRIBUTE])


def captured(directory: Directory) -> Iterator[Entry]:
    """The entries to keep: the domain, its OUs, accounts and groups; what names and domains need."""
    root = directory.root
    domain = root.default_naming_context
    yield directory.get(domain, ATTRIBUTES)
    system = f"CN=System,{domain}"
    yield directory.get(system, ATTRIBUTES)
    yield directory.get(f"CN=AdminSDHolder,{system}", ATTRIBUTES)
    tops = directory.search(domain, EVERYTHING, ATTRIBUTES, scope=Scope.ONE_LEVEL)
    kept = ("CN=Builtin", "CN=Computers", "CN=Users", "OU=")
    for top in _sorted(each for each in tops if each.dn.startswith(kept)):
        yield from _sorted(directory.search(top.dn, EVERYTHING, ATTRIBUTES))

    configuration = root.configuration_naming_context
    partitions = f"CN=Partitions,{configuration}"
    rights = f"CN=Extended-Rights,{configuration}"
    for container in (configuration, partitions, rights, root.schema_naming_context):
        yield directory.get(container, ("objectClass", "cn", "name"))
    yield from _sorted(
        directory.search(partitions, Equals("objectClass", "crossRef"), CROSS_REF, scope=Scope.ONE_LEVEL)
    )
    named = AnyOf(tuple(Equals("lDAPDisplayName", name) for name in SCHEMA_NAMES))
    yield from _sorted(directory.search(root.schema_naming_context, named, CLASS, scope=Scope.ONE_LEVEL))
    yield from _sorted(directory.search(rights, EVERYTHING, RIGHT, scope=Scope.ONE_LEVEL))


def _sorted(entries: Iterator[Entry]) -> list[Entry]:
    """In an order that reads well: an object before what is below it; values of one attribute sorted too."""
    ordered = sorted(entries, key=lambda entry: [part.lower() for part in reversed(entry.dn.split(","))])
    return [
        # The order of objectClass means something; a controller gives other values as it finds them.
        Entry(
            e.dn, {n: tuple(v) if n == "objectclass" else tuple(sorted(v)) for n, v in e.attributes.items()}
        )
        for e in ordered
    ]
