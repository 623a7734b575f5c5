"""A policy is brought to a directory: what is missing comes, and what is beyond it goes only on request."""

from __future__ import annotations

from pathlib import Path

import pytest
import trying
from conftest import ConnectAs
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, HELPDESK
from expectations import GROUP_WRITEBACK, expected_aces
from samba_lab import DomainController
from snapshot_edits import edit_entry
from trying import REFUSED, SUCCESS

import adsyncconfig
from acl import Sid
from acl.sddl import ace_from_sddl, ace_to_sddl
from adsyncconfig import Directory, PolicyError, SetResult
from adsyncconfig.live import LiveDirectory
from adsyncconfig.policy_file import parse_policy
from adsyncconfig.policy_run import PolicyResult, bring_to_policy

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
KEEPER = f"CN=Domain Keeper,OU=Users Synced,{DOMAIN}"
SID = Sid.from_string(CONNECTOR_SID)
MISSPELT = CONNECTOR_DN.replace("ab,", "ax,")

WRITEBACK = f"""
[[accounts]]
dn = "{CONNECTOR_DN}"
  [[accounts.grants]]
  feature = "UnifiedGroupWriteback"
  scope = "{OU}"
  least_privilege = true
"""
BOTH = f"""{WRITEBACK}
  [[accounts.grants]]
  feature = "PasswordHashSync"

[[accounts]]
name = "{HELPDESK}"
domain = "contoso.example"
  [[accounts.grants]]
  feature = "BasicRead"
  scope = "{OU}"
"""


def bring(directory: Directory, text: str, **run: object) -> PolicyResult:
    policy = parse_policy(text, path="policy.toml", rules=())
    return bring_to_policy(directory, policy, **run)  # type: ignore[arg-type]  # the parameters of a run


def held(directory: Directory, dn: str, sid: str = CONNECTOR_SID) -> list[str]:
    """The account's own explicit entries on the object."""
    dacl = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor().dacl
    return sorted(ace_to_sddl(ace) for ace in dacl or () if str(ace.sid) == sid and not ace.is_inherited)


def add(directory: Directory, dn: str, sddl: str) -> None:
    descriptor = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()
    assert descriptor.dacl is not None
    directory.write_dacl(dn, descriptor.with_dacl((ace_from_sddl(sddl), *descriptor.dacl)))


def statuses(result: SetResult) -> dict[str, str]:
    return {change.dn: change.status for change in result.changes}


def test_what_is_missing_comes_and_a_second_run_finds_nothing_to_do(either: Directory) -> None:
    result = bring(either, BOTH)
    assert statuses(result) == {OU: "applied", DOMAIN: "applied"}
    least = sorted(expected_aces(GROUP_WRITEBACK, "least organizationalUnit", CONNECTOR_SID))
    assert held(either, OU) == least
    assert held(either, DOMAIN) == sorted(
        expected_aces("Set-ADSyncPasswordHashSyncPermissions", "domain root", CONNECTOR_SID)
    )
    helpdesk = str(result.accounts[1].sid)
    assert len(held(either, OU, helpdesk)) == 7
    assert statuses(bring(either, BOTH)) == {OU: "unchanged", DOMAIN: "unchanged"}


def test_each_account_is_shown_with_what_it_can_do_before_and_after(either: Directory) -> None:
    result = bring(either, BOTH, what_if=True)
    assert statuses(result) == {OU: "planned", DOMAIN: "planned"}
    assert held(either, OU) == []
    effect = {(each.account, each.dn, each.operation.name): each for each in result.effect}
    created = effect[CONNECTOR, OU, "create a group"]
    assert (created.before.allowed, created.after.allowed) == (False, True)
    assert any(account == HELPDESK for account, _, _ in effect)
    assert {each["account"] for each in result.to_json()["effect"]} == {CONNECTOR, HELPDESK}
    assert [each["name"] for each in result.to_json()["accounts"]] == [CONNECTOR, HELPDESK]


def test_what_is_beyond_the_policy_stays_unless_asked_for(either: Directory) -> None:
    beyond = f"(A;CI;RPWP;;;{CONNECTOR_SID})"
    add(either, f"OU=Groups,{DOMAIN}", beyond)
    try:
        bring(either, WRITEBACK)
        assert held(either, f"OU=Groups,{DOMAIN}") == [beyond]
        result = bring(either, WRITEBACK, remove_excess=True)
        assert statuses(result) == {OU: "unchanged", f"OU=Groups,{DOMAIN}": "applied"}
    finally:
        bring(either, WRITEBACK, remove_excess=True)
    assert held(either, f"OU=Groups,{DOMAIN}") == []


def test_the_wide_grant_becomes_the_narrow_one_in_one_change(either: Directory) -> None:
    adsyncconfig.set_adsync_unified_group_writeback_permissions(
        either, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU
    )
    wide = held(either, OU)
    result = bring(either, WRITEBACK, remove_excess=True)
    assert [ace_to_sddl(ace) for ace in result.changes[0].removed if str(ace.sid) == CONNECTOR_SID] == wide
    least = sorted(expected_aces(GROUP_WRITEBACK, "least organizationalUnit", CONNECTOR_SID))
    assert held(either, OU) == least
    effect = {each.operation.name: each for each in result.effect}
    assert effect["create a group"].after.allowed


def test_denies_of_the_account_and_entries_of_others_stay(either: Directory) -> None:
    deny, other = f"(D;CI;DC;;;{CONNECTOR_SID})", "(A;CI;RP;;;S-1-5-21-1-2-3-4242)"
    add(either, OU, deny)
    add(either, OU, other)
    bring(either, WRITEBACK, remove_excess=True)
    assert deny in held(either, OU)
    assert other in held(either, OU, "S-1-5-21-1-2-3-4242")


def test_copies_of_admin_sd_holder_go_and_stay_with_it(snapshot_file: Path) -> None:
    """SDProp copies AdminSDHolder's list: what stands there is no excess while the policy wants it there."""
    wanted = f"""
[[accounts]]
dn = "{CONNECTOR_DN}"
  [[accounts.grants]]
  feature = "MsDsConsistencyGuid"
  scope = "contoso.example"
  include_admin_sd_holders = true
"""
    edit_entry(snapshot_file, KEEPER, lambda record: record["attributes"].update(adminCount=["1"]))
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        bring(directory, wanted)
        (copied,) = held(directory, HOLDER)
        holder = directory.get(HOLDER, ["nTSecurityDescriptor"]).security_descriptor()
        directory.write_dacl(KEEPER, holder)
        add(directory, KEEPER, f"(A;;RP;;;{CONNECTOR_SID})")
        result = bring(directory, wanted, remove_excess=True)
        assert statuses(result) == {DOMAIN: "unchanged", HOLDER: "unchanged", KEEPER: "applied"}
        assert held(directory, KEEPER) == [copied]
        bring(directory, f'[[accounts]]\ndn = "{CONNECTOR_DN}"', remove_excess=True)
        assert held(directory, KEEPER) == held(directory, HOLDER) == held(directory, DOMAIN) == []


def test_an_account_is_locked_where_the_policy_says_so(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        text = f'[[accounts]]\ndn = "{CONNECTOR_DN}"\nrestricted = true'
        assert statuses(bring(directory, text)) == {CONNECTOR_DN: "applied"}
        assert directory.get(CONNECTOR_DN, ["nTSecurityDescriptor"]).security_descriptor().dacl_is_protected
        assert statuses(bring(directory, text, remove_excess=True)) == {CONNECTOR_DN: "unchanged"}


def test_what_cannot_be_read_is_told_and_is_no_success(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        # The bundled file keeps no permissions of the configuration.
        others = bring(directory, WRITEBACK, remove_excess=True, what_if=True).unreadable
    edit_entry(snapshot_file, KEEPER, lambda record: record.update(descriptor=None))
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = bring(directory, WRITEBACK, remove_excess=True)
        assert set(result.unreadable) - set(others) == {KEEPER}
        assert result.exit_code == 4
        assert bring(directory, WRITEBACK, remove_excess=True).exit_code == 3
        assert bring(directory, WRITEBACK).exit_code == 0
        assert any("not readable" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            CONNECTOR_DN,
            CONNECTOR_DN.replace("ab,", "ax,"),
            f"line 2: there is no account.*did you mean {CONNECTOR_DN}",
        ),
        (f'"{HELPDESK}"', '"helpdesc"', "line 12: there is no account 'helpdesc'"),
        ("contoso.example", "contso.example", "line 12: there is no domain 'contso.example'"),
        (f'scope = "{OU}"\n  least', f'scope = "OU=Nowhere,{DOMAIN}"\n  least', "line 5: there is no object"),
        (f'scope = "{OU}"\n  least', f'scope = "{DOMAIN}"\n  least', "line 5: .*is a domain root"),
    ],
)
def test_what_is_not_there_is_refused_with_its_line(
    snapshot_file: Path, old: str, new: str, said: str
) -> None:
    assert old in BOTH
    before = snapshot_file.read_bytes()
    with (
        adsyncconfig.open_snapshot(snapshot_file) as directory,
        pytest.raises(PolicyError, match=rf"^policy\.toml, {said}"),
    ):
        bring(directory, BOTH.replace(old, new))
    assert snapshot_file.read_bytes() == before


def test_an_account_that_stands_twice_is_refused(snapshot_file: Path) -> None:
    twice = WRITEBACK + f'\n[[accounts]]\nname = "{CONNECTOR}"\ndomain = "CONTOSO"\n'
    with (
        adsyncconfig.open_snapshot(snapshot_file) as directory,
        pytest.raises(PolicyError, match=r"line 9: .*stands in line 2 already"),
    ):
        bring(directory, twice)


def test_a_grant_on_admin_sd_holder_that_hands_over_needs_force(snapshot_file: Path) -> None:
    text = f"""
[[accounts]]
dn = "{CONNECTOR_DN}"
  [[accounts.grants]]
  feature = "ExchangeHybrid"
  include_admin_sd_holders = true
"""
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(PolicyError, match=r"line 5: .*every protected account"):
            bring(directory, text)
        assert statuses(bring(directory, text, force=True))[HOLDER] == "applied"


@pytest.mark.usefixtures("permissions_restored")
def test_the_account_can_do_what_the_policy_says_and_undo_takes_it_back(
    directory: LiveDirectory,
    contoso: DomainController,
    connect_as: ConnectAs,
    administrator: object,
    tmp_path: Path,
) -> None:
    add(directory, DOMAIN, f"(OA;CIIO;RPWP;;bf967aba-0de6-11d0-a285-00aa003049e2;{CONNECTOR_SID})")
    before = {dn: trying.read_descriptor(administrator, dn) for dn in (DOMAIN, OU)}
    connector = connect_as(contoso, CONNECTOR)
    user, group = f"CN=User One,OU=Users Synced,{DOMAIN}", f"CN=Group_policy,{OU}"
    assert trying.write(connector, user, "description", "excess") == SUCCESS
    assert trying.create_group(connector, group) == REFUSED
    journal = tmp_path / "journal.jsonl"
    bring(directory, WRITEBACK, remove_excess=True, journal=journal)
    assert trying.write(connector, user, "description", "policy") == REFUSED
    assert trying.create_group(connector, group) == SUCCESS
    assert trying.create(connector, f"OU=Below,{OU}", "organizationalUnit") == REFUSED
    connector.delete(group)
    adsyncconfig.undo_adsync_permissions(directory, journal_path=journal)
    assert {dn: trying.read_descriptor(administrator, dn) for dn in (DOMAIN, OU)} == before


def test_no_entry_for_the_account_is_made_that_no_fixture_has(snapshot_file: Path) -> None:
    """Nothing but what the cmdlets would write: the catalogue is the only source of entries."""
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = bring(directory, BOTH)
    written = {ace_to_sddl(ace) for change in result.changes for ace in change.added if ace.sid == SID}
    assert written == {
        *expected_aces(GROUP_WRITEBACK, "least organizationalUnit", CONNECTOR_SID),
        *expected_aces("Set-ADSyncPasswordHashSyncPermissions", "domain root", CONNECTOR_SID),
    }
