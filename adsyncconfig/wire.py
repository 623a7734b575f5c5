"""What a server may send, and for how long: the limits that an LDAP library leaves to the server.

A library waits for each byte anew, keeps what comes until memory ends, and reads lengths as they are said. So
these sockets stand between it and the network:

Rule 1: one clock for each request. No silence may last longer than the time-out, and all of an answer has to be
        there within the time-out and a second more for each SLOWEST bytes of it: a drip does not extend it.
Rule 2: a message is refused by its first bytes when it is longer than LARGEST_MESSAGE, and an answer when it is
        longer than LARGEST_ANSWER or has more than MOST_MESSAGES. Nothing is kept of either.
Rule 3: the library sees one whole message at a time, whose lengths add up, whose integers are short, and which
        nests no deeper than LDAP does. What is not so is a ``WireError``.

Sources: RFC 4511 5.1 (LDAP's use of BER: definite lengths only), X.690 8.1. It does no more than this with the
bytes: what they mean is the library's business.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

__all__ = [
    "BoundedSocket",
    "BoundedTlsSocket",
    "BrokenOff",
    "Overdue",
    "WireError",
    "bounded",
    "check_message",
    "cut_off",
]

LARGEST_MESSAGE: Final = 16 << 20  # bytes; an object's descriptor has at most 64 KiB (MS-ADTS 3.1.1.1.5)
LARGEST_ANSWER: Final = 64 << 20
LARGEST_CONTROLS: Final = 64 << 10  # the cookie of a paged search is in one of them
MOST_MESSAGES: Final = 4000  # a page has at most 1000 entries (MaxPageSize), and references beside them
SLOWEST: Final = 16 << 10  # bytes a second
_DEEPEST: Final = 16  # a value of an attribute of an entry is 6 deep
_CHUNK: Final = 64 << 10

_SEQUENCE: Final = 0x30
_CONSTRUCTED: Final = 0x20
_LONG_TAG: Final = 0x1F
_CONTROLS: Final = 0xA0
_NUMBERS: Final = frozenset({0x01, 0x02, 0x0A})  # BOOLEAN, INTEGER, ENUMERATED
_LONGEST_NUMBER: Final = 8
_LONGEST_LENGTH: Final = 4


class WireError(Exception):
    """What came is no LDAP, or too much of it."""


class Overdue(Exception):
    """An answer was not there in time."""


class BrokenOff(Exception):
    """The connection was ended in the middle of a message."""


class _Answers:
    """The messages of one connection, and the clock and the limits of the request under way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buffer = bytearray()
        self.begin()

    def begin(self) -> None:
        """A request is about to be sent: its clock starts."""
        self._begun = time.monotonic()
        self._received = 0
        self._messages = 0

    @property
    def is_empty(self) -> bool:
        """True when nothing came that was not asked for."""
        return not self._buffer

    def left(self) -> float:
        """The seconds until the next byte has to be there. Raises Overdue."""
        left = self._seconds + self._received / SLOWEST - (time.monotonic() - self._begun)
        if left <= 0:
            raise self._overdue()
        return min(self._seconds, left)

    def _overdue(self) -> Overdue:
        passed = time.monotonic() - self._begun
        came = f", {self._received} bytes into the answer" if self._received else ""
        return Overdue(f"timed out after {passed:.0f} seconds{came}")

    def next(self, wait: Callable[[float], None], receive: Callable[[int], bytes]) -> bytes:
        """The next message; b"" when the server has ended the connection. Raises WireError, Overdue, BrokenOff."""
        while (size := self._size()) is None or len(self._buffer) < size:
            wait(self.left())
            try:
                chunk = receive(_CHUNK)
            except TimeoutError as error:
                raise self._overdue() from error
            if not chunk:
                if self._buffer:
                    raise BrokenOff
                return b""
            self._buffer += chunk
            self._received += len(chunk)
            if self._received > LARGEST_ANSWER:
                raise WireError(f"an answer of more than {LARGEST_ANSWER >> 20} MiB")
        self._messages += 1
        if self._messages > MOST_MESSAGES:
            raise WireError(f"an answer of more than {MOST_MESSAGES} messages")
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        check_message(message)
        return message

    def _size(self) -> int | None:
        """How long the message at the front is, or None where its first bytes are not all there."""
        data = self._buffer
        if not data:
            return None
        if data[0] != _SEQUENCE:
            raise WireError(f"0x{data[0]:02X} where a message begins")
        if len(data) < 2:
            return None
        if data[1] < 0x80:
            return 2 + data[1]
        octets = data[1] & 0x7F
        if not 0 < octets <= _LONGEST_LENGTH:
            raise WireError(f"a length of {octets} bytes" if octets else "a message of no definite length")
        if len(data) < 2 + octets:
            return None
        size = 2 + octets + int.from_bytes(data[2 : 2 + octets], "big")
        if size > LARGEST_MESSAGE:
            raise WireError(f"a message of {size} bytes")
        return size


def check_message(message: bytes) -> None:
    """Raise WireError unless the lengths in this BER add up to one message of LDAP's depth."""
    # Every byte of a survey passes here: a loop over positions, with nothing called and nothing sliced.
    ends: list[int] = []
    end = len(message)
    at = 0
    while True:
        while at == end:
            if not ends:
                return
            end = ends.pop()
        start = at + 2
        if start > end:
            raise WireError(f"an element at byte {at} that breaks off")
        tag, length = message[at], message[at + 1]
        if length > 0x7F:
            octets = length & 0x7F
            if not 0 < octets <= _LONGEST_LENGTH or start + octets > end:
                raise WireError(f"a length at byte {at + 1} that is none")
            length = int.from_bytes(message[start : start + octets], "big")
            start += octets
        at = start + length
        if at > end:
            raise WireError(f"an element at byte {start} that is longer than what holds it")
        if tag & _LONG_TAG == _LONG_TAG:
            raise WireError(f"a tag before byte {start} that LDAP does not have")
        if tag & _CONSTRUCTED:
            if len(ends) == _DEEPEST:
                raise WireError(f"an element at byte {start} that nests deeper than LDAP does")
            if tag == _CONTROLS and len(ends) == 1 and length > LARGEST_CONTROLS:
                raise WireError(f"controls of {length} bytes")
            ends.append(end)
            end, at = at, start
        elif tag in _NUMBERS and not 0 < length <= _LONGEST_NUMBER:
            raise WireError(f"a number of {length} bytes at byte {start}")


class BoundedSocket(socket.socket):
    """A socket whose answers are bounded, once ``bounded`` has said how long they may take."""

    answers: _Answers | None = None

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """One message of the answer, whatever its size, or b"" at the end."""
        receive = super().recv
        if self.answers is None:
            return receive(bufsize, flags)
        return self.answers.next(self.settimeout, receive)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send a request, which starts the clock of its answer."""
        if self.answers is not None:
            self.answers.begin()
            self.settimeout(self.answers.left())  # for all of it, as Python counts it here
        super().sendall(data, flags)


class BoundedTlsSocket(ssl.SSLSocket):
    """The same inside TLS."""

    answers: _Answers | None = None

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """One message of the answer, whatever its size, or b"" at the end."""
        receive = super().recv
        if self.answers is None:
            return receive(buflen, flags)
        return self.answers.next(self.settimeout, receive)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send a request, which starts the clock of its answer."""
        if self.answers is None:
            super().sendall(data, flags)
            return
        self.answers.begin()
        view = memoryview(data)
        while view:
            self.settimeout(self.answers.left())
            view = view[self.send(view, flags) :]


def bounded(connected: socket.socket, seconds: float) -> socket.socket:
    """The same connection, with answers that are bounded and may take so long."""
    if not isinstance(connected, BoundedSocket | BoundedTlsSocket):
        connected = BoundedSocket(connected.family, connected.type, connected.proto, connected.detach())
    connected.answers = _Answers(seconds)
    connected.settimeout(seconds)
    return connected


def cut_off(connected: socket.socket) -> None:
    """End a connection so that nothing that waits to be sent on it is sent any more."""
    with suppress(OSError):
        form = "hh" if os.name == "nt" else "ii"
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
    with suppress(OSError):
        connected.close()
