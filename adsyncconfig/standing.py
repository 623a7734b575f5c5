"""Reading what a change is about: the one place that knows which attributes that takes.

Rule 1: of an attribute with values only those of the change are asked for, by a search condition on the object
        itself: a group may have more members than a controller gives at a time (MS-ADTS 3.1.1.3.1.3.3).
"""

from __future__ import annotations

from typing import Final

from .directory import Directory, Scope
from .errors import NotFound
from .filters import Equals
from .plan import AnyChange, Standing, ValueChange

__all__ = ["has_value", "standing"]

_GUID: Final = "objectGUID"


def standing(change: AnyChange, local: Directory) -> Standing:
    """What the object has now of what the change is about. Raises NotFound, AccessDenied and DirectoryError."""
    if isinstance(change, ValueChange):
        guid = local.get(change.dn, (_GUID,)).guid()
        wanted = (*change.add, *change.remove)
        return Standing(
            guid,
            values=frozenset(
                value for value in wanted if has_value(local, change.dn, change.attribute, value)
            ),
        )
    entry = local.get(change.dn, ("nTSecurityDescriptor", _GUID))
    return Standing(entry.guid(), entry.security_descriptor())


def has_value(local: Directory, dn: str, attribute: str, value: str) -> bool:
    """True when this attribute of the object has this value, as the directory compares them."""
    try:
        found = local.search(dn, Equals(attribute, value), (_GUID,), scope=Scope.BASE)
        return next(iter(found), None) is not None
    except NotFound:
        return False
