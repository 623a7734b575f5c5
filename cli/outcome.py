"""How a run ends: the result on standard output, warnings and errors on standard error, and the exit code.

0 done, nothing to do, or declined · 1 failed · 2 bad command line · 4 done in part · 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from .binding import printable

if TYPE_CHECKING:
    from adsyncconfig import SetResult

__all__ = ["run"]

INTERRUPTED = 130


def run(context: click.Context, cmdlet: Callable[[], SetResult], *, as_json: bool) -> None:
    """Call the cmdlet, print what it gives, and exit with the code that belongs to how it ended."""
    from acl import AclError  # noqa: PLC0415 - help and completion do without
    from adsyncconfig import ADSyncConfigError  # noqa: PLC0415

    try:
        _print(cmdlet(), as_json=as_json)
    except ADSyncConfigError as error:
        if error.result is not None:
            _print(error.result, as_json=as_json)
        _fail(context, str(error), error.exit_code)
    except AclError as error:
        _fail(context, str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        _fail(context, "interrupted", INTERRUPTED)


def _print(result: SetResult, *, as_json: bool) -> None:
    from . import render  # noqa: PLC0415

    for warning in result.warnings:
        click.echo(f"WARNING: {printable(warning)}", err=True)
    if as_json:
        click.echo(render.as_json(result))
    else:
        for line in render.as_text(result):
            click.echo(line)


def _fail(context: click.Context, message: str, code: int) -> NoReturn:
    click.echo(f"{context.command.name}: {printable(' '.join(message.split()))}", err=True)
    context.exit(code)
