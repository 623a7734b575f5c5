"""A directory in a file: the same promises as a domain controller, with no server.

``snapshot_format`` says what the file looks like, ``snapshot_index`` how anything in it is found.

Rule 1: an object is read when it is handed out, so that a million of them need no memory. Equal descriptors are
        the very same bytes object, as long as a reader takes them one after the other.
Rule 2: an object whose line is damaged is handed out with a descriptor that cannot be read, by a search for
        everything and by one for a class that its line still names; ``get`` raises DirectoryError. It is never
        taken for one without permissions, or not there.
Rule 3: a write derives inherited entries again, on the object and below it (``acl.inherit``), as a controller
        does; the file is replaced in one step, so that it is whole at any moment. There is nobody to refuse:
        whoever can write the file is its administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from acl import Control, SecurityDescriptor, Sid, inherit
from acl.intern import setters

from .directory import Entry, RootDse, Scope
from .dn import name_key
from .errors import DirectoryError, NotFound, UnknownName, Unreachable
from .filters import EVERYTHING, AllOf, AnyOf, Equals, Filter, StartsWith
from .membership import token_groups
from .schema import Kind, Schema
from .snapshot_file import SnapshotFile
from .snapshot_format import (
    DESCRIPTOR,
    FORMAT,
    VERSION,
    Damaged,
    Record,
    StoredAttributes,
    Values,
    read_descriptor,
    read_quickly,
    read_record,
)
from .snapshot_index import NAMING_CONTEXTS, NONE, NOWHERE, Index, build_index
from .snapshot_members import Holders, MemberKeys, sid_key
from .snapshot_writing import rewrite_snapshot, write_snapshot

__all__ = ["FORMAT", "VERSION", "SnapshotDirectory", "write_snapshot"]

TOKEN_GROUPS: Final = "tokengroups"  # noqa: S105 - the name of an attribute
_GRAPH: Final = frozenset({"objectsid", "sidhistory", "grouptype", "primarygroupid", "member"})
#: In bytes: how much of descriptors is kept, so that equal ones are one object.
_KEPT: Final = 64 << 20
_BESIDE: Final = 200
#: An object in so many is looked up one by one; of more, the file is read in its order.
_FEW: Final = 16


class _Contents:
    """What the file holds now; every directory of it shares one, so that all see what any of them writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read()

    @property
    def index(self) -> Index:
        """The index of the file; a file that was closed is opened again when something is asked of it."""
        if self._index.file.is_closed:
            self.read()
        return self._index

    def read(self) -> None:
        """Index the file as it is now. Raises SnapshotError."""
        file = SnapshotFile(self.path)
        try:
            self._index = build_index(file)
        except BaseException:
            file.close()
            raise
        self.descriptors: dict[int, bytes] = {}
        self._held = 0
        self._holders: dict[str, Holders] = {}
        self.contexts = self._contexts()

    def close(self) -> None:
        """Let go of the file."""
        self._index.file.close()

    def record(self, ordinal: int) -> Record:
        """The object as its line has it. Raises Damaged."""
        return read_record(self.index.line(ordinal))

    def descriptor(self, ordinal: int) -> bytes | None:
        """The bytes of its descriptor, or None where it has none."""
        return self.numbered(self.index.numbers[ordinal])

    def numbered(self, number: int) -> bytes | None:
        """The descriptor of this number: the same object each time, while there is room for it."""
        found = self.descriptors.get(number)
        if found is None and number != NONE:
            found = read_descriptor(self.index.descriptor_line(number))[1]
            self._held += len(found) + _BESIDE
            if self._held > _KEPT:
                self.descriptors.clear()
                self._held = len(found)
            self.descriptors[number] = found
        return found

    def read_object(self, ordinal: int) -> Record:
        """The object as its line has it. Raises DirectoryError."""
        try:
            return self.record(ordinal)
        except Damaged as error:
            raise DirectoryError(
                f"the entry of '{error.dn}' in '{self.path}' is damaged: {error}", dn=error.dn
            ) from error

    def write(self, changed: Mapping[int, bytes], values: Mapping[int, Values] | None = None) -> None:
        """Give objects other descriptors and attributes, and save the file.

        Raises SnapshotError: then nothing is changed.
        """
        rewrite_snapshot(self.index, changed, values or {})
        self.read()

    def entry(self, number: int) -> Entry:
        """An object of the graph of memberships."""
        return self.read_object(number).entry(None, _GRAPH)

    def groups_of(self, number: int) -> list[int]:
        """The groups that hold the object as a member."""
        return self.holders_of("member", self.entry(number).dn)

    def holders_of(self, attribute: str, value: str) -> list[int]:
        """The objects that may hold this member, or a SID that they had before, and few others."""
        if attribute not in self._holders:
            index = self.index
            self._holders[attribute] = (
                Holders(index, index.holders, attribute, MemberKeys())
                if attribute == "member"
                else Holders(index, index.formers, attribute, sid_key)
            )
        return self._holders[attribute].of(value)

    def with_sid(self, sid: Sid) -> list[int]:
        """The objects that have this SID."""
        found = self.index.with_sid(str(sid))
        return [each for each in found if sid.to_bytes() in self.entry(each).attributes.get("objectsid", ())]

    def _contexts(self) -> frozenset[int]:
        """The roots of naming contexts that the file holds."""
        root, index = self.index.header.root, self.index
        named = {index.ordinal(name_key(getattr(root, name))) for name in NAMING_CONTEXTS}
        for ordinal in index.domains:
            with suppress(Damaged):
                if "domainDNS" in self.record(ordinal).values.get("objectclass", ()):
                    named.add(ordinal)
        return frozenset(named - {NOWHERE})


class SnapshotDirectory:
    """A directory kept in a file: see ``directory.Directory`` for what its methods promise."""

    def __init__(self, contents: _Contents) -> None:
        self._contents = contents
        self._root = self._with_forest_root_sid()
        self._schema = Schema(self)

    @classmethod
    def open(cls, path: str | Path) -> SnapshotDirectory:
        """The directory that the file holds. Raises SnapshotError, naming the line that cannot be read."""
        return cls(_Contents(Path(path)))

    def __repr__(self) -> str:
        return f"SnapshotDirectory({str(self._contents.path)!r})"

    def __len__(self) -> int:
        """How many objects it holds."""
        return len(self._contents.index)

    @property
    def root(self) -> RootDse:
        """The naming contexts, and the controller that the snapshot was taken from."""
        return self._root

    @property
    def path(self) -> Path:
        """The file."""
        return self._contents.path

    @property
    def index(self) -> Index:
        """Where everything stands in it."""
        return self._contents.index

    def descriptor(self, number: int) -> bytes | None:
        """The bytes of the descriptor that the file has under a number."""
        return self._contents.numbered(number)

    @property
    def bases(self) -> tuple[str, ...]:
        """What was searched when the snapshot was taken, where its file says so."""
        return self._contents.index.header.bases

    @property
    def taken(self) -> str | None:
        """When the snapshot was taken (ISO 8601, UTC), where its file says so."""
        return self._contents.index.header.taken

    @property
    def not_read(self) -> tuple[str, ...]:
        """What was not looked at when the snapshot was taken, a line each."""
        return self._contents.index.header.not_read

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        """The object with this DN. Raises NotFound, ParameterError for a DN that is none, DirectoryError."""
        ordinal = self._ordinal(dn)
        wanted = frozenset(map(str.lower, attributes))
        contents = self._contents
        entry = self._read(ordinal).entry(contents.descriptor(ordinal), wanted)
        if TOKEN_GROUPS in wanted and TOKEN_GROUPS not in entry.attributes:
            sids = token_groups(ordinal, contents)
            return Entry(entry.dn, {**entry.attributes, TOKEN_GROUPS: tuple(sid.to_bytes() for sid in sids)})
        return entry

    def search(
        self,
        base: str,
        condition: Filter,
        attributes: Sequence[str],
        *,
        scope: Scope = Scope.SUBTREE,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """The objects below the base that meet the condition, ``limit`` at most. Raises as ``get``.

        Their order is that of the file.
        """
        found = self._search(base, condition, frozenset(map(str.lower, attributes)), scope)
        return found if limit is None else islice(found, limit)

    def _search(self, base: str, condition: Filter, wanted: frozenset[str], scope: Scope) -> Iterator[Entry]:
        contents = self._contents
        numbers, kept = contents.index.numbers, contents.descriptors
        everything = condition == EVERYTHING
        new = object.__new__
        set_dn, set_attributes = setters(Entry)
        for ordinal, line in self._lines(self._ordinal(base), condition, scope):
            quick = read_quickly(line)
            if quick is None:
                try:
                    record = read_record(line)
                except Damaged as error:
                    if _may_mean(condition):
                        yield _unreadable(error.dn or base, wanted)
                    continue
                quick = record.dn, record.values
            dn, values = quick
            if everything:
                if "objectclass" not in values:
                    continue
            elif not condition.matches(StoredAttributes(values, None, None)):
                continue
            number = numbers[ordinal]
            entry = new(Entry)
            set_dn(entry, dn)
            set_attributes(
                entry, StoredAttributes(values, kept.get(number) or contents.numbered(number), wanted)
            )
            yield entry

    def _lines(self, base: int, condition: Filter, scope: Scope) -> Iterator[tuple[int, bytes]]:
        """The objects below the base that may meet the condition; as on a controller, in its naming context."""
        index, contexts = self._contents.index, self._contents.contexts
        found: Iterable[int] | None = self._candidates(condition)
        if found is not None:
            found = (each for each in found if self._is_within(each, base, scope))
        elif scope is Scope.BASE:
            found = (base,)
        elif scope is Scope.ONE_LEVEL:
            found = (each for each in index.children(base) if each not in contexts)
        else:
            found = index.below(base, contexts, len(index) // _FEW)
        if found is None:
            needles = dict.fromkeys(_needles(condition) or ())
            return index.lines(index.marks(base, contexts), tuple(needles))
        return ((each, index.line(each)) for each in found)

    def _candidates(self, condition: Filter) -> list[int] | None:
        """All objects that can meet the condition, in their order, where the index tells them; None elsewhere."""
        contents = self._contents
        if isinstance(condition, Equals):
            name = condition.attribute.lower()
            if name == "objectsid":
                return contents.index.with_sid(condition.value)
            if name in ("member", "sidhistory"):
                return contents.holders_of(name, condition.value)
            if name == "objectclass" and condition.value.lower() == "domaindns":
                return contents.index.domains
        if isinstance(condition, AnyOf | AllOf):
            each = [self._candidates(one) for one in condition.conditions]
            known = [one for one in each if one is not None]
            if isinstance(condition, AllOf):
                return min(known, key=len, default=None)
            if len(known) == len(each):
                return sorted({ordinal for one in known for ordinal in one})
        return None

    def _is_within(self, ordinal: int, base: int, scope: Scope) -> bool:
        index, contexts = self._contents.index, self._contents.contexts
        if scope is Scope.BASE:
            return ordinal == base
        if scope is Scope.ONE_LEVEL:
            return index.parent(ordinal) == base and ordinal not in contexts
        while ordinal != base:
            if ordinal in contexts or ordinal == NOWHERE:
                return False
            ordinal = index.nearest(ordinal)
        return True

    def write_dacl(self, dn: str, descriptor: SecurityDescriptor) -> None:
        """Replace the object's DACL, derive again what is inherited there and below, and save the file."""
        ordinal = self._ordinal(dn)
        record = self._read(ordinal)
        current = self._security_descriptor(ordinal, record, {})
        bits = Control.DACL_PRESENT | Control.DACL_PROTECTED | Control.DACL_AUTO_INHERITED
        control = current.control.without(bits) | (descriptor.control & bits)
        self._write(ordinal, record, replace(current, dacl=descriptor.dacl, control=control))

    def write_owner(self, dn: str, owner: Sid) -> None:
        """Make this the object's owner, derive again what is inherited there and below, and save the file."""
        ordinal = self._ordinal(dn)
        record = self._read(ordinal)
        self._write(ordinal, record, replace(self._security_descriptor(ordinal, record, {}), owner=owner))

    def _write(self, ordinal: int, record: Record, written: SecurityDescriptor) -> None:
        changed: dict[int, SecurityDescriptor] = {}
        changed[ordinal] = self._inherited(ordinal, record, written, changed)
        contents = self._contents
        for each in contents.index.below(ordinal) or ():
            # What is below comes after what it is in.
            if each != ordinal and contents.descriptor(each) is not None:
                with suppress(DirectoryError):  # what is damaged stays so
                    child = self._read(each)
                    own = self._security_descriptor(each, child, changed)
                    changed[each] = self._inherited(each, child, own, changed)
        contents.write({each: value.to_bytes() for each, value in changed.items()})

    def modify_values(
        self, dn: str, attribute: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add values to the object's attribute and remove others, and save the file."""
        ordinal = self._ordinal(dn)
        record = self._read(ordinal)
        key = attribute.lower()
        gone = {value.casefold() for value in remove}
        kept = [
            value
            for value in record.values.get(key, ())
            if not isinstance(value, str) or value.casefold() not in gone
        ]
        values = {name: each for name, each in record.values.items() if name != key}
        if kept or add:
            values[key] = [*kept, *add]
        self._contents.write({}, {ordinal: values})

    def set_password(self, dn: str, password: str) -> None:  # noqa: ARG002 - as of every directory
        """Refused: raises DirectoryError."""
        raise DirectoryError(f"a snapshot keeps no passwords: set that of '{dn}' on a controller", dn=dn)

    @property
    def caller(self) -> None:
        """None: nobody logs on to a file."""

    def caller_sids(self) -> None:
        """None: whoever can write the file may do everything."""

    def for_domain(self, dns_name: str) -> SnapshotDirectory:
        """The same file seen from another of its domains. Raises Unreachable when it lacks that one."""
        if dns_name.lower() == self._root.domain:
            return self
        domain = "DC=" + dns_name.lower().replace(".", ",DC=")
        ordinal = self._contents.index.ordinal(name_key(domain))
        if ordinal == NOWHERE:
            raise Unreachable(f"the snapshot '{self._contents.path}' does not hold the domain {dns_name}")
        other = SnapshotDirectory.__new__(SnapshotDirectory)
        vars(other).update(vars(self))
        other._root = replace(self._root, default_naming_context=self._read(ordinal).dn)
        return other

    def close(self) -> None:
        """Let go of the file; every write was saved at once."""
        self._contents.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ordinal(self, dn: str) -> int:
        ordinal = self._contents.index.ordinal(name_key(dn))
        if ordinal == NOWHERE:
            raise NotFound(dn)
        return ordinal

    def _read(self, ordinal: int) -> Record:
        return self._contents.read_object(ordinal)

    def _security_descriptor(
        self, ordinal: int, record: Record, changed: Mapping[int, SecurityDescriptor]
    ) -> SecurityDescriptor:
        """The descriptor of an object as it will be. Raises DirectoryError."""
        found = changed.get(ordinal)
        return found or record.entry(self._contents.descriptor(ordinal), None).security_descriptor()

    def _inherited(
        self,
        ordinal: int,
        record: Record,
        descriptor: SecurityDescriptor,
        changed: Mapping[int, SecurityDescriptor],
    ) -> SecurityDescriptor:
        """The descriptor of the object with what its parent's gives it now."""
        contents = self._contents
        parent = contents.index.parent(ordinal)
        if parent == NOWHERE or ordinal in contents.contexts or contents.descriptor(parent) is None:
            return descriptor
        above = self._security_descriptor(parent, self._read(parent), changed)
        classes = record.entry(None, None).values("objectClass")
        try:
            guid = self._schema.guid(Kind.CLASS, classes[-1] if classes else "top")
        except UnknownName:
            guid = UUID(int=0)  # a class that no entry can name: only entries for every class apply
        return inherit(above, descriptor, object_class_guid=guid)

    def _with_forest_root_sid(self) -> RootDse:
        """What rootDSE says, with the SID of the forest's root from its entry in files that leave it out."""
        root, contents = self._contents.index.header.root, self._contents
        ordinal = contents.index.ordinal(name_key(root.root_domain_naming_context))
        if root.forest_root_sid is not None or ordinal == NOWHERE:
            return root
        with suppress(DirectoryError):  # a malformed one is told when it is needed
            if sid := self._read(ordinal).entry(None, None).sid():
                return replace(root, forest_root_sid=str(sid))
        return root


def _needles(condition: Filter) -> list[bytes] | None:
    """Texts of which the line of an object holds one, in lower case, if it meets the condition; None: any may.

    Of lines with letters that fold to others, with escapes or with packed bytes this is not said.
    """
    if isinstance(condition, Equals | StartsWith):
        value = condition.value
        is_plain = value.isascii() and value.isprintable() and not set(value) & {'"', "\\"}
        return [value.lower().encode()] if value and is_plain else None
    if isinstance(condition, AllOf):
        known = [(found, _may_mean(each)) for each in condition.conditions if (found := _needles(each))]
        # Many objects are of one class; of other texts the longest is the one that the fewest hold.
        best = max(known, key=lambda each: (not each[1], min(map(len, each[0]))), default=None)
        return None if best is None else best[0]
    if isinstance(condition, AnyOf):
        each = [_needles(one) for one in condition.conditions]
        return None if None in each else [needle for found in each if found for needle in found]
    return None


def _may_mean(condition: Filter) -> bool:
    """Whether an object of which nothing is known but its name may be meant: it is looked for by class alone."""
    if isinstance(condition, AnyOf | AllOf):
        return all(map(_may_mean, condition.conditions))
    return condition == EVERYTHING or (
        isinstance(condition, Equals) and condition.attribute.lower() == "objectclass"
    )


def _unreadable(dn: str, wanted: frozenset[str]) -> Entry:
    """An object whose line is damaged: its descriptor is one that nobody can read."""
    return Entry(dn, {DESCRIPTOR: (b"",)} if DESCRIPTOR in wanted else {})
