"""Where a search of the forest begins: at an object, at the root of a domain, or everywhere.

Rule 1: ``-SearchBase`` is a DN, or the DNS or NetBIOS name of a domain; what holds no ``=`` is a name.
Rule 2: "everywhere" is every domain, and the forest's configuration and schema: Device Registration and the
        replication rights are granted there too. Every domain is reached before the first is searched.
"""

from __future__ import annotations

from dataclasses import dataclass

from .directory import Directory
from .dn import DistinguishedName
from .errors import NotFound, UnknownName
from .forest import domain_named, domain_of, domains

__all__ = ["SearchBase", "everywhere", "named_base"]


@dataclass(frozen=True, slots=True)
class SearchBase:
    """An object to search below, and the directory of the domain that answers for it."""

    directory: Directory
    dn: str


def named_base(directory: Directory, text: str) -> SearchBase:
    """The object or domain that ``-SearchBase`` names.

    Raises ParameterError for what is no DN, UnknownName where there is no such object or domain.
    """
    if "=" not in text:
        local = directory.for_domain(domain_named(directory, text).dns_name)
        return SearchBase(local, local.root.default_naming_context)
    name = DistinguishedName.parse(text, what="-SearchBase")
    local = domain_of(directory, name)
    try:
        return SearchBase(local, local.get(text, ["objectClass"]).dn)
    except NotFound:
        raise UnknownName(text, "object", f"there is no object '{text}', or you may not see it") from None


def everywhere(directory: Directory) -> tuple[SearchBase, ...]:
    """The root of every domain, then of configuration and schema. Raises Unreachable."""
    local = [directory.for_domain(domain.dns_name) for domain in domains(directory)]
    roots = [SearchBase(each, each.root.default_naming_context) for each in local]
    root = directory.root
    forest = (root.configuration_naming_context, root.schema_naming_context)
    return (*roots, *(SearchBase(directory, dn) for dn in forest))
