"""What a controller says when it refuses a logon, as one line that says what to do: tables.

Sources: RFC 4511 appendix A.2; MS-ADTS 3.1.1.3.1.1 and winerror.h ("data 52e"); MS-ADTS 5.1.2.2 (channel binding).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .answers import RESULT_MEANINGS
from .credential import Method
from .errors import AuthenticationFailed, DirectoryError
from .transport import Endpoint, shortened

__all__ = ["refused"]

_BIND_DATA: Final = re.compile(r"\bdata ([0-9a-fA-F]{3,8})\b")
_BAD_BINDINGS: Final = "80090346"
# "data 52e" in the text of a refused bind is a Windows error code.
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
_UNBOUND: Final[dict[Method, str]] = {
    "ntlm": "the controller wants the logon bound to the TLS connection (channel binding), which ldap3 "
    "does with version 2.10 alone: pip install --pre 'ldap3>=2.10.2rc2', or use --auth kerberos",
    "kerberos": "the controller found the logon bound to another TLS connection: something in between ends TLS, or "
    "shows another certificate; connect to the controller itself",
}
_STRONGER: Final[dict[Method, str]] = {
    "kerberos": "the controller takes no Kerberos inside TLS (Samba, unless 'ldap server require strong auth = "
    "allow_sasl_over_tls'): name it as ldap://host, where Kerberos itself seals everything, or use --auth simple",
    "ntlm": "the controller wants the connection signed or sealed: use ldaps://, or ldap:// with an ldap3 that can "
    "seal (2.10)",
}
_UNSUPPORTED: Final[dict[Method, str]] = {
    "ntlm": "the controller does not speak NTLM in LDAP (Samba does not): use --auth kerberos or --auth simple",
    "certificate": "the controller does not take client certificates for a logon (SASL EXTERNAL)",
    "kerberos": "the controller does not speak Kerberos in LDAP (SASL GSSAPI)",
}


_BY_CODE: Final[dict[str, dict[Method, str]]] = {
    "strongerAuthRequired": _STRONGER,
    "confidentialityRequired": _STRONGER,
    "authMethodNotSupported": _UNSUPPORTED,
    # What Samba answers to a SASL mechanism that it does not know.
    "operationsError": {"certificate": _UNSUPPORTED["certificate"]},
}


def refused(server: Endpoint, user: str, result: Mapping[str, Any], method: Method) -> DirectoryError:
    """What a refused bind means, in one line."""
    code = result["description"]
    said = shortened(str(result.get("message") or "").split("\x00")[0])
    if code != "invalidCredentials":
        meaning = (
            _BY_CODE.get(code, {}).get(method) or RESULT_MEANINGS.get(code) or said or "it does not say why"
        )
        return DirectoryError(f"'{server.url}' refused to log on '{user}': {meaning} ({code})")
    found = _BIND_DATA.search(said)
    number = found[1].lower() if found else None
    if number == _BAD_BINDINGS or "BAD_BINDINGS" in said:
        reason = _UNBOUND.get(method, "the controller wants a logon that is bound to the TLS connection")
    elif number is None and method in ("kerberos", "certificate"):
        reason = said or "it does not say why"
    else:
        reason = _BIND_FAILURES.get(number or "52e", f"Windows error {number}")
    return AuthenticationFailed(f"'{server.url}' does not accept '{user}': {reason}")
