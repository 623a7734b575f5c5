"""The connection before anybody logs on: the server's URL, the socket, TLS, and what their failures mean.

Rule 1: OpenSSL verifies the certificate and its name, unless the caller said otherwise in so many words
        (``verify=False``).
Rule 2: nothing of the caller's is sent here but a client certificate, where one is to be shown. A certificate
        of the server's that is not trusted is looked at for the message alone, over a connection of its own.
Rule 3: what ldap3 and the system say of a connection becomes one line, in ``unreachable`` and nowhere else.
Rule 4: what a server sends is bounded by ``wire`` from the first byte.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import (
    LDAPException,
    LDAPSessionTerminatedByServerError,
    LDAPUnknownResponseError,
)

from .certificates import explanation
from .credential import Credential, TlsOptions
from .errors import DirectoryError, ParameterError, Unreachable
from .wire import BoundedSocket, BoundedTlsSocket, BrokenOff, Overdue, WireError, bounded, cut_off

__all__ = [
    "Endpoint",
    "VerifiedTls",
    "connection_to",
    "endpoint",
    "is_address",
    "open_connection",
    "shortened",
    "tls",
    "unreachable",
]

_SEARCH_RESULT_ENTRY: Final = 4  # RFC 4511 4.5.2
LONGEST_SAYING: Final = 300  # characters of what a server says of an error
_PORTS: Final = {"ldap": 389, "ldaps": 636}
_SYSTEM_ERROR: Final = re.compile(r"\[Errno -?\d+\] ([^'\"\]]+)")

#: What tells that the server ended the connection, and where.
_ENDINGS: Final = (
    (ssl.SSLEOFError, " before TLS was begun"),
    (ssl.SSLZeroReturnError, " before TLS was begun"),  # the same, from other builds of OpenSSL
    (BrokenOff, " in the middle of an answer"),
    (LDAPSessionTerminatedByServerError, ""),
)


class Endpoint(NamedTuple):
    """Where a server's URL leads; ``url`` as it was given, for messages; ``encrypted`` by TLS."""

    url: str
    scheme: str
    host: str
    port: int
    encrypted: bool = True


class VerifiedTls(ldap3.Tls):  # type: ignore[misc]
    """TLS whose certificate and host name OpenSSL checks.

    ldap3 compares host names with code of its own, which knows no IP addresses on Python 3.12 and later, and
    loses the reason of a refusal; this keeps it in ``failure``.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=context.verify_mode)
        self._context = context
        self.failure: ssl.SSLError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Take the connection's socket into TLS, as ldap3 asks."""
        plain = connection.socket
        if isinstance(plain, BoundedSocket) and plain.answers is not None and not plain.answers.is_empty:
            raise WireError("more than the answer came before TLS was begun")
        try:
            wrapped = self._context.wrap_socket(
                plain, server_hostname=connection.server.host, do_handshake_on_connect=do_handshake
            )
        except ssl.SSLError as error:
            self.failure = error
            raise
        connection.socket = bounded(wrapped, connection.receive_timeout)
        # Where ldap3 2.10 looks for it, to bind NTLM to it.
        self.peer_certificate = wrapped.getpeercert(binary_form=True)


def endpoint(url: str, *, starttls: bool) -> Endpoint:
    """Scheme, host and port of a server's URL; a bare host name means LDAPS, or LDAP with StartTLS.

    Raises ParameterError for a URL that is none.
    """
    text = url if "://" in url else f"{'ldap' if starttls else 'ldaps'}://{url}"
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ParameterError(f"'{_shown(url)}' is no server: {error}") from None
    if scheme not in _PORTS or not host or parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
        raise ParameterError(
            f"'{_shown(url)}' is no server: write it like ldaps://dc1.contoso.example or with :port"
        )
    return Endpoint(url, scheme, host, port or _PORTS[scheme], scheme == "ldaps" or starttls)


def _shown(url: str) -> str:
    """The URL for a message, without what stands where others have a user and a password."""
    return re.sub(r"(?<=//)[^/]*@|^[^/]*@", "...@", url)


def is_address(host: str) -> bool:
    """Whether the host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def tls(options: TlsOptions, credential: Credential | None = None) -> VerifiedTls:
    """TLS as the options have it, with the credential's certificate. Raises ParameterError, naming a file."""
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        malformed = isinstance(error, ssl.SSLError)
        reason = "it holds no certificate in PEM form" if malformed else error.strerror
        raise ParameterError(f"cannot read the CA file '{options.ca_file}': {reason}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = BoundedTlsSocket
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credential is not None and credential.client_cert is not None:
        _load_certificate(context, credential, credential.client_cert)
    return VerifiedTls(context)


def _load_certificate(context: ssl.SSLContext, credential: Credential, certificate: str) -> None:
    """Have the context show this certificate. Raises ParameterError; OpenSSL never asks for a pass phrase."""
    key = credential.client_key or certificate
    asked = False

    def pass_phrase() -> str:
        nonlocal asked
        asked = True
        return credential.secret() or ""

    try:
        for path in dict.fromkeys((certificate, key)):
            Path(path).open("rb").close()  # OpenSSL does not say which of both it cannot read
        context.load_cert_chain(certificate, key, pass_phrase)
    except ssl.SSLError as error:
        if asked:
            reason = "its pass phrase, from --password-file or ADSYNCCONFIG_PASSWORD, is wrong or missing"
        elif error.reason == "KEY_VALUES_MISMATCH":
            reason = "it is not the key of the certificate"
        else:
            reason = "there is no certificate with its key in PEM form"
        raise ParameterError(
            f"cannot use the client certificate '{certificate}' with '{key}': {reason}"
        ) from None
    except OSError as error:
        raise ParameterError(f"cannot read '{error.filename}': {error.strerror}") from error


class _Connection(ldap3.Connection):  # type: ignore[misc]
    """ldap3's connection, whose own ``repr`` shows the password."""

    def __repr__(self) -> str:
        return f"<connection to {self.server.host}>"


def connection_to(server: Endpoint, layer: VerifiedTls, options: TlsOptions, **logon: Any) -> Any:
    """An ldap3 connection to this server that is not open yet; ``logon`` is what ldap3 is told of the user."""
    connection = _Connection(
        ldap3.Server(
            server.host,
            port=server.port,
            use_ssl=server.scheme == "ldaps",
            tls=layer,
            get_info=ldap3.NONE,
            connect_timeout=options.timeout,
        ),
        raise_exceptions=False,
        auto_referrals=False,
        check_names=False,
        return_empty_attributes=False,
        receive_timeout=options.timeout,
        auto_range=False,  # where the rest of the values is refused, ldap3 takes the first for all of them
        **logon,
    )
    connection.strategy._open_socket = partial(_opened, connection, connection.strategy._open_socket)
    connection.strategy.decode_response_fast = partial(_decoded, connection.strategy.decode_response_fast)
    return connection


def _opened(connection: Any, usual: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """A socket to one of the host's addresses; ldap3 forgets one that fails, and goes on to the next."""
    try:
        return usual(*arguments, **options)
    except BaseException:
        if connection.socket is not None:
            cut_off(connection.socket)
        raise


def _decoded(usual: Callable[[Any], Any], message: Mapping[str, Any]) -> Any:
    """What ldap3 makes of a message; of an object, its name and its values as bytes alone.

    ldap3 reads every value of every object as text too, which nobody here asks for, and takes half the time for it.
    """
    if message["protocolOp"] != _SEARCH_RESULT_ENTRY or message["controls"]:
        return usual(message)
    (_, _, _, name), (_, _, _, attributes) = message["payload"]
    try:
        values = {
            kind.decode(): [bytes(value[3]) for value in found]
            for (_, _, _, ((_, _, _, kind), (_, _, _, found))) in attributes
        }
        return {
            "type": "searchResEntry",
            "raw_dn": name,
            "dn": name.decode(),
            "raw_attributes": values,
            "attributes": values,
        }
    except ValueError:  # what is no UTF-8 is left to ldap3
        return usual(message)


def open_connection(connection: Any, server: Endpoint, options: TlsOptions) -> None:
    """Connect, and encrypt by StartTLS where the options say so. Raises Unreachable."""
    try:
        connection.open(read_server_info=False)
        if server.scheme == "ldap":
            connection.socket = bounded(connection.socket, options.timeout)
            if options.starttls:
                connection.start_tls(read_server_info=False)
    except Exception as error:
        if connection.socket is not None:  # ldap3 leaves it open when connecting fails
            cut_off(connection.socket)
        failure = connection.server.tls.failure
        if isinstance(failure, ssl.SSLCertVerificationError):
            raise _untrusted(server, options, failure) from error
        raise unreachable(server.url, error, failure) from error


def _untrusted(server: Endpoint, options: TlsOptions, failure: ssl.SSLCertVerificationError) -> Unreachable:
    """Why the certificate is not trusted, told from the certificate itself."""
    reason = failure.verify_message.rstrip(".")
    why = explanation(failure.verify_code, reason, server.host, _presented(server, options))
    return Unreachable(f"the certificate of '{server.url}' is not trusted: {why}")


def _presented(server: Endpoint, options: TlsOptions) -> list[bytes]:
    """The certificates that the server shows (DER), from a second connection over which nothing is sent."""
    bare = replace(options, verify=False)
    connection = connection_to(server, tls(bare), bare)
    chain: list[bytes] = []
    with suppress(DirectoryError):
        open_connection(connection, server, bare)
        chain = _chain(connection.socket)
        cut_off(connection.socket)
    return chain


def _chain(socket: ssl.SSLSocket) -> list[bytes]:
    if hasattr(socket, "get_unverified_chain"):  # Python 3.13
        return [bytes(each) for each in socket.get_unverified_chain()]
    # Before, the chain is there under a private name; without it, a message says less.
    inner = getattr(getattr(socket, "_sslobj", None), "get_unverified_chain", None)
    own = socket.getpeercert(binary_form=True)
    found = [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner() or ()] if inner else []
    return found or ([own] if own else [])


def unreachable(url: str, error: Exception, tls_failure: ssl.SSLError | None = None) -> DirectoryError:
    """What it means that a connection failed, or that an answer was none, in one line."""
    for kind, where in _ENDINGS:
        if isinstance(tls_failure or error, kind):
            return Unreachable(f"'{url}' ended the connection{where}")
    if tls_failure is not None:
        return Unreachable(f"'{url}' does not speak TLS: {tls_failure.reason or tls_failure}")
    if isinstance(error, Overdue):
        return Unreachable(f"cannot reach '{url}': {error}", is_late=True)
    if not isinstance(error, LDAPException | OSError) or isinstance(error, LDAPUnknownResponseError):
        # ldap3 takes what comes for well-formed, and stumbles over the rest in whatever way it may.
        unread = f"a message that cannot be read ({type(error).__name__}: {error})"
        reason = str(error) if isinstance(error, WireError | ValueError) else unread
        return DirectoryError(f"'{url}' answered nonsense: {shortened(reason)}")
    # ldap3 puts its own words and every address that it tried in front of what the system said.
    text = str(error)
    found = _SYSTEM_ERROR.findall(text)
    reason = found[-1] if found else "timed out" if "timed out" in text else " ".join(text.split())
    return Unreachable(f"cannot reach '{url}': {shortened(reason)}", is_late="timed out" in reason)


def shortened(text: str) -> str:
    """What a server said, no longer than a line of a message may be."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SAYING else f"{line[:LONGEST_SAYING]}..."
