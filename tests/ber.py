"""LDAP messages of a server as bytes, well-formed or not: what the proxy and the hostile server say (RFC 4511)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BIND_RESPONSE, ENTRY, SEARCH_DONE, REFERENCE, MODIFY_RESPONSE, EXTENDED = 0x61, 0x64, 0x65, 0x73, 0x67, 0x78
_PAGED = b"1.2.840.113556.1.4.319"


def tlv(tag: int, content: bytes) -> bytes:
    """An element of definite length."""
    length = len(content)
    octets = length.to_bytes((length.bit_length() + 7) // 8 or 1, "big")
    head = bytes([length]) if length < 0x80 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + head + content


def message(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    """An LDAPMessage."""
    return tlv(0x30, tlv(0x02, number.to_bytes(4, "big")) + operation + controls)


def result(
    number: int, tag: int, code: int, *, said: bytes = b"", referral: str = "", more: bytes = b""
) -> bytes:
    """An LDAPResult."""
    octets = code.to_bytes(max(1, (code.bit_length() + 8) // 8), "big")
    content = tlv(0x0A, octets) + tlv(0x04, b"") + tlv(0x04, said)
    if referral:
        content += tlv(0xA3, tlv(0x04, referral.encode()))
    return message(number, tlv(tag, content + more))


def entry(number: int, dn: bytes, attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    """A SearchResultEntry."""
    rows = b"".join(
        tlv(0x30, tlv(0x04, name.encode()) + tlv(0x31, b"".join(tlv(0x04, value) for value in values)))
        for name, values in attributes.items()
    )
    return message(number, tlv(ENTRY, tlv(0x04, dn) + tlv(0x30, rows)))


def page_end(number: int, cookie: bytes) -> bytes:
    """A SearchResultDone with the control of a paged search."""
    value = tlv(0x30, tlv(0x02, b"\x00") + tlv(0x04, cookie))
    controls = tlv(0xA0, tlv(0x30, tlv(0x04, _PAGED) + tlv(0x04, value)))
    done = tlv(SEARCH_DONE, tlv(0x0A, b"\x00") + tlv(0x04, b"") + tlv(0x04, b""))
    return message(number, done, controls)
