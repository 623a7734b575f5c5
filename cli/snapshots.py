"""Export-ADSyncSnapshot and Compare-ADSyncSnapshot as commands.

What was written goes to standard output; what a file holds, and what could not be read, to standard error. The exit
code is then 3: a file with holes never passes for a whole one.
"""

from __future__ import annotations

import json
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
from .running import form_of, progress

if TYPE_CHECKING:
    from adsyncconfig import ExportResult

__all__ = ["compare_adsync_snapshot", "export_adsync_snapshot"]


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


@click.command(
    "Compare-ADSyncSnapshot",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Compare-ADSyncSnapshot monday.jsonl.gz tuesday.jsonl.gz
  Compare-ADSyncSnapshot -ReferencePath old.jsonl -DifferencePath new.jsonl --format html --output changes.html
""",
)
@parameter(
    "-ReferencePath",
    "--reference-path",
    position=1,
    required=True,
    type=click.Path(),
    help="The earlier snapshot.",
)
@parameter(
    "-DifferencePath",
    "--difference-path",
    position=2,
    required=True,
    type=click.Path(),
    help="The later snapshot.",
)
@parameter(
    "--format",
    type=click.Choice(list(formats.FORMS)),
    help="The form of what is found; left out: text.",
)
@parameter("--output", type=click.Path(), help="Write it to this new file, for its owner alone.")
@switch("-Force", "--force", help="Replace the file of --output when it is there.")
@switch("--json", help="Print one JSON document, as --format json.")
@click.pass_context
def compare_adsync_snapshot(context: click.Context, /, **given: Any) -> None:
    """Tell whose permissions changed between two snapshots, entry by entry.

    Objects are known by their GUID, so that one that was renamed is not taken for two. Entries that are inherited
    are marked: what to look at stands further up. The exit code is 3 when something differs.
    """

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        form = form_of(given, next(iter(formats.FORMS)))
        output = None if given["output"] is None else Path(given["output"])
        if output is not None and os.path.lexists(output) and not given["force"]:
            raise adsyncconfig.ParameterError(f"'{output}' is there already: name a new file, or add -Force")
        with (
            adsyncconfig.open_snapshot(given["reference_path"]) as reference,
            adsyncconfig.open_snapshot(given["difference_path"]) as difference,
        ):
            found = adsyncconfig.compare_adsync_snapshot(reference, difference)
            for warning in found.warnings:
                click.echo(f"WARNING: {printable(warning)}", err=True)
            on_terminal = output is None and sys.stdout.isatty()
            pieces = formats.comparison(found, form, on_terminal=on_terminal)
            formats.deliver(pieces, output, replace=bool(given["force"]))
        return found.exit_code

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
