"""Snapshot files written in one step: whole or not at all, and readable by their owner alone.

Rule 1: nothing is held in memory but a short digest of each distinct descriptor. Entries wait in a temporary file
        without a name, since the counts in the first line are known last.
Rule 2: a new file is made beside the old one and moved over it: a reader sees the one or the other, whole, and a
        link is replaced, never followed.
Rule 3: what a rewritten file says of an object is copied as it stands; only its descriptor's number changes.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final

from .directory import Entry, RootDse
from .errors import SnapshotError
from .snapshot_format import (
    DESCRIPTOR,
    Damaged,
    Header,
    Values,
    descriptor_line,
    entry_line,
    json_line,
    read_descriptor,
    read_record,
)
from .snapshot_index import NONE, Index
from .whole_file import whole_file

__all__ = ["rewrite_snapshot", "write_snapshot"]

_BLOCK: Final = 1 << 20
_LEVEL: Final = 6
_REPLACE: Final = "name another file, or give -Force to replace it"


def write_snapshot(
    path: str | Path,
    root: RootDse,
    entries: Iterable[Entry],
    *,
    origin: str = "",
    more: Mapping[str, Any] | None = None,
    replace: bool = True,
) -> int:
    """Write a snapshot file of these entries; the number of them.

    ``more`` stands in its first line beside what every file has; it is looked at when the entries have ended, so
    that it may say what became of them. Without ``replace`` a file that is there is left alone. Raises
    SnapshotError, and what ``entries`` raises: then there is no file.
    """
    path = Path(path)
    if not replace and os.path.lexists(path):
        raise SnapshotError(f"'{path}' is there already: {_REPLACE}")
    with _errors(path), tempfile.TemporaryFile() as waiting, tempfile.TemporaryFile() as distinct:
        numbers: dict[bytes, int] = {}
        count = 0
        for entry in entries:
            count += 1
            raw = next(iter(entry.attributes.get(DESCRIPTOR, ())), None)
            number = None
            if raw is not None:
                digest = blake2b(raw, digest_size=16).digest()
                number = numbers.get(digest)
                if number is None:
                    number = numbers[digest] = len(numbers) + 1
                    distinct.write(descriptor_line(number, bytes(raw)))
            waiting.write(entry_line(entry.dn, number, entry.attributes))
        header = Header(root, len(numbers), count, origin, dict(more or {}))
        with _replacing(path, replace=replace) as stream:
            stream.write(header.to_line())
            for each in (distinct, waiting):
                each.seek(0)
                while block := each.read(_BLOCK):
                    stream.write(block)
    return count


def rewrite_snapshot(index: Index, changed: Mapping[int, bytes], values: Mapping[int, Values]) -> None:
    """Write the file of this index again, with other descriptors and attributes for some of its objects.

    Raises SnapshotError.
    When it was written the index has come to its end: its file is closed.
    """
    numbers: dict[int | bytes, int] = {}
    known = {raw: number for number, raw in _descriptors(index)} if changed else {}
    used: list[int | bytes] = []

    def number_of(ordinal: int) -> int | None:
        key: int | bytes = index.numbers[ordinal]
        if ordinal in changed:
            key = known.get(changed[ordinal], changed[ordinal])
        if key == NONE:
            return None
        if key not in numbers:
            numbers[key] = len(numbers) + 1
            used.append(key)
        return numbers[key]

    for ordinal in range(len(index)):
        number_of(ordinal)
    old = index.header
    header = Header(old.root, len(used), len(index), old.origin, old.more)
    path = index.file.path
    with _errors(path), _replacing(path, replace=True, before=index.file.close) as stream:
        stream.write(header.to_line())
        for key in used:
            raw = key if isinstance(key, bytes) else read_descriptor(index.descriptor_line(key))[1]
            stream.write(descriptor_line(numbers[key], raw))
        for ordinal in range(len(index)):
            stream.write(_renumbered(index.line(ordinal), number_of(ordinal), values.get(ordinal)))


def _renumbered(line: bytes, number: int | None, values: Values | None) -> bytes:
    """The line of an entry with another descriptor, and other attributes if any; a damaged one as it stands."""
    text = b"null" if number is None else b"%d" % number
    start, separator, rest = line.partition(b'", "descriptor": ')
    old, attributes, rest = rest.partition(b', "attributes": ')
    if values is None and separator and attributes and (old.isdigit() or old == b"null"):
        return b"".join((start, separator, text, attributes, rest, b"\n"))
    try:
        record = read_record(line)
    except Damaged:
        return line + b"\n"
    return json_line(
        {"dn": record.dn, "descriptor": number, "attributes": record.values if values is None else values}
    )


def _descriptors(index: Index) -> Iterator[tuple[int, bytes]]:
    return (
        read_descriptor(index.descriptor_line(number))
        for number, place in enumerate(index.descriptors)
        if place
    )


@contextmanager
def _replacing(
    path: Path, *, replace: bool, before: Callable[[], None] = lambda: None
) -> Iterator[IO[bytes]]:
    """A stream whose content becomes the file's when all went well, packed where the name ends in .gz.

    ``before`` is called just before it does: Windows does not replace a file that is open.
    """
    with whole_file(path, replace=replace, before=before) as stream:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield stream


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise SnapshotError(f"'{path}' is there already: {_REPLACE}") from error
    except OSError as error:
        raise SnapshotError(f"cannot write the snapshot '{path}': {error.strerror or error}") from error
