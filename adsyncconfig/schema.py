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
from collections.abc import Iterable
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from .directory import Directory, Scope
from .errors import NotFound, UnknownName
from .filters import AllOf, AnyOf, Equals

__all__ = ["Kind", "Schema", "bundled"]


class Kind(Enum):
    """What a name may stand for; the value is how messages call it."""

    CLASS = "class"
    ATTRIBUTE = "attribute"
    RIGHT = "control access right"


_TABLE = Path(__file__).parent / "data" / "schema.json"
_SCHEMA_CLASS = {Kind.CLASS: "classSchema", Kind.ATTRIBUTE: "attributeSchema"}
_SECTION = {Kind.CLASS: "classes", Kind.ATTRIBUTE: "attributes", Kind.RIGHT: "rights"}


class Schema:
    """The GUIDs of one forest's names; each is asked for once."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._asked: set[tuple[Kind, str]] = set()
        self._known: dict[tuple[Kind, str], UUID] = {}

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
        missing = [name for name in wanted if (kind, name.lower()) not in self._asked]
        if missing:
            self._asked.update((kind, name.lower()) for name in missing)
            for name, guid in self._look_up(kind, missing).items():
                self._known[kind, name.lower()] = guid
        return {
            name: self._known[kind, name.lower()] for name in wanted if (kind, name.lower()) in self._known
        }

    def _look_up(self, kind: Kind, names: list[str]) -> dict[str, UUID]:
        root = self._directory.root
        try:
            if kind is Kind.RIGHT:
                found = self._directory.search(
                    f"CN=Extended-Rights,{root.configuration_naming_context}",
                    AnyOf(tuple(Equals("cn", name) for name in names)),
                    ["cn", "rightsGuid"],
                    scope=Scope.ONE_LEVEL,
                )
                # rightsGuid is text, unlike every other GUID in the directory.
                return {entry.text("cn") or "": UUID(entry.text("rightsGuid") or "") for entry in found}
            found = self._directory.search(
                root.schema_naming_context,
                AllOf(
                    (
                        Equals("objectClass", _SCHEMA_CLASS[kind]),
                        AnyOf(tuple(Equals("lDAPDisplayName", name) for name in names)),
                    )
                ),
                ["lDAPDisplayName", "schemaIDGUID"],
                scope=Scope.ONE_LEVEL,
            )
            return {
                entry.text("lDAPDisplayName") or "": guid
                for entry in found
                if (guid := entry.guid("schemaIDGUID")) is not None
            }
        except NotFound:
            return bundled(kind)


@cache
def bundled(kind: Kind) -> dict[str, UUID]:
    """Every name of one kind that the bundled table has, with its GUID."""
    values: dict[str, Any] = _table()[_SECTION[kind]]
    if kind is Kind.RIGHT:
        return {name: UUID(right["rightsGuid"]) for name, right in values.items()}
    return {name: UUID(guid) for name, guid in values.items()}


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table
