"""Applying a plan file: exactly what it says, or nothing.

Every object is read before the first write. One that still is as the plan found it gets what the plan says; one
that already is as the plan leaves it needs nothing, so that a second run completes what a first one could not;
any other, and the whole plan is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Unpack

from .directory import Directory
from .errors import Conflict, NotFound, PlanFileError, UnknownName
from .plan import AnyChange, Change
from .plan_file import read_plan
from .record import ForestIdentity
from .result import SetResult
from .running import RunParameters, finish
from .standing import standing

__all__ = ["CMDLET", "invoke_adsync_plan"]

CMDLET: Final = "Invoke-ADSyncPlan"


def invoke_adsync_plan(directory: Directory, *, path: str | Path, **run: Unpack[RunParameters]) -> SetResult:
    """Apply exactly the plan that a file holds, as ``plan_out`` wrote it.

    Raises PlanFileError, before anything is read from the directory, for a file that cannot be trusted or is of
    another forest; Conflict, before anything is written, when the permissions of any of its objects are neither
    what the plan found nor what it leaves.
    """
    plan = read_plan(path)
    here = ForestIdentity.of(directory)
    if not plan.forest.is_same(here):
        raise PlanFileError(
            f"the plan file '{path}' is for the forest {plan.forest}, and this is {here}: nothing was changed"
        )
    changes = [_as_it_stands(directory, change) for change in plan.changes]
    return finish(
        CMDLET,
        plan.account,
        changes,
        warnings=plan.warnings,
        directory=directory,
        run=run,
        source={"plan": str(path), "cmdlet": plan.cmdlet, "digest": plan.digest},
    )


def _as_it_stands(directory: Directory, change: AnyChange) -> AnyChange:
    """The change as planned, or one that needs nothing where it is done. Raises Conflict and UnknownName."""
    try:
        now = standing(change, directory.for_domain(change.domain))
    except NotFound:
        raise UnknownName(
            change.dn,
            "object",
            f"there is no object '{change.dn}' any more, or you may not see it; nothing was changed: make a new "
            "plan",
        ) from None
    # The order of these two matters for a change of order alone: it is to be made where it is not.
    if change.is_after(now):
        return change.settled(now)
    if change.is_before(now):
        return change
    raise Conflict(
        change.dn,
        change.before if isinstance(change, Change) else None,
        now.descriptor,
        f"'{change.dn}' was changed since the plan was made ({change.difference(now)}); nothing was "
        "changed: make a new plan",
    )
