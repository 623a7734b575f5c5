"""Locking a connector account's own object, so that only its administrators can take it over.

The DACL takes nothing from above any more; of what is there only SELF's entries stay; full control goes to
SYSTEM, Enterprise Admins, Domain Admins and Administrators, and reading to Enterprise Domain Controllers and
Authenticated Users; all on this object only (Microsoft security advisory 4056318).

Before that, the caller's own token is tried on the new DACL: who could not undo it is told so, and nothing is
written.
"""

from __future__ import annotations

from typing import Final

from acl import DIRECTORY_MAPPING, AccessMask, Ace, SecurityDescriptor, Sid
from acl.access import access_check
from acl.edit import protect

from .account import Principal, resolve
from .directory import Directory
from .dn import DistinguishedName
from .errors import DirectoryError, UnsafePlan
from .forest import domain_of
from .plan import Change, Target, same_permissions
from .result import SetResult
from .running import RunParameters, finish
from .targets import read_target

__all__ = ["OPERATION", "plan_restriction", "restrict", "restricted"]

OPERATION: Final = "Set restricted permissions"
DOMAIN_ADMINS: Final = 512
ENTERPRISE_ADMINS: Final = 519


def restrict(cmdlet: str, directory: Directory, account_dn: str, run: RunParameters) -> SetResult:
    """Lock the account's object, on behalf of this cmdlet. Raises as ``plan_restriction`` and as ``finish``."""
    account = resolve(directory, dn=account_dn)
    local = domain_of(directory, DistinguishedName.parse(account.dn))
    target = read_target(local, account.dn)
    change = plan_restriction(local, target, account, force=run.get("force", False))
    return finish(cmdlet, account, [change], warnings=(), directory=directory, run=run)


def restricted(
    descriptor: SecurityDescriptor, *, domain_sid: Sid, forest_root_sid: Sid
) -> SecurityDescriptor:
    """The descriptor with the restricted DACL; owner, group and SACL as they were."""
    full = DIRECTORY_MAPPING.all
    # .NET's GenericRead, List Object included, as the module of 2019 writes it (docs/compatibility.md).
    read = DIRECTORY_MAPPING.read
    trustees = (
        (Sid.LOCAL_SYSTEM, full),
        (forest_root_sid.child(ENTERPRISE_ADMINS), full),
        (domain_sid.child(DOMAIN_ADMINS), full),
        (Sid.BUILTIN_ADMINISTRATORS, full),
        (Sid.ENTERPRISE_DOMAIN_CONTROLLERS, read),
        (Sid.AUTHENTICATED_USERS, read),
    )
    closed = protect(descriptor, keep_inherited=False)
    own = [ace for ace in closed.dacl or () if ace.sid == Sid.PRINCIPAL_SELF]
    wanted = [Ace.allow(sid, mask) for sid, mask in trustees]
    denials = [ace for ace in own if ace.is_deny]
    grants = [ace for ace in own if not ace.is_deny]
    return closed.with_dacl((*denials, *grants, *wanted))


def plan_restriction(
    directory: Directory, target: Target, account: Principal, *, force: bool = False
) -> Change:
    """The change that locks the account's object. Raises UnsafePlan when the caller could not undo it.

    ``directory`` is that of the account's domain.
    """
    domain_sid = account.sid.domain
    if domain_sid is None:
        raise UnsafePlan(target.dn, f"{account.sid} is no account of a domain")
    if target.descriptor.dacl is None:
        raise UnsafePlan(target.dn, "it has no access control list, so that everybody has full control")
    root = directory.for_domain(DistinguishedName.parse(directory.root.root_domain_naming_context).domain)
    forest_root_sid = root.get(root.root.default_naming_context, ["objectSid"]).sid()
    if forest_root_sid is None:
        raise DirectoryError(f"the root domain '{root.root.default_naming_context}' shows no objectSid")
    after = restricted(target.descriptor, domain_sid=domain_sid, forest_root_sid=forest_root_sid)
    if same_permissions(target.descriptor, after):
        after = target.descriptor
    elif not force and not _can_undo(directory, after):
        raise UnsafePlan(
            target.dn,
            "you could not change its permissions afterwards, since you are in none of Domain Admins, Enterprise "
            "Admins and Administrators; nothing was changed: run this as one of them, or add -Force",
        )
    return Change(OPERATION, target.domain, target.dn, target.dn, target.descriptor, after)


def _can_undo(directory: Directory, after: SecurityDescriptor) -> bool:
    caller = directory.caller_sids()
    needed = AccessMask.READ_CONTROL | AccessMask.WRITE_DAC
    return caller is None or bool(access_check(after, caller, needed))
