"""Access control entries: one class for every type, and its binary form.

Rule 1: what is read is written back: unknown types, reserved bits and bytes after the content are kept.
Rule 2: a type that this file does not know has no mask, no SID and no GUIDs; its body is in ``data``.
Rule 3: equal bytes give one shared Ace, since entries are immutable and directories repeat them.

The layout of every known type is one of two (MS-DTYP 2.4.4.2 to 2.4.4.18): header, mask, SID, data; or, for
the object types, header, mask, object flags, up to two GUIDs, SID, data.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from .bits import Bit, Bits
from .errors import AclError, MalformedError
from .intern import BoundedTable, Buffer, InternTable, as_bytes, setters
from .rights import AccessMask
from .sid import Sid, sid_at

__all__ = ["Ace", "AceFlag", "AceType"]


class AceType(IntEnum):
    """The entry types of MS-DTYP 2.4.4.1."""

    ACCESS_ALLOWED = 0x00
    ACCESS_DENIED = 0x01
    SYSTEM_AUDIT = 0x02
    SYSTEM_ALARM = 0x03
    ACCESS_ALLOWED_COMPOUND = 0x04
    ACCESS_ALLOWED_OBJECT = 0x05
    ACCESS_DENIED_OBJECT = 0x06
    SYSTEM_AUDIT_OBJECT = 0x07
    SYSTEM_ALARM_OBJECT = 0x08
    ACCESS_ALLOWED_CALLBACK = 0x09
    ACCESS_DENIED_CALLBACK = 0x0A
    ACCESS_ALLOWED_CALLBACK_OBJECT = 0x0B
    ACCESS_DENIED_CALLBACK_OBJECT = 0x0C
    SYSTEM_AUDIT_CALLBACK = 0x0D
    SYSTEM_ALARM_CALLBACK = 0x0E
    SYSTEM_AUDIT_CALLBACK_OBJECT = 0x0F
    SYSTEM_ALARM_CALLBACK_OBJECT = 0x10
    SYSTEM_MANDATORY_LABEL = 0x11
    SYSTEM_RESOURCE_ATTRIBUTE = 0x12
    SYSTEM_SCOPED_POLICY_ID = 0x13
    SYSTEM_PROCESS_TRUST_LABEL = 0x14
    SYSTEM_ACCESS_FILTER = 0x15


class AceFlag(Bits):
    """The flags of an entry's header (MS-DTYP 2.4.4.1)."""

    OBJECT_INHERIT = Bit(0x01)
    CONTAINER_INHERIT = Bit(0x02)
    NO_PROPAGATE_INHERIT = Bit(0x04)
    INHERIT_ONLY = Bit(0x08)
    INHERITED = Bit(0x10)
    CRITICAL = Bit(0x20)
    SUCCESSFUL_ACCESS = Bit(0x40)
    FAILED_ACCESS = Bit(0x80)


T = AceType
#: Types whose body holds object flags and GUIDs.
OBJECT_TYPES: Final = frozenset(
    {
        T.ACCESS_ALLOWED_OBJECT, T.ACCESS_DENIED_OBJECT, T.SYSTEM_AUDIT_OBJECT, T.SYSTEM_ALARM_OBJECT,
        T.ACCESS_ALLOWED_CALLBACK_OBJECT, T.ACCESS_DENIED_CALLBACK_OBJECT,
        T.SYSTEM_AUDIT_CALLBACK_OBJECT, T.SYSTEM_ALARM_CALLBACK_OBJECT,
    }
)  # fmt: skip
#: Types that allow, and types that deny: what an access check looks at.
ALLOW_TYPES: Final = frozenset(
    {
        T.ACCESS_ALLOWED, T.ACCESS_ALLOWED_OBJECT,
        T.ACCESS_ALLOWED_CALLBACK, T.ACCESS_ALLOWED_CALLBACK_OBJECT,
    }
)  # fmt: skip
DENY_TYPES: Final = frozenset(
    {T.ACCESS_DENIED, T.ACCESS_DENIED_OBJECT, T.ACCESS_DENIED_CALLBACK, T.ACCESS_DENIED_CALLBACK_OBJECT}
)
#: Types whose data is a condition (MS-DTYP 2.4.4.17).
CALLBACK_TYPES: Final = frozenset(
    {
        T.ACCESS_ALLOWED_CALLBACK, T.ACCESS_DENIED_CALLBACK,
        T.ACCESS_ALLOWED_CALLBACK_OBJECT, T.ACCESS_DENIED_CALLBACK_OBJECT,
        T.SYSTEM_AUDIT_CALLBACK, T.SYSTEM_ALARM_CALLBACK,
        T.SYSTEM_AUDIT_CALLBACK_OBJECT, T.SYSTEM_ALARM_CALLBACK_OBJECT,
    }
)  # fmt: skip
#: Types read as header, mask and SID, and so every type but the object ones and the compound one, whose
#: body MS-DTYP leaves undescribed.
PLAIN_TYPES: Final = frozenset(T) - OBJECT_TYPES - {T.ACCESS_ALLOWED_COMPOUND}

OBJECT_TYPE_PRESENT: Final = 0x1
INHERITED_OBJECT_TYPE_PRESENT: Final = 0x2
_GUID_FLAGS: Final = OBJECT_TYPE_PRESENT | INHERITED_OBJECT_TYPE_PRESENT

_HEADER = struct.Struct("<BBH")
_HEADER_MASK = struct.Struct("<BBHI")
_HEADER_MASK_OBJECT_FLAGS = struct.Struct("<BBHII")
_MASK = struct.Struct("<I")
_MASK_AND_OBJECT_FLAGS = struct.Struct("<II")
# For each value of a type's byte: the type, and where SID or GUIDs start, or 4 where the layout is unknown.
_NAMED: Final[dict[int, AceType]] = {int(each): each for each in AceType}
_TYPES: Final[tuple[int, ...]] = tuple(_NAMED.get(value, value) for value in range(256))
_CONTENT: Final = tuple(12 if each in OBJECT_TYPES else 8 if each in PLAIN_TYPES else 4 for each in _TYPES)
_FLAGS: Final = tuple(AceFlag(value) for value in range(256))
_masks: BoundedTable[int, AccessMask] = BoundedTable(4096)
_guids: InternTable[UUID] = InternTable(4 << 20)
known_aces: InternTable[Ace] = InternTable(32 << 20)


@dataclass(frozen=True, slots=True, eq=False)
class Ace:
    """One access control entry (MS-DTYP 2.4.4); edit with ``dataclasses.replace``.

    ``type`` is an AceType, or a plain int where the type is unknown: only then is ``sid`` None. ``data`` is
    what follows the SID: the condition of a callback type, a resource attribute's claim, or bytes that the
    writer allocated too many; for an unknown type it is the whole body. ``reserved_object_flags`` are bits of
    an object type's flags beyond the two that say which GUIDs are there. Entries are equal when their binary
    forms are. Raises AclError for a combination that has none.
    """

    type: int
    flags: AceFlag
    mask: AccessMask
    sid: Sid | None
    object_type: UUID | None = None
    inherited_object_type: UUID | None = None
    data: bytes = b""
    reserved_object_flags: int = 0
    _bytes: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.type in OBJECT_TYPES:
            if self.reserved_object_flags & _GUID_FLAGS:
                raise AclError("the object flags for the GUIDs follow from the GUIDs: leave them out")
        elif (
            self.object_type is not None
            or self.inherited_object_type is not None
            or self.reserved_object_flags
        ):
            raise AclError(f"entries of type {self.type!r} carry no GUIDs")
        if self.type in OBJECT_TYPES or self.type in PLAIN_TYPES:
            if self.sid is None:
                raise AclError(f"an entry of type {self.type!r} needs a SID")
        elif self.sid is not None or self.mask:
            raise AclError(f"the body of entries of type {self.type} is unknown: give it as data")
        if len(self.data) % 4:
            raise AclError("the size of an entry is a multiple of 4: pad its data")
        try:
            raw = _serialise(self)
        except struct.error as error:
            raise AclError(f"an entry has no room for one of its numbers: {error}") from None
        for name, value in (
            ("type", _TYPES[self.type]),
            ("flags", _FLAGS[self.flags]),
            ("mask", AccessMask(self.mask)),
            ("_bytes", raw),
        ):
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return self is other or (self._bytes == other._bytes if isinstance(other, Ace) else NotImplemented)

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ace.from_bytes, (self._bytes,)

    @classmethod
    def allow(
        cls,
        sid: Sid,
        mask: int,
        *,
        flags: int = 0,
        object_type: UUID | None = None,
        inherited_object_type: UUID | None = None,
    ) -> Ace:
        """An entry that allows, as an object entry only when a GUID calls for one."""
        entry_type = T.ACCESS_ALLOWED_OBJECT if object_type or inherited_object_type else T.ACCESS_ALLOWED
        return cls(entry_type, AceFlag(flags), AccessMask(mask), sid, object_type, inherited_object_type)

    @classmethod
    def deny(
        cls,
        sid: Sid,
        mask: int,
        *,
        flags: int = 0,
        object_type: UUID | None = None,
        inherited_object_type: UUID | None = None,
    ) -> Ace:
        """An entry that denies, as an object entry only when a GUID calls for one."""
        entry_type = T.ACCESS_DENIED_OBJECT if object_type or inherited_object_type else T.ACCESS_DENIED
        return cls(entry_type, AceFlag(flags), AccessMask(mask), sid, object_type, inherited_object_type)

    @classmethod
    def from_bytes(cls, data: Buffer, offset: int = 0) -> Ace:
        """The entry that starts at ``offset``; what follows it is left alone. Raises MalformedError."""
        data = as_bytes(data, offset)
        if len(data) < offset + 4:
            raise MalformedError(offset, "an entry needs a header of 4 bytes")
        size = data[offset + 2] | data[offset + 3] << 8
        raw = data[offset : offset + size]
        if len(raw) < size:
            raise MalformedError(offset + 2, f"the entry says {size} bytes, and {len(raw)} are left")
        return known_aces.get(raw) or parse_ace(raw, offset)

    def to_bytes(self) -> bytes:
        """The binary form, as long as the size in its header says."""
        return self._bytes

    @property
    def is_allow(self) -> bool:
        """True for the types that allow access."""
        return self.type in ALLOW_TYPES

    @property
    def is_deny(self) -> bool:
        """True for the types that deny access."""
        return self.type in DENY_TYPES

    @property
    def is_object(self) -> bool:
        """True for the types that can carry GUIDs."""
        return self.type in OBJECT_TYPES

    @property
    def is_conditional(self) -> bool:
        """True for the callback types, whose ``data`` is a condition: an entry for those who meet it."""
        return self.type in CALLBACK_TYPES

    @property
    def is_inherited(self) -> bool:
        """True when the entry came from the parent."""
        return bool(self.flags & AceFlag.INHERITED)

    @property
    def is_effective(self) -> bool:
        """True when the entry counts on the object that holds it, and not only on what inherits it."""
        return not self.flags & AceFlag.INHERIT_ONLY


(
    _set_type, _set_flags, _set_mask, _set_sid, _set_object_type, _set_inherited_object_type, _set_data,
    _set_reserved_object_flags, _set_bytes,
) = setters(Ace)  # fmt: skip


def parse_ace(raw: bytes, offset: int) -> Ace:
    """The entry that is all of ``raw``; ``offset`` is where it stood, for errors. It is known from now on."""
    size = len(raw)
    if size < 4 or size % 4:
        raise MalformedError(offset + 2, f"an entry's size is a multiple of 4, and at least 4: {size}")
    entry_type = _TYPES[raw[0]]
    start = _CONTENT[raw[0]]
    object_type = inherited_object_type = sid = None
    mask = object_flags = 0
    if size < start:
        raise MalformedError(
            offset + 2, f"an entry of type {entry_type!r} needs {start} bytes, and has {size}"
        )
    if start == 12:
        mask, object_flags = _MASK_AND_OBJECT_FLAGS.unpack_from(raw, 4)
        if object_flags & OBJECT_TYPE_PRESENT:
            object_type = _guid(raw, start, offset)
            start += 16
        if object_flags & INHERITED_OBJECT_TYPE_PRESENT:
            inherited_object_type = _guid(raw, start, offset)
            start += 16
    elif start == 8:
        (mask,) = _MASK.unpack_from(raw, 4)
    if start != 4:
        try:
            sid = sid_at(raw, start)
        except MalformedError as error:
            raise MalformedError(offset + error.offset, error.reason) from None
        start += len(sid.to_bytes())
    rights = _masks.get(mask)
    if rights is None:
        rights = _masks.keep(mask, AccessMask(mask))
    ace = object.__new__(Ace)
    _set_type(ace, entry_type)
    _set_flags(ace, _FLAGS[raw[1]])
    _set_mask(ace, rights)
    _set_sid(ace, sid)
    _set_object_type(ace, object_type)
    _set_inherited_object_type(ace, inherited_object_type)
    _set_data(ace, raw[start:])
    _set_reserved_object_flags(ace, object_flags & ~_GUID_FLAGS)
    _set_bytes(ace, raw)
    return known_aces.keep(raw, ace)


def _guid(raw: bytes, position: int, offset: int) -> UUID:
    data = raw[position : position + 16]
    if len(data) < 16:
        raise MalformedError(
            offset + position, "the object flags promise a GUID, and the entry ends before it"
        )
    return _guids.get(data) or _guids.keep(data, UUID(bytes_le=data))


def _serialise(ace: Ace) -> bytes:
    if ace.sid is None:
        return _HEADER.pack(ace.type, ace.flags, 4 + len(ace.data)) + ace.data
    sid = ace.sid.to_bytes()
    if ace.type not in OBJECT_TYPES:
        size = 8 + len(sid) + len(ace.data)
        return b"".join((_HEADER_MASK.pack(ace.type, ace.flags, size, ace.mask), sid, ace.data))
    object_flags = ace.reserved_object_flags
    guids = b""
    if ace.object_type is not None:
        object_flags |= OBJECT_TYPE_PRESENT
        guids += ace.object_type.bytes_le
    if ace.inherited_object_type is not None:
        object_flags |= INHERITED_OBJECT_TYPE_PRESENT
        guids += ace.inherited_object_type.bytes_le
    size = 12 + len(guids) + len(sid) + len(ace.data)
    header = _HEADER_MASK_OBJECT_FLAGS.pack(ace.type, ace.flags, size, ace.mask, object_flags)
    return b"".join((header, guids, sid, ace.data))
