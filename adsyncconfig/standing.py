"""Reading what a change is about: the one place that knows which attributes that takes.

Rule 1: of an attribute with values only those of the change are asked for, by a search condition on the object
        itself: a group may have more members than a controller gives at a time (MS-ADTS 3.1.1.3.1.3.3).
Rule 2: a password is never read; whether it was set shows in pwdLastSet (MS-ADTS 3.1.1.8.7).
"""

from __future__ import annotations

from typing import Final

from .directory import Directory, Scope
from .errors import NotFound
from .filters import Equals
from .plan import AnyChange, PasswordChange, Standing, ValueChange

__all__ = ["PASSWORD_SET", "has_value", "standing"]

#: When the password was set; "0" where it has to be changed at the next logon.
PASSWORD_SET: Final = "pwdLastSet"  # noqa: S105 - the name of an attribute
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
    if isinstance(change, PasswordChange):
        entry = local.get(change.dn, (_GUID, PASSWORD_SET))
        return Standing(entry.guid(), values=frozenset({entry.text(PASSWORD_SET) or ""}))
    entry = local.get(change.dn, ("nTSecurityDescriptor", _GUID))
    return Standing(entry.guid(), entry.security_descriptor())


def has_value(local: Directory, dn: str, attribute: str, value: str) -> bool:
    """True when this attribute of the object has this value, as the directory compares them."""
    try:
        found = local.search(dn, Equals(attribute, value), (_GUID,), scope=Scope.BASE)
        return next(iter(found), None) is not None
    except NotFound:
        return False
