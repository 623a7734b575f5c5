"""The domains of a forest, from its Partitions container.

Source: MS-ADTS 6.1.1.2.1 (crossRef objects): those of domains have bit 0x2 in systemFlags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .directory import Directory, Scope
from .dn import DistinguishedName, escape
from .errors import DirectoryError, UnknownName
from .filters import AllOf, BitsSet, Equals

__all__ = ["Domain", "domain_named", "domain_of", "domains"]

FLAG_CR_NTDS_DOMAIN: Final = 0x2


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain: its DNS name, its NetBIOS name, and the DN of its root."""

    dns_name: str
    netbios_name: str
    dn: str


def domains(directory: Directory) -> tuple[Domain, ...]:
    """Every domain of the forest, the forest's root first, the others by name."""
    root = directory.root
    found = directory.search(
        f"CN=Partitions,{root.configuration_naming_context}",
        AllOf((Equals("objectClass", "crossRef"), BitsSet("systemFlags", FLAG_CR_NTDS_DOMAIN))),
        ["dnsRoot", "nETBIOSName"],
        scope=Scope.ONE_LEVEL,
    )
    # The name comes from dnsRoot, since nCName is empty on a controller that has no copy of that domain.
    result = []
    for entry in found:
        dns_name = entry.text("dnsRoot")
        if not dns_name:
            raise DirectoryError(f"the cross reference '{entry.dn}' has no dnsRoot", dn=entry.dn)
        labels = (f"DC={escape(label)}" for label in dns_name.split("."))
        result.append(Domain(dns_name.lower(), entry.text("nETBIOSName") or "", ",".join(labels)))
    if not result:
        raise DirectoryError(
            f"the Partitions container of {root.controller} lists no domain, or you may not read it"
        )
    forest_root = DistinguishedName.parse(root.root_domain_naming_context).domain
    return tuple(sorted(result, key=lambda domain: (domain.dns_name != forest_root, domain.dns_name)))


def domain_named(directory: Directory, name: str) -> Domain:
    """The domain with this DNS or NetBIOS name. Raises UnknownName, listing the ones there are."""
    known = domains(directory)
    wanted = name.rstrip(".").lower()
    for domain in known:
        if wanted in (domain.dns_name, domain.netbios_name.lower()):
            return domain
    there = ", ".join(domain.dns_name for domain in known)
    raise UnknownName(name, "domain", f"there is no domain '{name}' in this forest; it has {there}")


def domain_of(directory: Directory, dn: DistinguishedName) -> Directory:
    """The directory of the domain that holds this DN; asks for the domains only when it is another."""
    if dn.domain == directory.root.domain:
        return directory
    if dn.domain not in {domain.dns_name for domain in domains(directory)}:
        raise UnknownName(dn.text, "object", f"'{dn}' is in no domain of this forest")
    return directory.for_domain(dn.domain)
