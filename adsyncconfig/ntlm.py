"""NTLM as far as the installed ldap3 can: found out at run time, with an error that says what is missing.

Rule 1: without TLS everything is sealed, or there is no logon: ldap3 can from 2.10 on (``session_security``).
Rule 2: inside TLS the logon is bound to the certificate where ldap3 can: on ldaps, from 2.10 on
        (``channel_binding``).

Sources: MS-NLMP 3.3.2 (NTLMv2 hashes the password with MD4), MS-ADTS 5.1.1.1.3 (Sicily).
"""

from __future__ import annotations

import hashlib
import inspect
from importlib.util import find_spec
from typing import Any, Final

import ldap3

from .errors import ParameterError
from .transport import Endpoint

__all__ = ["extras", "has_md4"]

_NEWER: Final = "pip install --pre 'ldap3>=2.10.2rc2'"


def extras(server: Endpoint, user: str) -> dict[str, Any]:
    """What ldap3 is told beyond the user and the password. Raises ParameterError, with what is missing."""
    domain, _, name = user.partition("\\")
    if not domain or not name or "\\" in name:
        raise ParameterError(f"NTLM needs a user as DOMAIN\\user, and '{user}' is none")
    able = inspect.signature(ldap3.Connection.__init__).parameters
    if not server.encrypted and "session_security" not in able:
        raise ParameterError(
            f"'{server.url}' is not encrypted, and ldap3 {ldap3.__version__} cannot seal what NTLM sends: use "
            f"ldaps://, or an ldap3 that can ({_NEWER})"
        )
    if not has_md4():
        raise ParameterError(
            "NTLM needs MD4, which this Python's OpenSSL has not: install pycryptodome and pycryptodomex, or use "
            "--auth kerberos or --auth simple"
        )
    if not server.encrypted:
        return {"session_security": ldap3.ENCRYPT}
    if "channel_binding" in able and server.scheme == "ldaps":
        return {"channel_binding": ldap3.TLS_CHANNEL_BINDING}
    return {}


def has_md4() -> bool:
    """Whether MD4 is there: in OpenSSL, or in what ldap3 takes instead (2.9: Crypto, 2.10: Cryptodome)."""
    try:
        hashlib.new("md4")  # noqa: S324 - NTLM is made of it
    except ValueError:
        able = "session_security" in inspect.signature(ldap3.Connection.__init__).parameters
        return find_spec("Cryptodome" if able else "Crypto") is not None
    return True
