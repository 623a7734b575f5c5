"""Remove-ADSyncPermissions: every explicit entry of one account goes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import AMBIGUOUS_NAME, CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, HOSTILE_OUS
from samba_lab import CONTOSO, DomainController, Forest
from snapshot_edits import edit_entry, replace_descriptor
from test_commands import NO_PROMPT, assert_one_line_error, connection, environment, on_a_terminal, run

import adsyncconfig
from acl import AccessMask, Ace, AceFlag, SecurityDescriptor, Sid
from acl.sddl import ace_to_sddl
from adsyncconfig import Directory, ParameterError, RemovalResult, UnknownName, UnsafePlan
from adsyncconfig.filters import EVERYTHING

CMDLET = "Remove-ADSyncPermissions"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
NOBODY = f"{CONTOSO.sid}-4711"
CI = AceFlag.CONTAINER_INHERIT


def remove(directory: Directory, **parameters: Any) -> RemovalResult:
    given = parameters if {"sid", "ad_connector_account_name"} & set(parameters) else {
        "ad_connector_account_dn": CONNECTOR_DN, **parameters
    }  # fmt: skip
    return adsyncconfig.remove_adsync_permissions(directory, **given)


def plant(directory: Directory, dn: str, *aces: Ace) -> None:
    """Put entries in front of an object's list."""
    descriptor = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()
    assert descriptor.dacl is not None
    directory.write_dacl(dn, descriptor.with_dacl((*aces, *descriptor.dacl)))


def plant_everywhere(directory: Directory, sid: str = CONNECTOR_SID) -> list[str]:
    """Entries of each kind on the domain, an OU and a hostile OU; the DNs."""
    trustee = Sid.from_string(sid)
    dns = [DOMAIN, OU, HOSTILE_OUS[0]]
    for dn in dns:
        plant(
            directory, dn, Ace.deny(trustee, 0x20), Ace.allow(trustee, 0x30, flags=CI), Ace.allow(trustee, 4)
        )
    return dns


def descriptors(directory: Directory) -> dict[str, SecurityDescriptor]:
    found = directory.search(DOMAIN, EVERYTHING, ["nTSecurityDescriptor"])
    return {entry.dn: entry.security_descriptor() for entry in found}


def holders(directory: Directory, sid: str = CONNECTOR_SID) -> list[str]:
    """The objects of the domain with an entry, inherited ones too, of the SID."""
    return [
        dn
        for dn, each in descriptors(directory).items()
        if any(str(ace.sid) == sid for ace in each.dacl or ())
    ]


def test_every_entry_goes_what_allows_what_denies_and_what_is_inherited_from_them(either: Directory) -> None:
    before = descriptors(either)
    dns = plant_everywhere(either)
    assert len(holders(either)) > 50

    result = remove(either, search_base=DOMAIN)

    assert {change.dn: change.status for change in result.changes} == dict.fromkeys(dns, "applied")
    for change in result.changes:
        assert change.operation == "Remove permissions"
        assert change.added == ()
        assert [ace_to_sddl(ace) for ace in change.removed] == [
            f"(D;;WP;;;{CONNECTOR_SID})",
            f"(A;CI;RPWP;;;{CONNECTOR_SID})",
            f"(A;;LC;;;{CONNECTOR_SID})",
        ]
    assert holders(either) == []
    assert descriptors(either) == before
    assert (result.read, result.unreadable, result.exit_code) == (len(before), (), 0)
    again = remove(either, search_base=DOMAIN)
    assert (again.changes, again.read) == ((), len(before))


def test_only_the_search_base_and_what_is_below_it(either: Directory) -> None:
    plant_everywhere(either)
    group = f"CN=Team Deep,OU=Nested,{OU}"
    before = either.get(group, ["nTSecurityDescriptor"]).security_descriptor()
    plant(either, group, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x10))
    try:
        result = remove(either, search_base=OU)
        assert [change.dn for change in result.changes] == [OU, group]
        # The entries of the domain stay, and are inherited.
        deep = either.get(group, ["nTSecurityDescriptor"]).security_descriptor()
        assert all(ace.is_inherited for ace in deep.dacl or () if str(ace.sid) == CONNECTOR_SID)
        assert DOMAIN in holders(either)
    finally:
        either.write_dacl(group, before)


def test_the_entries_of_others_stay_as_they_are(either: Directory) -> None:
    other = Ace.allow(Sid.from_string(f"{CONTOSO.sid}-1103"), 0x30, flags=CI)
    plant(either, OU, other)
    before = descriptors(either)
    plant(either, OU, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30, flags=CI))
    remove(either, search_base=OU)
    assert descriptors(either) == before


@pytest.mark.parametrize("dn", HOSTILE_OUS)
def test_names_that_need_escaping_work_as_search_base(either: Directory, dn: str) -> None:
    plant(either, dn, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    assert [change.dn for change in remove(either, search_base=dn).changes] == [dn]


def test_what_was_granted_is_taken_away_on_the_whole_forest(
    contoso: DomainController, directory: Any
) -> None:
    before = descriptors(directory)
    configuration = directory.root.configuration_naming_context
    services = f"CN=Services,{configuration}"
    kept = directory.get(services, ["nTSecurityDescriptor"]).security_descriptor()
    adsyncconfig.set_adsync_password_hash_sync_permissions(directory, ad_connector_account_dn=CONNECTOR_DN)
    adsyncconfig.set_adsync_unified_group_writeback_permissions(
        directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU
    )
    plant(directory, services, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    try:
        result = remove(directory)
        assert [change.dn for change in result.changes] == [DOMAIN, OU, services]
        assert descriptors(directory) == before
        # The configuration and the schema were read too.
        assert result.read > len(before) + 1500
        assert directory.get(services, ["nTSecurityDescriptor"]).security_descriptor() == kept
    finally:
        directory.write_dacl(services, kept)


def test_a_sid_that_nobody_has(either: Directory) -> None:
    plant(either, OU, Ace.allow(Sid.from_string(NOBODY), 0x30))
    for spelling in (NOBODY.lower(), f" {NOBODY} "):
        planned = remove(either, sid=spelling, search_base=DOMAIN, what_if=True)
        assert [change.status for change in planned.changes] == ["planned"]
    result = remove(either, sid=NOBODY, search_base="contoso.example")
    assert [change.dn for change in result.changes] == [OU]
    assert result.account is not None
    assert (str(result.account.sid), result.account.name) == (NOBODY, NOBODY)
    assert holders(either, NOBODY) == []


def test_the_sid_of_an_account_that_is_there(either: Directory) -> None:
    plant(either, OU, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    result = remove(either, sid=CONNECTOR_SID, search_base=OU)
    assert result.account == adsyncconfig.Principal(CONNECTOR_DN, Sid.from_string(CONNECTOR_SID), CONNECTOR)
    assert len(result.changes) == 1


def test_a_name_and_a_domain(either: Directory) -> None:
    plant(either, OU, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    result = remove(
        either, ad_connector_account_name=CONNECTOR, ad_connector_account_domain="CONTOSO", search_base=OU
    )
    assert len(result.changes) == 1


REFUSED = [
    *(
        ({"sid": sid}, UnsafePlan, why)
        for sid, why in (
            ("S-1-1-0", "it is Everyone"),
            ("S-1-5-10", r"it is NT AUTHORITY\\SELF"),
            ("S-1-5-11", r"it is NT AUTHORITY\\Authenticated Users"),
            ("S-1-5-18", r"it is NT AUTHORITY\\SYSTEM"),
            ("S-1-5-32-544", r"it is BUILTIN\\Administrators"),
            ("S-1-5-32-999", "no SID of a domain's account"),
            ("S-1-5-80-1-2-3-4-5", "no SID of a domain's account"),
            (CONTOSO.sid, "the SID of a domain"),
            (f"{CONTOSO.sid}-512", "RID 512 belongs to an account or group that Windows makes"),
            (f"{CONTOSO.sid}-500", "RID 500"),
            ("S-1-5-21-1-2-3-519", "RID 519"),
        )
    ),
    ({"ad_connector_account_dn": f"CN=Domain Admins,CN=Users,{DOMAIN}"}, UnsafePlan, "RID 512"),
    ({"ad_connector_account_dn": f"CN=Engineers,OU=Groups,{DOMAIN}"}, UnsafePlan, "engineers: it is a group"),
    (
        {"ad_connector_account_dn": f"CN=DC1,OU=Domain Controllers,{DOMAIN}"},
        UnsafePlan,
        "critical|domain controller",
    ),
    ({"ad_connector_account_dn": OU}, UnknownName, "has no SID"),
    ({"ad_connector_account_dn": f"CN=Gone,{OU}"}, UnknownName, "no account 'CN=Gone"),
    ({"ad_connector_account_dn": "x"}, ParameterError, "no distinguished name"),
    ({"ad_connector_account_dn": CONNECTOR_DN, "sid": CONNECTOR_SID}, ParameterError, "either -Sid"),
    ({"ad_connector_account_name": CONNECTOR}, ParameterError, "-ADConnectorAccountDomain"),
    (
        {"ad_connector_account_name": AMBIGUOUS_NAME, "ad_connector_account_domain": "contoso"},
        UnknownName,
        "names 2 accounts",
    ),
    ({}, ParameterError, "name the account"),
    ({"sid": "S-1-5-21"}, UnsafePlan, "no SID of a domain's account"),
    ({"sid": "DA"}, ParameterError, "-Sid 'DA' is no SID"),
    ({"sid": "S-1-5-21-1-2-3-1104-"}, ParameterError, "is no SID"),
    (
        {"ad_connector_account_dn": CONNECTOR_DN, "search_base": "Writeback"},
        UnknownName,
        "no domain 'Writeback'",
    ),
    (
        {"ad_connector_account_dn": CONNECTOR_DN, "search_base": f"OU=Gone,{OU}"},
        UnknownName,
        "no object 'OU=Gone",
    ),
    (
        {"ad_connector_account_dn": CONNECTOR_DN, "search_base": "OU=X,DC=fabrikam,DC=example"},
        UnknownName,
        "in no domain of this forest",
    ),
]


@pytest.mark.parametrize(("parameters", "error", "pattern"), REFUSED)
def test_what_is_refused_changes_nothing_also_with_force(
    snapshot_file: Path, parameters: dict[str, Any], error: type[Exception], pattern: str
) -> None:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    plant(directory, OU, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    before = snapshot_file.read_bytes()
    for force in (False, True):
        with pytest.raises(error, match=pattern):
            adsyncconfig.remove_adsync_permissions(directory, **parameters, force=force)
    assert snapshot_file.read_bytes() == before


def test_a_domain_controller_is_refused_also_where_nothing_marks_it(snapshot_file: Path) -> None:
    def unmark(record: dict[str, Any]) -> None:
        record["attributes"].pop("iscriticalsystemobject", None)
        record["attributes"]["useraccountcontrol"] = ["532480"]

    dn = f"CN=DC1,OU=Domain Controllers,{DOMAIN}"
    edit_entry(snapshot_file, dn, unmark)
    with pytest.raises(UnsafePlan, match="it is a domain controller"):
        adsyncconfig.remove_adsync_permissions(
            adsyncconfig.open_snapshot(snapshot_file), ad_connector_account_dn=dn
        )


def test_the_callers_own_account_is_refused(contoso: DomainController) -> None:
    with (
        live(contoso, f"helpdesk@{contoso.realm}") as directory,
        pytest.raises(UnsafePlan, match="your own account"),
    ):
        adsyncconfig.remove_adsync_permissions(
            directory, ad_connector_account_dn=f"CN=helpdesk,OU=Users Synced,{DOMAIN}", what_if=True
        )


@pytest.mark.usefixtures("permissions_restored")
def test_what_may_not_be_read_is_reported_and_never_taken_for_clean(
    contoso: DomainController, administrator: Any, directory: Any
) -> None:
    plant(directory, OU, Ace.deny(Sid.AUTHENTICATED_USERS, AccessMask.READ_CONTROL))
    plant(directory, HOSTILE_OUS[0], Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    with live(contoso, f"helpdesk@{contoso.realm}") as helpdesk:
        result = remove(helpdesk, search_base=DOMAIN, what_if=True)
    assert [change.dn for change in result.changes] == [HOSTILE_OUS[0]]
    assert result.exit_code == 3
    # Parts of CN=System are closed to helpdesk anyway.
    assert OU in result.unreadable
    assert result.to_json()["unreadable"] == list(result.unreadable)
    (warning,) = result.warnings
    start = f"{len(result.unreadable)} objects are not readable, and may hold permissions of {CONNECTOR}: '"
    assert warning.startswith(start)


def test_what_is_malformed_is_reported_and_the_rest_is_done(snapshot_file: Path) -> None:
    nested, green, blue = f"OU=Nested,{OU}", f"CN=Team Green,{OU}", f"CN=Team Blue,{OU}"
    directory = adsyncconfig.open_snapshot(snapshot_file)
    for dn in (blue, green):
        plant(directory, dn, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    edit_entry(snapshot_file, nested, lambda record: record.update(descriptor=None))
    raw = directory.get(green, ["nTSecurityDescriptor"]).security_descriptor().to_bytes()
    replace_descriptor(snapshot_file, green, raw[:-2])
    result = remove(adsyncconfig.open_snapshot(snapshot_file), search_base=OU)
    assert [(change.dn, change.status) for change in result.changes] == [(blue, "applied")]
    assert sorted(result.unreadable) == sorted([nested, green])
    assert result.exit_code == 4


@pytest.mark.usefixtures("permissions_restored")
def test_a_write_that_is_refused_does_not_stop_the_others(contoso: DomainController, directory: Any) -> None:
    helpdesk = directory.get(f"CN=helpdesk,OU=Users Synced,{DOMAIN}", ["objectSid"]).sid()
    plant(directory, OU, Ace.allow(helpdesk, AccessMask.WRITE_DAC | AccessMask.READ_CONTROL))
    for dn in (HOSTILE_OUS[0], OU):
        plant(directory, dn, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
    with (
        live(contoso, f"helpdesk@{contoso.realm}") as caller,
        pytest.raises(adsyncconfig.PartialApply) as raised,
    ):
        remove(caller, search_base=DOMAIN)
    result = raised.value.result
    assert isinstance(result, RemovalResult)
    assert {change.dn: change.status for change in result.changes} == {
        HOSTILE_OUS[0]: "failed",
        OU: "applied",
    }
    assert result.read > 50


@pytest.mark.usefixtures("permissions_restored")
def test_what_the_account_owns_is_named_and_left(
    directory: Any, contoso: DomainController, connect_as: ConnectAs
) -> None:
    adsyncconfig.set_adsync_unified_group_writeback_permissions(
        directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU
    )
    connector = connect_as(contoso, CONNECTOR)
    groups = [f"CN=Owned {number:02},{OU}" for number in range(12)]
    for dn in groups:
        assert trying.create_group(connector, dn) == trying.SUCCESS
    try:
        result = remove(directory, search_base=DOMAIN)
        assert set(result.owned) == set(groups)
        (warning,) = result.warnings
        assert warning.startswith(f"12 objects are owned by {CONNECTOR}")
        assert warning.endswith(" and 2 more")
        assert warning.count(f",{OU}'") == 10
        owner = directory.get(groups[0], ["nTSecurityDescriptor"]).security_descriptor().owner
        assert str(owner) == CONNECTOR_SID
    finally:
        administrator = connect_as(contoso, contoso.administrator)
        for dn in groups:
            assert trying.delete(administrator, dn) == trying.SUCCESS


def test_a_successor_with_the_sid_in_its_history_is_warned_of(snapshot_file: Path) -> None:
    dn = f"CN=User One,OU=Users Synced,{DOMAIN}"
    edit_entry(snapshot_file, dn, lambda record: record["attributes"].update(sidhistory=[NOBODY]))
    directory = adsyncconfig.open_snapshot(snapshot_file)
    result = remove(directory, sid=NOBODY, search_base=OU, what_if=True)
    assert result.warnings == (
        f"'{dn}' has {NOBODY} in its sIDHistory, and so uses the permissions that are taken away",
    )


def test_progress_is_told(snapshot_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsyncconfig.bearers._PROGRESS", 2)
    told: list[str] = []
    remove(adsyncconfig.open_snapshot(snapshot_file), search_base=OU, notify=told.append)
    assert told == [f"{seen} objects looked at, the last one below '{OU}'." for seen in (2, 4)]


def test_each_object_is_asked_about(either: Directory) -> None:
    dns = plant_everywhere(either)
    asked: list[str] = []

    def only_the_ou(change: Any) -> bool:
        asked.append(change.dn)
        return bool(change.dn == OU)

    result = remove(either, search_base=DOMAIN, confirm=only_the_ou)
    assert asked == [change.dn for change in result.changes]
    assert {change.dn: change.status for change in result.changes} == {
        dn: "applied" if dn == OU else "declined" for dn in dns
    }


@pytest.mark.usefixtures("forest_restored")
def test_both_domains_of_a_forest(forest: Forest) -> None:
    child_ou = f"OU=Writeback,{forest.child.base_dn}"
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        child = directory.for_domain(forest.child.realm)
        for where, dn in ((directory, OU), (child, child_ou)):
            plant(where, dn, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
            plant(where, dn, Ace.allow(Sid.from_string(NOBODY), 0x30))
        result = remove(directory)
        assert [(change.dn, change.controller) for change in result.changes] == [
            (OU, forest.root.host_name),
            (child_ou, forest.child.host_name),
        ]
        only = remove(directory, sid=NOBODY, search_base="EMEA")
        assert [change.dn for change in only.changes] == [child_ou]
        # An account of the other domain, found there by its SID.
        emea = child.get(f"CN=User Emea,CN=Users,{forest.child.base_dn}", ["objectSid"]).sid()
        assert emea is not None
        planned = remove(directory, sid=str(emea), search_base=OU, what_if=True)
        assert planned.account is not None
        assert planned.account.name == "user-emea"


def test_a_domain_that_cannot_be_reached_stops_before_anything_is_written(
    forest: Forest, connect_as: ConnectAs
) -> None:
    administrator = connect_as(forest.root, forest.root.administrator)
    before = trying.read_descriptor(administrator, OU)
    with live(forest.root, servers={forest.child.realm: "ldaps://127.0.0.1:1"}) as directory:
        plant(directory, OU, Ace.allow(Sid.from_string(CONNECTOR_SID), 0x30))
        with pytest.raises(adsyncconfig.Unreachable, match=r"emea\.contoso\.example"):
            remove(directory)
        assert any(str(ace.sid) == CONNECTOR_SID for ace in descriptors(directory)[OU].dacl or ())
    assert trying.write_dacl(administrator, OU, before) == trying.SUCCESS


# -- as a command --------------------------------------------------------------------------------------------


@pytest.fixture
def planted(snapshot_file: Path) -> Path:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    plant_everywhere(directory)
    return snapshot_file


def test_what_if_lists_each_object_and_leaves_the_file_alone(planted: Path) -> None:
    before = planted.read_bytes()
    done = run(
        "-ADConnectorAccountDN",
        CONNECTOR_DN,
        "-SearchBase",
        DOMAIN,
        "-WhatIf",
        "--snapshot",
        str(planted),
        cmdlet=CMDLET,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert f'What if: Performing the operation "Remove permissions" on target "{OU}".' in lines
    assert f"    - (D;;WP;;;{CONNECTOR_SID})" in lines
    assert lines[-1] == f"{CONNECTOR} ({CONNECTOR_SID}): 3 to change."
    assert lines[-2].endswith(" objects read, 3 with explicit entries, 0 not readable.")
    assert planted.read_bytes() == before


def test_json_and_the_second_run(planted: Path) -> None:
    arguments = ("-Sid", CONNECTOR_SID, "-SearchBase", "contoso", NO_PROMPT, "--snapshot", str(planted))
    first = run(*arguments, "--json", cmdlet=CMDLET)
    assert first.returncode == 0
    document = json.loads(first.stdout)
    assert document["cmdlet"] == CMDLET
    assert document["account"] == {"dn": CONNECTOR_DN, "sid": CONNECTOR_SID, "name": CONNECTOR}
    assert [change["status"] for change in document["changes"]] == ["applied"] * 3
    assert (document["unreadable"], document["owned"]) == ([], [])
    second = run(*arguments, cmdlet=CMDLET)
    assert second.returncode == 0
    assert second.stdout.splitlines()[-1] == f"{CONNECTOR} ({CONNECTOR_SID}): nothing to do."


def test_yes_to_all_and_no_to_all(planted: Path) -> None:
    line = f'{CMDLET} -ADConnectorAccountDN "$account" -SearchBase CONTOSO --snapshot "$file"'
    env = {**environment(), "account": CONNECTOR_DN, "file": str(planted)}
    code, written = on_a_terminal(line, ["L"], env)
    assert (code, "3 declined" in written) == (0, True)
    code, written = on_a_terminal(line, ["Y", "A"], env)
    assert (code, "3 changed" in written) == (0, True), written
    assert written.count("Are you sure you want to perform this action?") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        (["-Sid", "S-1-5-18"], 1, r"it is NT AUTHORITY\\SYSTEM; its permissions are never taken away"),
        (["-Sid", f"{CONTOSO.sid}-512", "-Force"], 1, "RID 512"),
        (["-Sid", "Everyone"], 2, "-Sid 'Everyone' is no SID"),
        (["-Sid", ""], 2, "'Sid'.*empty"),
        (["-Sid", CONNECTOR_SID, "-ADConnectorAccountDN", CONNECTOR_DN], 2, "either -Sid"),
        ([], 2, "name the account"),
        (["-ADConnectorAccountDN", CONNECTOR_DN, "-SearchBase", ""], 2, "'SearchBase'.*empty"),
        (["-ADConnectorAccountDN", CONNECTOR_DN, "-SearchBase", "OU=X"], 1, "in no domain of this forest"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    planted: Path, arguments: list[str], code: int, pattern: str
) -> None:
    before = planted.read_bytes()
    done = run(*arguments, NO_PROMPT, "--snapshot", str(planted), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert planted.read_bytes() == before


@pytest.mark.usefixtures("permissions_restored")
def test_the_command_on_the_controller_can_be_undone(
    contoso: DomainController, directory: Any, administrator: Any, tmp_path: Path
) -> None:
    plant_everywhere(directory)
    before = {dn: trying.read_descriptor(administrator, dn) for dn in (DOMAIN, OU, HOSTILE_OUS[0])}
    journal = tmp_path / "journal.jsonl"
    env = connection(contoso)
    done = run(
        "-ADConnectorAccountDN", CONNECTOR_DN, "-SearchBase", DOMAIN, NO_PROMPT, "--journal", str(journal),
        env=env, cmdlet=CMDLET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert holders(directory) == []
    undone = run("-JournalPath", str(journal), NO_PROMPT, env=env, cmdlet="Undo-ADSyncPermissions")
    assert undone.returncode == 0, undone.stderr
    assert {dn: trying.read_descriptor(administrator, dn) for dn in before} == before
