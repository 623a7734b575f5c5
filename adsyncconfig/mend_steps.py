"""Command lines that mend what connector accounts hold, and who holds them: where ``mend_lines`` are not enough.

Rule 1: of two commands the second is run only after the first went well, and what grants comes before what takes
        away, so that a feature is never without its rights.
Rule 2: where an entry has rights that are needed too, just the others are taken out of it (``-Partial``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from acl import DIRECTORY_MAPPING, AccessMask, Ace

from .catalogue import CLOUD_SYNC, DEVICE_WRITEBACK_CMDLET, Feature
from .mend_lines import shell_line
from .plan import ace_text

__all__ = ["MANAGED", "grant_feature", "new_password", "remove_account", "remove_rights", "restrict", "then"]

#: The classes of accounts whose passwords the directory itself keeps.
MANAGED: Final = frozenset(
    {"msDS-ManagedServiceAccount", "msDS-GroupManagedServiceAccount", "msDS-DelegatedManagedServiceAccount"}
)


def then(*lines: str | None) -> str:
    """Commands one after the other, each only where the one before it went well."""
    return " && ".join(each for each in lines if each)


def remove_rights(dn: str, entries: Iterable[tuple[Ace, AccessMask]]) -> str:
    """Takes these rights out of these entries of the object; the whole entry where it has no others."""
    words = ["Remove-ADSyncAccessRule", "-ADobjectDN", dn]
    partial = False
    for ace, rights in entries:
        whole = rights == DIRECTORY_MAPPING.map(ace.mask)
        partial = partial or not whole
        words += ["-Rule", ace_text(ace if whole else replace(ace, mask=rights))]
    return shell_line(*words, *(["-Partial"] if partial else []))


def grant_feature(
    feature: Feature, account_dn: str, dn: str, domain: str, *, least_privilege: bool = False
) -> str:
    """Grants the feature on the object, or on the domain that it is in where the cmdlet takes no object."""
    words = [feature.cmdlet, "-ADConnectorAccountDN", account_dn]
    if feature is CLOUD_SYNC.get(feature.name):
        words += ["-PermissionType", feature.name, "-TargetDomain", domain]
    elif feature.takes_object and feature.cmdlet != DEVICE_WRITEBACK_CMDLET:
        words += ["-ADobjectDN", dn]
    return shell_line(*words, *(["-LeastPrivilege"] if least_privilege else []))


def restrict(account_dn: str, object_class: str) -> str:
    """Locks the account's own object, by the cmdlet for its kind of account."""
    cmdlet = "Set-AADCloudSync" if object_class in MANAGED else "Set-ADSync"
    return shell_line(f"{cmdlet}RestrictedPermissions", "-ADConnectorAccountDN", account_dn)


def new_password(account_dn: str) -> str:
    """Gives the account another password."""
    return shell_line("Set-ADSyncADConnectorAccountPassword", "-ADConnectorAccountDN", account_dn)


def remove_account(account_dn: str) -> str:
    """Takes every permission of the account away."""
    return shell_line("Remove-ADSyncPermissions", "-ADConnectorAccountDN", account_dn)
