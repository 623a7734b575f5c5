"""Kerberos on a real controller and its KDC: password, ticket and keytab, inside TLS and sealed without it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kerberos_lab
import pytest
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID, HELPDESK
from expectations import GROUP_WRITEBACK, expected_aces
from kerberos_lab import ATTEMPTS, DISABLED, EXPIRED, LOCKED, KerberosLab
from samba_lab import PASSWORD, DomainController
from sockets import forwarder, recorder, saying, silent_listener
from test_commands import NO_PROMPT, OU, environment

import adsyncconfig
from adsyncconfig import AuthenticationFailed, DirectoryError, ParameterError, Unreachable
from adsyncconfig.filters import EVERYTHING
from adsyncconfig.live import LiveDirectory

SCRIPTS = Path(sys.executable).parent


@pytest.fixture
def strict(contoso: DomainController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KerberosLab:
    """The same of a controller that takes SASL only signed or sealed, and not inside TLS."""
    kerberos_lab.require()
    lab = KerberosLab.of(contoso, tmp_path)
    lab.use(monkeypatch)
    return lab


def connect(lab: KerberosLab, url: str | None = None, **options: Any) -> LiveDirectory:
    given = {"ca_file": lab.controller.ca_file, "timeout": 10, **options}
    return adsyncconfig.connect(url or lab.controller.url, **given)


def sealed(lab: KerberosLab) -> str:
    return f"ldap://{lab.controller.host_name}"


# -- the ways to a ticket ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["by address", "by name"])
def test_a_password_becomes_a_ticket_in_memory(kerberos: KerberosLab, tmp_path: Path, name: str) -> None:
    url = kerberos.controller.url if name == "by address" else f"ldaps://{kerberos.controller.host_name}"
    user = f"Administrator@{kerberos.controller.realm}"
    with connect(kerberos, url, user=user, password=PASSWORD, auth="kerberos") as directory:
        assert directory.caller == kerberos.administrator
        by_kerberos = set(directory.caller_sids())
    with connect(kerberos, user=user, password=PASSWORD, auth="simple") as directory:
        assert by_kerberos >= set(directory.caller_sids())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["krb5.conf"]


def test_auto_takes_the_ticket_that_there_is_and_says_so(
    kerberos: KerberosLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = kerberos.ticket(tmp_path / "cache")
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    said: list[str] = []
    with connect(kerberos, notify=said.append) as directory:
        assert directory.caller == kerberos.administrator
    with connect(
        kerberos, user=f"administrator@{kerberos.controller.realm}", password=never_asked, notify=said.append
    ) as directory:
        assert directory.root.domain == kerberos.controller.realm
    assert len(said) == 2
    assert all("by Kerberos: there is a ticket of" in line for line in said)


def never_asked() -> str:
    raise AssertionError("the password was asked for")


@pytest.mark.parametrize(
    ("ticket", "why"),
    [
        (None, "there is no ticket cache"),
        (HELPDESK, "there is no ticket of Administrator@CONTOSO.EXAMPLE"),
    ],
)
def test_auto_without_a_fitting_ticket_sends_the_password_inside_tls_and_says_why(
    kerberos: KerberosLab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ticket: str | None,
    why: str,
) -> None:
    if ticket:
        cache = kerberos.ticket(tmp_path / "cache", f"{ticket}@{kerberos.realm}")
        monkeypatch.setenv("KRB5CCNAME", str(cache))
    said: list[str] = []
    name = kerberos.controller.administrator
    with connect(kerberos, user=name, password=PASSWORD, notify=said.append) as directory:
        assert directory.caller == name
    (line,) = said
    assert "by a password inside TLS (simple)" in line
    assert why in line


def test_auto_without_a_user_and_a_ticket_says_how_to_name_one(kerberos: KerberosLab) -> None:
    with pytest.raises(ParameterError, match=r"nothing says who logs on.*-Credential user@domain.*kinit"):
        connect(kerberos)


def test_a_keytab_logs_on_the_user_whose_key_it_holds(kerberos: KerberosLab, tmp_path: Path) -> None:
    keytab = kerberos.keytab(tmp_path / "keytab", HELPDESK)
    said: list[str] = []
    user = f"{HELPDESK}@{kerberos.controller.realm}"
    with connect(kerberos, user=user, keytab=keytab, notify=said.append) as directory:
        assert directory.caller == f"{HELPDESK}@{kerberos.realm}"
    assert "by Kerberos: a keytab is given" in said[0]
    with pytest.raises(
        AuthenticationFailed, match=r"no key of Administrator@CONTOSO\.EXAMPLE in the keytab '"
    ):
        connect(kerberos, user=f"Administrator@{kerberos.controller.realm}", keytab=keytab)


def test_a_keytab_that_is_missing_or_none_is_named(kerberos: KerberosLab, tmp_path: Path) -> None:
    user = f"{HELPDESK}@{kerberos.controller.realm}"
    with pytest.raises(ParameterError, match=r"cannot read the keytab '.*gone': No such file"):
        connect(kerberos, user=user, keytab=tmp_path / "gone")
    with pytest.raises(ParameterError, match=r"krb5\.conf' is no keytab"):
        connect(kerberos, user=user, keytab=kerberos.configuration)


# -- signing, sealing, TLS -----------------------------------------------------------------------------------


def test_starttls_and_kerberos_go_together(kerberos: KerberosLab) -> None:
    url = f"ldap://{kerberos.controller.host}"
    with connect(
        kerberos, url, starttls=True, user=kerberos.administrator, password=PASSWORD, auth="kerberos"
    ) as directory:
        assert directory.root.domain == kerberos.controller.realm


def test_a_controller_that_requires_signing_takes_what_is_sealed_and_refuses_kerberos_inside_tls(
    strict: KerberosLab,
) -> None:
    logon: dict[str, Any] = {"user": strict.administrator, "password": PASSWORD, "auth": "kerberos"}
    with pytest.raises(DirectoryError, match=r"name it as ldap://host.*or use --auth simple.*strongerAuth"):
        connect(strict, **logon)
    with connect(strict, sealed(strict), **logon) as directory:
        assert directory.root.domain == strict.controller.realm


def test_without_tls_everything_after_the_logon_is_sealed(kerberos: KerberosLab) -> None:
    host = kerberos.controller
    schema = f"CN=Schema,CN=Configuration,{host.base_dn}"
    with recorder(host.host, (host.host, 389)) as recorded:
        url = f"ldap://{host.host_name}:{recorded.port}"
        with connect(
            kerberos, url, user=kerberos.administrator, password=PASSWORD, auth="kerberos"
        ) as directory:
            # A few hundred kilobytes of answers, in many sealed buffers.
            over_kerberos = {entry.dn for entry in directory.search(schema, EVERYTHING, ["lDAPDisplayName"])}
            entry = directory.get(OU, ["nTSecurityDescriptor"])
            directory.write_dacl(OU, entry.security_descriptor())
    with connect(kerberos, user=host.administrator, password=PASSWORD) as directory:
        assert over_kerberos == {e.dn for e in directory.search(schema, EVERYTHING, ["lDAPDisplayName"])}
    assert len(over_kerberos) > 1000
    for readable in (b"Schema", b"lDAPDisplayName", b"Writeback", PASSWORD.encode()):
        assert readable not in recorded.received
    assert b"GSSAPI" in recorded.received  # so that what goes by was seen at all


def test_a_sealed_answer_that_was_changed_on_the_way_is_none(kerberos: KerberosLab) -> None:
    host = kerberos.controller
    tampering = False

    def changed(answer: bytes) -> bytes:
        return answer[:-1] + bytes([answer[-1] ^ 1]) if tampering else answer

    with recorder(host.host, (host.host, 389), changed=changed) as recorded:
        url = f"ldap://{host.host_name}:{recorded.port}"
        with connect(
            kerberos, url, user=kerberos.administrator, password=PASSWORD, auth="kerberos"
        ) as directory:
            tampering = True
            with pytest.raises(DirectoryError, match="sealed buffer that was changed on the way"):
                directory.get(OU, ["name"])


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_connection_that_was_lost_is_made_again_with_a_logon_of_its_own(
    kerberos: KerberosLab, scheme: str
) -> None:
    said: list[str] = []
    with connect(
        kerberos, f"{scheme}://{kerberos.controller.host_name}",
        user=kerberos.administrator, password=PASSWORD, auth="kerberos", notify=said.append,
    ) as directory:  # fmt: skip
        directory._session._connection.socket.shutdown(socket.SHUT_RDWR)
        assert directory.get(OU, ["name"]).text("name") == "Writeback"
        assert directory.caller == kerberos.administrator
    assert len(said) == 2


def test_by_address_and_without_tls_nothing_says_whose_ticket_is_wanted(kerberos: KerberosLab) -> None:
    for url, options in (
        (f"ldap://{kerberos.controller.host}", {}),
        (kerberos.controller.url, {"verify": False}),
    ):
        with pytest.raises(ParameterError, match=r"needs the controller's DNS name: name it instead of '127"):
            connect(kerberos, url, user=kerberos.administrator, password=PASSWORD, auth="kerberos", **options)


def test_a_server_that_accepts_before_it_has_proved_who_it_is_is_not_believed(kerberos: KerberosLab) -> None:
    def success(request: bytes) -> bytes:
        number = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)  # where the message's id is
        body = request[number : number + 2 + request[number + 1]] + bytes.fromhex("61070a010004000400")
        return bytes([0x30, len(body)]) + body

    with (
        saying(kerberos.controller.host, success) as port,
        pytest.raises(AuthenticationFailed, match="without proving who it is"),
    ):
        connect(
            kerberos, f"ldap://{kerberos.controller.host_name}:{port}",
            user=kerberos.administrator, password=PASSWORD, auth="kerberos",
        )  # fmt: skip


# -- what goes wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "password", "error", "pattern"),
    [
        ("Administrator@contoso.example", "Wrong", AuthenticationFailed, "the password of Adm.* is wrong"),
        ("nobody@contoso.example", PASSWORD, AuthenticationFailed, r"CONTOSO\.EXAMPLE knows no user nobody@"),
        (f"{DISABLED}@contoso.example", PASSWORD, AuthenticationFailed, "locked out or disabled"),
        (f"{EXPIRED}@contoso.example", PASSWORD, AuthenticationFailed, "password of must-change.* expired"),
        ("a@fabrikam.example", PASSWORD, Unreachable, r"no KDC of realm FABRIKAM\.EXAMPLE is known; .*krb5"),
        ("a@silent.example", PASSWORD, Unreachable, r"no KDC of realm SILENT\.EXAMPLE answers; .*port 88"),
        ("CONTOSO\\Administrator", PASSWORD, ParameterError, r"user@domain, and 'CONTOSO\\Adm"),
        (CONNECTOR_DN, PASSWORD, ParameterError, "user@domain, and 'CN=MSOL"),
    ],
)
def test_what_the_kdc_refuses_is_one_line_that_says_what_to_do(
    kerberos: KerberosLab, user: str, password: str, error: type[DirectoryError], pattern: str
) -> None:
    with pytest.raises(error, match=pattern) as raised:
        connect(kerberos, user=user, password=password, auth="kerberos")
    assert "\n" not in str(raised.value)
    assert "Minor" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_an_account_that_is_locked_out_is_told_from_a_wrong_password(kerberos: KerberosLab) -> None:
    user = f"{LOCKED}@{kerberos.controller.realm}"
    for _ in range(ATTEMPTS):
        with pytest.raises(AuthenticationFailed, match=r"password of .* is wrong"):
            connect(kerberos, user=user, password="Wrong", auth="kerberos")
    with pytest.raises(AuthenticationFailed, match=r"is locked out or disabled; have it unlocked"):
        connect(kerberos, user=user, password=PASSWORD, auth="kerberos")


def test_a_host_that_the_kdc_knows_no_service_of_is_named(kerberos: KerberosLab) -> None:
    # Its certificate names localhost too, so that only Kerberos minds.
    with (
        forwarder("127.0.0.1", (kerberos.controller.host, 636)) as port,
        pytest.raises(AuthenticationFailed, match=r"no service ldap/localhost; name the controller by"),
    ):
        connect(
            kerberos, f"ldaps://localhost:{port}",
            user=kerberos.administrator, password=PASSWORD, auth="kerberos",
        )  # fmt: skip


def test_a_ticket_that_has_expired_says_so_and_auto_goes_on_without(
    kerberos: KerberosLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5CCNAME", str(kerberos.ticket(tmp_path / "cache", lifetime="1s")))
    time.sleep(1.5)
    with pytest.raises(AuthenticationFailed, match="has expired; get a new one with kinit"):
        connect(kerberos, auth="kerberos")
    with pytest.raises(ParameterError, match=r"nothing says who logs on, and the ticket of .* has expired"):
        connect(kerberos)
    said: list[str] = []
    user = kerberos.controller.administrator
    with connect(kerberos, user=user, password=PASSWORD, notify=said.append) as directory:
        assert directory.caller == user
    assert "(simple): the ticket of" in said[0]
    assert "has expired" in said[0]


@pytest.mark.parametrize("user", [None, "Administrator@contoso.example"])
def test_without_a_ticket_it_says_how_to_get_one(kerberos: KerberosLab, user: str | None) -> None:
    with pytest.raises(AuthenticationFailed, match=r"there is no ticket.*kinit.*--keytab"):
        connect(kerberos, user=user, auth="kerberos")


# -- the commands --------------------------------------------------------------------------------------------


def run(lab: KerberosLab, *arguments: str, cache: Path, shift: str | None = None) -> Any:
    more = {
        "ADSYNCCONFIG_SERVER": lab.controller.url,
        "ADSYNCCONFIG_CA_FILE": str(lab.controller.ca_file),
        **lab.environment(cache),
    }
    wrong_clock = ["faketime", "-f", shift] if shift else []
    return subprocess.run(
        [*wrong_clock, str(SCRIPTS / "adsyncconfig"), GROUP_WRITEBACK, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_whole_job_with_a_ticket_and_no_password(kerberos: KerberosLab, tmp_path: Path) -> None:
    cache = kerberos.ticket(tmp_path / "cache")
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, NO_PROMPT, "--json", "-Verbose")
    done = run(kerberos, *arguments, cache=cache)
    assert done.returncode == 0, done.stderr
    (change,) = json.loads(done.stdout)["changes"]
    assert change["added"] == expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    assert "logging on by Kerberos: there is a ticket of Administrator@CONTOSO.EXAMPLE" in done.stderr
    with Path(json.loads(done.stdout)["journal"]).open() as journal:
        assert json.loads(journal.readline())["who"]["directory"] == kerberos.administrator


def test_a_clock_that_is_wrong_is_one_line(kerberos: KerberosLab, tmp_path: Path) -> None:
    cache = kerberos.ticket(tmp_path / "cache")
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf")
    done = run(kerberos, *arguments, cache=cache, shift="+30m")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "this machine's clock differs too much from the controller's; set this machine's clock" in line


def test_a_keytab_without_a_user_and_one_with_another_way_are_wrong_command_lines(
    kerberos: KerberosLab, tmp_path: Path
) -> None:
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf", "--keytab", "x")
    done = run(kerberos, *arguments, "--auth", "simple", cache=tmp_path / "none")
    assert done.returncode == 2
    assert "--keytab goes with --auth kerberos, not with simple" in done.stderr


def test_nothing_of_a_logon_reaches_a_server_that_is_silent(kerberos: KerberosLab) -> None:
    host = kerberos.controller
    with (
        silent_listener() as listener,
        forwarder(host.host, ("127.0.0.1", listener.port)) as port,
        pytest.raises(Unreachable, match="timed out"),
    ):
        connect(
            kerberos, f"ldap://{host.host_name}:{port}", user=kerberos.administrator, password=PASSWORD,
            auth="kerberos", timeout=1,
        )  # fmt: skip
    assert PASSWORD.encode() not in listener.received
