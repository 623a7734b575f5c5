"""Who holds a value in a snapshot: members of groups, SIDs of before. Read once, when first asked for.

Each value is a hash and the ordinal of its holder: some 20 bytes, so that ten million memberships can be held.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable
from typing import Any, Final

from acl import AclError, Sid
from acl.intern import BoundedTable

from .dn import name_key, part_key
from .errors import ParameterError
from .snapshot_format import Damaged, read_quickly, read_record
from .snapshot_index import HashTable, Index, escaped_comma, key_hash

__all__ = ["Holders", "MemberKeys", "sid_key"]

#: How many containers' keys are kept.
_REMEMBERED: Final = 100_000
_MEMBERS: Final = b'"member": ['
#: A name in lower case that is its own key but for escaped commas (``dn.part_key``), and several, as JSON has them.
_PART: Final = (
    rb"[a-z][a-z0-9-]*=[^\s#,+\"\\<>;=\x00-\x1f\x7f-\xff]"
    rb"(?:[^,+\"\\<>;=\x00-\x1f\x7f-\xff]*(?:\\\\,[^,+\"\\<>;=\x00-\x1f\x7f-\xff]*)*"
    rb"[^\s,+\"\\<>;=\x00-\x1f\x7f-\xff])?"
)
_NAME: Final = rb'"%b(?:,%b)*"' % (_PART, _PART)
_PLAIN_MEMBERS: Final = re.compile(rb"%b(?:, %b)*" % (_NAME, _NAME)).fullmatch
#: What no plain name holds: spaces at an end of a value, a value that begins with #, none at all; other characters.
_NOT_PLAIN: Final = (b"= ", b" ,", b"=#", b"=,", b'="')
_SPECIAL: Final = b"+\\<>;" + bytes(range(0x20)) + bytes(range(0x7F, 0x100))


class MemberKeys:
    """Gives the key of a member's name; of what is no name, the text in one case."""

    def __init__(self) -> None:
        self._containers = BoundedTable[str, str](_REMEMBERED)

    def __call__(self, member: str) -> str:
        """The key. Most members are in few containers, whose keys are kept."""
        try:
            if '"' in member or "\\" in member:
                return name_key(member)
            leaf, _, container = member.partition(",")
            part = part_key(leaf)
            if part is None or not container:
                return name_key(member)
            above = self._containers.get(container) or self._containers.keep(container, name_key(container))
        except ParameterError:
            return member.casefold()
        return f"{part},{above}"


def sid_key(sid: str) -> str:
    """The one text of a SID."""
    try:
        return str(Sid.from_string(sid))
    except AclError:
        return ""


class Holders:
    """The holders of an attribute's values, in the order of the file."""

    def __init__(
        self, index: Index, candidates: Iterable[int], attribute: str, key: Callable[[str], str]
    ) -> None:
        self._values = array("q")
        self._holders = array("I")
        self._key = key
        for ordinal in candidates:
            line = index.line(ordinal)
            found = _plain_members(line) if attribute == "member" else None
            if found is None:
                texts = (each for each in _values(line, attribute) if isinstance(each, str))
                found = [key_hash(key(each)) for each in texts]
            self._values.extend(found)
            self._holders.extend([ordinal] * len(found))
        self._table = HashTable(len(self._values), self._values)
        self._table.fill()

    def of(self, value: str) -> list[int]:
        """The objects that, as its hash says, hold the value."""
        places = self._table.find(key_hash(self._key(value)))
        return sorted({self._holders[place] for place in places})


def _plain_members(line: bytes) -> list[int] | None:
    """The hashes of the members' keys where all are in their plainest spelling, which most groups' are."""
    start = line.find(_MEMBERS) + len(_MEMBERS)
    names = line[start : line.find(b"]", start)].lower()
    if start < len(_MEMBERS) or not (_are_plain(names) or _PLAIN_MEMBERS(names)):
        return None
    return [hash(name) for name in escaped_comma(names[1:-1]).split(b'", "')]


def _are_plain(names: bytes) -> bool:
    """What ``_PLAIN_MEMBERS`` says of names without a backslash, by counting, in a tenth of its time.

    What is no name at all may pass; nobody is looked up by it.
    """
    between = names.count(b'", "')
    return (
        names.count(b'"') == 2 * between + 2
        and names[:1] == names[-1:] == b'"'
        and names.count(b"=") == names.count(b",") + 1
        and names.count(b", ") == names.count(b' "') == between
        and not any(mark in names for mark in _NOT_PLAIN)
        and len(names.translate(None, _SPECIAL)) == len(names)
    )


def _values(line: bytes, attribute: str) -> Iterable[Any]:
    try:
        _, values = read_quickly(line) or (None, read_record(line).values)
        return values.get(attribute, ())
    except Damaged:
        return ()  # whoever reads the object itself is told
