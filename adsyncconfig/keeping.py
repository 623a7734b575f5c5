"""Who could not put an object's permissions right again after a change: pure but for asking who is logged on.

Rule 1: the caller, and a member of Domain Admins, keep what they have of reading and changing permissions.
        Whoever lacks it already loses nothing.
Rule 2: privileges do not count: with them Administrators can take any object over, but not in one step.
"""

from __future__ import annotations

from typing import Final

from acl import AccessMask, SecurityDescriptor, Sid
from acl.access import access_check
from acl.token import Token

from .directory import Directory
from .errors import DirectoryError, UnsafePlan

__all__ = ["domain_sid_of", "refuse_to_lock_out"]

DOMAIN_ADMINS: Final = 512
_NEEDED: Final = AccessMask.READ_CONTROL | AccessMask.WRITE_DAC


def domain_sid_of(local: Directory) -> Sid:
    """The SID of the directory's own domain. Raises DirectoryError where its root shows none."""
    root = local.root.default_naming_context
    sid = local.get(root, ["objectSid"]).sid()
    if sid is None:
        raise DirectoryError(f"the domain '{root}' shows no objectSid", dn=root)
    return sid


def refuse_to_lock_out(
    local: Directory, dn: str, before: SecurityDescriptor, after: SecurityDescriptor, *, domain_sid: Sid
) -> None:
    """Raise UnsafePlan when the change takes the right to undo it from the caller or from Domain Admins."""
    admins = Token.for_account(domain_sid.child(DOMAIN_ADMINS), (Sid.BUILTIN_ADMINISTRATORS,))
    tokens: list[tuple[str, Token]] = [("members of Domain Admins", admins)]
    if (caller := local.caller_sids()) is not None:
        tokens.insert(0, ("you", Token(frozenset(caller))))
    for who, token in tokens:
        if access_check(before, token, _NEEDED) and not access_check(after, token, _NEEDED):
            raise UnsafePlan(
                dn,
                f"{who} could not change its permissions afterwards; nothing was changed: add -Force if that is "
                "meant",
            )
