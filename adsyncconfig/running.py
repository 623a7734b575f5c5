"""The last stretch of every cmdlet that changes something: apply the changes, and say what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from .account import Principal
from .apply import Confirm, Notify, apply
from .directory import Directory
from .errors import ADSyncConfigError, PartialApply
from .plan import Change
from .result import SetResult

__all__ = ["RunParameters", "finish"]


class RunParameters(TypedDict, total=False):
    """The parameters of every cmdlet that changes something; each may be left out.

    ``what_if`` plans only. ``confirm`` is asked before each change, None means yes. ``force`` does what is
    refused as unsafe otherwise. ``notify`` is told each step, a line at a time.
    """

    what_if: bool
    confirm: Confirm | None
    force: bool
    notify: Notify | None


def finish(
    cmdlet: str,
    account: Principal,
    changes: Iterable[Change],
    *,
    warnings: Iterable[str],
    directory: Directory,
    run: RunParameters,
) -> SetResult:
    """Apply the changes and give the result, or raise what went wrong with the result on it."""
    what_if = run.get("what_if", False)
    results, errors = apply(
        changes, directory, what_if=what_if, confirm=run.get("confirm"), notify=run.get("notify")
    )
    result = SetResult(cmdlet, what_if, account, tuple(results), tuple(dict.fromkeys(warnings)))
    if errors:
        partial = any(each.status == "applied" for each in results)
        error: ADSyncConfigError = PartialApply(result) if partial else errors[0]
        error.result = result
        raise error
    return result
