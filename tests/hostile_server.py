"""A server that takes every logon, says what a controller says of itself, and then what the test has it say.

    with HostileServer(attack, folder) as server:
        ...                                     a client works on server.url, trusting server.ca_file

`attack` is given each message from the client, with its id and its tag, and gives the bytes to send, in as many
pieces as it likes, without end if need be; None leaves the message to the server. It runs until the client goes.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import ber
from lab_certificates import Authority
from ldap_proxy import element_end, request_of

HOST = "127.0.0.1"
BASE = b"DC=contoso,DC=example"
BIND, UNBIND, SEARCH, MODIFY, EXTENDED = 0x60, 0x42, 0x63, 0x66, 0x77
_ROOT_DSE = {
    "defaultNamingContext": [BASE],
    "rootDomainNamingContext": [BASE],
    "configurationNamingContext": [b"CN=Configuration," + BASE],
    "schemaNamingContext": [b"CN=Schema,CN=Configuration," + BASE],
    "dnsHostName": [b"dc1.contoso.example"],
}

Attack = Callable[[int, int, bytes], Iterable[bytes] | None]


def asks_for_root(message: bytes) -> bool:
    """True for a search with an empty base: the rootDSE."""
    at = message.index(bytes([SEARCH]), 5)
    content = at + 2 + (message[at + 1] & 0x7F if message[at + 1] & 0x80 else 0)
    return message[content : content + 2] == b"\x04\x00"


class HostileServer:
    """Listens on a port of its own while its `with` block runs; ``tls`` False waits for StartTLS."""

    def __init__(self, attack: Attack, folder: Path, *, tls: bool = True) -> None:
        self._attack, self._tls = attack, tls
        self.ca_file = folder / "ca.pem"
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        if not self.ca_file.exists():
            authority = Authority.create("Hostile authority")
            authority.issue(HOST, HOST, certificate_file=certificate, key_file=key)
            authority.write(self.ca_file)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server((HOST, 0))
        self._threads: list[threading.Thread] = []
        #: The bytes that clients sent before TLS, and after a referral.
        self.plain = b""

    @property
    def url(self) -> str:
        return f"{'ldaps' if self._tls else 'ldap'}://{HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._spawn(self._serve, self._listener.accept()[0])

    def _serve(self, accepted: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, ValueError):
            client = stack.enter_context(accepted)
            client.settimeout(20)
            if self._tls:
                client = stack.enter_context(self._context.wrap_socket(client, server_side=True))
            for message in self._messages(client):
                number, tag = request_of(message)
                pieces = self._attack(number, tag, message)
                for piece in self._honest(number, tag, message) if pieces is None else pieces:
                    client.sendall(piece)

    def _messages(self, client: socket.socket) -> Iterator[bytes]:
        data = b""
        while chunk := client.recv(65536):
            data += chunk
            if not isinstance(client, ssl.SSLSocket):
                self.plain += chunk
            while (end := element_end(data, 0)) is not None and end <= len(data):
                yield data[:end]
                data = data[end:]

    def _honest(self, number: int, tag: int, message: bytes) -> Iterator[bytes]:
        if tag == BIND:
            yield ber.result(number, ber.BIND_RESPONSE, 0)
        elif tag == SEARCH:
            if asks_for_root(message):
                yield ber.entry(number, b"", _ROOT_DSE)
            yield ber.result(number, ber.SEARCH_DONE, 0)
        elif tag == MODIFY:
            yield ber.result(number, ber.MODIFY_RESPONSE, 0)
