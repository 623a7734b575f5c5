"""What a hostile server says: the command fails with one clear line, in bounded time and memory.

Each row is a command in a process of its own, whose address space and time are limited; nothing of the host that
the server refers to is ever asked.
"""

from __future__ import annotations

import itertools
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import ber
import pytest
from hostile_server import BASE, BIND, EXTENDED, SEARCH, Attack, HostileServer, asks_for_root
from test_commands import SCRIPTS, environment

import adsyncconfig
from adsyncconfig import DirectoryError, Unreachable
from adsyncconfig import live as live_module
from adsyncconfig import ranges as ranges_module
from adsyncconfig.filters import EVERYTHING
from adsyncconfig.live import LiveDirectory

OU = b"OU=Writeback," + BASE
TIMEOUT = 2
MOST_SECONDS = 12.0
MOST_MEMORY = 512 << 20  # bytes resident; an idle command has about 45 MiB
SECRET = "Planted-Secret.42"
MEBI = 1 << 20


def at_search(*pieces: bytes | Iterable[bytes]) -> Attack:
    """Answer the first question that is not for the rootDSE with these pieces; ``%ID`` is the message's id."""

    def attack(number: int, tag: int, message: bytes) -> Iterable[bytes] | None:
        if tag != SEARCH or asks_for_root(message):
            return None
        return _pieces(number, pieces)

    return attack


def _pieces(number: int, pieces: Iterable[bytes | Iterable[bytes]]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece


def numbered(make: object) -> Attack:
    """Answer a search with what ``make`` gives for the message's id."""
    assert callable(make)

    def attack(number: int, tag: int, message: bytes) -> Iterable[bytes] | None:
        if tag != SEARCH or asks_for_root(message):
            return None
        given: Iterable[bytes] = make(number)
        return given

    return attack


def at_bind(*pieces: bytes) -> Attack:
    return lambda number, tag, message: pieces if tag == BIND else None


def billion_entries(number: int) -> Iterator[bytes]:
    return (ber.entry(number, b"CN=%d," % n + BASE, {"name": [b"x" * 100]}) for n in range(10**9))


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = b"\x30" + b"\x84" + len(content).to_bytes(4, "big") + content
    return content


def whole(number: int, size: int) -> bytes:
    """A well-formed entry of about this size."""
    return ber.entry(number, OU, {"name": [b"x" * size]})


class Row(NamedTuple):
    """What the server does, and what the user is told."""

    attack: Attack
    said: str


ROWS = {
    "a billion entries": Row(numbered(billion_entries), "more than 4000 messages"),
    "answers without end": Row(
        numbered(lambda n: itertools.repeat(whole(n, 8 * MEBI))), "an answer of more than 64 MiB"
    ),
    "references without end": Row(
        numbered(
            lambda n: itertools.repeat(ber.message(n, ber.tlv(ber.REFERENCE, ber.tlv(4, b"ldap://x/"))))
        ),
        "more than 4000 messages",
    ),
    "a message of 4 GiB": Row(
        at_search(b"\x30\x84\xff\xff\xff\xff", itertools.repeat(bytes(MEBI))), "a message of"
    ),
    "a message of 17 MiB": Row(numbered(lambda n: [whole(n, 17 * MEBI)]), "a message of 178"),
    "one message without end": Row(
        at_search(b"\x30\x80", itertools.repeat(bytes(MEBI))), "no definite length"
    ),
    "a length of 127 bytes": Row(at_search(b"\x30\xff" + b"\xff" * 200), "a length of 127 bytes"),
    "an inner length below zero": Row(
        numbered(lambda n: [ber.tlv(0x30, b"\x02\x01\x03\x65\x84\xff\xff\xff\xff")]),
        "longer than what holds it",
    ),
    "an inner length of no end": Row(
        numbered(lambda n: [ber.tlv(0x30, b"\x02\x01\x03\x65\x80\x0a\x01\x00\x00\x00")]), "that is none"
    ),
    "nesting 100,000 deep": Row(
        numbered(lambda n: [ber.message(n, ber.tlv(ber.SEARCH_DONE, nested(2_000)))]), "nests deeper"
    ),
    "a number of 8 MiB": Row(
        numbered(lambda n: [ber.message(n, ber.tlv(ber.SEARCH_DONE, ber.tlv(0x0A, b"\x01" * 8 * MEBI)))]),
        "a number of 8388608 bytes",
    ),
    "a cookie of 1 MiB": Row(numbered(lambda n: [ber.page_end(n, bytes(MEBI))]), "controls of"),
    "another message's id": Row(
        numbered(lambda n: [ber.result(n + 1, ber.SEARCH_DONE, 0)]), "invalid messageId"
    ),
    "an id below zero": Row(
        at_search(ber.tlv(0x30, b"\x02\x01\xff" + ber.tlv(ber.SEARCH_DONE, b"\x0a\x01\x00\x04\x00\x04\x00"))),
        "invalid messageId",
    ),
    "an unsolicited notice": Row(
        at_search(ber.result(0, ber.EXTENDED, 0, more=ber.tlv(0x8A, b"1.2.3.4"))), "unsolicited notification"
    ),
    "a notice of disconnection": Row(
        at_search(ber.result(0, ber.EXTENDED, 52, more=ber.tlv(0x8A, b"1.3.6.1.4.1.1466.20036"))),
        "ended the connection",
    ),
    "an answer of another kind": Row(
        numbered(lambda n: [ber.result(n, ber.MODIFY_RESPONSE, 0)]),
        "modifyResponse where searchResDone belongs",
    ),
    "an unknown operation": Row(
        numbered(lambda n: [ber.message(n, ber.tlv(0x7E, b""))]), "answered nonsense"
    ),
    "a result code that is none": Row(
        numbered(lambda n: [ber.result(n, ber.SEARCH_DONE, 99999)]), "answered nonsense"
    ),
    "no result at all": Row(
        numbered(lambda n: [ber.message(n, ber.tlv(ber.SEARCH_DONE, b""))]), "answered nonsense"
    ),
    "an entry that is cut": Row(
        numbered(lambda n: [ber.message(n, ber.tlv(ber.ENTRY, ber.tlv(4, OU)))]), "answered nonsense"
    ),
    "two objects for one": Row(
        numbered(lambda n: [whole(n, 1), whole(n, 1), ber.result(n, ber.SEARCH_DONE, 0)]),
        "2 objects where 1 were asked for",
    ),
    "HTTP": Row(at_search(b"HTTP/1.1 200 OK\r\n\r\n"), "0x48 where a message begins"),
    "silence": Row(at_search(), "timed out"),
    "a referral": Row(
        numbered(lambda n: [ber.result(n, ber.SEARCH_DONE, 10, referral="{elsewhere}")]), "in another domain"
    ),
    "escape sequences": Row(
        numbered(lambda n: [ber.result(n, ber.SEARCH_DONE, 80, said=b"\x1b]0;owned\x07\x1b[2J\r\nroot#")]),
        "other",
    ),
    "a megabyte of explanation": Row(
        numbered(lambda n: [ber.result(n, ber.SEARCH_DONE, 80, said=b"no " * 350_000)]), r"\.\.\."
    ),
    "a referral to log on elsewhere": Row(
        lambda n, tag, _: (
            [ber.result(n, ber.BIND_RESPONSE, 10, referral="{elsewhere}")] if tag == BIND else None
        ),
        "answered nonsense|refused to log on",
    ),
    "a logon without end": Row(at_bind(b"\x30\x84\x00\xff\xff\xff"), "a message of|timed out"),
    "a logon that is a search": Row(
        lambda n, tag, _: [ber.result(n, ber.SEARCH_DONE, 0)] if tag == BIND else None, "answered nonsense"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[socket.socket]:
    """Where referrals lead: nobody may ever come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def referring_to(attack: Attack, listener: socket.socket) -> Attack:
    """The attack, with the listener's address where ``{elsewhere}`` stands."""
    host = f"ldap://127.0.0.1:{listener.getsockname()[1]}"

    def referral(number: int, tag: int) -> bytes:
        return ber.result(number, ber.BIND_RESPONSE if tag == BIND else ber.SEARCH_DONE, 10, referral=host)

    def referring(number: int, tag: int, message: bytes) -> Iterable[bytes] | None:
        pieces = attack(number, tag, message)
        if pieces is None:
            return None
        return (referral(number, tag) if b"{elsewhere}" in piece else piece for piece in pieces)

    return referring


#: Runs a command and tells its peak memory in KiB. In a process of its own, since a command's counts from what the
#: process has that starts it.
MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
print(f"memory: {used.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def limited() -> None:
    """In the child: no more address space than a machine of 1 GiB would give it."""
    resource.setrlimit(resource.RLIMIT_AS, (1024 * MEBI, 1024 * MEBI))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_hostile_answer_is_one_line_in_bounded_time_and_memory(
    row: Row, folder: Path, elsewhere: socket.socket
) -> None:
    with HostileServer(referring_to(row.attack, elsewhere), folder) as server:
        env = environment(
            ADSYNCCONFIG_SERVER=server.url,
            ADSYNCCONFIG_USER="admin@contoso.example",
            ADSYNCCONFIG_PASSWORD=SECRET,
            ADSYNCCONFIG_CA_FILE=str(server.ca_file),
        )
        began = time.monotonic()
        cmdlet = [str(SCRIPTS / "Show-ADSyncADObjectPermissions"), "-ADobjectDN", OU.decode()]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *cmdlet, "--timeout", str(TIMEOUT)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limited,
        )
    shown, _, used = done.stdout.rpartition("memory: ")
    said = done.stderr
    assert time.monotonic() - began < MOST_SECONDS
    assert int(used) * 1024 < MOST_MEMORY
    assert (done.returncode, shown) == (1, ""), said
    (line,) = said.splitlines()
    assert line.isprintable()
    assert len(line) < 1000
    assert SECRET not in line
    assert re.search(row.said, line), line
    with pytest.raises(BlockingIOError):
        elsewhere.accept()


# -- in this process -----------------------------------------------------------------------------------------


def connect(server: HostileServer, **options: object) -> LiveDirectory:
    given = {
        "user": "admin@contoso.example",
        "password": SECRET,
        "ca_file": server.ca_file,
        "timeout": TIMEOUT,
    }
    return adsyncconfig.connect(server.url, **(given | options))  # type: ignore[arg-type]


def test_pages_without_end_are_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_ENTRIES", 5000)

    def pages(number: int) -> Iterator[bytes]:
        yield from (ber.entry(number, b"CN=%d," % n + BASE, {}) for n in range(500))
        yield ber.page_end(number, b"more")

    with (
        HostileServer(numbered(pages), folder) as server,
        connect(server) as directory,
        pytest.raises(DirectoryError, match="more than 5000 objects"),
    ):
        sum(1 for _ in directory.search(BASE.decode(), EVERYTHING, ["name"]))


def test_empty_pages_without_end_are_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_EMPTY_PAGES", 20)
    with (
        HostileServer(numbered(lambda n: [ber.page_end(n, b"more")]), folder) as server,
        connect(server) as directory,
        pytest.raises(DirectoryError, match=r"20 pages .* with nothing on them"),
    ):
        list(directory.search(BASE.decode(), EVERYTHING, ["name"]))


def ranges(last: int, size: int) -> Attack:
    """A server that gives an attribute's values in parts of this size, up to ``last``; below zero without end."""

    def attack(number: int, tag: int, message: bytes) -> Iterable[bytes] | None:
        if tag != SEARCH or asks_for_root(message):
            return None
        at = message.find(b"member;range=")
        start = int(message[at:].split(b"=")[1].split(b"-")[0]) if at >= 0 else 0
        stop = min(start + size, last + 1) if last >= 0 else start + size
        end = "*" if stop == last + 1 else str(stop - 1)
        values = [b"CN=%d," % n + BASE for n in range(start, stop)]
        return [
            ber.entry(number, OU, {f"member;range={start}-{end}": values}),
            ber.result(number, ber.SEARCH_DONE, 0),
        ]

    return attack


@pytest.mark.parametrize("last", [0, 9, 10, 24])
def test_values_that_come_in_parts_are_put_together(folder: Path, last: int) -> None:
    with HostileServer(ranges(last, 10), folder) as server, connect(server) as directory:
        values = directory.get(OU.decode(), ["member"]).values("member")
    assert list(values) == [f"CN={n},{BASE.decode()}" for n in range(last + 1)]


def test_parts_without_end_are_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges_module, "MOST_PARTS", 20)
    with (
        HostileServer(ranges(-1, 1), folder) as server,
        connect(server) as directory,
        pytest.raises(DirectoryError, match=r"the member of .* has 20 values .* and no end"),
    ):
        directory.get(OU.decode(), ["member"])


def test_a_part_that_is_refused_is_an_error_and_no_whole(folder: Path) -> None:
    first = ranges(24, 10)

    def attack(number: int, tag: int, message: bytes) -> Iterable[bytes] | None:
        if tag == SEARCH and b"range=10-" in message:
            return [ber.result(number, ber.SEARCH_DONE, 11)]
        return first(number, tag, message)

    with (
        HostileServer(attack, folder) as server,
        connect(server) as directory,
        pytest.raises(DirectoryError, match="a limit of the controller"),
    ):
        directory.get(OU.decode(), ["member"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        # What is injected behind the answer must not be taken for something said inside TLS.
        (lambda n: [ber.result(n, ber.EXTENDED, 0) + ber.result(n + 1, ber.BIND_RESPONSE, 0)], "before TLS"),
        (lambda n: [ber.result(n, ber.EXTENDED, 2)], "protocolError"),
        (lambda n: [b"\x16\x03\x03"], "0x16 where a message begins"),
        (lambda n: [ber.result(n, ber.EXTENDED, 10, referral="ldap://127.0.0.1:1")], "answered|reach"),
        (lambda n: [b"\x30\x84\x00\x0f\xff\xff", *[bytes(1000)] * 50], "timed out"),
    ],
    ids=["an injected answer", "a refusal", "TLS at once", "a referral", "a drip"],
)
def test_starttls_with_something_wrong_gets_no_password(folder: Path, answer: object, said: str) -> None:
    assert callable(answer)

    def attack(number: int, tag: int, message: bytes) -> Iterable[bytes] | None:
        given: Iterable[bytes] | None = answer(number) if tag == EXTENDED else None
        return given

    with HostileServer(attack, folder, tls=False) as server:
        with pytest.raises((Unreachable, DirectoryError), match=said):
            connect(server, starttls=True)
        assert SECRET.encode() not in server.plain
