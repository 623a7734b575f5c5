"""Where in a TOML text each key stands, which tomllib does not tell: for errors that name the line.

Tables, arrays of tables and plain ``key = value`` lines are found; what a key holds inside (an inline table, a
text of several lines) counts as on the key's own line. It is asked after tomllib has read the text, so that
nothing here decides what is valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["Path", "line_of", "lines_of_keys"]

#: Keys and places in arrays from the top: ``("accounts", 0, "name")``.
Path = tuple[str | int, ...]

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_ARRAY_HEADER: Final = re.compile(rf"^\s*\[\[\s*({_DOTTED})\s*\]\]")
_HEADER: Final = re.compile(rf"^\s*\[\s*({_DOTTED})\s*\]")
_KEY: Final = re.compile(rf"^\s*({_DOTTED})\s*=")
_MULTILINE: Final = ('"""', "'''")


def lines_of_keys(text: str) -> Mapping[Path, int]:
    """The line, counted from 1, of every table and key."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    waiting_for: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if waiting_for is not None:
            if waiting_for in line:
                waiting_for = None
            continue
        if found := _ARRAY_HEADER.match(line):
            above = _within(counts, _parts(found[1]))
            counts[above] = counts.get(above, -1) + 1
            table = (*above, counts[above])
            lines.setdefault(above, number)
            lines[table] = number
        elif found := _HEADER.match(line):
            table = _within(counts, _parts(found[1]))
            lines[table] = number
        elif found := _KEY.match(line):
            path = table
            for part in _parts(found[1]):
                path = (*path, part)
                lines.setdefault(path, number)
            waiting_for = next((mark for mark in _MULTILINE if line.count(mark) % 2), None)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of the key, or of the nearest table around it; 1 where there is none."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


def _within(counts: Mapping[Path, int], parts: Path) -> Path:
    """The path of a header, with the place in every array of tables that it goes through."""
    path: Path = ()
    for place, part in enumerate(parts):
        path = (*path, part)
        if path in counts and place + 1 < len(parts):
            path = (*path, counts[path])
    return path


def _parts(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, dotted))
