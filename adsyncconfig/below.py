"""What is below a target: read with the target itself, in one search of at most so many objects.

Rule 1: no page is asked for beyond the limit, and the result says when there may be more.
Rule 2: an object whose permissions cannot be read is kept as such: it is neither left out nor fatal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from acl import SecurityDescriptor

from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import DirectoryError
from .filters import EVERYTHING

__all__ = ["DEFAULT_LIMIT", "NOTHING", "Below", "Child", "read_with_below"]

#: How many objects are read when nobody says otherwise: a page of Active Directory's.
DEFAULT_LIMIT: Final = 1000


class Child(NamedTuple):
    """An object below the target. ``descriptor`` is None where it may not or cannot be read."""

    dn: str
    object_class: str
    descriptor: SecurityDescriptor | None
    admin_count: bool


@dataclass(frozen=True, slots=True)
class Below:
    """What was read below a target; ``stopped`` where the limit was reached, so that there may be more."""

    children: tuple[Child, ...] = ()
    stopped: bool = False


#: Where nothing below was looked at.
NOTHING: Final = Below()


def read_with_below(
    directory: Directory, dn: str, attributes: Sequence[str], *, limit: int
) -> tuple[Entry, Below]:
    """The object with this DN, and up to ``limit`` objects, itself included. Raises as ``Directory.get``."""
    if limit < 1:
        return directory.get(dn, attributes), NOTHING
    entries = list(directory.search(dn, EVERYTHING, (*attributes, "adminCount"), limit=limit))
    stopped = len(entries) >= limit
    name = DistinguishedName.parse(dn)
    # The base comes first as a rule, which nothing promises; who may not see it gets no entry, and an error.
    for index, entry in enumerate(entries):
        if DistinguishedName.parse(entry.dn) == name:
            base = entries.pop(index)
            return base, Below(tuple(map(_child, entries)), stopped)
    return directory.get(dn, attributes), Below(tuple(map(_child, entries)), stopped)


def _child(entry: Entry) -> Child:
    try:
        descriptor = entry.security_descriptor()
    except DirectoryError:
        descriptor = None
    object_class = (entry.values("objectClass") or ("top",))[-1]
    return Child(entry.dn, object_class, descriptor, entry.text("adminCount") == "1")
