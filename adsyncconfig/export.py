"""A directory written to a snapshot file, with what every command needs to run on it as on the directory.

Rule 1: the attributes that are written stand in a list here, and nothing else is asked for or kept: none of them
        can hold a password, a hash of one or a key. A description is written as it stands, whatever was put in it.
Rule 2: the directory is read page by page and never held. What is kept of an object is a hash of its name.
Rule 3: what could not be read stands in the file's first line, and an object whose permissions could not be read
        is written without any: whoever audits the file is told the same as whoever audits the directory.
Rule 4: below a search base alone, what belongs to it is written too: what it is in, the accounts and groups that
        its permissions name, the connector accounts, and the groups that all of these are in.

Sources: MS-ADTS 3.1.1.2 (schema), 5.1.3.2.1 (control access rights), 6.1.1.2.1 (crossRef objects).
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from acl import AclError, SecurityDescriptor, Sid
from acl.intern import BoundedTable

from .account import implied_groups
from .apply import Notify
from .connectors import find_connector_accounts
from .directory import Directory, Entry
from .dn import DistinguishedName, name_key
from .errors import ADSyncConfigError, DirectoryError, NotFound, ParameterError
from .filters import EVERYTHING, AnyOf, Equals
from .forest import domains
from .search_base import SearchBase, named_base
from .snapshot_index import HashTable, key_hash
from .snapshot_writing import write_snapshot
from .survey import streamed

__all__ = ["ATTRIBUTES", "HOLDS", "ExportResult", "export_snapshot"]

#: What is written of the objects of a domain.
_OF_DOMAINS: Final = (
    "objectClass", "name", "cn", "objectSid", "objectGUID", "nTSecurityDescriptor", "adminCount", "member",
    "primaryGroupID", "groupType", "sIDHistory", "userAccountControl", "pwdLastSet", "lastLogonTimestamp",
    "description", "sAMAccountName", "adminDescription", "isCriticalSystemObject", "gPLink", "whenCreated",
    "msDS-Behavior-Version",
)  # fmt: skip
#: What is written of the configuration and the schema.
_OF_FOREST: Final = (
    "objectClass", "name", "cn", "objectGUID", "nTSecurityDescriptor", "adminCount", "description", "displayName",
    "isCriticalSystemObject", "gPLink", "whenCreated", "msDS-Behavior-Version", "dSHeuristics",
    "lDAPDisplayName", "schemaIDGUID", "attributeSecurityGUID", "rightsGuid", "validAccesses",
    "dnsRoot", "nETBIOSName", "nCName", "systemFlags",
)  # fmt: skip
#: Every attribute that a snapshot may hold, in lower case.
ATTRIBUTES: Final = frozenset(map(str.lower, (*_OF_DOMAINS, *_OF_FOREST)))
#: What a file says of itself.
HOLDS: Final = (
    "names, classes, SIDs, group memberships, dates and permissions; no passwords, hashes or keys; descriptions "
    "as they were written"
)
_DESCRIPTOR: Final = "ntsecuritydescriptor"
_PROGRESS: Final = 10_000
_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written, and what was not.

    ``bases`` are the DNs that were searched; ``unreadable`` counts objects whose permissions could not be read, and
    ``not_read`` says in a line each what was not looked at.
    """

    path: str
    controller: str
    bases: tuple[str, ...]
    objects: int
    unreadable: int
    not_read: tuple[str, ...]
    taken: datetime

    @property
    def exit_code(self) -> int:
        """0 when everything was read, else 3."""
        return 3 if self.unreadable or self.not_read else 0

    def to_json(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "cmdlet": "Export-ADSyncSnapshot",
            "path": self.path,
            "controller": self.controller,
            "bases": list(self.bases),
            "objects": self.objects,
            "unreadable": self.unreadable,
            "notRead": list(self.not_read),
            "taken": self.taken.isoformat(),
            "holds": HOLDS,
        }


def export_snapshot(
    directory: Directory,
    path: str | Path,
    *,
    search_base: str | None = None,
    force: bool = False,
    notify: Notify | None = None,
) -> ExportResult:
    """Write every domain that can be reached, the configuration and the schema; or what is below a search base.

    ``search_base`` is a DN, or the DNS or NetBIOS name of a domain. The file is its owner's alone, packed when its
    name ends in .gz, and there when it is whole; one that is there already is replaced under ``force`` alone.
    Raises ParameterError, UnknownName, DirectoryError and SnapshotError.
    """
    path = Path(path)
    # Path.is_dir raises for a name that is too long.
    if not path.name or os.path.isdir(path) or (os.path.lexists(path) and not force):  # noqa: PTH112
        raise ParameterError(f"-Path '{path}' is there already: name a new file, or add -Force")
    if not os.path.isdir(path.parent):  # noqa: PTH112
        raise ParameterError(f"-Path '{path}': there is no folder '{path.parent}'")
    taken = datetime.now(UTC)
    export = _Export(directory, search_base, notify or (lambda _: None))
    more: dict[str, Any] = {"taken": taken.isoformat(timespec="seconds"), "holds": HOLDS}

    def entries() -> Iterator[Entry]:
        yield from export.entries()
        more["bases"] = [base.dn for base in export.bases]
        more["notRead"] = export.not_read

    origin = f"Export-ADSyncSnapshot from {directory.root.controller}"
    objects = write_snapshot(path, directory.root, entries(), origin=origin, more=more, replace=force)
    return ExportResult(
        path=str(path),
        controller=directory.root.controller,
        bases=tuple(base.dn for base in export.bases),
        objects=objects,
        unreadable=export.unreadable,
        not_read=tuple(export.not_read),
        taken=taken,
    )


class _Names:
    """The names seen so far, 16 bytes each."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._room = 1024
        self._table = HashTable(self._room, self._hashes)

    def add(self, dn: str) -> bool:
        """Note a name; False where it was noted before."""
        value = key_hash(name_key(dn))
        if self._table.first(value) >= 0:
            return False
        if len(self._hashes) == self._room:
            self._room *= 2
            self._table = HashTable(self._room, self._hashes)
            for ordinal, each in enumerate(self._hashes):
                self._table.put(each, ordinal)
        self._table.put(value, len(self._hashes))
        self._hashes.append(value)
        return True


class _Export:
    """The entries, in the order in which they are read, and what becomes of reading them."""

    def __init__(self, directory: Directory, search_base: str | None, tell: Notify) -> None:
        self._directory = directory
        self._tell = tell
        self._names = _Names()
        self._sids: dict[Sid, None] = {}
        self._looked_at = BoundedTable[bytes, None](100_000)
        self._is_part = search_base is not None
        self.not_read: list[str] = []
        self.unreadable = 0
        self._written = 0
        self._reached = self._domains()
        root = directory.root
        forest = [
            SearchBase(directory, dn)
            for dn in (root.configuration_naming_context, root.schema_naming_context)
        ]
        if search_base is None:
            local = [SearchBase(each, each.root.default_naming_context) for each in self._reached.values()]
            self.bases = [*local, *forest]
            self._beside: list[SearchBase] = []
        else:
            self.bases = [named_base(directory, search_base)]
            self._beside = forest
            self.not_read.append(f"everything but '{self.bases[0].dn}' and what belongs to it")

    def entries(self) -> Iterator[Entry]:
        """Every object to write, each once. Raises DirectoryError where the beginning cannot be read."""
        for base in self.bases:
            if self._is_part:
                yield from self._kept(self._above(base))
            yield from self._kept(self._below(base))
        if self._is_part:
            yield from self._kept(self._named())
        for base in self._beside:
            yield from self._kept(self._below(base))

    def _domains(self) -> dict[str, Directory]:
        reached = {}
        for domain in domains(self._directory):
            try:
                reached[domain.dns_name] = self._directory.for_domain(domain.dns_name)
            except DirectoryError as error:
                self.not_read.append(f"the domain {domain.dns_name}: {error}")
        return reached

    def _kept(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if not self._names.add(entry.dn):
                continue
            attributes = {name: values for name, values in entry.attributes.items() if name in ATTRIBUTES}
            raw = next(iter(attributes.get(_DESCRIPTOR, ())), None)
            if raw is None:
                self.unreadable += 1
            elif self._is_part:
                self._look_at(bytes(raw))
            self._written += 1
            if self._written % _PROGRESS == 0:
                self._tell(f"{self._written:,} objects written, the last '{entry.dn}'.")
            yield Entry(entry.dn, attributes)

    def _below(self, base: SearchBase) -> Iterator[Entry]:
        wanted = self._attributes(base)
        return streamed(base, EVERYTHING, wanted, lost=self.not_read.append, tell=self._tell)

    def _attributes(self, base: SearchBase) -> Sequence[str]:
        above = name_key(self._directory.root.configuration_naming_context)
        key = name_key(base.dn)
        return _OF_FOREST if key == above or key.endswith(f",{above}") else _OF_DOMAINS

    def _above(self, base: SearchBase) -> Iterator[Entry]:
        """What the base is in, from the root of its domain down, and the domain's AdminSDHolder."""
        root = base.directory.root.default_naming_context
        above = []
        parent = DistinguishedName.parse(base.dn).parent
        while parent and name_key(parent).endswith(name_key(root)):
            above.append(parent)
            parent = DistinguishedName.parse(parent).parent
        for dn in (*reversed(above), f"CN=System,{root}", f"CN=AdminSDHolder,CN=System,{root}"):
            try:
                yield base.directory.get(dn, _OF_DOMAINS)
            except NotFound:
                continue

    def _look_at(self, raw: bytes) -> None:
        """Note whom a descriptor names."""
        if self._looked_at.get(raw, self) is None:
            return
        self._looked_at.keep(raw, None)
        try:
            descriptor = SecurityDescriptor.from_bytes(raw)
        except AclError:
            return
        for sid in (descriptor.owner, *(ace.sid for ace in descriptor.dacl or ())):
            if sid is not None and sid.domain is not None:
                self._sids[sid] = None

    def _named(self) -> Iterator[Entry]:
        """The accounts and groups that permissions name, the connector accounts, and the groups of all of them."""
        for account in find_connector_accounts(self._directory).accounts:
            self._sids[account.sid] = None
        for local in self._reached.values():
            self._sids.update(dict.fromkeys(implied_groups(local)))
        done: set[Sid] = set()
        while waiting := [sid for sid in self._sids if sid not in done][:_BATCH]:
            done.update(waiting)
            condition = AnyOf(tuple(Equals("objectSid", str(sid)) for sid in waiting))
            for local in self._reached.values():
                found = SearchBase(local, local.root.default_naming_context)
                lost = self.not_read.append
                for entry in list(streamed(found, condition, _OF_DOMAINS, lost=lost, tell=self._tell)):
                    self._note_groups(local, entry)
                    yield entry

    def _note_groups(self, local: Directory, entry: Entry) -> None:
        try:
            groups = local.get(entry.dn, ["tokenGroups"]).attributes.get("tokengroups", ())
            self._sids.update(dict.fromkeys(map(Sid.from_bytes, groups)))
        except (ADSyncConfigError, AclError) as error:
            self.not_read.append(f"the groups of '{entry.dn}': {error}")
