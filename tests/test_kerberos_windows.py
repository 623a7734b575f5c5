"""The Windows side of Kerberos, run here: winkerberos's interface over MIT's library, at the real controller.

winkerberos itself needs SSPI. The stand-in has its functions with their arguments as its source (0.13) reads them,
so that what is proved is how they are called, and not what Windows makes of it.
"""

from __future__ import annotations

import base64
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from kerberos_lab import KerberosLab
from samba_lab import PASSWORD

import adsyncconfig
from adsyncconfig import AuthenticationFailed, ParameterError
from adsyncconfig import kerberos as kerberos_module

gssapi = pytest.importorskip("gssapi")


class GSSError(Exception):
    """As winkerberos raises it."""


class StandIn:
    """winkerberos, as far as it is used."""

    GSS_C_MUTUAL_FLAG, GSS_C_SEQUENCE_FLAG, GSS_C_CONF_FLAG, GSS_C_INTEG_FLAG = 2, 8, 16, 32
    AUTH_GSS_COMPLETE, AUTH_GSS_CONTINUE = 1, 0
    GSSError = GSSError

    def authGSSClientInit(  # noqa: N802, PLR0917 - the library's own
        self,
        service: str,
        principal: str | None = None,
        gssflags: int = 0,
        user: str | None = None,
        domain: str | None = None,
        password: str | None = None,
        mech_oid: object = None,
    ) -> tuple[int, SimpleNamespace]:
        kind = {"usage": "initiate", "mechs": [gssapi.MechType.kerberos]}
        own = None
        if user is not None and domain is not None and password is not None:
            name = gssapi.Name(f"{user}@{domain.upper()}", gssapi.NameType.kerberos_principal)
            with _as_winkerberos():
                own = gssapi.raw.acquire_cred_with_password(name, password.encode(), **kind).creds
        target = gssapi.Name(service, gssapi.NameType.hostbased_service)
        return 1, SimpleNamespace(target=target, own=own, flags=gssflags, context=None, answer=b"")

    def channelBindings(self, *, application_data: bytes) -> Any:  # noqa: N802
        return gssapi.raw.ChannelBindings(0, None, 0, None, application_data)

    def authGSSClientStep(self, state: Any, challenge: str, channel_bindings: Any = None) -> int:  # noqa: N802
        if state.context is None:
            state.context = gssapi.SecurityContext(
                name=state.target, creds=state.own and gssapi.Credentials(base=state.own),
                mech=gssapi.MechType.kerberos, usage="initiate", flags=state.flags,
                channel_bindings=channel_bindings,
            )  # fmt: skip
        with _as_winkerberos():
            state.answer = state.context.step(base64.b64decode(challenge) or None) or b""
        return self.AUTH_GSS_COMPLETE if state.context.complete else self.AUTH_GSS_CONTINUE

    def authGSSClientResponse(self, state: Any) -> str:  # noqa: N802
        return base64.b64encode(state.answer).decode()

    def authGSSClientWrap(self, state: Any, data: str, user: str | None = None, protect: int = 0) -> int:  # noqa: N802
        assert user is None
        state.answer = state.context.wrap(base64.b64decode(data), bool(protect)).message
        return 1

    def authGSSClientUnwrap(self, state: Any, challenge: str) -> int:  # noqa: N802
        state.answer = state.context.unwrap(base64.b64decode(challenge)).message
        return 1


class _as_winkerberos:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, gssapi.exceptions.GSSError):
            raise GSSError("SEC_E_LOGON_DENIED", str(error)) from None


@pytest.fixture
def windows(kerberos: KerberosLab, monkeypatch: pytest.MonkeyPatch) -> KerberosLab:
    """A client of the lab that has winkerberos and no gssapi."""
    monkeypatch.setitem(sys.modules, "winkerberos", StandIn())
    monkeypatch.setattr(kerberos_module, "find_spec", lambda name: name == "winkerberos" or None)
    return kerberos


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_password_logs_on_inside_tls_and_sealed_without(windows: KerberosLab, scheme: str) -> None:
    controller = windows.controller
    with adsyncconfig.connect(
        f"{scheme}://{controller.host_name}", user=controller.administrator, password=PASSWORD,
        auth="kerberos", ca_file=controller.ca_file, timeout=10,
    ) as directory:  # fmt: skip
        assert directory.root.domain == controller.realm
        assert directory.caller == controller.administrator


def test_auto_takes_the_session_s_ticket_where_no_user_is_named(
    windows: KerberosLab, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = windows.controller
    monkeypatch.setenv("KRB5CCNAME", str(windows.ticket(tmp_path / "cache")))
    said: list[str] = []
    options: dict[str, Any] = {"ca_file": controller.ca_file, "timeout": 10, "notify": said.append}
    with adsyncconfig.connect(controller.url, **options) as directory:
        assert directory.root.domain == controller.realm
    with adsyncconfig.connect(
        controller.url, user=controller.administrator, password=PASSWORD, **options
    ) as directory:
        assert directory.caller == controller.administrator
    assert "by Kerberos: there is a ticket of this session" in said[0]
    assert "(simple): the session's ticket is used where no user is named" in said[1]


def test_what_sspi_refuses_is_one_line_and_a_keytab_is_none_of_its_things(windows: KerberosLab) -> None:
    controller = windows.controller
    logon: dict[str, Any] = {"user": controller.administrator, "ca_file": controller.ca_file}
    with pytest.raises(
        AuthenticationFailed, match=r"Kerberos does not log on Administrator@.*SEC_E"
    ) as raised:
        adsyncconfig.connect(controller.url, password="Wrong", auth="kerberos", **logon)
    assert "\n" not in str(raised.value)
    with pytest.raises(ParameterError, match="Windows takes no keytab"):
        adsyncconfig.connect(controller.url, keytab="x", **logon)
