"""Servers of a few lines for tests: one keeps silent, one says what a test has it say, one passes bytes on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Listener:
    """Accepts connections, keeps what they send, and answers nothing."""

    port: int
    chunks: list[bytes] = field(default_factory=list)

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)


@contextlib.contextmanager
def silent_listener() -> Iterator[Listener]:
    """A server on 127.0.0.1 that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])

        def keep(peer: socket.socket) -> None:
            with peer, contextlib.suppress(OSError):
                while chunk := peer.recv(65536):
                    listener.chunks.append(chunk)

        with _accepting(server, keep):
            yield listener


@contextlib.contextmanager
def saying(address: str, answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A port of ``address`` where each request gets an answer made of it."""
    with socket.create_server((address, 0)) as server:

        def say(peer: socket.socket) -> None:
            with peer, contextlib.suppress(OSError):
                while request := peer.recv(65536):
                    peer.sendall(answer(request))

        with _accepting(server, say):
            yield server.getsockname()[1]


@contextlib.contextmanager
def forwarder(address: str, target: tuple[str, int]) -> Iterator[int]:
    """A port of ``address`` (of the loopback network) behind which ``target`` answers, byte for byte."""
    with recorder(address, target) as listener:
        yield listener.port


@contextlib.contextmanager
def recorder(
    address: str, target: tuple[str, int], *, changed: Callable[[bytes], bytes] = lambda answer: answer
) -> Iterator[Listener]:
    """The same, which keeps what goes by in either direction, and may change what ``target`` answers."""
    with socket.create_server((address, 0)) as server:
        listener = Listener(server.getsockname()[1])

        def pump(
            source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes] = lambda data: data
        ) -> None:
            with contextlib.suppress(OSError):
                while chunk := source.recv(65536):
                    listener.chunks.append(chunk)
                    sink.sendall(change(chunk))
            with contextlib.suppress(OSError):  # however the other side ended
                sink.shutdown(socket.SHUT_WR)

        def relay(peer: socket.socket) -> None:
            with peer, socket.create_connection(target) as far:
                back = threading.Thread(target=pump, args=(far, peer, changed), daemon=True)
                back.start()
                pump(peer, far)
                back.join(10)

        with _accepting(server, relay):
            yield listener


@contextlib.contextmanager
def _accepting(server: socket.socket, serve: object) -> Iterator[None]:
    threads: list[threading.Thread] = []
    assert callable(serve)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                threads.append(threading.Thread(target=serve, args=(peer,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (accepting, *threads):
            thread.join(10)
