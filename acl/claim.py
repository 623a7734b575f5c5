"""Resource attributes: the claim that a SYSTEM_RESOURCE_ATTRIBUTE entry holds, as bytes and as text.

Rule 1: bytes that no rule can read raise MalformedError, in time and memory linear in their number; values
        that overlap are malformed.
Rule 2: what is written is laid out as Windows does: header, offsets, name, values, without alignment.

Sources: MS-DTYP 2.4.10.1 (CLAIM_SECURITY_ATTRIBUTE_RELATIVE_V1), 2.4.10.2 (octet strings), 2.5.1.1
(resource-attribute-ace).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from .errors import AclError, MalformedError, SddlError
from .sddl_names import SPACE, SidNames, name_from_text, name_to_text, number_from_text, sid_names, upper
from .sid import Sid

__all__ = [
    "Claim",
    "ClaimType",
    "ClaimValue",
    "claim_from_sddl",
    "claim_to_sddl",
    "format_claim",
    "parse_claim",
]

ClaimValue: TypeAlias = int | str | bytes | Sid
#: From the claim's bytes and an offset in them to a value and how many bytes it takes.
_Reader: TypeAlias = Callable[[bytes, int], tuple[ClaimValue, int]]


class ClaimType(IntEnum):
    """What the values of a claim are (MS-DTYP 2.4.10.1)."""

    INT64 = 0x0001
    UINT64 = 0x0002
    STRING = 0x0003
    SID = 0x0005
    BOOLEAN = 0x0006
    OCTET_STRING = 0x0010


CASE_SENSITIVE: Final = 0x0002
USE_FOR_DENY_ONLY: Final = 0x0004
DISABLED: Final = 0x0010

_T = ClaimType
_WORDS: Final = {
    "TI": _T.INT64, "TU": _T.UINT64, "TS": _T.STRING, "TD": _T.SID, "TX": _T.OCTET_STRING, "TB": _T.BOOLEAN,
}  # fmt: skip
_TYPE_WORDS: Final = {value: word for word, value in _WORDS.items()}
_RANGES: Final = {
    _T.INT64: range(-1 << 63, 1 << 63),
    _T.UINT64: range(1 << 64),
    _T.BOOLEAN: range(1 << 64),
}
_PYTHON_TYPES: Final[dict[ClaimType, type]] = {
    _T.INT64: int, _T.UINT64: int, _T.BOOLEAN: int, _T.STRING: str, _T.SID: Sid, _T.OCTET_STRING: bytes,
}  # fmt: skip
_HEADER: Final = struct.Struct("<IHHII")
_SIGNED: Final = struct.Struct("<q")
_UNSIGNED: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Claim:
    """A named attribute with values of one type (MS-DTYP 2.4.10.1).

    Values are int (also for BOOLEAN), str, Sid or bytes, as ``type`` says; raises AclError for others.
    """

    name: str
    type: ClaimType
    values: tuple[ClaimValue, ...]
    flags: int = 0

    def __post_init__(self) -> None:
        if not self.name or "\0" in self.name:
            raise AclError("a claim has a name, without zeros")
        if not 0 <= self.flags < 1 << 32:
            raise AclError(f"a claim's flags have 32 bits: {self.flags}")
        for value in self.values:
            if not isinstance(value, _PYTHON_TYPES[self.type]):
                raise AclError(f"not a value of a claim of type {self.type.name}: {value!r}")
            if isinstance(value, int) and value not in _RANGES[self.type]:
                raise AclError(f"a value has 64 bits: {value}")
            if isinstance(value, str) and "\0" in value:
                raise AclError("a zero ends a string")

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0) -> Claim:
        """The claim that starts at ``offset``; bytes that it does not use follow. Raises MalformedError."""
        data = bytes(data[offset:])
        if len(data) < _HEADER.size:
            raise MalformedError(offset, "a claim needs a header of 16 bytes")
        name_at, number, _, flags, count = _HEADER.unpack_from(data)
        if number not in _READERS:
            raise MalformedError(offset + 4, f"not a type of claim: {number}")
        start = _HEADER.size + 4 * count
        if start > len(data):
            raise MalformedError(offset + 12, f"the claim says {count} values, and ends before their offsets")
        try:
            name, used = _read_string(data, name_at)
            offsets = struct.unpack_from(f"<{count}I", data, _HEADER.size)
            values = _read_values(data, offsets, _READERS[number], len(data) - start - used)
            return cls(name, ClaimType(number), values, flags)
        except MalformedError as error:
            raise MalformedError(offset + error.offset, error.reason) from None
        except AclError as error:
            raise MalformedError(offset, str(error)) from None

    def to_bytes(self) -> bytes:
        """The application data of a resource attribute entry, zeros up to a multiple of 4 included."""
        start = _HEADER.size + 4 * len(self.values)
        parts = [_string_bytes(self.name), *[self._value_bytes(value) for value in self.values]]
        offsets = []
        for part in parts:
            offsets.append(start)
            start += len(part)
        header = _HEADER.pack(offsets[0], self.type, 0, self.flags, len(self.values))
        data = header + struct.pack(f"<{len(self.values)}I", *offsets[1:]) + b"".join(parts)
        return data + bytes(-len(data) % 4)

    def _value_bytes(self, value: ClaimValue) -> bytes:
        match value:
            case int():
                return (_SIGNED if self.type is _T.INT64 else _UNSIGNED).pack(value)
            case str():
                return _string_bytes(value)
            case Sid():
                value = value.to_bytes()
        return len(value).to_bytes(4, "little") + value


def _read_values(data: bytes, offsets: tuple[int, ...], reader: _Reader, left: int) -> tuple[ClaimValue, ...]:
    """The values, which take no more than ``left`` bytes together: they would overlap otherwise."""
    values: list[ClaimValue] = []
    for position in offsets:
        value, size = reader(data, position)
        values.append(value)
        left -= size
        if left < 0:
            raise MalformedError(position, "the values of the claim overlap")
    return tuple(values)


def _string_bytes(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass") + b"\0\0"


def _read_string(data: bytes, position: int) -> tuple[str, int]:
    """The string that ends with a zero, and how many bytes it takes."""
    end = data.find(b"\0\0", position)
    while end >= 0 and (end - position) % 2:  # the halves of two characters
        end = data.find(b"\0\0", end + 1)
    if end < 0 or position < _HEADER.size:
        raise MalformedError(min(position, len(data)), "a string of the claim has no end")
    return data[position:end].decode("utf-16-le", "surrogatepass"), end + 2 - position


def _read_octets(data: bytes, position: int) -> tuple[bytes, int]:
    """Four bytes of length and so many bytes."""
    end = position + 4 + int.from_bytes(data[position : position + 4], "little")
    if position < _HEADER.size or position + 4 > len(data) or end > len(data):
        raise MalformedError(min(position, len(data)), "an octet string of the claim runs past its end")
    return data[position + 4 : end], end - position


def _read_sid(data: bytes, position: int) -> tuple[Sid, int]:
    octets, size = _read_octets(data, position)
    try:
        return Sid.from_bytes(octets), size
    except MalformedError as error:
        raise MalformedError(position + 4 + error.offset, error.reason) from None


def _read_signed(data: bytes, position: int) -> tuple[int, int]:
    if position < _HEADER.size or position + 8 > len(data):
        raise MalformedError(min(position, len(data)), "an integer of the claim runs past its end")
    return _SIGNED.unpack_from(data, position)[0], 8


def _read_unsigned(data: bytes, position: int) -> tuple[int, int]:
    value, size = _read_signed(data, position)
    return value & 0xFFFFFFFFFFFFFFFF, size


_READERS: Final[dict[int, _Reader]] = {
    int(_T.INT64): _read_signed,
    int(_T.UINT64): _read_unsigned,
    int(_T.STRING): _read_string,
    int(_T.SID): _read_sid,
    int(_T.BOOLEAN): _read_unsigned,
    int(_T.OCTET_STRING): _read_octets,
}

# The text form.

_HEAD: Final = re.compile(
    rf'[{SPACE}]*\([{SPACE}]*"([^"\x00]+)"[{SPACE}]*,[{SPACE}]*([A-Za-z]{{2}})[{SPACE}]*,[{SPACE}]*'
    rf"([0-9A-Za-z]+)[{SPACE}]*"
)
_VALUE: Final = re.compile(
    rf'[{SPACE}]*(?:"([^"\x00]*)"|SID\(([^()"]*)\)|([^,()"{SPACE}]+))[{SPACE}]*', re.IGNORECASE
)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{4})")
_DIGITS: Final = re.compile(r"[0-9A-Fa-f]+")


def claim_from_sddl(text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> Claim:
    """The claim that text such as ``("Project",TS,0x0,"Windows","SQL")`` stands for; raises SddlError."""
    return parse_claim(text, 0, len(text), sid_names(domain_sid, forest_root_sid))


def claim_to_sddl(claim: Claim, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> str:
    """The text of a claim as Windows writes it; raises AclError for what text cannot hold."""
    return format_claim(claim, sid_names(domain_sid, forest_root_sid))


def parse_claim(source: str, start: int, end: int, names: SidNames) -> Claim:
    """claim = "(" DQUOTE 1*attr-char2 DQUOTE "," type "," flags *( "," value ) ")"

    type  = "TI" / "TU" / "TS" / "TD" / "TX" / "TB"
    flags = number of 32 bits
    value = number / DQUOTE *CHAR DQUOTE / sid-string / *( HEXDIG / "#" )

    Space may stand between any two of these.
    """
    head = _HEAD.match(source, start, end)
    if not head:
        raise SddlError(source, (start, end), 'a resource attribute is ("name",type,flags,value,...)')
    name, word, flags_text = head.groups()
    claim_type = _WORDS.get(upper(word))
    flags = number_from_text(flags_text)
    if claim_type is None:
        raise SddlError(source, head.span(2), f"the types of a resource attribute are {', '.join(_WORDS)}")
    if flags is None or flags >> 32:
        raise SddlError(source, head.span(3), "flags are a number of 32 bits")
    bad = _BAD_ESCAPE.search(source, *head.span(1))
    if bad:
        raise SddlError(source, bad.span(), "'%' is followed by four hexadecimal digits")
    values: list[ClaimValue] = []
    position = head.end()
    while source.startswith(",", position, end):
        match = _VALUE.match(source, position + 1, end)
        if not match:
            raise SddlError(source, (position, position + 1), "no value follows the comma")
        try:
            values.append(_value_from_text(match, claim_type, names))
        except AclError as error:
            raise SddlError(source, match.span(), str(error)) from None
        position = match.end()
    if source[position:end].strip(SPACE) != ")":
        raise SddlError(source, (position, end), "a resource attribute ends with one parenthesis")
    try:
        return Claim(name_from_text(name), claim_type, tuple(values), flags)
    except AclError as error:
        raise SddlError(source, (start, end), str(error)) from None


def _value_from_text(match: re.Match[str], claim_type: ClaimType, names: SidNames) -> ClaimValue:
    string, sid, word = match.groups()
    if claim_type is _T.STRING and string is not None:
        return str(string)
    if claim_type is _T.SID and string is None:
        return names.from_text(sid or word)
    if claim_type is _T.OCTET_STRING and word:
        digits = word.replace("#", "0")
        if _DIGITS.fullmatch(digits):
            return bytes.fromhex("0" * (len(digits) % 2) + digits)
    if claim_type in _RANGES and word:
        number = number_from_text(word)
        if number is not None and (claim_type is not _T.BOOLEAN or number in (0, 1)):
            return number
    raise AclError(f"not a value of type {_TYPE_WORDS[claim_type]}")


def format_claim(claim: Claim, names: SidNames) -> str:
    """The text of a claim, parentheses included; raises AclError."""
    fields = [f'"{name_to_text(claim.name)}"', _TYPE_WORDS[claim.type], f"0x{claim.flags:x}"]
    return f"({','.join(fields + [_value_to_text(value, claim.type, names) for value in claim.values])})"


def _value_to_text(value: ClaimValue, claim_type: ClaimType, names: SidNames) -> str:
    match value:
        case int():
            if claim_type is _T.BOOLEAN and value not in (0, 1):
                raise AclError(f"SDDL has no way to write a boolean of {value}")
            return str(int(value))
        case str():
            if '"' in value:
                raise AclError("SDDL has no way to write a quotation mark inside a string")
            return f'"{value}"'
        case Sid():
            return names.to_text(value)
        case _:
            if not value:
                raise AclError("SDDL has no way to write an octet string of no octets")
            return value.hex()
