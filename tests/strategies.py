"""Security descriptors for the engine's property tests, as values and as bytes.

The bytes are laid out here with bare ``struct``, from plain tuples: what a test expects never passes through
the code that it tests.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hypothesis import strategies as st

from acl import AccessMask, Ace, AceFlag, Acl, Control, SecurityDescriptor, Sid

OBJECT_TYPES = (5, 6, 7, 8, 11, 12, 15, 16)
PLAIN_TYPES = (0, 1, 2, 3, 9, 10, 13, 14, 17, 18, 19, 20, 21)
UNKNOWN_TYPES = (4, *range(22, 256))
SELF_RELATIVE, DACL_PRESENT, SACL_PRESENT = 0x8000, 0x4, 0x10


class RawSid(NamedTuple):
    """A SID as numbers."""

    authority: int
    sub_authorities: tuple[int, ...]

    def data(self) -> bytes:
        subs = self.sub_authorities
        head = bytes([1, len(subs)]) + self.authority.to_bytes(6, "big")
        return head + struct.pack(f"<{len(subs)}I", *subs)

    def text(self) -> str:
        head = str(self.authority) if self.authority < 2**32 else f"0x{self.authority:012x}"
        return "-".join(["S", "1", head, *map(str, self.sub_authorities)])


class RawAce(NamedTuple):
    """An entry as numbers."""

    type: int
    flags: int
    mask: int
    sid: RawSid | None
    object_type: UUID | None
    inherited_object_type: UUID | None
    reserved_object_flags: int
    rest: bytes

    def data(self) -> bytes:
        body = b""
        if self.sid is not None:
            body += struct.pack("<I", self.mask)
            if self.type in OBJECT_TYPES:
                present = (self.object_type is not None) | (self.inherited_object_type is not None) << 1
                body += struct.pack("<I", self.reserved_object_flags | present)
                body += b"".join(guid.bytes_le for guid in self[4:6] if isinstance(guid, UUID))
            body += self.sid.data()
        body += self.rest
        return struct.pack("<BBH", self.type, self.flags, 4 + len(body)) + body


class RawAcl(NamedTuple):
    """A list as numbers; ``reserved`` are Sbz1 and Sbz2."""

    revision: int
    aces: tuple[RawAce, ...]
    slack: bytes
    reserved: tuple[int, int] = (0, 0)

    def data(self) -> bytes:
        body = b"".join(ace.data() for ace in self.aces)
        size = 8 + len(body) + len(self.slack)
        one, two = self.reserved
        return struct.pack("<BBHHH", self.revision, one, size, len(self.aces), two) + body + self.slack


class RawDescriptor(NamedTuple):
    """A descriptor as numbers, with the order of its parts, the gaps before them, and what follows the last."""

    control: int
    resource_manager_control: int
    owner: RawSid | None
    group: RawSid | None
    sacl: RawAcl | None
    dacl: RawAcl | None
    order: tuple[int, ...] = (2, 3, 0, 1)
    gaps: tuple[bytes, ...] = (b"", b"", b"", b"")
    shared: bool = False
    rest: bytes = b""

    def data(self) -> bytes:
        parts = (self.owner, self.group, self.sacl, self.dacl)
        offsets, body = [0, 0, 0, 0], b""
        for index, gap in zip(self.order, self.gaps, strict=True):
            part = parts[index]
            if part is None:
                continue
            if self.shared and index < 2 and self.owner == self.group and any(offsets[:2]):
                offsets[index] = max(offsets[:2])
                continue
            body += gap
            offsets[index] = 20 + len(body)
            body += part.data()
        head = struct.pack("<BBHIIII", 1, self.resource_manager_control, self.control, *offsets)
        return head + body + self.rest

    @property
    def used(self) -> int:
        """How many of the bytes some part, or the header, stands in."""
        return len(self.data()) - len(self.rest)


def words(maximum: int) -> st.SearchStrategy[bytes]:
    """Bytes of a length that is a multiple of 4, up to so many words."""
    return st.integers(0, maximum).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count))


U32 = st.integers(0, 2**32 - 1)
GUIDS = st.uuids() | st.sampled_from([UUID(int=0), UUID("bf967aba-0de6-11d0-a285-00aa003049e2")])
RAW_SIDS = st.builds(
    RawSid,
    st.sampled_from([1, 3, 5, 16]) | st.integers(0, 2**48 - 1),
    st.lists(U32, max_size=15).map(tuple),
) | st.sampled_from([RawSid(1, (0,)), RawSid(5, (18,)), RawSid(5, (32, 544)), RawSid(5, (21, 1, 2, 3, 1104))])


@st.composite
def raw_aces(draw: st.DrawFn) -> RawAce:
    """Entries of every type, known and unknown, with trailing bytes and reserved bits."""
    kind = draw(st.sampled_from(("plain", "plain", "object", "object", "unknown")))
    flags = draw(st.integers(0, 255))
    if kind == "unknown":
        return RawAce(draw(st.sampled_from(UNKNOWN_TYPES)), flags, 0, None, None, None, 0, draw(words(6)))
    mask, sid, rest = draw(U32), draw(RAW_SIDS), draw(st.just(b"") | words(4))
    if kind == "plain":
        return RawAce(draw(st.sampled_from(PLAIN_TYPES)), flags, mask, sid, None, None, 0, rest)
    object_type, inherited = draw(st.none() | GUIDS), draw(st.none() | GUIDS)
    reserved = draw(st.just(0) | U32) & ~3
    entry_type = draw(st.sampled_from(OBJECT_TYPES))
    return RawAce(entry_type, flags, mask, sid, object_type, inherited, reserved, rest)


@st.composite
def raw_acls(draw: st.DrawFn) -> RawAcl:
    """Lists of every revision, with slack and reserved bytes."""
    aces = tuple(draw(st.lists(raw_aces(), max_size=8)))
    reserved = draw(st.just((0, 0)) | st.tuples(st.integers(0, 255), st.integers(0, 2**16 - 1)))
    return RawAcl(draw(st.sampled_from((2, 3, 4))), aces, draw(st.just(b"") | words(4)), reserved)


@st.composite
def raw_descriptors(draw: st.DrawFn) -> RawDescriptor:
    """Descriptors in every layout that MS-DTYP 2.4.6 allows."""
    sacl, dacl = draw(st.none() | raw_acls()), draw(st.none() | raw_acls())
    control = draw(st.integers(0, 2**16 - 1)) | SELF_RELATIVE
    control |= SACL_PRESENT if sacl is not None else 0
    control |= DACL_PRESENT if dacl is not None else 0
    owner = draw(st.none() | RAW_SIDS)
    shared = draw(st.booleans())
    group = owner if shared else draw(st.none() | RAW_SIDS)
    order = tuple(draw(st.permutations(range(4))))
    gaps = tuple(draw(st.lists(st.just(b"") | st.binary(max_size=9), min_size=4, max_size=4)))
    rest = draw(st.just(b"") | st.binary(max_size=9))
    byte = draw(st.integers(0, 255))
    return RawDescriptor(control, byte, owner, group, sacl, dacl, order, gaps, shared, rest)


def value_of(raw: RawAce) -> Ace:
    """The entry as the engine's value, made by its public constructor."""
    return Ace(
        raw.type,
        AceFlag(raw.flags),
        AccessMask(raw.mask),
        None if raw.sid is None else Sid(*raw.sid),
        raw.object_type,
        raw.inherited_object_type,
        raw.rest,
        raw.reserved_object_flags,
    )


SIDS = RAW_SIDS.map(lambda raw: Sid(*raw))
ACES = raw_aces().map(value_of)


def acl_of(aces: Sequence[Ace]) -> Acl:
    """A list that was never bytes."""
    return Acl(tuple(aces))


ACLS = st.lists(ACES, max_size=6).map(acl_of)
DESCRIPTORS = st.builds(
    SecurityDescriptor,
    st.integers(0, 2**16 - 1).map(Control),
    st.none() | SIDS,
    st.none() | SIDS,
    st.none() | ACLS,
    st.none() | ACLS,
    st.integers(0, 255),
)
