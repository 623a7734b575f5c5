"""Kerberos through the system's own library: whose ticket, and the security context made with it.

Rule 1: gssapi (MIT's or Heimdal's library) or winkerberos (Windows) is imported when Kerberos is used, or when
        ``auto`` asks whether there is a ticket, and never before.
Rule 2: a password becomes a ticket in memory, which ends with the process; a keytab is read by the library. Neither
        is written anywhere, put into the environment, or given to another process.
Rule 3: what the library says of a failure becomes one line, in kerberos_errors.py.

Sources: RFC 4121 (the Kerberos mechanism), RFC 5929 (what a context is bound to), MIT's credential store.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .credential import Credential
from .errors import ParameterError
from .kerberos_errors import Attempt, explained

if TYPE_CHECKING:
    from .sasl import Initiator

__all__ = ["Ticket", "initiator", "missing", "principal_of", "ticket"]

CACHE_VARIABLE: Final = "KRB5CCNAME"
MISSING: Final = (
    "Kerberos needs the package gssapi, or winkerberos on Windows: pip install 'adsyncconfig[kerberos]' "
    "(gssapi is built from source: Debian's libkrb5-dev and gcc)"
)


class Ticket(NamedTuple):
    """Whether there is a ticket to log on with: of whom, or why not. Empty for the user of a Windows session."""

    principal: str | None
    why_not: str = ""


def missing() -> str | None:
    """What to install before Kerberos can be used; None when all is there. Imports nothing."""
    return None if find_spec("gssapi") or find_spec("winkerberos") else MISSING


def principal_of(user: str) -> str:
    """The Kerberos principal of ``user@domain``: realms are domains in capitals. Raises ParameterError."""
    name, at, domain = user.rpartition("@")
    if not at or not name or not domain or "\\" in user or "=" in domain:
        raise ParameterError(f"Kerberos needs a user as user@domain, and '{user}' is none")
    return f"{name}@{domain.upper()}"


def ticket(user: str | None = None) -> Ticket:
    """Whether the ticket cache has a ticket, of this user where one is named, that is valid now."""
    cache = (os.environ.get(CACHE_VARIABLE) or _default_cache()).removeprefix("FILE:")
    if find_spec("gssapi") is None:
        if find_spec("winkerberos") is None:
            return Ticket(None, "the package gssapi is not installed")
        # SSPI does not say whose ticket it has, or whether it has one: it is the session's, or none is looked for.
        return Ticket(None, "the session's ticket is used where no user is named") if user else Ticket("")
    if cache.startswith("/") and not Path(cache).exists():
        return Ticket(None, f"there is no ticket cache '{cache}'")
    if user is not None and ("@" not in user or "\\" in user):
        return Ticket(None, f"only the ticket of a user@domain can be looked for, and '{user}' is none")
    return _cached(user)


def _default_cache() -> str:
    """MIT's default ticket cache on Linux, where no configuration names another; else empty.

    Whether it is there says that there is no ticket without the 50 ms that the library takes to load.
    """
    if sys.platform != "linux":
        return ""
    for file in os.environ.get("KRB5_CONFIG", "/etc/krb5.conf:/usr/etc/krb5.conf").split(":"):
        try:
            configured = Path(file).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError:
            return ""
        if "default_ccache_name" in configured or "include" in configured:
            return ""
    return f"/tmp/krb5cc_{os.getuid()}"  # noqa: S108 - where MIT's library looks


def _cached(user: str | None) -> Ticket:
    import gssapi  # noqa: PLC0415 - rule 1

    wanted = None if user is None else principal_of(user)
    why = Ticket(None)
    # The default ticket first: its name may be written in another case, which is all one to a controller.
    for name in dict.fromkeys((None, wanted)):
        attempt = Attempt(principal=name or wanted)
        try:
            found = gssapi.Credentials(name=_name(name), usage="initiate", mechs=[gssapi.MechType.kerberos])
            principal, left = str(found.name), found.lifetime
        except gssapi.exceptions.GSSError as error:
            why = Ticket(None, explained(error, attempt).reason)
            continue
        if left and (wanted is None or principal.casefold() == wanted.casefold()):
            return Ticket(principal)
    return why


def initiator(credential: Credential, host: str, binding: bytes | None) -> tuple[str | None, Initiator]:
    """Who logs on, and a security context for the LDAP service of this host, bound to its certificate.

    ``binding`` is the application data of RFC 5929, None where there is no TLS. Raises ParameterError,
    AuthenticationFailed and Unreachable.
    """
    lacks = missing()
    if lacks:
        raise ParameterError(lacks)
    if find_spec("gssapi") is None:
        from .kerberos_windows import windows_initiator  # noqa: PLC0415 - rule 1

        return windows_initiator(credential, host, binding)
    import gssapi  # noqa: PLC0415 - rule 1

    principal = None if credential.user is None else principal_of(credential.user)
    attempt = Attempt(principal=principal, host=host, keytab=credential.keytab)
    with translated(attempt):
        own = _acquired(credential, principal)
        principal = str(own.name)
        context = gssapi.SecurityContext(
            name=gssapi.Name(f"ldap@{host}", gssapi.NameType.hostbased_service),
            creds=own,
            mech=gssapi.MechType.kerberos,
            usage="initiate",
            # The types are part of what is hashed, and Windows leaves them 0.
            channel_bindings=None
            if binding is None
            else gssapi.raw.ChannelBindings(
                initiator_address_type=0, acceptor_address_type=0, application_data=binding
            ),
            flags=gssapi.RequirementFlag.mutual_authentication
            | gssapi.RequirementFlag.integrity
            | gssapi.RequirementFlag.confidentiality
            | gssapi.RequirementFlag.replay_detection
            | gssapi.RequirementFlag.out_of_sequence_detection,
        )
    return principal, _GssapiInitiator(context, attempt)


@contextmanager
def translated(attempt: Attempt) -> Iterator[None]:
    """Raise what the library raises as this package's own errors."""
    import gssapi  # noqa: PLC0415 - rule 1

    try:
        yield
    except gssapi.exceptions.GSSError as error:
        raise explained(error, attempt).error from None  # the library's own error holds the credentials


def _name(principal: str | None) -> Any:
    import gssapi  # noqa: PLC0415 - rule 1

    return principal and gssapi.Name(principal, gssapi.NameType.kerberos_principal)


def _acquired(credential: Credential, principal: str | None) -> Any:
    """Credentials from the keytab, by the password, or out of the ticket cache, in this order."""
    import gssapi  # noqa: PLC0415 - rule 1

    kerberos: dict[str, Any] = {"usage": "initiate", "mechs": [gssapi.MechType.kerberos]}
    if credential.keytab is not None:
        _check_keytab(credential.keytab)
        store = {"client_keytab": credential.keytab, "ccache": f"MEMORY:{uuid.uuid4()}"}
        return gssapi.Credentials(name=_name(principal), store=store, **kerberos)
    there = ticket(credential.user).principal
    if principal is not None and credential.method == "kerberos":
        # A password that would have to be asked for is asked for only where there is no ticket.
        given = credential.password
        password = given if isinstance(given, str) else None if there else credential.secret()
        if password is not None:
            acquired = gssapi.raw.acquire_cred_with_password(_name(principal), password.encode(), **kerberos)
            return gssapi.Credentials(base=acquired.creds)
    return gssapi.Credentials(name=_name(there or principal), **kerberos)


def _check_keytab(keytab: str) -> None:
    """Raise ParameterError for a keytab that is none: the library would only say that there is no ticket."""
    try:
        with Path(keytab).open("rb") as file:
            begin = file.read(2)
    except OSError as error:
        raise ParameterError(f"cannot read the keytab '{keytab}': {error.strerror}") from error
    if begin not in (b"\x05\x01", b"\x05\x02"):  # MIT's keytab file format, versions 1 and 2
        raise ParameterError(f"'{keytab}' is no keytab: export one with ktpass, ktutil or samba-tool")


class _GssapiInitiator:
    """A context of gssapi, whose failures are this package's errors."""

    def __init__(self, context: Any, attempt: Attempt) -> None:
        self._context = context
        self._attempt = attempt

    @property
    def complete(self) -> bool:
        return bool(self._context.complete)

    def step(self, token: bytes | None) -> bytes:
        with translated(self._attempt):
            return self._context.step(token) or b""

    def wrap(self, data: bytes, *, seal: bool) -> bytes:
        with translated(self._attempt):
            return bytes(self._context.wrap(data, seal).message)

    def unwrap(self, data: bytes) -> bytes:
        with translated(self._attempt):
            return bytes(self._context.unwrap(data).message)

    def fitting(self, largest: int) -> int:
        with translated(self._attempt):
            return int(self._context.get_wrap_size_limit(largest, True))
