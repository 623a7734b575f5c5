"""The bounds of what a server may send, without a server: framing, well-formedness, limits and the clock."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import ber
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsyncconfig import wire
from adsyncconfig.wire import BoundedSocket, BrokenOff, Overdue, WireError, bounded, check_message

ENTRY = ber.entry(7, b"CN=Team,DC=contoso,DC=example", {"name": [b"Team"], "member": [b"x" * 300] * 3})
DONE = ber.result(7, ber.SEARCH_DONE, 0)
elements = st.recursive(
    st.builds(ber.tlv, st.sampled_from([0x04, 0x80, 0x87, 0x0C]), st.binary(max_size=200)),
    lambda inner: st.builds(
        lambda tag, parts: ber.tlv(tag, b"".join(parts)),
        st.sampled_from([0x30, 0x31, 0x64, 0xA3]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)


@pytest.fixture
def pair() -> Iterator[tuple[BoundedSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    near = bounded(ours, 1)
    theirs.settimeout(10)
    assert isinstance(near, BoundedSocket)
    with near, theirs:
        yield near, theirs


@given(elements)
def test_what_adds_up_is_taken(element: bytes) -> None:
    check_message(ber.message(1, element))


@given(st.one_of(st.binary(max_size=400), st.builds(lambda e: ber.message(1, e), elements)), st.data())
def test_whatever_comes_the_only_error_is_that_it_is_no_ldap(message: bytes, data: st.DataObject) -> None:
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_message(bytes(damaged))
    except WireError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right, no other is


@given(elements, st.integers(min_value=1))
def test_what_is_cut_is_never_taken(element: bytes, cut: int) -> None:
    message = ber.message(1, element)
    with pytest.raises(WireError):
        check_message(message[: -(cut % (len(message) - 1) + 1)])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
def test_messages_are_given_one_by_one_however_they_are_cut(
    pair: tuple[BoundedSocket, socket.socket], size: int
) -> None:
    near, far = pair
    stream = ENTRY + ENTRY + DONE

    def send() -> None:
        for at in range(0, len(stream), size):
            far.sendall(stream[at : at + size])
        far.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)  # so many small pieces fill what a socket holds
    sending.start()
    assert [near.recv(4096) for _ in range(4)] == [ENTRY, ENTRY, DONE, b""]
    sending.join()


def test_a_connection_that_ends_within_a_message_is_told_from_one_that_ends(
    pair: tuple[BoundedSocket, socket.socket],
) -> None:
    near, far = pair
    far.sendall(ENTRY + DONE[:-1])
    far.close()
    assert near.recv(4096) == ENTRY
    with pytest.raises(BrokenOff):
        near.recv(4096)


def test_silence_lasts_no_longer_than_the_time_out(pair: tuple[BoundedSocket, socket.socket]) -> None:
    near, far = pair
    near.sendall(b"request")
    far.sendall(ENTRY[:20])
    began = time.monotonic()
    with pytest.raises(Overdue, match="timed out after 1 seconds, 20 bytes into the answer"):
        near.recv(4096)
    assert 0.9 < time.monotonic() - began < 3


def test_the_clock_is_one_for_the_whole_answer_and_starts_anew_with_each_request(
    pair: tuple[BoundedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    near.sendall(b"request")
    far.sendall(ENTRY)
    near.recv(4096)
    now += 0.9  # what was received so far earns less than a tenth of a second more
    far.sendall(ENTRY)
    near.recv(4096)
    now += 0.3
    far.sendall(DONE)
    with pytest.raises(Overdue):
        near.recv(4096)
    near.sendall(b"another")
    assert near.recv(4096) == DONE


def test_a_long_answer_may_take_longer_as_long_as_it_comes(
    pair: tuple[BoundedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    near.sendall(b"request")
    page = ber.entry(7, b"CN=Team", {"name": [bytes(wire.SLOWEST)]})
    for _ in range(10):
        far.sendall(page)
        assert near.recv(4096) == page
        now += 0.99
    assert now > 109


def test_no_more_messages_come_than_an_answer_has(
    pair: tuple[BoundedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    monkeypatch.setattr(wire, "MOST_MESSAGES", 3)
    for _ in range(2):
        near.sendall(b"request")
        far.sendall(DONE * 3)
        assert [near.recv(4096) for _ in range(3)] == [DONE] * 3
    far.sendall(DONE)
    with pytest.raises(WireError, match="more than 3 messages"):
        near.recv(4096)


def test_a_socket_without_bounds_is_a_socket(pair: tuple[BoundedSocket, socket.socket]) -> None:
    near, far = pair
    near.answers = None
    far.sendall(b"no LDAP")
    assert near.recv(3) == b"no "
    near.sendall(b"at all")
    assert far.recv(100) == b"at all"
