"""Two snapshots compared in bounded memory: a few numbers for each object, and differences read when asked for.

Rule 1: objects are paired by objectGUID, or by name where one of the two has none. One that was deleted and made
        again under its name is another object: one went and one came.
Rule 2: a pair of descriptors is compared once, however many objects have it.
Rule 3: what was moved with something above it was not renamed itself.
Rule 4: two snapshots of different forests are not compared; of different search bases with a warning.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from hashlib import blake2b
from typing import Final
from uuid import UUID

from acl import Ace, AclError, SecurityDescriptor, Sid
from acl.intern import BoundedTable

from .comparison import (
    ComparedSnapshot,
    Comparison,
    DifferenceKind,
    ObjectDifference,
    PermissionDifference,
    compared,
    stock,
)
from .dn import name_key
from .errors import DirectoryError, ParameterError
from .names import Names
from .snapshot import SnapshotDirectory
from .snapshot_format import Damaged, Record, read_record
from .snapshot_index import NONE, NOWHERE, HashTable, Index
from .words import guid_names, in_words

__all__ = ["compare_snapshots"]

_GUID: Final = b'"objectguid": ["'
_GUID_LENGTH: Final = 36
#: How many pairs of descriptors are kept as compared, and how many descriptors as read.
_PAIRS: Final = 10_000
_DESCRIPTORS: Final = 10_000
_UNPAIRED: Final = 0xFFFFFFFF
_KINDS: Final = tuple(DifferenceKind)


def compare_snapshots(reference: SnapshotDirectory, difference: SnapshotDirectory) -> Comparison:
    """What changed from the reference to the difference snapshot. Both stay in use: differences are read late.

    Raises ParameterError where they are of different forests, and SnapshotError.
    """
    roots = [each.root for each in (reference, difference)]
    if name_key(roots[0].root_domain_naming_context) != name_key(roots[1].root_domain_naming_context) or (
        None not in (roots[0].forest_root_sid, roots[1].forest_root_sid)
        and roots[0].forest_root_sid != roots[1].forest_root_sid
    ):
        raise ParameterError(
            f"'{reference.path}' is of the forest {roots[0].root_domain_naming_context} and '{difference.path}' of "
            f"another, {roots[1].root_domain_naming_context}: compare snapshots of one forest"
        )
    pairing = _Pairing(reference, difference)
    pairing.run()
    warnings = []
    if set(map(name_key, reference.bases)) != set(map(name_key, difference.bases)):
        warnings.append(
            "the snapshots were taken of different search bases: what only one of them looked at counts as added "
            "or removed"
        )
    return Comparison(
        _side(reference),
        _side(difference),
        differences=pairing.differences,
        counts={kind: pairing.differences.kinds.count(number) for number, kind in enumerate(_KINDS)},
        unreadable=pairing.unreadable,
        warnings=tuple(warnings),
    )


def _side(directory: SnapshotDirectory) -> ComparedSnapshot:
    return ComparedSnapshot(
        str(directory.path), directory.root.controller, len(directory), directory.taken, directory.not_read
    )


class _Descriptors:
    """The descriptors of both files, each distinct one under one number; 0 stands for none."""

    def __init__(self, directories: tuple[SnapshotDirectory, SnapshotDirectory]) -> None:
        self._places: list[tuple[SnapshotDirectory, int]] = []
        self._read = BoundedTable[int, tuple[SecurityDescriptor | None]](_DESCRIPTORS)
        digests: dict[bytes, int] = {}
        self.numbers = tuple(self._numbered(each, digests) for each in directories)
        self._readable = bytearray(len(self._places) + 1)

    def _numbered(self, directory: SnapshotDirectory, digests: dict[bytes, int]) -> array[int]:
        places = directory.index.descriptors
        numbers = array("I", bytes(4 * len(places)))
        for number, place in enumerate(places):
            if place:
                digest = blake2b(directory.descriptor(number) or b"", digest_size=16).digest()
                if digest not in digests:
                    self._places.append((directory, number))
                    digests[digest] = len(self._places)
                numbers[number] = digests[digest]
        return numbers

    def of(self, side: int, index: Index, ordinal: int) -> int:
        """The number of an object's descriptor."""
        number = index.numbers[ordinal]
        return 0 if number == NONE else self.numbers[side][number]

    def get(self, number: int) -> SecurityDescriptor | None:
        """The descriptor; None where there is none, or it is malformed."""
        if not number:
            return None
        found = self._read.get(number)
        if found is None:
            directory, local = self._places[number - 1]
            try:
                found = (SecurityDescriptor.from_bytes(directory.descriptor(local) or b""),)
            except AclError:
                found = (None,)
            self._read.keep(number, found)
        return found[0]

    def is_readable(self, number: int) -> bool:
        """Whether there is one that can be read."""
        if not self._readable[number]:
            self._readable[number] = 1 if self.get(number) is None else 2
        return self._readable[number] == 2


class _Pairing:
    """Which object of one file is which of the other, and what became of each."""

    def __init__(self, reference: SnapshotDirectory, difference: SnapshotDirectory) -> None:
        self._old, self._new = reference.index, difference.index
        self._descriptors = _Descriptors((reference, difference))
        self._pairs = array("I")
        self._words = _Wording(reference, difference)
        self.unreadable = 0
        self.differences = _Differences(reference, difference, self._descriptors, self._words)

    def run(self) -> None:
        """Pair the objects, and note those that differ: in the order of the difference file, then what went."""
        old, new, note = self._old, self._new, self.differences.note
        taken = self._pair()
        descriptors = self._descriptors
        for ordinal, pair in enumerate(self._pairs):
            if pair == _UNPAIRED:
                note(DifferenceKind.ADDED, NOWHERE, ordinal)
                continue
            before, after = descriptors.of(0, old, pair), descriptors.of(1, new, ordinal)
            if before == after:
                self.unreadable += not descriptors.is_readable(after)
                changed = False
            else:
                changed = bool(self.differences.between(before, after))
                self.unreadable += not (descriptors.is_readable(before) or descriptors.is_readable(after))
            if new.names[ordinal] != old.names[pair] and self._is_renamed(pair, ordinal):
                note(
                    DifferenceKind.CHANGED if changed else DifferenceKind.RENAMED, pair, ordinal, renamed=True
                )
            elif changed:
                note(DifferenceKind.CHANGED, pair, ordinal)
        for ordinal, is_taken in enumerate(taken):
            if not is_taken:
                note(DifferenceKind.REMOVED, ordinal, NOWHERE)

    def _pair(self) -> bytearray:
        """Find each object of the difference in the reference; a mark for each of those that were found."""
        old, new = self._old, self._new
        before, after = _guids(old), _guids(new)
        table = HashTable(len(old), before)
        for ordinal, guid in enumerate(before):
            if guid:
                table.put(guid, ordinal)
        taken = bytearray(len(old))
        for ordinal, guid in enumerate(after):
            found = table.first(guid) if guid else NOWHERE
            if found == NOWHERE:
                found = old.table.first(new.names[ordinal])
                if found != NOWHERE and guid and before[found]:
                    found = NOWHERE  # another object of this name
            if found == NOWHERE or taken[found]:
                self._pairs.append(_UNPAIRED)
            else:
                taken[found] = 1
                self._pairs.append(found)
        return taken

    def _is_renamed(self, old: int, new: int) -> bool:
        """Whether the object itself has another name, or is in something else; names of what is above aside."""
        before, after = self._old.parent(old), self._new.parent(new)
        if NOWHERE in (before, after) or self._pairs[after] != before:
            return True
        names = [name_key(_named(index, each).dn) for index, each in ((self._old, old), (self._new, new))]
        return names[0].partition(",")[0] != names[1].partition(",")[0]


class _Differences(Collection[ObjectDifference]):
    """The objects that differ, read from the files one after the other; two numbers are kept of each."""

    def __init__(
        self,
        reference: SnapshotDirectory,
        difference: SnapshotDirectory,
        descriptors: _Descriptors,
        wording: _Wording,
    ) -> None:
        self._sides = (reference, difference)
        self._descriptors = descriptors
        self._wording = wording
        self._compared = BoundedTable[tuple[int, int], PermissionDifference](_PAIRS)
        self._old = array("q")
        self._new = array("q")
        self._renamed = bytearray()
        self.kinds = bytearray()

    def note(self, kind: DifferenceKind, old: int, new: int, *, renamed: bool = False) -> None:
        """Keep a difference between these two objects."""
        self.kinds.append(_KINDS.index(kind))
        self._old.append(old)
        self._new.append(new)
        self._renamed.append(renamed)

    def between(self, before: int, after: int) -> PermissionDifference:
        """What differs between two descriptors, by their numbers."""
        found = self._compared.get((before, after))
        if found is None:
            one, two = self._descriptors.get(before), self._descriptors.get(after)
            found = self._compared.keep(
                (before, after), compared(one, two, self._wording.entry, self._wording.sid)
            )
        return found

    def __len__(self) -> int:
        return len(self.kinds)

    def __contains__(self, value: object) -> bool:
        return any(each == value for each in self)

    def __iter__(self) -> Iterator[ObjectDifference]:
        for number, kind in enumerate(self.kinds):
            yield self._difference(_KINDS[kind], self._old[number], self._new[number], self._renamed[number])

    def _difference(self, kind: DifferenceKind, old: int, new: int, renamed: int) -> ObjectDifference:
        reference, difference = (each.index for each in self._sides)
        before = self._descriptors.of(0, reference, old) if old != NOWHERE else 0
        after = self._descriptors.of(1, difference, new) if new != NOWHERE else 0
        words, sid = self._wording.entry, self._wording.sid
        if kind is DifferenceKind.ADDED:
            permissions = stock(self._descriptors.get(after), words, sid, added=True)
        elif kind is DifferenceKind.REMOVED:
            permissions = stock(self._descriptors.get(before), words, sid, added=False)
        else:
            permissions = self.between(before, after)
        record = _named(reference, old) if new == NOWHERE else _named(difference, new)
        entry = record.entry(None, None)
        try:
            guid = entry.guid()
        except DirectoryError:
            guid = None
        return ObjectDifference(
            kind,
            record.dn,
            (entry.values("objectClass") or ("",))[-1],
            None if guid is None else str(guid),
            permissions,
            former_dn=_named(reference, old).dn if renamed else None,
        )


class _Wording:
    """Entries in words, and SIDs by their names, as the later snapshot has them, or else the earlier."""

    def __init__(self, reference: SnapshotDirectory, difference: SnapshotDirectory) -> None:
        self._sources = (Names(difference), Names(reference))
        self._sids: dict[Sid, str] = {}
        self._guids: dict[UUID, str] = dict(guid_names())

    def sid(self, sid: Sid) -> str:
        """``DOMAIN\\name``, or the SID itself."""
        if sid not in self._sids:
            self._sids[sid] = next(
                (name for each in self._sources if (name := _trustee(each, sid))), str(sid)
            )
        return self._sids[sid]

    def entry(self, ace: Ace) -> str:
        """The entry in words."""
        for guid in (ace.object_type, ace.inherited_object_type):
            if guid is not None and guid not in self._guids:
                found = self._sources[0].object_types([guid]).get(guid, ())
                self._guids[guid] = found[0].name if found else str(guid)
        return in_words(ace, "" if ace.sid is None else self.sid(ace.sid), self._guids)


def _trustee(names: Names, sid: Sid) -> str | None:
    try:
        return names.trustees([sid]).get(sid)
    except DirectoryError:  # a snapshot of a part may not hold the forest's domains
        return None


def _named(index: Index, ordinal: int) -> Record:
    """The object; one whose line is damaged has its name alone."""
    try:
        return read_record(index.line(ordinal))
    except Damaged as error:
        return Record(error.dn or "", None, {})


def _guids(index: Index) -> array[int]:
    """A hash of each object's GUID, 0 where it has none."""
    guids = array("q")
    for ordinal, line in index.lines(bytearray(b"\1") * len(index)):
        start = line.find(_GUID) + len(_GUID)
        guid = line[start : start + _GUID_LENGTH].lower()
        if start < len(_GUID) or line[start + _GUID_LENGTH : start + _GUID_LENGTH + 1] != b'"':
            # Spelled in another way than ours, or there is none.
            guid = _guid(_named(index, ordinal)) if b"guid" in line.lower() else b""
        guids.append(hash(guid) if guid else 0)
    return guids


def _guid(record: Record) -> bytes:
    try:
        found = record.entry(None, None).guid()
    except DirectoryError:
        return b""
    return b"" if found is None else str(found).encode()
