"""Giving a connector account another password, over TLS, without reading or keeping any.

Rule 1: the password is in no argument, result, record, plan or message. The journal says that it was set, which
        cannot be undone.
Rule 2: a connector account is an ordinary user. What belongs to Windows, is critical, protected, a computer or the
        caller is refused without ``force``. A managed service account has none to set: the controllers make it.
Rule 3: afterwards the password has to be entered where the account is used, which the result says.

Source: MS-ADTS 3.1.1.3.1.5.1 (unicodePwd).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Unpack

from .account import Principal, resolve
from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import ADSyncConfigError, ParameterError, UnsafePlan
from .forest import domain_of
from .plan import PasswordChange
from .principals import why_not_an_account, why_system
from .protection import PROTECTION_ATTRIBUTES, protecting_group
from .result import SetResult, extended
from .running import RunParameters, finish
from .standing import PASSWORD_SET

__all__ = ["PasswordResult", "set_account_password"]

CMDLET: Final = "Set-ADSyncADConnectorAccountPassword"
OPERATION: Final = "Set password"
_ENTRY: Final = (
    "objectClass",
    "isCriticalSystemObject",
    "userAccountControl",
    *PROTECTION_ATTRIBUTES,
    PASSWORD_SET,
)
_MANAGED: Final = frozenset({"msDS-GroupManagedServiceAccount", "msDS-ManagedServiceAccount"})
_AFTERWARDS: Final = (
    "enter the new password of {} where it is used, or synchronisation stops: for Connect Sync in Synchronization "
    "Service Manager, Connectors, the connector's Properties, Connect to Active Directory Forest"
)
#: What Active Directory takes as the longest.
_LONGEST: Final = 256


@dataclass(frozen=True, slots=True)
class PasswordResult(SetResult):
    """Whether the password was set."""

    @property
    def can_be_undone(self) -> bool:
        """False: nobody knows the password that was there."""
        return False


def set_account_password(
    directory: Directory, account_dn: str, new_password: str | Callable[[], str], **run: Unpack[RunParameters]
) -> PasswordResult:
    """Give the account this password; a function is asked for it when everything else is known to be right.

    Raises ParameterError for a password that is none and for a plan that is to be kept, UnknownName, UnsafePlan for
    an account that is none of a connector, and as ``finish``.
    """
    if run.get("plan_out") is not None:
        raise ParameterError("a password is kept in no plan: leave --plan-out out")
    account = resolve(directory, dn=account_dn)
    local = domain_of(directory, DistinguishedName.parse(account.dn))
    entry = local.get(account.dn, _ENTRY)
    managed = next((name for name in entry.values("objectClass") if name in _MANAGED), None)
    if managed is not None:
        raise UnsafePlan(
            account.dn,
            f"it is a {managed}: the controllers make its password, and there is none to set",
        )
    if not run.get("force", False):
        _refuse(directory, local, account, entry)
    # Nobody is asked for what is not used.
    password = "" if run.get("what_if", False) else _checked(new_password)
    since = entry.text(PASSWORD_SET) or ""
    change = PasswordChange(OPERATION, local.root.domain, account.dn, account.name, since, password)
    try:
        result = finish(CMDLET, account, [change], warnings=(), directory=directory, run=run)
    except ADSyncConfigError as error:
        if error.result is not None:
            error.result = extended(error.result, PasswordResult)
        raise
    if result.changes[0].status in ("applied", "planned"):
        result = replace(result, warnings=(*result.warnings, _AFTERWARDS.format(account.name)))
    return extended(result, PasswordResult)


def _checked(new_password: str | Callable[[], str]) -> str:
    """The password. Raises ParameterError for what is none; it is in no message."""
    password = new_password if isinstance(new_password, str) else new_password()
    if not password:
        raise ParameterError("the new password is empty")
    if len(password) > _LONGEST:
        raise ParameterError(
            f"the new password is longer than {_LONGEST} characters, which no controller takes"
        )
    return password


def _refuse(directory: Directory, local: Directory, account: Principal, entry: Entry) -> None:
    """Raise UnsafePlan for what is no connector's account (rule 2)."""
    why = why_system(account.sid) or why_not_an_account(entry)
    if why is None and "computer" in entry.values("objectClass"):
        why = "it is a computer, which makes its own password"
    if why is None and account.sid in (directory.caller_sids() or ()):
        why = "it is your own account"
    if why is None and (group := protecting_group(directory, local, entry)) is not None:
        why = f"it is a member of '{group}', as no connector account should be"
    if why is not None:
        raise UnsafePlan(
            account.dn, f"{why}; nothing was changed: add -Force to set its password none the less"
        )
