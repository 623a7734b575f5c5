"""Where a report goes: standard output, or a file that is replaced in one step.

A file is written beside its place under a name of its own and then put there, so that a reader, or a run that
broke off, never leaves half a page; a link that waits in its place is replaced and not followed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from adsyncconfig.errors import ADSyncConfigError
from adsyncconfig.whole_file import whole_file

__all__ = ["is_terminal", "to_file", "to_standard_output"]

#: Half a surrogate pair has no UTF-8; names of a directory may hold one all the same.
_LONE_SURROGATES = "backslashreplace"


def is_terminal() -> bool:
    """True when standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def to_standard_output(pieces: Iterable[str]) -> None:
    """Write the pieces to standard output: to a terminal as it takes them, else in UTF-8."""
    if is_terminal():
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    for piece in pieces:
        sys.stdout.buffer.write(piece.encode("utf-8", _LONE_SURROGATES))
    sys.stdout.buffer.flush()


def to_file(pieces: Iterable[str], path: Path, *, replace: bool = True) -> None:
    """Put the pieces into a file for its owner alone, in place of what is there. Raises ADSyncConfigError.

    Without ``replace`` what is there is left alone, also what came since somebody looked.
    """
    # A device or a folder is nothing to replace. (Path.exists raises for a name that is too long.)
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise ADSyncConfigError(f"'{path}' is no file: name one with --output, or leave it out to print")
    try:
        with whole_file(path, replace=replace) as stream:
            for piece in pieces:
                stream.write(piece.encode("utf-8", _LONE_SURROGATES))
    except FileExistsError:
        raise ADSyncConfigError(f"'{path}' is there already: name a new file, or add -Force") from None
    except (OSError, ValueError) as error:
        raise ADSyncConfigError(
            f"'{path}' cannot be written: {getattr(error, 'strerror', None) or error}"
        ) from None
