"""A proxy before a lab controller that writes down every request a client sends, for counting round trips.

    with LdapProxy(controller) as proxy:
        ...                                     a client works on proxy.url, trusting controller.ca_file
    assert proxy.operations == ["bindRequest", "searchRequest", "unbindRequest"]

It ends the client's TLS with the controller's own certificate and speaks its own TLS to the controller, so it
sees plain LDAP. Of each message it reads only the frame: SEQUENCE, message id, tag of the operation (RFC 4511
4.1.1 and 5.1). A request is written down before it is passed on, so one that was answered is in the list;
the unbind, which has no answer, is there at the latest when the `with` block has ended.

A subclass makes faults by overriding `forward`, which sees every chunk on its way: raise ConnectionError to
end the connection, return without sending for silence, send a part and raise for a cut.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from samba_lab import DomainController

_OPERATIONS = {
    0x60: "bindRequest",
    0x42: "unbindRequest",
    0x63: "searchRequest",
    0x66: "modifyRequest",
    0x68: "addRequest",
    0x4A: "delRequest",
    0x6C: "modDNRequest",
    0x6E: "compareRequest",
    0x50: "abandonRequest",
    0x77: "extendedReq",
}
_SEQUENCE = 0x30
_INTEGER = 0x02
_CHUNK = 65536
_PATIENCE = 30.0  # seconds until a stalled peer is given up


@dataclass(frozen=True, slots=True)
class Request:
    """One LDAPMessage from a client."""

    message_id: int
    operation: str

    @classmethod
    def of(cls, message: bytes) -> Self:
        number, tag = request_of(message)
        return cls(number, _OPERATIONS.get(tag, f"operation 0x{tag:02X}"))


class MessageReader:
    """Cuts a stream of BER into LDAP requests, however it is split into chunks."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, chunk: bytes) -> Iterator[Request]:
        """Give the requests that this chunk completes."""
        self._data += chunk
        while (end := element_end(self._data, 0)) is not None and end <= len(self._data):
            message, self._data = self._data[:end], self._data[end:]
            yield Request.of(message)


def request_of(message: bytes) -> tuple[int, int]:
    """The message id and the tag of the operation of one LDAPMessage."""
    id_at = _content(message, 0, _SEQUENCE)
    number_at = _content(message, id_at, _INTEGER)
    operation_at = element_end(message, id_at)
    assert operation_at is not None
    return int.from_bytes(message[number_at:operation_at]), message[operation_at]


def _content(data: bytes, at: int, tag: int) -> int:
    if data[at] != tag:
        raise ValueError(f"tag 0x{data[at]:02X} where 0x{tag:02X} belongs: not LDAP")
    first = data[at + 1]
    return at + 2 + (first & 0x7F if first & 0x80 else 0)


def element_end(data: bytes, at: int) -> int | None:
    """Where the element at `at` ends, or None when its header isn't complete. LDAP's lengths are definite."""
    if len(data) < at + 2:
        return None
    first = data[at + 1]
    if not first & 0x80:
        return at + 2 + first
    content = at + 2 + (first & 0x7F)
    return content + int.from_bytes(data[at + 2 : content]) if len(data) >= content else None


class LdapProxy:
    """Listens on a free port of the controller's address while its `with` block runs."""

    def __init__(self, controller: DomainController) -> None:
        self._controller = controller
        self._target = (controller.host, 636)
        self._server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._server_tls.load_cert_chain(controller.certificate_file, controller.key_file)
        self._client_tls = ssl.create_default_context(cafile=controller.ca_file)
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        self._port = 0
        self._ending, self._end = socket.socketpair()

    @property
    def url(self) -> str:
        return f"ldaps://{self._controller.host}:{self._port}"

    @property
    def requests(self) -> list[Request]:
        """What clients have sent so far, in order of arrival."""
        with self._lock:
            return list(self._requests)

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]

    def clear(self) -> None:
        """Forget what was written down, to count from here."""
        with self._lock:
            self._requests.clear()

    def __enter__(self) -> Self:
        self._listener.bind((self._controller.host, 0))
        self._port = self._listener.getsockname()[1]
        self._listener.listen()
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every connection, and take no more: whoever connects from now on is refused."""
        if self._end.fileno() < 0:
            return
        self._end.close()  # makes `_ending` readable in every thread at once
        for thread in self._threads:  # the first accepts, so the list is complete once it has ended
            thread.join()
        self._listener.close()
        self._ending.close()

    def forward(self, sink: ssl.SSLSocket, data: bytes, *, from_client: bool) -> None:
        """Pass a chunk on."""
        sink.settimeout(_PATIENCE)
        sink.sendall(data)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._listener in select.select([self._listener, self._ending], [], [])[0]:
            self._spawn(self._serve, self._listener.accept()[0])

    def _serve(self, accepted: socket.socket) -> None:
        # Either side may vanish at any time, which ends this connection and concerns nobody else.
        with contextlib.ExitStack() as open_sockets, contextlib.suppress(OSError):
            open_sockets.enter_context(accepted)
            accepted.settimeout(_PATIENCE)
            client = open_sockets.enter_context(self._server_tls.wrap_socket(accepted, server_side=True))
            onward = socket.create_connection(self._target, _PATIENCE)
            open_sockets.enter_context(onward)
            server = self._client_tls.wrap_socket(onward, server_hostname=self._target[0])
            open_sockets.enter_context(server)
            self._relay(client, server)

    def _relay(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        """Pass chunks both ways until a side closes. One thread, as OpenSSL's connections are not for two."""
        reader = MessageReader()
        while True:
            ready: list[socket.socket] = [source for source in (client, server) if source.pending()]
            ready = ready or select.select([client, server, self._ending], [], [])[0]
            if ready == [self._ending]:  # and nothing else is left to read
                return
            for source, sink in ((client, server), (server, client)):
                if source not in ready:
                    continue
                source.settimeout(0)
                try:
                    data = source.recv(_CHUNK)
                except ssl.SSLWantReadError:  # a TLS record that carries no data, or half of one
                    continue
                if not data:
                    return
                if source is client:
                    with self._lock:
                        self._requests.extend(reader.feed(data))
                self.forward(sink, data, from_client=source is client)
