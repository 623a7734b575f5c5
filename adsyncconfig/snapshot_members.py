"""Who is a member of what in a snapshot: read once, when the first account's groups are asked for.

Each membership is a hash of the member's name and the ordinal of the group: some 20 bytes, so that ten million of
them can be held.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from .dn import name_key
from .errors import ParameterError
from .snapshot_format import Damaged, read_record
from .snapshot_index import HashTable, Index, key_hash

__all__ = ["Memberships", "member_key"]


def member_key(member: str) -> str:
    """The key of a member's name; of what is no name, the text in one case."""
    try:
        return name_key(member)
    except ParameterError:
        return member.casefold()


class Memberships:
    """The groups by their members, in the order of the file."""

    def __init__(self, index: Index) -> None:
        self._members = array("q")
        self._groups = array("I")
        for ordinal in index.holders:
            try:
                members = read_record(index.line(ordinal)).values.get("member", ())
            except Damaged:
                continue  # whoever reads the group itself is told
            for member in members:
                if isinstance(member, str):
                    self._members.append(key_hash(member_key(member)))
                    self._groups.append(ordinal)
        self._table = HashTable(len(self._members), self._members)
        for place, value in enumerate(self._members):
            self._table.put(value, place)

    def of(self, key: str) -> Iterator[int]:
        """The objects whose ``member`` names, as its hash says, the object of this key."""
        seen = -1
        for place in sorted(self._table.find(key_hash(key))):
            if self._groups[place] != seen:
                seen = self._groups[place]
                yield seen
