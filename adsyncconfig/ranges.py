"""Attributes whose values come in parts: a controller gives the first, under a name like ``member;range=0-1499``.

Rule 1: every part is asked for and put together, or it is an error: a part is never taken for the whole.
Rule 2: parts without values, and more of them than the largest attribute has, end it.

Source: MS-ADTS 3.1.1.3.1.3.3 (range retrieval). Pure: ``ask`` is who asks the controller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .directory import Entry
from .errors import DirectoryError

__all__ = ["whole"]

MOST_PARTS: Final = 10_000  # each has 1000 values or more (MaxValRange)
_RANGE: Final = re.compile(r";range=\d+-(\d+|\*)$")

#: What the controller says when it is asked for an attribute of an object, by a name with a range.
Ask = Callable[[str], Mapping[str, Sequence[bytes]]]


def whole(entry: Entry, ask: Ask) -> Entry:
    """The entry with every value of every attribute. Raises DirectoryError, and what ``ask`` raises."""
    if not any(_RANGE.search(name) for name in entry.attributes):
        return entry
    attributes: dict[str, list[bytes]] = {}
    for name, values in entry.attributes.items():
        plain = _plain(name)
        attributes.setdefault(plain, []).extend(values)
        if name != plain:
            attributes[plain] += _rest(entry.dn, name, ask)
    return Entry(entry.dn, attributes)


def _rest(dn: str, name: str, ask: Ask) -> list[bytes]:
    """The values of an attribute behind the part that came under this name."""
    plain, found = _plain(name), list[bytes]()
    for _ in range(MOST_PARTS):
        said = _RANGE.search(name)
        if said is None or said[1] == "*":
            return found
        start = int(said[1]) + 1
        parts = {
            each: values for each, values in ask(f"{plain};range={start}-*").items() if _plain(each) == plain
        }
        name, values = next(iter(parts.items()), ("", ()))
        if not name:
            raise DirectoryError(
                f"cannot read every {plain} of '{dn}': those from {start} on do not come", dn=dn
            )
        if not values:
            break
        found += values
    raise DirectoryError(
        f"the {plain} of '{dn}' has {len(found)} values beyond the first part, and no end", dn=dn
    )


def _plain(name: str) -> str:
    return name.partition(";range=")[0]
