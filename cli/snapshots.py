"""Export-ADSyncSnapshot and Compare-ADSyncSnapshot as commands.

What was written goes to standard output; what a file holds, and what could not be read, to standard error. The exit
code is then 3: a file with holes never passes for a whole one.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from .binding import printable
from .command import CmdletCommand, parameter, switch
from .connect import connection_parameters, open_directory
from .outcome import guard
from .running import progress

if TYPE_CHECKING:
    from adsyncconfig import ExportResult

__all__ = ["export_adsync_snapshot"]


@click.command(
    "Export-ADSyncSnapshot",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Export-ADSyncSnapshot forest.jsonl.gz
  Export-ADSyncSnapshot -Path sync-groups.jsonl -SearchBase 'OU=Sync Groups,DC=contoso,DC=example'
  Invoke-ADSyncPermissionsAudit --snapshot forest.jsonl.gz
""",
)
@parameter(
    "-Path",
    "--path",
    position=1,
    required=True,
    type=click.Path(),
    help="The new file, for its owner alone; packed with gzip when its name ends in .gz.",
)
@parameter(
    "-SearchBase",
    "--search-base",
    help="Only this object, what is below it and what belongs to it: its DN, or a domain by its DNS or NetBIOS "
    "name. Left out: every domain of the forest, its configuration and its schema.",
)
@switch("-Force", "--force", help="Replace the file when it is there.")
@switch("--json", help="Print one JSON document.")
@switch("-Verbose", "--verbose", "-vb", help="Tell each step on standard error.")
@connection_parameters
@click.pass_context
def export_adsync_snapshot(context: click.Context, /, **given: Any) -> None:
    """Write the directory to a file on which every command runs as on the directory (--snapshot).

    It holds names, classes, SIDs, memberships, dates and permissions: what an audit needs. It holds no passwords,
    hashes or keys; but descriptions as they were written. The exit code is 3 when something could not be read,
    which the file then says too.
    """

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        with open_directory(context) as directory:
            result = adsyncconfig.export_adsync_snapshot(
                directory,
                path=given["path"],
                search_base=given["search_base"],
                force=bool(given["force"]),
                notify=progress(verbose=bool(given["verbose"])),
            )
        _tell(result)
        if given["json"]:
            click.echo(json.dumps(result.to_json(), indent=2))
        else:
            click.echo(
                f"{result.objects:,} objects of {printable(result.controller)} in '{printable(result.path)}'."
            )
        return result.exit_code

    guard(context, action)


def _tell(result: ExportResult) -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    from adsyncconfig.export import HOLDS  # noqa: PLC0415

    click.echo(f"'{printable(result.path)}' holds {HOLDS}.", err=True)
    for line in result.not_read:
        click.echo(f"WARNING: not read: {printable(line)}", err=True)
    if result.unreadable:
        click.echo(f"WARNING: the permissions of {result.unreadable:,} objects could not be read", err=True)
