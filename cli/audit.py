"""Invoke-ADSyncPermissionsAudit as a command: the report on standard output or in a file, and progress.

Exit code 0 when nothing is open and everything was read, 3 when something is, or was not read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import formats
from .binding import printable
from .command import CmdletCommand, parameter, switch
from .connect import connection_parameters, open_directory
from .outcome import guard
from .running import account_parameters, form_of, progress

if TYPE_CHECKING:
    from adsyncconfig.findings import AuditReport

__all__ = ["invoke_adsync_permissions_audit"]


@click.command(
    "Invoke-ADSyncPermissionsAudit",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Invoke-ADSyncPermissionsAudit
  Invoke-ADSyncPermissionsAudit -Feature BasicRead,PasswordHashSync -ADConnectorAccountDN "$account"
  Invoke-ADSyncPermissionsAudit -SearchBase contoso.example --format json --output audit.json
  Invoke-ADSyncPermissionsAudit -Policy policy.toml --format sarif --output audit.sarif
  Invoke-ADSyncPermissionsAudit --snapshot forest.jsonl.gz
""",
)
@account_parameters
@parameter(
    "-SearchBase",
    "--search-base",
    help="Only at this object and below it: its DN, or a domain by its DNS or NetBIOS name. Left out: every domain "
    "of the forest, its configuration and its schema.",
)
@parameter(
    "-Feature",
    "--feature",
    multiple=True,
    help="The features that the accounts are held to, with commas between. Left out: those that their permissions "
    "tell, which the report says.",
)
@parameter(
    "-Policy",
    "--policy",
    type=click.Path(),
    help="A policy file (TOML): which accounts are to have what where, and which findings are accepted. The exit "
    "code is 0 when the directory is as it says.",
)
@parameter(
    "--format",
    type=click.Choice(list(formats.FORMS)),
    help="The form of the report; left out: text.",
)
@parameter("--output", type=click.Path(), help="Write the report to this new file, for its owner alone.")
@switch("-Force", "--force", help="Replace the file of --output when it is there.")
@switch("--json", help="Print one JSON document, as --format json.")
@switch("-Verbose", "--verbose", "-vb", help="Tell each step on standard error.")
@connection_parameters
@click.pass_context
def invoke_adsync_permissions_audit(context: click.Context, /, **given: Any) -> None:
    """Tell what the connector accounts may do, what they lack and have beyond it, and who can take them over.

    Every object's permissions are read, once, and nothing is written. Without an account those are audited that
    Get-ADSyncADConnectorAccount finds. Each finding names the object, the entry, and the command that mends it.
    The exit code is 3 when there is a finding, or something could not be read.
    """

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        form = form_of(given, next(iter(formats.FORMS)))
        output = None if given["output"] is None else Path(given["output"])
        if output is not None and os.path.lexists(output) and not given["force"]:
            raise adsyncconfig.ParameterError(f"'{output}' is there already: name a new file, or add -Force")
        with open_directory(context) as directory:
            report = adsyncconfig.invoke_adsync_permissions_audit(
                directory,
                ad_connector_account_name=given["ad_connector_account_name"],
                ad_connector_account_domain=given["ad_connector_account_domain"],
                ad_connector_account_dn=given["ad_connector_account_dn"],
                search_base=given["search_base"],
                feature=[name for value in given["feature"] for name in value.split(",") if name.strip()]
                or None,
                policy=given["policy"],
                notify=progress(verbose=bool(given["verbose"])),
            )
        _warn(report)
        formats.deliver(
            formats.audit(report, form, on_terminal=output is None and sys.stdout.isatty()),
            output,
            replace=bool(given["force"]),
        )
        return report.exit_code

    guard(context, action)


def _warn(report: AuditReport) -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    for warning in report.warnings:
        click.echo(f"WARNING: {printable(warning)}", err=True)
    for each in report.not_read:
        click.echo(f"WARNING: not read: {printable(each)}", err=True)
