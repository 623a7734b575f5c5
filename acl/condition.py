"""Conditional expressions: what a callback entry asks of claims before it counts, and their binary form.

A condition is the sequence of its tokens in postfix order, as it is stored: operands first, operator after.
Such a sequence needs no recursion to be read, compared, written or evaluated, however deep it nests.

Rule 1: a Condition is well formed: operators find operands of the kinds that MS-DTYP 2.4.4.17 allows, and one
        truth value is left at the end. Anything else raises when it is made.
Rule 2: bytes that no rule can read raise MalformedError, in time linear in their number.
Rule 3: an integer keeps its size, sign and base, though only sign and base show in text.

Sources: MS-DTYP 2.4.4.17 (expressions), 2.4.4.17.4 to 2.4.4.17.8 (tokens). The text form is in
``condition_text``, the truth of a condition in ``condition_check``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from .errors import AclError, MalformedError
from .sid import Sid

__all__ = ["Attribute", "Base", "Condition", "Integer", "Literal", "Operator", "Sign", "Source", "Token"]


class Operator(IntEnum):
    """The operators and their byte codes (MS-DTYP 2.4.4.17.6 and 2.4.4.17.7)."""

    EQUAL = 0x80
    NOT_EQUAL = 0x81
    LESS = 0x82
    LESS_OR_EQUAL = 0x83
    GREATER = 0x84
    GREATER_OR_EQUAL = 0x85
    CONTAINS = 0x86
    EXISTS = 0x87
    ANY_OF = 0x88
    MEMBER_OF = 0x89
    DEVICE_MEMBER_OF = 0x8A
    MEMBER_OF_ANY = 0x8B
    DEVICE_MEMBER_OF_ANY = 0x8C
    NOT_EXISTS = 0x8D
    NOT_CONTAINS = 0x8E
    NOT_ANY_OF = 0x8F
    NOT_MEMBER_OF = 0x90
    NOT_DEVICE_MEMBER_OF = 0x91
    NOT_MEMBER_OF_ANY = 0x92
    NOT_DEVICE_MEMBER_OF_ANY = 0x93
    AND = 0xA0
    OR = 0xA1
    NOT = 0xA2


class Source(IntEnum):
    """Where an attribute comes from, and its byte code (MS-DTYP 2.4.4.17.8)."""

    LOCAL = 0xF8
    USER = 0xF9
    RESOURCE = 0xFA
    DEVICE = 0xFB


class Sign(IntEnum):
    """How the sign of an integer was written (MS-DTYP 2.4.4.17.5)."""

    PLUS = 1
    MINUS = 2
    NONE = 3


class Base(IntEnum):
    """In which base an integer was written (MS-DTYP 2.4.4.17.5)."""

    OCTAL = 1
    DECIMAL = 2
    HEXADECIMAL = 3


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer literal. ``value`` is signed, of ``bits`` 8, 16, 32 or 64; raises AclError beyond that.

    Windows reads 0xFFFFFFFFFFFFFFFF, which is stored as -1 without a sign and written as it was read.
    """

    value: int
    sign: Sign = Sign.NONE
    base: Base = Base.DECIMAL
    bits: int = 64

    def __post_init__(self) -> None:
        if self.bits not in _INTEGER_CODES:
            raise AclError(f"an integer has 8, 16, 32 or 64 bits, not {self.bits}")
        if not -1 << self.bits - 1 <= self.value < 1 << self.bits - 1:
            raise AclError(f"not an integer of {self.bits} bits: {self.value}")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A claim that a condition looks at, by name; names differ by more than case."""

    source: Source
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise AclError("an attribute has a name")


Scalar: TypeAlias = Integer | str | bytes | Sid
#: A Unicode string is a str, an octet string is bytes, a composite is a tuple of the others.
Literal: TypeAlias = Scalar | tuple[Scalar, ...]
Token: TypeAlias = Operator | Attribute | Literal

_INTEGER_CODES: Final = {8: 0x01, 16: 0x02, 32: 0x03, 64: 0x04}
_STRING, _OCTETS, _COMPOSITE, _SID = 0x10, 0x18, 0x50, 0x51
_SIGNATURE: Final = b"artx"

_LITERAL, _ATTRIBUTE, _TRUTH = 1, 2, 4
_NOUNS: Final = {
    _LITERAL: "a literal",
    _ATTRIBUTE: "an attribute",
    _LITERAL | _ATTRIBUTE: "a literal or an attribute",
    _TRUTH | _ATTRIBUTE: "an expression or an attribute",
}
_COMPARES: Final = (_ATTRIBUTE, _LITERAL | _ATTRIBUTE)
_JOINS: Final = (_TRUTH | _ATTRIBUTE, _TRUTH | _ATTRIBUTE)
#: The kinds of operands that each operator takes, the first one first.
OPERANDS: Final[dict[Operator, tuple[int, ...]]] = {
    operator: (
        _JOINS if operator in (Operator.AND, Operator.OR)
        else _JOINS[:1] if operator is Operator.NOT
        else (_ATTRIBUTE,) if operator in (Operator.EXISTS, Operator.NOT_EXISTS)
        else (_LITERAL,) if "MEMBER_OF" in operator.name
        else _COMPARES
    )
    for operator in Operator
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """A conditional expression: its tokens in postfix order.

    ``Condition((Attribute(Source.USER, "Title"), "PM", Operator.EQUAL))`` is ``(@USER.Title == "PM")``.
    Raises AclError when the tokens are no expression.
    """

    tokens: tuple[Token, ...]

    def __post_init__(self) -> None:
        fault = _fault(self.tokens)
        if fault:
            raise AclError(fault[1])

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0) -> Condition:
        """The condition that the application data from ``offset`` to the end hold; raises MalformedError."""
        if data[offset : offset + 4] != _SIGNATURE:
            raise MalformedError(offset, "a condition begins with 'artx'")
        tokens: list[Token] = []
        offsets: list[int] = []
        position, end = offset + 4, len(data)
        while position < end:
            if not data[position]:
                if data.count(0, position) != end - position:
                    raise MalformedError(position, "only zeros follow the padding of a condition")
                break
            offsets.append(position)
            token, position = _read(data, position, end)
            tokens.append(token)
        fault = _fault(tokens)
        if fault:
            raise MalformedError(offsets[fault[0]] if offsets else position, fault[1])
        return cls(tuple(tokens))

    def to_bytes(self) -> bytes:
        """The application data: signature, tokens, zeros up to a multiple of 4."""
        data = _SIGNATURE + b"".join([_write(token) for token in self.tokens])
        return data + bytes(-len(data) % 4)


def _fault(tokens: tuple[Token, ...] | list[Token]) -> tuple[int, str] | None:
    """Which token has no place in an expression, and why; None when all have."""
    stack: list[int] = []
    for index, token in enumerate(tokens):
        if not isinstance(token, Operator):
            if isinstance(token, tuple) and not all(isinstance(member, Scalar) for member in token):
                return index, "a composite holds literals, and no composite"
            stack.append(_ATTRIBUTE if isinstance(token, Attribute) else _LITERAL)
            continue
        wanted = OPERANDS[token]
        found = stack[-len(wanted) :]
        if len(found) < len(wanted):
            return index, f"{token.name} lacks an operand"
        for kind, kinds in zip(found, wanted, strict=True):
            if not kind & kinds:
                return index, f"{token.name} takes {' and '.join(_NOUNS[each] for each in wanted)}"
        del stack[-len(wanted) :]
        stack.append(_TRUTH)
    if len(stack) != 1:
        return len(tokens) - 1, "a condition is one expression" if stack else "the condition is empty"
    if stack[0] == _LITERAL:
        return 0, "a literal is no condition"
    return None


def _read(data: bytes, position: int, end: int) -> tuple[Token, int]:
    """The token that starts at ``position`` and ends before ``end``, and where the next one starts."""
    code = data[position]
    if code in _OPERATORS:
        return _OPERATORS[code], position + 1
    reader = _READERS.get(code)
    if reader is None:
        raise MalformedError(position, f"not the code of a token: 0x{code:02X}")
    if code in _INTEGER_BITS:
        start, stop = position + 1, position + 11
    else:
        start = position + 5
        stop = start + int.from_bytes(data[position + 1 : start], "little")
    if start > end or stop > end:
        raise MalformedError(position, "a token runs past the end")
    try:
        return reader(code, data, start, stop), stop
    except MalformedError:
        raise
    except (AclError, ValueError) as error:  # UnicodeDecodeError: half a character
        raise MalformedError(position, str(error)) from None


def _read_integer(code: int, data: bytes, start: int, _stop: int) -> Integer:
    value, sign, base = _QWORD_SIGN_BASE.unpack_from(data, start)
    return Integer(value, Sign(sign), Base(base), _INTEGER_BITS[code])


def _read_string(_code: int, data: bytes, start: int, stop: int) -> str:
    return data[start:stop].decode("utf-16-le", "surrogatepass")


def _read_octets(_code: int, data: bytes, start: int, stop: int) -> bytes:
    return bytes(data[start:stop])


def _read_sid(_code: int, data: bytes, start: int, stop: int) -> Sid:
    try:
        sid = Sid.from_bytes(data[start:stop])
    except MalformedError as error:
        raise MalformedError(start + error.offset, error.reason) from None
    if 8 + 4 * len(sid.sub_authorities) != stop - start:
        raise MalformedError(start, "the SID is not as long as its token")
    return sid


def _read_composite(_code: int, data: bytes, start: int, stop: int) -> tuple[Scalar, ...]:
    members: list[Scalar] = []
    position = start
    while position < stop:
        token, after = _read(data, position, stop) if data[position] != _COMPOSITE else ((), position)
        if isinstance(token, Operator | Attribute | tuple):
            raise MalformedError(position, "a composite holds literals, and no composite")
        members.append(token)
        position = after
    return tuple(members)


def _read_attribute(code: int, data: bytes, start: int, stop: int) -> Attribute:
    return Attribute(Source(code), _read_string(code, data, start, stop))


def _write(token: Token) -> bytes:
    match token:
        case Operator():
            return bytes((token,))
        case Integer():
            number = _QWORD_SIGN_BASE.pack(token.value, token.sign, token.base)
            return bytes((_INTEGER_CODES[token.bits],)) + number
        case Attribute():
            code, body = int(token.source), token.name.encode("utf-16-le", "surrogatepass")
        case str():
            code, body = _STRING, token.encode("utf-16-le", "surrogatepass")
        case bytes():
            code, body = _OCTETS, token
        case Sid():
            code, body = _SID, token.to_bytes()
        case tuple():
            code, body = _COMPOSITE, b"".join([_write(member) for member in token])
    return bytes((code,)) + len(body).to_bytes(4, "little") + body


_QWORD_SIGN_BASE: Final = struct.Struct("<qBB")
_OPERATORS: Final[dict[int, Operator]] = {int(each): each for each in Operator}
_INTEGER_BITS: Final = {code: bits for bits, code in _INTEGER_CODES.items()}
_READERS: Final[dict[int, Callable[[int, bytes, int, int], Token]]] = {
    **dict.fromkeys(_INTEGER_BITS, _read_integer),
    **dict.fromkeys(map(int, Source), _read_attribute),
    _STRING: _read_string,
    _OCTETS: _read_octets,
    _COMPOSITE: _read_composite,
    _SID: _read_sid,
}
