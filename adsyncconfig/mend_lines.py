"""The command lines that mend what an audit finds, quoted for a POSIX shell; the environment names the directory.

What grants a feature is ``mending.command_line``'s.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from acl import Ace, AclError, Sid
from acl.sddl import ace_to_sddl

__all__ = [
    "enable_inheritance",
    "remove_access_rules",
    "remove_member",
    "remove_sid",
    "repair_order",
    "restrict_account",
    "set_owner",
    "shell_line",
]


def shell_line(*words: str) -> str:
    """The words as one line that a shell takes apart into the same words; names of parameters stay readable."""
    return " ".join(
        word if word.startswith("-") and word[1:].isalpha() else shlex.quote(word) for word in words
    )


def remove_access_rules(dn: str, aces: Iterable[Ace]) -> str | None:
    """Takes these entries off the object; None where SDDL has no text for one."""
    words = ["Remove-ADSyncAccessRule", "-ADobjectDN", dn]
    try:
        for ace in aces:
            words += ["-Rule", ace_to_sddl(ace)]
    except AclError:
        return None
    return shell_line(*words)


def set_owner(dn: str, owner: Sid) -> str:
    """Gives the object to this owner."""
    return shell_line("Set-ADSyncObjectOwner", "-ADobjectDN", dn, "-Owner", str(owner))


def enable_inheritance(dn: str, *, clear_admin_count: bool = False) -> str:
    """Lets the object inherit again."""
    words = ["Enable-ADSyncInheritance", "-ADobjectDN", dn]
    return shell_line(*words, *(["-ClearAdminCount"] if clear_admin_count else []))


def repair_order(dn: str) -> str:
    """Puts the object's entries in canonical order."""
    return shell_line("Repair-ADSyncDaclOrder", "-ADobjectDN", dn)


def remove_sid(sid: Sid) -> str:
    """Takes every entry of a SID away, in the whole forest."""
    return shell_line("Remove-ADSyncPermissions", "-Sid", str(sid))


def remove_member(group_dn: str, member_dn: str) -> str:
    """Takes a member out of a group."""
    return shell_line("Remove-ADSyncGroupMember", "-GroupDN", group_dn, "-MemberDN", member_dn)


def restrict_account(account_dn: str) -> str:
    """Locks the account's own object."""
    return shell_line("Set-ADSyncRestrictedPermissions", "-ADConnectorAccountDN", account_dn)
