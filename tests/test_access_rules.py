"""Remove-ADSyncAccessRule: exactly the entries that are given go, and nothing else."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR_SID, HELPDESK, HOSTILE_OUS
from hypothesis import given
from hypothesis import strategies as st
from samba_lab import CONTOSO, DomainController
from snapshot_edits import edit_entry, replace_descriptor
from test_commands import NO_PROMPT, assert_one_line_error, connection, environment, on_a_terminal, run

import adsyncconfig
from acl import Ace, Acl, AclError, SecurityDescriptor, Sid
from acl.edit import remove
from acl.sddl import ace_from_sddl, ace_to_sddl
from adsyncconfig import AccessDenied, Directory, ParameterError, SetResult, UnsafePlan

CMDLET = "Remove-ADSyncAccessRule"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
TEAM = f"CN=Team Blue,{OU}"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
KEEPER = f"CN=Domain Keeper,OU=Users Synced,{DOMAIN}"
GROUP = "bf967a9c-0de6-11d0-a285-00aa003049e2"
ALLOW = f"(OA;CIIO;RPWP;;{GROUP};{CONNECTOR_SID})"
NARROW = f"(OA;CIIO;RP;;{GROUP};{CONNECTOR_SID})"
DENY = f"(D;CI;SD;;;{CONNECTOR_SID})"
#: What Domain Admins hold of an OU from the schema (defaultSecurityDescriptor of organizationalUnit).
FULL_CONTROL = f"(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;{CONTOSO.sid}-512)"


def descriptor_of(directory: Directory, dn: str) -> SecurityDescriptor:
    return directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()


def own(directory: Directory, dn: str = OU) -> Counter[str]:
    return Counter(
        ace_to_sddl(ace) for ace in descriptor_of(directory, dn).dacl or () if not ace.is_inherited
    )


def plant(directory: Directory, *rules: str, dn: str = OU) -> None:
    """Put entries in front of the object's own, as somebody's script would."""
    descriptor = descriptor_of(directory, dn)
    assert descriptor.dacl is not None
    directory.write_dacl(dn, descriptor.with_dacl((*map(ace_from_sddl, rules), *descriptor.dacl)))


def take(directory: Directory, *rules: str, dn: str = OU, **more: Any) -> SetResult:
    return adsyncconfig.remove_adsync_access_rule(directory, ad_object_dn=dn, rule=rules, **more)


def statuses(result: SetResult) -> list[str]:
    return [change.status for change in result.changes]


def test_exactly_the_entries_that_are_given_go(either: Directory) -> None:
    before = own(either)
    plant(either, DENY, ALLOW)
    result = take(either, ALLOW)
    (change,) = result.changes
    assert (change.status, [ace_to_sddl(ace) for ace in change.removed], change.added) == (
        "applied",
        [ALLOW],
        (),
    )
    assert own(either) == before + Counter([DENY])

    result = take(either, DENY)
    assert own(either) == before
    assert any(f"{DENY} denied this to {CONNECTOR_SID}" in warning for warning in result.warnings)


def test_several_go_at_once_whoever_they_are_for(either: Directory) -> None:
    before = own(either)
    rules = (DENY, ALLOW, "(A;;RP;;;S-1-5-21-1-2-3-4567)")
    plant(either, *rules)
    take(either, *rules)
    assert own(either) == before


def test_of_equal_entries_one_goes_for_each_time_it_is_given(either: Directory) -> None:
    plant(either, ALLOW, ALLOW, ALLOW)
    assert own(either)[ALLOW] == 3
    take(either, ALLOW)
    assert own(either)[ALLOW] == 2
    take(either, ALLOW, ALLOW)
    assert own(either)[ALLOW] == 0


def test_what_is_not_there_is_said_and_nothing_is_written(either: Directory) -> None:
    before = descriptor_of(either, OU).to_bytes()
    result = take(either, ALLOW)
    assert statuses(result) == ["unchanged"]
    assert result.warnings == (
        f"'{OU}' has no entry {ALLOW} of its own: nothing was to be taken away for it",
    )
    assert descriptor_of(either, OU).to_bytes() == before


def test_what_is_there_goes_beside_what_is_not(either: Directory) -> None:
    plant(either, ALLOW)
    result = take(either, DENY, ALLOW)
    assert statuses(result) == ["applied"]
    assert own(either)[ALLOW] == 0
    (warning,) = result.warnings
    assert DENY in warning


@pytest.mark.parametrize("given_as", ["its parent has it", "it reads there"])
def test_an_inherited_entry_is_refused_and_its_object_named(either: Directory, given_as: str) -> None:
    rule = f"(A;CI;RPWP;;;{CONNECTOR_SID})"
    plant(either, rule)
    before = descriptor_of(either, TEAM).to_bytes()
    asked = rule if given_as == "its parent has it" else rule.replace("CI;", "CIID;")
    with pytest.raises(UnsafePlan, match=rf"inherited from '{OU}'.*take it away there"):
        take(either, asked, dn=TEAM)
    assert descriptor_of(either, TEAM).to_bytes() == before


def test_an_own_entry_that_is_inherited_as_well_can_be_tidied_up(either: Directory) -> None:
    rule = f"(A;CI;RPWP;;;{CONNECTOR_SID})"
    plant(either, rule)
    plant(either, rule, dn=TEAM)
    assert own(either, TEAM)[rule] == 1
    take(either, rule, dn=TEAM)
    assert own(either, TEAM)[rule] == 0
    inherited = rule.replace("CI;", "CIID;")
    assert [ace_to_sddl(ace) for ace in descriptor_of(either, TEAM).dacl or ()].count(inherited) == 1


def test_an_entry_with_other_rights_is_shown_and_left(either: Directory) -> None:
    plant(either, ALLOW)
    with pytest.raises(UnsafePlan) as raised:
        take(either, NARROW)
    assert f"{NARROW} is not there as it is given, but {ALLOW} is" in str(raised.value)
    assert own(either)[ALLOW] == 1


def test_partial_takes_just_these_rights_out_of_it(either: Directory) -> None:
    plant(either, ALLOW)
    result = take(either, NARROW, partial=True)
    assert statuses(result) == ["applied"]
    assert own(either)[ALLOW.replace("RPWP", "WP")] == 1
    assert statuses(take(either, NARROW, partial=True)) == ["unchanged"]


def test_names_of_the_domain_are_understood(either: Directory) -> None:
    rule = f"(A;;WO;;;{CONTOSO.sid}-513)"
    plant(either, rule)
    take(either, "(A;;WO;;;DU)")
    assert own(either)[rule] == 0


def test_an_entry_that_its_writer_allocated_too_many_bytes_for_is_the_same(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        descriptor = descriptor_of(directory, OU)
        assert descriptor.dacl is not None
        longer = replace(ace_from_sddl(DENY), data=bytes(8))
        directory.write_dacl(OU, descriptor.with_dacl((longer, *descriptor.dacl)))
        take(directory, DENY)
        assert descriptor_of(directory, OU).dacl == descriptor.dacl


def test_what_if_and_a_refusal_at_the_prompt_write_nothing(either: Directory) -> None:
    plant(either, ALLOW)
    before = descriptor_of(either, OU).to_bytes()
    assert statuses(take(either, ALLOW, what_if=True)) == ["planned"]
    assert statuses(take(either, ALLOW, confirm=lambda _: False)) == ["declined"]
    assert descriptor_of(either, OU).to_bytes() == before


def test_what_domain_admins_need_stays_unless_it_is_forced(snapshot_file: Path) -> None:
    # Domain Admins are in Administrators, and an owner changes permissions without any entry.
    administrators = "(A;;RCWD;;;BA)"
    theirs = SecurityDescriptor.from_sddl(f"O:SYG:SYD:P{administrators}{FULL_CONTROL}(A;;RCWD;;;SY)")
    replace_descriptor(snapshot_file, OU, theirs.to_bytes())
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        take(directory, administrators)
        with pytest.raises(UnsafePlan, match=r"members of Domain Admins could not change.*-Force"):
            take(directory, FULL_CONTROL)
        assert own(directory) == Counter([FULL_CONTROL, "(A;;RCWD;;;SY)"])
        assert statuses(take(directory, FULL_CONTROL, force=True)) == ["applied"]
        # Who has lost it already has nothing to lose.
        assert statuses(take(directory, "(A;;RCWD;;;SY)")) == ["applied"]


@pytest.mark.parametrize("dn", HOSTILE_OUS)
def test_names_that_need_escaping_work(either: Directory, dn: str) -> None:
    plant(either, ALLOW, dn=dn)
    take(either, ALLOW, dn=dn)
    assert own(either, dn)[ALLOW] == 0


def test_what_admin_sd_holder_puts_back_is_said(snapshot_file: Path) -> None:
    edit_entry(snapshot_file, KEEPER, lambda entry: entry["attributes"].update(adminCount=["1"]))
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        for dn in (KEEPER, HOLDER):
            plant(directory, DENY, dn=dn)
        result = take(directory, DENY, dn=KEEPER)
        assert any(f"back within the hour, since '{HOLDER}' has it" in each for each in result.warnings)
        result = take(directory, DENY, dn=HOLDER)
        assert not any("back within the hour" in each for each in result.warnings)


@given(st.lists(st.integers(1, 3), max_size=8), st.integers(1, 3))
def test_removing_takes_one_of_the_equal_entries_and_keeps_the_order(masks: list[int], wanted: int) -> None:
    aces = [Ace.allow(Sid.EVERYONE, mask) for mask in masks]
    before, ace = Acl(tuple(aces)), Ace.allow(Sid.EVERYONE, wanted)
    after = remove(before, ace)
    if wanted not in masks:
        assert after is before
        return
    place = len(masks) - 1 - masks[::-1].index(wanted)
    assert list(after) == aces[:place] + aces[place + 1 :]


def test_an_inherited_entry_is_not_removed_by_the_engine() -> None:
    with pytest.raises(AclError, match="parent"):
        remove(Acl(()), Ace.allow(Sid.EVERYONE, 1, flags=0x10))


# -- on the controller, and as a command ---------------------------------------------------------------------


@pytest.mark.usefixtures("permissions_restored")
def test_the_controller_does_it_and_undo_puts_it_back(
    contoso: DomainController, directory: Any, administrator: Any, tmp_path: Path
) -> None:
    plant(directory, DENY, ALLOW, ALLOW)
    before = trying.read_descriptor(administrator, OU)
    journal, env = tmp_path / "journal.jsonl", connection(contoso)
    done = run(
        OU, "-Rule", ALLOW, "-Rule", DENY, NO_PROMPT, "--journal", str(journal), env=env, cmdlet=CMDLET
    )
    assert done.returncode == 0, done.stderr
    assert (own(directory)[ALLOW], own(directory)[DENY]) == (1, 0)
    undone = run("-JournalPath", str(journal), NO_PROMPT, env=env, cmdlet="Undo-ADSyncPermissions")
    assert undone.returncode == 0, undone.stderr
    assert trying.read_descriptor(administrator, OU) == before


@pytest.mark.usefixtures("permissions_restored")
def test_a_caller_without_the_right_gets_one_line(
    contoso: DomainController, directory: Any, administrator: Any, connect_as: ConnectAs
) -> None:
    plant(directory, ALLOW)
    before = trying.read_descriptor(administrator, OU)
    env = {**connection(contoso), "ADSYNCCONFIG_USER": f"{HELPDESK}@{contoso.realm}"}
    done = run(OU, "-Rule", ALLOW, NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"you may not write the permissions of '{OU}'" in line
    with live(contoso, f"{HELPDESK}@{contoso.realm}") as theirs, pytest.raises(AccessDenied):
        take(theirs, ALLOW)
    assert trying.read_descriptor(administrator, OU) == before


@pytest.mark.usefixtures("permissions_restored")
def test_a_caller_does_not_saw_off_the_branch_unless_it_is_forced(
    contoso: DomainController, directory: Any
) -> None:
    helpdesk = directory.get(f"CN={HELPDESK},OU=Users Synced,{DOMAIN}", ["objectSid"]).sid()
    rule = f"(A;;RCWD;;;{helpdesk})"
    plant(directory, rule)
    with live(contoso, f"{HELPDESK}@{contoso.realm}") as theirs:
        with pytest.raises(UnsafePlan, match=r"you could not change its permissions afterwards.*-Force"):
            take(theirs, rule)
        assert own(directory)[rule] == 1
        assert statuses(take(theirs, rule, force=True)) == ["applied"]
    assert own(directory)[rule] == 0


def test_a_printed_line_runs_in_a_shell_as_it_stands(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        plant(directory, ALLOW)
    line = shlex.join([CMDLET, "-ADobjectDN", OU, "-Rule", ALLOW])
    code, screen = on_a_terminal(line, ["Y"], environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file)))
    assert code == 0, screen
    assert "Are you sure" in screen
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert own(directory)[ALLOW] == 0


def test_json_and_text_say_what_goes(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        plant(directory, ALLOW)
    arguments = (OU, "-Rule", ALLOW, "--snapshot", str(snapshot_file))
    shown = run(*arguments, "-WhatIf", cmdlet=CMDLET)
    assert 'Performing the operation "Remove access rules" on target "Writeback"' in shown.stdout
    assert f"    - {ALLOW}" in shown.stdout.splitlines()
    document = json.loads(run(*arguments, NO_PROMPT, "--json", cmdlet=CMDLET).stdout)
    assert (document["changes"][0]["removed"], document["changes"][0]["status"]) == ([ALLOW], "applied")
    again = run(*arguments, NO_PROMPT, cmdlet=CMDLET)
    assert again.returncode == 0
    assert "it is not there" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([OU], 2, "Rule"),
        ([OU, "-Rule", "(A;;QQ;;;AU)"], 2, r"-Rule '\(A;;QQ;;;AU\)' is no entry: .* at character 4: .*'QQ'"),
        ([OU, "-Rule", "(A;;RP;;;AU)(A;;RP;;;AU)"], 2, "character 12: expected one entry"),
        ([OU, "-Rule", ""], 2, "Rule"),
        ([OU, "-Rule", "(A;;RP;;;nobody)"], 2, "character 9"),
        ([f"OU=Gone,{DOMAIN}", "-Rule", ALLOW], 1, "no object 'OU=Gone"),
        (["Writeback", "-Rule", ALLOW], 2, "no distinguished name"),
    ],
)
def test_bad_input_is_one_line(snapshot_file: Path, arguments: list[str], code: int, pattern: str) -> None:
    before = snapshot_file.read_bytes()
    done = run(*arguments, NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert snapshot_file.read_bytes() == before


def test_errors_have_their_classes(snapshot_file: Path) -> None:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    with pytest.raises(ParameterError, match="character"):
        take(directory, "(A;;RP;;;")
    with pytest.raises(ParameterError, match="give the entries"):
        take(directory)
