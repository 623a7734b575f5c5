"""A logon by Kerberos is bound to the TLS connection: proved at a server that asks for it, OpenLDAP's.

Samba asks for it from 4.21 on; the lab's looks at no binding. The server here takes tickets of the lab's KDC, and
the client's own MIT library and the server's Cyrus SASL agree on what is hashed without a word of ours.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import slapd_lab
from kerberos_lab import KerberosLab, know
from lab_certificates import Authority
from ldap_proxy import LdapProxy
from samba_lab import PASSWORD

import adsyncconfig
from adsyncconfig import AuthenticationFailed
from adsyncconfig.live import LiveDirectory
from adsyncconfig.sasl import CONFIDENTIALITY, NO_LAYER, GssapiExchange

OPTIONS = """
sasl-host {host}
sasl-secprops none
sasl-cbinding tls-endpoint
"""


class InBetween(LdapProxy):
    """Somebody between the client and the server, with a certificate that the client trusts as well."""

    def __init__(self, controller: Any, target: tuple[str, int], folder: Path) -> None:
        super().__init__(controller)
        self._target = target
        self._server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._server_tls.load_cert_chain(folder / "other.pem", folder / "other.key")
        self._client_tls = ssl.create_default_context(cafile=folder / "authority.pem")


def test_a_logon_that_is_passed_on_by_somebody_in_between_is_refused(
    kerberos: KerberosLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slapd_lab.require()
    authority = Authority.create("Lab authority")
    authority.issue(
        slapd_lab.HOST, None, certificate_file=tmp_path / "other.pem", key_file=tmp_path / "other.key"
    )
    keytab = kerberos.keytab(tmp_path / "keytab", kerberos.service(slapd_lab.HOST))
    environment = {"KRB5_KTNAME": str(keytab), "KRB5_CONFIG": str(kerberos.configuration)}
    options = OPTIONS.format(host=slapd_lab.HOST)

    def connect(address: str, port: int) -> LiveDirectory:
        know(monkeypatch, {slapd_lab.HOST: address})
        return adsyncconfig.connect(
            f"ldaps://{slapd_lab.HOST}:{port}", user=kerberos.administrator, password=PASSWORD, auth="kerberos",
            ca_file=tmp_path / "authority.pem", timeout=10,
        )  # fmt: skip

    with slapd_lab.slapd(tmp_path, authority, more=options, environment=environment) as server:
        with connect(server.address, server.ldaps) as directory:
            assert directory.caller == kerberos.administrator
        with InBetween(kerberos.controller, (server.address, server.ldaps), tmp_path) as between:
            port = int(between.url.rpartition(":")[2])
            with pytest.raises(
                AuthenticationFailed, match=r"does not accept 'Administrator@CONTOSO\.EXAMPLE'"
            ):
                connect(kerberos.controller.host, port)
    assert "Incorrect channel bindings were supplied" in (tmp_path / "slapd.log").read_text()


# -- the exchange by itself, with a context that is complete and wraps nothing ------------------------------------


class Plain:
    """A context whose tokens are the data itself."""

    complete = True

    def step(self, token: bytes | None) -> bytes:
        return b""

    def wrap(self, data: bytes, *, seal: bool) -> bytes:
        return data

    def unwrap(self, data: bytes) -> bytes:
        return data

    def fitting(self, largest: int) -> int:
        return largest


@pytest.mark.parametrize("offer", [NO_LAYER, NO_LAYER | 2 | CONFIDENTIALITY])
def test_inside_tls_no_layer_is_taken_whatever_else_is_offered(offer: int) -> None:
    exchange = GssapiExchange(Plain(), seal=False)
    assert exchange.answer(bytes([offer, 0, 1, 0])) == bytes([NO_LAYER, 0, 0, 0])
    assert exchange.complete


def test_without_tls_only_sealing_will_do() -> None:
    exchange = GssapiExchange(Plain(), seal=True)
    assert exchange.answer(bytes([7, 0, 1, 0])) == bytes([CONFIDENTIALITY, 0xFF, 0xFF, 0xFF])
    assert exchange.largest == 0x100


@pytest.mark.parametrize(
    ("seal", "offer"),
    [(True, b"\3\0\1\0"), (True, b"\1\0\0\0"), (False, b"\6\0\1\0"), (False, b""), (True, b"\7")],
)
def test_a_server_that_does_not_offer_it_is_not_logged_on_to(*, seal: bool, offer: bytes) -> None:
    exchange = GssapiExchange(Plain(), seal=seal)
    with pytest.raises(AuthenticationFailed, match="the controller does not offer"):
        exchange.answer(offer)
    assert not exchange.complete
