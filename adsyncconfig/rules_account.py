"""The state of the connector accounts themselves: locked or not, old passwords, in use or not. Rules, pure.

Rule 1: an account counts as locked when it inherits nothing, and who is not tier 0 may at most read it: what
        Set-ADSyncRestrictedPermissions writes, or less.
Rule 2: a managed account changes its password by itself, and is left out where passwords are concerned.
Rule 3: lastLogonTimestamp lags up to 14 days behind (MS-ADTS 3.1.1.8.1.5), so that fewer days are never counted.

Sources: Microsoft security advisory 4056318; Defender for Identity's assessments (passwords older than 90 days).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from acl import DIRECTORY_MAPPING, Sid

from .facts import AccountFacts, AuditContext, ContextCheck
from .findings import Category, Finding, Rule, Severity
from .mend_steps import MANAGED, new_password, remove_account, restrict
from .schema import Kind

__all__ = ["CHECKS", "NAMES", "RULES"]

NOT_RESTRICTED: Final = Rule(
    "takeover-account-not-restricted",
    Category.TAKEOVER,
    Severity.MEDIUM,
    "A connector account's object is not locked",
    "Accounts made before version 1.1.654.0 of Azure AD Connect, and those made by hand, inherit the permissions "
    "of where they stand: whoever is delegated there, now or later, can take them over.",
    "Lock the account's object with Set-ADSyncRestrictedPermissions.",
)
OLD_PASSWORD: Final = Rule(
    "takeover-old-password",
    Category.TAKEOVER,
    Severity.MEDIUM,
    "A connector account's password is old",
    "Whoever knew the password once, from a backup or from an administrator who left, still acts as the connector.",
    "Give the account a new password, and Entra Connect too.",
)
UNUSED: Final = Rule(
    "takeover-unused-account",
    Category.TAKEOVER,
    Severity.MEDIUM,
    "A connector account that nobody uses keeps its rights",
    "An account that was replaced keeps what it was granted, and nobody watches it any more.",
    "Take its permissions away with Remove-ADSyncPermissions, then delete it.",
)

_LAG: Final = 14


def _not_restricted(context: AuditContext) -> Iterator[Finding]:
    """Accounts whose own object is open to more than Set-ADSyncRestrictedPermissions leaves."""
    for facts in context.accounts:
        why = _why_open(context, facts)
        if why is not None:
            yield Finding(
                NOT_RESTRICTED,
                facts.dn,
                f"'{facts.dn}' is not locked: {why}",
                account=facts.name,
                mend=restrict(facts.dn, facts.object_class),
            )


def _why_open(context: AuditContext, facts: AccountFacts) -> str | None:
    descriptor = None if facts.seen is None else facts.seen.descriptor
    if descriptor is None:
        return None  # told as unreadable
    if descriptor.dacl is None:
        return "it has no access control list, so that everybody has full control"
    if not descriptor.dacl_is_protected:
        return "it inherits the permissions of what it is in"
    for ace in descriptor.dacl:
        if not ace.is_allow or ace.sid is None or ace.sid in (Sid.PRINCIPAL_SELF, facts.sid):
            continue
        more = DIRECTORY_MAPPING.map(ace.mask).without(DIRECTORY_MAPPING.read)
        if more and ace.sid not in context.tier0 and context.trustee(ace.sid).exists is not False:
            return f"{context.name(ace.sid)} has more there than to read"
    return None


def _old_password(context: AuditContext) -> Iterator[Finding]:
    """Accounts whose password is older than it may be."""
    for facts in context.accounts:
        if facts.object_class in MANAGED or facts.password_set is None or facts.enabled is False:
            continue
        days = (context.now - facts.password_set).days
        if days > context.password_days:
            yield Finding(
                OLD_PASSWORD,
                facts.dn,
                f"the password of {facts.name} was set {days} days ago, on {_day(facts.password_set)}: it may be "
                f"{context.password_days} days old",
                account=facts.name,
                mend=new_password(facts.dn),
                advice="give Entra Connect the new password at once, in Synchronization Service Manager under "
                "Connectors, Properties, Connect to Active Directory Forest: until then it cannot log on",
            )


def _unused(context: AuditContext) -> Iterator[Finding]:
    """Accounts that are disabled, or have not logged on for long, and hold rights."""
    for facts in context.accounts:
        why = _why_unused(context, facts)
        if why is not None and _holds_rights(context, facts):
            yield Finding(
                UNUSED,
                facts.dn,
                f"{facts.name} {why}, and keeps its rights",
                account=facts.name,
                mend=remove_account(facts.dn),
                advice="delete the account once its permissions are gone",
            )


def _why_unused(context: AuditContext, facts: AccountFacts) -> str | None:
    if facts.enabled is False:
        return "is disabled"
    limit = max(context.unused_days, _LAG)
    if facts.last_logon is not None:
        days = (context.now - facts.last_logon).days
        return f"last logged on {days} days ago, on {_day(facts.last_logon)}" if days > limit else None
    if facts.created is not None and (context.now - facts.created).days > limit:
        return f"never logged on since it was made on {_day(facts.created)}"
    return None


def _holds_rights(context: AuditContext, facts: AccountFacts) -> bool:
    """True when the account is granted a feature, or has an entry on the root of a domain."""
    if facts.features or any(facts.scopes.values()):
        return True
    roots = (domain.root for domain in context.domains if domain.root is not None)
    return any(ace.sid == facts.sid for root in roots for ace in root.aces)


def _day(when: datetime) -> str:
    return when.date().isoformat()


RULES: Final = (NOT_RESTRICTED, OLD_PASSWORD, UNUSED)
NAMES: Final[tuple[tuple[Kind, str], ...]] = ()
CHECKS: Final = (
    ContextCheck((NOT_RESTRICTED,), _not_restricted),
    ContextCheck((OLD_PASSWORD,), _old_password),
    ContextCheck((UNUSED,), _unused),
)
