"""Hostile text inside Markdown (CommonMark with GitHub's tables and links).

Rule 1: prose is escaped, so that nothing in it is markup, a link, or a cell's end.
Rule 2: what is copied is code, in a fence or a span longer than any run of backticks in it.
Rule 3: no code in a table: its pipes cannot be escaped in a way that all readers read alike.
"""

from __future__ import annotations

import re
from typing import Final

from .visible import printable

__all__ = ["cell", "code", "escaped", "fence"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-!|<>~&:@$=\"'])")
#: What begins a link or a list without any of these.
_DOTS: Final = re.compile(r"(?i)(\bwww|^\s*\d+)(?=\.)")


def escaped(text: str) -> str:
    """Text for a paragraph or a heading."""
    return _DOTS.sub(r"\1\\", _SPECIAL.sub(r"\\\1", printable(text)))


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return escaped(text).replace("\\|", "&#124;")


def code(text: str) -> str:
    """A span of code; nothing for nothing."""
    shown = printable(text)
    ticks = "`" * (_longest(shown) + 1)
    if not shown.strip():
        return ""
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """A block of code."""
    ticks = "`" * max(3, _longest(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
