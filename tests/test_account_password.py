"""Set-ADSyncADConnectorAccountPassword: the password changes, is kept nowhere, and is nobody else's."""

from __future__ import annotations

import json
import os
import pty
import select
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR, CONNECTOR_DN, HELPDESK
from kerberos_lab import KerberosLab
from ldap3.core.exceptions import LDAPBindError
from samba_lab import PASSWORD, DomainController, connect_as
from snapshot_edits import add_entry
from test_commands import NO_PROMPT, assert_one_line_error, connection, environment, run

import adsyncconfig
from adsyncconfig import (
    AccessDenied,
    DirectoryError,
    ParameterError,
    PasswordResult,
    PlanFileError,
    UnknownName,
    UnsafePlan,
    record,
)

CMDLET = "Set-ADSyncADConnectorAccountPassword"
UNDO = "Undo-ADSyncPermissions"
DOMAIN = "DC=contoso,DC=example"
NEW = 'Än other-Passw0rd "of" 2022'
ADMINISTRATOR = f"CN=Administrator,CN=Users,{DOMAIN}"
KEEPER = f"CN=Domain Keeper,OU=Users Synced,{DOMAIN}"
WORKSTATION = f"CN=WORKSTATION1,CN=Computers,{DOMAIN}"


def set_password(directory: Any, dn: str = CONNECTOR_DN, new: Any = NEW, **more: Any) -> PasswordResult:
    return adsyncconfig.set_adsync_ad_connector_account_password(
        directory, ad_connector_account_dn=dn, new_password=new, **more
    )


def nobody_asks() -> str:
    raise AssertionError("nobody is to be asked for a password here")


def logs_on(controller: DomainController, password: str) -> bool:
    try:
        connect_as(controller, f"{CONNECTOR}@{controller.realm}", password).unbind()
    except LDAPBindError:
        return False
    return True


@pytest.fixture
def account(contoso: DomainController, administrator: Any) -> Iterator[DomainController]:
    """The controller; the account has its old password again after the test."""
    yield contoso
    old = f'"{PASSWORD}"'.encode("utf-16-le")
    administrator.modify(CONNECTOR_DN, {"unicodePwd": [("MODIFY_REPLACE", [old])]})
    assert administrator.result["description"] == trying.SUCCESS


def password_set(administrator: Any) -> bytes:
    administrator.search(CONNECTOR_DN, "(objectClass=*)", "BASE", attributes=["pwdLastSet"])
    value: bytes = administrator.response[0]["raw_attributes"]["pwdLastSet"][0]
    return value


# -- on the controller ---------------------------------------------------------------------------------------


def test_the_account_logs_on_with_the_new_password(account: DomainController, directory: Any) -> None:
    assert not logs_on(account, NEW)
    result = set_password(directory)
    assert [change.status for change in result.changes] == ["applied"]
    assert logs_on(account, NEW)
    assert "Synchronization Service Manager" in result.warnings[0]
    assert NEW not in json.dumps(result.to_json(), ensure_ascii=False) + repr(result) + repr(result.plan)


def test_the_command_takes_it_from_a_file_and_leaves_it_nowhere(
    account: DomainController, tmp_path: Path
) -> None:
    secret, journal = tmp_path / "secret", tmp_path / "journal.jsonl"
    secret.write_text(f"{NEW}\nanother line\n", encoding="utf-8")
    arguments = (CONNECTOR_DN, "--new-password-file", str(secret), NO_PROMPT, "--journal", str(journal))
    env = connection(account)
    done = run(*arguments, "-Verbose", env=env, cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    assert logs_on(account, NEW)
    assert "it says what was done, and cannot take it back" in done.stdout
    assert "Undo-ADSyncPermissions" not in done.stdout
    kept = journal.read_text(encoding="utf-8")
    for text in (done.stdout, done.stderr, kept):
        assert NEW not in text
        assert "Passw0rd" not in text
    head, *steps = map(json.loads, kept.splitlines())
    (change,) = head["changes"]
    assert (head["version"], change["writes"], change["canBeUndone"]) == (2, "password", False)
    assert [step["step"] for step in steps] == ["writing", "written", "ended"]

    undone = run(str(journal), NO_PROMPT, env=env, cmdlet=UNDO)
    assert undone.returncode == 1
    (line,) = undone.stderr.splitlines()
    assert line == (
        f"{UNDO}: {CONNECTOR_DN}: its password was set, and nobody knows what it was before: it cannot be undone; "
        "set another"
    )
    assert logs_on(account, NEW)


def test_the_environment_gives_it_too(account: DomainController) -> None:
    env = connection(account, ADSYNCCONFIG_NEW_PASSWORD=NEW)
    done = run(CONNECTOR_DN, NO_PROMPT, "--json", env=env, cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["changes"][0]["status"] == "applied"
    assert NEW not in done.stdout + done.stderr
    assert logs_on(account, NEW)


def in_dialogue(line: str, dialogue: list[tuple[str, str]], env: Mapping[str, str]) -> tuple[int, str]:
    """Run a line in bash on a terminal; wait for each text in turn, and answer it."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child becomes bash
        os.execvpe("bash", ["bash", "-c", line], dict(env))
    written, seen, deadline = "", 0, time.monotonic() + 60
    waiting = list(dialogue)
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # the other side has ended
                break
            if not chunk:
                break
            written += chunk.decode()
            if waiting and (at := written.find(waiting[0][0], seen)) >= 0:
                seen = at + len(waiting[0][0])
                os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    finally:
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), written


def test_it_is_asked_for_twice_and_not_shown(account: DomainController) -> None:
    dialogue = [
        (f"New password for {CONNECTOR_DN}: ", NEW),
        ("Repeat for confirmation: ", "something else"),
        (f"New password for {CONNECTOR_DN}: ", NEW),
        ("Repeat for confirmation: ", NEW),
        ('(default is "Y"): ', "Y"),
    ]
    code, screen = in_dialogue(f"{CMDLET} '{CONNECTOR_DN}'", dialogue, connection(account))
    assert code == 0, screen
    assert f'Performing the operation "Set password" on target "{CONNECTOR}"' in screen
    assert NEW not in screen
    assert logs_on(account, NEW)


def test_what_if_asks_for_no_password_and_writes_nothing(
    account: DomainController, administrator: Any
) -> None:
    before = password_set(administrator)
    done = run(CONNECTOR_DN, "-WhatIf", env=connection(account), cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    assert f'What if: Performing the operation "Set password" on target "{CONNECTOR}".' in done.stdout
    assert password_set(administrator) == before


def test_a_refusal_at_the_prompt_writes_nothing(
    account: DomainController, administrator: Any, directory: Any
) -> None:
    before = password_set(administrator)
    result = set_password(directory, confirm=lambda _: False)
    assert ([change.status for change in result.changes], result.warnings) == (["declined"], ())
    assert password_set(administrator) == before
    assert not logs_on(account, NEW)


def test_a_caller_without_the_right_gets_one_line(account: DomainController, administrator: Any) -> None:
    before = password_set(administrator)
    env = connection(account, ADSYNCCONFIG_NEW_PASSWORD=NEW)
    env["ADSYNCCONFIG_USER"] = f"{HELPDESK}@{account.realm}"
    done = run(CONNECTOR_DN, NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"{CMDLET}: you may not set the password of '{CONNECTOR_DN}' (insufficientAccessRights)"
    with live(account, f"{HELPDESK}@{account.realm}") as theirs, pytest.raises(AccessDenied):
        set_password(theirs)
    assert password_set(administrator) == before


def test_a_password_that_the_rules_forbid_is_one_clear_line(
    account: DomainController, directory: Any
) -> None:
    with pytest.raises(
        DirectoryError, match=r"rules for passwords \(length, complexity, history\)"
    ) as raised:
        set_password(directory, new="weak")
    assert "weak" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert logs_on(account, PASSWORD)


def test_a_password_goes_inside_tls_alone(kerberos: KerberosLab) -> None:
    host = kerberos.controller
    logon: dict[str, Any] = {"user": kerberos.administrator, "password": PASSWORD}
    with adsyncconfig.connect(f"ldap://{host.host_name}", **logon, auth="kerberos") as sealed:
        before = sealed.get(CONNECTOR_DN, ["pwdLastSet"]).values("pwdLastSet")
        with pytest.raises(ParameterError, match="inside TLS alone: use ldaps:// or --starttls"):
            set_password(sealed)
        assert sealed.get(CONNECTOR_DN, ["pwdLastSet"]).values("pwdLastSet") == before


@pytest.mark.parametrize(
    ("dn", "said"),
    [
        (ADMINISTRATOR, "RID 500 belongs to an account or group that Windows makes"),
        (KEEPER, f"it is a member of 'CN=Domain Admins,CN=Users,{DOMAIN}'"),
        (WORKSTATION, "it is a computer"),
        (f"CN=Engineers,OU=Groups,{DOMAIN}", "it is a group"),
    ],
)
def test_what_is_no_connector_is_refused(directory: Any, dn: str, said: str) -> None:
    with pytest.raises(UnsafePlan, match=said):
        set_password(directory, dn, nobody_asks)


def test_the_callers_own_account_is_refused(contoso: DomainController, connect_as: ConnectAs) -> None:
    mine = f"CN={HELPDESK},OU=Users Synced,{DOMAIN}"
    own = live(contoso, f"{HELPDESK}@{contoso.realm}")
    with own, pytest.raises(UnsafePlan, match=r"it is your own account.*-Force"):
        set_password(own, mine, nobody_asks)
    connect_as(contoso, HELPDESK)  # with the password that it had


# -- without one ---------------------------------------------------------------------------------------------


def test_a_managed_service_account_has_no_password_to_set(snapshot_file: Path) -> None:
    dn = f"CN=pGMSA_1234,CN=Managed Service Accounts,{DOMAIN}"
    classes = ["top", "person", "organizationalPerson", "user", "computer", "msDS-GroupManagedServiceAccount"]
    attributes = {"objectClass": classes, "objectSid": ["S-1-5-21-1004336348-1177238915-682003330-4321"]}
    add_entry(snapshot_file, dn, attributes, like=CONNECTOR_DN)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        for force in (False, True):
            with pytest.raises(UnsafePlan, match="msDS-GroupManagedServiceAccount: the controllers make its"):
                set_password(directory, dn, nobody_asks, force=force)


def test_a_snapshot_keeps_no_passwords(snapshot_file: Path) -> None:
    before = snapshot_file.read_bytes()
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file), ADSYNCCONFIG_NEW_PASSWORD=NEW)
    done = run(CONNECTOR_DN, NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"{CMDLET}: a snapshot keeps no passwords: set that of '{CONNECTOR_DN}' on a controller"
    assert snapshot_file.read_bytes() == before
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert set_password(directory, new=nobody_asks, what_if=True).changes[0].status == "planned"


def test_no_plan_holds_one(snapshot_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(ParameterError, match="kept in no plan"):
            set_password(directory, new=nobody_asks, what_if=True, plan_out=path)
        assert not path.exists()
        planned = set_password(directory, new=nobody_asks, what_if=True)
        assert planned.plan is not None
        path.write_text(json.dumps(planned.plan.to_json()), encoding="utf-8")
        with pytest.raises(PlanFileError, match="sets a password, which no plan holds"):
            adsyncconfig.invoke_adsync_plan(directory, path=path)


def test_a_run_that_was_killed_before_it_wrote_has_nothing_to_undo(
    account: DomainController, directory: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    set_password(directory, journal=journal)
    lines = journal.read_text(encoding="utf-8").splitlines()
    head = json.loads(lines[0])
    # As it would stand there, had the run ended between saying that it writes and writing.
    with live(account) as again:
        now = again.get(CONNECTOR_DN, ["pwdLastSet"]).text("pwdLastSet")
    head["changes"][0]["since"] = now
    kept, previous = [], ""
    for line in (head, json.loads(lines[1])):
        line["digest"] = previous = record.digest(line, after=previous)
        kept.append(json.dumps(line))
    journal.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    result = adsyncconfig.undo_adsync_permissions(directory, journal_path=journal)
    assert [change.status for change in result.changes] == ["unchanged"]


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([], 2, "ADConnectorAccountDN"),
        (
            [CONNECTOR_DN],
            2,
            "no terminal to ask for the new password on: give --new-password-file or ADSYNCCON",
        ),
        (
            [CONNECTOR_DN, "--new-password-file", "/nonexistent"],
            2,
            "cannot read the password file '/nonexistent'",
        ),
        ([CONNECTOR_DN, "--new-password-file", os.devnull], 2, "the password file '/dev/null' is empty"),
        ([CONNECTOR_DN, "--plan-out", "plan.json"], 2, "a password is kept in no plan"),
        ([CONNECTOR_DN, "-WhatIf", "--plan-format", "ldif"], 2, "a password is kept in no plan"),
        (["MSOL"], 2, "no distinguished name"),
        ([f"CN=Gone,{DOMAIN}"], 1, "no account 'CN=Gone"),
    ],
)
def test_bad_input_is_one_line(snapshot_file: Path, arguments: list[str], code: int, pattern: str) -> None:
    before = snapshot_file.read_bytes()
    done = run(*arguments, NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert snapshot_file.read_bytes() == before


@pytest.mark.parametrize(("new", "said"), [("", "is empty"), ("x" * 257, "longer than 256 characters")])
def test_a_password_that_is_none_is_refused(snapshot_file: Path, new: str, said: str) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(ParameterError, match=said):
            set_password(directory, new=new)
        with pytest.raises(UnknownName):
            set_password(directory, f"CN=Gone,{DOMAIN}", nobody_asks)
