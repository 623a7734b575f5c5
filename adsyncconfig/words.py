"""An access control entry in words that an administrator can check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from acl import AccessMask, Ace, AceFlag

from .schema import Kind, bundled

__all__ = ["guid_names", "in_words", "rights_in_words"]

#: Each right with an object type ({0}) and without. Source: MS-ADTS 5.1.3.2.
_RIGHTS: Final[dict[AccessMask, tuple[str, str]]] = {
    AccessMask.DS_CREATE_CHILD: ("create {0} objects", "create objects of every class"),
    AccessMask.DS_DELETE_CHILD: ("delete {0} objects", "delete objects of every class"),
    AccessMask.DS_LIST_CONTENTS: ("list contents", "list contents"),
    AccessMask.DS_READ_PROPERTY: ("read {0}", "read every attribute"),
    AccessMask.DS_WRITE_PROPERTY: ("write {0}", "write every attribute"),
    AccessMask.DS_WRITE_PROPERTY_EXTENDED: ("validated write {0}", "every validated write"),
    AccessMask.DS_CONTROL_ACCESS: ("{0}", "every extended right"),
    AccessMask.DELETE: ("delete the object", "delete the object"),
    AccessMask.DS_DELETE_TREE: ("delete it with what is below", "delete it with what is below"),
    AccessMask.DS_LIST_OBJECT: ("see the object", "see the object"),
    AccessMask.READ_CONTROL: ("read permissions", "read permissions"),
    AccessMask.WRITE_DAC: ("change permissions", "change permissions"),
    AccessMask.WRITE_OWNER: ("change the owner", "change the owner"),
}


def guid_names() -> dict[UUID, str]:
    """The names that the bundled table has for the GUIDs of an entry; rights win over attributes."""
    return {
        guid: name
        for kind in (Kind.ATTRIBUTE, Kind.CLASS, Kind.RIGHT)
        for name, guid in bundled(kind).items()
    }


def in_words(ace: Ace, who: str, names: Mapping[UUID, str]) -> str:
    """``Allow MSOL_...: create objects of every class, ...; on this object and group objects below``."""
    verb = "Allow" if ace.is_allow else "Deny" if ace.is_deny else f"Entry of type {ace.type} for"
    return f"{verb} {who}: {_what(ace, names)}; {_where(ace, names)}"


def _what(ace: Ace, names: Mapping[UUID, str]) -> str:
    return rights_in_words(ace.mask, _name(ace.object_type, names) if ace.object_type else "")


def rights_in_words(mask: AccessMask, subject: str = "") -> str:
    """``read mail, write mail``; without a subject the rights are those on the whole object."""
    parts = [
        with_type.format(subject) if subject else without
        for right, (with_type, without) in _RIGHTS.items()
        if mask & right
    ]
    rest = int(mask)
    for right in _RIGHTS:
        rest &= ~right
    if rest:
        parts.append(f"rights 0x{rest:X}")
    return ", ".join(parts)


def _where(ace: Ace, names: Mapping[UUID, str]) -> str:
    if not ace.flags & AceFlag.CONTAINER_INHERIT:
        return "on this object only"
    kind = f"{_name(ace.inherited_object_type, names)} objects" if ace.inherited_object_type else "everything"
    below = f"{kind} one level below" if ace.flags & AceFlag.NO_PROPAGATE_INHERIT else f"{kind} below"
    # The class limits who inherits; on the object itself it is not looked at (MS-ADTS 5.1.3.3).
    return f"on {below} it only" if not ace.is_effective else f"on this object and {below} it"


def _name(guid: UUID, names: Mapping[UUID, str]) -> str:
    return names.get(guid, str(guid))
