"""The names of a forest's SIDs and GUIDs, as Windows shows them: asked for in batches, each once.

Rule 1: a SID that means the same everywhere goes by the table; another by the account that has it, as
        ``DOMAIN\\sAMAccountName``, in whichever domain of the forest issued it. One that nobody has stays a SID.
Rule 2: a GUID is first looked for among the control access rights, then in the schema: Windows shows
        bf9679c0-... as "Add/Remove self as member", though it is the attribute member too.
Rule 3: rights go by the English names that Windows shows; a controller's own display names may differ. What
        Exchange and others added, and classes and attributes, go by the live directory, then the bundled table.
Rule 4: a domain that cannot be reached costs its names only, and ``Names.notices`` says so.

Sources: MS-ADTS 3.1.1.2.3 (schemaIDGUID), 5.1.3.2.1 (control access rights); MS-DTYP 2.4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar
from uuid import UUID

from acl import AccessMask, SecurityDescriptor, Sid

from .directory import Directory, Scope
from .errors import NotFound, Unreachable
from .filters import AnyOf, Equals, EqualsBytes
from .forest import Domain, domains
from .schema import Kind, bundled, bundled_rights
from .well_known import WELL_KNOWN_NAMES

__all__ = ["KnownNames", "Names", "ObjectType", "ObjectTypeKind"]

#: How many SIDs or GUIDs one request asks for.
BATCH: Final = 50

T = TypeVar("T")


class ObjectTypeKind(Enum):
    """What the GUID of an entry may stand for."""

    CLASS = "class"
    ATTRIBUTE = "attribute"
    PROPERTY_SET = "property set"
    VALIDATED_WRITE = "validated write"
    CONTROL_ACCESS = "control access right"


_KINDS: Final = {
    0x8: ObjectTypeKind.VALIDATED_WRITE,
    0x30: ObjectTypeKind.PROPERTY_SET,
    0x100: ObjectTypeKind.CONTROL_ACCESS,
}
#: The rights of an entry by which to choose between two names of one GUID, and to guess what an unknown one is.
_RIGHTS: Final = {
    ObjectTypeKind.CLASS: AccessMask.DS_CREATE_CHILD | AccessMask.DS_DELETE_CHILD,
    ObjectTypeKind.CONTROL_ACCESS: AccessMask.DS_CONTROL_ACCESS,
    ObjectTypeKind.VALIDATED_WRITE: AccessMask.DS_WRITE_PROPERTY_EXTENDED,
    ObjectTypeKind.PROPERTY_SET: AccessMask.DS_READ_PROPERTY | AccessMask.DS_WRITE_PROPERTY,
    ObjectTypeKind.ATTRIBUTE: AccessMask.DS_READ_PROPERTY | AccessMask.DS_WRITE_PROPERTY,
}


@dataclass(frozen=True, slots=True)
class ObjectType:
    """What a GUID stands for, and its name."""

    name: str
    kind: ObjectTypeKind


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that were found, for whoever prints; what has none prints as SID or GUID."""

    trustees: Mapping[Sid, str]
    object_types: Mapping[UUID, tuple[ObjectType, ...]]

    def trustee(self, sid: Sid) -> str:
        """``DOMAIN\\name``, or the SID itself."""
        return self.trustees.get(sid) or str(sid)

    def object_type(self, guid: UUID, mask: int) -> ObjectType:
        """What the GUID of an entry with this mask stands for; of two names the one that its rights are for."""
        found = self.object_types.get(guid, ())
        for each in found:
            if mask & _RIGHTS[each.kind]:
                return each
        if found:
            return found[0]
        kinds = [kind for kind, rights in _RIGHTS.items() if mask & rights]
        return ObjectType(str(guid), kinds[0] if kinds else ObjectTypeKind.ATTRIBUTE)

    def class_name(self, guid: UUID) -> str:
        """The class that inherits, or the GUID itself."""
        found = self.object_types.get(guid, ())
        return next((each.name for each in found if each.kind is ObjectTypeKind.CLASS), str(guid))


class Names:
    """The names of one forest, kept for as long as this is."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._trustees: dict[Sid, str | None] = dict(WELL_KNOWN_NAMES)
        self._object_types: dict[UUID, tuple[ObjectType, ...]] = _bundled_rights()
        self._asked: set[UUID] = set(self._object_types)
        self._domains: tuple[Domain, ...] | None = None
        self._notices: dict[str, None] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """What could not be asked, a line each."""
        return tuple(self._notices)

    def of(self, *descriptors: SecurityDescriptor) -> KnownNames:
        """The names of every owner, group, trustee and GUID of these descriptors. Raises DirectoryError."""
        sids: dict[Sid, None] = {}
        guids: dict[UUID, None] = {}
        for descriptor in descriptors:
            aces = tuple(descriptor.dacl or ())
            for sid in (descriptor.owner, descriptor.group, *(ace.sid for ace in aces)):
                if sid is not None:
                    sids[sid] = None
            for ace in aces:
                for guid in (ace.object_type, ace.inherited_object_type):
                    if guid is not None:
                        guids[guid] = None
        return KnownNames(self.trustees(sids), self.object_types(guids))

    def trustees(self, sids: Iterable[Sid]) -> dict[Sid, str]:
        """The names of those of the SIDs that have one. Raises DirectoryError."""
        wanted = list(dict.fromkeys(sids))
        unknown = [sid for sid in wanted if sid not in self._trustees]
        if unknown:
            self._trustees.update(dict.fromkeys(unknown))
            self._trustees.update(self._look_up(unknown))
        return {sid: name for sid in wanted if (name := self._trustees[sid]) is not None}

    def object_types(self, guids: Iterable[UUID]) -> dict[UUID, tuple[ObjectType, ...]]:
        """What those of the GUIDs stand for that this forest or the bundled table knows."""
        wanted = list(dict.fromkeys(guids))
        unknown = [guid for guid in wanted if guid not in self._asked]
        self._asked.update(unknown)
        for source in (self._rights, self._schema, _bundled_schema):
            missing = [guid for guid in unknown if guid not in self._object_types]
            if missing:
                self._object_types.update(source(missing))
        return {guid: self._object_types[guid] for guid in wanted if guid in self._object_types}

    def _look_up(self, sids: list[Sid]) -> Iterator[tuple[Sid, str]]:
        """The names of accounts and groups: this domain is asked first, another only for what it issued."""
        if self._domains is None:
            self._domains = domains(self._directory)
        here = self._directory.root.domain
        missing = list(sids)
        for domain in sorted(self._domains, key=lambda each: each.dns_name != here):
            if not missing:
                return
            try:
                local = self._directory.for_domain(domain.dns_name)
                root = local.root.default_naming_context
                issuer = local.get(root, ["objectSid"]).sid()
                # Built-in groups that the table lacks have the same SIDs in every domain.
                issued = [sid for sid in missing if sid.domain == issuer or _is_built_in(sid)]
                if issuer is None or not issued:
                    continue
                prefix = domain.netbios_name or domain.dns_name
                for batch in _batches(issued):
                    condition = AnyOf(tuple(Equals("objectSid", str(sid)) for sid in batch))
                    for entry in local.search(root, condition, ["objectSid", "sAMAccountName", "name"]):
                        sid = entry.sid()
                        name = entry.text("sAMAccountName") or entry.text("name")
                        if sid is not None and name:
                            yield sid, f"{'BUILTIN' if _is_built_in(sid) else prefix}\\{name}"
                missing = [sid for sid in missing if sid not in issued]
            except Unreachable as error:
                self._notices[f"the accounts of {domain.dns_name} are shown as SIDs: {error}"] = None

    def _rights(self, guids: list[UUID]) -> dict[UUID, tuple[ObjectType, ...]]:
        found: dict[UUID, tuple[ObjectType, ...]] = {}
        base = f"CN=Extended-Rights,{self._directory.root.configuration_naming_context}"
        attributes = ["cn", "displayName", "rightsGuid", "validAccesses"]
        try:
            for batch in _batches(guids):
                # rightsGuid is text, unlike every other GUID in the directory.
                condition = AnyOf(tuple(Equals("rightsGuid", str(guid)) for guid in batch))
                for entry in self._directory.search(base, condition, attributes, scope=Scope.ONE_LEVEL):
                    guid = UUID(entry.text("rightsGuid") or "")
                    kind = _KINDS.get(int(entry.text("validAccesses") or 0), ObjectTypeKind.CONTROL_ACCESS)
                    name = entry.text("displayName") or entry.text("cn") or str(guid)
                    found[guid] = (*found.get(guid, ()), ObjectType(name, kind))
        except NotFound:
            return {}  # a snapshot may leave it out
        return found

    def _schema(self, guids: list[UUID]) -> dict[UUID, tuple[ObjectType, ...]]:
        found: dict[UUID, tuple[ObjectType, ...]] = {}
        base = self._directory.root.schema_naming_context
        attributes = ["lDAPDisplayName", "schemaIDGUID", "objectClass"]
        try:
            for batch in _batches(guids):
                condition = AnyOf(tuple(EqualsBytes("schemaIDGUID", guid.bytes_le) for guid in batch))
                for entry in self._directory.search(base, condition, attributes, scope=Scope.ONE_LEVEL):
                    guid, name = entry.guid("schemaIDGUID"), entry.text("lDAPDisplayName")
                    if guid is not None and name:
                        is_class = "classSchema" in entry.values("objectClass")
                        kind = ObjectTypeKind.CLASS if is_class else ObjectTypeKind.ATTRIBUTE
                        found[guid] = (*found.get(guid, ()), ObjectType(name, kind))
        except NotFound:
            return {}
        return found


def _bundled_rights() -> dict[UUID, tuple[ObjectType, ...]]:
    found: dict[UUID, tuple[ObjectType, ...]] = {}
    for right in bundled_rights():
        kind = _KINDS.get(right.valid_accesses, ObjectTypeKind.CONTROL_ACCESS)
        found[right.guid] = (*found.get(right.guid, ()), ObjectType(right.display_name, kind))
    return found


def _bundled_schema(guids: list[UUID]) -> dict[UUID, tuple[ObjectType, ...]]:
    wanted = set(guids)
    return {
        guid: (ObjectType(name, kind),)
        for kind, table in (
            (ObjectTypeKind.ATTRIBUTE, bundled(Kind.ATTRIBUTE)),
            (ObjectTypeKind.CLASS, bundled(Kind.CLASS)),
        )
        for name, guid in table.items()
        if guid in wanted
    }


def _is_built_in(sid: Sid) -> bool:
    return sid.authority == 5 and sid.sub_authorities[:1] == (32,)


def _batches(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
