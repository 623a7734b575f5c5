"""Remove-ADSyncGroupMember: one direct member goes, and who is in the group otherwise is told how."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import live
from contoso_directory import CONNECTOR_DN, HELPDESK, HOSTILE_ACCOUNT_DN
from samba_lab import DomainController, Forest
from test_commands import NO_PROMPT, assert_one_line_error, connection, environment, on_a_terminal, run

import adsyncconfig
from adsyncconfig import AccessDenied, Directory, ParameterError, SetResult, UnknownName, UnsafePlan

CMDLET = "Remove-ADSyncGroupMember"
DOMAIN = "DC=contoso,DC=example"
ENGINEERS = f"CN=Engineers,OU=Groups,{DOMAIN}"
READERS = f"CN=File Share Readers,OU=Groups,{DOMAIN}"
USER_TWO = f"CN=User Two,OU=Users Synced,{DOMAIN}"
USER_ONE = f"CN=User One,OU=Users Synced,{DOMAIN}"
USERS = f"CN=Domain Users,CN=Users,{DOMAIN}"


def members(directory: Directory, group: str = ENGINEERS) -> list[str]:
    return sorted(directory.get(group, ["member"]).values("member"))


def take_out(directory: Directory, member: str = USER_TWO, group: str = ENGINEERS, **more: Any) -> SetResult:
    return adsyncconfig.remove_adsync_group_member(directory, group_dn=group, member_dn=member, **more)


def statuses(result: SetResult) -> list[str]:
    return [change.status for change in result.changes]


def set_members(directory: Directory, group: str, wanted: set[str]) -> None:
    there = set(members(directory, group))
    if there != wanted:
        directory.modify_values(group, "member", add=sorted(wanted - there), remove=sorted(there - wanted))


@pytest.fixture
def groups(either: Directory) -> Iterator[Directory]:
    """The directory, in which the two groups get their members back after the test."""
    before = {group: set(members(either, group)) for group in (ENGINEERS, READERS)}
    yield either
    for group, there in before.items():
        set_members(either, group, there)


def test_the_member_goes_and_the_others_stay(groups: Directory) -> None:
    set_members(groups, ENGINEERS, {USER_TWO, USER_ONE, HOSTILE_ACCOUNT_DN})
    for member in (USER_TWO, HOSTILE_ACCOUNT_DN):
        result = take_out(groups, member)
        assert statuses(result) == ["applied"]
        (change,) = result.changes
        assert change.values is not None
        assert (change.dn, change.values.removed) == (ENGINEERS, (member,))
    assert members(groups) == [USER_ONE]


def test_names_are_compared_as_the_directory_does(groups: Directory) -> None:
    assert statuses(take_out(groups, USER_TWO.upper(), ENGINEERS.lower())) == ["applied"]
    assert members(groups) == []


def test_who_is_no_member_is_no_error(groups: Directory) -> None:
    result = take_out(groups, USER_ONE)
    assert (statuses(result), result.warnings) == (
        ["unchanged"],
        (f"'{USER_ONE}' is no member of '{ENGINEERS}'",),
    )
    assert members(groups) == [USER_TWO]


def test_what_if_and_a_refusal_at_the_prompt_write_nothing(groups: Directory) -> None:
    assert statuses(take_out(groups, what_if=True)) == ["planned"]
    assert statuses(take_out(groups, confirm=lambda _: False)) == ["declined"]
    assert members(groups) == [USER_TWO]


def test_undo_puts_the_member_back(groups: Directory, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    take_out(groups, journal=journal)
    assert members(groups) == []
    undone = adsyncconfig.undo_adsync_permissions(groups, journal_path=journal)
    assert statuses(undone) == ["applied"]
    assert members(groups) == [USER_TWO]


def test_a_member_through_another_group_is_refused_and_that_group_named(groups: Directory) -> None:
    set_members(groups, READERS, {ENGINEERS})
    with pytest.raises(UnsafePlan, match=rf"'{USER_TWO}' is in it through '{ENGINEERS}'"):
        take_out(groups, USER_TWO, READERS)
    assert (members(groups, READERS), members(groups)) == ([ENGINEERS], [USER_TWO])
    assert statuses(take_out(groups, ENGINEERS, READERS)) == ["applied"]
    assert statuses(take_out(groups, USER_TWO, READERS)) == ["unchanged"]


def test_a_primary_group_is_refused_as_such(groups: Directory) -> None:
    with pytest.raises(UnsafePlan, match=r"is in it because it is its primary group \(primaryGroupID 513\)"):
        take_out(groups, USER_TWO, USERS)


def test_a_member_by_way_of_its_primary_group_is_told_so(groups: Directory) -> None:
    set_members(groups, READERS, {USERS})
    with pytest.raises(UnsafePlan, match=rf"is in it through '{USERS}'"):
        take_out(groups, CONNECTOR_DN, READERS)


@pytest.mark.parametrize(
    ("member", "group", "error", "said"),
    [
        (USER_TWO, f"OU=Groups,{DOMAIN}", ParameterError, "is no group"),
        (USER_TWO, f"CN=Gone,{DOMAIN}", UnknownName, "no object 'CN=Gone"),
        (f"CN=Gone,{DOMAIN}", ENGINEERS, UnknownName, "no object 'CN=Gone"),
    ],
)
def test_what_is_no_group_or_no_object_is_refused(
    either: Directory, member: str, group: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        take_out(either, member, group)


# -- on the controller, and as a command ---------------------------------------------------------------------


def test_the_command_on_the_controller_and_its_undo(
    contoso: DomainController, directory: Any, tmp_path: Path
) -> None:
    journal, env = tmp_path / "journal.jsonl", connection(contoso)
    done = run(ENGINEERS, USER_TWO, NO_PROMPT, "--journal", str(journal), env=env, cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    assert f"    - member: {USER_TWO}" in done.stdout.splitlines()
    assert members(directory) == []
    undone = run("-JournalPath", str(journal), NO_PROMPT, env=env, cmdlet="Undo-ADSyncPermissions")
    assert undone.returncode == 0, undone.stderr
    assert members(directory) == [USER_TWO]


def test_a_caller_without_the_right_gets_one_line(contoso: DomainController, directory: Any) -> None:
    env = {**connection(contoso), "ADSYNCCONFIG_USER": f"{HELPDESK}@{contoso.realm}"}
    done = run(ENGINEERS, USER_TWO, NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"{CMDLET}: you may not write member of '{ENGINEERS}' (insufficientAccessRights)"
    with live(contoso, f"{HELPDESK}@{contoso.realm}") as theirs, pytest.raises(AccessDenied):
        take_out(theirs)
    assert members(directory) == [USER_TWO]


def test_a_caller_does_not_leave_a_group_of_its_own_unless_it_is_forced(contoso: DomainController) -> None:
    keeper = f"CN=Domain Keeper,OU=Users Synced,{DOMAIN}"
    admins = f"CN=Domain Admins,CN=Users,{DOMAIN}"
    with live(contoso, f"keeper@{contoso.realm}") as own:
        with pytest.raises(UnsafePlan, match=rf"you have its rights through '{keeper}'.*-Force"):
            take_out(own, keeper, admins)
        assert keeper in members(own, admins)
        try:
            assert statuses(take_out(own, keeper, admins, force=True)) == ["applied"]
        finally:
            with live(contoso) as directory:
                set_members(directory, admins, {*members(directory, admins), keeper})


def test_a_group_of_another_domain_is_found(forest: Forest) -> None:
    servers = {forest.child.realm: forest.child.url}
    base = forest.child.base_dn
    user, group = f"CN=User Emea,CN=Users,{base}", f"CN=Team Emea,OU=Writeback,{base}"
    with live(forest.root, servers=servers) as directory:
        there = directory.for_domain(forest.child.realm)
        there.modify_values(group, "member", add=[user])
        (change,) = take_out(directory, user, group).changes
        assert (change.status, change.controller) == ("applied", forest.child.host_name)
        assert members(there, group) == []


def test_a_printed_line_runs_in_a_shell_as_it_stands(snapshot_file: Path) -> None:
    line = shlex.join([CMDLET, "-GroupDN", ENGINEERS, "-MemberDN", USER_TWO])
    code, screen = on_a_terminal(line, ["Y"], environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file)))
    assert code == 0, screen
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert members(directory) == []


def test_json_plan_and_text_say_it(snapshot_file: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    arguments = (ENGINEERS, USER_TWO, "--snapshot", str(snapshot_file))
    shown = run(*arguments, "-WhatIf", "--json", "--plan-out", str(plan), cmdlet=CMDLET)
    document = json.loads(shown.stdout)
    assert document["changes"][0]["values"] == {"attribute": "member", "added": [], "removed": [USER_TWO]}
    ldif = run(*arguments, "-WhatIf", "--plan-format", "ldif", cmdlet=CMDLET).stdout
    assert f"delete: member\nmember: {USER_TWO}\n-\n" in ldif
    done = run(str(plan), NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet="Invoke-ADSyncPlan")
    assert done.returncode == 0, done.stderr
    again = run(*arguments, NO_PROMPT, cmdlet=CMDLET)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, f"{CMDLET}: 1 unchanged.")


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([ENGINEERS], 2, "MemberDN"),
        ([ENGINEERS, ""], 2, "MemberDN"),
        ([ENGINEERS, "User Two"], 2, "-MemberDN 'User Two' is no distinguished name"),
        (["Engineers", USER_TWO], 2, "-GroupDN 'Engineers' is no distinguished name"),
        ([f"OU=Groups,{DOMAIN}", USER_TWO], 2, "is no group"),
    ],
)
def test_bad_input_is_one_line(snapshot_file: Path, arguments: list[str], code: int, pattern: str) -> None:
    before = snapshot_file.read_bytes()
    done = run(*arguments, NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert snapshot_file.read_bytes() == before
