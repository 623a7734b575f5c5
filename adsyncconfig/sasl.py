"""SASL's GSSAPI mechanism: what the client answers to each challenge, and the security layer after it. No I/O.

    client                                   controller
    first token                        ->
                                       <-    tokens, until both know each other
    last token, or nothing             ->
                                       <-    the layers that it offers, and its largest buffer
    the layer that is wanted           ->
                                       <-    success

Rule 1: inside TLS there is no layer, as Active Directory wants it (MS-ADTS 5.1.2.2); without TLS everything is
        sealed, or there is no logon. Merely signed is not offered: it would save nothing.
Rule 2: a controller that says "success" before it has proved who it is has proved nothing: ``complete`` tells.

Sources: RFC 4752 section 3 (the exchange), RFC 4422 section 3.7 (buffers of the layer).
"""

from __future__ import annotations

import struct
from typing import Any, Final, Protocol

from .errors import AuthenticationFailed
from .wire import WireError

__all__ = ["GSSAPI", "GssapiExchange", "Initiator", "SealedSocket"]

GSSAPI: Final = "GSSAPI"
NO_LAYER: Final = 1
CONFIDENTIALITY: Final = 4
#: The largest buffer that we take: what three bytes can say.
LARGEST_BUFFER: Final = 0xFFFFFF


class Initiator(Protocol):
    """A security context of the client's side: gssapi's, or winkerberos's."""

    @property
    def complete(self) -> bool:
        """Whether both sides know each other."""

    def step(self, token: bytes | None) -> bytes:
        """The next token for the controller, which may be empty."""

    def wrap(self, data: bytes, *, seal: bool) -> bytes:
        """The data signed, and sealed where that is wanted."""

    def unwrap(self, data: bytes) -> bytes:
        """The data as it was before the controller wrapped it."""

    def fitting(self, largest: int) -> int:
        """How many bytes may be sealed so that no more than ``largest`` come out."""


class GssapiExchange:
    """The client's side of one logon; ``seal`` when no TLS is around it."""

    def __init__(self, initiator: Initiator, *, seal: bool) -> None:
        self.initiator = initiator
        self.complete = False
        self.largest = 0
        self._seal = seal

    def answer(self, challenge: bytes | None) -> bytes:
        """What to send next. Raises AuthenticationFailed when the controller offers no layer that will do."""
        if not self.initiator.complete:
            return self.initiator.step(challenge)
        offer = self.initiator.unwrap(challenge or b"")
        wanted = CONFIDENTIALITY if self._seal else NO_LAYER
        if len(offer) != 4 or not offer[0] & wanted:
            what = "sealing" if self._seal else "a connection without a layer of its own inside TLS"
            raise AuthenticationFailed(f"the controller does not offer {what}")
        self.largest = int.from_bytes(offer[1:])
        self.complete = True
        ours = LARGEST_BUFFER if self._seal else 0
        return self.initiator.wrap(bytes([wanted]) + ours.to_bytes(3), seal=False)


class SealedSocket:
    """A connected socket whose bytes travel sealed: each buffer is its length in four bytes, and what was wrapped.

    What comes is bounded as without sealing: the limits of wire.py hold for what was unwrapped, and its clock for
    each byte on the way. It has of a socket what ldap3 uses; the rest is the socket's own.
    """

    def __init__(self, connected: Any, exchange: GssapiExchange) -> None:
        # From here on the bytes below are no LDAP, so that the socket itself must not look at them.
        self.answers, connected.answers = connected.answers, None
        self._socket = connected
        self._initiator = exchange.initiator
        self._step = max(1, exchange.initiator.fitting(exchange.largest))
        self._sealed = bytearray()

    def sendall(self, data: bytes) -> None:
        """Send a request in as many buffers as it takes, which starts the clock of its answer."""
        self.answers.begin()
        for start in range(0, len(data), self._step):
            sealed = self._initiator.wrap(bytes(data[start : start + self._step]), seal=True)
            self._socket.settimeout(self.answers.left())
            self._socket.sendall(struct.pack(">I", len(sealed)) + sealed)

    def recv(self, _: int) -> bytes:
        """One message of the answer, or none when the controller has closed the connection."""
        message: bytes = self.answers.next(self._socket.settimeout, self._unsealed)
        return message

    def _unsealed(self, size: int) -> bytes:
        while len(self._sealed) < 4 or len(self._sealed) < 4 + self._length():
            self._socket.settimeout(self.answers.left())
            chunk = self._socket.recv(size)
            if not chunk:
                if self._sealed:
                    raise ConnectionResetError("the connection was ended in the middle of an answer")
                return b""
            self._sealed += chunk
        end = 4 + self._length()
        sealed = bytes(self._sealed[4:end])
        del self._sealed[:end]
        try:
            return self._initiator.unwrap(sealed)
        except AuthenticationFailed as error:
            raise WireError("a sealed buffer that was changed on the way, or is no such") from error

    def _length(self) -> int:
        length = int.from_bytes(self._sealed[:4])
        if not 0 < length <= LARGEST_BUFFER:
            raise WireError(f"a sealed buffer of {length} bytes")
        return length

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)
