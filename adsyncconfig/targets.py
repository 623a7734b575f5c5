"""The objects that a cmdlet acts on, read from the directory: whole domains, or the one object that is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .account import Principal
from .below import read_with_below
from .catalogue import TargetKind
from .directory import Directory
from .dn import DistinguishedName
from .errors import NotFound, ParameterError, UnknownName
from .forest import domain_of, domains
from .plan import Target

__all__ = ["named_target", "read_target", "targets"]

_ATTRIBUTES: Final = ("objectClass", "name", "nTSecurityDescriptor")
#: The classes of object that the documentation calls "OU or container".
_CONTAINERS: Final = frozenset({"organizationalUnit", "container", "builtinDomain"})
_ADMIN_SD_HOLDER: Final = "CN=AdminSDHolder,CN=System,"


@dataclass(frozen=True, slots=True)
class _Place:
    directory: Directory
    dn: str
    kind: TargetKind | None = None  # None: what its class says
    label: str | None = None  # None: its name


def targets(
    directory: Directory,
    object_dn: str | None,
    *,
    include_holders: bool,
    account: Principal,
    look_below: int = 0,
) -> Iterator[Target]:
    """Each domain of the forest with, on request, its AdminSDHolder; or the one object that is named.

    With what is below each, up to ``look_below`` objects of a domain, read in the same request.

    Raises UnknownName for an object that is not there, ParameterError for the account itself.
    """
    if object_dn is None:
        local = [directory.for_domain(domain.dns_name) for domain in domains(directory)]
        places = [place for each in local for place in _domain(each, include_holders=include_holders)]
    else:
        places = _named(directory, object_dn, include_holders=include_holders)
    for place in places:
        target = _read(place, look_below)
        if DistinguishedName.parse(target.dn) == DistinguishedName.parse(account.dn):
            raise ParameterError(
                f"'{target.dn}' is the connector account itself: -ADobjectDN names what it may act on"
            )
        yield target


def named_target(directory: Directory, object_dn: str, *, look_below: int = 0) -> Target:
    """The one object with this DN, in whichever domain of the forest it is. Raises as ``targets``."""
    return _read(_named(directory, object_dn, include_holders=False)[0], look_below)


def read_target(directory: Directory, dn: str) -> Target:
    """The object with this DN in the directory's own domain. Raises as ``targets``."""
    return _read(_Place(directory, dn))


def _domain(local: Directory, *, include_holders: bool) -> list[_Place]:
    root = local.root.default_naming_context
    places = [_Place(local, root, TargetKind.DOMAIN, local.root.domain)]
    if include_holders:
        places.append(_Place(local, _ADMIN_SD_HOLDER + root, TargetKind.ADMIN_SD_HOLDER))
    return places


def _named(directory: Directory, object_dn: str, *, include_holders: bool) -> list[_Place]:
    name = DistinguishedName.parse(object_dn, what="-ADobjectDN")
    local = domain_of(directory, name)
    root = local.root.default_naming_context
    if name == DistinguishedName.parse(root):
        return _domain(local, include_holders=include_holders)
    is_holder = name == DistinguishedName.parse(_ADMIN_SD_HOLDER + root)
    return [_Place(local, object_dn, TargetKind.ADMIN_SD_HOLDER if is_holder else None)]


def _read(place: _Place, look_below: int = 0) -> Target:
    try:
        entry, below = read_with_below(place.directory, place.dn, _ATTRIBUTES, limit=look_below)
    except NotFound:
        raise UnknownName(
            place.dn, "object", f"there is no object '{place.dn}', or you may not see it"
        ) from None
    # A directory lists an object's classes from top to the most specific one.
    object_class = (entry.values("objectClass") or ("top",))[-1]
    kind = place.kind or (TargetKind.CONTAINER if object_class in _CONTAINERS else TargetKind.OBJECT)
    label = place.label or entry.text("name") or entry.dn
    descriptor = entry.security_descriptor()
    return Target(kind, place.directory.root.domain, entry.dn, label, object_class, descriptor, below)
