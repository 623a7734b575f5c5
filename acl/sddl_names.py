"""The words of SDDL: types, flags and rights of entries, SIDs, GUIDs, numbers, escaped names; both ways.

Rule 1: a word means something by its field only: RC is a right and a SID, CR a right and a flag.
Rule 2: rights without a name are written as one number; nothing is dropped from a mask.
Rule 3: a SID that is relative to a domain has a name only when that domain's SID is given.
Rule 4: case and space are as free as Windows leaves them: space in front of a field, none inside a word.

Sources: MS-DTYP 2.5.1.1 (grammar and tokens); the Windows SDK's sddl.h for the names that it adds; what
ConvertStringSecurityDescriptorToSecurityDescriptor and its inverse do where the documents are silent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeVar
from uuid import UUID

from .ace import AceFlag, AceType
from .errors import AclError
from .intern import BoundedTable
from .rights import AccessMask
from .sid import DOMAIN_RELATIVE, FOREST_RELATIVE, SDDL_SIDS, Sid

__all__ = [
    "SPACE",
    "TYPES",
    "TYPE_NAMES",
    "SidNames",
    "flags_from_text",
    "flags_to_text",
    "guid_from_text",
    "name_from_text",
    "name_to_text",
    "number_from_text",
    "rights_from_text",
    "rights_to_text",
    "sid_names",
    "type_from_text",
    "upper",
]

Value = TypeVar("Value")

TYPES: Final[dict[str, AceType]] = {
    "A": AceType.ACCESS_ALLOWED,
    "D": AceType.ACCESS_DENIED,
    "AU": AceType.SYSTEM_AUDIT,
    "AL": AceType.SYSTEM_ALARM,
    "OA": AceType.ACCESS_ALLOWED_OBJECT,
    "OD": AceType.ACCESS_DENIED_OBJECT,
    "OU": AceType.SYSTEM_AUDIT_OBJECT,
    "OL": AceType.SYSTEM_ALARM_OBJECT,
    "XA": AceType.ACCESS_ALLOWED_CALLBACK,
    "XD": AceType.ACCESS_DENIED_CALLBACK,
    "ZA": AceType.ACCESS_ALLOWED_CALLBACK_OBJECT,
    "XU": AceType.SYSTEM_AUDIT_CALLBACK,
    "ML": AceType.SYSTEM_MANDATORY_LABEL,
    "RA": AceType.SYSTEM_RESOURCE_ATTRIBUTE,
    "SP": AceType.SYSTEM_SCOPED_POLICY_ID,
    "TL": AceType.SYSTEM_PROCESS_TRUST_LABEL,
    "FL": AceType.SYSTEM_ACCESS_FILTER,
}
TYPE_NAMES: Final[dict[int, str]] = {int(value): name for name, value in TYPES.items()}

#: From the lowest bit up: the order in which Windows writes them. All eight bits have a name.
FLAGS: Final[dict[str, int]] = {
    "OI": 0x01, "CI": 0x02, "NP": 0x04, "IO": 0x08, "ID": 0x10, "CR": 0x20, "SA": 0x40, "FA": 0x80,
}  # fmt: skip
#: On an access filter, which audits nothing, 0x40 has another name (sddl.h: SDDL_TRUST_PROTECTED_FILTER).
TRUST_PROTECTED: Final = "TP"

#: One name for each bit, from the lowest bit up: the order in which Windows writes them.
BIT_RIGHTS: Final[dict[str, int]] = {
    "CC": 0x00000001, "DC": 0x00000002, "LC": 0x00000004, "SW": 0x00000008,
    "RP": 0x00000010, "WP": 0x00000020, "DT": 0x00000040, "LO": 0x00000080, "CR": 0x00000100,
    "SD": 0x00010000, "RC": 0x00020000, "WD": 0x00040000, "WO": 0x00080000,
    "GA": 0x10000000, "GX": 0x20000000, "GW": 0x40000000, "GR": 0x80000000,
}  # fmt: skip
#: Names for whole masks of files and registry keys. Windows writes them for exactly these masks, whatever the
#: object is, and never as a part of a larger one: FA without SYNCHRONIZE is CCDCLCSWRPWPDTLOCRSDRCWDWO.
MASK_RIGHTS: Final[dict[str, int]] = {
    "FA": 0x001F01FF, "FR": 0x00120089, "FW": 0x00120116, "FX": 0x001200A0,
    "KA": 0x000F003F, "KR": 0x00020019, "KW": 0x00020006,
}  # fmt: skip
#: The rights of a mandatory label: what it keeps lower subjects from (MS-DTYP 2.4.4.13).
LABEL_RIGHTS: Final[dict[str, int]] = {"NW": 0x1, "NR": 0x2, "NX": 0x4}
#: Names that are read, and written as others.
SYNONYMS: Final[dict[str, int]] = {"VW": 0x8, "KX": 0x00020019}
RIGHTS: Final[dict[str, int]] = {**BIT_RIGHTS, **MASK_RIGHTS, **LABEL_RIGHTS, **SYNONYMS}

_FLAG_TEXTS: Final = ["".join([name for name, bit in FLAGS.items() if flags & bit]) for flags in range(256)]
_MASK_NAMES: Final = {mask: name for name, mask in MASK_RIGHTS.items()}
_NAMED_BITS: Final = sum(BIT_RIGHTS.values())
_NUMBER: Final = re.compile(r"([+-]?)(?:0[xX]([0-9A-Fa-f]+)|(0[0-7]+)|(0|[1-9][0-9]*))")
_MAX_DIGITS: Final = 64  # far above any number of 64 bits, far below what takes time to read
_LONGEST_KEPT: Final = 200  # characters of a word that a table may hold on to
#: MS-DTYP 2.5.1.1, wspace.
SPACE: Final = "\t\n\v\f\r "
_GUID: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_known_guids: BoundedTable[str, UUID] = BoundedTable(8192)
_known_flags: BoundedTable[str, AceFlag] = BoundedTable(1024)
_known_rights: BoundedTable[str, AccessMask] = BoundedTable(8192)
_rights_texts: BoundedTable[int, str] = BoundedTable(8192)


def type_from_text(text: str) -> AceType:
    """A word of ``TYPES`` in any case, with space in front; raises AclError."""
    found = TYPES.get(text)
    if found is None:
        found = TYPES.get(upper(text.lstrip(SPACE)))
        if found is None:
            raise AclError("not a type of entry")
    return found


def flags_from_text(text: str) -> AceFlag:
    """``*( "OI" / "CI" / "NP" / "IO" / "ID" / "CR" / "SA" / "FA" / "TP" )``; raises AclError."""
    flags = _known_flags.get(text)
    if flags is None:
        words = {**FLAGS, TRUST_PROTECTED: FLAGS["SA"]}
        flags = AceFlag(_sum_of_words(text, words, "flag of an entry"))
        _keep(_known_flags, text, flags)
    return flags


def flags_to_text(flags: int, entry_type: int = AceType.ACCESS_ALLOWED) -> str:
    """The names of the flags that are set."""
    text = _FLAG_TEXTS[flags]
    return text.replace("SA", TRUST_PROTECTED) if entry_type == AceType.SYSTEM_ACCESS_FILTER else text


def rights_from_text(text: str) -> AccessMask:
    """``*right / number``, a number being 0x and hexadecimal, 0 and octal, or decimal; raises AclError.

    A negative number stands for its two's complement, as wcstoul has it. Beyond 32 bits Windows takes the
    number for 0xFFFFFFFF; here it is an error, since nobody who mistypes a mask means every right.
    """
    mask = _known_rights.get(text)
    if mask is None:
        word = text.lstrip(SPACE)
        if word and word[0] in "+-0123456789":
            number = number_from_text(word)
            if number is None or not -1 << 32 < number < 1 << 32:
                raise AclError("an access mask is a number of 32 bits")
            mask = AccessMask(number & 0xFFFFFFFF)
        else:
            mask = AccessMask(_sum_of_words(text, RIGHTS, "right"))
        _keep(_known_rights, text, mask)
    return mask


def rights_to_text(mask: int, entry_type: int = AceType.ACCESS_ALLOWED) -> str:
    """The names of a mask's bits, or the whole mask as a number when one of them has none."""
    mask = int(mask)
    if entry_type == AceType.SYSTEM_MANDATORY_LABEL:
        if mask & ~0x7:
            return f"0x{mask:x}"
        return "".join([name for name, bit in LABEL_RIGHTS.items() if mask & bit])
    text = _rights_texts.get(mask)
    if text is None:
        if mask in _MASK_NAMES:
            text = _MASK_NAMES[mask]
        elif mask & ~_NAMED_BITS:
            text = f"0x{mask:x}"
        else:
            text = "".join([name for name, bit in BIT_RIGHTS.items() if mask & bit])
        _rights_texts.keep(mask, text)
    return text


def guid_from_text(text: str) -> UUID | None:
    """``8HEXDIG 3( "-" 4HEXDIG ) "-" 12HEXDIG`` without space around it; None for nothing but space."""
    if not text:
        return None
    guid = _known_guids.get(text)
    if guid is None:
        if _GUID.fullmatch(text):
            return _known_guids.keep(text, UUID(text))
        if text.strip(SPACE):
            raise AclError("not a GUID")
    return guid


def _sum_of_words(text: str, words: Mapping[str, int], kind: str) -> int:
    """The bits of two-letter words in any case, with space in front only."""
    found = 0
    rest = upper(text.lstrip(SPACE))
    for start in range(0, len(rest), 2):
        word = rest[start : start + 2]
        if word not in words:
            raise AclError(f"not a {kind}: {word!r}")
        found |= words[word]
    return found


def upper(text: str) -> str:
    """Upper case for ASCII, anything else left alone: ``str.upper`` would make SS of a sharp s."""
    return text.upper() if text.isascii() else text


def _keep(table: BoundedTable[str, Value], text: str, value: Value) -> None:
    if len(text) <= _LONGEST_KEPT:
        table.keep(text, value)


def number_from_text(text: str) -> int | None:
    """``["+" / "-"] ("0x" 1*HEXDIG / "0" 1*OCTDIG / 1*DIGIT)``; None for anything else."""
    match = _NUMBER.fullmatch(text)
    if not match or len(text) > _MAX_DIGITS:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    return -value if sign == "-" else value


class SidNames:
    """The names of SIDs, those of a domain and of a forest's root domain among them when these are given."""

    def __init__(self, domain_sid: Sid | None, forest_root_sid: Sid | None) -> None:
        self._sids = dict(SDDL_SIDS)
        self._missing: dict[str, str] = {}
        for parent, rids, parameter in (
            (domain_sid, DOMAIN_RELATIVE, "domain_sid"),
            (forest_root_sid, FOREST_RELATIVE, "forest_root_sid"),
        ):
            if parent is None:
                self._missing |= dict.fromkeys(rids, parameter)
            else:
                self._sids |= {name: parent.child(rid) for name, rid in rids.items()}
        self._names = {sid: name for name, sid in self._sids.items()}
        self._known: BoundedTable[str, Sid] = BoundedTable(8192)

    def from_text(self, text: str) -> Sid:
        """``sid-token / "S-1-" ...``, in any case; space in front, and behind a token; raises AclError."""
        sid = self._sids.get(text) or self._known.get(text)
        if sid is None:
            word = upper(text.strip(SPACE))
            if word in self._missing:
                raise AclError(
                    f"{word} is relative to a domain: it is not known without {self._missing[word]}"
                )
            sid = self._sids.get(word)
            if sid is None:
                try:
                    sid = Sid.from_string(text.lstrip(SPACE))
                except AclError:
                    raise AclError("neither S-1-... nor the name of a SID") from None
            _keep(self._known, text, sid)
        return sid

    def to_text(self, sid: Sid) -> str:
        """The two-letter name where there is one, S-1-... otherwise."""
        return self._names.get(sid) or str(sid)


@lru_cache(maxsize=4)
def sid_names(domain_sid: Sid | None, forest_root_sid: Sid | None) -> SidNames:
    """The names for one domain, shared."""
    return SidNames(domain_sid, forest_root_sid)


# Names of attributes (MS-DTYP 2.5.1.1, attr-char2): these characters stand for themselves ...
_PLAIN: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:./_#$'*+-;?@[\\]^`{}~"
)
# ... and every other one may be written as its UTF-16 code units.
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{4})")


def name_from_text(text: str) -> str:
    """The name that ``*(attr-char2 / "%" 4HEXDIG)`` stands for."""
    if "%" in text:
        text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        # Two escapes can be the halves of one character.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def name_to_text(name: str, plain: frozenset[str] = _PLAIN) -> str:
    """The name with ``%XXXX`` for what is neither in ``plain`` nor a letter or digit of another script."""
    return "".join(
        [each if each in plain or (each > "\x7f" and each.isalnum()) else escaped(each) for each in name]
    )


def escaped(character: str) -> str:
    """One character as the UTF-16 code units that it has."""
    units = character.encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join([f"%{units[at : at + 4]}" for at in range(0, len(units), 4)])
