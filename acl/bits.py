"""Integers whose bits have names.

Rule 1: a bit without a name survives every operation and shows in ``repr`` as hexadecimal.
Rule 2: a value is just an integer, so that nothing is kept when a new combination is met: enum.IntFlag
        keeps each one for ever, which a process that reads a million descriptors notices.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar

__all__ = ["Bit", "Bits"]

AnyBits = TypeVar("AnyBits", bound="Bits")


class Bit:
    """One name of a :class:`Bits` class: ``READ_CONTROL = Bit(0x20000)``."""

    def __init__(self, value: int) -> None:
        self.value = value

    # Only type checkers see this descriptor: Bits puts the values in its place when the class is made.
    def __get__(self, instance: object, owner: type[AnyBits]) -> AnyBits:
        return owner(self.value)


class Bits(int):
    """An integer with named bits; ``|``, ``&`` and ``^`` give the same class, whichever side it is on."""

    __slots__ = ()
    NAMES: ClassVar[dict[str, int]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.NAMES = {name: bit.value for name, bit in vars(cls).items() if isinstance(bit, Bit)}
        for name, value in cls.NAMES.items():
            setattr(cls, name, cls(value))

    def __or__(self, other: int) -> Self:
        return type(self)(int(self) | other)

    def __and__(self, other: int) -> Self:
        return type(self)(int(self) & other)

    def __xor__(self, other: int) -> Self:
        return type(self)(int(self) ^ other)

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def without(self, bits: int) -> Self:
        """The same value with ``bits`` cleared."""
        return type(self)(int(self) & ~bits)

    def has(self, bits: int) -> bool:
        """True when every one of ``bits`` is set."""
        return int(self) & bits == bits

    def __repr__(self) -> str:
        rest = int(self)
        parts = []
        for name, value in self.NAMES.items():
            if value & rest == value and value:
                parts.append(name)
                rest &= ~value
        if rest or not parts:
            parts.append(f"0x{rest:X}")
        return f"{type(self).__name__}({'|'.join(parts)})"
