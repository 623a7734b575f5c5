"""Names of classes, attributes and rights, and the GUIDs that stand for them in an ACE.

Rule 1: the forest's own schema is asked first: it knows what Exchange and later versions added.
Rule 2: the bundled table answers only where the directory holds no schema at all (a snapshot may leave it
        out). A name that a schema does not have is unknown, whatever the table says.
Rule 3: rights go by the CN of their object under CN=Extended-Rights, never by display name, which differs
        between controllers and languages.

Sources: MS-ADTS 3.1.1.2 (schema), 5.1.3.2.1 (control access rights); the table names its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from .directory import Directory, Scope
from .errors import NotFound, UnknownName
from .filters import AnyOf, Equals

__all__ = ["Kind", "Right", "Schema", "bundled", "bundled_property_sets", "bundled_rights"]


class Kind(Enum):
    """What a name may stand for; the value is how messages call it."""

    CLASS = "class"
    ATTRIBUTE = "attribute"
    RIGHT = "control access right"


@dataclass(frozen=True, slots=True)
class Right:
    """A controlAccessRight: its CN and GUID, the name that Windows shows in English, and what it is for.

    ``valid_accesses`` is 0x100 for a control access right, 0x8 for a validated write, 0x30 for a property set.
    """

    cn: str
    guid: UUID
    display_name: str
    valid_accesses: int


_TABLE = Path(__file__).parent / "data" / "schema.json"
_SECTION = {Kind.CLASS: "classes", Kind.ATTRIBUTE: "attributes", Kind.RIGHT: "rights"}


class Schema:
    """The GUIDs of one forest's names; each is asked for once."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._asked: set[tuple[Kind, str]] = set()
        self._known: dict[tuple[Kind, str], UUID] = {}
        #: Of the attributes asked for that are in a property set: its GUID, under their names in lower case.
        self.property_sets: dict[str, UUID] = {}

    def guid(self, kind: Kind, name: str) -> UUID:
        """The GUID of the name. Raises UnknownName where this forest does not have it."""
        return self.guids(kind, [name])[name]

    def guids(self, kind: Kind, names: Iterable[str]) -> dict[str, UUID]:
        """The GUIDs of several names of one kind, with one request. Raises UnknownName for one missing."""
        wanted = list(names)
        known = self.known(kind, wanted)
        for name in wanted:
            if name not in known:
                raise UnknownName(name, kind.value, f"this forest's schema has no {kind.value} '{name}'")
        return known

    def known(self, kind: Kind, names: Iterable[str]) -> dict[str, UUID]:
        """The GUIDs of those of the names that this forest has, with one request."""
        wanted = list(dict.fromkeys(names))
        return {name: guid for (_, name), guid in self.all_known({kind: wanted}).items()}

    def all_known(self, names: Mapping[Kind, Iterable[str]]) -> dict[tuple[Kind, str], UUID]:
        """The GUIDs of those of the names that this forest has: a request for the schema, and one for rights."""
        wanted = [(kind, name) for kind, each in names.items() for name in each]
        missing = [(kind, name) for kind, name in wanted if (kind, name.lower()) not in self._asked]
        self._asked.update((kind, name.lower()) for kind, name in missing)
        rights = [name for kind, name in missing if kind is Kind.RIGHT]
        if rights:
            self._look_up_rights(rights)
        if len(rights) < len(missing):
            self._look_up_schema([(kind, name) for kind, name in missing if kind is not Kind.RIGHT])
        return {
            (kind, name): self._known[kind, name.lower()]
            for kind, name in wanted
            if (kind, name.lower()) in self._known
        }

    def _look_up_rights(self, names: list[str]) -> None:
        found = self._directory.search(
            f"CN=Extended-Rights,{self._directory.root.configuration_naming_context}",
            AnyOf(tuple(Equals("cn", name) for name in names)),
            ["cn", "rightsGuid"],
            scope=Scope.ONE_LEVEL,
        )
        try:
            for entry in found:
                # rightsGuid is text, unlike every other GUID in the directory.
                self._known[Kind.RIGHT, (entry.text("cn") or "").lower()] = UUID(
                    entry.text("rightsGuid") or ""
                )
        except NotFound:
            self._take_bundled((Kind.RIGHT, name) for name in names)

    def _look_up_schema(self, wanted: list[tuple[Kind, str]]) -> None:
        found = self._directory.search(
            self._directory.root.schema_naming_context,
            AnyOf(tuple(Equals("lDAPDisplayName", name) for _, name in wanted)),
            ["objectClass", "lDAPDisplayName", "schemaIDGUID", "attributeSecurityGUID"],
            scope=Scope.ONE_LEVEL,
        )
        try:
            for entry in found:
                kind = Kind.CLASS if "classSchema" in entry.values("objectClass") else Kind.ATTRIBUTE
                name = (entry.text("lDAPDisplayName") or "").lower()
                if (guid := entry.guid("schemaIDGUID")) is not None:
                    self._known[kind, name] = guid
                if (property_set := entry.guid("attributeSecurityGUID")) is not None:
                    self.property_sets[name] = property_set
        except NotFound:
            self._take_bundled(wanted)
            self.property_sets.update(bundled_property_sets())

    def _take_bundled(self, wanted: Iterable[tuple[Kind, str]]) -> None:
        for kind, name in wanted:
            if (guid := bundled(kind).get(name)) is not None:
                self._known[kind, name.lower()] = guid


@cache
def bundled(kind: Kind) -> dict[str, UUID]:
    """Every name of one kind that the bundled table has, with its GUID."""
    values: dict[str, Any] = _table()[_SECTION[kind]]
    if kind is Kind.RIGHT:
        return {name: UUID(right["rightsGuid"]) for name, right in values.items()}
    return {name: UUID(guid) for name, guid in values.items()}


@cache
def bundled_property_sets() -> dict[str, UUID]:
    """The property sets of those attributes that the bundled table knows to be in one, names in lower case."""
    sets: dict[str, str] = _table()["propertySets"]
    return {name.lower(): UUID(guid) for name, guid in sets.items()}


@cache
def bundled_rights() -> tuple[Right, ...]:
    """Every control access right, validated write and property set that the bundled table has."""
    return tuple(
        Right(name, UUID(right["rightsGuid"]), right["displayName"] or name, right["validAccesses"])
        for name, right in _table()[_SECTION[Kind.RIGHT]].items()
    )


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table
