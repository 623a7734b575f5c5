"""Where a report goes: standard output, or a file that is replaced in one step.

A file is written beside its place under a name of its own and then put there, so that a reader, or a run that
broke off, never leaves half a page; a link that waits in its place is replaced and not followed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from adsyncconfig.errors import ADSyncConfigError

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


def to_file(pieces: Iterable[str], path: Path) -> None:
    """Put the pieces into a file for its owner alone, in place of what is there. Raises ADSyncConfigError."""
    if path.exists() and not path.is_file():  # a device or a folder is nothing to replace
        raise ADSyncConfigError(f"'{path}' is no file: name one with --output, or leave it out to print")
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors=_LONE_SURROGATES, newline="") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise ADSyncConfigError(f"'{path}' cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
