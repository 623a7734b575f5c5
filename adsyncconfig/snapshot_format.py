"""The lines of a snapshot file: what each may hold, and how values are written in it.

The file is JSON Lines, compressed with gzip when its name ends in ``.gz``:

    line 1     {"format": "adsyncconfig-snapshot", "version": 1, "origin": ..., "descriptors": N,
                "entries": M, "rootDSE": {...}}
    N lines    {"descriptor": number, "base64": its self-relative bytes}     each distinct one once
    M lines    {"dn": ..., "descriptor": number or null, "attributes": {name: [value, ...]}}

A value is a string; SIDs and GUIDs are written as S-1-... and in their usual form, bytes that are no text as
{"base64": ...}. Counts in the first line tell a file that was cut off from one that is whole. An export adds to it
"taken" (when, in UTC), "bases" (what was searched) and "notRead" (what was not looked at, a line each).

Rule 1: a file may come from anybody. No count in it makes room for anything, and what is larger than any
        directory's is refused: the limits stand here, as constants.
Rule 2: a line that names its object and is damaged otherwise costs that object alone, which then counts as one
        whose permissions cannot be read. What belongs to no object is an error of the file.
Rule 3: the spelling that this package writes is read fast; any other JSON of the same meaning is read as well.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from acl import AclError, Sid
from acl.intern import BoundedTable

from .directory import Entry, RootDse
from .errors import SnapshotError

__all__ = [
    "DESCRIPTOR",
    "FORMAT",
    "LARGEST_DESCRIPTOR",
    "LONGEST_HEADER",
    "LONGEST_LINE",
    "MOST_DESCRIPTORS",
    "MOST_ENTRIES",
    "VERSION",
    "Damaged",
    "Header",
    "Record",
    "StoredAttributes",
    "Values",
    "descriptor_line",
    "entry_line",
    "json_line",
    "named",
    "read_descriptor",
    "read_header",
    "read_quickly",
    "read_record",
]

FORMAT: Final = "adsyncconfig-snapshot"
VERSION: Final = 1
DESCRIPTOR: Final = "ntsecuritydescriptor"

#: In bytes. The members of a group of half a million fit in a line.
LONGEST_LINE: Final = 64 << 20
LONGEST_HEADER: Final = 1 << 20
#: In bytes. Both lists of a descriptor have at most 64 KiB each (MS-DTYP 2.4.5).
LARGEST_DESCRIPTOR: Final = 256 << 10
#: A directory of a million objects is large; these need 40 bytes of memory each.
MOST_ENTRIES: Final = 20_000_000
MOST_DESCRIPTORS: Final = 5_000_000

_SIDS: Final = frozenset({"objectsid", "sidhistory", "tokengroups"})
_GUIDS: Final = frozenset({"objectguid", "schemaidguid", "attributesecurityguid"})
_FORMED: Final = _SIDS | _GUIDS
_DOMAIN_SID: Final = "S-1-5-21-"
_RID: Final = struct.Struct("<I")
_DOMAINS: Final = BoundedTable[str, bytes](1024)
_raw_decode: Final = json.JSONDecoder().raw_decode
#: The scanner below it, which tells by StopIteration that there is no value: what is around it takes as long.
_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_ENTRY: Final = re.compile(
    r'\{"dn": "([^"\\]+(?:\\\\[^"\\]+)*)", "descriptor": (?:[0-9]{1,10}|null), "attributes": \{'
).match
_NAMED: Final = re.compile(rb'\s*\{\s*"dn"\s*:\s*("(?:[^"\\]|\\.){1,65536}")')
_DN: Final = '{"dn": "'
_NUMBER: Final = '", "descriptor": '
_ATTRIBUTES: Final = ', "attributes": '
#: What JSON that is none, or not ours, may raise; deep nesting is a RecursionError.
_BAD_JSON: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


#: Attributes as JSON has them, by their names in lower case.
Values = Mapping[str, Sequence[Any]]


class Damaged(ValueError):
    """A line that cannot be read; ``dn`` where it can be told whose it is."""

    def __init__(self, why: str, dn: str | None = None) -> None:
        super().__init__(why)
        self.dn = dn


@dataclass(frozen=True, slots=True)
class Header:
    """The first line; ``more`` is what it says beyond what every file does."""

    root: RootDse
    descriptors: int
    entries: int
    origin: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def not_read(self) -> tuple[str, ...]:
        """What the export did not look at, a line each."""
        return _texts(self.more.get("notRead"))

    @property
    def bases(self) -> tuple[str, ...]:
        """What the export searched: DNs."""
        return _texts(self.more.get("bases"))

    @property
    def taken(self) -> str | None:
        """When the snapshot was taken: ISO 8601, in UTC."""
        value = self.more.get("taken")
        return value if isinstance(value, str) else None

    def to_line(self) -> bytes:
        """The line, with its end."""
        return json_line(
            {
                "format": FORMAT,
                "version": VERSION,
                "origin": self.origin,
                "descriptors": self.descriptors,
                "entries": self.entries,
                "rootDSE": asdict(self.root),
                **self.more,
            }
        )


def read_header(line: bytes, path: Path) -> Header:
    """What the first line says. Raises SnapshotError."""
    try:
        said = json.loads(line)
    except _BAD_JSON as error:
        raise SnapshotError(f"line 1 of '{path}' is damaged: {_why(error)}") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise SnapshotError(f"'{path}' is no snapshot: its first line does not say {FORMAT}")
    if said.get("version") != VERSION:
        raise SnapshotError(f"'{path}' has version {said.get('version')!r}; this program reads {VERSION}")
    try:
        root = RootDse(**said["rootDSE"])
    except (KeyError, TypeError) as error:
        raise SnapshotError(f"the first line of '{path}' has no whole rootDSE") from error
    known = {"format", "version", "origin", "descriptors", "entries", "rootDSE"}
    more = {name: value for name, value in said.items() if name not in known}
    descriptors = _count(said, "descriptors", MOST_DESCRIPTORS, path)
    entries = _count(said, "entries", MOST_ENTRIES, path)
    return Header(root, descriptors, entries, str(said.get("origin", "")), more)


def _count(said: Mapping[str, Any], name: str, most: int, path: Path) -> int:
    count = said.get(name)
    if type(count) is not int or count < 0:
        raise SnapshotError(f"the first line of '{path}' does not say how many {name} there are")
    if count > most:
        raise SnapshotError(
            f"'{path}' promises {count} {name}; this program reads {most} at most: export a search base"
        )
    return count


class StoredAttributes(Mapping[str, tuple[bytes, ...]]):
    """The attributes of an entry of a file, each turned into bytes when it is asked for."""

    __slots__ = ("_descriptor", "_values", "_wanted")

    def __init__(
        self, values: Mapping[str, Any], descriptor: bytes | None, wanted: frozenset[str] | None
    ) -> None:
        self._values = values
        self._descriptor = descriptor
        self._wanted = wanted

    def get(self, name: str, default: Any = None) -> Any:
        """The values under this name in lower case."""
        if self._wanted is not None and name not in self._wanted:
            return default
        if name == DESCRIPTOR:
            return default if self._descriptor is None else (self._descriptor,)
        values = self._values.get(name)
        if values is None:
            return default
        if type(values) is not list:
            values = [values]
        if name not in _FORMED:
            try:
                return tuple([value.encode() for value in values])
            except (AttributeError, UnicodeEncodeError):
                pass  # bytes, or text that is none: not "suppress", which takes as long as the values
        return tuple([_from_json(name, value) for value in values])

    def __getitem__(self, name: str) -> tuple[bytes, ...]:
        values: tuple[bytes, ...] | None = self.get(name)
        if values is None:
            raise KeyError(name)
        return values

    def __contains__(self, name: object) -> bool:
        if self._wanted is not None and name not in self._wanted:
            return False
        return self._descriptor is not None if name == DESCRIPTOR else name in self._values

    def __iter__(self) -> Iterator[str]:
        for name in self._values:
            if (self._wanted is None or name in self._wanted) and name != DESCRIPTOR:
                yield name
        if DESCRIPTOR in self:
            yield DESCRIPTOR

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True)
class Record:
    """A line of an entry, taken apart: its DN, the number of its descriptor, its attributes as JSON has them."""

    dn: str
    number: int | None
    values: Values

    @property
    def attributes(self) -> StoredAttributes:
        """Its attributes without its descriptor."""
        return StoredAttributes(self.values, None, None)

    def entry(self, descriptor: bytes | None, wanted: frozenset[str] | None) -> Entry:
        """The entry, with the attributes wanted alone; None wants them all."""
        return Entry(self.dn, StoredAttributes(self.values, descriptor, wanted))


def read_quickly(line: bytes) -> tuple[str, Values] | None:
    """The DN and the attributes of an entry as this package writes most; None where ``read_record`` has to look."""
    try:
        text = line.decode()
        match = _ENTRY(text)
        if match is None:
            return None
        values, stop = _scan(text, match.end() - 1)
    except (ValueError, RecursionError, StopIteration):
        return None
    # A brace after the first may be bytes, which have to be looked at; so has a name that is not in lower case.
    if text[stop:] != "}" or text.find("{", match.end()) >= 0 or not "".join(values).islower():
        return None
    dn = match[1]
    return dn.replace("\\\\", "\\") if "\\" in dn else dn, values


def read_record(line: bytes) -> Record:
    """The entry that a line holds. Raises Damaged."""
    dn = None
    try:
        text = line.decode("utf-8")
        end = text.find(_NUMBER, len(_DN)) if text.startswith(_DN) else -1
        at = text.find(_ATTRIBUTES, end)
        if end < 0 or at < 0:
            return _any_record(json.loads(text))
        dn = text[len(_DN) : end]
        if "\\" in dn:
            dn = str(json.loads(text[len(_DN) - 1 : end + 1]))
        number = text[end + len(_NUMBER) : at]
        values, stop = _raw_decode(text, at + len(_ATTRIBUTES))
        if text[stop:].rstrip() != "}":
            raise ValueError("there is more in it than an entry")
        return Record(dn, None if number == "null" else _number(number), _attributes(values))
    except _BAD_JSON as error:
        raise Damaged(_why(error), dn or named(line)) from error


def named(line: bytes) -> str | None:
    """The DN in a damaged line, as far as it can be told."""
    found = _NAMED.match(line)
    try:
        return None if found is None else str(json.loads(found[1]))
    except ValueError:
        return None


def read_descriptor(line: bytes) -> tuple[int, bytes]:
    """The number and the bytes that a line of a descriptor holds. Raises Damaged."""
    try:
        said = json.loads(line)
        number = said["descriptor"]
        if type(number) is not int:
            raise ValueError(f"descriptor {number!r} is no number")
        return number, base64.b64decode(said["base64"], validate=True)
    except _BAD_JSON as error:
        raise Damaged(_why(error)) from error


def entry_line(dn: str, number: int | None, attributes: Mapping[str, Iterable[bytes]]) -> bytes:
    """The line of an entry, with its end; what is a descriptor among the attributes is left out."""
    values = {
        name: [_to_json(name, bytes(value)) for value in each]
        for name, each in attributes.items()
        if name != DESCRIPTOR
    }
    return json_line({"dn": dn, "descriptor": number, "attributes": values})


def descriptor_line(number: int, raw: bytes) -> bytes:
    """The line of a descriptor, with its end."""
    return json_line({"descriptor": number, "base64": base64.b64encode(raw).decode("ascii")})


def json_line(value: object) -> bytes:
    """The value as a line of JSON, with its end."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _any_record(said: Any) -> Record:
    dn, number = said["dn"], said["descriptor"]
    if not isinstance(dn, str):
        raise TypeError(f"{dn!r} is no name")
    if number is not None and type(number) is not int:
        raise TypeError(f"descriptor {number!r} is no number")
    try:
        return Record(dn, number, _attributes(said["attributes"]))
    except _BAD_JSON as error:
        raise Damaged(_why(error), dn) from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"descriptor {text[:20]} is no number")
    return int(text)


def _attributes(values: Any) -> dict[str, list[Any]]:
    """The attributes under lower-case names, each a list of strings and bytes."""
    if values and not "".join(values).islower():
        values = {name.lower(): each for name, each in values.items()}
    for each in values.values():
        if type(each) is not list:
            raise TypeError("an attribute is no list of values")
        for value in each:
            if type(value) is dict:
                base64.b64decode(value["base64"], validate=True)
    found: dict[str, list[Any]] = values
    return found


def _from_json(name: str, value: Any) -> bytes:
    """The bytes of a value; none at all for a SID or GUID that is none, which its reader then finds malformed."""
    if type(value) is dict:
        return base64.b64decode(value["base64"])
    if type(value) is not str:
        return str(value).encode()
    with suppress(ValueError, struct.error):  # AclError is a ValueError
        if name in _SIDS:
            return _sid(value)
        if name in _GUIDS:
            return UUID(value).bytes_le
        return value.encode("utf-8", "surrogatepass")
    return b""


def _sid(text: str) -> bytes:
    domain, _, rid = text.rpartition("-")
    if not (domain.startswith(_DOMAIN_SID) and rid.isdigit() and len(rid) <= 10):
        return Sid.from_string(text).to_bytes()
    start = _DOMAINS.get(domain) or _DOMAINS.keep(domain, Sid.from_string(f"{domain}-0").to_bytes()[:-4])
    return start + _RID.pack(int(rid))


def _to_json(name: str, value: bytes) -> Any:
    # What its attribute's form does not fit is kept as bytes.
    with suppress(AclError, ValueError):
        if name in _SIDS:
            return str(Sid.from_bytes(value))
        if name in _GUIDS:
            return str(UUID(bytes_le=value))
        return value.decode("utf-8")
    return {"base64": base64.b64encode(value).decode("ascii")}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _why(error: BaseException) -> str:
    """What is wrong with a line, in few words."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return " ".join(str(error).split())[:200]
