"""Faults between a client and a lab controller, at a moment that the test names.

    with FaultProxy(controller, Moment(MODIFY, side=ANSWER), reset) as proxy:
        ...                                     the client works on proxy.url
    assert proxy.fired

A `Moment` is a message: the Nth request of a kind before it is passed on, or its answer before the client has
any of it, or after so many entries of it. A fault is a function of the `Link` and of that message. It may end the
link, keep silent, answer by itself, or let the message pass. `lasting` says what happens to further attempts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Self

import ber
from ldap_proxy import LdapProxy, Request, element_end, request_of
from samba_lab import DomainController

CONNECT = "connect"
BIND = "bindRequest"
SEARCH = "searchRequest"
MODIFY = "modifyRequest"
UNBIND = "unbindRequest"
REQUEST, ANSWER = "request", "answer"

_CHUNK = 65536
_PATIENCE = 30.0
#: The beginning of a TLS record of 16 KiB, and some of it.
_SERVER_HELLO = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03" + bytes(1000)
_SAID = b"planted by the test"


class Lasting(Enum):
    """What becomes of the client's attempts after the fault."""

    ONCE = "once"
    FOR_GOOD = "for good"  # the same for every such message, on every connection
    GONE = "and the controller is gone"  # nobody listens any more


@dataclass(frozen=True, slots=True)
class Moment:
    """The message at which a fault happens; ``after`` counts requests from the first of that kind on."""

    operation: str
    nth: int = 1
    side: str = REQUEST
    entries: int = 0
    after: str = ""


class _End(Exception):
    """This link is over."""


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket | None) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server

    def answer(self, message: bytes) -> None:
        """Send the client something."""
        self.client.settimeout(_PATIENCE)
        self.client.sendall(message)

    def swallow(self) -> None:
        """Read what the client sends until it goes, or the test ends."""
        self.client.settimeout(0.1)
        while not self.proxy.is_ending:
            try:
                if not self.client.recv(_CHUNK):
                    break
            except (TimeoutError, ssl.SSLWantReadError):
                continue
        raise _End


Fault = Callable[[Link, bytes], None]


def reset(link: Link, message: bytes) -> None:
    """End the connection with RST."""
    link.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.client.close()
    raise _End


def disconnect(link: Link, message: bytes) -> None:
    """End the connection with FIN."""
    with contextlib.suppress(OSError):
        link.client.shutdown(socket.SHUT_RDWR)
    raise _End


def black_hole(link: Link, message: bytes) -> None:
    """Keep the connection open, and say nothing any more."""
    link.swallow()


def drip(link: Link, message: bytes) -> None:
    """Send the answer so slowly that it never ends, a byte at a time."""
    link.client.settimeout(1)
    for byte in message:
        link.client.sendall(bytes([byte]))
        if link.proxy.ended.wait(0.3):
            break
    link.swallow()


def truncate(link: Link, message: bytes) -> None:
    """Send half of the answer, then FIN."""
    link.answer(message[: len(message) // 2])
    disconnect(link, message)


def malformed(link: Link, message: bytes) -> None:
    """Send an answer whose inner lengths do not add up."""
    number, _ = request_of(message)
    link.answer(ber.message(number, b"\x65\x7f\x0a\x01\x00"))
    raise _Handled


def garbage(link: Link, message: bytes) -> None:
    """Send what is no LDAP at all."""
    link.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    raise _Handled


def wrong_id(link: Link, message: bytes) -> None:
    """Answer a question that nobody asked."""
    number, tag = request_of(message)
    link.answer(ber.result(number + 7, _done(tag), 0))
    raise _Handled


def notice_of_disconnection(link: Link, message: bytes) -> None:
    """Say goodbye as a controller does that is shut down (RFC 4511 4.4.1), and end the connection."""
    name = ber.tlv(0x8A, b"1.3.6.1.4.1.1466.20036")
    link.answer(ber.result(0, ber.EXTENDED, 52, said=b"shutting down", more=name))
    disconnect(link, message)


def result(code: int, *, referral: str = "") -> Fault:
    """Answer with this result code in place of the controller."""

    def fault(link: Link, message: bytes) -> None:
        number, tag = request_of(message)
        link.answer(ber.result(number, _done(tag), code, said=_SAID, referral=referral))
        raise _Handled

    return fault


def send_signal(number: signal.Signals) -> Fault:
    """Send the client's process a signal, and let the message wait until that has gone."""

    def fault(link: Link, message: bytes) -> None:
        assert link.proxy.client.wait(_PATIENCE)
        os.kill(link.proxy.client_id, number)
        link.swallow()

    return fault


def refused(link: Link, message: bytes) -> None:
    """Listen no more: whoever connects is refused. At ``CONNECT`` nobody ever listened."""
    reset(link, message)


class _Handled(Exception):
    """The client has its answer: the message is not passed on, and the link lives."""


class FaultProxy(LdapProxy):
    """An `LdapProxy` at which one thing goes wrong."""

    def __init__(
        self, controller: DomainController, moment: Moment, fault: Fault, lasting: Lasting = Lasting.ONCE
    ) -> None:
        super().__init__(controller)
        self._moment, self._fault, self._lasting = moment, fault, lasting
        self._counts: Counter[str] = Counter()
        self._wake, self._waker = socket.socketpair()
        self.fired = 0
        self.ended = threading.Event()
        self._refusing = threading.Event()
        self.client = threading.Event()
        self.client_id = 0

    @property
    def is_ending(self) -> bool:
        return self.ended.is_set()

    def __enter__(self) -> Self:
        super().__enter__()
        if self._moment.operation == CONNECT and self._fault is refused:
            self.fired += 1
            self.refuse()
        return self

    def tell(self, process_id: int) -> None:
        """Say which process the client is, for signals."""
        self.client_id = process_id
        self.client.set()

    def refuse(self) -> None:
        """Take no connection any more."""
        self._waker.close()
        assert self._refusing.wait(_PATIENCE)

    def stop(self) -> None:
        self.ended.set()
        super().stop()
        self._waker.close()
        self._wake.close()

    def _accept(self) -> None:
        while True:
            ready = select.select([self._listener, self._ending, self._wake], [], [])[0]
            if self._wake in ready or self._listener not in ready:
                self._listener.close()
                self._refusing.set()
                return
            self._spawn(self._serve, self._listener.accept()[0])

    def _serve(self, accepted: socket.socket) -> None:
        try:
            if self._is_due(CONNECT, REQUEST):
                with accepted:
                    self._fire(Link(self, accepted, None), _SERVER_HELLO)
            super()._serve(accepted)
        except (_End, _Handled, OSError):
            accepted.close()

    def _relay(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        link = Link(self, client, server)
        streams = {client: _Frames(), server: _Frames()}
        asked: dict[int, str] = {}
        due: dict[int, bool] = {}
        answered: set[int] = set()
        entries: Counter[int] = Counter()
        while True:
            ready: list[socket.socket] = [source for source in (client, server) if source.pending()]
            ready = ready or select.select([client, server, self._ending], [], [])[0]
            if ready == [self._ending]:
                return
            for source in (client, server):
                if source not in ready:
                    continue
                source.settimeout(0)
                try:
                    data = source.recv(_CHUNK)
                except ssl.SSLWantReadError:
                    continue
                if not data:
                    return
                for message in streams[source].feed(data):
                    number, tag = request_of(message)
                    with contextlib.suppress(_Handled):
                        if source is client:
                            request = Request.of(message)
                            with self._lock:
                                self._requests.append(request)
                                self._counts[request.operation] += 1
                                if self._moment.after == request.operation:
                                    self._counts[self._moment.operation] = 0
                            asked[number] = request.operation
                            due[number] = self._is_due(request.operation, ANSWER)
                            if self._is_due(request.operation, REQUEST):
                                self._fire(link, message)
                            _pass(server, message)
                        elif number not in answered:
                            if due.get(number) and entries[number] >= self._moment.entries:
                                answered.add(number)  # unless the fault lets it pass
                                self._fire(link, message)
                                answered.discard(number)
                            entries[number] += tag == ber.ENTRY
                            _pass(client, message)

    def _is_due(self, operation: str, side: str) -> bool:
        moment = self._moment
        if operation == CONNECT:
            with self._lock:
                self._counts[CONNECT] += 1
        if (moment.operation, moment.side) != (operation, side):
            return False
        if moment.after and not self._counts[moment.after]:
            return False
        if self.fired:
            return self._lasting is Lasting.FOR_GOOD
        return self._counts[operation] >= moment.nth

    def _fire(self, link: Link, message: bytes) -> None:
        self.fired += 1
        if self._lasting is Lasting.GONE:
            self.refuse()
        self._fault(link, message)


class _Frames:
    """Cuts a stream into LDAP messages."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._data += chunk
        while (end := element_end(self._data, 0)) is not None and end <= len(self._data):
            message, self._data = self._data[:end], self._data[end:]
            yield message


def _pass(sink: ssl.SSLSocket, message: bytes) -> None:
    sink.settimeout(_PATIENCE)
    sink.sendall(message)


def _done(tag: int) -> int:
    """The tag of the end of the answer (RFC 4511 4.2.2, 4.5.2, 4.6), for that of a request or of a part of it."""
    if tag in (0x63, 0x64, 0x65, 0x73):
        return 0x65
    return tag + 1 if tag in (0x60, 0x66) else tag
