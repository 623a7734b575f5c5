"""Where everything stands in a snapshot file, found in one pass over it when it is opened.

Rule 1: what is kept for each object is numbers: where its line begins, a hash of its name, what it is in, a hash
        of its SID. So a million objects take 40 MB, and no lookup by name, SID or place reads more than it gives.
Rule 2: a hash only finds a line; whoever looks something up compares it with what stands there.
Rule 3: objects go by their ordinal, which is their order in the file.

Source: MS-ADTS 3.1.1.1.5 (a search ends where another naming context begins).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from acl import AclError, Sid
from acl.intern import BoundedTable

from .dn import name_key, part_key
from .errors import ParameterError, SnapshotError
from .snapshot_file import SnapshotFile
from .snapshot_format import (
    LARGEST_DESCRIPTOR,
    LONGEST_HEADER,
    Damaged,
    Header,
    Record,
    named,
    read_descriptor,
    read_header,
    read_record,
)

__all__ = ["NAMING_CONTEXTS", "NONE", "NOWHERE", "HashTable", "Index", "build_index"]

#: Where rootDSE names naming contexts; every domain is one too. Their roots inherit nothing (MS-ADTS 6.1.3).
NAMING_CONTEXTS: Final = (
    "default_naming_context",
    "configuration_naming_context",
    "schema_naming_context",
    "root_domain_naming_context",
)

#: The ordinal of no object.
NOWHERE: Final = -1
#: A descriptor's number where the object has none, or where its line does not say.
NONE: Final = 0xFFFFFFFF
_INDIRECT: Final = 0x80000000
_EMPTY_LINE: Final = 45  # no entry is shorter, nor is a descriptor
#: How many containers' names the pass remembers.
_REMEMBERED: Final = 100_000

_DN: Final = b'{"dn": "'
_DESCRIPTOR: Final = b'{"descriptor": '
_NUMBER: Final = b'", "descriptor": '
_ATTRIBUTES: Final = b', "attributes": {'
_SID: Final = b'"objectsid"'
_SID_VALUE: Final = b'"objectsid": ["'
_MEMBER: Final = b'"member"'
_DOMAIN: Final = b'"domaindns"'
_ESCAPED: Final = b"\\u"


class HashTable:
    """From hashes to ordinals: open addressing over one array, at most half full."""

    __slots__ = ("_hashes", "_mask", "_slots")

    def __init__(self, room: int, hashes: array[int]) -> None:
        """Make room for so many; ``hashes`` is where each ordinal's hash stands, and may grow meanwhile."""
        size = 8
        while size < 2 * room:
            size *= 2
        self._slots = array("I", bytes(4 * size))
        self._mask = size - 1
        self._hashes = hashes

    def put(self, value: int, ordinal: int) -> None:
        """Add an ordinal under its hash."""
        slots, mask = self._slots, self._mask
        slot = value & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = ordinal + 1

    def find(self, value: int) -> Iterator[int]:
        """The ordinals with this hash."""
        slots, mask, hashes = self._slots, self._mask, self._hashes
        slot = value & mask
        while found := slots[slot]:
            if hashes[found - 1] == value:
                yield found - 1
            slot = (slot + 1) & mask

    def first(self, value: int) -> int:
        """The first ordinal with this hash, or NOWHERE."""
        return next(self.find(value), NOWHERE)


class Index:
    """What one pass found; ``header`` is the first line, ``domains`` and ``holders`` are ordinals.

    ``domains`` are the roots of domains, and ``holders`` the objects with members, as far as can be told from
    their lines: some may be neither.
    """

    def __init__(self, file: SnapshotFile, header: Header) -> None:
        self.file = file
        self.header = header
        self.offsets = array("Q")  # one more than there are entries: where the last one ends
        self.names = array("q")
        self.above = array("I")
        self.numbers = array("I")
        self.sids = array("q")
        self.domains: list[int] = []
        self.holders = array("I")
        self.descriptors = array("Q", bytes(8 * (min(header.descriptors, file.size // _EMPTY_LINE) + 1)))
        self.table = HashTable(min(header.entries, file.size // _EMPTY_LINE), self.names)
        self._by_sid: HashTable | None = None
        self._children: tuple[array[int], array[int]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def line(self, ordinal: int) -> bytes:
        """The line of an object."""
        return self.file.line(self.offsets[ordinal], self.offsets[ordinal + 1])

    def descriptor_line(self, number: int) -> bytes:
        """The line of the descriptor of this number."""
        return self.file.line(self.descriptors[number])

    def ordinal(self, key: str) -> int:
        """The object whose name has this key, or NOWHERE."""
        return self.table.first(hash(key))

    def parent(self, ordinal: int) -> int:
        """What the object is directly in, or NOWHERE where the file does not hold that."""
        above = self.above[ordinal]
        return NOWHERE if above & _INDIRECT else above - 1

    def with_sid(self, sid: str) -> list[int]:
        """The objects that may have this SID, and few others."""
        if self._by_sid is None:
            self._by_sid = HashTable(len(self) - self.sids.count(0), self.sids)
            for ordinal, value in enumerate(self.sids):
                if value:
                    self._by_sid.put(value, ordinal)
        return sorted(self._by_sid.find(sid_hash(sid.encode())))

    def children(self, ordinal: int) -> Iterator[int]:
        """What is directly in the object, in the order of the file."""
        return (each for each in self._nearest(ordinal) if not self.above[each] & _INDIRECT)

    def nearest(self, ordinal: int) -> int:
        """The nearest of the objects that this one is below, or NOWHERE."""
        return (self.above[ordinal] & ~_INDIRECT) - 1

    def below(
        self, ordinal: int, contexts: frozenset[int] = frozenset(), most: int | None = None
    ) -> list[int] | None:
        """This object and what is below it, in the order of the file; None where there are more than ``most``.

        What is below another of the ``contexts`` is left out.
        """
        found, waiting = [ordinal], [ordinal]
        while waiting:
            for each in self._nearest(waiting.pop()):
                if each not in contexts:
                    found.append(each)
                    waiting.append(each)
            if most is not None and len(found) > most:
                return None
        return sorted(found)

    def marks(self, ordinal: int, contexts: frozenset[int] = frozenset()) -> bytearray:
        """The same as a mark for each object of the file."""
        marks = bytearray(len(self))
        marks[ordinal] = 1
        waiting = [ordinal]
        while waiting:
            for each in self._nearest(waiting.pop()):
                if each not in contexts:
                    marks[each] = 1
                    waiting.append(each)
        return marks

    def lines(self, marks: bytearray) -> Iterator[tuple[int, bytes]]:
        """The marked objects and their lines, read in the order of the file."""
        ordinal = marks.find(1)
        if ordinal == NOWHERE:
            return
        offsets = self.offsets
        position = start = offsets[ordinal]
        for line in self.file.lines(start):
            if position == start:
                yield ordinal, line
                ordinal = marks.find(1, ordinal + 1)
                if ordinal == NOWHERE:
                    return
                start = offsets[ordinal]
            position += len(line) + 1

    def _nearest(self, ordinal: int) -> array[int]:
        """What is directly in the object, and what is in something in it that the file does not hold."""
        if self._children is None:
            self._children = _sorted_by_parent(self.above)
        starts, children = self._children
        return children[starts[ordinal + 1] : starts[ordinal + 2]]


def sid_hash(text: bytes) -> int:
    """The hash that a SID is found by; never 0."""
    return hash(text.upper()) or 1


def build_index(file: SnapshotFile) -> Index:
    """Read the file once. Raises SnapshotError, naming the line that cannot be read."""
    first = next(file.lines(0, LONGEST_HEADER), b"")
    header = read_header(first, file.path)
    builder = _Builder(Index(file, header), len(first) + 1)
    builder.read()
    return builder.index


class _Builder:
    """The pass over the file."""

    def __init__(self, index: Index, start: int) -> None:
        self.index = index
        self._start = start
        self._containers = BoundedTable[bytes, tuple[str, int]](_REMEMBERED)
        self._orphans: dict[str, array[int]] = {}
        self._found = 0

    def read(self) -> None:
        """Fill the index. Raises SnapshotError."""
        index, path = self.index, self.index.file.path
        position, number = self._start, 1
        for line in index.file.lines(position):
            number += 1
            try:
                if line.startswith(_DN):
                    self._entry(line, position)
                elif line.startswith(_DESCRIPTOR):
                    self._descriptor(line, position)
                else:
                    self._other(line, position)
            except (ValueError, ParameterError) as error:
                raise SnapshotError(f"line {number} of '{path}' is damaged: {error}") from error
            position += len(line) + 1
        index.offsets.append(position)
        promised = index.header
        for what, wanted, here in (
            ("descriptors", promised.descriptors, self._found),
            ("entries", promised.entries, len(index) - self._is_cut_off(position)),
        ):
            if wanted != here:
                raise SnapshotError(f"'{path}' was cut off: it promises {wanted} {what} and holds {here}")
        self._adopt()

    def _is_cut_off(self, position: int) -> bool:
        """Whether the file ends within the line of an entry."""
        index = self.index
        if position <= index.file.size or not len(index):
            return False
        try:
            read_record(index.line(len(index) - 1))
        except Damaged:
            return True
        return False

    def _descriptor(self, line: bytes, position: int) -> None:
        number, raw = read_descriptor(line)
        if len(raw) > LARGEST_DESCRIPTOR:
            raise ValueError(f"descriptor {number} has {len(raw)} bytes, more than any can have")
        places = self.index.descriptors
        if not 0 <= number < len(places):
            raise ValueError(f"descriptor {number} is none of the {self.index.header.descriptors} promised")
        if places[number]:
            raise ValueError(f"descriptor {number} is there twice")
        places[number] = position
        self._found += 1

    def _entry(self, line: bytes, position: int) -> None:
        """Note an entry in the spelling that this package writes."""
        end = line.find(_NUMBER, len(_DN))
        at = line.find(_ATTRIBUTES, end)
        digits = line[end + len(_NUMBER) : at]
        if end < 0 or at < 0 or _ESCAPED in line or not (digits.isdigit() or digits == b"null"):
            self._other(line, position)
            return
        lower = line.lower()
        sid = 0
        start = lower.find(_SID)
        if start >= 0:
            start += len(_SID_VALUE)
            if not (
                lower.startswith(_SID_VALUE, start - len(_SID_VALUE)) and line.startswith(b"S-1-", start)
            ):
                self._other(line, position)
                return
            sid = sid_hash(line[start : line.find(b'"', start)])
        number = NONE if digits == b"null" else int(digits)
        self._note(line[len(_DN) : end], number, sid, position)
        if _MEMBER in lower:
            self.index.holders.append(len(self.index) - 1)
        if _DOMAIN in lower:
            self.index.domains.append(len(self.index) - 1)

    def _other(self, line: bytes, position: int) -> None:
        """Note what is written in another way, or is damaged."""
        try:
            record = read_record(line)
        except Damaged as damaged:
            if damaged.dn is None:
                if named(line) is None:
                    self._descriptor(line, position)
                    return
                raise
            record = Record(damaged.dn, None, {})
        sid = 0
        with suppress(AclError):
            raw = record.entry(None, None).attributes.get("objectsid", ())
            sid = sid_hash(str(Sid.from_bytes(raw[0])).encode()) if raw else 0
        name = json.dumps(record.dn, ensure_ascii=False).encode("utf-8", "surrogatepass")[1:-1]
        self._note(name, NONE if record.number is None else record.number, sid, position)
        if "member" in record.values:
            self.index.holders.append(len(self.index) - 1)
        if "domainDNS" in record.values.get("objectclass", ()):
            self.index.domains.append(len(self.index) - 1)

    def _note(self, dn: bytes, number: int, sid: int, position: int) -> None:
        index = self.index
        ordinal = len(index.names)
        if ordinal == index.header.entries:
            raise ValueError(f"there are more than the {ordinal} entries promised")
        if number != NONE and not (number < len(index.descriptors) and index.descriptors[number]):
            raise ValueError(f"there is no descriptor {number} before it")
        key, above = self._key(dn)
        value = hash(key)
        if index.table.first(value) != NOWHERE:
            raise ValueError(f"'{dn.decode('utf-8', 'replace')}' is there twice")
        index.table.put(value, ordinal)
        index.offsets.append(position)
        index.names.append(value)
        index.above.append(above)
        index.numbers.append(number)
        index.sids.append(sid)
        if not above:
            self._orphans.setdefault(key.partition(",")[2], array("I")).append(ordinal)

    def _key(self, dn: bytes) -> tuple[str, int]:
        """The key of a name, and what it is in, as far as that came already: its ordinal and one, or 0."""
        leaf, _, container = dn.partition(b",")
        if b"\\" not in dn:
            found = self._containers.get(container)
            if found is None or not found[1]:
                text = container.decode("utf-8")
                above = name_key(text) if text else ""
                found = (f",{above}" if above else "", self.index.ordinal(above) + 1)
                self._containers.pop(container, None)
                self._containers.keep(container, found)
            part = part_key(leaf.decode("utf-8"))
            if part is not None:
                return part + found[0], found[1]
        key = name_key(str(json.loads(b'"%b"' % dn)))
        return key, self.index.ordinal(key.partition(",")[2]) + 1

    def _adopt(self) -> None:
        """Put what came before its container, or without one, where it belongs: in the nearest that there is."""
        index = self.index
        root = index.header.root
        contexts = {name_key(getattr(root, name)) for name in NAMING_CONTEXTS}
        for container, ordinals in self._orphans.items():
            key, flag = container, 0
            while key:
                ordinal = index.ordinal(key)
                if ordinal != NOWHERE:
                    for each in ordinals:
                        index.above[each] = (ordinal + 1) | flag
                    break
                if key in contexts:
                    break
                key, flag = key.partition(",")[2], _INDIRECT


def _sorted_by_parent(above: array[int]) -> tuple[array[int], array[int]]:
    """Where the children of each ordinal begin, and all children; those of nothing come first."""
    starts = array("I", bytes(4 * (len(above) + 2)))
    for parent in above:
        starts[(parent & ~_INDIRECT) + 1] += 1
    for place in range(1, len(starts)):
        starts[place] += starts[place - 1]
    places = array("I", starts)
    children = array("I", bytes(4 * len(above)))
    for ordinal, parent in enumerate(above):
        place = places[parent & ~_INDIRECT]
        children[place] = ordinal
        places[parent & ~_INDIRECT] = place + 1
    return starts, children
