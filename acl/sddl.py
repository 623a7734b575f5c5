"""Security descriptors as text: SDDL, read and written as Windows does.

Rule 1: what Windows reads is read, in the spelling that it allows; what it writes for the same bytes is
        written. docs/engine.md lists the few places where a mistake would be read as something else.
Rule 2: text keeps what counts in an access check. As in Windows it has no place for the defaulted bits of the
        control field, for bytes that a writer allocated too many, nor for gaps and order in the buffer.
Rule 3: an entry that has no text raises AclError; text that is no SDDL raises SddlError, with its span.
Rule 4: equal text gives one shared Ace and equal entries one shared text, since directories repeat them.

The functions named ``_read_...`` have the grammar as their docstrings. Space may stand in front of each part,
list and entry, behind a list's flags, and in front of an entry's fields.

Sources: MS-DTYP 2.5.1 (SDDL); win32 "ACE Strings" and "Security Descriptor String Format".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .ace import Ace, AceType
from .descriptor import Acl, Control, SecurityDescriptor
from .errors import AclError, SddlError
from .intern import BoundedTable
from .sddl_names import (
    SPACE,
    TYPE_NAMES,
    flags_from_text,
    flags_to_text,
    guid_from_text,
    rights_from_text,
    rights_to_text,
    sid_names,
    type_from_text,
)
from .sid import Sid

__all__ = [
    "ace_from_sddl",
    "ace_to_sddl",
    "descriptor_from_sddl",
    "descriptor_to_sddl",
    "sid_from_sddl",
    "sid_to_sddl",
]

_NULL: Final = "NO_ACCESS_CONTROL"
_C = Control
#: The control bits of each list, in the order in which they are written.
_CONTROL: Final[dict[str, dict[str, Control]]] = {
    "D": {"P": _C.DACL_PROTECTED, "AR": _C.DACL_AUTO_INHERIT_REQ, "AI": _C.DACL_AUTO_INHERITED},
    "S": {"P": _C.SACL_PROTECTED, "AR": _C.SACL_AUTO_INHERIT_REQ, "AI": _C.SACL_AUTO_INHERITED},
}
_PRESENT: Final = {"D": Control.DACL_PRESENT, "S": Control.SACL_PRESENT}
#: Types whose seventh field is a condition; an access filter has one too.
_CONDITIONAL: Final = frozenset(
    {
        AceType.ACCESS_ALLOWED_CALLBACK,
        AceType.ACCESS_DENIED_CALLBACK,
        AceType.ACCESS_ALLOWED_CALLBACK_OBJECT,
        AceType.SYSTEM_AUDIT_CALLBACK,
        AceType.SYSTEM_ACCESS_FILTER,
    }
)
#: What Windows makes of an object entry that names no object (win32 "ACE Strings", note on ace_type).
_WITHOUT_GUIDS: Final = {
    AceType.ACCESS_ALLOWED_OBJECT: AceType.ACCESS_ALLOWED,
    AceType.ACCESS_DENIED_OBJECT: AceType.ACCESS_DENIED,
    AceType.SYSTEM_AUDIT_OBJECT: AceType.SYSTEM_AUDIT,
    AceType.SYSTEM_ALARM_OBJECT: AceType.SYSTEM_ALARM,
}

_PART: Final = re.compile(rf"[{SPACE}]*([OGDS]):")
_FLAG: Final = re.compile(rf"({_NULL}|P|AR|AI)[{SPACE}]*", re.IGNORECASE | re.ASCII)
_PLAIN_ACE: Final = re.compile(r'\([^()"]*\)')
_NO_BRACKET: Final = re.compile(r'[^()"]*')
_SPACES: Final = frozenset(SPACE)
_DEPTH: Final = {"(": 1, ")": -1}
_BRACKET: Final = re.compile(r'[()]|"[^"]*"?')
_LONGEST_KEPT: Final = 512  # characters of an entry's text that a table may hold on to


class _Words:
    """What is known for one domain: the names of its SIDs, and the entries met so far."""

    def __init__(self, domain_sid: Sid | None, forest_root_sid: Sid | None) -> None:
        self.names = sid_names(domain_sid, forest_root_sid)
        #: Entries by their text between the parentheses.
        self.aces: BoundedTable[str, Ace] = BoundedTable(8192)
        #: Texts by the identity of their entry, which is kept beside so that it stays the only one with it.
        self.texts: BoundedTable[int, tuple[Ace, str]] = BoundedTable(8192)


_words = lru_cache(maxsize=4)(_Words)


def descriptor_from_sddl(
    text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None
) -> SecurityDescriptor:
    """sddl = *( "O:" sid-string / "G:" sid-string / ( "D:" / "S:" ) list ), each at most once, in any order.

    ``domain_sid`` gives names such as DA a meaning, ``forest_root_sid`` those such as EA. Raises SddlError.
    """
    words = _words(domain_sid, forest_root_sid)
    control = Control.SELF_RELATIVE
    sids: dict[str, Sid] = {}
    lists: dict[str, Acl | None] = {}
    position, end = 0, len(text)
    while position < end:
        part = _PART.match(text, position)
        if not part:
            if not text[position:].strip(SPACE):
                break
            raise SddlError(text, (position, end), "expected O:, G:, D: or S:")
        tag = part[1]
        if tag in sids or tag in lists:
            raise SddlError(text, part.span(1), f"{tag}: stands here twice")
        if tag in _PRESENT:
            lists[tag], flags, position = _read_list(text, part.end(), tag, words)
            control |= flags
        else:
            # The letter in front of the next colon is a tag, though a SID in hexadecimal could end with D.
            colon = text.find(":", part.end())
            position = colon - 1 if colon >= 0 else end
            try:
                sids[tag] = words.names.from_text(text[part.end() : position].strip(SPACE))
            except AclError as error:
                raise SddlError(text, (part.end(), max(part.end(), position)), str(error)) from None
    return SecurityDescriptor(control, sids.get("O"), sids.get("G"), lists.get("S"), lists.get("D"))


def _read_list(text: str, start: int, tag: str, words: _Words) -> tuple[Acl | None, int, int]:
    """list = *( "P" / "AR" / "AI" ) ( "NO_ACCESS_CONTROL" / *entry )"""
    stops = [at for at in (text.find("(", start), text.find(":", start) - 1) if at >= start]
    position = min(stops, default=len(text))
    control, is_null = int(_PRESENT[tag]), False
    if position > start:
        flags, is_null = _read_list_flags(text, start, position, tag)
        control |= flags
    if is_null and text.startswith("(", position):
        raise SddlError(text, (position, len(text)), "a null list has no entries")
    aces, position = _read_entries(text, position, words)
    return None if is_null else Acl(tuple(aces)), control, position


def _read_entries(text: str, start: int, words: _Words) -> tuple[list[Ace], int]:
    """*entry"""
    # First the guess that the next colon ends the list, and ")(" each entry. When each piece is an entry that was
    # read before, or one without brackets and strings, no other reading of the text is possible.
    colon = text.find(":", start)
    stop = colon - 1 if colon >= 0 else len(text)
    if text.startswith("(", start) and text[stop - 1] == ")":
        pieces = text[start + 1 : stop - 1].split(")(")
        found = list(map(words.aces.get, pieces))
        position = start
        for index, piece in enumerate(pieces):
            end = position + len(piece) + 2
            if found[index] is None:
                if not _NO_BRACKET.fullmatch(piece):
                    break
                found[index] = _read_ace(text, position, end, words)
            position = end
        else:
            return [ace for ace in found if ace is not None], stop
    aces: list[Ace] = []
    position = start
    while text.startswith("(", position):
        entry = _PLAIN_ACE.match(text, position)
        stop = entry.end() if entry else _end_of_ace(text, position)
        known = words.aces.get(text[position + 1 : stop - 1])
        aces.append(known if known is not None else _read_ace(text, position, stop, words))
        position = stop
        while text[position : position + 1] in _SPACES:
            position += 1
    return aces, position


def _read_list_flags(text: str, start: int, end: int, tag: str) -> tuple[int, bool]:
    control, is_null, position = 0, False, start
    while position < end and text[position] in _SPACES:
        position += 1
    while position < end:
        flag = _FLAG.match(text, position, end)
        if not flag:
            raise SddlError(text, (position, end), f"the flags of a list are P, AR, AI and {_NULL}")
        word = flag[1].upper()
        control |= _CONTROL[tag].get(word, 0)
        is_null = is_null or word == _NULL
        position = flag.end()
    return control, is_null


def _end_of_ace(text: str, start: int) -> int:
    """Behind the parenthesis that closes the one at ``start``; those in strings do not count."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += _DEPTH.get(bracket[0], 0)
        if not depth:
            return bracket.end()
    raise SddlError(text, (start, len(text)), "the entry has no end")


def _read_ace(text: str, start: int, end: int, words: _Words) -> Ace:
    """entry = "(" type ";" flags ";" rights ";" [guid] ";" [guid] ";" sid-string [ ";" data ] ")"

    type = the words of ``sddl_names.TYPES``
    data = condition, of a callback type or an access filter / claim, of a resource attribute
    """
    piece = text[start + 1 : end - 1]
    fields = piece.split(";", 6)
    if len(fields) < 6:
        raise SddlError(text, (start, end), "an entry is (type;flags;rights;guid;guid;sid)")
    field = 0
    try:
        entry_type = type_from_text(fields[0])
        field = 1
        flags = flags_from_text(fields[1])
        field = 2
        mask = rights_from_text(fields[2])
        field = 3
        object_type = guid_from_text(fields[3])
        field = 4
        inherited_object_type = guid_from_text(fields[4])
        field = 5
        sid = words.names.from_text(fields[5])
        field = 6
        data_start = end - 1 - len(fields[6]) if len(fields) > 6 else None
        data = _read_data(text, data_start, end - 1, entry_type, words)
        field = -1
        if object_type is None and inherited_object_type is None:
            entry_type = _WITHOUT_GUIDS.get(entry_type, entry_type)
        ace = Ace(entry_type, flags, mask, sid, object_type, inherited_object_type, data)
    except SddlError:
        raise
    except AclError as error:
        span = (start, end)
        if field >= 0:
            at = min(start + 1 + sum(map(len, fields[:field])) + field, end - 1)
            span = (at, at + len(fields[field]) if field < len(fields) else at)
        raise SddlError(text, span, str(error)) from None
    return words.aces.keep(piece, ace) if len(piece) <= _LONGEST_KEPT else ace


def _read_data(text: str, start: int | None, end: int, entry_type: AceType, words: _Words) -> bytes:
    """The application data that the seventh field, if there is one, stands for."""
    # Imported where they are met: few directories hold a condition, and every command waits for an import.
    if entry_type is AceType.SYSTEM_RESOURCE_ATTRIBUTE:
        if start is None:
            raise AclError("a resource attribute has a seventh field")
        from .claim import parse_claim  # noqa: PLC0415

        return parse_claim(text, start, end, words.names).to_bytes()
    if start is None:
        return b""
    if entry_type in _CONDITIONAL:
        from .condition_text import parse_condition  # noqa: PLC0415

        return parse_condition(text, start, end, words.names).to_bytes()
    raise AclError("entries of this type have six fields")


def descriptor_to_sddl(
    descriptor: SecurityDescriptor, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None
) -> str:
    """The text of a descriptor. Raises AclError when it holds an entry that has none.

    A SID relative to a domain is written as DA only with that ``domain_sid``, and as EA only with that
    ``forest_root_sid``; otherwise in full.
    """
    words = _words(domain_sid, forest_root_sid)
    control = descriptor.control
    parts: list[str] = []
    if descriptor.owner is not None:
        parts += ("O:", words.names.to_text(descriptor.owner))
    if descriptor.group is not None:
        parts += ("G:", words.names.to_text(descriptor.group))
    for tag, acl in (("D", descriptor.dacl), ("S", descriptor.sacl)):
        if acl is None and not control & _PRESENT[tag]:
            continue
        parts += (tag, ":")
        parts += [word for word, bit in _CONTROL[tag].items() if control & bit]
        if acl is None:
            parts.append(_NULL)
        else:
            parts += _write_entries(acl.aces, words)
    return "".join(parts)


def _write_entries(aces: tuple[Ace, ...], words: _Words) -> list[str]:
    known = map(words.texts.get, map(id, aces))
    return [found[1] if found else _write_ace(ace, words) for ace, found in zip(aces, known, strict=True)]


def _write_ace(ace: Ace, words: _Words) -> str:
    name = TYPE_NAMES.get(ace.type)
    if name is None or ace.sid is None:
        raise AclError(f"SDDL has no word for entries of type 0x{int(ace.type):02X}")
    fields = [
        name,
        flags_to_text(ace.flags, ace.type),
        rights_to_text(ace.mask, ace.type),
        str(ace.object_type) if ace.object_type is not None else "",
        str(ace.inherited_object_type) if ace.inherited_object_type is not None else "",
        words.names.to_text(ace.sid),
    ]
    fields += _write_data(ace, words)
    text = f"({';'.join(fields)})"
    if len(text) <= _LONGEST_KEPT:
        words.texts.keep(id(ace), (ace, text))
    return text


def _write_data(ace: Ace, words: _Words) -> list[str]:
    """The seventh field of an entry that has one."""
    if ace.type == AceType.SYSTEM_RESOURCE_ATTRIBUTE:
        from .claim import Claim, format_claim  # noqa: PLC0415

        return [format_claim(Claim.from_bytes(ace.data), words.names)]
    if ace.type in _CONDITIONAL and ace.data:
        from .condition import Condition  # noqa: PLC0415
        from .condition_text import format_condition  # noqa: PLC0415

        return [format_condition(Condition.from_bytes(ace.data), words.names)]
    return []


def ace_from_sddl(text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> Ace:
    """The entry that text such as ``(A;CI;RPWP;;;DA)`` stands for; raises SddlError."""
    start = len(text) - len(text.lstrip(SPACE))
    if not text.startswith("(", start):
        raise SddlError(text, (start, len(text)), "an entry stands in parentheses")
    end = _end_of_ace(text, start)
    if text[end:].strip(SPACE):
        raise SddlError(text, (end, len(text)), "expected one entry")
    return _read_ace(text, start, end, _words(domain_sid, forest_root_sid))


def ace_to_sddl(ace: Ace, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> str:
    """The text of one entry, parentheses included; raises AclError where it has none."""
    return _write_ace(ace, _words(domain_sid, forest_root_sid))


def sid_from_sddl(text: str, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> Sid:
    """sid-string = sid-token / "S-1-" ..., a token being the two-letter name of a SID; raises SddlError."""
    try:
        return sid_names(domain_sid, forest_root_sid).from_text(text)
    except AclError as error:
        raise SddlError(text, (0, len(text)), str(error)) from None


def sid_to_sddl(sid: Sid, *, domain_sid: Sid | None = None, forest_root_sid: Sid | None = None) -> str:
    """The two-letter name where the SID has one, S-1-... otherwise."""
    return sid_names(domain_sid, forest_root_sid).to_text(sid)
