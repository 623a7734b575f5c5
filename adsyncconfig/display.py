"""An object's permissions for people who know dsacls.exe: its layout column for column, and as plain rows.

Rule 1: entries are listed in groups: without an object type, for a class, for an attribute or property set, for
        a validated write, for a control access right. Within a group, and in the sections of classes, in the
        order of the list.
Rule 2: an entry that is effective and inherited stands in both parts, as dsacls shows it.
Rule 3: nothing is left out of a mask or a list: what dsacls has no words for is shown as a number, or as SDDL.

Pure. Source: output of dsacls.exe of Windows Server 2016 to 2022, as public transcripts show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from acl import DIRECTORY_MAPPING, AccessMask, Ace, AceFlag, AclError, SecurityDescriptor
from acl.edit import is_canonical
from acl.sddl import ace_to_sddl

from .directory import Directory
from .dsacls import RIGHTS
from .names import KnownNames, Names, ObjectTypeKind
from .targets import named_target

__all__ = [
    "ObjectPermissions",
    "Permission",
    "dsacls_lines",
    "rights_in_letters",
    "rights_in_words",
    "show_permissions",
]

#: The rights in the order, and with the spelling, of dsacls.
_RIGHTS: Final[tuple[tuple[AccessMask, str], ...]] = (
    (AccessMask.DELETE, "DELETE"),
    (AccessMask.READ_CONTROL, "READ PERMISSONS"),
    (AccessMask.WRITE_DAC, "WRITE PERMISSIONS"),
    (AccessMask.WRITE_OWNER, "CHANGE OWNERSHIP"),
    (AccessMask.DS_CREATE_CHILD, "CREATE CHILD"),
    (AccessMask.DS_DELETE_CHILD, "DELETE CHILD"),
    (AccessMask.DS_LIST_CONTENTS, "LIST CONTENTS"),
    (AccessMask.DS_WRITE_PROPERTY_EXTENDED, "WRITE SELF"),
    (AccessMask.DS_WRITE_PROPERTY, "WRITE PROPERTY"),
    (AccessMask.DS_READ_PROPERTY, "READ PROPERTY"),
    (AccessMask.DS_DELETE_TREE, "DELETE TREE"),
    (AccessMask.DS_LIST_OBJECT, "LIST OBJECT"),
    (AccessMask.DS_CONTROL_ACCESS, "CONTROL ACCESS"),
)
FULL_CONTROL: Final = DIRECTORY_MAPPING.all
#: Where the text of an entry begins, and how wide a trustee may be to stand before it.
_TYPE_WIDTH: Final = 6
_TRUSTEE_WIDTH: Final = 32
_LONGEST_TRUSTEE: Final = 30
_INDENT: Final = " " * (_TYPE_WIDTH + _TRUSTEE_WIDTH)
_INHERITED: Final = "   <Inherited from parent>"
_GROUPS: Final = {
    ObjectTypeKind.CLASS: 1,
    ObjectTypeKind.ATTRIBUTE: 2,
    ObjectTypeKind.PROPERTY_SET: 2,
    ObjectTypeKind.VALIDATED_WRITE: 3,
    ObjectTypeKind.CONTROL_ACCESS: 4,
}


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry with its names: ``type`` is Allow or Deny, or Other for what neither allows nor denies."""

    ace: Ace
    type: str
    trustee: str
    rights: tuple[str, ...]
    object_type: str | None
    inherited_object_type: str | None

    @property
    def applies_to(self) -> str:
        """Where the entry counts, in the words of the Advanced Security dialog."""
        flags = self.ace.flags
        this = ["this object"] if self.ace.is_effective else []
        if not flags & AceFlag.CONTAINER_INHERIT:
            return "this object only" if this else "nothing"
        what = f"{self.inherited_object_type} objects" if self.inherited_object_type else "all objects"
        depth = "one level below" if flags & AceFlag.NO_PROPAGATE_INHERIT else "below"
        return " and ".join([*this, f"{what} {depth}"])

    def to_json(self) -> dict[str, Any]:
        """The entry with its names, and as SDDL."""
        return {
            "type": self.type,
            "trustee": self.trustee,
            "sid": None if self.ace.sid is None else str(self.ace.sid),
            "rights": list(self.rights),
            "objectType": self.object_type,
            "inheritedObjectType": self.inherited_object_type,
            "appliesTo": self.applies_to,
            "inherited": self.ace.is_inherited,
            "sddl": _sddl(self.ace),
        }


@dataclass(frozen=True, slots=True)
class ObjectPermissions:
    """An object's owner, group and access control list, with the names to show them by."""

    dn: str
    descriptor: SecurityDescriptor
    names: KnownNames
    warnings: tuple[str, ...] = ()

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """Every entry of the list, in its order."""
        return tuple(_permission(ace, self.names) for ace in self.descriptor.dacl or ())

    def to_dsacls(self) -> Iterator[str]:
        """The lines that ``dsacls <DN>`` prints."""
        return dsacls_lines(self.descriptor, self.names)

    def to_json(self) -> dict[str, Any]:
        """The object and its entries; ``accessList`` is null where there is no list, which lets everyone in."""
        descriptor = self.descriptor
        owner, group = (
            {
                "name": None if sid is None else self.names.trustee(sid),
                "sid": None if sid is None else str(sid),
            }
            for sid in (descriptor.owner, descriptor.group)
        )
        dacl = descriptor.dacl
        return {
            "dn": self.dn,
            "owner": owner,
            "group": group,
            "protected": descriptor.dacl_is_protected,
            "canonicalOrder": None if dacl is None else is_canonical(dacl),
            "accessList": None if dacl is None else [each.to_json() for each in self.permissions],
            "warnings": list(self.warnings),
        }


def show_permissions(directory: Directory, object_dn: str) -> ObjectPermissions:
    """The permissions of one object, in whichever domain of the forest it is.

    Raises ParameterError for a DN that is none, UnknownName where there is no such object, AccessDenied where
    they may not be read.
    """
    target = named_target(directory, object_dn)
    names = Names(directory)
    known = names.of(target.descriptor)
    return ObjectPermissions(target.dn, target.descriptor, known, names.notices)


def rights_in_words(mask: AccessMask) -> tuple[str, ...]:
    """The rights as dsacls spells them, in its order; bits that it has no words for as one number."""
    mapped = DIRECTORY_MAPPING.map(mask)
    if mapped == FULL_CONTROL:
        return ("FULL CONTROL",)
    words = [word for right, word in _RIGHTS if mapped & right]
    rest = mapped
    for right, _ in _RIGHTS:
        rest = rest.without(right)
    return (*words, f"0x{rest:X}") if rest else tuple(words)


def rights_in_letters(mask: AccessMask) -> str:
    """The rights in the two-letter notation of dsacls, ``RPWP``; bits without letters as one number behind."""
    mapped = DIRECTORY_MAPPING.map(mask)
    if mapped == FULL_CONTROL:
        return "GA"
    letters = [name for name, right in RIGHTS.items() if right.bit_count() == 1 and mapped & right]
    return "".join(letters) + "".join(word for word in rights_in_words(mapped) if word.startswith("0x"))


def dsacls_lines(descriptor: SecurityDescriptor, names: KnownNames) -> Iterator[str]:
    """The lines that dsacls prints of this descriptor."""
    for title, sid in (("Owner", descriptor.owner), ("Group", descriptor.group)):
        yield f"{title}: {'' if sid is None else names.trustee(sid)}".rstrip()
    yield ""
    yield "Access list:"
    if descriptor.dacl_is_protected:
        yield "{This object is protected from inheriting permissions from the parent}"
    if descriptor.dacl is None:
        yield "{This object has no access list: everyone has full control}"
    permissions = [_permission(ace, names) for ace in descriptor.dacl or ()]
    yield from _grouped((each for each in permissions if each.ace.is_effective), names)
    inheritable = [each for each in permissions if each.ace.flags & AceFlag.CONTAINER_INHERIT]
    for_all = [each for each in inheritable if each.ace.inherited_object_type is None]
    if inheritable:
        yield ""
        yield "Permissions inherited to subobjects are:"
    if for_all:
        yield "Inherited to all subobjects"
        yield from _grouped(for_all, names)
    classes = {each.inherited_object_type or "" for each in inheritable} - {""}
    if classes and for_all:
        yield ""
    for name in sorted(classes, key=str.lower, reverse=True):
        yield f"Inherited to {name}"
        for each in inheritable:
            if each.inherited_object_type == name:
                yield from _lines(each)
    yield "The command completed successfully"


def _permission(ace: Ace, names: KnownNames) -> Permission:
    return Permission(
        ace,
        "Allow" if ace.is_allow else "Deny" if ace.is_deny else "Other",
        "" if ace.sid is None else names.trustee(ace.sid),
        rights_in_words(ace.mask),
        None if ace.object_type is None else names.object_type(ace.object_type, ace.mask).name,
        None if ace.inherited_object_type is None else names.class_name(ace.inherited_object_type),
    )


def _grouped(permissions: Iterable[Permission], names: KnownNames) -> Iterator[str]:
    def group(permission: Permission) -> int:
        ace = permission.ace
        return 0 if ace.object_type is None else _GROUPS[names.object_type(ace.object_type, ace.mask).kind]

    for permission in sorted(permissions, key=group):  # a stable sort: the order of the list stays
        yield from _lines(permission)


def _lines(permission: Permission) -> Iterator[str]:
    """One entry: type and trustee, what it is, and a line for each right where that does not say it all."""
    ace = permission.ace
    head = f"{permission.type:<{_TYPE_WIDTH}}{permission.trustee}"
    text, rights = _text(permission)
    suffix = _INHERITED if ace.is_inherited else ""
    if len(permission.trustee) <= _LONGEST_TRUSTEE:
        yield f"{head:<{len(_INDENT)}}{text}{suffix}"
    else:
        yield head
        yield f"{_INDENT}{text}{suffix}"
    for right in rights:
        yield f"{_INDENT}{right}"
    if ace.is_conditional or permission.type == "Other":
        # dsacls has no form for these, and an entry whose condition is left out would say too much.
        yield f"{_INDENT}{_sddl(ace)}"


def _sddl(ace: Ace) -> str:
    try:
        return ace_to_sddl(ace)
    except AclError:  # of a kind that SDDL has no text for
        return f"(type {int(ace.type)}, {ace.to_bytes().hex()})"


def _text(permission: Permission) -> tuple[str, tuple[str, ...]]:
    """The first text of an entry, and the rights that follow it."""
    name, rights = permission.object_type, permission.rights
    if name is not None and permission.ace.mask == AccessMask.DS_CONTROL_ACCESS:
        return name, ()
    full = rights == ("FULL CONTROL",)
    text = "FULL CONTROL" if full else "SPECIAL ACCESS"
    return (text if name is None else f"{text} for {name}"), (() if full else rights)
