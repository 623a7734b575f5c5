"""Where an entry of an object's list comes from: from the object itself, from which object above it, or from
AdminSDHolder.

Rule 1: an inherited entry is looked for above, parent by parent, until one holds an explicit entry that gives it.
Rule 2: what a parent gives is worked out as a controller does (``acl.inherit``); a parent that may not be read, or
        gives no such entry, ends the search, and the origin says so.
Rule 3: an explicit entry of an object with adminCount is AdminSDHolder's, where AdminSDHolder has the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from uuid import UUID

from acl import Ace, Acl, SecurityDescriptor
from acl.inherit import inherited_aces

from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import DirectoryError
from .plan import ace_text

__all__ = ["ADMIN_SD_HOLDER", "Origin", "OriginKind", "Origins"]

ADMIN_SD_HOLDER: Final = "CN=AdminSDHolder,CN=System,"
_ATTRIBUTES: Final = ("objectClass", "nTSecurityDescriptor", "adminCount")


class OriginKind(Enum):
    """How an entry came to be where it is."""

    EXPLICIT = "explicit"
    INHERITED = "inherited"
    ADMIN_SD_HOLDER = "AdminSDHolder"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry comes from: the object that holds it as its own, and the entry as it stands there.

    For an unknown origin, the object at which the search ended.
    """

    kind: OriginKind
    dn: str
    entry: Ace

    def to_json(self) -> dict[str, Any]:
        """The origin as JSON."""
        return {"kind": self.kind.value, "dn": self.dn, "entry": ace_text(self.entry)}

    def in_words(self) -> str:
        """``inherited from 'OU=...'``."""
        return {
            OriginKind.EXPLICIT: f"explicit on '{self.dn}'",
            OriginKind.INHERITED: f"inherited from '{self.dn}'",
            OriginKind.ADMIN_SD_HOLDER: f"copied from '{self.dn}'",
            OriginKind.UNKNOWN: f"inherited; where from could not be seen at '{self.dn}'",
        }[self.kind]


class Origins:
    """The origins of entries in one domain; each object above is read once.

    ``class_guid`` gives the GUID of a class by its name.
    """

    def __init__(self, directory: Directory, class_guid: Callable[[str], UUID]) -> None:
        self._directory = directory
        self._class_guid = class_guid
        self._read: dict[str, Entry | None] = {}

    def of(self, dn: str, ace: Ace) -> Origin:
        """Where an entry of this object's list comes from."""
        at, entry = dn, ace
        while True:
            held = self._get(at)
            if not entry.is_inherited:
                return self._explicit(dn, at, entry, held)
            above = DistinguishedName.parse(at).parent
            parent = self._get(above) if above else None
            source = None if held is None or parent is None else self._source(held, parent, entry)
            if source is None:
                return Origin(OriginKind.UNKNOWN, above or at, entry)
            at, entry = above, source

    def blocked_at(self, dn: str) -> str | None:
        """The nearest object that inherits nothing, from this one up; None where nothing is in the way."""
        at: str = dn
        while held := self._get(at):
            if _descriptor(held).dacl_is_protected:
                return held.dn
            at = DistinguishedName.parse(at).parent
            if not at:
                break
        return None

    def has_admin_count(self, dn: str) -> bool:
        """True when AdminSDHolder protects the object, or once did."""
        entry = self._get(dn)
        return entry is not None and entry.text("adminCount") == "1"

    def _explicit(self, dn: str, at: str, entry: Ace, held: Entry | None) -> Origin:
        if at != dn:
            return Origin(OriginKind.INHERITED, at, entry)
        if held is not None and held.text("adminCount") == "1":
            holder_dn = ADMIN_SD_HOLDER + self._directory.root.default_naming_context
            holder = self._get(holder_dn)
            if holder is not None and entry in (_descriptor(holder).dacl or ()):
                return Origin(OriginKind.ADMIN_SD_HOLDER, holder_dn, entry)
        return Origin(OriginKind.EXPLICIT, at, entry)

    def _source(self, held: Entry, parent: Entry, entry: Ace) -> Ace | None:
        """The entry of the parent's list that gives this one to the object."""
        own = _descriptor(held)
        guid = self._class_guid((held.values("objectClass") or ("top",))[-1])
        for ace in _descriptor(parent).dacl or ():
            given = inherited_aces(Acl((ace,)), object_class_guid=guid, owner=own.owner, group=own.group)
            if entry in given:
                return ace
        return None

    def _get(self, dn: str) -> Entry | None:
        """The object; None where it or its permissions may not be seen."""
        if dn not in self._read:
            try:
                entry = self._directory.get(dn, _ATTRIBUTES)
                entry.security_descriptor()
            except DirectoryError:
                self._read[dn] = None
            else:
                self._read[dn] = entry
        return self._read[dn]


def _descriptor(entry: Entry) -> SecurityDescriptor:
    return entry.security_descriptor()
