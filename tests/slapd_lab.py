"""OpenLDAP's server on loopback, for what the Samba lab does not offer: logging on by a client certificate.

    with slapd(folder, authority, address) as server: ...       until the block ends; files are kept in the folder

It keeps no entries. A certificate that the authority signed logs its owner on (SASL EXTERNAL, or not at all:
TLSVerifyClient try), and its rootDSE has what that of a domain controller has, so that a connection comes about.
It is no Active Directory: on port 636 that one has logged the certificate's owner on before any bind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab_certificates import Authority
from samba_lab import LabError

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
HOST = "ldap.contoso.example"
# Attributes of Active Directory's rootDSE, which OpenLDAP's schema lacks; without a syntax of their own.
_SCHEMA = """\
attributetype ( 1.3.6.1.4.1.4203.666.99.{number} NAME '{name}' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
"""
_ROOT_DSE = {
    "defaultNamingContext": "DC=contoso,DC=example",
    "rootDomainNamingContext": "DC=contoso,DC=example",
    "configurationNamingContext": "CN=Configuration,DC=contoso,DC=example",
    "schemaNamingContext": "CN=Schema,CN=Configuration,DC=contoso,DC=example",
    "dnsHostName": HOST,
}
_CONFIGURATION = """\
{schema}
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCACertificateFile {folder}/authority.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSVerifyClient {verify}
rootDSE {folder}/rootdse.ldif
{more}
access to * by * read
"""


@dataclass(frozen=True, slots=True)
class Slapd:
    """Where it listens."""

    address: str
    ldap: int
    ldaps: int

    @property
    def url(self) -> str:
        return f"ldaps://{self.address}:{self.ldaps}"

    @property
    def starttls_url(self) -> str:
        return f"ldap://{self.address}:{self.ldap}"


def require() -> None:
    """Skip the test where there is no slapd; under CI=true it fails instead."""
    if shutil.which("slapd", path=_PATH) is None:
        text = "slapd is not installed (script/install-logon)"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)


@contextlib.contextmanager
def slapd(
    folder: Path,
    authority: Authority,
    *,
    verify: str = "try",
    more: str = "",
    environment: dict[str, str] | None = None,
) -> Iterator[Slapd]:
    """Run it on 127.0.0.1 with a certificate of this authority, whose certificates log their owners on."""
    address = "127.0.0.1"
    authority.write(folder / "authority.pem")
    authority.issue(HOST, address, certificate_file=folder / "server.pem", key_file=folder / "server.key")
    schema = "".join(_SCHEMA.format(number=at, name=name) for at, name in enumerate(_ROOT_DSE, 1))
    (folder / "rootdse.ldif").write_text(
        "dn:\n" + "".join(f"{name}: {value}\n" for name, value in _ROOT_DSE.items())
    )
    configuration = folder / "slapd.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, schema=schema, verify=verify, more=more))
    with socket.create_server((address, 0)) as one, socket.create_server((address, 0)) as other:
        server = Slapd(address, one.getsockname()[1], other.getsockname()[1])
    command = ["slapd", "-d", "stats", "-f", str(configuration), "-h", f"{server.starttls_url} {server.url}"]
    with (folder / "slapd.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": _PATH, **(environment or {})},
        )
    try:
        _wait(server, process, folder / "slapd.log")
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait(server: Slapd, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((server.address, server.ldaps), 1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"slapd did not start:\n{log.read_text(errors='replace')}") from error
            time.sleep(0.05)
        else:
            return
