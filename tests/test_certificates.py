"""Why a controller's certificate is not trusted: told from the certificate, before anything of a logon is sent."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lab_certificates import Authority, self_signed
from ldap_proxy import LdapProxy
from samba_lab import DomainController

import adsyncconfig
from adsyncconfig import ParameterError, Unreachable
from adsyncconfig.certificates import explanation, tls_server_end_point

HOST = "dc1.contoso.example"
DATES = r"valid \d{4}-\d\d-\d\d \d\d:\d\d to \d{4}-\d\d-\d\d \d\d:\d\d UTC"
OWN = rf"subject CN=dc1\.contoso\.example, issuer CN=Lab authority, {DATES}"


class Files(NamedTuple):
    """Where a certificate and its key are."""

    certificate: Path
    key: Path

    @property
    def given(self) -> dict[str, Any]:
        """As ``issue`` takes them."""
        return {"certificate_file": self.certificate, "key_file": self.key}


class Impostor(LdapProxy):
    """The controller behind a certificate of the test's own."""

    def __init__(self, controller: DomainController, files: Files) -> None:
        super().__init__(controller)
        self._server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._server_tls.load_cert_chain(*files)


def good(authority: Authority, address: str, files: Files) -> None:
    authority.issue(HOST, address, **files.given)


def expired(authority: Authority, address: str, files: Files) -> None:
    authority.issue(HOST, address, start=-10, end=-1, **files.given)


def early(authority: Authority, address: str, files: Files) -> None:
    authority.issue(HOST, address, start=1, end=10, **files.given)


def for_another_host(authority: Authority, address: str, files: Files) -> None:
    authority.issue("dc9.contoso.example", None, **files.given)


def of_nobody(authority: Authority, address: str, files: Files) -> None:
    self_signed(HOST, address, **files.given)


def of_an_unknown_authority(authority: Authority, address: str, files: Files) -> None:
    Authority.create("Somebody's authority").issue(HOST, address, **files.given)


def with_an_unknown_chain(authority: Authority, address: str, files: Files) -> None:
    root = Authority.create("Somebody's root")
    issuing = root.subordinate("Somebody's issuing authority")
    complete = Authority(issuing.certificate, issuing.key, (*issuing.chain, root.certificate))
    complete.issue(HOST, address, **files.given)


def with_a_gap(authority: Authority, address: str, files: Files) -> None:
    authority.subordinate("Issuing authority").issue(HOST, address, sends_chain=False, **files.given)


def with_its_chain(authority: Authority, address: str, files: Files) -> None:
    authority.subordinate("Issuing authority").issue(HOST, address, **files.given)


Issue = Callable[[Authority, str, Files], None]
BAD: list[tuple[Issue, str]] = [
    (expired, rf"it has expired \({OWN}\); it has to be renewed on the controller"),
    (early, rf"it is not valid yet \({OWN}\); compare the clocks"),
    (
        for_another_host,
        rf"it is for dc9\.contoso\.example, not for 127\.[0-9.]+ \(subject CN=dc9\.contoso\.example, issuer CN=Lab "
        rf"authority, {DATES}\); name the server as its certificate does",
    ),
    (
        of_nobody,
        rf"it is self-signed \(subject CN=dc1\.contoso\.example, issuer CN=dc1\.contoso\.example, {DATES}\); .*"
        "--ca-file, or have it replaced",
    ),
    (
        of_an_unknown_authority,
        rf"its issuer CN=Somebody's authority is neither trusted nor sent along \(subject CN=dc1.*{DATES}\); "
        "give the certificate of its issuer as --ca-file",
    ),
    (
        with_an_unknown_chain,
        rf"its authority CN=Somebody's root is not among the trusted ones \(subject CN=dc1.*{DATES}\); give that",
    ),
    (
        with_a_gap,
        r"its issuer CN=Issuing authority is neither .*; .* have the controller send the certificates",
    ),
]


@pytest.fixture
def authority() -> Authority:
    return Authority.create("Lab authority")


def impostor(
    contoso: DomainController, authority: Authority, issue: Issue, folder: Path
) -> tuple[Impostor, dict[str, Any]]:
    files = Files(folder / "certificate.pem", folder / "key.pem")
    issue(authority, contoso.host, files)
    trusted = authority.write(folder / "trusted.pem")
    logon = {"user": contoso.administrator, "password": contoso.password, "ca_file": trusted, "timeout": 10}
    return Impostor(contoso, files), logon


@pytest.mark.parametrize(("issue", "said"), BAD, ids=[issue.__name__ for issue, _ in BAD])
def test_a_certificate_that_is_not_trusted_is_told_by_its_own_words(
    contoso: DomainController, authority: Authority, tmp_path: Path, issue: Issue, said: str
) -> None:
    proxy, logon = impostor(contoso, authority, issue, tmp_path)
    pattern = rf"^the certificate of 'ldaps://[0-9.:]+' is not trusted: {said}"
    with proxy, pytest.raises(Unreachable, match=pattern) as raised:
        adsyncconfig.connect(proxy.url, **logon)
    assert proxy.operations == []  # no logon, on either connection
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("issue", [good, with_its_chain], ids=["good", "with its chain"])
def test_the_same_with_nothing_wrong_logs_on(
    contoso: DomainController, authority: Authority, tmp_path: Path, issue: Issue
) -> None:
    proxy, logon = impostor(contoso, authority, issue, tmp_path)
    with proxy, adsyncconfig.connect(proxy.url, **logon) as directory:
        assert directory.root.domain == contoso.realm


def test_on_starttls_it_is_told_too(contoso: DomainController, authority: Authority, tmp_path: Path) -> None:
    # The controller's own certificate, which another authority signed.
    trusted = authority.write(tmp_path / "trusted.pem")
    with pytest.raises(Unreachable, match=rf"its issuer CN=Lab authority is neither .*\({OWN}\)"):
        adsyncconfig.connect(
            f"ldap://{contoso.host}", starttls=True,
            user=contoso.administrator, password=contoso.password, ca_file=trusted, timeout=10,
        )  # fmt: skip


def test_what_cannot_be_looked_at_is_told_in_openssl_s_words() -> None:
    assert explanation(10, "certificate has expired", HOST, []) == (
        "certificate has expired; it has to be renewed on the controller"
    )
    assert explanation(20, "unable", HOST, []) == "unable; give the certificate of its issuer as --ca-file"
    assert explanation(20, "unable", HOST, [b"nonsense"]).startswith("unable, and it is malformed")


# RFC 5929 section 4.1: the signature's own hash, but SHA-256 in place of MD5 and SHA-1.
@pytest.mark.parametrize(
    ("signed_with", "hashed_with"),
    [("sha256", "sha256"), ("sha384", "sha384"), ("sha512", "sha512"), ("sha1", "sha256")],
)
def test_a_logon_is_bound_to_the_hash_that_the_signature_names(
    tmp_path: Path, signed_with: str, hashed_with: str
) -> None:
    der = certificate_of_openssl(tmp_path, "rsa:2048", f"-{signed_with}")
    assert tls_server_end_point(der) == b"tls-server-end-point:" + hashlib.new(hashed_with, der).digest()


def test_a_signature_without_a_hash_of_its_own_binds_nothing(tmp_path: Path) -> None:
    assert tls_server_end_point(certificate_of_openssl(tmp_path, "ed25519")) is None


def certificate_of_openssl(folder: Path, key: str, *more: str) -> bytes:
    command = ["openssl", "req", "-x509", "-newkey", key, "-nodes", "-subj", f"/CN={HOST}", "-days", "1"]
    files = ["-keyout", str(folder / "key.pem"), "-outform", "DER", "-out", str(folder / "certificate.der")]
    subprocess.run([*command, *files, *more], check=True, capture_output=True)
    return (folder / "certificate.der").read_bytes()


# -- certificates that a person logs on with -----------------------------------------------------------------


def test_a_client_certificate_that_cannot_be_used_is_named(
    contoso: DomainController, authority: Authority, tmp_path: Path
) -> None:
    own, other = (Files(tmp_path / f"{name}.pem", tmp_path / f"{name}.key") for name in ("own", "other"))
    for files, pass_phrase in ((own, "Pass phrase"), (other, None)):
        authority.issue(
            "admin", None, for_client=True, pass_phrase=pass_phrase,
            **files.given,
        )  # fmt: skip
    (tmp_path / "text").write_text("no certificate")

    def refused(certificate: Path, key: Path | None = None, password: str | None = None) -> str:
        with pytest.raises(ParameterError) as raised:
            adsyncconfig.connect(
                contoso.url,
                ca_file=contoso.ca_file,
                password=password,
                client_cert=certificate,
                client_key=key,
            )
        return str(raised.value)

    assert "cannot read" in refused(tmp_path / "gone.pem")
    assert "gone.key': No such file" in refused(own.certificate, tmp_path / "gone.key")
    assert "no certificate with its key in PEM form" in refused(tmp_path / "text")
    assert "no certificate with its key in PEM form" in refused(other.certificate)
    assert "it is not the key of the certificate" in refused(own.certificate, other.key)
    for password in (None, "Wrong"):
        said = refused(own.certificate, own.key, password)
        assert "its pass phrase, from --password-file or ADSYNCCONFIG_PASSWORD, is wrong or missing" in said
