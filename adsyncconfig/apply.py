"""Writing a plan: the only caller of what writes to a directory.

For each change: ask, tell the journal, read again and refuse if it was changed since, write, read back and
compare, tell the journal. There is no compare-and-swap for descriptors in LDAP, so the window between reading
again and writing is kept small: nothing else happens in it. A change that fails does not stop the others,
unless the journal fails: nothing is written that could not be undone.

A write is never sent again blindly. Where its answer did not come, or the controller was busy, the object is read:
as it was to become, it is written; as it was before, it is written once more; otherwise somebody else was there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from acl import Acl, SecurityDescriptor
from acl.edit import is_canonical

from .directory import PAUSES, Directory
from .errors import ADSyncConfigError, Busy, Conflict, DirectoryError, JournalError, Unanswered
from .journal import Journal
from .plan import AnyChange, Change, PasswordChange, Standing, ValueChange, same_permissions
from .result import ChangeResult, Status
from .standing import standing

__all__ = ["Confirm", "Notify", "apply"]

#: Asked once for each change that is needed; False declines it.
Confirm = Callable[[AnyChange], bool]
#: Told what is being done, a line at a time.
Notify = Callable[[str], None]


def apply(
    changes: Iterable[AnyChange],
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
        written: bool | None = False
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
                    done = _perform(change, local, journal)
                    error, stored, written = done
                    status = "applied" if done.is_complete else "failed"
            except ADSyncConfigError as failure:
                status, error = "failed", failure
        if error is not None:
            errors.append(error)
        results.append(
            ChangeResult.of(
                change, status, controller, None if error is None else str(error), stored, written=written
            )
        )
    return results, errors


class _Done(NamedTuple):
    """How one change went. ``stored`` is what was read back; ``written`` None where nobody knows."""

    error: ADSyncConfigError | None
    stored: SecurityDescriptor | None
    written: bool | None

    @property
    def is_complete(self) -> bool:
        """True when the change is there, compared, whatever became of its line in the journal."""
        return self.written is True and (self.error is None or isinstance(self.error, JournalError))


def _perform(change: AnyChange, local: Directory, journal: Journal | None) -> _Done:
    """Write one change with its lines in the journal."""
    if journal is not None:
        journal.writing(change, local.root.controller)
    written: bool | None = False
    try:
        now = standing(change, local)
        if not change.is_before(now):
            raise Conflict(
                change.dn,
                change.before if isinstance(change, Change) else None,
                now.descriptor,
                f"'{change.dn}' was changed by somebody else since it was read "
                f"({change.difference(now)}); nothing was written there: run again",
            )
        _write(change, now, local)
        written = True
        stored = _compare(change, local)
    except ADSyncConfigError as error:
        if isinstance(error, Unanswered):
            written = None
        if journal is not None:
            with suppress(JournalError):  # the journal remembers it
                journal.failed(change, error, written=written)
        return _Done(error, None, written)
    if journal is not None:
        try:
            journal.written(change, now.guid)
        except JournalError as error:
            return _Done(error, stored, written)
    return _Done(None, stored, written)


def _write(change: AnyChange, now: Standing, local: Directory) -> None:
    """Write a change over ``now``, and find out whether it is there.

    Raises Unanswered where nobody knows; any other error says that it was not written.
    """
    pauses = iter(PAUSES)
    is_repeated = False
    while True:
        failure: Busy | Unanswered
        try:
            _send(change, now, local)
        except Busy as busy:
            pause = next(pauses, None)
            if pause is None:
                raise
            time.sleep(pause)
            failure = busy
        except Unanswered as lost:
            failure = lost
        else:
            return
        found = _found_after(failure, change, local)
        if _is_there(change, found):
            return
        if not change.is_before(found):
            raise Conflict(
                change.dn,
                now.descriptor,
                found.descriptor,
                f"'{change.dn}' was changed by somebody else while it was written ({change.difference(found)}): "
                "compare its permissions with the plan",
            ) from failure
        if isinstance(failure, Unanswered):
            if is_repeated:
                raise _given_up(failure, change.dn) from failure
            is_repeated = True


def _send(change: AnyChange, now: Standing, local: Directory) -> None:
    """Ask the directory for what the change writes."""
    if isinstance(change, ValueChange):
        local.modify_values(change.dn, change.attribute, add=change.add, remove=change.remove)
        return
    if isinstance(change, PasswordChange):
        local.set_password(change.dn, change.password)
        return
    if change.writes_owner and change.after.owner is not None:
        local.write_owner(change.dn, change.after.owner)
    if change.writes_dacl and now.descriptor is not None:
        local.write_dacl(change.dn, _with_inherited_of(now.descriptor, change.after))


def _found_after(failure: Busy | Unanswered, change: AnyChange, local: Directory) -> Standing:
    """What is there after a write that failed. Raises Unanswered where that cannot be read."""
    try:
        return standing(change, local)
    except ADSyncConfigError as error:
        if isinstance(failure, Busy):
            raise failure from error
        raise Unanswered(
            f"{failure}; and it cannot be read again: {error}", dn=change.dn, is_late=failure.is_late
        ) from error


def _given_up(failure: Unanswered, dn: str) -> DirectoryError:
    """What to say when a write got no answer twice, and the object reads as it was before."""
    if failure.is_late:  # a controller that is slow may still do it
        return Unanswered(f"{failure}; it is as it was before so far", dn=dn, is_late=True)
    return DirectoryError(f"'{dn}' was not written, tried twice: {failure.__cause__ or failure}", dn=dn)


def _is_there(change: AnyChange, found: Standing) -> bool:
    """True when the object is what it was to become.

    A controller may sort what it is sent into canonical order; it must not leave that order.
    """
    there = found.descriptor
    if not isinstance(change, Change) or there is None or not change.writes_dacl:
        return change.is_after(found)
    disordered = is_canonical(_dacl(change.after)) and not is_canonical(_dacl(there))
    as_owned = not change.writes_owner or there.owner == change.after.owner
    return as_owned and same_permissions(there, change.after) and not disordered


def _compare(change: AnyChange, local: Directory) -> SecurityDescriptor | None:
    """What reads back; raises DirectoryError unless it is what the object was to become."""
    try:
        stored = standing(change, local)
    except DirectoryError as error:
        raise DirectoryError(
            f"'{change.dn}' was written, and could not be read back: {error}", dn=change.dn
        ) from error
    if not _is_there(change, stored):
        raise DirectoryError(
            f"'{change.dn}' was written, and reads back otherwise ({change.difference(stored, from_after=True)}): "
            "compare it with the plan",
            dn=change.dn,
        )
    return stored.descriptor


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
