"""The objects that take no permissions from their parent: the main silent cause of missing permissions.

What is granted on a domain or an OU does not reach them, nor what is below them. They are read one after the
other, so that a domain of any size can be searched; what cannot be read is counted, never taken for clean.

Source: MS-DTYP 2.4.6 (DACL_PROTECTED).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from acl import Sid

from .apply import Notify
from .directory import Directory, Entry
from .errors import DirectoryError, ParameterError, UnknownName
from .filters import EVERYTHING, Equals
from .schema import Kind, Schema, bundled
from .search_base import SearchBase, named_base

__all__ = ["InheritanceSearch", "ProtectedObject", "search_protected"]

ANY_CLASS: Final = "*"
DEFAULT_CLASS: Final = "organizationalUnit"
_CLASS_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ATTRIBUTES: Final = (
    "objectClass", "name", "objectGUID", "objectSid", "sAMAccountName", "adminCount", "nTSecurityDescriptor",
)  # fmt: skip
#: How many objects are read between two lines of progress.
_PROGRESS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ProtectedObject:
    """An object whose access control list is protected from inheritance.

    ``admin_count`` is true where AdminSDHolder protects it, or once did: that is meant to be so.
    """

    distinguished_name: str
    name: str
    object_class: str
    object_guid: UUID | None
    object_sid: Sid | None
    sam_account_name: str | None
    admin_count: bool

    def to_json(self) -> dict[str, Any]:
        """The object under PowerShell's property names."""
        return {
            "DistinguishedName": self.distinguished_name,
            "Name": self.name,
            "ObjectClass": self.object_class,
            "ObjectGUID": None if self.object_guid is None else str(self.object_guid),
            "ObjectSID": None if self.object_sid is None else str(self.object_sid),
            "sAMAccountName": self.sam_account_name,
            "adminCount": self.admin_count,
        }


class InheritanceSearch:
    """The protected objects below a base, found while this is iterated over, once.

    ``read`` counts the objects whose permissions were read so far, ``unreadable`` holds the DNs of those whose
    could not be.
    """

    def __init__(self, base: SearchBase, object_class: str, notify: Notify | None = None) -> None:
        self.search_base = base.dn
        self.object_class = object_class
        self.read = 0
        self.unreadable: list[str] = []
        self._found = self._search(base, notify or (lambda _: None))

    def __iter__(self) -> Iterator[ProtectedObject]:
        return self._found

    def _search(self, base: SearchBase, tell: Notify) -> Iterator[ProtectedObject]:
        wanted = EVERYTHING if self.object_class == ANY_CLASS else Equals("objectClass", self.object_class)
        for entry in base.directory.search(base.dn, wanted, _ATTRIBUTES):
            try:
                descriptor = entry.security_descriptor()
            except DirectoryError:
                self.unreadable.append(entry.dn)
                continue
            self.read += 1
            if self.read % _PROGRESS == 0:
                tell(f"{self.read} objects read below '{self.search_base}'.")
            if descriptor.dacl_is_protected:
                yield _protected(entry)


def search_protected(
    directory: Directory,
    search_base: str,
    object_class: str = DEFAULT_CLASS,
    *,
    notify: Notify | None = None,
) -> InheritanceSearch:
    """The objects below the base, itself included, whose access control list is protected.

    ``search_base`` is a DN, or the DNS or NetBIOS name of a domain; ``object_class`` a class, whose subclasses
    count too, or ``*``. Raises ParameterError and UnknownName; iterating raises DirectoryError.
    """
    if object_class != ANY_CLASS and not _CLASS_NAME.fullmatch(object_class):
        hint = f"; quote it: -SearchBase '{search_base} {object_class}'" if "=" in search_base else ""
        raise ParameterError(
            f"-ObjectClass '{object_class}' is no class name: give one like organizationalUnit, or '*'; it may be "
            f"the rest of a -SearchBase with a space{hint}"
        )
    base = named_base(directory, search_base)
    if object_class != ANY_CLASS and not _is_known(directory, object_class):
        raise UnknownName(
            object_class,
            "class",
            f"-ObjectClass: this forest's schema has no class '{object_class}'; give one like "
            "organizationalUnit, or '*'",
        )
    return InheritanceSearch(base, object_class, notify)


def _is_known(directory: Directory, name: str) -> bool:
    if Schema(directory).known(Kind.CLASS, [name]):
        return True
    # A snapshot may keep a part of the schema only.
    return name.lower() in {known.lower() for known in bundled(Kind.CLASS)}


def _protected(entry: Entry) -> ProtectedObject:
    return ProtectedObject(
        entry.dn,
        entry.text("name") or entry.dn,
        (entry.values("objectClass") or ("top",))[-1],
        entry.guid(),
        entry.sid(),
        entry.text("sAMAccountName"),
        entry.text("adminCount") == "1",
    )
