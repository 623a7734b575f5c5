"""Writing a plan: the only caller of ``write_dacl``.

For each change: ask, tell the journal, read again and refuse if it was changed since, write, read back and
compare, tell the journal. There is no compare-and-swap for descriptors in LDAP, so the window between reading
again and writing is kept small: nothing else happens in it. A change that fails does not stop the others,
unless the journal fails: nothing is written that could not be undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from acl import Acl, SecurityDescriptor
from acl.edit import is_canonical

from .directory import Directory
from .errors import AccessDenied, ADSyncConfigError, Conflict, DirectoryError, JournalError, NotFound
from .journal import Journal
from .plan import Change, difference, same_permissions, unchanged_since
from .result import ChangeResult, Status

__all__ = ["Confirm", "Notify", "apply"]

#: Asked once for each change that is needed; False declines it.
Confirm = Callable[[Change], bool]
#: Told what is being done, a line at a time.
Notify = Callable[[str], None]

_ATTRIBUTES: Final = ("nTSecurityDescriptor", "objectGUID")


def apply(
    changes: Iterable[Change],
    directory: Directory,
    *,
    what_if: bool,
    confirm: Confirm | None = None,
    notify: Notify | None = None,
    journal: Journal | None = None,
) -> tuple[list[ChangeResult], list[ADSyncConfigError]]:
    """Write what is needed, in order; what became of each change, and the errors of those that failed.

    ``what_if`` writes nothing and asks nothing; ``confirm`` None means yes to all. ``journal`` is told each step.
    """
    tell = notify or (lambda _: None)
    results: list[ChangeResult] = []
    errors: list[ADSyncConfigError] = []

    for change in changes:
        controller: str | None = None
        error: ADSyncConfigError | None = None
        stored: SecurityDescriptor | None = None
        status: Status
        if not change.is_needed:
            status = "unchanged"
            tell(f"'{change.dn}' has everything already; nothing is written.")
        elif what_if:
            status = "planned"
        elif journal is not None and journal.error is not None:
            status, error = "failed", journal.error
        else:
            try:
                if confirm is not None and not confirm(change):
                    status = "declined"
                else:
                    local = directory.for_domain(change.domain)
                    controller = local.root.controller
                    tell(
                        f'Performing the operation "{change.operation}" on target "{change.label}" '
                        f"at {controller}."
                    )
                    status, error, stored = _perform(change, local, journal)
            except ADSyncConfigError as failure:
                status, error = "failed", failure
        if error is not None:
            errors.append(error)
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
                stored,
            )
        )
    return results, errors


def _perform(
    change: Change, local: Directory, journal: Journal | None
) -> tuple[Status, ADSyncConfigError | None, SecurityDescriptor | None]:
    """Write one change with its lines in the journal; what became of it, what went wrong, and what is there now."""
    if journal is not None:
        journal.writing(change, local.root.controller)
    written: bool | None = False
    try:
        entry = local.get(change.dn, _ATTRIBUTES)
        now, guid = entry.security_descriptor(), entry.guid()
        if not unchanged_since(now, change.before):
            raise Conflict(
                change.dn,
                change.before,
                now,
                f"'{change.dn}' was changed by somebody else since it was read "
                f"({difference(now, change.before)}); nothing was written there: run again",
            )
        written = None  # nobody knows until the answer is there
        local.write_dacl(change.dn, _with_inherited_of(now, change.after))
        written = True
        stored = _compare(change, local)
    except ADSyncConfigError as error:
        if written is None and isinstance(error, AccessDenied | NotFound):
            written = False
        if journal is not None:
            with suppress(JournalError):  # the journal remembers it
                journal.failed(change, error, written=written)
        return "failed", error, None
    if journal is not None:
        try:
            journal.written(change, guid)
        except JournalError as error:
            return "applied", error, stored
    return "applied", None, stored


def _compare(change: Change, directory: Directory) -> SecurityDescriptor:
    """What reads back; raises DirectoryError unless it is what the object was to become."""
    stored = directory.get(change.dn, _ATTRIBUTES).security_descriptor()
    # A controller may sort what it is sent into canonical order; it must not leave that order.
    disordered = is_canonical(_dacl(change.after)) and not is_canonical(_dacl(stored))
    if not same_permissions(stored, change.after) or disordered:
        raise DirectoryError(
            f"'{change.dn}' was written, and reads back otherwise ({difference(stored, change.after)}): compare "
            "its permissions with the plan",
            dn=change.dn,
        )
    return stored


def _dacl(descriptor: SecurityDescriptor) -> Acl:
    return descriptor.dacl if descriptor.dacl is not None else Acl(())


def _with_inherited_of(now: SecurityDescriptor, after: SecurityDescriptor) -> SecurityDescriptor:
    """``after`` with the inherited entries of now, which may have moved on since the plan was made."""
    inherited = [ace for ace in now.dacl or () if ace.is_inherited]
    planned = [ace for ace in after.dacl or () if ace.is_inherited]
    if after.dacl is None or after.dacl_is_protected or Counter(inherited) == Counter(planned):
        return after  # its order is kept, byte for byte
    explicit = [ace for ace in after.dacl if not ace.is_inherited]
    return replace(after.with_dacl((*explicit, *inherited)), control=after.control)
