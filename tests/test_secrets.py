"""No password, key or ticket in anything that a run leaves or shows: every command, and every way to fail.

Planted secrets are searched for in what was printed, in journals, plans and reports, and in the command line and
the environment of the process and of its children, each as it is and as something else might have written it.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import ldap3
import pytest
import samba_lab
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID
from kerberos_lab import KerberosLab
from lab_certificates import Authority
from samba_lab import DomainController
from test_commands import NO_PROMPT, OU, SYNCED, environment

import adsyncconfig
from adsyncconfig.credential import Credential
from cli.main import adsyncconfig as commands

SCRIPTS = Path(sys.executable).parent
#: Names of administrators, and passwords that careless code escapes, quotes, normalises or cuts.
PLANTED = {
    "planted-quotes": "Pl4nted-\"quoted\"-'word'-`tick`",
    "planted-backslash": "Pl4nted-\\back\\slash-%s-{0}-$HOME",
    "planted-unicode": "Pl4nted-Ünïcödé-密码-Ⅷ²",
}
NEW = "N3w-'also'-\"planted\"-ñ"
WRONG = 'Wr0ng-"also"-\\planted-é'
#: What each parameter is given; a cmdlet gets those that it has.
VALUES = {
    "-ADConnectorAccountDN": CONNECTOR_DN,
    "-ADobjectDN": OU,
    "-PermissionType": "UserGroupCreateDelete",
    "-Feature": "UnifiedGroupWriteback",
    "-SearchBase": SYNCED,
    "-Rule": f"(A;;RP;;;{CONNECTOR_SID})",
    "-Owner": "CONTOSO\\Domain Admins",
    "-GroupDN": "CN=Engineers,OU=Groups,DC=contoso,DC=example",
    "-MemberDN": CONNECTOR_DN,
}
#: Parameters that some cmdlet cannot have beside another.
WITHOUT = {
    "Set-ADSyncPasswordHashSyncPermissions": {"-ADobjectDN"},
    "Invoke-ADSyncPermissionsAudit": {"-Feature"},
}


POLICY = f"""\
version = 1
[[accounts]]
dn = "{CONNECTOR_DN}"
  [[accounts.grants]]
  feature = "UnifiedGroupWriteback"
  scope = "{OU}"
"""
#: What keeps no plan, or is given one.
NO_PLAN = {"Invoke-ADSyncPlan", "Set-ADSyncADConnectorAccountPassword"}


def forms(secret: str | bytes) -> Iterator[tuple[str, bytes]]:
    """The secret as a careless program might have written it."""
    if isinstance(secret, bytes):
        yield from _binary("bytes", secret)
        yield "repr", repr(secret)[2:-1].encode()
        return
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield from _binary(encoding, secret.encode(encoding))
    for name, text in (
        ("JSON", json.dumps(secret)[1:-1]),
        ("repr", repr(secret)[1:-1]),
        ("shell", shlex.quote(secret)),
        ("URL", urllib.parse.quote(secret)),
        ("escapes", secret.encode("unicode_escape").decode()),
    ):
        yield name, text.encode()


def _binary(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    yield f"hex of {name}", data.hex().encode()
    # Without its end, which depends on what follows.
    yield f"base64 of {name}", base64.b64encode(data)[: len(data) // 3 * 4]


def found(secrets: Iterable[str | bytes], places: Mapping[str, bytes]) -> list[str]:
    """Where a secret is, and in which form."""
    return [
        f"{form} in {place}"
        for secret in secrets
        for form, data in forms(secret)
        for place, content in places.items()
        if data in content or data.lower() in content.lower()
    ]


def test_what_looks_for_secrets_finds_each_form_of_them() -> None:
    for secret in (*PLANTED.values(), WRONG):
        for form, data in forms(secret):
            assert found([secret], {"here": b"before " + data + b" after"}), form
        assert not found([secret], {"here": b"Pl4nted- and Wr0ng- are no secrets"})


@pytest.fixture(scope="module")
def administrators(domain: DomainController) -> dict[str, str]:
    """Administrators of the domain whose passwords are the planted ones."""
    connection = samba_lab.connect_as(domain, domain.administrator)
    for name, password in PLANTED.items():
        dn = f"CN={name},CN=Users,{domain.base_dn}"
        account = {"sAMAccountName": name, "userPrincipalName": f"{name}@{domain.realm}"}
        account |= {"userAccountControl": "66048", "unicodePwd": f'"{password}"'.encode("utf-16-le")}  # type: ignore[dict-item]
        assert connection.add(dn, "user", account), connection.result
        group = f"CN=Domain Admins,CN=Users,{domain.base_dn}"
        assert connection.modify(group, {"member": [(ldap3.MODIFY_ADD, [dn])]}), connection.result
    connection.unbind()
    return PLANTED


class Run:
    """A command as a process of its own, and everything that it showed or left."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.folder = folder
        state = folder / "state"
        folder.mkdir(parents=True, exist_ok=True)
        own = environment(XDG_STATE_HOME=str(state), **more)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            process = subprocess.Popen(
                [str(SCRIPTS / "adsyncconfig"), *arguments],
                env=own, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder,
            )  # fmt: skip
            self.processes: dict[str, bytes] = {}
            while process.poll() is None:
                self._look(process.pid)
                time.sleep(0.02)
        self.code = process.returncode
        self.said = (folder / "stderr").read_text()

    def _look(self, pid: int) -> None:
        """Read what any user, or this one, may read of the process and of its children."""
        for one in (pid, *_children(pid)):
            for what in ("cmdline", "environ"):
                try:
                    self.processes[f"/proc/{one}/{what}"] = Path(f"/proc/{one}/{what}").read_bytes()
                except OSError:
                    continue  # it has ended

    def places(self) -> dict[str, bytes]:
        files = {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        return files | self.processes


def _children(pid: int) -> list[int]:
    try:
        direct = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in direct for each in (child, *_children(child))]


def options_of(command: click.Command) -> set[str]:
    """Every spelling of the command's options."""
    return {spelling for option in command.params for spelling in option.opts}


def arguments_of(name: str, command: click.Command, folder: Path) -> list[str]:
    """A line for this cmdlet that does, or shows, as much as it can."""
    names = options_of(command) - WITHOUT.get(name, set())
    given = [part for option, value in VALUES.items() if option in names for part in (option, value)]
    if "-Path" in names:
        # What another run has kept, or a file to be written.
        kept = {"Invoke-ADSyncPlan": "plan.json", "Invoke-ADSyncPolicy": "policy.toml"}
        given += ["-Path", str(folder.parent / kept[name] if name in kept else folder / "made.jsonl")]
    for option in {"-ReferencePath", "-DifferencePath"} & names:
        given += [option, str(folder.parent / "made.jsonl")]
    if "--new-password-file" in names:
        (folder.parent / "new-password").write_text(f"{NEW}\n", encoding="utf-8")
        given += ["--new-password-file", str(folder.parent / "new-password")]
    if "-JournalPath" in names:
        given += ["-JournalPath", str(folder.parent / "journal.jsonl")]
    given += [switch for switch in ("-Verbose", "-Force", NO_PROMPT) if switch.split(":")[0] in names]
    if "--journal" in names:
        given += ["--journal", str(folder / "journal.jsonl")]
    if "--plan-out" in names and name not in NO_PLAN:
        given += ["--plan-out", str(folder / "plan.json")]
    return [name, *given]


def in_order(names: Iterable[str]) -> list[str]:
    """What needs the files of another run comes after it."""
    return sorted(names, key=lambda name: name.startswith(("Invoke-ADSyncPlan", "Undo-", "Compare-")))


def test_every_command_keeps_the_password_to_itself(
    domain: DomainController, administrators: dict[str, str], tmp_path: Path
) -> None:
    leaks, refused, wrote = [], {}, 0
    (tmp_path / "policy.toml").write_text(POLICY, encoding="utf-8")
    users = list(administrators)
    for number, name in enumerate(in_order(commands.cmdlets)):
        user = users[number % len(users)]
        secret = administrators[user]
        folder = tmp_path / name
        (tmp_path / "password").write_text(f"{secret}\n", encoding="utf-8")
        command = commands.cmdlets[name].load()
        line = arguments_of(name, command, folder)
        connection = ["-Server", domain.url, "-Credential", f"{user}@{domain.realm}"]
        # The file's name is on the command line, and what is in it nowhere.
        connection += ["--ca-file", str(domain.ca_file), "--password-file", str(tmp_path / "password")]
        done = Run(folder, *line, *(connection if "-Server" in options_of(command) else ()))
        for kept in ("plan.json", "journal.jsonl", "made.jsonl"):
            if name.startswith(("Set-ADSyncUnified", "Export-")) and (folder / kept).exists():
                (tmp_path / kept).write_bytes((folder / kept).read_bytes())
        if done.code == 2 or "Traceback" in done.said or "not accept" in done.said:
            refused[name] = done.said
        wrote += (folder / "journal.jsonl").exists()
        leaks += found([secret, NEW], done.places())
    assert leaks == []
    assert refused == {}
    assert wrote >= 5  # journals were looked at indeed
    assert (tmp_path / "plan.json").exists()


SHOW = ["Show-ADSyncADObjectPermissions", "-ADobjectDN", OU, "-Verbose"]


def failures(lab: KerberosLab, folder: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Ways to fail: what is added to the line, and the environment, around the secret."""
    controller = lab.controller
    server = ["-Server", controller.url, "--ca-file", str(controller.ca_file)]
    user = ["-Credential", controller.administrator]
    other = folder / "other.pem"
    Authority.create("Another authority").write(other)
    keytab = folder / "secret.keytab"
    keytab.write_bytes(b"\x05\x02" + WRONG.encode("utf-16-le") * 3)
    key = folder / "secret.key"
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{WRONG}\n-----END PRIVATE KEY-----\n")
    password = {"ADSYNCCONFIG_PASSWORD": WRONG}
    return {
        "wrong password": ([*server, *user], password),
        "wrong password, Kerberos": ([*server, *user, "--auth", "kerberos"], password),
        "unknown user": ([*server, "-Credential", f"nobody@{controller.realm}"], password),
        "untrusted certificate": (["-Server", controller.url, "--ca-file", str(other), *user], password),
        "nobody listens": (["-Server", "ldaps://127.0.0.1:9", *user], password),
        "no TLS": (["-Server", "ldap://127.0.0.1:389", *user], password),
        "NTLM": ([*server, "-Credential", "CONTOSO\\Administrator", "--auth", "ntlm"], password),
        "a keytab that is damaged": ([*server, *user, "--keytab", str(keytab)], {}),
        "a key that is damaged": ([*server, "--client-cert", str(other), "--client-key", str(key)], password),
        "in the server's URL": ([], {"ADSYNCCONFIG_SERVER": f"ldaps://admin:{WRONG}@dc1.contoso.example"}),
        "in the server's URL, with a bad port": ([], {"ADSYNCCONFIG_SERVER": f"ldaps://a:{WRONG}@dc1:none"}),
        "in the configuration file": (server, {"XDG_CONFIG_HOME": str(folder / "config")}),
    }  # fmt: skip


def test_every_way_to_fail_keeps_the_secret_to_itself(kerberos: KerberosLab, tmp_path: Path) -> None:
    configuration = tmp_path / "config" / "adsyncconfig" / "config.toml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(f"password = {json.dumps(WRONG, ensure_ascii=False)}\n", encoding="utf-8")
    leaks, wrong = [], {}
    for name, (arguments, more) in failures(kerberos, tmp_path).items():
        given = {"ADSYNCCONFIG_USER": "admin@contoso.example"} if not arguments else {}
        done = Run(tmp_path / "runs" / name, *SHOW, *arguments, **kerberos.environment(), **given, **more)
        if done.code not in (1, 2) or "Traceback" in done.said:
            wrong[name] = (done.code, done.said)
        # What the caller puts into its environment is there, and nowhere else.
        places = {place: data for place, data in done.places().items() if not place.endswith("/environ")}
        leaks += [f"{name}: {where}" for where in found([WRONG], places)]
    assert leaks == []
    assert wrong == {}


def test_neither_a_key_nor_a_ticket_is_shown_or_left(kerberos: KerberosLab, tmp_path: Path) -> None:
    keytab = kerberos.keytab(tmp_path / "keytab", "Administrator")
    cache = kerberos.ticket(tmp_path / "cache")
    listed = subprocess.run(["klist", "-K", "-k", str(keytab)], capture_output=True, text=True, check=True)
    secrets = [bytes.fromhex(key) for key in re.findall(r"\(0x([0-9a-f]{32,})\)", listed.stdout)]
    assert len(secrets) >= 2  # of AES, in its two lengths
    # The session key and the ticket itself are in the second half of the cache's one credential.
    tickets = cache.read_bytes()
    secrets += [tickets[at : at + 32] for at in range(len(tickets) // 2, len(tickets) - 32, 32)]
    controller = kerberos.controller
    line = ["-Server", controller.url, "--ca-file", str(controller.ca_file), *SHOW[1:]]
    user = ["-Credential", controller.administrator]
    for name, more, variables in (
        ("keytab", [*user, "--keytab", str(keytab)], kerberos.environment()),
        ("cache", [], kerberos.environment(cache)),
        (
            "refused",
            ["--keytab", str(keytab), "-Credential", f"nobody@{controller.realm}"],
            kerberos.environment(),
        ),
    ):
        done = Run(tmp_path / "runs" / name, SHOW[0], *line, *more, **variables)
        assert done.code == (1 if name == "refused" else 0), done.said
        assert found(secrets, done.places()) == []


def test_nothing_that_a_debugger_shows_has_the_password(
    domain: DomainController, administrators: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, secret = next(iter(administrators.items()))
    logon: dict[str, Any] = {"user": f"{name}@{domain.realm}", "password": secret, "ca_file": domain.ca_file}
    with adsyncconfig.connect(domain.url, **logon) as directory:
        assert directory._forest is not None
        session = directory._session
        shown = [directory, directory._forest, session, session._connection, vars(session._connection)]
        shown += [Credential(name, secret), vars(directory._forest)]
        assert found([secret], {f"repr of {each!r:.30}": repr(each).encode() for each in shown}) == []
    assert found([secret], {"what was printed": "".join(capsys.readouterr()).encode()}) == []
