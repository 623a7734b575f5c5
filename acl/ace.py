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
from typing import Final
from uuid import UUID

from .bits import Bit, Bits
from .errors import AclError, MalformedError
from .intern import InternTable
from .rights import AccessMask
from .sid import Sid

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
#: Types read as header, mask and SID, and so every type but the object ones and the compound one, whose
#: body MS-DTYP leaves undescribed.
PLAIN_TYPES: Final = frozenset(T) - OBJECT_TYPES - {T.ACCESS_ALLOWED_COMPOUND}

OBJECT_TYPE_PRESENT: Final = 0x1
INHERITED_OBJECT_TYPE_PRESENT: Final = 0x2
_GUID_FLAGS: Final = OBJECT_TYPE_PRESENT | INHERITED_OBJECT_TYPE_PRESENT
MAX_ACE_SIZE: Final = 0xFFFC  # a 16-bit size that is a multiple of 4

_HEADER = struct.Struct("<BBH")
_HEADER_MASK = struct.Struct("<BBHI")
_HEADER_MASK_OBJECT_FLAGS = struct.Struct("<BBHII")
_U32 = struct.Struct("<I")
_TYPES: Final[dict[int, AceType]] = {int(each): each for each in AceType}
_guids: InternTable[UUID] = InternTable(8192)
known_aces: InternTable[Ace] = InternTable(65536)


@dataclass(frozen=True, slots=True)
class Ace:
    """One access control entry (MS-DTYP 2.4.4); edit with ``dataclasses.replace``.

    ``type`` is an AceType, or a plain int where the type is unknown: only then is ``sid`` None. ``data`` is
    what follows the SID: the condition of a callback type, a resource attribute's claim, or bytes that the
    writer allocated too many; for an unknown type it is the whole body. ``reserved_object_flags`` are bits of
    an object type's flags beyond the two that say which GUIDs are there. Raises AclError for a combination
    that has no binary form.
    """

    type: int
    flags: AceFlag
    mask: AccessMask
    sid: Sid | None
    object_type: UUID | None = None
    inherited_object_type: UUID | None = None
    data: bytes = b""
    reserved_object_flags: int = 0
    _wire: bytes | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.type not in OBJECT_TYPES:
            if self.object_type or self.inherited_object_type or self.reserved_object_flags:
                raise AclError(f"entries of type {self.type!r} carry no GUIDs")
            if self.type in PLAIN_TYPES:
                if self.sid is None:
                    raise AclError(f"an entry of type {self.type!r} needs a SID")
            elif self.sid is not None or self.mask:
                raise AclError(f"the body of entries of type {self.type} is unknown: give it as data")
        elif self.sid is None:
            raise AclError(f"an entry of type {self.type!r} needs a SID")
        if len(self.data) % 4:
            raise AclError("the size of an entry is a multiple of 4: pad its data")
        if len(self.data) > MAX_ACE_SIZE - 112:  # 112: the largest header, GUIDs and SID together
            raise AclError(f"an entry has at most {MAX_ACE_SIZE} bytes")

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
    def from_bytes(cls, data: bytes, offset: int = 0) -> Ace:
        """The entry that starts at ``offset``; what follows it is left alone. Raises MalformedError."""
        if len(data) < offset + 4:
            raise MalformedError(offset, "an entry needs a header of 4 bytes")
        size = data[offset + 2] | data[offset + 3] << 8
        raw = bytes(data[offset : offset + size])
        return known_aces.get(raw) or known_aces.keep(raw, parse_ace(raw, size, offset))

    def to_bytes(self) -> bytes:
        """The binary form, as long as the size in its header says."""
        if self._wire is None:
            object.__setattr__(self, "_wire", _serialise(self))
        assert self._wire is not None
        return self._wire

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
    def is_inherited(self) -> bool:
        """True when the entry came from the parent."""
        return bool(self.flags & AceFlag.INHERITED)

    @property
    def is_effective(self) -> bool:
        """True when the entry counts on the object that holds it, and not only on what inherits it."""
        return not self.flags & AceFlag.INHERIT_ONLY


def parse_ace(raw: bytes, size: int, offset: int) -> Ace:
    """The entry whose bytes are ``raw``; ``offset`` is where they stood, for the error."""
    if size < 4 or size % 4:
        raise MalformedError(offset + 2, f"an entry's size is a multiple of 4, and at least 4: {size}")
    if len(raw) < size:
        raise MalformedError(offset + 2, f"the entry says {size} bytes, and {len(raw)} are left")
    number = raw[0]
    entry_type: int = _TYPES.get(number, number)
    flags = AceFlag(raw[1])
    object_type = inherited_object_type = None
    reserved = 0
    if entry_type in OBJECT_TYPES:
        if size < 12:
            raise MalformedError(offset, f"an object entry needs a mask and object flags, not {size} bytes")
        _, _, _, mask, object_flags = _HEADER_MASK_OBJECT_FLAGS.unpack_from(raw)
        position = 12
        if object_flags & OBJECT_TYPE_PRESENT:
            object_type = _guid(raw, position, offset)
            position += 16
        if object_flags & INHERITED_OBJECT_TYPE_PRESENT:
            inherited_object_type = _guid(raw, position, offset)
            position += 16
        reserved = object_flags & ~_GUID_FLAGS
    elif entry_type in PLAIN_TYPES:
        if size < 8:
            raise MalformedError(offset, f"an entry of this type needs a mask, not {size} bytes")
        (mask,) = _U32.unpack_from(raw, 4)
        position = 8
    else:
        return _with_wire(Ace(entry_type, flags, AccessMask(0), None, data=raw[4:]), raw)
    try:
        sid = Sid.from_bytes(raw, position)
    except MalformedError as error:
        raise MalformedError(offset + error.offset, error.reason) from None
    position += 8 + 4 * len(sid.sub_authorities)
    rest = raw[position:]
    ace = Ace(entry_type, flags, AccessMask(mask), sid, object_type, inherited_object_type, rest, reserved)
    return _with_wire(ace, raw)


def _with_wire(ace: Ace, raw: bytes) -> Ace:
    object.__setattr__(ace, "_wire", raw)
    return ace


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
    if ace.object_type:
        object_flags |= OBJECT_TYPE_PRESENT
        guids += ace.object_type.bytes_le
    if ace.inherited_object_type:
        object_flags |= INHERITED_OBJECT_TYPE_PRESENT
        guids += ace.inherited_object_type.bytes_le
    size = 12 + len(guids) + len(sid) + len(ace.data)
    header = _HEADER_MASK_OBJECT_FLAGS.pack(ace.type, ace.flags, size, ace.mask, object_flags)
    return b"".join((header, guids, sid, ace.data))
