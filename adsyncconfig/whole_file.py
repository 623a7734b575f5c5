"""Files that are there whole or not at all: plans, reports, snapshots. (Journals grow: ``record.create_file``.)

Rule 1: the content goes into a new file beside the place, under a name that nobody can foresee and readable by its
        owner alone from the moment that it is made, whatever the umask; it takes its name when it is on the disk.
Rule 2: what is in the place is replaced where that was asked for, and left alone otherwise, also what came there
        since somebody looked. A link in the place is replaced or left like anything else, never followed.
Rule 3: whatever goes wrong, the file beside the place is gone again.

Folders above are followed where they are links: the user named them. What is made is as safe as its folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["whole_file"]


@contextmanager
def whole_file(
    path: Path, *, replace: bool, before: Callable[[], None] = lambda: None
) -> Iterator[IO[bytes]]:
    """A stream whose content becomes the file's when all went well; ``before`` is called just before it does.

    Raises FileExistsError where there is something that may not be replaced, OSError, and ValueError for a name
    that none can have.
    """
    if not replace and os.path.lexists(path):
        raise FileExistsError(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".adsyncconfig-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        before()
        if replace:
            temporary.replace(path)
        else:
            _take_name(temporary, path)
    finally:
        with suppress(OSError):  # it has its own name by now, as a rule
            temporary.unlink()


def _take_name(temporary: Path, path: Path) -> None:
    """Give the file its name, unless something has it, in one step where the file system can."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.replace(path)
