"""Set-ADSyncObjectOwner: the owner changes, and nothing else."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import live
from contoso_directory import (
    CONNECTOR,
    CONNECTOR_DN,
    CONNECTOR_SID,
    HELPDESK,
    HOSTILE_ACCOUNT_DN,
    HOSTILE_OUS,
)
from samba_lab import CONTOSO, DomainController
from snapshot_edits import replace_descriptor
from test_changes import comparable
from test_commands import NO_PROMPT, assert_one_line_error, connection, environment, on_a_terminal, run

import adsyncconfig
from acl import SecurityDescriptor, Sid
from acl.sddl import ace_from_sddl
from adsyncconfig import AccessDenied, Directory, DirectoryError, OwnerResult, UnknownName, UnsafePlan
from adsyncconfig.live import _OWNER_MEANINGS, _check

CMDLET = "Set-ADSyncObjectOwner"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
ADMINISTRATORS = "S-1-5-32-544"
DOMAIN_ADMINS = f"{CONTOSO.sid}-512"
OWNER_GROUP_SACL = 1 | 2 | 8


def descriptor_of(directory: Directory, dn: str = OU) -> SecurityDescriptor:
    return directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()


def give(directory: Directory, owner: str, dn: str = OU, **more: Any) -> OwnerResult:
    return adsyncconfig.set_adsync_object_owner(directory, ad_object_dn=dn, owner=owner, **more)


def statuses(result: OwnerResult) -> list[str]:
    return [change.status for change in result.changes]


@pytest.fixture
def place(either: Directory) -> Iterator[Directory]:
    """The directory, in which the OU gets its owner back after the test."""
    before = descriptor_of(either)
    yield either
    if descriptor_of(either).owner != before.owner and before.owner is not None:
        either.write_owner(OU, before.owner)


@pytest.mark.parametrize(
    ("owner", "sid", "name"),
    [
        (ADMINISTRATORS, ADMINISTRATORS, "BUILTIN\\Administrators"),
        ("builtin\\administrators", ADMINISTRATORS, "BUILTIN\\Administrators"),
        (f"CN=Enterprise Admins,CN=Users,{DOMAIN}", f"{CONTOSO.sid}-519", "CONTOSO\\Enterprise Admins"),
        ("CONTOSO\\Enterprise Admins", f"{CONTOSO.sid}-519", "CONTOSO\\Enterprise Admins"),
        ("contoso.example\\enterprise admins", f"{CONTOSO.sid}-519", "CONTOSO\\Enterprise Admins"),
        ("NT AUTHORITY\\SYSTEM", "S-1-5-18", "NT AUTHORITY\\SYSTEM"),
    ],
)
def test_the_owner_changes_and_nothing_else(place: Directory, owner: str, sid: str, name: str) -> None:
    before = descriptor_of(place)
    result = give(place, owner)
    assert (statuses(result), result.owner, result.previous) == (
        ["applied"],
        name,
        "CONTOSO\\Domain Admins",
    )
    assert result.warnings == ()
    assert comparable(descriptor_of(place)) == comparable(replace(before, owner=Sid.from_string(sid)))
    assert (result.changes[0].added, result.changes[0].removed) == ((), ())


def test_who_owns_it_already_is_left_alone(place: Directory) -> None:
    before = descriptor_of(place).to_bytes()
    result = give(place, "CONTOSO\\Domain Admins")
    assert statuses(result) == ["unchanged"]
    assert descriptor_of(place).to_bytes() == before


def test_what_if_and_a_refusal_at_the_prompt_write_nothing(place: Directory) -> None:
    assert statuses(give(place, ADMINISTRATORS, what_if=True)) == ["planned"]
    assert statuses(give(place, ADMINISTRATORS, confirm=lambda _: False)) == ["declined"]
    assert str(descriptor_of(place).owner) == DOMAIN_ADMINS


def test_who_is_no_administrator_is_said_to_gain_control(place: Directory) -> None:
    result = give(place, CONNECTOR_DN)
    assert str(descriptor_of(place).owner) == CONNECTOR_SID
    assert f"{CONNECTOR} may then change the permissions of '{OU}', as every owner may" in result.warnings[0]


def test_names_that_need_escaping_work(either: Directory) -> None:
    dn = HOSTILE_OUS[0]
    before = descriptor_of(either, dn).owner
    assert before is not None
    try:
        give(either, HOSTILE_ACCOUNT_DN, dn)
        expected = either.get(HOSTILE_ACCOUNT_DN, ["objectSid"]).sid()
        assert descriptor_of(either, dn).owner == expected
    finally:
        either.write_owner(dn, before)


@pytest.mark.parametrize(
    ("owner", "error", "said"),
    [
        (
            "S-1-5-21-1-2-3-4567",
            UnknownName,
            r"nobody in this forest has the SID S-1-5-21-1-2-3-4567.*-Force",
        ),
        ("CONTOSO\\nobody", UnknownName, r"no account or group 'CONTOSO\\nobody'"),
        (f"CN=Nobody,{DOMAIN}", UnknownName, "no object 'CN=Nobody"),
        (OU, UnknownName, "has no SID"),
        ("FABRIKAM\\admin", UnknownName, "no domain 'FABRIKAM'"),
        ("S-1-1-0", UnsafePlan, "Everyone: .*hand the object over"),
        ("NT AUTHORITY\\Authenticated Users", UnsafePlan, "hand the object over"),
    ],
)
def test_owners_that_are_none_are_refused(
    either: Directory, owner: str, error: type[Exception], said: str
) -> None:
    before = descriptor_of(either).to_bytes()
    with pytest.raises(error, match=said):
        give(either, owner)
    assert descriptor_of(either).to_bytes() == before


def test_domain_admins_are_not_locked_out_unless_it_is_forced(snapshot_file: Path) -> None:
    only_theirs = SecurityDescriptor.from_sddl(f"O:{DOMAIN_ADMINS}G:SYD:P(A;;RCWD;;;SY)")
    replace_descriptor(snapshot_file, OU, only_theirs.to_bytes())
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(UnsafePlan, match=r"Domain Admins could not change.*-Force"):
            give(directory, "S-1-5-18")
        assert statuses(give(directory, "S-1-5-18", force=True)) == ["applied"]


# -- on the controller, and as a command ---------------------------------------------------------------------


@pytest.mark.usefixtures("permissions_restored")
def test_the_command_writes_the_owner_alone_and_undo_puts_it_back(
    contoso: DomainController, directory: Any, administrator: Any, tmp_path: Path
) -> None:
    directory.write_owner(OU, Sid.from_string(CONNECTOR_SID))
    before = trying.read_descriptor(administrator, OU, flags=15)
    journal, env = tmp_path / "journal.jsonl", connection(contoso)
    arguments = (OU, "CONTOSO\\Domain Admins", NO_PROMPT, "--journal", str(journal))
    done = run(*arguments, env=env, cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    assert f"owner: CONTOSO\\Domain Admins; before: CONTOSO\\{CONNECTOR}" in done.stdout
    after = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, OU, flags=15))
    assert after == replace(SecurityDescriptor.from_bytes(before), owner=Sid.from_string(DOMAIN_ADMINS))

    undone = run("-JournalPath", str(journal), NO_PROMPT, env=env, cmdlet="Undo-ADSyncPermissions")
    assert undone.returncode == 0, undone.stderr
    assert trying.read_descriptor(administrator, OU, flags=15) == before
    directory.write_owner(OU, Sid.from_string(DOMAIN_ADMINS))


@pytest.mark.usefixtures("permissions_restored")
def test_a_caller_without_the_right_gets_one_line(contoso: DomainController, directory: Any) -> None:
    env = {**connection(contoso), "ADSYNCCONFIG_USER": f"{HELPDESK}@{contoso.realm}"}
    done = run(OU, ADMINISTRATORS, NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{CMDLET}: you may not write the owner of '{OU}' (insufficientAccessRights)"
    )
    with live(contoso, f"{HELPDESK}@{contoso.realm}") as theirs, pytest.raises(AccessDenied):
        give(theirs, ADMINISTRATORS)
    assert str(descriptor_of(directory).owner) == DOMAIN_ADMINS


@pytest.mark.usefixtures("permissions_restored")
def test_who_may_write_the_owner_takes_it_over(contoso: DomainController, directory: Any) -> None:
    helpdesk = directory.get(f"CN={HELPDESK},OU=Users Synced,{DOMAIN}", ["objectSid"]).sid()
    descriptor = descriptor_of(directory)
    rule = ace_from_sddl(f"(A;;WO;;;{helpdesk})")
    directory.write_dacl(OU, descriptor.with_dacl((rule, *(descriptor.dacl or ()))))
    try:
        with live(contoso, f"{HELPDESK}@{contoso.realm}") as theirs:
            assert statuses(give(theirs, str(helpdesk))) == ["applied"]
        assert descriptor_of(directory).owner == helpdesk
    finally:
        directory.write_owner(OU, Sid.from_string(DOMAIN_ADMINS))


def test_an_owner_that_the_rules_forbid_is_one_clear_line() -> None:
    # What a Windows controller answers to a caller without the right to restore files (MS-ADTS 6.1.3.3).
    refused = {"description": "constraintViolation", "message": "0000051B: AtrErr: DSID-03190F80, #1:\x00"}
    with pytest.raises(DirectoryError) as raised:
        _check(refused, OU, "write the owner of", _OWNER_MEANINGS)
    assert str(raised.value) == (
        f"cannot write the owner of '{OU}': you may make only yourself or a group of yours its owner, unless you "
        "hold the right to restore files (constraintViolation: 0000051B: AtrErr: DSID-03190F80, #1:)"
    )


def test_a_printed_line_runs_in_a_shell_as_it_stands(snapshot_file: Path) -> None:
    line = shlex.join([CMDLET, "-ADobjectDN", OU, "-Owner", "BUILTIN\\Administrators"])
    code, screen = on_a_terminal(line, ["Y"], environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file)))
    assert code == 0, screen
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert str(descriptor_of(directory).owner) == ADMINISTRATORS


def test_plans_for_other_tools_say_it(snapshot_file: Path) -> None:
    arguments = (OU, ADMINISTRATORS, "-WhatIf", "--snapshot", str(snapshot_file))
    shown = {
        form: run(*arguments, "--plan-format", form, cmdlet=CMDLET).stdout for form in ("dsacls", "ldif")
    }
    assert "dsacls.exe sets no owner" in shown["dsacls"]
    assert "control: 1.2.840.113556.1.4.801 true:: MAMCAQE=" in shown["ldif"]
    document = json.loads(run(*arguments, "--json", cmdlet=CMDLET).stdout)
    assert document["changes"][0]["owner"] == {"before": DOMAIN_ADMINS, "after": ADMINISTRATORS}


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([OU], 2, "Owner"),
        ([OU, ""], 2, "Owner"),
        ([OU, "Administrators"], 2, r"neither a SID, nor a DN, nor DOMAIN\\name"),
        ([OU, "S-1-x"], 2, "no SID"),
        (["Writeback", ADMINISTRATORS], 2, "no distinguished name"),
        ([f"OU=Gone,{DOMAIN}", ADMINISTRATORS], 1, "no object 'OU=Gone"),
    ],
)
def test_bad_input_is_one_line(snapshot_file: Path, arguments: list[str], code: int, pattern: str) -> None:
    before = snapshot_file.read_bytes()
    done = run(*arguments, NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert snapshot_file.read_bytes() == before
