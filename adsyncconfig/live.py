"""A domain controller over LDAP: the only file that knows ldap3.

Rule 1: a password is sent only inside TLS whose certificate was verified, unless the caller said otherwise in
        so many words (``verify=False``).
Rule 2: referrals are never followed: the server of another domain is named by the caller.
Rule 3: every operation states its SD flags: 7 to read (owner, group, DACL), 4 to write (DACL only).
Rule 4: what ldap3 and the server say is turned into this package's errors, in ``_failure`` and nowhere else.

Sources: RFC 4511; MS-ADTS 3.1.1.3.4.1.11 (LDAP_SERVER_SD_FLAGS_OID), 3.1.1.3.1.1 (AD's own result codes).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException

from acl import SecurityDescriptor, Sid

from .directory import Entry, RootDse, Scope, dacl_alone
from .dn import DistinguishedName
from .errors import (
    AccessDenied,
    AuthenticationFailed,
    DirectoryError,
    NotFound,
    ParameterError,
    Unreachable,
)
from .filters import EVERYTHING, Filter

if TYPE_CHECKING:
    from .connections import ForestConnections

__all__ = ["LiveDirectory"]

PAGED_RESULTS_OID: Final = "1.2.840.113556.1.4.319"
SD_FLAGS_OID: Final = "1.2.840.113556.1.4.801"
# The control's value is a BER sequence of one integer.
SD_FLAGS_READ: Final = (SD_FLAGS_OID, True, b"\x30\x03\x02\x01\x07")  # owner, group, DACL
SD_FLAGS_WRITE: Final = (SD_FLAGS_OID, True, b"\x30\x03\x02\x01\x04")  # DACL
# DNs as <GUID=...>;<SID=S-1-...>;DN (MS-ADTS 3.1.1.3.4.1.5): the SID of the forest's root comes without a request
# of its own. Not critical: a server that knows it not answers as ever.
EXTENDED_DN: Final = ("1.2.840.113556.1.4.529", False, b"\x30\x03\x02\x01\x01")
PAGE_SIZE: Final = 500
LARGEST_PAGE: Final = 1000  # MaxPageSize of Active Directory (MS-ADTS 3.1.1.3.4.6)
DEFAULT_TIMEOUT: Final = 30

_PORTS: Final = {"ldap": 389, "ldaps": 636}
_EXTENDED: Final = re.compile(r"^(?:<[A-Z]+=[^<>]*>;)+")
_EXTENDED_SID: Final = re.compile(r"^(?:<GUID=[^<>]*>;)?<SID=(S-1-[0-9-]+)>;")
_SYSTEM_ERROR: Final = re.compile(r"\[Errno -?\d+\] ([^'\"\]]+)")
_BIND_DATA: Final = re.compile(r"\bdata ([0-9a-fA-F]{3,8})\b")
_ISSUER_HINT: Final = "give the certificate of its issuer as --ca-file"
#: X509_V_ERR_... of OpenSSL's x509_vfy.h, where another hint than the issuer's certificate helps.
_CERTIFICATE_HINTS: Final = {
    9: "it is not valid yet: compare the clocks",
    10: "it has to be renewed on the controller",
    62: "name the server as its certificate does",
    64: "name the server as its certificate does",
}
_SCOPES: Final = {Scope.ONE_LEVEL: ldap3.LEVEL, Scope.SUBTREE: ldap3.SUBTREE}
_ROOT_DSE: Final = {
    "default_naming_context": "defaultNamingContext",
    "root_domain_naming_context": "rootDomainNamingContext",
    "configuration_naming_context": "configurationNamingContext",
    "schema_naming_context": "schemaNamingContext",
    "controller": "dnsHostName",
}
# "data 52e" in the text of a refused bind is a Windows error code (MS-ADTS 3.1.1.3.1.1, winerror.h).
_BIND_FAILURES: Final = {
    "525": "there is no such user",
    "52e": "the user name or the password is wrong",
    "530": "logging on is not allowed at this time",
    "531": "logging on is not allowed from this machine",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked out",
}
_RESULT_MEANINGS: Final = {
    "busy": "the controller is busy: try again",
    "unavailable": "the controller is not available: try again, or name another",
    "unwillingToPerform": "the controller is unwilling to do this",
    "timeLimitExceeded": "the controller's time limit was reached",
    "sizeLimitExceeded": "the controller's size limit was reached",
    "adminLimitExceeded": "a limit of the controller was reached",
    "constraintViolation": "the controller found a value that its rules forbid",
    "strongerAuthRequired": "the controller wants an encrypted connection: use ldaps:// or --starttls",
    "referral": "this object is in another domain: name that domain's server as -Server domain=url",
}


class _VerifiedTls(ldap3.Tls):  # type: ignore[misc]
    """TLS whose certificate and host name OpenSSL checks.

    ldap3 compares host names with code of its own, which knows no IP addresses on Python 3.12 and later, and
    loses the reason of a refusal; this keeps it in ``failure``.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=context.verify_mode)
        self._context = context
        self.failure: ssl.SSLError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket,
                server_hostname=connection.server.host,
                do_handshake_on_connect=do_handshake,
            )
        except ssl.SSLError as error:
            self.failure = error
            raise


class LiveDirectory:
    """A domain controller: see ``directory.Directory`` for what its methods promise.

    Open one with ``LiveDirectory.connect``; ``forest`` knows the other domains and how to reach them.
    """

    def __init__(
        self, connection: Any, root: RootDse, *, url: str, forest: ForestConnections | None = None
    ) -> None:
        self._connection = connection
        self._root = root
        self._url = url
        self._forest = forest

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        user: str,
        password: str,
        ca_file: str | None = None,
        starttls: bool = False,
        verify: bool = True,
        timeout: int = DEFAULT_TIMEOUT,
        forest: ForestConnections | None = None,
    ) -> LiveDirectory:
        """A bound connection to the controller at ``url``: ``ldaps://host[:port]``, or ``ldap://``, StartTLS.

        ``timeout`` is in seconds, for connecting and for each answer. Raises ParameterError for a URL that is
        none, or one that would send the password in clear; Unreachable; AuthenticationFailed.
        """
        scheme, host, port = _split(url, starttls=starttls)
        if scheme == "ldap" and not starttls:
            raise ParameterError(
                f"'{url}' is not encrypted, and a password never goes over it: use ldaps:// or --starttls"
            )
        if not user or not password:
            raise ParameterError(f"'{url}' needs a user and a password: give -Credential")
        tls = _tls(ca_file, verify=verify)
        server = ldap3.Server(
            host, port=port, use_ssl=scheme == "ldaps", tls=tls, get_info=ldap3.NONE, connect_timeout=timeout
        )
        connection = ldap3.Connection(
            server,
            user=user,
            password=password,
            authentication=ldap3.SIMPLE,
            raise_exceptions=False,
            auto_referrals=False,
            check_names=False,
            return_empty_attributes=False,
            receive_timeout=timeout,
        )
        try:
            connection.open(read_server_info=False)
            if scheme == "ldap":
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
        except (LDAPException, OSError) as error:
            if connection.socket is not None:  # ldap3 leaves it open when connecting fails
                connection.socket.close()
            raise _unreachable(url, error, tls.failure) from error
        if connection.result["description"] != "success":
            connection.unbind()
            raise _refused_bind(url, user, connection.result)
        return cls(connection, _root_dse(connection, url), url=url, forest=forest)

    def __repr__(self) -> str:
        return f"LiveDirectory({self._url!r})"

    @property
    def root(self) -> RootDse:
        """The naming contexts, and the controller that answers."""
        return self._root

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        """The object with this DN. Raises NotFound, ParameterError for a DN that is none, DirectoryError."""
        DistinguishedName.parse(dn)
        response = self._search(dn, EVERYTHING, ldap3.BASE, attributes)
        entries = [_entry(each) for each in response if each["type"] == "searchResEntry"]
        if not entries:
            raise NotFound(dn)
        return entries[0]

    def search(
        self,
        base: str,
        condition: Filter,
        attributes: Sequence[str],
        *,
        scope: Scope = Scope.SUBTREE,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """The objects below the base that meet the condition, page by page. Raises as ``get``.

        A subtree holds its base. No more than ``limit`` come, and no page beyond them is asked for.
        """
        DistinguishedName.parse(base)
        left = limit
        cookie: bytes | None = None
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(left, LARGEST_PAGE)
            response = self._search(base, condition, _SCOPES[scope], attributes, page=(size, cookie))
            controls = self._connection.result.get("controls") or {}
            # References to other domains' partitions are no entries, and are not followed (rule 2).
            entries = [each for each in response if each["type"] == "searchResEntry"][:left]
            yield from map(_entry, entries)
            if left is not None:
                left -= len(entries)
            cookie = controls.get(PAGED_RESULTS_OID, {}).get("value", {}).get("cookie")
            if not cookie:
                return

    def write_dacl(self, dn: str, descriptor: SecurityDescriptor) -> None:
        """Replace the object's DACL. Raises AccessDenied, NotFound, DirectoryError."""
        data = dacl_alone(descriptor).to_bytes()
        try:
            self._connection.modify(
                dn, {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [data])]}, controls=[SD_FLAGS_WRITE]
            )
        except (LDAPException, OSError) as error:
            raise _unreachable(self._url, error, None) from error
        _check(self._connection.result, dn, "write the permissions of")

    @property
    def caller(self) -> str | None:
        """Who is logged on here, as given."""
        return self._connection.user or None

    def caller_sids(self) -> tuple[Sid, ...]:
        """The SIDs of who is logged on here, groups included (rootDSE's tokenGroups, MS-ADTS 3.1.1.3.2)."""
        response = self._search("", EVERYTHING, ldap3.BASE, ["tokenGroups"])
        values = [value for each in response for value in _entry(each).attributes.get("tokengroups", ())]
        return tuple(Sid.from_bytes(value) for value in values)

    def for_domain(self, dns_name: str) -> LiveDirectory:
        """The same forest seen from another of its domains. Raises Unreachable, with what to do."""
        name = dns_name.lower()
        if name == self._root.domain:
            return self
        if self._forest is None:
            raise Unreachable(f"this connection is to {self._root.domain} alone: name a server of {name}")
        return self._forest.domain(name)

    def close(self) -> None:
        """Let go of this connection, and of those to other domains that were made for it."""
        if self._forest is None:
            self.disconnect()
        else:
            self._forest.close()

    def disconnect(self) -> None:
        """Let go of this connection alone."""
        with suppress(LDAPException, OSError):  # it may be gone already, which is what is wanted
            self._connection.unbind()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _search(
        self,
        base: str,
        condition: Filter,
        scope: str,
        attributes: Sequence[str],
        *,
        page: tuple[int, bytes | None] | None = None,
    ) -> list[dict[str, Any]]:
        wants_descriptor = any(name.lower() == "ntsecuritydescriptor" for name in attributes)
        try:
            self._connection.search(
                base,
                condition.to_ldap(),
                search_scope=scope,
                attributes=list(attributes),
                controls=[SD_FLAGS_READ] if wants_descriptor else None,
                paged_size=page[0] if page else None,
                paged_cookie=page[1] if page else None,
            )
        except (LDAPException, OSError) as error:
            raise _unreachable(self._url, error, None) from error
        _check(self._connection.result, base, "read")
        response: list[dict[str, Any]] = self._connection.response or []
        return response


def _split(url: str, *, starttls: bool) -> tuple[str, str, int]:
    """Scheme, host and port of a server's URL; a bare host name means LDAPS, or LDAP with StartTLS."""
    text = url if "://" in url else f"{'ldap' if starttls else 'ldaps'}://{url}"
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError as error:
        raise ParameterError(f"'{url}' is no server: {error}") from error
    if scheme not in _PORTS or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise ParameterError(f"'{url}' is no server: write it like ldaps://dc1.contoso.example or with :port")
    return scheme, host, port or _PORTS[scheme]


def _tls(ca_file: str | None, *, verify: bool) -> _VerifiedTls:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        malformed = isinstance(error, ssl.SSLError)
        reason = "it holds no certificate in PEM form" if malformed else error.strerror
        raise ParameterError(f"cannot read the CA file '{ca_file}': {reason}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _VerifiedTls(context)


def _root_dse(connection: Any, url: str) -> RootDse:
    try:
        connection.search(
            "",
            EVERYTHING.to_ldap(),
            search_scope=ldap3.BASE,
            attributes=[*_ROOT_DSE.values()],
            controls=[EXTENDED_DN],
        )
    except (LDAPException, OSError) as error:
        raise _unreachable(url, error, None) from error
    found = [_entry(each) for each in connection.response or [] if each["type"] == "searchResEntry"]
    said = {field: found[0].text(name) if found else None for field, name in _ROOT_DSE.items()}
    values = {field: value and _EXTENDED.sub("", value) for field, value in said.items()}
    absent = [_ROOT_DSE[field] for field, value in values.items() if not value]
    if absent:
        connection.unbind()
        raise DirectoryError(
            f"'{url}' is no Active Directory domain controller: it has no {', '.join(absent)}"
        )
    sid = _EXTENDED_SID.search(said["root_domain_naming_context"] or "")
    return RootDse(
        **{field: value or "" for field, value in values.items()}, forest_root_sid=sid[1] if sid else None
    )


def _entry(response: Mapping[str, Any]) -> Entry:
    return Entry(
        response["dn"], {name.lower(): values for name, values in response["raw_attributes"].items()}
    )


def _check(result: Mapping[str, Any], dn: str, action: str) -> None:
    """Raise the error that an operation's result stands for."""
    code = result["description"]
    if code == "success":
        return
    if code == "noSuchObject":
        raise NotFound(dn)
    if code == "invalidDNSyntax":
        raise ParameterError(f"'{dn}' is no distinguished name that the controller understands")
    said = " ".join((result["message"] or "").split("\x00")[0].split())
    if code == "insufficientAccessRights":
        raise AccessDenied(f"you may not {action} '{dn}' (insufficientAccessRights)", dn=dn)
    meaning = _RESULT_MEANINGS.get(code, code)
    raise DirectoryError(f"cannot {action} '{dn}': {meaning} ({code}{': ' if said else ''}{said})", dn=dn)


def _unreachable(url: str, error: Exception, tls_failure: ssl.SSLError | None) -> DirectoryError:
    """What a failed connection means, in one line."""
    if isinstance(tls_failure, ssl.SSLCertVerificationError):
        reason = tls_failure.verify_message.rstrip(".")
        return Unreachable(
            f"the certificate of '{url}' is not trusted: {reason}; "
            f"{_CERTIFICATE_HINTS.get(tls_failure.verify_code, _ISSUER_HINT)}"
        )
    if tls_failure is not None:
        return Unreachable(f"'{url}' does not speak TLS: {tls_failure.reason or tls_failure}")
    # ldap3 puts its own words and every address that it tried in front of what the system said.
    text = str(error)
    found = _SYSTEM_ERROR.findall(text)
    reason = found[-1] if found else "timed out" if "timed out" in text else " ".join(text.split())
    return Unreachable(f"cannot reach '{url}': {reason}")


def _refused_bind(url: str, user: str, result: Mapping[str, Any]) -> DirectoryError:
    """What a refused bind means, in one line."""
    code = result["description"]
    if code != "invalidCredentials":
        meaning = _RESULT_MEANINGS.get(code, code)
        return DirectoryError(f"'{url}' refused to log on '{user}': {meaning} ({code})")
    found = _BIND_DATA.search(result["message"] or "")
    reason = _BIND_FAILURES.get(found[1].lower() if found else "52e", f"Windows error {found and found[1]}")
    return AuthenticationFailed(f"'{url}' does not accept '{user}': {reason}")
