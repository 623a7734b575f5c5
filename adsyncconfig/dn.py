"""Distinguished names: read, compared, and taken apart, as a directory server does.

Rule 1: two spellings of one name are equal: case, escapes and spaces around separators do not count.
Rule 2: text from outside never becomes part of a DN but through ``escape``.

Source: RFC 4514 (text form); MS-ADTS 3.1.1.1.4 (Active Directory compares names without regard to case).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .errors import ParameterError

__all__ = ["DistinguishedName", "Rdns", "escape", "name_key", "part_key", "same_name"]

# attribute = value, up to an unescaped separator. A value is a quoted string (RFC 2253) or is escaped.
_RDN = re.compile(
    r"""\s*(?P<attribute>[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*
        (?P<value>"(?:[^"\\]|\\.)*"|(?:[^,+"\\<>;=]|\\[0-9A-Fa-f]{2}|\\[^0-9A-Fa-f]|=)*?)
        \s*(?P<separator>[,;+]|$)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'[,+"\\<>;=\x00-\x1f]')
# A part of a name in its plainest spelling: nothing escaped, nothing joined, no space to ignore.
_PLAIN_PART = re.compile(
    r"""([A-Za-z][A-Za-z0-9-]*)=([^\s#,+"\\<>;=\x00-\x1f](?:[^,+"\\<>;=\x00-\x1f]*[^\s,+"\\<>;=\x00-\x1f])?)"""
)
_JOINING = re.compile(r"[,+\\]")


Rdns = tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A name as written and as compared.

    ``rdns`` holds, leaf first, the parts of the name: each a tuple of (attribute, value) pairs, folded to one
    case, with more than one pair only where ``+`` joins them.
    """

    text: str
    rdns: Rdns

    @classmethod
    def parse(cls, text: str, *, what: str = "DN") -> DistinguishedName:
        """The name that the text spells; raises ParameterError, naming ``what``, when it spells none."""
        position = 0
        rdns: list[tuple[tuple[str, str], ...]] = []
        pairs: list[tuple[str, str]] = []
        while True:
            match = _RDN.match(text, position)
            if match is None or not match["value"]:
                raise ParameterError(
                    f"{what} '{text}' is no distinguished name at '{text[position:][:30]}': "
                    "write it like 'OU=Groups,DC=contoso,DC=example', with commas in names as '\\,'"
                )
            pairs.append((match["attribute"].lower(), _fold(_unescape(match["value"]))))
            position = match.end()
            if match["separator"] != "+":
                rdns.append(tuple(sorted(pairs)))
                pairs = []
            if not match["separator"]:
                return cls(text, tuple(rdns))

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DistinguishedName) and self.rdns == other.rdns

    def __hash__(self) -> int:
        return hash(self.rdns)

    def is_below(self, other: DistinguishedName) -> bool:
        """True when this object is a child, grandchild or further descendant of the other."""
        depth = len(other.rdns)
        return len(self.rdns) > depth and self.rdns[-depth:] == other.rdns

    @property
    def parent(self) -> str:
        """The text of the name that this one is in; empty when it is in none."""
        position = 0
        while (match := _RDN.match(self.text, position)) is not None:
            position = match.end()
            if match["separator"] != "+":
                break
        return self.text[position:].strip()

    @property
    def domain(self) -> str:
        """The DNS name that its DC parts spell: ``contoso.example``; empty when it has none."""
        labels = []
        for rdn in reversed(self.rdns):
            if rdn[0][0] != "dc":
                break
            labels.append(rdn[0][1])
        return ".".join(reversed(labels))


def name_key(text: str) -> str:
    """One text for all spellings of a name, with commas between its parts and nowhere else.

    So a name is below another when its key ends with a comma and the other's key. Raises ParameterError.
    """
    keys = [part_key(part) for part in text.split(",")]
    if None not in keys:
        return ",".join(keys)  # type: ignore[arg-type]
    parsed = DistinguishedName.parse(text).rdns
    return ",".join("+".join(f"{name}={_joinable(value)}" for name, value in rdn) for rdn in parsed)


def part_key(part: str) -> str | None:
    """The key of one part of a name; None where its spelling is not the plainest, so that it must be parsed."""
    match = _PLAIN_PART.fullmatch(part)
    if match is None:
        return None
    if part.isascii():
        return part.lower()
    return f"{match[1].lower()}={_joinable(_fold(match[2]))}"


def same_name(one: str, other: str) -> bool:
    """True when both spell one name: case and composition aside, and nothing else.

    Controllers compare more generously. Some end a text at a NUL, and Active Directory takes letters of another
    width, or without their accents, for the same: what a search by name finds is compared again with this.
    """
    return _fold(one) == _fold(other)


def escape(value: str) -> str:
    """A value as it must be written in a DN (RFC 4514 2.4)."""
    escaped = _SPECIAL.sub(
        lambda match: f"\\{ord(match[0]):02X}" if match[0] < " " else f"\\{match[0]}", value
    )
    if escaped[:1] in ("#", " "):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and not escaped.endswith("\\ "):
        escaped = escaped[:-1] + "\\ "
    return escaped


def _unescape(value: str) -> str:
    if value.startswith('"'):
        value = value[1:-1]

    def plain(match: re.Match[str]) -> str:
        if match[1]:
            # Hexadecimal pairs are bytes of UTF-8; what is none stays as it is written.
            try:
                return bytes.fromhex(match[1].replace("\\", "")).decode("utf-8")
            except UnicodeDecodeError:
                return match[1]
        return match[2]

    return _ESCAPED.sub(plain, value)


def _joinable(value: str) -> str:
    return _JOINING.sub(lambda match: f"\\{ord(match[0]):02x}", value)


def _fold(value: str) -> str:
    return unicodedata.normalize("NFC", value).casefold()
