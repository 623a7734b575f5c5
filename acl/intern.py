"""Equal bytes share one value: a table from bytes to what they mean, with a bound, and how values are made.

SIDs, entries and whole descriptors are immutable and repeat a thousandfold in a directory, so reading the
same bytes again need not parse them again.

Rule 1: every table has a bound, so that a long run does not grow: when a table is full, its older half goes.
        A table of bytes counts bytes, since one hostile descriptor can be larger than a thousand honest ones.
Rule 2: a table only saves work. Nothing may depend on two equal values being the same object.
Rule 3: tables are shared by threads without a lock: each step is one operation of ``dict``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeAlias, TypeVar

from .errors import MalformedError

__all__ = ["BoundedTable", "Buffer", "InternTable", "as_bytes", "setters"]

Buffer: TypeAlias = bytes | bytearray | memoryview

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: What an entry of a table costs beside the bytes of its key: dictionary slot, objects, references.
ENTRY_COST: Final = 256


class BoundedTable(dict[Key, Value]):
    """A dictionary of at most ``bound`` values; look up with ``get``, put in with ``keep``."""

    __slots__ = ("bound",)

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound

    def keep(self, key: Key, value: Value) -> Value:
        """Store the value under its key, unless there is one by now, and give back the one that is stored."""
        if len(self) >= self.bound:
            self.shed()
        return self.setdefault(key, value)

    def shed(self) -> None:
        """Let the older half go."""
        keys = list(self)  # a copy: another thread may put one in while these are taken out
        for key in keys[: (len(keys) + 1) // 2]:
            self.pop(key, None)


class InternTable(BoundedTable[bytes, Value], Generic[Value]):
    """The table from bytes to what they mean; ``bound`` is in bytes, as near as can be told from the keys."""

    __slots__ = ("held",)

    def __init__(self, bound: int) -> None:
        super().__init__(bound)
        self.held = 0

    def keep(self, key: bytes, value: Value) -> Value:
        """Store the value under its key, unless there is one by now, and give back the one that is stored."""
        self.held += len(key) + ENTRY_COST
        if self.held > self.bound:
            self.shed()
            self.held = sum(map(len, list(self))) + (len(self) + 1) * ENTRY_COST + len(key)
            if self.held > self.bound:  # this one is larger than all that may stay
                self.held -= len(key) + ENTRY_COST
                return value
        return self.setdefault(key, value)


def as_bytes(data: Buffer, offset: int = 0) -> bytes:
    """The buffer as real ``bytes``, which slice to keys of a table; copied only when it is something else.

    Raises MalformedError for an offset before its start, and TypeError for what is no buffer.
    """
    if offset < 0:
        raise MalformedError(offset, "an offset counts from the start of the buffer")
    return data if type(data) is bytes else bytes(memoryview(data))


def setters(cls: type) -> tuple[Callable[[Any, Any], None], ...]:
    """The functions that set the slots of a frozen class, in their order.

    For parsers, which make a value of parts that they have just checked: the ``__init__`` of a frozen
    dataclass takes longer to set its fields than they take to read.
    """
    return tuple(vars(cls)[name].__set__ for name in vars(cls)["__slots__"])
