"""Which SIDs belong to Windows itself, and which accounts must never lose their permissions by a slip."""

from __future__ import annotations

from typing import Final

from acl import Sid

from .directory import Entry
from .well_known import WELL_KNOWN_NAMES

__all__ = ["FIRST_OWN_RID", "why_not_an_account", "why_system"]

#: RIDs below this are given out by Windows when a domain is made (MS-DTYP 2.4.2.4): Administrator is 500,
#: Domain Admins 512. What administrators create begins here.
FIRST_OWN_RID: Final = 1000
_SERVER_TRUST_ACCOUNT: Final = 0x2000


def why_system(sid: Sid) -> str | None:
    """What makes this SID one of Windows itself, for a message; None where an administrator's account has it."""
    name = WELL_KNOWN_NAMES.get(sid)
    if name is not None:
        return f"it is {name}"
    if sid.domain is None:
        return "it is no SID of a domain's account"
    if sid == sid.domain:
        return "it is the SID of a domain, not of an account in it"
    if (sid.rid or 0) < FIRST_OWN_RID:
        return f"RID {sid.rid} belongs to an account or group that Windows makes with every domain"
    return None


def why_not_an_account(entry: Entry) -> str | None:
    """What makes this object something else than an ordinary account, for a message; None for one.

    The entry was read with objectClass, isCriticalSystemObject and userAccountControl.
    """
    classes = entry.values("objectClass")
    if "group" in classes:
        return "it is a group"
    if entry.text("isCriticalSystemObject") == "TRUE":
        return "Windows marks it as critical for the domain"
    if int(entry.text("userAccountControl") or 0) & _SERVER_TRUST_ACCOUNT:
        return "it is a domain controller"
    return None
