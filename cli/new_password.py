"""Where a new password comes from: a file, the environment or a prompt, never an argument."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from .binding import printable

__all__ = ["new_password"]

NEW_PASSWORD_VARIABLE: Final = "ADSYNCCONFIG_NEW_PASSWORD"  # noqa: S105 - the name of the variable


def new_password(account: str, file: str | None) -> Callable[[], str]:
    """What gives the account's new password when it is called.

    It raises ParameterError for a file that cannot be read or is empty, and where nobody can be asked.
    """

    def give() -> str:
        from adsyncconfig import ParameterError  # noqa: PLC0415 - loaded by now

        if file:
            try:
                lines = Path(file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ParameterError(f"cannot read the password file '{file}': {error}") from error
            if not lines or not lines[0]:
                raise ParameterError(f"the password file '{file}' is empty")
            return lines[0]
        if given := os.environ.get(NEW_PASSWORD_VARIABLE):
            return given
        if not sys.stdin.isatty():
            raise ParameterError(
                "there is no terminal to ask for the new password on: give --new-password-file or "
                f"{NEW_PASSWORD_VARIABLE}"
            )
        # Twice, since nobody sees what was typed.
        answer: str = click.prompt(
            f"New password for {printable(account)}", hide_input=True, confirmation_prompt=True, err=True
        )
        return answer

    return give
