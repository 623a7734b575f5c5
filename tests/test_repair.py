"""Repair-ADSyncDaclOrder: the order is mended, and nothing else; no other cmdlet moves an entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import live
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID, HOSTILE_OUS
from hypothesis import given
from hypothesis import strategies as st
from samba_lab import CONTOSO, DomainController, Forest
from snapshot_edits import replace_descriptor
from test_commands import NO_PROMPT, assert_one_line_error, connection, run

import adsyncconfig
from acl import Ace, Acl, SecurityDescriptor, Sid
from acl.edit import canonicalise, is_canonical
from acl.sddl import ace_to_sddl
from adsyncconfig import Directory, ParameterError, UnknownName, UnsafePlan
from adsyncconfig.names import KnownNames
from adsyncconfig.repair import moves

CMDLET = "Repair-ADSyncDaclOrder"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
CONNECTOR = Sid.from_string(CONNECTOR_SID)
ALLOW = Ace.allow(CONNECTOR, 0x30, flags=2)
DENY = Ace.deny(CONNECTOR, 0x20, flags=2)


def dacl_of(directory: Directory, dn: str) -> Acl:
    dacl = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor().dacl
    assert dacl is not None
    return dacl


def disorder(directory: Directory, dn: str = OU) -> Acl:
    """Put an allow in front of a deny, in front of everything else; the list as the directory keeps it."""
    descriptor = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()
    assert descriptor.dacl is not None
    directory.write_dacl(dn, descriptor.with_dacl((ALLOW, DENY, *descriptor.dacl)))
    stored = dacl_of(directory, dn)
    assert not is_canonical(stored)
    return stored


def test_the_order_is_mended_and_nothing_else(either: Directory) -> None:
    before = disorder(either)
    result = adsyncconfig.repair_adsync_dacl_order(either, ad_object_dn=OU)

    (change,) = result.changes
    assert (change.dn, change.status, change.added, change.removed) == (OU, "applied", (), ())
    after = dacl_of(either, OU)
    assert after.aces[:2] == (DENY, ALLOW)
    assert sorted(ace.to_bytes() for ace in after) == sorted(ace.to_bytes() for ace in before)
    # Within each section nothing moves.
    assert after == canonicalise(before)
    (move,) = result.moves
    assert {(move.old, move.new)} <= {(2, 1), (1, 2)}
    assert "CONTOSO\\MSOL_0123456789ab" in move.text
    assert (
        any("denied wins over what is allowed" in warning for warning in result.warnings) == move.ace.is_deny
    )


def test_what_is_in_order_stays_untouched(either: Directory) -> None:
    before = either.get(OU, ["nTSecurityDescriptor"]).security_descriptor().to_bytes()
    result = adsyncconfig.repair_adsync_dacl_order(either, ad_object_dn=OU)
    assert [change.status for change in result.changes] == ["unchanged"]
    assert (result.moves, result.warnings) == ((), ())
    assert either.get(OU, ["nTSecurityDescriptor"]).security_descriptor().to_bytes() == before


def test_what_if_shows_the_moves_and_writes_nothing(either: Directory) -> None:
    before = disorder(either)
    result = adsyncconfig.repair_adsync_dacl_order(either, ad_object_dn=OU, what_if=True)
    assert [change.status for change in result.changes] == ["planned"]
    assert len(result.moves) == 1
    assert dacl_of(either, OU) == before


def test_a_declined_repair_writes_nothing(either: Directory) -> None:
    before = disorder(either)
    result = adsyncconfig.repair_adsync_dacl_order(either, ad_object_dn=OU, confirm=lambda _: False)
    assert [change.status for change in result.changes] == ["declined"]
    assert dacl_of(either, OU) == before


@pytest.mark.parametrize("dn", HOSTILE_OUS)
def test_names_that_need_escaping_work(either: Directory, dn: str) -> None:
    disorder(either, dn)
    adsyncconfig.repair_adsync_dacl_order(either, ad_object_dn=dn)
    assert is_canonical(dacl_of(either, dn))


def test_no_other_cmdlet_moves_an_entry(either: Directory) -> None:
    before = disorder(either)
    adsyncconfig.set_adsync_unified_group_writeback_permissions(
        either, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU
    )
    granted = dacl_of(either, OU)
    assert [ace for ace in granted if ace in before.aces] == list(before.aces)
    adsyncconfig.remove_adsync_permissions(either, sid=f"{CONTOSO.sid}-4711", search_base=OU)
    assert dacl_of(either, OU) == granted


def test_inherited_entries_in_front_go_behind(snapshot_file: Path) -> None:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    descriptor = directory.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    explicit = [ace for ace in descriptor.dacl or () if not ace.is_inherited]
    inherited = [ace for ace in descriptor.dacl or () if ace.is_inherited]
    turned = descriptor.with_dacl((*inherited, *explicit))
    replace_descriptor(snapshot_file, OU, turned.to_bytes())
    directory = adsyncconfig.open_snapshot(snapshot_file)
    adsyncconfig.repair_adsync_dacl_order(directory, ad_object_dn=OU)
    assert list(dacl_of(directory, OU)) == [*explicit, *inherited]


def test_an_object_without_a_list_is_refused(snapshot_file: Path) -> None:
    open_to_all = SecurityDescriptor.from_sddl("O:SYG:SYD:NO_ACCESS_CONTROL")
    replace_descriptor(snapshot_file, OU, open_to_all.to_bytes())
    with pytest.raises(UnsafePlan, match="no access control list"):
        adsyncconfig.repair_adsync_dacl_order(adsyncconfig.open_snapshot(snapshot_file), ad_object_dn=OU)


@pytest.mark.usefixtures("permissions_restored")
def test_a_caller_without_the_right_is_told_so(contoso: DomainController, directory: Any) -> None:
    before = disorder(directory)
    with (
        live(contoso, f"helpdesk@{contoso.realm}") as helpdesk,
        pytest.raises(
            adsyncconfig.AccessDenied, match="may not write the permissions of 'OU=Writeback"
        ) as raised,
    ):
        adsyncconfig.repair_adsync_dacl_order(helpdesk, ad_object_dn=OU)
    assert isinstance(raised.value.result, adsyncconfig.RepairResult)
    assert len(raised.value.result.moves) == 1
    assert dacl_of(directory, OU) == before


@pytest.mark.usefixtures("forest_restored")
def test_an_object_of_another_domain_is_mended_there(forest: Forest) -> None:
    ou = f"OU=Writeback,{forest.child.base_dn}"
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        child = directory.for_domain(forest.child.realm)
        disorder(child, ou)
        result = adsyncconfig.repair_adsync_dacl_order(directory, ad_object_dn=ou)
        assert [change.controller for change in result.changes] == [forest.child.host_name]
        assert is_canonical(dacl_of(child, ou))


ACES = st.builds(
    lambda deny, mask, rid: (Ace.deny if deny else Ace.allow)(Sid.from_string(f"{CONTOSO.sid}-{rid}"), mask),
    st.booleans(),
    st.integers(1, 3),
    st.integers(1101, 1103),
)


@given(st.lists(ACES, max_size=12))
def test_the_moves_are_what_turns_one_list_into_the_other(aces: list[Ace]) -> None:
    before, after = Acl(tuple(aces)), canonicalise(Acl(tuple(aces)))
    found = moves(before, after, KnownNames({}, {}))
    assert bool(found) != is_canonical(before)
    rest = [ace for place, ace in enumerate(before.aces, 1) if place not in {move.old for move in found}]
    for move in sorted(found, key=lambda move: move.new):
        assert before.aces[move.old - 1] == move.ace
        rest.insert(move.new - 1, move.ace)
    assert tuple(rest) == after.aces


# -- as a command --------------------------------------------------------------------------------------------


def test_the_command_says_what_moves_and_that_it_is_done(snapshot_file: Path) -> None:
    disorder(adsyncconfig.open_snapshot(snapshot_file))
    arguments = ("-ADobjectDN", OU, "--snapshot", str(snapshot_file))
    shown = run(*arguments, "-WhatIf", cmdlet=CMDLET)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    expected = 'What if: Performing the operation "Repair the order of permissions" on target "Writeback".'
    assert lines[0] == expected
    assert any("becomes entry" in line and "CONTOSO\\MSOL_0123456789ab" in line for line in lines)

    document = json.loads(run(*arguments, NO_PROMPT, "--json", cmdlet=CMDLET).stdout)
    assert (document["account"], document["changes"][0]["status"]) == (None, "applied")
    (move,) = document["moves"]
    assert move["entry"] in (ace_to_sddl(ALLOW), ace_to_sddl(DENY))

    again = run(OU, NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert (again.returncode, again.stderr) == (0, "")
    assert "it is in canonical order already" in again.stdout
    assert again.stdout.splitlines()[-1] == f"{CMDLET}: 1 unchanged."


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([], 2, "ADobjectDN"),
        (["Writeback"], 2, "no distinguished name"),
        ([f"OU=Gone,{DOMAIN}"], 1, "no object 'OU=Gone"),
        (["OU=X,DC=fabrikam,DC=example"], 1, "in no domain of this forest"),
        (["-ADobjectDN", ""], 2, "'ADobjectDN'.*empty"),
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
    with pytest.raises(ParameterError):
        adsyncconfig.repair_adsync_dacl_order(directory, ad_object_dn="Writeback")
    with pytest.raises(UnknownName):
        adsyncconfig.repair_adsync_dacl_order(directory, ad_object_dn=f"OU=Gone,{DOMAIN}")


@pytest.mark.usefixtures("permissions_restored")
def test_the_command_on_the_controller_can_be_undone(
    contoso: DomainController, directory: Any, administrator: Any, tmp_path: Path
) -> None:
    disorder(directory)
    before = trying.read_descriptor(administrator, OU)
    journal, env = tmp_path / "journal.jsonl", connection(contoso)
    done = run(OU, NO_PROMPT, "--journal", str(journal), env=env, cmdlet=CMDLET)
    assert done.returncode == 0, done.stderr
    assert is_canonical(dacl_of(directory, OU))
    undone = run("-JournalPath", str(journal), NO_PROMPT, env=env, cmdlet="Undo-ADSyncPermissions")
    assert undone.returncode == 0, undone.stderr
    assert trying.read_descriptor(administrator, OU) == before
