"""Where a feature of an account is to work: which objects a scope covers, and an object as a target by itself."""

from __future__ import annotations

from acl import SecurityDescriptor

from .catalogue import TargetKind
from .facts import SeenObject
from .plan import Target
from .shortfalls import CONTAINERS

__all__ = ["covers", "scoped"]


def covers(scope: Target, seen: SeenObject) -> bool:
    """True when the object is the scope or below it; both are spelled as the directory spells them."""
    return seen.dn == scope.dn or (seen.domain == scope.domain and seen.dn.endswith(f",{scope.dn}"))


def scoped(seen: SeenObject, descriptor: SecurityDescriptor) -> Target:
    """The object as a target with this descriptor; nothing below it is looked at."""
    if seen.object_class == "domainDNS":
        kind = TargetKind.DOMAIN
    elif seen.object_class in CONTAINERS:
        kind = TargetKind.CONTAINER
    else:
        kind = TargetKind.OBJECT
    return Target(kind, seen.domain, seen.dn, seen.dn, seen.object_class, descriptor)
