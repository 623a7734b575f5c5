"""The last stretch of every cmdlet that changes something: apply the changes, and say what became of them.

The order: the plan is kept where that is asked for; the journal's place is looked at; then, change by change,
``apply`` asks and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from .account import Principal
from .apply import Confirm, Notify, apply
from .directory import Directory
from .errors import ADSyncConfigError, PartialApply
from .journal import Journal
from .plan import AnyChange
from .plan_file import Plan, write_plan
from .result import ChangeResult, SetResult

if TYPE_CHECKING:
    from .effect import Effect

__all__ = ["RunParameters", "finish"]


class Outlook(Protocol):
    """What tells the effect of a run once it is known what was written; see ``prospects.Prospects``."""

    def conclude(
        self, changes: Sequence[AnyChange], results: Sequence[ChangeResult]
    ) -> tuple[list[Effect], list[str]]:
        """What accounts can do before and after, and what to warn of."""


class RunParameters(TypedDict, total=False):
    """The parameters of every cmdlet that changes something; each may be left out.

    ``what_if`` plans only. ``confirm`` is asked before each change, None means yes. ``force`` does what is
    refused as unsafe otherwise. ``notify`` is told each step, a line at a time. ``journal`` is a new file for
    the journal, from which the run can be undone; None keeps none (``default_journal`` names one).
    ``plan_out`` is a new file for the plan.
    """

    what_if: bool
    confirm: Confirm | None
    force: bool
    notify: Notify | None
    journal: str | Path | None
    plan_out: str | Path | None


def finish(
    cmdlet: str,
    account: Principal | None,
    changes: Iterable[AnyChange],
    *,
    warnings: Iterable[str],
    directory: Directory,
    run: RunParameters,
    source: Mapping[str, str] | None = None,
    refused: Sequence[tuple[AnyChange, ADSyncConfigError]] = (),
    prospects: Outlook | None = None,
) -> SetResult:
    """Apply the changes and give the result, or raise what went wrong with the result on it.

    ``source`` is the file that the changes come from, for the journal. ``refused`` are changes that are not to be
    tried, with the reason: they count as failed. ``prospects`` tell what the account can do before and after.
    """
    what_if = run.get("what_if", False)
    changes, warnings = tuple(changes), tuple(warnings)
    plan = Plan.of(cmdlet, account, changes, directory=directory, warnings=warnings)
    if (plan_out := run.get("plan_out")) is not None:
        write_plan(plan_out, plan)
    journal: Journal | None = None
    if (journal_path := run.get("journal")) is not None and plan.changes and not what_if:
        journal = Journal(
            journal_path,
            cmdlet=cmdlet,
            account=account,
            changes=plan.changes,
            directory=directory,
            source=source,
        )
        journal.check()
    try:
        results, errors = apply(
            changes,
            directory,
            what_if=what_if,
            confirm=run.get("confirm"),
            notify=run.get("notify"),
            journal=journal,
        )
        if journal is not None:
            journal.end()
    except KeyboardInterrupt as interrupt:
        if journal is not None and journal.is_begun:
            said = str(interrupt) or "interrupted"
            interrupt.args = (f"{said}; the journal '{journal.path}' says what was done",)
        raise
    finally:
        if journal is not None:
            journal.close()
    results += [ChangeResult.of(change, "failed", None, str(error)) for change, error in refused]
    errors += [error for _, error in refused]
    effect, found = prospects.conclude(changes, results) if prospects is not None else ((), ())
    result = SetResult(
        cmdlet,
        what_if,
        account,
        tuple(results),
        tuple(dict.fromkeys((*warnings, *found))),
        journal=str(journal.path) if journal is not None and journal.is_begun else None,
        plan=plan,
        effect=tuple(effect),
    )
    if errors:
        partial = any(each.status == "applied" or each.written is not False for each in results)
        error: ADSyncConfigError = PartialApply(result) if partial else errors[0]
        error.result = result
        raise error
    return result
