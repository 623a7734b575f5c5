"""Enable-ADSyncInheritance: an object inherits again, and what comes in is known before."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import live
from contoso_directory import CONNECTOR_SID, HELPDESK
from samba_lab import DomainController
from snapshot_edits import add_entry, edit_entry, replace_descriptor
from test_commands import NO_PROMPT, assert_one_line_error, connection, environment, on_a_terminal, run

import adsyncconfig
from acl import Ace, SecurityDescriptor
from acl.edit import protect
from acl.sddl import ace_from_sddl
from adsyncconfig import AccessDenied, Directory, SetResult, UnknownName, UnsafePlan
from adsyncconfig.directory import Entry
from adsyncconfig.protection import PROTECTION_ATTRIBUTES, protecting_group

CMDLET = "Enable-ADSyncInheritance"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
BLOCKED = f"OU=Blocked,{DOMAIN}"
USER = f"CN=User Two,OU=Users Synced,{DOMAIN}"
KEEPER = f"CN=Domain Keeper,OU=Users Synced,{DOMAIN}"
ENGINEERS = f"CN=Engineers,OU=Groups,{DOMAIN}"
DOMAIN_ADMINS = f"CN=Domain Admins,CN=Users,{DOMAIN}"
ADMINISTRATORS = f"CN=Administrators,CN=Builtin,{DOMAIN}"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
DIRECTORY_SERVICE = f"CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration,{DOMAIN}"


def descriptor_of(directory: Directory, dn: str = OU) -> SecurityDescriptor:
    return directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()


def entries(descriptor: SecurityDescriptor) -> Counter[Ace]:
    return Counter(descriptor.dacl or ())


def enable(directory: Directory, dn: str = OU, **more: Any) -> SetResult:
    return adsyncconfig.enable_adsync_inheritance(directory, ad_object_dn=dn, **more)


def statuses(result: SetResult) -> list[str]:
    return [change.status for change in result.changes]


def admin_count(directory: Directory, dn: str) -> tuple[str, ...]:
    return directory.get(dn, ["adminCount"]).values("adminCount")


@pytest.fixture
def closed(either: Directory) -> SecurityDescriptor:
    """The OU as it was, before its inheritance was blocked and what it inherited dropped."""
    before = descriptor_of(either)
    either.write_dacl(OU, protect(before, keep_inherited=False))
    assert descriptor_of(either).dacl_is_protected
    return before


def test_the_object_inherits_as_it_did_before_it_was_blocked(
    either: Directory, closed: SecurityDescriptor
) -> None:
    result = enable(either)
    assert statuses(result) == ["applied"]
    assert not descriptor_of(either).dacl_is_protected
    assert entries(descriptor_of(either)) == entries(closed)


def test_what_comes_in_is_known_before(either: Directory, closed: SecurityDescriptor) -> None:
    (planned,) = enable(either, what_if=True).changes
    assert planned.status == "planned"
    assert descriptor_of(either).dacl_is_protected
    inherited = Counter(ace for ace in closed.dacl or () if ace.is_inherited)
    assert inherited
    assert (Counter(planned.added), planned.removed) == (inherited, ())


def test_own_entries_stay_and_are_found_again_below(either: Directory) -> None:
    own = ace_from_sddl(f"(A;CI;RP;;;{CONNECTOR_SID})")
    descriptor = protect(descriptor_of(either), keep_inherited=False)
    either.write_dacl(OU, descriptor.with_dacl((*(descriptor.dacl or ()), own)))
    enable(either)
    assert own in (descriptor_of(either).dacl or ())
    below = descriptor_of(either, f"CN=Team Blue,{OU}").dacl or ()
    assert any(ace.sid == own.sid and ace.is_inherited for ace in below)


def test_an_object_that_inherits_stays_untouched(either: Directory) -> None:
    before = descriptor_of(either).to_bytes()
    result = enable(either)
    assert (statuses(result), result.warnings) == (["unchanged"], ())
    assert descriptor_of(either).to_bytes() == before


@pytest.mark.usefixtures("closed")
def test_undo_blocks_it_again(either: Directory, tmp_path: Path) -> None:
    before = descriptor_of(either)
    journal = tmp_path / "journal.jsonl"
    enable(either, journal=journal)
    undone = adsyncconfig.undo_adsync_permissions(either, journal_path=journal)
    assert statuses(undone) == ["applied"]
    after = descriptor_of(either)
    assert (after.dacl_is_protected, after.dacl) == (True, before.dacl)


@pytest.mark.usefixtures("closed")
def test_a_refusal_at_the_prompt_writes_nothing(either: Directory) -> None:
    assert statuses(enable(either, confirm=lambda _: False)) == ["declined"]
    assert descriptor_of(either).dacl_is_protected


def test_what_denies_and_who_could_take_it_over_is_said(snapshot_file: Path) -> None:
    connector = "(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;{})"
    denied = f"(D;CI;WP;;;{CONNECTOR_SID})"
    full = f"(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;{CONNECTOR_SID})"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        directory.write_dacl(OU, protect(descriptor_of(directory), keep_inherited=False))
        assert enable(directory, what_if=True).warnings == ()
        root = descriptor_of(directory, DOMAIN)
        added = (ace_from_sddl(denied), *(root.dacl or ()), ace_from_sddl(full))
        directory.write_dacl(DOMAIN, root.with_dacl(added))
        denies, takes = enable(directory, what_if=True).warnings
        assert f"inherits {denied.replace('CI;', 'CIID;')}, which denies" in denies
        assert f"inherits {connector.format(CONNECTOR_SID)}: whoever has these rights" in takes


# -- adminCount, and who is protected ------------------------------------------------------------------------


def counted(path: Path, *dns: str) -> None:
    for dn in dns:
        edit_entry(path, dn, lambda entry: entry["attributes"].update(adminCount=["1"]))


def protect_in(directory: Directory, dn: str) -> None:
    directory.write_dacl(dn, protect(descriptor_of(directory, dn), keep_inherited=True))


def test_admin_count_is_taken_away_on_request_and_undo_brings_it_back(
    snapshot_file: Path, tmp_path: Path
) -> None:
    counted(snapshot_file, USER)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        protect_in(directory, USER)
        (warning,) = (each for each in enable(directory, USER, what_if=True).warnings if "adminCount" in each)
        assert "-ClearAdminCount takes it away" in warning

        journal = tmp_path / "journal.jsonl"
        result = enable(directory, USER, clear_admin_count=True, journal=journal)
        assert [change.operation for change in result.changes] == ["Enable inheritance", "Clear adminCount"]
        assert statuses(result) == ["applied", "applied"]
        assert admin_count(directory, USER) == ()
        assert not descriptor_of(directory, USER).dacl_is_protected
        assert statuses(enable(directory, USER, clear_admin_count=True)) == ["unchanged", "unchanged"]

        adsyncconfig.undo_adsync_permissions(directory, journal_path=journal)
        assert admin_count(directory, USER) == ("1",)
        assert descriptor_of(directory, USER).dacl_is_protected


@pytest.mark.parametrize("clear", [False, True])
def test_a_member_of_a_protected_group_is_refused_and_the_group_named(
    snapshot_file: Path, *, clear: bool
) -> None:
    counted(snapshot_file, KEEPER)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        protect_in(directory, KEEPER)
        with pytest.raises(UnsafePlan, match=rf"member of '{DOMAIN_ADMINS}'.*SDProp.*take it out"):
            enable(directory, KEEPER, clear_admin_count=clear)
        assert admin_count(directory, KEEPER) == ("1",)
        assert descriptor_of(directory, KEEPER).dacl_is_protected


def test_force_opens_a_member_and_never_clears_its_admin_count(snapshot_file: Path) -> None:
    counted(snapshot_file, KEEPER)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        protect_in(directory, KEEPER)
        with pytest.raises(UnsafePlan, match="SDProp"):
            enable(directory, KEEPER, clear_admin_count=True, force=True)
        assert statuses(enable(directory, KEEPER, force=True)) == ["applied"]


def test_admin_sd_holder_and_the_root_of_a_domain_are_refused(either: Directory) -> None:
    with pytest.raises(UnsafePlan, match="copied onto every protected account"):
        enable(either, HOLDER)
    with pytest.raises(UnsafePlan, match="nothing to inherit from"):
        enable(either, DOMAIN)


def entry_of(directory: Directory, dn: str) -> Entry:
    return directory.get(dn, PROTECTION_ATTRIBUTES)


@pytest.mark.parametrize(
    ("dn", "group"),
    [
        (KEEPER, DOMAIN_ADMINS),
        (DOMAIN_ADMINS, DOMAIN_ADMINS),
        (ADMINISTRATORS, ADMINISTRATORS),
        (f"CN=krbtgt,CN=Users,{DOMAIN}", f"CN=krbtgt,CN=Users,{DOMAIN}"),
        (USER, None),
        (ENGINEERS, None),
        (OU, None),
    ],
)
def test_who_is_protected(either: Directory, dn: str, group: str | None) -> None:
    assert protecting_group(either, either, entry_of(either, dn)) == group


def test_membership_counts_through_groups_and_by_primary_group(snapshot_file: Path) -> None:
    print_operators = f"CN=Print Operators,CN=Builtin,{DOMAIN}"

    def protects(dn: str) -> str | None:
        with adsyncconfig.open_snapshot(snapshot_file) as directory:
            return protecting_group(directory, directory, entry_of(directory, dn))

    assert protects(USER) is None
    edit_entry(snapshot_file, print_operators, lambda each: each["attributes"].update(member=[ENGINEERS]))
    assert protects(USER) == print_operators
    assert protects(ENGINEERS) == print_operators
    # dwAdminSDExMask 4 leaves Print Operators out.
    heuristics = {"objectClass": ["top", "nTDSService"], "dSHeuristics": ["0000000001000004"]}
    add_entry(snapshot_file, DIRECTORY_SERVICE, heuristics)
    assert protects(USER) is None
    edit_entry(snapshot_file, USER, lambda each: each["attributes"].update(primaryGroupID=["512"]))
    assert protects(USER) == DOMAIN_ADMINS


# -- on the controller, and as a command ---------------------------------------------------------------------


@pytest.fixture
def blocked_user(directory: Any, administrator: Any) -> Iterator[str]:
    """A user who left a protected group: blocked, and with adminCount."""
    before = descriptor_of(directory, USER)
    directory.write_dacl(USER, protect(before, keep_inherited=True))
    assert trying.write(administrator, USER, "adminCount", "1") == trying.SUCCESS
    yield USER
    directory.write_dacl(USER, before)
    if admin_count(directory, USER):
        directory.modify_values(USER, "adminCount", remove=["1"])


def test_the_command_on_the_controller_and_its_undo(
    contoso: DomainController, directory: Any, administrator: Any, blocked_user: str, tmp_path: Path
) -> None:
    before = trying.read_descriptor(administrator, blocked_user)
    journal, env = tmp_path / "journal.jsonl", connection(contoso)
    arguments = (blocked_user, "-ClearAdminCount", NO_PROMPT, "--journal", str(journal))
    done = run(*arguments, env=env, cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    assert f"{CMDLET}: 2 changed." in done.stdout
    assert "    - adminCount: 1" in done.stdout.splitlines()
    assert admin_count(directory, blocked_user) == ()
    assert not descriptor_of(directory, blocked_user).dacl_is_protected

    undone = run("-JournalPath", str(journal), NO_PROMPT, env=env, cmdlet="Undo-ADSyncPermissions")
    assert undone.returncode == 0, undone.stderr
    assert admin_count(directory, blocked_user) == ("1",)
    assert trying.read_descriptor(administrator, blocked_user) == before


def test_a_caller_without_the_right_gets_one_line(contoso: DomainController, administrator: Any) -> None:
    before = trying.read_descriptor(administrator, BLOCKED)
    env = {**connection(contoso), "ADSYNCCONFIG_USER": f"{HELPDESK}@{contoso.realm}"}
    done = run(BLOCKED, NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{CMDLET}: you may not write the permissions of '{BLOCKED}' (insufficientAccessRights)"
    )
    with live(contoso, f"{HELPDESK}@{contoso.realm}") as theirs, pytest.raises(AccessDenied):
        enable(theirs, BLOCKED)
    assert trying.read_descriptor(administrator, BLOCKED) == before


def test_a_printed_line_runs_in_a_shell_as_it_stands(snapshot_file: Path) -> None:
    line = shlex.join([CMDLET, "-ADobjectDN", BLOCKED])
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    code, screen = on_a_terminal(line, ["Y"], env)
    assert code == 0, screen
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert not descriptor_of(directory, BLOCKED).dacl_is_protected


def test_json_says_what_comes_in(snapshot_file: Path) -> None:
    done = run(BLOCKED, "-WhatIf", "--json", "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    (change,) = json.loads(done.stdout)["changes"]
    assert change["added"]
    assert all(ace_from_sddl(text).is_inherited for text in change["added"])
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert descriptor_of(directory, BLOCKED).dacl_is_protected


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([], 2, "ADobjectDN"),
        (["Writeback"], 2, "no distinguished name"),
        ([f"OU=Gone,{DOMAIN}"], 1, "no object 'OU=Gone"),
    ],
)
def test_bad_input_is_one_line(snapshot_file: Path, arguments: list[str], code: int, pattern: str) -> None:
    before = snapshot_file.read_bytes()
    done = run(*arguments, NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert snapshot_file.read_bytes() == before


def test_an_object_without_a_list_and_one_that_is_gone_are_refused(snapshot_file: Path) -> None:
    replace_descriptor(
        snapshot_file, OU, SecurityDescriptor.from_sddl("O:SYG:SYD:NO_ACCESS_CONTROL").to_bytes()
    )
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(UnsafePlan, match="no access control list"):
            enable(directory)
        with pytest.raises(UnknownName):
            enable(directory, f"OU=Gone,{DOMAIN}")
