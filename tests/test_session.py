"""A connection that is lost is made again by the next operation, and nothing is asked twice that may not be."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from adsyncconfig import AuthenticationFailed, Busy, DirectoryError, Unanswered, Unreachable, directory
from adsyncconfig.session import Session

DONE = "searchResDone"
MODIFIED = "modifyResponse"


class Server:
    """Answers requests as its script says: a code for an answer, an exception for a fault."""

    def __init__(self, *script: str | Exception) -> None:
        self.script = list(script)
        self.log: list[str] = []
        self.refuses: Exception | None = None

    def log_on(self) -> Connection:
        self.log.append("log on")
        if self.refuses is not None:
            raise self.refuses
        return Connection(self)

    def session(self) -> Session:
        return Session(self.log_on(), self.log_on, failure=_failure)


class Connection:
    socket = None

    def __init__(self, server: Server) -> None:
        self.server = server
        self.result: dict[str, Any] = {}
        self.response: list[Any] = []

    def request(self, kind: str) -> None:
        self.server.log.append(kind)
        step = self.server.script.pop(0)
        if isinstance(step, Exception):
            raise step
        self.result = {"description": step, "type": kind}

    def unbind(self) -> None:
        self.server.log.append("unbind")


def _failure(error: Exception) -> DirectoryError:
    if isinstance(error, ConnectionError):
        return Unreachable("ended")
    if isinstance(error, TimeoutError):
        return Unreachable("late", is_late=True)
    return DirectoryError(f"nonsense: {error}")


def asking(kind: str) -> Callable[[Any], None]:
    return lambda connection: connection.request(kind)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


AGAIN = "log on"


@pytest.mark.parametrize(
    ("script", "log", "outcome"),
    [
        (["success"], [DONE], "success"),
        ([ConnectionError(), "success"], [DONE, AGAIN, DONE], "success"),
        ([ConnectionError(), ConnectionError()], [DONE, AGAIN, DONE], Unreachable),
        ([TimeoutError()], [DONE], Unreachable),  # it took the caller's time-out already
        ([ValueError("what?")], [DONE], DirectoryError),
        (["busy", "unavailable", "success"], [DONE] * 3, "success"),
        (["busy"] * 4, [DONE] * 4, "busy"),
        (["busy", ConnectionError(), "busy", "success"], [DONE, DONE, AGAIN, DONE, DONE], "success"),
        (["operationsError"], [DONE], "operationsError"),
    ],
)
def test_a_question_is_asked_again_where_that_is_safe(
    script: list[str | Exception], log: list[str], outcome: str | type[Exception]
) -> None:
    server = Server(*script)
    session = server.session()
    if isinstance(outcome, str):
        assert session.read(asking(DONE), DONE).code == outcome
    else:
        with pytest.raises(outcome):
            session.read(asking(DONE), DONE)
    assert server.log[1:] == log


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (ConnectionError(), Unanswered),
        (TimeoutError(), Unanswered),
        (ValueError("no LDAP"), Unanswered),
        ("busy", Busy),
        ("unavailable", Busy),
    ],
)
def test_a_change_is_asked_for_once(step: str | Exception, error: type[Exception]) -> None:
    server = Server(step)
    session = server.session()
    with pytest.raises(error) as raised:
        session.write(asking(MODIFIED), MODIFIED, "OU=Writeback")
    assert server.log[1:] == [MODIFIED]
    assert "OU=Writeback" in str(raised.value)


def test_a_change_that_could_not_even_be_sent_is_no_doubt() -> None:
    server = Server(TimeoutError())
    session = server.session()
    with pytest.raises(Unreachable):
        session.read(asking(DONE), DONE)
    server.refuses = Unreachable("gone")
    with pytest.raises(Unreachable) as raised:
        session.write(asking(MODIFIED), MODIFIED, "OU=Writeback")
    assert not isinstance(raised.value, Unanswered)


@pytest.mark.parametrize("fault", [TimeoutError(), ValueError("no LDAP"), KeyboardInterrupt()])
def test_the_next_operation_connects_again(fault: BaseException) -> None:
    server = Server(fault, "success", "success")  # type: ignore[arg-type]
    if isinstance(fault, KeyboardInterrupt):
        server.script[0] = "success"
    session = server.session()

    def interrupted(connection: Any) -> None:
        connection.request(DONE)
        if isinstance(fault, KeyboardInterrupt):
            raise fault

    with suppress(DirectoryError, KeyboardInterrupt):
        session.read(interrupted, DONE)
    assert session.read(asking(DONE), DONE).code == "success"
    assert server.log[1:] == [DONE, AGAIN, DONE]
    assert session.number == 2


def test_an_answer_to_another_question_ends_the_connection() -> None:
    server = Server("success", "success")
    session = server.session()
    with pytest.raises(DirectoryError, match="modifyResponse where searchResDone belongs"):
        session.read(asking(MODIFIED), DONE)
    session.read(asking(DONE), DONE)
    assert server.log[1:] == [MODIFIED, AGAIN, DONE]


def test_credentials_that_are_refused_are_not_tried_again() -> None:
    server = Server(ConnectionError())
    session = server.session()
    server.refuses = AuthenticationFailed("no")
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            session.read(asking(DONE), DONE)
    assert server.log[1:] == [DONE, AGAIN]


def test_the_rest_of_a_search_is_for_the_connection_that_began_it() -> None:
    server = Server("success", ConnectionError(), "success")
    session = server.session()
    session.read(asking(DONE), DONE)
    with pytest.raises(Unreachable):
        session.read(asking(DONE), DONE, on=1)
    assert AGAIN not in server.log[1:]
    with pytest.raises(Unreachable, match="in the middle of a search"):
        session.read(asking(DONE), DONE, on=1)
    session.read(asking(DONE), DONE)
    with pytest.raises(Unreachable, match="in the middle of a search"):
        session.read(asking(DONE), DONE, on=1)


def test_what_was_closed_stays_closed() -> None:
    server = Server()
    session = server.session()
    session.close()
    session.close()
    with pytest.raises(Unreachable, match="was closed"):
        session.read(asking(DONE), DONE)
    assert server.log == ["log on", "unbind"]


def test_pauses_are_few_and_short(no_pauses: list[float]) -> None:
    session = Server(*["busy"] * 9).session()
    session.read(asking(DONE), DONE)
    assert no_pauses == list(directory.PAUSES)
    assert sum(no_pauses) < 5
