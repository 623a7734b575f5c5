"""Plans and journals as commands: apply a plan that was kept, and undo a run."""

from __future__ import annotations

from typing import Any

import click

from .command import CmdletCommand, parameter
from .running import run_change, run_parameters

__all__ = ["invoke_adsync_plan", "undo_adsync_permissions"]


@click.command(
    "Invoke-ADSyncPlan",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN "$account" -ADObjectDN "$ou"
      -WhatIf --plan-out plan.json
  Invoke-ADSyncPlan plan.json
""",
)
@parameter(
    "-Path",
    "--path",
    position=1,
    required=True,
    type=click.Path(),
    help="The plan file that -WhatIf --plan-out wrote.",
)
@run_parameters
@click.pass_context
def invoke_adsync_plan(context: click.Context, /, path: str, **_: Any) -> None:
    """Apply exactly the plan that a file holds, or refuse.

    Nothing is written when the permissions of any of its objects were changed since the plan was made, when the
    file was edited, or when it is for another forest. What the plan would leave and is there already is no reason
    to refuse: a second run completes the first.
    """
    run_change(context, "invoke_adsync_plan", {"path": path})


@click.command(
    "Undo-ADSyncPermissions",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Undo-ADSyncPermissions "$journal" -WhatIf
  Undo-ADSyncPermissions -JournalPath "$journal" -Force
""",
)
@parameter(
    "-JournalPath",
    "--journal-path",
    position=1,
    required=True,
    type=click.Path(),
    help="The journal of the run, which that run named at its end.",
)
@run_parameters
@click.pass_context
def undo_adsync_permissions(context: click.Context, /, journal_path: str, **_: Any) -> None:
    """Restore the permissions that a run changed, as its journal keeps them.

    An object that somebody else changed since is refused, and the difference named; -Force takes just what the
    run added out of it, and puts back just what the run removed. The undo has a journal of its own.
    """
    run_change(context, "undo_adsync_permissions", {"journal_path": journal_path})
