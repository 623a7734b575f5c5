"""NTLM: what is missing for it is found before anything is sent, and said."""

from __future__ import annotations

import inspect
from typing import Any

import ldap3
import pytest
from samba_lab import PASSWORD, DomainController
from sockets import silent_listener

import adsyncconfig
from adsyncconfig import ParameterError
from adsyncconfig.ntlm import has_md4

USER = "CONTOSO\\Administrator"
able = inspect.signature(ldap3.Connection.__init__).parameters


@pytest.mark.parametrize("user", ["Administrator@contoso.example", "Administrator", "A\\B\\C", "CONTOSO\\"])
def test_a_user_that_names_no_domain_of_windows_is_refused(contoso: DomainController, user: str) -> None:
    with pytest.raises(ParameterError, match=r"NTLM needs a user as DOMAIN\\user, and '"):
        adsyncconfig.connect(contoso.url, user=user, password=PASSWORD, auth="ntlm", ca_file=contoso.ca_file)


def test_without_tls_and_an_ldap3_that_seals_nothing_is_sent() -> None:
    with silent_listener() as listener:
        logon: dict[str, Any] = {"user": USER, "password": PASSWORD, "auth": "ntlm", "timeout": 1}
        with pytest.raises(adsyncconfig.ADSyncConfigError) as raised:
            adsyncconfig.connect(f"ldap://127.0.0.1:{listener.port}", **logon)
    if "session_security" not in able:
        assert f"ldap3 {ldap3.__version__} cannot seal what NTLM sends" in str(raised.value)
        assert "pip install --pre 'ldap3>=2.10.2rc2'" in str(raised.value)
        assert listener.received == b""
    assert PASSWORD.encode() not in listener.received
    assert PASSWORD.encode("utf-16-le") not in listener.received


def test_inside_tls_it_says_what_is_missing_here_or_on_the_controller(contoso: DomainController) -> None:
    # Samba speaks no NTLM in LDAP, so that this ends with an error in any case.
    with pytest.raises(adsyncconfig.ADSyncConfigError) as raised:
        adsyncconfig.connect(contoso.url, user=USER, password=PASSWORD, auth="ntlm", ca_file=contoso.ca_file)
    said = str(raised.value)
    assert ("(Samba does not)" if has_md4() else "MD4, which this Python's OpenSSL has not: install") in said
    assert "\n" not in said
