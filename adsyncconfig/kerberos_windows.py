"""Kerberos on Windows, through winkerberos and SSPI: the ticket of the session, or a user and a password.

Written to winkerberos 0.13's interface; it has not been run on Windows (see docs/authentication.md). A keytab is
nothing that SSPI knows.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from .credential import Credential
from .errors import AuthenticationFailed, ParameterError
from .sasl import Initiator

__all__ = ["windows_initiator"]

#: What Kerberos adds to what is sealed, at most (RFC 4121 section 4.2.4: header, confounder, checksum, padding).
OVERHEAD: Final = 128


def windows_initiator(
    credential: Credential, host: str, binding: bytes | None
) -> tuple[str | None, Initiator]:
    """Who logs on, and a security context for the LDAP service of this host; as ``kerberos.initiator``."""
    import winkerberos  # noqa: PLC0415 - there is none but on Windows

    if credential.keytab is not None:
        raise ParameterError("Windows takes no keytab: log on with your session's ticket, or with a password")
    own: dict[str, Any] = {}
    password = credential.secret() if credential.user and credential.method == "kerberos" else None
    if credential.user and password:
        name, _, domain = credential.user.rpartition("@")
        own = {"user": name, "domain": domain, "password": password}
    flags = (
        winkerberos.GSS_C_MUTUAL_FLAG
        | winkerberos.GSS_C_SEQUENCE_FLAG
        | winkerberos.GSS_C_INTEG_FLAG
        | winkerberos.GSS_C_CONF_FLAG
    )
    with _translated(credential.user):
        _, context = winkerberos.authGSSClientInit(f"ldap@{host}", gssflags=flags, **own)
        bound = (
            {}
            if binding is None
            else {"channel_bindings": winkerberos.channelBindings(application_data=binding)}
        )
    return credential.user, _WindowsInitiator(winkerberos, context, bound, credential.user)


@contextmanager
def _translated(user: str | None) -> Iterator[None]:
    import winkerberos  # noqa: PLC0415

    try:
        yield
    except winkerberos.GSSError as error:
        reason = " ".join(str(error).split())
        raise AuthenticationFailed(
            f"Kerberos does not log on {user or 'the user of this session'}: {reason}"
        ) from None


class _WindowsInitiator:
    """A context of winkerberos: its functions take and leave base64."""

    def __init__(self, library: Any, context: Any, bound: dict[str, Any], user: str | None) -> None:
        self._library = library
        self._context = context
        self._bound = bound
        self._user = user
        self.complete = False

    def step(self, token: bytes | None) -> bytes:
        with _translated(self._user):
            status = self._library.authGSSClientStep(self._context, _text(token or b""), **self._bound)
            self.complete = status == self._library.AUTH_GSS_COMPLETE
            return self._answer()

    def wrap(self, data: bytes, *, seal: bool) -> bytes:
        with _translated(self._user):
            self._library.authGSSClientWrap(self._context, _text(data), None, int(seal))
            return self._answer()

    def unwrap(self, data: bytes) -> bytes:
        with _translated(self._user):
            self._library.authGSSClientUnwrap(self._context, _text(data))
            return self._answer()

    def fitting(self, largest: int) -> int:
        return largest - OVERHEAD

    def _answer(self) -> bytes:
        return base64.b64decode(self._library.authGSSClientResponse(self._context) or "")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
