"""Logging on by a client certificate (SASL EXTERNAL) at a real LDAP server that takes them; Samba does not.

What is proved is the logon: the certificate shown in the handshake, EXTERNAL, and who that makes one. That Active
Directory logs on without EXTERNAL on port 636 is taken from MS-ADTS 5.1.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slapd_lab
from lab_certificates import Authority
from samba_lab import DomainController
from slapd_lab import Slapd

import adsyncconfig
from adsyncconfig import AuthenticationFailed, ParameterError, Unreachable
from adsyncconfig.live import LiveDirectory

PASS_PHRASE = "Pass phrase"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slapd")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """Certificates: of the administrator, plain and with a pass phrase, and one that the server does not trust."""
    authority = Authority.create("Lab authority")
    for name, issuer, pass_phrase in (
        ("admin", authority, None),
        ("protected", authority, PASS_PHRASE),
        ("stranger", Authority.create("Another authority"), None),
    ):
        issuer.issue(
            name, None, for_client=True, pass_phrase=pass_phrase,
            certificate_file=folder / f"{name}.pem", key_file=folder / f"{name}.key",
        )  # fmt: skip
    return authority


@pytest.fixture(scope="module")
def server(folder: Path, authority: Authority) -> Iterator[Slapd]:
    slapd_lab.require()
    with slapd_lab.slapd(folder, authority) as server:
        yield server


def connect(url: str, folder: Path, name: str, **options: Any) -> LiveDirectory:
    given: dict[str, Any] = {
        "ca_file": folder / "authority.pem",
        "client_cert": folder / f"{name}.pem",
        "client_key": folder / f"{name}.key",
        "timeout": 10,
    }
    return adsyncconfig.connect(url, **(given | options))


@pytest.mark.parametrize("auth", ["auto", "certificate"])
def test_on_ldaps_the_certificate_s_owner_is_logged_on(server: Slapd, folder: Path, auth: str) -> None:
    with connect(server.url, folder, "admin", auth=auth) as directory:
        assert directory.caller == "cn=admin"


def test_after_starttls_too(server: Slapd, folder: Path) -> None:
    with connect(server.starttls_url, folder, "admin", starttls=True) as directory:
        assert directory.caller == "cn=admin"


def test_a_key_with_a_pass_phrase_asks_for_it_once(server: Slapd, folder: Path) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("asked")
        return PASS_PHRASE

    with connect(server.url, folder, "protected", password=ask) as directory:
        assert directory.caller == "cn=protected"
    assert len(asked) == 1


def test_a_certificate_and_its_key_may_be_in_one_file(server: Slapd, folder: Path) -> None:
    both = folder / "both.pem"
    both.write_bytes((folder / "admin.pem").read_bytes() + (folder / "admin.key").read_bytes())
    with connect(server.url, folder, "admin", client_cert=both, client_key=None) as directory:
        assert directory.caller == "cn=admin"


def test_a_certificate_that_the_server_does_not_trust_logs_nobody_on(server: Slapd, folder: Path) -> None:
    with pytest.raises((AuthenticationFailed, Unreachable)) as raised:
        connect(server.url, folder, "stranger")
    assert "\n" not in str(raised.value)


def test_samba_takes_the_certificate_for_nobody_and_says_that_it_does_not_take_any(
    contoso: DomainController, folder: Path, authority: Authority
) -> None:
    with pytest.raises(adsyncconfig.DirectoryError, match="does not take client certificates") as raised:
        connect(contoso.url, folder, "admin", ca_file=contoso.ca_file)
    assert "\n" not in str(raised.value)


def test_without_a_certificate_or_tls_it_is_a_wrong_command_line(server: Slapd, folder: Path) -> None:
    with pytest.raises(ParameterError, match="--auth certificate needs --client-cert FILE"):
        adsyncconfig.connect(server.url, auth="certificate")
    with pytest.raises(ParameterError, match="a certificate is shown inside TLS alone"):
        connect(server.starttls_url, folder, "admin")
    with pytest.raises(ParameterError, match="--client-cert goes with --auth certificate, not with simple"):
        connect(server.url, folder, "admin", auth="simple")
