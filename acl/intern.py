"""Equal bytes share one value: a table from bytes to what they mean, with a bound.

SIDs, entries and whole descriptors are immutable and repeat a thousandfold in a directory, so reading the
same bytes again need not parse them again. The bound keeps a long run from growing: when a table is full,
its older half goes.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice
from typing import TypeVar

__all__ = ["BoundedTable", "InternTable"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedTable(dict[Key, Value]):
    """A dictionary of at most ``bound`` values; look up with ``get``, put in with ``keep``."""

    __slots__ = ("bound",)

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound

    def keep(self, key: Key, value: Value) -> Value:
        """Store the value under its key and give it back."""
        if len(self) >= self.bound:
            # A copy of the keys first: another thread may put one in while we count them off.
            for old in list(islice(list(self), self.bound // 2)):
                self.pop(old, None)
        self[key] = value
        return value


class InternTable(BoundedTable[bytes, Value]):
    """The table from bytes to what they mean."""

    __slots__ = ()
