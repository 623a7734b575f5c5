"""A connection that is made again when it was lost, and what may be asked twice.

Rule 1: a connection is given up at once when an answer is late, breaks off, is no LDAP or is interrupted: what
        may still come on it would be taken for the answer to something else. Nothing that waits to be sent on it
        is sent any more. The next operation logs on again, as the same user at the same controller.
Rule 2: a question is asked again by itself once when the connection was ended, and after each of PAUSES when the
        controller is busy. It is not when an answer is late: that has taken the caller's time-out already.
Rule 3: a change is never sent again here. What became of it is not known (``Unanswered``), or it was not made
        (``Busy``); ``apply`` reads before it does anything else.
Rule 4: credentials that are refused when logging on again are not tried any more, which would lock accounts out.
Rule 5: it is the same controller again: another that answers under its name may not know yet what was written.

ldap3 is not known here: ``live`` says how to log on and what a failure means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .directory import PAUSES
from .errors import AuthenticationFailed, Busy, DirectoryError, Unanswered, Unreachable
from .wire import cut_off

__all__ = ["Answer", "Session"]

_BUSY: Final = frozenset({"busy", "unavailable"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a controller answered: its result, and the messages before that."""

    result: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]

    @property
    def code(self) -> str:
        """The name of the result code."""
        return str(self.result["description"])


class Session:
    """One controller, one user.

    ``log_on`` makes another connection; ``failure`` makes an error of this package of what a request raised.
    """

    def __init__(
        self,
        connection: Any,
        log_on: Callable[[], Any],
        *,
        failure: Callable[[Exception], DirectoryError],
    ) -> None:
        self._connection: Any = connection
        self._log_on = log_on
        self._failure = failure
        self._refused: AuthenticationFailed | None = None
        self._closed = False
        #: Counts the connections: what a controller remembers of one is gone with it.
        self.number = 1

    def read(self, request: Callable[[Any], object], kind: str, *, on: int | None = None) -> Answer:
        """Ask, and ask again where that is safe; ``kind`` is the type of message that ends the answer.

        ``on`` is the number of the connection that alone can be asked. Raises Unreachable, DirectoryError for an
        answer that is none, AuthenticationFailed.
        """
        pauses = iter(PAUSES)
        while True:
            is_new = self._connection is None
            if on is not None and (is_new or self.number != on):
                raise Unreachable("the connection was lost in the middle of a search: run it again")
            connection = self._connected()
            try:
                answer = self._ask(connection, request, kind)
            except Unreachable as lost:
                # One that was made for this question and is lost as well is not made again.
                if lost.is_late or is_new or on is not None:
                    raise
                continue
            pause = next(pauses, None) if answer.code in _BUSY else None
            if pause is None:
                return answer
            time.sleep(pause)

    def write(self, request: Callable[[Any], object], kind: str, dn: str) -> Answer:
        """Ask for a change, once. Raises Unanswered where nobody knows whether it was made, Busy, Unreachable."""
        connection = self._connected()  # what fails here is known not to have been sent
        try:
            answer = self._ask(connection, request, kind)
        except DirectoryError as lost:
            raise Unanswered(
                f"it is not known whether '{dn}' was changed: {lost}",
                dn=dn,
                is_late=isinstance(lost, Unreachable) and lost.is_late,
            ) from lost
        if answer.code in _BUSY:
            raise Busy(f"cannot change '{dn}': the controller is {answer.code}: try again", dn=dn)
        return answer

    def close(self) -> None:
        """Let go of the connection for good."""
        connection, self._connection, self._closed = self._connection, None, True
        if connection is not None:
            connection.unbind()

    def _ask(self, connection: Any, request: Callable[[Any], object], kind: str) -> Answer:
        try:
            request(connection)
            answer = Answer(connection.result, connection.response or ())
            said = answer.result["type"]
            if said != kind:
                raise ValueError(f"{said} where {kind} belongs")  # noqa: TRY301 - told like the rest
        except Exception as error:
            self._lose()
            raise self._failure(error) from error
        except BaseException:
            self._lose()
            raise
        return answer

    def _connected(self) -> Any:
        if self._connection is None:
            if self._closed:
                raise Unreachable("this connection was closed")
            if self._refused is not None:
                raise self._refused
            try:
                self._connection = self._log_on()
            except AuthenticationFailed as error:
                self._refused = error
                raise
            self.number += 1
        return self._connection

    def _lose(self) -> None:
        connection, self._connection = self._connection, None
        if connection.socket is not None:
            cut_off(connection.socket)
