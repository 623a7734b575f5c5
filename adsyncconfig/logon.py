"""Logging on to a domain controller: which way is meant, and a connection that is bound, or one line on why not.

Rule 1: a password is sent only inside TLS whose certificate was verified, unless the caller said otherwise in
        so many words (``verify=False``). Kerberos and NTLM send none; without TLS they seal what follows.
Rule 2: auto tries one way and no other after it: a refused logon counts towards a lockout.
Rule 3: what a server says to a refused bind is turned into this package's errors, in refusals.py.
Rule 4: a connection that is not bound is closed, whatever went wrong.

Sources: RFC 4511 section 4.2; RFC 4513 section 5.2; MS-ADTS 5.1.1 (authentication).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import ldap3
from ldap3.protocol.sasl.sasl import send_sasl_negotiation

from . import kerberos, ntlm
from .certificates import tls_server_end_point
from .credential import Credential, Method, TlsOptions
from .errors import ADSyncConfigError, AuthenticationFailed, ParameterError, Unreachable
from .refusals import refused
from .sasl import GSSAPI, GssapiExchange, SealedSocket
from .transport import Endpoint, connection_to, endpoint, is_address, open_connection, tls, unreachable
from .wire import cut_off

__all__ = ["Notify", "chosen", "log_on"]

Notify = Callable[[str], None]

EXTERNAL: Final = "EXTERNAL"
WHO_AM_I: Final = "1.3.6.1.4.1.4203.1.11.3"  # RFC 4532
#: More rounds than any honest exchange needs; Kerberos takes three.
ROUNDS: Final = 10
_NAMES: Final[dict[Method, str]] = {
    "kerberos": "Kerberos",
    "ntlm": "NTLM",
    "simple": "a password inside TLS (simple)",
    "certificate": "a client certificate",
}


def log_on(url: str, credential: Credential, options: TlsOptions, notify: Notify | None = None) -> Any:
    """A bound ldap3 connection to the controller at ``url``: ``ldaps://host[:port]``, or ``ldap://``.

    ``notify`` is told which way is used and why. Raises ParameterError for a URL that is none, one that would send
    a password in clear, or a way that is not to be had here; Unreachable; AuthenticationFailed.
    """
    server = endpoint(url, starttls=options.starttls)
    method, why = chosen(credential)
    if notify:
        notify(f"'{url}': logging on by {_NAMES[method]}: {why}")
    return _WAYS[method](server, credential, options)


def chosen(credential: Credential) -> tuple[Method, str]:
    """The way to log on that is meant, and why. Raises ParameterError when nothing says who logs on."""
    if credential.method != "auto":
        return credential.method, "as --auth says"
    if credential.keytab is not None:
        return "kerberos", "a keytab is given"
    if credential.client_cert is not None:
        return "certificate", "a client certificate is given"
    ticket = kerberos.ticket(credential.user)
    if ticket.principal is not None:
        return "kerberos", f"there is a ticket of {ticket.principal or 'this session'}"
    if not credential.user:
        raise ParameterError(
            f"nothing says who logs on, and {ticket.why_not}: give -Credential user@domain, or get a ticket with "
            "kinit"
        )
    return "simple", ticket.why_not


def _simple(server: Endpoint, credential: Credential, options: TlsOptions) -> Any:
    if not server.encrypted:
        raise ParameterError(
            f"'{server.url}' is not encrypted, and a password never goes over it: use ldaps:// or --starttls"
        )
    user, password = _user_and_password(server, credential)
    # As bytes: a text is prepared by SASLprep, and a controller does not do so with what it compares to.
    logon = {"user": user, "password": password.encode(), "authentication": ldap3.SIMPLE}
    connection = connection_to(server, tls(options), options, **logon)
    open_connection(connection, server, options)
    with _closed_on_failure(connection, server):
        connection.bind(read_server_info=False)
        connection.password = None
        _check(connection, server, user, "simple")
    return connection


def _ntlm(server: Endpoint, credential: Credential, options: TlsOptions) -> Any:
    user, password = _user_and_password(server, credential)
    extras = ntlm.extras(server, user)
    connection = connection_to(
        server, tls(options), options, user=user, password=password, authentication=ldap3.NTLM, **extras
    )
    open_connection(connection, server, options)
    try:
        with _closed_on_failure(connection, server):
            connection.bind(read_server_info=False)
            _check(connection, server, user, "ntlm")
    except Unreachable as error:
        if error.is_late:
            raise
        # Samba ends the connection where NTLM in LDAP begins, as it does for whatever it does not know.
        raise Unreachable(
            f"{error}: it may not speak NTLM in LDAP (Samba does not): use --auth kerberos"
        ) from error
    if not server.encrypted:
        connection.socket.answers = None  # ldap3 itself unseals what comes, so that it is no LDAP on the way
    return connection


def _kerberos(server: Endpoint, credential: Credential, options: TlsOptions) -> Any:
    lacks = kerberos.missing()
    if lacks:
        raise ParameterError(lacks)
    connection = connection_to(server, tls(options), options)
    open_connection(connection, server, options)
    with _closed_on_failure(connection, server):
        certificate = connection.socket.getpeercert(binary_form=True) if server.encrypted else None
        host = _service_host(connection, server, options)
        principal, initiator = kerberos.initiator(
            credential, host, None if certificate is None else tls_server_end_point(certificate)
        )
        connection.user = principal
        exchange = GssapiExchange(initiator, seal=not server.encrypted)
        _sasl(connection, GSSAPI, exchange.answer)
        _check(connection, server, principal, "kerberos")
        if not exchange.complete:
            raise AuthenticationFailed(
                f"'{server.url}' accepts '{principal}' without proving who it is itself"
            )
        if not server.encrypted:
            connection.socket = SealedSocket(connection.socket, exchange)
    return connection


def _certificate(server: Endpoint, credential: Credential, options: TlsOptions) -> Any:
    if credential.client_cert is None:
        raise ParameterError("--auth certificate needs --client-cert FILE, and --client-key FILE for its key")
    if not server.encrypted:
        raise ParameterError(
            f"'{server.url}' is not encrypted, and a certificate is shown inside TLS alone: use ldaps://"
        )
    connection = connection_to(server, tls(options, credential), options)
    open_connection(connection, server, options)
    with _closed_on_failure(connection, server):
        # On port 636 Active Directory has logged the certificate's account on already, and refuses EXTERNAL; after
        # StartTLS, and on other servers, nobody is logged on before it (MS-ADTS 5.1.1.2).
        who = _who_am_i(connection)
        if not who:
            _sasl(connection, EXTERNAL, lambda _: b"")
            _check(connection, server, credential.client_cert, "certificate")
            who = _who_am_i(connection)
        if not who:
            raise AuthenticationFailed(
                f"'{server.url}' takes the certificate '{credential.client_cert}' for nobody: it has to be mapped "
                "to an account, and its authority to be trusted by the controller"
            )
        connection.bound, connection.user = True, who
    return connection


_WAYS: Final[dict[Method, Callable[[Endpoint, Credential, TlsOptions], Any]]] = {
    "simple": _simple,
    "ntlm": _ntlm,
    "kerberos": _kerberos,
    "certificate": _certificate,
}


def _user_and_password(server: Endpoint, credential: Credential) -> tuple[str, str]:
    """Both, and neither empty: a server takes a bind without a password for an anonymous one (RFC 4513 5.1.2)."""
    password = credential.secret() if credential.user else None
    if not credential.user or not password:
        raise ParameterError(f"'{server.url}' needs a user and a password: give -Credential")
    return credential.user, password


@contextmanager
def _closed_on_failure(connection: Any, server: Endpoint) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if connection.socket is not None:
            cut_off(connection.socket)
        if isinstance(error, ADSyncConfigError) or not isinstance(error, Exception):
            raise
        # ldap3 takes what comes for well-formed, and stumbles over the rest in whatever way it may.
        raise unreachable(server.url, error) from error


def _check(connection: Any, server: Endpoint, user: str | None, method: Method) -> None:
    if connection.result["type"] != "bindResponse":
        raise unreachable(server.url, ValueError(f"{connection.result['type']} where bindResponse belongs"))
    if connection.result["description"] != "success":
        raise refused(server, user or "the user of the ticket", connection.result, method)


def _sasl(connection: Any, mechanism: str, answer: Callable[[bytes | None], bytes]) -> None:
    """Exchange SASL messages until the server says how it ended; ldap3 keeps its result."""
    connection.sasl_mechanism, connection.sasl_in_progress = mechanism, True
    try:
        challenge = None
        for _ in range(ROUNDS):
            result = send_sasl_negotiation(connection, None, answer(challenge))
            if result["description"] != "saslBindInProgress":
                break
            challenge = result["saslCreds"]
    finally:
        connection.sasl_in_progress = False
    connection.bound = result["description"] == "success"


def _service_host(connection: Any, server: Endpoint, options: TlsOptions) -> str:
    """The host whose service the ticket is for: as the server is named, or, named by an address, as it says itself.

    What it says is believed inside verified TLS alone: another name would get a ticket for another service.
    """
    if not is_address(server.host):
        return server.host
    if not server.encrypted or not options.verify:
        raise ParameterError(f"Kerberos needs the controller's DNS name: name it instead of '{server.host}'")
    connection.search("", "(objectClass=*)", search_scope=ldap3.BASE, attributes=["dnsHostName"])
    for each in connection.response or []:
        for value in each.get("raw_attributes", {}).get("dnsHostName", ()):
            return str(value.decode(errors="replace"))
    raise ParameterError(f"'{server.url}' does not say its DNS name: name it instead of '{server.host}'")


def _who_am_i(connection: Any) -> str:
    """Who is logged on, as the server has it; empty for nobody."""
    connection.extended(WHO_AM_I)
    said = connection.result.get("responseValue") or b""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return "" if text in ("", "dn:", "u:") else text.removeprefix("u:").removeprefix("dn:")
