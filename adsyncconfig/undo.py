"""Undoing a run by its journal.

What is there decides, not what the journal hopes: of each object that the run may have written,

    as it was before the run       nothing to do: it was never written, or is undone already
    as the run left it             gets back what the run changed: the DACL that it had, entry for entry in its
                                   order; the owner that it had; the values that it had
    neither                        somebody changed it since: refused, with the difference as SDDL; ``force`` takes
                                   just what the run added out, and puts just what it removed back

Objects are undone in the reverse order. One that is refused does not stop the others. An undo is a run like any
other: it asks, has a journal, and can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Unpack

from acl import Ace, Acl, Control, SecurityDescriptor
from acl.edit import grant, missing, protect, revoke, unprotect

from .directory import Directory
from .errors import ADSyncConfigError, Conflict, DirectoryError, JournalError, NotFound, UnsafePlan
from .journal import RecordedChange, RecordedRun, read_journal
from .plan import AnyChange, Change, PasswordChange, Standing, ValueChange
from .record import ForestIdentity
from .result import SetResult
from .running import RunParameters, finish
from .standing import standing

__all__ = ["CMDLET", "undo_adsync_permissions"]

CMDLET: Final = "Undo-ADSyncPermissions"
_DACL_CONTROL: Final = Control.DACL_PROTECTED | Control.DACL_AUTO_INHERITED | Control.DACL_AUTO_INHERIT_REQ


def undo_adsync_permissions(
    directory: Directory, *, journal_path: str | Path, **run: Unpack[RunParameters]
) -> SetResult:
    """Restore the permissions that a run changed, as its journal keeps them.

    Raises JournalError, before anything is read from the directory, for a journal that cannot be trusted or is of
    another forest; Conflict for an object that somebody else changed since, unless ``force`` is given, once the
    others are restored (then as PartialApply).
    """
    recorded = read_journal(journal_path)
    here = ForestIdentity.of(directory)
    if not recorded.forest.is_same(here):
        raise JournalError(
            f"the journal '{journal_path}' is of the forest {recorded.forest}, and this is {here}: nothing was "
            "changed"
        )
    changes: list[AnyChange] = []
    refused: list[tuple[AnyChange, ADSyncConfigError]] = []
    warnings: list[str] = []
    for each in _by_object(recorded):
        change = replace(each.change, operation=f"Undo {each.change.operation}")
        try:
            now = _read(directory, each)
        except ADSyncConfigError as error:
            if each.begun:
                refused.append((_taken_back(change), error))
            continue
        if not each.begun:
            if change.is_after(now):
                warnings.append(
                    f"'{change.dn}' is as the run would have left it, but its journal does not say that it "
                    "got there; it was left as it is"
                )
            continue
        try:
            changes.append(_restoring(change, now, force=run.get("force", False)))
        except (Conflict, UnsafePlan) as error:
            refused.append((change.settled(now), error))
    if not changes and not refused:
        warnings.append("that run changed nothing; there is nothing to undo")
    return finish(
        CMDLET,
        None,
        changes,
        warnings=warnings,
        directory=directory,
        run=run,
        source={"journal": str(recorded.path), "cmdlet": recorded.cmdlet, "digest": recorded.digest},
        refused=refused,
    )


def _by_object(recorded: RecordedRun) -> Iterator[RecordedChange]:
    """One change for each thing changed, last written first: from what it was at first to what it was at last."""
    found: dict[tuple[str, ...], RecordedChange] = {}
    for each in reversed(recorded.changes):
        later = found.get(each.change.key)
        if later is None or not later.begun:
            found[each.change.key] = each
        elif each.begun and isinstance(each.change, Change) and isinstance(later.change, Change):
            change = replace(each.change, after=later.change.after)
            found[each.change.key] = RecordedChange(change, begun=True, guid=later.guid or each.guid)
    yield from found.values()


def _read(directory: Directory, recorded: RecordedChange) -> Standing:
    """What the object has now. Raises DirectoryError where it is not there, or is another one."""
    dn = recorded.change.dn
    try:
        now = standing(recorded.change, directory.for_domain(recorded.change.domain))
    except NotFound:
        raise DirectoryError(
            f"there is no object '{dn}' any more, or you may not see it: it was deleted, moved or renamed since",
            dn=dn,
        ) from None
    if recorded.guid is not None and now.guid is not None and now.guid != recorded.guid:
        raise DirectoryError(
            f"'{dn}' is another object now ({now.guid}) than the run changed ({recorded.guid}); nothing was "
            "written there",
            dn=dn,
        )
    return now


def _taken_back(change: AnyChange) -> AnyChange:
    """The change that leads from what the run left to what was before it."""
    if isinstance(change, ValueChange):
        return replace(change, add=change.remove, remove=change.add)
    if isinstance(change, PasswordChange):
        return change
    return replace(change, before=change.after, after=change.before)


def _restoring(change: AnyChange, now: Standing, *, force: bool) -> AnyChange:
    """The change that takes the run back, from what is there now; one that needs nothing. Raises Conflict."""
    if change.is_before(now):
        return change.settled(now)
    if isinstance(change, PasswordChange):
        raise UnsafePlan(
            change.dn,
            "its password was set, and nobody knows what it was before: it cannot be undone; set another",
        )
    if isinstance(change, ValueChange):
        if change.is_after(now):
            return _taken_back(change)
        back = frozenset(change.remove) - now.values
        gone = frozenset(change.add) & now.values
        restoring: AnyChange = replace(change, add=tuple(sorted(back)), remove=tuple(sorted(gone)))
    else:
        there = now.descriptor or change.after
        if change.is_after(now):
            return replace(change, before=there, after=_restored(change, there))
        restoring = replace(change, before=there, after=_without_the_run(change, there))
    if force:
        return restoring
    raise Conflict(
        change.dn,
        change.after if isinstance(change, Change) else None,
        now.descriptor,
        f"'{change.dn}' was changed by somebody else since ({change.difference(now, from_after=True)}); nothing "
        "was written there: add -Force to take out just what the run added and put back what it removed",
    )


def _restored(change: Change, now: SecurityDescriptor) -> SecurityDescriptor:
    """``now`` with what the change wrote as it was before."""
    if change.writes_owner:
        now = replace(now, owner=change.before.owner)
    if not change.writes_dacl:
        return now
    control = now.control.without(_DACL_CONTROL) | change.before.control & _DACL_CONTROL
    return replace(now, dacl=change.before.dacl, control=control)


def _without_the_run(change: Change, now: SecurityDescriptor) -> SecurityDescriptor:
    """``now`` without the rights that the run gave, and with those that it took away.

    An owner that somebody else put there stays.
    """
    if change.writes_owner and now.owner == change.after.owner:
        now = replace(now, owner=change.before.owner)
    if now.dacl is None or change.before.dacl is None or change.after.dacl is None:
        return now  # nobody's rights stand in a list that is not there
    dacl = now.dacl
    for ace in _explicit(change.added):
        dacl = _take_out(dacl, ace, missing(change.before.dacl, ace) if _is_plain(ace) else ace.mask)
    for ace in _explicit(change.removed):
        dacl = _put_back(dacl, ace, change.after.dacl)
    result = now if dacl is now.dacl else now.with_dacl(dacl)
    was, left = change.before.dacl_is_protected, change.after.dacl_is_protected
    if was != left and result.dacl_is_protected == left:
        result = protect(result, keep_inherited=False) if was else unprotect(result)
    return result


def _explicit(aces: Iterable[Ace]) -> Iterator[Ace]:
    return (ace for ace in aces if not ace.is_inherited)


def _is_plain(ace: Ace) -> bool:
    """True for what a right can be taken out of: everything that allows or denies."""
    return (ace.is_allow or ace.is_deny) and bool(ace.mask)


def _take_out(dacl: Acl, ace: Ace, mask: int) -> Acl:
    if not _is_plain(ace):
        return dacl.with_aces(each for each in dacl if each != ace) if ace in dacl.aces else dacl
    return revoke(dacl, replace(ace, mask=ace.mask & mask)) if mask else dacl


def _put_back(dacl: Acl, ace: Ace, left: Acl) -> Acl:
    if not _is_plain(ace):
        return dacl if ace in dacl.aces else dacl.with_aces((ace, *dacl.aces))
    mask = missing(left, ace)
    return grant(dacl, replace(ace, mask=mask)) if mask else dacl
