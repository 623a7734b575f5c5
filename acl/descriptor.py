"""Security descriptors and access control lists, and their binary form.

Rule 1: ``from_bytes(data).to_bytes() == data`` for every valid self-relative descriptor, whatever its order,
        gaps, sharing or slack: a descriptor that was read and not changed is written as it was read.
Rule 2: a changed descriptor is written in the order in which Windows writes one: header, SACL, DACL, owner,
        group, without gaps.
Rule 3: no DACL, a NULL DACL and an empty DACL are three different values (MS-DTYP 2.4.6): ``dacl`` is None
        without and with DACL_PRESENT in ``control``, or an Acl of no entries.

Source: MS-DTYP 2.4.5 (ACL) and 2.4.6 (SECURITY_DESCRIPTOR).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, TypeVar

from .ace import Ace, known_aces, parse_ace
from .bits import Bit, Bits
from .errors import AclError, MalformedError
from .intern import Buffer, InternTable, as_bytes, setters
from .sid import Sid, sid_at

__all__ = ["Acl", "Control", "SecurityDescriptor"]

ACL_REVISION: Final = 2
ACL_REVISION_DS: Final = 4  # as soon as a list holds an object entry
ACL_REVISIONS: Final = (2, 3, 4)
MAX_ACL_SIZE: Final = 0xFFFC
HEADER_SIZE: Final = 20
OWNER_FIELD, GROUP_FIELD, SACL_FIELD, DACL_FIELD = 4, 8, 12, 16  # where the header has their offsets
PART_NAMES: Final = {OWNER_FIELD: "owner", GROUP_FIELD: "group", SACL_FIELD: "SACL", DACL_FIELD: "DACL"}

Part = TypeVar("Part", Sid, "Acl")

_ACL_HEADER = struct.Struct("<BBHHH")
_ACE_SIZE = struct.Struct("<2xH")
_SD_HEADER = struct.Struct("<BBHIIII")
_known_descriptors: InternTable[SecurityDescriptor] = InternTable(32 << 20)


class Control(Bits):
    """The control bits of a security descriptor (MS-DTYP 2.4.6)."""

    OWNER_DEFAULTED = Bit(0x0001)
    GROUP_DEFAULTED = Bit(0x0002)
    DACL_PRESENT = Bit(0x0004)
    DACL_DEFAULTED = Bit(0x0008)
    SACL_PRESENT = Bit(0x0010)
    SACL_DEFAULTED = Bit(0x0020)
    DACL_TRUSTED = Bit(0x0040)
    SERVER_SECURITY = Bit(0x0080)
    DACL_AUTO_INHERIT_REQ = Bit(0x0100)
    SACL_AUTO_INHERIT_REQ = Bit(0x0200)
    DACL_AUTO_INHERITED = Bit(0x0400)
    SACL_AUTO_INHERITED = Bit(0x0800)
    DACL_PROTECTED = Bit(0x1000)
    SACL_PROTECTED = Bit(0x2000)
    RM_CONTROL_VALID = Bit(0x4000)
    SELF_RELATIVE = Bit(0x8000)


@dataclass(frozen=True, slots=True)
class Acl:
    """An access control list (MS-DTYP 2.4.5): entries in their order.

    ``revision`` 0 becomes the lowest that the entries need. ``slack`` is what the list's size holds behind
    its last entry. The reserved bytes of the header are not kept: they are written as zero.
    """

    aces: tuple[Ace, ...] = ()
    revision: int = 0
    slack: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "aces", tuple(self.aces))
        if self.revision == 0:
            needed = ACL_REVISION_DS if any(ace.is_object for ace in self.aces) else ACL_REVISION
            object.__setattr__(self, "revision", needed)
        if self.revision not in ACL_REVISIONS:
            raise AclError(f"an access control list has revision 2 to 4, not {self.revision}")
        if len(self.slack) % 4:
            raise AclError("the size of a list is a multiple of 4: pad its slack")

    def __iter__(self) -> Iterator[Ace]:
        return iter(self.aces)

    def __len__(self) -> int:
        return len(self.aces)

    def with_aces(self, aces: Iterable[Ace]) -> Acl:
        """The same list with other entries: its slack goes, and its revision rises where they need it."""
        entries = tuple(aces)
        return Acl(entries, max(self.revision, Acl(entries).revision))

    @classmethod
    def from_bytes(cls, data: Buffer, offset: int = 0) -> Acl:
        """The list that starts at ``offset``; what follows it is left alone. Raises MalformedError."""
        return acl_at(as_bytes(data, offset), offset)

    def to_bytes(self) -> bytes:
        """The binary form. Raises AclError when it is larger than 65,532 bytes."""
        body = b"".join([ace.to_bytes() for ace in self.aces])
        size = 8 + len(body) + len(self.slack)
        if size > MAX_ACL_SIZE:
            raise AclError(f"an access control list has at most {MAX_ACL_SIZE} bytes; this one has {size}")
        return _ACL_HEADER.pack(self.revision, 0, size, len(self.aces), 0) + body + self.slack


_ACL_SETTERS: Final = setters(Acl)


def acl_at(data: bytes, offset: int) -> Acl:
    """The list that starts at ``offset`` of real ``bytes``; see ``Acl.from_bytes``."""
    if len(data) < offset + 8:
        raise MalformedError(offset, "an access control list needs a header of 8 bytes")
    revision, _, size, count, _ = _ACL_HEADER.unpack_from(data, offset)
    end = offset + size
    if revision not in ACL_REVISIONS:
        raise MalformedError(offset, f"an access control list has revision 2 to 4, not {revision}")
    if size < 8 or size % 4:
        raise MalformedError(offset + 2, f"a list's size is a multiple of 4, and at least 8: {size}")
    if end > len(data):
        raise MalformedError(offset + 2, f"the list says {size} bytes, and {len(data) - offset} are left")
    position = offset + 8
    aces: list[Ace] = []
    append, known, size_at = aces.append, known_aces.get, _ACE_SIZE.unpack_from
    # This loop is what reading a directory costs: most entries are in the table, and take one look-up.
    try:
        for _ in range(count):
            start = position
            (size,) = size_at(data, start)
            position = start + size
            if not start < position <= end:
                raise _misplaced(start, size, end, len(aces), count)
            raw = data[start:position]
            append(known(raw) or parse_ace(raw, start))
    except struct.error:
        raise _misplaced(start, 0, end, len(aces), count) from None
    acl = object.__new__(Acl)
    for set_slot, value in zip(_ACL_SETTERS, (tuple(aces), revision, data[position:end]), strict=True):
        set_slot(acl, value)
    return acl


def _misplaced(start: int, size: int, end: int, index: int, count: int) -> MalformedError:
    """What is wrong with an entry that does not fit between its start and the list's end."""
    if start + 4 > end:
        return MalformedError(start, f"the list ends before entry {index} of {count}")
    if not size:
        return MalformedError(start + 2, f"entry {index} of {count} has no size")
    return MalformedError(
        start + 2, f"entry {index} of {count} says {size} bytes, and the list has {end - start} left"
    )


@dataclass(frozen=True, slots=True)
class SecurityDescriptor:
    """A security descriptor (MS-DTYP 2.4.6); edit with ``dataclasses.replace`` or ``with_dacl``.

    ``control`` always holds SELF_RELATIVE once written. ``resource_manager_control`` is the byte that counts
    when RM_CONTROL_VALID is set.
    """

    control: Control = Control.SELF_RELATIVE
    owner: Sid | None = None
    group: Sid | None = None
    sacl: Acl | None = None
    dacl: Acl | None = None
    resource_manager_control: int = 0
    _source: bytes | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        control = self.control | Control.SELF_RELATIVE
        if self.sacl is not None:
            control |= Control.SACL_PRESENT
        if self.dacl is not None:
            control |= Control.DACL_PRESENT
        object.__setattr__(self, "control", Control(control))
        if not 0 <= control <= 0xFFFF or not 0 <= self.resource_manager_control <= 0xFF:
            raise AclError("a descriptor has 16 control bits, and a resource manager's byte")

    @property
    def dacl_is_null(self) -> bool:
        """True for a NULL DACL, which lets everyone do everything."""
        return self.dacl is None and bool(self.control & Control.DACL_PRESENT)

    @property
    def dacl_is_protected(self) -> bool:
        """True when the DACL takes nothing from its parent."""
        return bool(self.control & Control.DACL_PROTECTED)

    def with_dacl(self, aces: Iterable[Ace]) -> SecurityDescriptor:
        """The same descriptor with these entries in its DACL."""
        base = self.dacl if self.dacl is not None else Acl()
        return replace(self, dacl=base.with_aces(aces), control=self.control | Control.DACL_PRESENT)

    @classmethod
    def from_bytes(cls, data: Buffer) -> SecurityDescriptor:
        """The descriptor that a self-relative buffer holds.

        Raises MalformedError with the offset of what no rule can read: truncated, overlapping or pointing out
        of the buffer, or an entry, list or SID that is wrong in itself.
        """
        raw = as_bytes(data)
        known = _known_descriptors.get(raw)
        if known is not None:
            return known
        if len(raw) < HEADER_SIZE:
            raise MalformedError(
                0, f"a security descriptor needs a header of {HEADER_SIZE} bytes, not {len(raw)}"
            )
        revision, rm_control, bits, owner_at, group_at, sacl_at, dacl_at = _SD_HEADER.unpack_from(raw)
        if revision != 1:
            raise MalformedError(0, f"a security descriptor has revision 1, not {revision}")
        if not bits & Control.SELF_RELATIVE:
            raise MalformedError(2, "the descriptor is not self-relative: its parts are not in the buffer")
        # An offset without its PRESENT bit is not looked at (MS-DTYP 2.4.6).
        sacl_at = sacl_at if bits & Control.SACL_PRESENT else 0
        dacl_at = dacl_at if bits & Control.DACL_PRESENT else 0
        owner = _part(sid_at, raw, OWNER_FIELD, owner_at)
        group = owner if group_at == owner_at else _part(sid_at, raw, GROUP_FIELD, group_at)
        sacl = _part(acl_at, raw, SACL_FIELD, sacl_at)
        dacl = _part(acl_at, raw, DACL_FIELD, dacl_at)
        _check_overlaps(raw, owner_at, group_at, sacl_at, dacl_at)
        parts = (Control(bits), owner, group, sacl, dacl, rm_control, raw)
        descriptor = object.__new__(cls)
        for set_slot, value in zip(_DESCRIPTOR_SETTERS, parts, strict=True):
            set_slot(descriptor, value)
        return _known_descriptors.keep(raw, descriptor)

    @classmethod
    def from_sddl(
        cls, text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None
    ) -> SecurityDescriptor:
        """The descriptor that SDDL text stands for; see ``acl.sddl``. Raises SddlError."""
        from .sddl import descriptor_from_sddl  # noqa: PLC0415 - sddl builds on this module

        return descriptor_from_sddl(text, domain_sid=domain_sid, forest_root_sid=forest_root_sid)

    def to_sddl(self, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> str:
        """The descriptor as SDDL text, with two-letter names for the SIDs of the domains that are given.

        Raises AclError for what text cannot hold.
        """
        from .sddl import descriptor_to_sddl  # noqa: PLC0415

        return descriptor_to_sddl(self, domain_sid=domain_sid, forest_root_sid=forest_root_sid)

    def to_bytes(self) -> bytes:
        """The self-relative binary form: what was read, or the layout that Windows writes."""
        if self._source is not None:
            return self._source
        parts: list[bytes] = []
        position = HEADER_SIZE

        def place(part: Acl | Sid | None) -> int:
            nonlocal position
            if part is None:
                return 0
            data = part.to_bytes()
            parts.append(data)
            start, position = position, position + len(data)
            return start

        sacl_at, dacl_at, owner_at, group_at = map(place, (self.sacl, self.dacl, self.owner, self.group))
        rm_control = self.resource_manager_control
        header = _SD_HEADER.pack(1, rm_control, self.control, owner_at, group_at, sacl_at, dacl_at)
        return b"".join((header, *parts))


_DESCRIPTOR_SETTERS: Final = setters(SecurityDescriptor)


def _part(read: Callable[[bytes, int], Part], raw: bytes, field_at: int, start: int) -> Part | None:
    """What the offset in one field of the header points to."""
    if not start:
        return None
    if start < HEADER_SIZE or start + 8 > len(raw):
        where = "into the header" if start < HEADER_SIZE else "out of the buffer"
        raise MalformedError(field_at, f"the offset of the {PART_NAMES[field_at]} points {where}: {start}")
    return read(raw, start)


def _check_overlaps(raw: bytes, owner_at: int, group_at: int, sacl_at: int, dacl_at: int) -> None:
    """Raise MalformedError when parts share bytes; only owner and group may, and then all of them."""
    spans = [(start, start + 8 + 4 * raw[start + 1]) for start in {owner_at, group_at} if start]
    spans += [
        (start, start + (raw[start + 2] | raw[start + 3] << 8)) for start in (sacl_at, dacl_at) if start
    ]
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise MalformedError(start, "two parts of the descriptor overlap")
