"""Writing a plan: the only caller of ``write_dacl``.

For each change: ask, read again and refuse if it was changed since, write, read back and compare. There is
no compare-and-swap for descriptors in LDAP, so the window between reading again and writing is kept small:
nothing else happens in it. A change that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from acl import SecurityDescriptor

from .directory import Directory
from .errors import ADSyncConfigError, Conflict, DirectoryError
from .plan import Change, same_permissions
from .result import ChangeResult, Status

__all__ = ["Confirm", "Notify", "apply"]

#: Asked once for each change that is needed; False declines it.
Confirm = Callable[[Change], bool]
#: Told what is being done, a line at a time.
Notify = Callable[[str], None]

_DESCRIPTOR: Final = ("nTSecurityDescriptor",)


def apply(
    changes: Iterable[Change],
    directory: Directory,
    *,
    what_if: bool,
    confirm: Confirm | None = None,
    notify: Notify | None = None,
) -> tuple[list[ChangeResult], list[ADSyncConfigError]]:
    """Write what is needed, in order; what became of each change, and the errors of those that failed.

    ``what_if`` writes nothing and asks nothing; ``confirm`` None means yes to all.
    """
    tell = notify or (lambda _: None)
    results: list[ChangeResult] = []
    errors: list[ADSyncConfigError] = []

    for change in changes:
        controller: str | None = None
        error: ADSyncConfigError | None = None
        status: Status
        if not change.is_needed:
            status = "unchanged"
            tell(f"'{change.dn}' has everything already; nothing is written.")
        elif what_if:
            status = "planned"
        elif confirm is not None and not confirm(change):
            status = "declined"
        else:
            try:
                local = directory.for_domain(change.domain)
                controller = local.root.controller
                tell(
                    f'Performing the operation "{change.operation}" on target "{change.label}" '
                    f"at {controller}."
                )
                _write(change, local)
                status = "applied"
            except ADSyncConfigError as failure:
                status, error = "failed", failure
                errors.append(failure)
        results.append(
            ChangeResult(
                change.dn,
                change.label,
                change.operation,
                change.added,
                change.removed,
                status,
                controller,
                None if error is None else str(error),
            )
        )
    return results, errors


def _write(change: Change, directory: Directory) -> None:
    now = directory.get(change.dn, _DESCRIPTOR).security_descriptor()
    if not same_permissions(now, change.before):
        raise Conflict(change.dn, change.before, now)
    directory.write_dacl(change.dn, _with_inherited_of(now, change.after))
    stored = directory.get(change.dn, _DESCRIPTOR).security_descriptor()
    if not same_permissions(stored, change.after):
        raise DirectoryError(
            f"'{change.dn}' was written, and reads back otherwise: compare its permissions with the plan",
            dn=change.dn,
        )


def _with_inherited_of(now: SecurityDescriptor, after: SecurityDescriptor) -> SecurityDescriptor:
    """``after`` with the inherited entries of now, which may have moved on since the plan was made."""
    explicit = [ace for ace in after.dacl or () if not ace.is_inherited]
    inherited = [ace for ace in now.dacl or () if ace.is_inherited]
    return replace(after.with_dacl((*explicit, *inherited)), control=after.control)
