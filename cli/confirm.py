"""PowerShell's question before each change: Yes, Yes to All, No, No to All.

It is asked on standard error, so that standard output holds the result alone. There is no Suspend: a shell's
own job control does that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from .binding import printable

if TYPE_CHECKING:
    from adsyncconfig.plan import AnyChange

__all__ = ["Confirmation"]

_CHOICES = '[Y] Yes  [A] Yes to All  [N] No  [L] No to All  [?] Help (default is "Y"): '
_HELP = """\
Y - Continue with only the next step of the operation.
A - Continue with all the steps of the operation.
N - Skip this operation and proceed with the next operation.
L - Skip this operation and all subsequent operations."""
_ANSWERS = {"": "y", "y": "y", "yes": "y", "a": "a", "n": "n", "no": "n", "l": "l"}


class Confirmation:
    """Asks on the terminal before each change; remembers an answer "to All"."""

    def __init__(self) -> None:
        self._for_all: bool | None = None

    def __call__(self, change: AnyChange) -> bool:
        """True when the change may be written. Raises ParameterError when the input ends first."""
        if self._for_all is not None:
            return self._for_all
        click.echo("\nConfirm\nAre you sure you want to perform this action?", err=True)
        click.echo(
            f'Performing the operation "{change.operation}" on target "{printable(change.label)}".', err=True
        )
        answer = self._ask()
        if answer in ("a", "l"):
            self._for_all = answer == "a"
        return answer in ("y", "a")

    def _ask(self) -> str:
        from adsyncconfig import ParameterError  # noqa: PLC0415 - loaded by now

        while True:
            click.echo(_CHOICES, err=True, nl=False)
            line = sys.stdin.readline()
            if not line:
                raise ParameterError(
                    "the input ended before an answer: give '-Confirm:$false' not to be asked"
                )
            answer = _ANSWERS.get(line.strip().lower())
            if answer is not None:
                return answer
            if line.strip() == "?":
                click.echo(_HELP, err=True)
