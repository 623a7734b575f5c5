"""Search conditions as values: rendered for LDAP in one place, and evaluated on a snapshot in another.

No caller ever writes a filter as text, so nothing that a user typed can change a filter's meaning. They are
tuples with names, since making as many dataclasses takes two milliseconds of every command's start.

Source: RFC 4515 (text form and escaping); MS-ADTS 3.1.1.3.1.3 (values of filters: a SID may be written S-1-...),
3.1.1.3.4.4 (the bit matching rule).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from acl import AclError, Sid

__all__ = [
    "EVERYTHING",
    "AllOf",
    "AnyOf",
    "BitsSet",
    "Equals",
    "EqualsBytes",
    "Filter",
    "Present",
    "StartsWith",
]

Attributes = Mapping[str, Sequence[bytes]]
MATCHING_RULE_BIT_AND: Final = "1.2.840.113556.1.4.803"
#: Attributes whose values are SIDs: a filter writes these as S-1-....
_SIDS: Final = frozenset({"objectsid", "sidhistory", "securityidentifier"})


class Equals(NamedTuple):
    """The attribute has this value; text is compared without regard to case, as Active Directory does.

    The value of an attribute that holds SIDs is written S-1-....
    """

    attribute: str
    value: str

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"({self.attribute}={_escape(self.value)})"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        name = self.attribute.lower()
        if name in _SIDS:
            values = attributes.get(name, ())
            return bool(values) and _sid_bytes(self.value) in values
        wanted = self.value.casefold()
        return any(
            value.decode("utf-8", "replace").casefold() == wanted for value in attributes.get(name, ())
        )


class EqualsBytes(NamedTuple):
    """The attribute has this value, byte for byte: a GUID, or another value that is no text."""

    attribute: str
    value: bytes

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"({self.attribute}={''.join(f'{chr(92)}{byte:02x}' for byte in self.value)})"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        return any(value == self.value for value in attributes.get(self.attribute.lower(), ()))


class StartsWith(NamedTuple):
    """The attribute's text begins with this, in any case."""

    attribute: str
    value: str

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"({self.attribute}={_escape(self.value)}*)"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        wanted = self.value.casefold()
        return any(
            value.decode("utf-8", "replace").casefold().startswith(wanted)
            for value in attributes.get(self.attribute.lower(), ())
        )


class Present(NamedTuple):
    """The attribute has a value."""

    attribute: str

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"({self.attribute}=*)"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        return bool(attributes.get(self.attribute.lower()))


class BitsSet(NamedTuple):
    """Every one of these bits is set in the attribute, an integer."""

    attribute: str
    bits: int

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"({self.attribute}:{MATCHING_RULE_BIT_AND}:={self.bits})"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        return any(
            _integer(value) & self.bits == self.bits for value in attributes.get(self.attribute.lower(), ())
        )


class AllOf(NamedTuple):
    """Every condition holds."""

    conditions: tuple[Filter, ...]

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"(&{''.join(each.to_ldap() for each in self.conditions)})"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        return all(each.matches(attributes) for each in self.conditions)


class AnyOf(NamedTuple):
    """At least one condition holds."""

    conditions: tuple[Filter, ...]

    def to_ldap(self) -> str:
        """The filter as LDAP text."""
        return f"(|{''.join(each.to_ldap() for each in self.conditions)})"

    def matches(self, attributes: Attributes) -> bool:
        """True when an object with these attributes meets the condition."""
        return any(each.matches(attributes) for each in self.conditions)


Filter = Equals | EqualsBytes | StartsWith | Present | BitsSet | AllOf | AnyOf

#: Every object there is.
EVERYTHING: Final = Present("objectClass")


def _escape(value: str) -> str:
    """Each byte that is not a plain ASCII letter, digit or harmless mark as a backslash and two digits."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b"*()\\" else f"\\{byte:02x}"
        for byte in value.encode("utf-8", "surrogatepass")
    )


def _integer(value: bytes) -> int:
    """The number that a value is; a file may hold what is none, and then no bit is set."""
    try:
        return int(value)
    except ValueError:
        return 0


@lru_cache(256)
def _sid_bytes(text: str) -> bytes | None:
    """The binary form of a SID's text; what is none equals no SID."""
    try:
        return Sid.from_string(text).to_bytes()
    except AclError:
        return None
