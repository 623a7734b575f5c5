"""Logging on to a domain controller: a connection that is bound, or one line on why it is not.

Rule 1: a password is sent only inside TLS whose certificate was verified, unless the caller said otherwise in
        so many words (``verify=False``).
Rule 2: what a server says to a refused bind is turned into this package's errors, in ``_refused``.

Sources: RFC 4511 section 4.2; MS-ADTS 5.1.1 (authentication), 3.1.1.3.1.1 (what a refused bind says).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import ldap3

from .answers import RESULT_MEANINGS
from .credential import Credential, TlsOptions
from .errors import AuthenticationFailed, DirectoryError, ParameterError
from .transport import connection_to, endpoint, open_connection, tls, unreachable
from .wire import cut_off

__all__ = ["log_on"]

_BIND_DATA: Final = re.compile(r"\bdata ([0-9a-fA-F]{3,8})\b")
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


def log_on(url: str, credential: Credential, options: TlsOptions) -> Any:
    """A bound ldap3 connection to the controller at ``url``: ``ldaps://host[:port]``, or ``ldap://``, StartTLS.

    Raises ParameterError for a URL that is none, or one that would send the password in clear; Unreachable;
    AuthenticationFailed.
    """
    server = endpoint(url, starttls=options.starttls)
    if server.scheme == "ldap" and not options.starttls:
        raise ParameterError(
            f"'{url}' is not encrypted, and a password never goes over it: use ldaps:// or --starttls"
        )
    if not credential.user or not credential.password:
        raise ParameterError(f"'{url}' needs a user and a password: give -Credential")
    connection = connection_to(
        server,
        tls(options),
        options,
        user=credential.user,
        password=credential.password,
        authentication=ldap3.SIMPLE,
    )
    open_connection(connection, server, options)
    try:
        connection.bind(read_server_info=False)
    except Exception as error:
        if connection.socket is not None:
            cut_off(connection.socket)
        raise unreachable(url, error) from error
    if connection.result["description"] != "success":
        connection.unbind()
        raise _refused(url, credential.user, connection.result)
    return connection


def _refused(url: str, user: str, result: Mapping[str, Any]) -> DirectoryError:
    """What a refused bind means, in one line."""
    code = result["description"]
    if code != "invalidCredentials":
        meaning = RESULT_MEANINGS.get(code, code)
        return DirectoryError(f"'{url}' refused to log on '{user}': {meaning} ({code})")
    found = _BIND_DATA.search(result["message"] or "")
    reason = _BIND_FAILURES.get(found[1].lower() if found else "52e", f"Windows error {found and found[1]}")
    return AuthenticationFailed(f"'{url}' does not accept '{user}': {reason}")
