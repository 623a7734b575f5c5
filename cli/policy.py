"""Policies as commands: bring a directory to what a policy file says."""

from __future__ import annotations

from typing import Any

import click

from .command import CmdletCommand, parameter, switch
from .running import run_change, run_parameters

__all__ = ["invoke_adsync_policy"]


@click.command(
    "Invoke-ADSyncPolicy",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Invoke-ADSyncPolicy policy.toml -WhatIf --exit-code
  Invoke-ADSyncPolicy -Path policy.toml -RemoveExcess
""",
)
@parameter(
    "-Path",
    "--path",
    position=1,
    required=True,
    type=click.Path(),
    help="The policy file (TOML): accounts, their features and scopes, and accepted findings.",
)
@switch(
    "-RemoveExcess",
    "--remove-excess",
    help="Take away, in the whole forest, what the policy's accounts are allowed by entries of their own and the "
    "policy does not say.",
)
@run_parameters
@click.pass_context
def invoke_adsync_policy(context: click.Context, /, **given: Any) -> None:
    """Grant the accounts of a policy file what it says, where it is missing.

    With -RemoveExcess also take away what they hold beyond it. Everything is read and planned before the first
    change, each object is asked about, and the journal takes the run back. With -WhatIf --exit-code the exit code
    is 3 when the directory is not as the policy says. What an account owns, has through groups, or is denied, is
    left as it is: Invoke-ADSyncPermissionsAudit -Policy finds that.
    """
    parameters = {"path": given["path"], "remove_excess": bool(given["remove_excess"])}
    run_change(context, "invoke_adsync_policy", parameters)
