"""Kerberos in the lab: what a client of one controller is configured with, its tickets and its keytabs.

    kerberos = KerberosLab.of(controller, folder)
    with kerberos.client(monkeypatch): ...          this process and its children use the lab's KDC, and no ticket
    kerberos.ticket("User@CONTOSO.EXAMPLE", cache, lifetime="5s")

A ticket of the lab is got by MIT's kinit and read by the library; the KDC is Samba's. Names are kept as they are
given (rdns, dns_canonicalize_hostname), since the lab has no DNS. One domain only: with a second one in its
configuration the first one's KDC gives no tickets.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ldap3
import pytest
import samba_lab
from samba_lab import PASSWORD, DomainController

LOCKED, DISABLED, EXPIRED = "locked-out", "disabled-one", "must-change"  # accounts of `accounts`
ATTEMPTS = 3  # wrong passwords that lock an account out

_CONFIGURATION = """\
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  rdns = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 0
[realms]
  {realm} = {{
    kdc = {kdc}
  }}
  SILENT.EXAMPLE = {{
    kdc = 127.0.0.1:9
  }}
"""


def missing() -> tuple[str, ...]:
    """What this machine lacks for the tests of Kerberos, beyond the lab."""
    try:
        import gssapi  # noqa: F401, PLC0415
    except ImportError:
        return ("the package gssapi is not installed (script/install-logon, then script/bootstrap kerberos)",)
    return tuple(f"{tool} is not installed" for tool in ("kinit", "faketime") if shutil.which(tool) is None)


def require() -> None:
    """Skip the test where Kerberos cannot be had; under CI=true it fails instead."""
    if lacks := missing():
        text = "no Kerberos here: " + "; ".join(lacks)
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)


def accounts(controller: DomainController) -> None:
    """Make accounts that may not log on, and have the domain lock accounts out."""
    connection = samba_lab.connect_as(controller, controller.administrator)
    connection.modify(controller.base_dn, {"lockoutThreshold": [(ldap3.MODIFY_REPLACE, [ATTEMPTS])]})
    for name, control, more in (
        (LOCKED, 0x200, {}),
        (DISABLED, 0x202, {}),
        (EXPIRED, 0x200, {"pwdLastSet": "0"}),
    ):
        account = {"sAMAccountName": name, "userAccountControl": control}
        password = {"unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le")}
        dn = f"CN={name},CN=Users,{controller.base_dn}"
        assert connection.add(dn, "user", account | password | more), connection.result
    connection.unbind()


@dataclass(frozen=True, slots=True)
class KerberosLab:
    """A controller that gives tickets for its LDAP service, and a client's configuration for it."""

    controller: DomainController
    folder: Path

    @classmethod
    def of(cls, controller: DomainController, folder: Path) -> KerberosLab:
        """Name the controller's LDAP service, which Samba does later than a test can wait."""
        connection = samba_lab.connect_as(controller, controller.administrator)
        computer = (
            f"CN={controller.host_name.split('.')[0].upper()},OU=Domain Controllers,{controller.base_dn}"
        )
        connection.modify(
            computer, {"servicePrincipalName": [(ldap3.MODIFY_ADD, [f"ldap/{controller.host_name}"])]}
        )
        assert connection.result["description"] in ("success", "attributeOrValueExists"), connection.result
        connection.unbind()
        lab = cls(controller, folder)
        lab.configuration.write_text(
            _CONFIGURATION.format(realm=lab.realm, kdc=controller.host), encoding="utf-8"
        )
        return lab

    @property
    def realm(self) -> str:
        return self.controller.realm.upper()

    @property
    def configuration(self) -> Path:
        return self.folder / "krb5.conf"

    @property
    def administrator(self) -> str:
        return f"Administrator@{self.realm}"

    def environment(self, cache: Path | None = None) -> dict[str, str]:
        """The variables of a client, with this ticket cache, or with one that is not there."""
        return {
            "KRB5_CONFIG": str(self.configuration),
            "KRB5CCNAME": str(cache or self.folder / "no-tickets"),
            "KRB5_CLIENT_KTNAME": str(self.folder / "no-keytab"),
        }

    def use(self, monkeypatch: pytest.MonkeyPatch, cache: Path | None = None) -> None:
        """Make this process such a client, and have it know the controller's name."""
        for name, value in self.environment(cache).items():
            monkeypatch.setenv(name, value)
        know(monkeypatch, {self.controller.host_name: self.controller.host})

    def ticket(
        self, cache: Path, principal: str | None = None, *, password: str = PASSWORD, lifetime: str = "1h"
    ) -> Path:
        """Put a ticket of this principal into this cache."""
        subprocess.run(
            ["kinit", "-l", lifetime, principal or self.administrator],
            input=password,
            env=_environment(self.environment(cache)),
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return cache

    def service(self, host: str) -> str:
        """Make an account for the LDAP service of a host that is none of the domain's; the service's name."""
        name = f"ldap/{host}"
        connection = samba_lab.connect_as(self.controller, self.controller.administrator)
        account = {
            "sAMAccountName": "svc-ldap",
            "userAccountControl": 0x200,
            "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le"),
            "servicePrincipalName": name,
            "msDS-SupportedEncryptionTypes": 0x18,  # AES alone: MIT's library takes no RC4
        }
        assert connection.add(f"CN=svc-ldap,CN=Users,{self.controller.base_dn}", "user", account)
        connection.unbind()
        return name

    def keytab(self, file: Path, account: str) -> Path:
        """Export the keys of this account, or service, of the controller's."""
        samba_lab.run_samba_tool(
            "domain", "exportkeytab", str(file), f"--principal={account}@{self.realm}",
            "-s", f"{self.controller.folder}/etc/smb.conf",
        )  # fmt: skip
        return file


def know(monkeypatch: pytest.MonkeyPatch, addresses: Mapping[str, str]) -> None:
    """Have this process know the addresses of these hosts, which no name server does."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve(addresses.get(host, host), *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", **more}
