"""How a run ends: the result on standard output, warnings and errors on standard error, and the exit code.

0 done, nothing to do, or declined · 1 failed · 2 bad command line · 3 something found, or not readable · 4 done
in part · 130 interrupted (^C) · 143 stopped (SIGTERM), 129 hung up (SIGHUP): each ends as ^C does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from .binding import printable

if TYPE_CHECKING:
    from adsyncconfig import SetResult

__all__ = ["guard", "run"]

FOUND = 3
INTERRUPTED = 130
_OF_A_SIGNAL = 128  # what a shell adds to the number of the signal that ended a process
#: Windows has the first alone. A signal that is ignored (nohup) stays ignored.
_STOPPING: Final = ("SIGTERM", "SIGHUP")


class _Stopped(KeyboardInterrupt):
    """A signal asked the process to end: it is taken for ^C, but for the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.code = _OF_A_SIGNAL + number


def run(
    context: click.Context,
    cmdlet: Callable[[], SetResult],
    *,
    as_json: bool,
    plan_format: str | None = None,
    tells_drift: bool = False,
) -> None:
    """Call the cmdlet, print what it gives, and exit with the code that belongs to how it ended.

    ``plan_format`` prints its plan instead, when nothing went wrong. ``tells_drift`` makes the code 3 where
    something is planned.
    """
    from adsyncconfig import ADSyncConfigError  # noqa: PLC0415 - help and completion do without

    def action() -> int:
        try:
            result = cmdlet()
        except ADSyncConfigError as error:
            if error.result is not None:
                _print(error.result, as_json=as_json)
            raise
        _print(result, as_json=as_json, plan_format=plan_format)
        if tells_drift and any(change.status == "planned" for change in result.changes):
            return result.exit_code or FOUND
        return result.exit_code

    guard(context, action)


def guard(context: click.Context, action: Callable[[], int]) -> None:
    """Call what prints by itself, and exit with the code that it gives, or with that of what it raises."""
    from adsyncconfig import AclError, ADSyncConfigError  # noqa: PLC0415 - help and completion do without

    try:
        with _stoppable():
            code = action()
    except ADSyncConfigError as error:
        _fail(context, str(error), error.exit_code)
    except AclError as error:
        _fail(context, str(error), 1)
    except (KeyboardInterrupt, click.Abort) as error:
        _fail(context, str(error) or "interrupted", getattr(error, "code", INTERRUPTED))
    if code:
        context.exit(code)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Have the signals that ask a process to end raise ``_Stopped`` meanwhile, where they would kill it."""

    def stop(number: int, _: Any) -> NoReturn:
        raise _Stopped(number)

    taken = []
    try:
        for name in _STOPPING:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                with suppress(ValueError):  # outside the main thread, which alone is sent signals
                    signal.signal(number, stop)
                    taken.append(number)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _print(result: SetResult, *, as_json: bool, plan_format: str | None = None) -> None:
    from . import render  # noqa: PLC0415

    for warning in result.warnings:
        click.echo(f"WARNING: {printable(warning)}", err=True)
    if as_json:
        click.echo(render.as_json(result))
    elif plan_format and result.plan is not None:
        click.echo(render.as_plan(result.plan, plan_format), nl=False)
    else:
        for line in render.as_text(result):
            click.echo(line)


def _fail(context: click.Context, message: str, code: int) -> NoReturn:
    click.echo(f"{context.command.name}: {printable(' '.join(message.split()))}", err=True)
    context.exit(code)
