"""Which way to log on is meant, from wherever it is said; and what a logon costs that needs no Kerberos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from samba_lab import DomainController
from test_commands import OU, assert_one_line_error, connection, environment, run

from adsyncconfig import ParameterError
from adsyncconfig.credential import METHODS, Credential
from adsyncconfig.kerberos import principal_of, ticket
from cli import connect

SHOW = "Show-ADSyncADObjectPermissions"
ARGUMENTS = ("-ADobjectDN", OU)


def test_the_command_line_knows_the_same_ways_as_the_library() -> None:
    assert connect.METHODS == METHODS


def test_the_way_is_taken_from_the_environment_the_configuration_file_or_the_line(
    contoso: DomainController, tmp_path: Path
) -> None:
    # Each of these says Kerberos, for which there is no ticket, in one place; the line says simple.
    no_ticket = {"KRB5CCNAME": str(tmp_path / "none"), "KRB5_CONFIG": str(tmp_path / "none.conf")}
    folder = tmp_path / "config" / "adsyncconfig"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('auth = "kerberos"\n')
    by_file = {"XDG_CONFIG_HOME": str(folder.parent)}
    for more in ({"ADSYNCCONFIG_AUTH": "kerberos"}, by_file):
        env = connection(contoso, **no_ticket) | more
        del env["ADSYNCCONFIG_PASSWORD"]
        refused = run(*ARGUMENTS, env=env, cmdlet=SHOW)
        assert refused.returncode in (1, 2)
        assert "no terminal to ask for the password" in refused.stderr or "no ticket" in refused.stderr
        env = connection(contoso, **no_ticket) | more
        assert run(*ARGUMENTS, "--auth", "simple", env=env, cmdlet=SHOW).returncode == 0


def test_a_way_on_the_line_wins_over_what_the_environment_or_the_configuration_file_has_for_another(
    contoso: DomainController, tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "adsyncconfig"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('keytab = "/nonexistent"\n')
    by_file = connection(contoso, XDG_CONFIG_HOME=str(folder.parent))
    by_environment = connection(contoso, ADSYNCCONFIG_KEYTAB="/nonexistent")
    for env in (by_file, by_environment):
        assert run(*ARGUMENTS, "--auth", "simple", env=env, cmdlet=SHOW).returncode == 0
        assert_one_line_error(
            run(*ARGUMENTS, env=env, cmdlet=SHOW), 2, "keytab '/nonexistent'|needs the package gssapi"
        )
    done = run(*ARGUMENTS, "--auth", "simple", "--keytab", "x", env=by_file, cmdlet=SHOW)
    assert_one_line_error(done, 2, "--keytab goes with --auth kerberos, not with simple")


def test_a_way_that_there_is_not_is_a_wrong_command_line(contoso: DomainController) -> None:
    done = run(*ARGUMENTS, "--auth", "digest", env=connection(contoso), cmdlet=SHOW)
    assert_one_line_error(done, 2, "'digest'.*kerberos", lines=2)


def test_what_goes_with_another_way_is_refused_before_anything_is_sent() -> None:
    for options in ({"keytab": "x"}, {"client_cert": "x"}, {"client_key": "x"}):
        with pytest.raises(ParameterError, match="goes with --auth"):
            Credential("a@contoso.example", "secret", "ntlm", **options)
    with pytest.raises(ParameterError, match="no way to log on named 'digest'"):
        Credential("a@contoso.example", "secret", "digest")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("user", "principal"),
    [
        ("admin@contoso.example", "admin@CONTOSO.EXAMPLE"),
        ("Ådmin@emea.contoso.example", "Ådmin@EMEA.CONTOSO.EXAMPLE"),
        ("host/dc1@contoso.example", "host/dc1@CONTOSO.EXAMPLE"),
    ],
)
def test_a_realm_is_a_domain_in_capitals(user: str, principal: str) -> None:
    assert principal_of(user) == principal


@pytest.mark.parametrize("user", ["admin", "admin@", "@contoso.example", "CONTOSO\\admin", "CN=a,DC=b@DC=c"])
def test_other_forms_of_a_name_are_no_principal(user: str) -> None:
    with pytest.raises(ParameterError, match="Kerberos needs a user as user@domain"):
        principal_of(user)


def test_verbose_says_which_way_was_taken_and_why(contoso: DomainController, tmp_path: Path) -> None:
    env = connection(contoso, KRB5CCNAME=str(tmp_path / "none"))
    done = run(*ARGUMENTS, "-Verbose", env=env, cmdlet=SHOW)
    assert done.returncode == 0
    assert "VERBOSE:" in done.stderr
    assert "logging on by a password inside TLS (simple): " in done.stderr


def test_a_password_inside_tls_loads_neither_kerberos_nor_what_reads_certificates(
    contoso: DomainController, tmp_path: Path
) -> None:
    script = (
        "import json, os, sys, adsyncconfig\n"
        "with adsyncconfig.connect(**json.loads(os.environ['OPTIONS'])) as directory:\n"
        "    directory.root\n"
        "print(sorted({'gssapi', 'winkerberos', 'cryptography'} & set(sys.modules)))\n"
    )
    options = {
        "server": contoso.url,
        "user": contoso.administrator,
        "password": contoso.password,
        "ca_file": str(contoso.ca_file),
    }
    # No ticket: neither in a cache that is named nor, where none is, in the default one.
    for more in ({"KRB5CCNAME": str(tmp_path / "none")}, {"KRB5_CONFIG": str(tmp_path / "none.conf")}):
        env = environment(OPTIONS=json.dumps(options)) | more
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="the default of MIT's library on Linux")
def test_the_default_cache_is_looked_for_where_the_library_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KRB5CCNAME", raising=False)
    configuration = tmp_path / "krb5.conf"
    monkeypatch.setenv("KRB5_CONFIG", str(configuration))
    assert ticket().why_not in (
        f"there is no ticket cache '/tmp/krb5cc_{os.getuid()}'",
        "the package gssapi is not installed",
    )
    elsewhere = tmp_path / "tickets"
    configuration.write_text(f"[libdefaults]\n  default_ccache_name = FILE:{elsewhere}\n")
    assert ticket().why_not in ("there is no ticket", "the package gssapi is not installed")
