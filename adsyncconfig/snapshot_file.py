"""The bytes of a snapshot file, in order and from anywhere: the only place that opens one.

Rule 1: a file is never held in memory. A compressed one is unpacked into a temporary file that has no name, so
        that it ends with this process.
Rule 2: whoever reads has a place of their own: a search goes on where it was, whatever is looked up in between.
Rule 3: no line is longer than ``LONGEST_LINE``, and what is packed is no more than ``MOST_TIMES`` its size.
"""

from __future__ import annotations

import gzip
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from .errors import SnapshotError
from .snapshot_format import LONGEST_LINE

__all__ = ["SnapshotFile", "lines_of"]

BLOCK: Final = 1 << 20
#: In bytes; most lines are shorter.
LINE: Final = 16 << 10
#: JSON Lines of objects pack to a tenth; their GUIDs alone keep them above a thirtieth.
MOST_TIMES: Final = 200
#: In bytes: what any file may be unpacked to, since the least of them are nearly all header.
ALWAYS_UNPACKED: Final = 64 << 20


class SnapshotFile:
    """An open snapshot file; ``path`` as given, ``size`` in bytes, unpacked."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises SnapshotError."""
        self.path = path
        try:
            self._stream: IO[bytes] = _unpacked(path) if path.suffix == ".gz" else path.open("rb")
            # A directory that nobody closes lets its file go without a warning.
            self._finalizer = weakref.finalize(self, self._stream.close)
            self.size = self._stream.seek(0, 2)
        except FileNotFoundError as error:
            raise SnapshotError(f"there is no snapshot '{path}'") from error
        except OSError as error:
            raise SnapshotError(f"cannot read the snapshot '{path}': {error.strerror or error}") from error

    @property
    def is_closed(self) -> bool:
        """True when the file was let go."""
        return self._stream.closed

    def close(self) -> None:
        """Let go of the file."""
        self._finalizer()

    def runs(self, start: int = 0, longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes]]:
        """Whole lines from this place on, many at once: where they begin, and their bytes.

        Raises SnapshotError for a line that is longer than ``longest``.
        """
        rest: list[bytes] = []
        held = 0
        while block := self.read(start + held, BLOCK):
            end = block.rfind(b"\n") + 1
            if end:
                yield start, b"".join((*rest, block[:end]))
                start += held + end
                rest, held = [block[end:]], len(block) - end
            else:
                rest.append(block)
                held += len(block)
            if held > longest:
                raise SnapshotError(
                    f"'{self.path}' has a line of more than {longest} bytes at byte {start}: no object is so large"
                )
        if held:
            yield start, b"".join(rest)

    def lines(self, start: int = 0, longest: int = LONGEST_LINE) -> Iterator[bytes]:
        """The lines from this place on, without their ends; the end of the file ends a line too."""
        for _, run in self.runs(start, longest):
            yield from lines_of(run)

    def number(self, start: int) -> int:
        """The number of the line that begins here; the first is 1."""
        places = range(0, start, BLOCK)
        return 1 + sum(self.read(place, min(BLOCK, start - place)).count(b"\n") for place in places)

    def line(self, start: int, end: int | None = None) -> bytes:
        """The line that begins here; ``end`` is a place that it ends before, where that is known."""
        size = LINE if end is None else min(end - start, LONGEST_LINE)
        line, found, _ = self.read(start, size).partition(b"\n")
        return line if found or end is not None else next(self.lines(start), b"")

    def read(self, start: int, size: int) -> bytes:
        """At most so many bytes from this place on; none at the end. Raises SnapshotError."""
        try:
            self._stream.seek(start)
            return self._stream.read(size)
        except (OSError, ValueError) as error:  # ValueError where it was closed meanwhile
            raise SnapshotError(f"cannot read the snapshot '{self.path}': {error}") from error


def lines_of(run: bytes) -> list[bytes]:
    """The lines of a run, without their ends."""
    lines = run.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines


def _unpacked(path: Path) -> IO[bytes]:
    """A temporary file with what the compressed one holds. Raises SnapshotError, OSError."""
    most = max(ALWAYS_UNPACKED, MOST_TIMES * path.stat().st_size)
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with gzip.open(path, "rb") as packed:
            while (block := packed.read(BLOCK)) and unpacked.tell() <= most:
                unpacked.write(block)
        if unpacked.tell() <= most:
            unpacked.flush()
            return unpacked
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        unpacked.close()
        raise SnapshotError(f"'{path}' is damaged: {error}") from error
    except BaseException:
        unpacked.close()
        raise
    unpacked.close()
    raise SnapshotError(
        f"'{path}' unpacks to more than {MOST_TIMES} times its size: it is no snapshot of a directory"
    )
