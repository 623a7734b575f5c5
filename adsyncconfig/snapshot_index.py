"""Where everything stands in a snapshot file, found in one pass over it when it is opened.

Rule 1: what is kept for each object is numbers: where its line begins, a hash of its name, what it is in, a hash
        of its SID. So a million objects take 40 MB, and no lookup by name, SID or place reads more than it gives.
Rule 2: a hash only finds a line; whoever looks something up compares it with what stands there.
Rule 3: objects go by their ordinal, which is their order in the file.

Source: MS-ADTS 3.1.1.1.5 (a search ends where another naming context begins).
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from acl import AclError, Sid
from acl.intern import BoundedTable

from .dn import name_key
from .errors import ParameterError, SnapshotError
from .snapshot_file import SnapshotFile, lines_of
from .snapshot_format import (
    LARGEST_DESCRIPTOR,
    LONGEST_HEADER,
    Damaged,
    Header,
    Record,
    read_descriptor,
    read_header,
    read_record,
)

__all__ = [
    "NAMING_CONTEXTS",
    "NONE",
    "NOWHERE",
    "HashTable",
    "Index",
    "build_index",
    "escaped_comma",
    "key_hash",
]

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
#: Of how many bases it is known what is below: each takes a byte of every object.
_MARKED: Final = 4

_DESCRIPTOR: Final = b'{"descriptor": '
#: An entry as this package writes it, whose name begins with a part in its plainest spelling (``dn.part_key``). A
#: comma may be escaped in it, as in "Last\, First", before which JSON writes a second backslash.
_PLAIN: Final = re.compile(
    rb'\{"dn": "([A-Za-z][A-Za-z0-9-]*=[^\s#,+"\\<>;=\x00-\x1f\x7f-\xff]'
    rb'(?:[^,+"\\<>;=\x00-\x1f\x7f-\xff]*(?:\\\\,[^,+"\\<>;=\x00-\x1f\x7f-\xff]*)*'
    rb'[^\s,+"\\<>;=\x00-\x1f\x7f-\xff])?)'
    rb'((?:,[^"\\]*(?:\\\\,[^"\\]*)*)?)", "descriptor": ([0-9]{1,10}|null), "attributes": \{'
).match
_SID: Final = b'"objectsid"'
_SID_VALUE: Final = b'"objectsid": ["S-1-'
_SID_START: Final = len(b'"objectsid": ["')
_MEMBER: Final = b'"member"'
_FORMER: Final = b'"sidhistory"'
_DOMAIN: Final = b'"domaindns"'


class HashTable:
    """From hashes to ordinals: open addressing over one array, at most half full."""

    __slots__ = ("_hashes", "mask", "slots")

    def __init__(self, room: int, hashes: array[int]) -> None:
        """Make room for so many; ``hashes`` is where each ordinal's hash stands, and may grow meanwhile."""
        size = 8
        while size < 2 * room:
            size *= 2
        self.slots = array("I", bytes(4 * size))
        self.mask = size - 1
        self._hashes = hashes

    def put(self, value: int, ordinal: int) -> None:
        """Add an ordinal under its hash."""
        slots, mask = self.slots, self.mask
        slot = value & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = ordinal + 1

    def fill(self) -> None:
        """Add every ordinal that has a hash; a table that is new."""
        slots, mask = self.slots, self.mask
        for number, value in enumerate(self._hashes, 1):
            slot = value & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number

    def find(self, value: int) -> Iterator[int]:
        """The ordinals with this hash."""
        slots, mask, hashes = self.slots, self.mask, self._hashes
        slot = value & mask
        while found := slots[slot]:
            if hashes[found - 1] == value:
                yield found - 1
            slot = (slot + 1) & mask

    def first(self, value: int) -> int:
        """The first ordinal with this hash, or NOWHERE."""
        return next(self.find(value), NOWHERE)


class Index:
    """What one pass found; ``header`` is the first line, ``domains``, ``holders`` and ``formers`` are ordinals.

    ``domains`` are the roots of domains, ``holders`` the objects with members, and ``formers`` those with a SID
    that they had before, as far as can be told from their lines: some may be none.
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
        self.formers = array("I")
        self.descriptors = array("Q", bytes(8 * (min(header.descriptors, file.size // _EMPTY_LINE) + 1)))
        self.table = HashTable(min(header.entries, file.size // _EMPTY_LINE), self.names)
        self._by_sid: HashTable | None = None
        self._marks = BoundedTable[int, tuple[frozenset[int], bytearray]](_MARKED)
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
        return self.table.first(key_hash(key))

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
        return sorted(self._by_sid.find(sid_hash(sid)))

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
        known = self._marks.get(ordinal)
        if known is not None and known[0] == contexts:
            return known[1]
        marks = bytearray(len(self))
        marks[ordinal] = 1
        waiting = [ordinal]
        while waiting:
            for each in self._nearest(waiting.pop()):
                if each not in contexts:
                    marks[each] = 1
                    waiting.append(each)
        return self._marks.keep(ordinal, (contexts, marks))[1]

    def lines(self, marks: bytearray, needles: Sequence[bytes] = ()) -> Iterator[tuple[int, bytes]]:
        """The marked objects and their lines, read in the order of the file.

        With ``needles``, in lower case, only those whose lines hold one of them, and few others.
        """
        ordinal = marks.find(1)
        if ordinal == NOWHERE:
            return
        offsets, find = self.offsets, marks.find
        wanted = offsets[ordinal]
        for start, run in self.file.runs(wanted):
            if needles and _is_bare(run):
                for each in self.with_any(needles, run.lower(), start, ordinal):
                    if marks[each]:
                        yield each, run[offsets[each] - start : offsets[each + 1] - start].partition(b"\n")[0]
                ordinal = find(1, bisect_left(offsets, start + len(run), ordinal))
                if ordinal == NOWHERE:
                    return
                wanted = offsets[ordinal]
                continue
            position = start
            for line in lines_of(run):
                if position == wanted:
                    if not needles or not _is_bare(line) or any(map(line.lower().__contains__, needles)):
                        yield ordinal, line
                    ordinal = find(1, ordinal + 1)
                    if ordinal == NOWHERE:
                        return
                    wanted = offsets[ordinal]
                position += len(line) + 1

    def with_any(self, needles: Iterable[bytes], lower: bytes, start: int, first: int) -> list[int]:
        """The objects from the first on whose lines, in this run in lower case, hold one of the needles."""
        found: set[int] = set()
        for needle in needles:
            place = lower.find(needle)
            while place >= 0:
                ordinal = bisect_right(self.offsets, start + place, first) - 1
                if ordinal >= first:
                    found.add(ordinal)
                    # On with what is after this line.
                    place = lower.find(b"\n", place)
                place = -1 if place < 0 else lower.find(needle, place + 1)
        return sorted(found)

    def _nearest(self, ordinal: int) -> array[int]:
        """What is directly in the object, and what is in something in it that the file does not hold."""
        if self._children is None:
            self._children = _sorted_by_parent(self.above)
        starts, children = self._children
        return children[starts[ordinal + 1] : starts[ordinal + 2]]


def _is_bare(text: bytes) -> bool:
    """Whether a text that matters stands here as it is: no letters that fold to others, escapes or packed bytes."""
    return text.isascii() and not (b"\\" in text and b"\\u" in text) and b'"base64"' not in text


def escaped_comma(part: bytes) -> bytes:
    """The key of a part of a name, as JSON has it, in which a comma is escaped."""
    return part.lower().replace(b"\\\\,", b"\\2c")


def key_hash(key: str) -> int:
    """The hash that a name is found by."""
    return hash(key.encode("utf-8", "surrogatepass"))


def sid_hash(text: str) -> int:
    """The hash that a SID is found by."""
    return hash(text.encode())


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
        self._containers = BoundedTable[bytes, tuple[bytes, int]](_REMEMBERED)
        self._known = BoundedTable[bytes, int](_REMEMBERED)
        self._known.keep(b"null", NONE)
        self._orphans: dict[str, array[int]] = {}
        self._found = 0
        self._line = start

    def read(self) -> None:
        """Fill the index. Raises SnapshotError."""
        index, path = self.index, self.index.file.path
        end = self._start
        for start, run in index.file.runs(self._start):
            first = len(index)
            try:
                self._run(run, start)
            except (ValueError, ParameterError) as error:
                line = index.file.number(self._line)
                raise SnapshotError(f"line {line} of '{path}' is damaged: {error}") from error
            lower = run.lower()
            if lower.count(_SID) != len(index) - first - index.sids[first:].count(0) or (
                b"\\" in run and b"\\u" in run
            ):
                self._find_sids(first)
            index.holders.extend(index.with_any((_MEMBER,), lower, start, first))
            index.formers.extend(index.with_any((_FORMER,), lower, start, first))
            index.domains.extend(index.with_any((_DOMAIN,), lower, start, first))
            end = start + len(run) + (not run.endswith(b"\n"))
        index.offsets.append(end)
        promised = index.header
        for what, wanted, here in (
            ("descriptors", promised.descriptors, self._found),
            ("entries", promised.entries, len(index) - self._is_cut_off(end)),
        ):
            if wanted != here:
                raise SnapshotError(f"'{path}' was cut off: it promises {wanted} {what} and holds {here}")
        self._adopt()

    def _run(self, run: bytes, position: int) -> None:
        """Note the lines of a run. Most are as this package writes them, and take this loop alone."""
        index = self.index
        slots, mask, names, promised = index.table.slots, index.table.mask, index.names, index.header.entries
        name, offset, above = names.append, index.offsets.append, index.above.append
        number, sid = index.numbers.append, index.sids.append
        known, containers = self._known, self._containers
        for line in lines_of(run):
            match = _PLAIN(line)
            if match is not None:
                leaf, container, digits = match.groups()
                found = containers.get(container)
                if found is None or not found[1]:
                    found = self._container(container)
                value = hash((escaped_comma(leaf) if b"\\" in leaf else leaf.lower()) + found[0])
                ordinal = len(names)
                slot = value & mask
                while taken := slots[slot]:
                    if names[taken - 1] == value:
                        break
                    slot = (slot + 1) & mask
                if taken or not found[1] or digits not in known or ordinal == promised:
                    match = None  # what is not as usual
                else:
                    slots[slot] = ordinal + 1
                    name(value)
                    offset(position)
                    above(found[1])
                    number(known[digits])
                    start = line.find(_SID_VALUE, match.end()) + _SID_START
                    sid(0 if start < _SID_START else hash(line[start : line.find(b'"', start)]))
            if match is None:
                self._line = position
                self._one(line, position)
            position += len(line) + 1

    def _one(self, line: bytes, position: int) -> None:
        """Note a line, whatever it is."""
        if line.startswith(_DESCRIPTOR):
            self._descriptor(line, position)
            return
        try:
            record = read_record(line)
        except Damaged as damaged:
            if damaged.dn is None:
                self._descriptor(line, position)
                return
            record = Record(damaged.dn, None, {})
        self._note(record.dn, record.number, _sid(record), position)

    def _find_sids(self, first: int) -> None:
        """Look closely at the objects of a run in which a SID may be spelled in another way than ours."""
        index = self.index
        for ordinal in range(first, len(index)):
            if not index.sids[ordinal]:
                with suppress(Damaged):
                    index.sids[ordinal] = _sid(read_record(index.file.line(index.offsets[ordinal])))

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

    def _note(self, dn: str, number: int | None, sid: int, position: int) -> None:
        index = self.index
        ordinal = len(index)
        if ordinal == index.header.entries:
            raise ValueError(f"there are more than the {ordinal} entries promised")
        if number is None:
            number = NONE
        elif not (0 <= number < len(index.descriptors) and index.descriptors[number]):
            raise ValueError(f"there is no descriptor {number} before it")
        else:
            self._known.keep(b"%d" % number, number)
        key = name_key(dn)
        value = key_hash(key)
        if index.table.first(value) != NOWHERE:
            raise ValueError(f"'{dn}' is there twice")
        _, comma, container = key.partition(",")
        above = index.ordinal(container) + 1
        index.table.put(value, ordinal)
        index.names.append(value)
        index.offsets.append(position)
        index.above.append(above)
        index.numbers.append(number)
        index.sids.append(sid)
        if not above and comma:
            self._orphans.setdefault(container, array("I")).append(ordinal)

    def _container(self, container: bytes) -> tuple[bytes, int]:
        """What the key of a name in this container ends with, and the container's ordinal and one, or 0."""
        text = json.loads(b'"%b"' % container[1:])
        key = name_key(text) if text else ""
        found = (f",{key}".encode("utf-8", "surrogatepass") if key else b"", self.index.ordinal(key) + 1)
        self._containers.pop(container, None)
        return self._containers.keep(container, found)

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


def _sid(record: Record) -> int:
    """The hash of its SID; 0 where it has none."""
    with suppress(AclError):
        raw = record.attributes.get("objectsid", ())
        return sid_hash(str(Sid.from_bytes(raw[0]))) if raw else 0
    return 0


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
