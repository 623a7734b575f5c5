"""Security identifiers: bytes, S-1-... text, and the two-letter names of SDDL.

Rule 1: a Sid is its bytes. What it prints and which numbers it has is read from them when it is asked for.
Rule 2: equal bytes give one shared Sid, since a directory names the same few thousand trustees everywhere.

Sources: MS-DTYP 2.4.2 (binary and text form), 2.4.2.4 (well-known SIDs), 2.5.1.1 (SDDL names).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar, Final

from .errors import AclError, MalformedError
from .intern import Buffer, InternTable, as_bytes, setters

__all__ = ["DOMAIN_RELATIVE", "FOREST_RELATIVE", "SDDL_SIDS", "Sid"]

REVISION: Final = 1
MAX_SUB_AUTHORITIES: Final = 15
_TEXT = re.compile(
    r"S-1-(0x[0-9A-F]{1,12}|[0-9]{1,15})((?:-(?:0x[0-9A-F]{1,8}|[0-9]{1,10}))*)", re.IGNORECASE | re.ASCII
)
_FORMATS = tuple(struct.Struct(f"<{count}I") for count in range(MAX_SUB_AUTHORITIES + 1))
_known: InternTable[Sid] = InternTable(16 << 20)


class Sid:
    """A security identifier (MS-DTYP 2.4.2): an authority of 48 bits and up to 15 sub-authorities of 32.

    A frozen value that holds its binary form, and compares and hashes as that does. ``str(sid)`` is its
    S-1-... form. Raises AclError for numbers out of these ranges.
    """

    __slots__ = ("_bytes", "_text")
    _bytes: bytes
    _text: str | None  # made when it is first asked for

    EVERYONE: ClassVar[Sid]
    CREATOR_OWNER: ClassVar[Sid]
    CREATOR_GROUP: ClassVar[Sid]
    OWNER_RIGHTS: ClassVar[Sid]
    PRINCIPAL_SELF: ClassVar[Sid]
    AUTHENTICATED_USERS: ClassVar[Sid]
    LOCAL_SYSTEM: ClassVar[Sid]
    ENTERPRISE_DOMAIN_CONTROLLERS: ClassVar[Sid]
    BUILTIN_ADMINISTRATORS: ClassVar[Sid]

    def __new__(cls, authority: int, sub_authorities: Iterable[int] = ()) -> Sid:
        """The SID of these numbers. Raises AclError for numbers out of range."""
        subs = tuple(sub_authorities)
        if not 0 <= authority < 1 << 48:
            raise AclError(f"a SID's authority has 48 bits: {authority}")
        if len(subs) > MAX_SUB_AUTHORITIES:
            raise AclError(f"a SID has at most {MAX_SUB_AUTHORITIES} sub-authorities: {len(subs)}")
        if subs and not (min(subs) >= 0 and max(subs) < 1 << 32):
            raise AclError(f"a SID's sub-authorities have 32 bits each: {subs}")
        head = bytes((REVISION, len(subs))) + authority.to_bytes(6, "big")
        return sid_at(head + _FORMATS[len(subs)].pack(*subs), 0)

    @property
    def authority(self) -> int:
        """The identifier authority, as one number."""
        return int.from_bytes(self._bytes[2:8], "big")

    @property
    def sub_authorities(self) -> tuple[int, ...]:
        """The sub-authorities, the relative identifier last."""
        return _FORMATS[self._bytes[1]].unpack_from(self._bytes, 8)

    def __str__(self) -> str:
        text = self._text
        if text is None:
            authority = self.authority
            # From 2**32 on the authority is hexadecimal (MS-DTYP 2.4.2.1), in the small letters of Windows.
            head = str(authority) if authority < 1 << 32 else f"0x{authority:012x}"
            text = "-".join(["S-1", head, *map(str, self.sub_authorities)])
            _set_text(self, text)
        return text

    def __repr__(self) -> str:
        return f"Sid.from_string({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self is other or (self._bytes == other._bytes if isinstance(other, Sid) else NotImplemented)

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __reduce__(self) -> tuple[Any, ...]:
        return Sid.from_bytes, (self._bytes,)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to {name!r}: a Sid is a value")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete {name!r}: a Sid is a value")

    @classmethod
    def from_string(cls, text: str) -> Sid:
        """The SID that ``S-1-...`` names, numbers in decimal or 0x hexadecimal, in any case.

        Raises AclError for anything else; the two-letter names belong to SDDL (``acl.sddl``).
        """
        match = _TEXT.fullmatch(text)
        if not match:
            raise AclError(f"not a SID: {text!r}")
        authority, *subs = (
            int(number, 0 if number[:2] in ("0x", "0X") else 10) for number in text.split("-")[2:]
        )
        return cls(authority, subs)

    @classmethod
    def from_bytes(cls, data: Buffer, offset: int = 0) -> Sid:
        """The SID that starts at ``offset``; what follows it is left alone.

        Raises MalformedError where the bytes end too early, or are not revision 1 with at most 15
        sub-authorities.
        """
        return sid_at(as_bytes(data, offset), offset)

    def to_bytes(self) -> bytes:
        """The binary form (MS-DTYP 2.4.2.2): 8 bytes and 4 for each sub-authority."""
        return self._bytes

    def child(self, rid: int) -> Sid:
        """The SID below this one: ``domain_sid.child(512)`` is its Domain Admins."""
        return Sid(self.authority, (*self.sub_authorities, rid))

    @property
    def rid(self) -> int | None:
        """The last sub-authority, or None when there is none."""
        subs = self.sub_authorities
        return subs[-1] if subs else None

    @property
    def domain(self) -> Sid | None:
        """The SID of the domain that issued this one (S-1-5-21-x-y-z), or None for any other SID."""
        subs = self.sub_authorities
        if self.authority == 5 and len(subs) >= 4 and subs[0] == 21:
            return Sid(5, subs[:4])
        return None


_set_bytes, _set_text = setters(Sid)


def sid_at(data: bytes, offset: int) -> Sid:
    """The SID that starts at ``offset`` of real ``bytes``; see ``Sid.from_bytes``."""
    if len(data) < offset + 8:
        raise MalformedError(offset, "a SID needs at least 8 bytes")
    count = data[offset + 1]
    size = 8 + 4 * count
    raw = data[offset : offset + size]
    known = _known.get(raw)
    if known is not None:
        return known
    if data[offset] != REVISION:
        raise MalformedError(offset, f"a SID has revision 1, not {data[offset]}")
    if count > MAX_SUB_AUTHORITIES:
        raise MalformedError(offset + 1, f"a SID has at most 15 sub-authorities, not {count}")
    if len(raw) < size:
        raise MalformedError(
            offset, f"a SID with SubAuthorityCount {count} needs {size} bytes, not {len(raw)}"
        )
    sid = object.__new__(Sid)
    _set_bytes(sid, raw)
    _set_text(sid, None)
    return _known.keep(raw, sid)


#: Two-letter names that mean the same SID everywhere (MS-DTYP 2.5.1.1; HO, SH, AS and UD: Windows' sddl.h).
SDDL_SIDS: Final[dict[str, Sid]] = {
    name: Sid.from_string(text)
    for name, text in {
        "AA": "S-1-5-32-579", "AC": "S-1-15-2-1", "AN": "S-1-5-7", "AO": "S-1-5-32-548",
        "AS": "S-1-18-1", "AU": "S-1-5-11", "BA": "S-1-5-32-544", "BG": "S-1-5-32-546",
        "BO": "S-1-5-32-551", "BU": "S-1-5-32-545", "CD": "S-1-5-32-574", "CG": "S-1-3-1",
        "CO": "S-1-3-0", "CY": "S-1-5-32-569", "ED": "S-1-5-9", "ER": "S-1-5-32-573",
        "ES": "S-1-5-32-576", "HA": "S-1-5-32-578", "HI": "S-1-16-12288", "HO": "S-1-5-32-584",
        "IS": "S-1-5-32-568", "IU": "S-1-5-4", "LS": "S-1-5-19", "LU": "S-1-5-32-559",
        "LW": "S-1-16-4096", "ME": "S-1-16-8192", "MP": "S-1-16-8448", "MS": "S-1-5-32-577",
        "MU": "S-1-5-32-558", "NO": "S-1-5-32-556", "NS": "S-1-5-20", "NU": "S-1-5-2",
        "OW": "S-1-3-4", "PO": "S-1-5-32-550", "PS": "S-1-5-10", "PU": "S-1-5-32-547",
        "RA": "S-1-5-32-575", "RC": "S-1-5-12", "RD": "S-1-5-32-555", "RE": "S-1-5-32-552",
        "RM": "S-1-5-32-580", "RU": "S-1-5-32-554", "SH": "S-1-5-32-585", "SI": "S-1-16-16384",
        "SO": "S-1-5-32-549", "SS": "S-1-18-2", "SU": "S-1-5-6", "SY": "S-1-5-18",
        "UD": "S-1-5-84-0-0-0-0-0", "WD": "S-1-1-0", "WR": "S-1-5-33",
    }.items()
}  # fmt: skip

#: Two-letter names relative to the domain: its SID and this RID (MS-DTYP 2.5.1.1).
DOMAIN_RELATIVE: Final[dict[str, int]] = {
    "AP": 525, "CA": 517, "CN": 522, "DA": 512, "DC": 515, "DD": 516, "DG": 514, "DU": 513,
    "KA": 526, "LA": 500, "LG": 501, "PA": 520, "RS": 553,
}  # fmt: skip

#: Two-letter names relative to the forest's root domain (MS-DTYP 2.5.1.1).
FOREST_RELATIVE: Final[dict[str, int]] = {"EA": 519, "EK": 527, "RO": 498, "SA": 518}

Sid.EVERYONE = SDDL_SIDS["WD"]
Sid.CREATOR_OWNER = SDDL_SIDS["CO"]
Sid.CREATOR_GROUP = SDDL_SIDS["CG"]
Sid.OWNER_RIGHTS = SDDL_SIDS["OW"]
Sid.PRINCIPAL_SELF = SDDL_SIDS["PS"]
Sid.AUTHENTICATED_USERS = SDDL_SIDS["AU"]
Sid.LOCAL_SYSTEM = SDDL_SIDS["SY"]
Sid.ENTERPRISE_DOMAIN_CONTROLLERS = SDDL_SIDS["ED"]
Sid.BUILTIN_ADMINISTRATORS = SDDL_SIDS["BA"]
