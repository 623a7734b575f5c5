"""A directory in a file: the same promises as a domain controller, with no server.

The file is JSON Lines, compressed with gzip when its name ends in ``.gz``:

    line 1     {"format": "adsyncconfig-snapshot", "version": 1, "origin": ..., "descriptors": N,
                "entries": M, "rootDSE": {...}}
    N lines    {"descriptor": number, "base64": its self-relative bytes}     each distinct one once
    M lines    {"dn": ..., "descriptor": number or null, "attributes": {name: [value, ...]}}

A value is a string; SIDs and GUIDs are written as S-1-... and in their usual form, bytes that are no text as
{"base64": ...}. Counts in the first line tell a file that was cut off from one that is whole.

A write derives inherited entries again, on the object and below it (``acl.inherit``), as a controller does;
the file is replaced in one step, so that it is whole at any moment. There is nobody to refuse: whoever can
write the file is its administrator.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

from acl import AclError, Control, SecurityDescriptor, Sid, inherit

from .directory import Entry, RootDse, Scope
from .dn import DistinguishedName, Rdns
from .errors import DirectoryError, NotFound, SnapshotError, UnknownName, Unreachable
from .filters import Filter
from .membership import memberships, token_groups
from .schema import Kind, Schema

__all__ = ["FORMAT", "VERSION", "SnapshotDirectory", "write_snapshot"]

FORMAT: Final = "adsyncconfig-snapshot"
VERSION: Final = 1
DESCRIPTOR: Final = "ntsecuritydescriptor"
TOKEN_GROUPS: Final = "tokengroups"  # noqa: S105 - the name of an attribute
_SIDS: Final = frozenset({"objectsid", "sidhistory", "tokengroups"})
_GUIDS: Final = frozenset({"objectguid", "schemaidguid", "attributesecurityguid"})
#: Where rootDSE names naming contexts; every domain is one too. Their roots inherit nothing (MS-ADTS 6.1.3).
_NAMING_CONTEXTS: Final = (
    "default_naming_context",
    "configuration_naming_context",
    "schema_naming_context",
    "root_domain_naming_context",
)

#: Whether an object of this name is as far below a base as a search goes.
_WITHIN: Final[dict[Scope, Callable[[Rdns, Rdns], bool]]] = {
    Scope.BASE: lambda name, base: name == base,
    Scope.ONE_LEVEL: lambda name, base: name[1:] == base,
    Scope.SUBTREE: lambda name, base: name[-len(base) :] == base,
}


class SnapshotDirectory:
    """A directory kept in a file: see ``directory.Directory`` for what its methods promise."""

    def __init__(self, path: Path, header: dict[str, Any], entries: Iterable[Entry]) -> None:
        self._path = path
        self._header = header
        self._root = _root_dse(path, header)
        self._entries = {DistinguishedName.parse(entry.dn).rdns: entry for entry in entries}
        self._root = self._with_forest_root_sid()
        self._contexts = self._naming_contexts()
        self._schema = Schema(self)
        self._groups_of: dict[Rdns, list[Rdns]] | None = None

    @classmethod
    def open(cls, path: str | Path) -> SnapshotDirectory:
        """The directory that the file holds. Raises SnapshotError, naming the line that cannot be read."""
        path = Path(path)
        header, entries = _read(path)
        return cls(path, header, entries)

    def __repr__(self) -> str:
        return f"SnapshotDirectory({str(self._path)!r})"

    @property
    def root(self) -> RootDse:
        """The naming contexts, and the controller that the snapshot was taken from."""
        return self._root

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        """The object with this DN. Raises NotFound, ParameterError for a DN that is none."""
        name = DistinguishedName.parse(dn).rdns
        entry = self._entry(name, dn)
        if TOKEN_GROUPS in map(str.lower, attributes) and TOKEN_GROUPS not in entry.attributes:
            entry = self._with_token_groups(name, entry)
        return _selected(entry, attributes)

    def search(
        self,
        base: str,
        condition: Filter,
        attributes: Sequence[str],
        *,
        scope: Scope = Scope.SUBTREE,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """The objects below the base that meet the condition, ``limit`` at most. Raises as ``get``."""
        return islice(self._search(base, condition, attributes, scope), limit)

    def _search(
        self, base: str, condition: Filter, attributes: Sequence[str], scope: Scope
    ) -> Iterator[Entry]:
        above = DistinguishedName.parse(base).rdns
        self._entry(above, base)
        context = self._context_of(above)
        for name, entry in self._entries.items():
            within = _WITHIN[scope](name, above)
            # As on a controller, a search ends where another naming context begins.
            if within and self._context_of(name) == context and condition.matches(entry.attributes):
                yield _selected(entry, attributes)

    def write_dacl(self, dn: str, descriptor: SecurityDescriptor) -> None:
        """Replace the object's DACL, derive again what is inherited there and below, and save the file."""
        name = DistinguishedName.parse(dn).rdns
        current = self._entry(name, dn).security_descriptor()
        bits = Control.DACL_PRESENT | Control.DACL_PROTECTED | Control.DACL_AUTO_INHERITED
        control = current.control.without(bits) | (descriptor.control & bits)
        self._write(name, replace(current, dacl=descriptor.dacl, control=control))

    def write_owner(self, dn: str, owner: Sid) -> None:
        """Make this the object's owner, derive again what is inherited there and below, and save the file."""
        name = DistinguishedName.parse(dn).rdns
        self._write(name, replace(self._entry(name, dn).security_descriptor(), owner=owner))

    def _write(self, name: Rdns, written: SecurityDescriptor) -> None:
        self._put(name, self._inherited(name, written))
        depth = len(name)
        below = sorted((each for each in self._entries if each[-depth:] == name and each != name), key=len)
        for child in below:
            entry = self._entries[child]
            if DESCRIPTOR in entry.attributes:
                self._put(child, self._inherited(child, entry.security_descriptor()))
        self._save()

    def modify_values(
        self, dn: str, attribute: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add values to the object's attribute and remove others, and save the file."""
        name = DistinguishedName.parse(dn).rdns
        entry = self._entry(name, dn)
        key = attribute.lower()
        gone = {value.casefold() for value in remove}
        kept = [value for value in entry.values(key) if value.casefold() not in gone]
        values = tuple(value.encode("utf-8") for value in (*kept, *add))
        attributes = {each: value for each, value in entry.attributes.items() if each != key}
        self._entries[name] = Entry(entry.dn, {**attributes, key: values} if values else attributes)
        self._groups_of = None  # who is in which group may be another now
        self._save()

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
        entry = self._entries.get(DistinguishedName.parse(domain).rdns)
        if entry is None:
            raise Unreachable(f"the snapshot '{self._path}' does not hold the domain {dns_name}")
        other = SnapshotDirectory.__new__(SnapshotDirectory)
        vars(other).update(vars(self))
        other._root = replace(self._root, default_naming_context=entry.dn)
        return other

    def close(self) -> None:
        """Nothing to let go of: every write is saved at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _entry(self, name: Rdns, dn: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise NotFound(dn)
        return entry

    def _with_token_groups(self, name: Rdns, entry: Entry) -> Entry:
        """The entry with the groups that a controller would work out for it, when asked for it alone."""
        if self._groups_of is None:
            self._groups_of = memberships(self._entries)
        sids = token_groups(name, self._entries, self._groups_of)
        return Entry(entry.dn, {**entry.attributes, TOKEN_GROUPS: tuple(sid.to_bytes() for sid in sids)})

    def _put(self, name: Rdns, descriptor: SecurityDescriptor) -> None:
        entry = self._entries[name]
        self._entries[name] = Entry(entry.dn, {**entry.attributes, DESCRIPTOR: (descriptor.to_bytes(),)})

    def _inherited(self, name: Rdns, descriptor: SecurityDescriptor) -> SecurityDescriptor:
        """The descriptor of the object with what its parent's gives it now."""
        entry = self._entries[name]
        parent = self._entries.get(name[1:])
        if parent is None or name in self._contexts or DESCRIPTOR not in parent.attributes:
            return descriptor
        most_specific = entry.values("objectClass")[-1]
        try:
            guid = self._schema.guid(Kind.CLASS, most_specific)
        except UnknownName:
            guid = UUID(int=0)  # a class that no entry can name: only entries for every class apply
        return inherit(parent.security_descriptor(), descriptor, object_class_guid=guid)

    def _with_forest_root_sid(self) -> RootDse:
        """What rootDSE says, with the SID of the forest's root from its entry in files that leave it out."""
        root = self._entries.get(DistinguishedName.parse(self._root.root_domain_naming_context).rdns)
        if self._root.forest_root_sid is not None or root is None:
            return self._root
        with suppress(DirectoryError):  # a malformed one is told when it is needed
            if sid := root.sid():
                return replace(self._root, forest_root_sid=str(sid))
        return self._root

    def _naming_contexts(self) -> frozenset[Rdns]:
        named = (DistinguishedName.parse(getattr(self._root, each)).rdns for each in _NAMING_CONTEXTS)
        domains = (
            name for name, entry in self._entries.items() if "domainDNS" in entry.values("objectClass")
        )
        return frozenset((*named, *domains))

    def _context_of(self, name: Rdns) -> Rdns:
        """The naming context that holds the object: the nearest one above it."""
        return next((name[start:] for start in range(len(name)) if name[start:] in self._contexts), ())

    def _save(self) -> None:
        write_snapshot(self._path, self._root, self._entries.values(), origin=self._header.get("origin", ""))


def write_snapshot(path: str | Path, root: RootDse, entries: Iterable[Entry], *, origin: str = "") -> None:
    """Write a snapshot file in one step, readable by its owner alone. Raises SnapshotError."""
    path = Path(path)
    numbers: dict[bytes, int] = {}
    entry_lines = []
    for entry in entries:
        attributes = {
            name: [_to_json(name, bytes(value)) for value in values]
            for name, values in entry.attributes.items()
            if name != DESCRIPTOR
        }
        raw = next(iter(entry.attributes.get(DESCRIPTOR, ())), None)
        number = None if raw is None else numbers.setdefault(bytes(raw), len(numbers) + 1)
        entry_lines.append(_line({"dn": entry.dn, "descriptor": number, "attributes": attributes}))
    header = {
        "format": FORMAT,
        "version": VERSION,
        "origin": origin,
        "descriptors": len(numbers),
        "entries": len(entry_lines),
        "rootDSE": asdict(root),
    }
    lines = [_line(header)]
    lines += (
        _line({"descriptor": number, "base64": base64.b64encode(raw).decode("ascii")})
        for raw, number in numbers.items()
    )
    data = "".join((*lines, *entry_lines)).encode("utf-8")
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        # A new file beside the old one, moved over it: a reader sees the one or the other, whole.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise SnapshotError(f"cannot write the snapshot '{path}': {error.strerror}") from error


def _read(path: Path) -> tuple[dict[str, Any], list[Entry]]:
    lines = _lines(path)
    number, header = next(lines, (1, None))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise SnapshotError(f"'{path}' is no snapshot: its first line does not say {FORMAT}")
    if header.get("version") != VERSION:
        raise SnapshotError(f"'{path}' has version {header.get('version')!r}; this program reads {VERSION}")
    descriptors: dict[int, bytes] = {}
    entries: list[Entry] = []
    for number, record in lines:
        try:
            if "dn" in record:
                entries.append(_entry_from_json(record, descriptors))
            else:
                descriptors[record["descriptor"]] = base64.b64decode(record["base64"], validate=True)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SnapshotError(f"line {number} of '{path}' is damaged: {error!r}") from error
    for what, found in (("descriptors", len(descriptors)), ("entries", len(entries))):
        if header.get(what) != found:
            raise SnapshotError(
                f"'{path}' was cut off: it promises {header.get(what)} {what} and holds {found}"
            )
    return header, entries


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Each line's number and value."""
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                yield number, json.loads(line)
    except FileNotFoundError as error:
        raise SnapshotError(f"there is no snapshot '{path}'") from error
    except (ValueError, EOFError) as error:  # no JSON, no UTF-8, or a gzip stream that ends too early
        raise SnapshotError(f"line {number} of '{path}' is damaged: {error}") from error
    except OSError as error:
        raise SnapshotError(f"cannot read the snapshot '{path}': {error.strerror or error}") from error


def _root_dse(path: Path, header: dict[str, Any]) -> RootDse:
    try:
        return RootDse(**header["rootDSE"])
    except (KeyError, TypeError) as error:
        raise SnapshotError(f"the first line of '{path}' has no whole rootDSE") from error


def _entry_from_json(record: dict[str, Any], descriptors: dict[int, bytes]) -> Entry:
    attributes = {
        name.lower(): tuple(_from_json(name.lower(), value) for value in values)
        for name, values in record["attributes"].items()
    }
    if record["descriptor"] is not None:
        attributes[DESCRIPTOR] = (descriptors[record["descriptor"]],)
    return Entry(str(record["dn"]), attributes)


def _from_json(name: str, value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    if name in _SIDS:
        return Sid.from_string(value).to_bytes()
    if name in _GUIDS:
        return UUID(value).bytes_le
    return str(value).encode("utf-8")


def _to_json(name: str, value: bytes) -> Any:
    # What its attribute's form does not fit is kept as bytes.
    with suppress(AclError, ValueError):
        if name in _SIDS:
            return str(Sid.from_bytes(value))
        if name in _GUIDS:
            return str(UUID(bytes_le=value))
        return value.decode("utf-8")
    return {"base64": base64.b64encode(value).decode("ascii")}


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": ")) + "\n"


def _selected(entry: Entry, attributes: Sequence[str]) -> Entry:
    wanted = {name.lower() for name in attributes}
    return Entry(entry.dn, {name: values for name, values in entry.attributes.items() if name in wanted})
