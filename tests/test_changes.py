"""Changes of an owner and of values: planned, written, kept in files and undone as those of a DACL are."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from contoso_directory import CONNECTOR_SID
from expectations import FIXTURES, GROUP_WRITEBACK, expected_aces
from ldap_proxy import LdapProxy
from samba_lab import CONTOSO, DomainController

import adsyncconfig
from acl import Control, SecurityDescriptor, Sid
from acl.sddl import ace_to_sddl
from adsyncconfig import Conflict, Directory, JournalError, PlanFileError, SetResult, record
from adsyncconfig.directory import Scope
from adsyncconfig.filters import EVERYTHING, Equals
from adsyncconfig.journal import read_journal
from adsyncconfig.live import LiveDirectory
from adsyncconfig.plan import AnyChange, Change, PasswordChange, Standing, ValueChange
from adsyncconfig.plan_file import Plan, read_plan
from adsyncconfig.plan_formats import as_dsacls, as_ldif
from adsyncconfig.running import RunParameters, finish
from adsyncconfig.standing import standing

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
GROUP = f"CN=Engineers,OU=Groups,{DOMAIN}"
MEMBER = f"CN=User Two,OU=Users Synced,{DOMAIN}"
OTHER = f"CN=User One,OU=Users Synced,{DOMAIN}"
HOSTILE = rf"CN=Synk\, Återskrivning (EU*) \\ test,OU=Users Synced,{DOMAIN}"
ADMINISTRATORS = Sid.BUILTIN_ADMINISTRATORS
DOMAIN_ADMINS = Sid.from_string(f"{CONTOSO.sid}-512")

LEAVES = ValueChange("Remove member", CONTOSO.realm, GROUP, "Engineers", "member", remove=(MEMBER,))


def descriptor_of(directory: Directory, dn: str = OU) -> SecurityDescriptor:
    return directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()


def comparable(descriptor: SecurityDescriptor) -> tuple[object, ...]:
    """What counts of a descriptor: neither the order of its parts in memory, nor that its owner was a default."""
    control = descriptor.control.without(Control.OWNER_DEFAULTED)
    return descriptor.owner, descriptor.group, control, descriptor.dacl


def members(directory: Directory) -> set[str]:
    return set(directory.get(GROUP, ["member"]).values("member"))


def owned_by(directory: Directory, owner: Sid) -> Change:
    before = descriptor_of(directory)
    return Change("Set owner", CONTOSO.realm, OU, "Writeback", before, replace(before, owner=owner))


def run(directory: Directory, change: AnyChange, **more: Any) -> SetResult:
    parameters = cast("RunParameters", more)
    return finish("Test", None, [change], warnings=(), directory=directory, run=parameters)


def undo(directory: Directory, journal: Path, **more: Any) -> SetResult:
    return adsyncconfig.undo_adsync_permissions(directory, journal_path=journal, **more)


def statuses(result: SetResult) -> list[str]:
    return [change.status for change in result.changes]


@pytest.fixture
def put_back(either: Directory) -> Any:
    """The group and the owner as they were, whatever a test did to them."""
    owner, there = descriptor_of(either).owner, members(either)
    yield either
    if descriptor_of(either).owner != owner and owner is not None:
        either.write_owner(OU, owner)
    now = members(either)
    if now != there:
        either.modify_values(GROUP, "member", add=sorted(there - now), remove=sorted(now - there))


# -- what the directory promises -----------------------------------------------------------------------------


def test_an_owner_is_written_alone(put_back: Directory) -> None:
    before = descriptor_of(put_back)
    put_back.write_owner(OU, ADMINISTRATORS)
    after = descriptor_of(put_back)
    assert (before.owner, after.owner) == (DOMAIN_ADMINS, ADMINISTRATORS)
    assert comparable(after) == comparable(replace(before, owner=ADMINISTRATORS))


def test_values_come_and_go_and_the_others_stay(put_back: Directory) -> None:
    put_back.modify_values(GROUP, "member", add=[OTHER, HOSTILE])
    assert members(put_back) == {MEMBER, OTHER, HOSTILE}
    put_back.modify_values(GROUP, "member", add=[], remove=[MEMBER, HOSTILE])
    assert members(put_back) == {OTHER}
    put_back.modify_values(GROUP, "member", remove=[OTHER])
    assert members(put_back) == set()


def test_a_search_of_the_base_alone_finds_nothing_below(either: Directory) -> None:
    assert [each.dn for each in either.search(OU, EVERYTHING, ["name"], scope=Scope.BASE)] == [OU]
    assert not list(either.search(OU, Equals("name", "Team Blue"), ["name"], scope=Scope.BASE))


def test_groups_in_a_snapshot_follow_their_members(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        engineers = directory.get(GROUP, ["objectSid"]).sid()
        assert engineers is not None
        for there in (True, False):
            raw = directory.get(MEMBER, ["tokenGroups"]).attributes["tokengroups"]
            assert (engineers.to_bytes() in raw) is there
            if there:
                directory.modify_values(GROUP, "member", remove=[MEMBER])


# -- written, and undone -------------------------------------------------------------------------------------


def test_a_member_is_taken_out_and_undo_puts_it_back(put_back: Directory, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    result = run(put_back, LEAVES, journal=journal)
    assert statuses(result) == ["applied"]
    assert members(put_back) == set()
    assert result.changes[0].to_json()["values"] == {"attribute": "member", "added": [], "removed": [MEMBER]}

    undone = undo(put_back, journal)
    assert statuses(undone) == ["applied"]
    assert undone.changes[0].operation == "Undo Remove member"
    assert members(put_back) == {MEMBER}
    assert statuses(undo(put_back, journal)) == ["unchanged"]


def test_an_owner_is_set_and_undo_puts_it_back(put_back: Directory, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    before = descriptor_of(put_back)
    result = run(put_back, owned_by(put_back, ADMINISTRATORS), journal=journal)
    assert statuses(result) == ["applied"]
    assert descriptor_of(put_back).owner == ADMINISTRATORS
    said = {"before": str(DOMAIN_ADMINS), "after": "S-1-5-32-544"}
    assert result.changes[0].to_json()["owner"] == said

    undone = undo(put_back, journal)
    assert statuses(undone) == ["applied"]
    assert comparable(descriptor_of(put_back)) == comparable(before)


def test_undoing_an_owner_leaves_the_dacl_that_somebody_else_changed(
    put_back: Directory, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    run(put_back, owned_by(put_back, ADMINISTRATORS), journal=journal)
    adsyncconfig.set_adsync_unified_group_writeback_permissions(
        put_back, ad_connector_account_dn=f"CN=MSOL_0123456789ab,CN=Users,{DOMAIN}", ad_object_dn=OU
    )
    granted = descriptor_of(put_back)
    assert statuses(undo(put_back, journal)) == ["applied"]
    assert descriptor_of(put_back) == replace(granted, owner=DOMAIN_ADMINS)


def test_an_owner_that_somebody_else_set_since_is_theirs(put_back: Directory, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    run(put_back, owned_by(put_back, ADMINISTRATORS), journal=journal)
    theirs = Sid.from_string(f"{CONTOSO.sid}-519")
    put_back.write_owner(OU, theirs)
    with pytest.raises(Conflict, match=rf"the owner is {theirs}, not S-1-5-32-544"):
        undo(put_back, journal)
    undo(put_back, journal, force=True)
    assert descriptor_of(put_back).owner == theirs


def test_what_somebody_else_did_since_it_was_read_is_a_conflict(put_back: Directory) -> None:
    change = owned_by(put_back, ADMINISTRATORS)
    put_back.write_owner(OU, Sid.from_string(f"{CONTOSO.sid}-519"))
    with pytest.raises(Conflict, match=r"the owner is .*-519, not .*-512.*run again"):
        run(put_back, change)
    put_back.modify_values(GROUP, "member", remove=[MEMBER])
    with pytest.raises(Conflict, match=rf"member: -{MEMBER}\); nothing was written there"):
        run(put_back, LEAVES)


def test_what_if_writes_nothing(put_back: Directory) -> None:
    assert statuses(run(put_back, LEAVES, what_if=True)) == ["planned"]
    assert statuses(run(put_back, owned_by(put_back, ADMINISTRATORS), what_if=True)) == ["planned"]
    assert members(put_back) == {MEMBER}
    assert descriptor_of(put_back).owner == DOMAIN_ADMINS


def test_what_a_change_is_about_is_asked_of_the_object_itself(put_back: Directory) -> None:
    assert standing(LEAVES, put_back).values == {MEMBER}
    assert standing(replace(LEAVES, remove=(OTHER,)), put_back).values == frozenset()


@pytest.mark.parametrize(
    ("now", "is_before", "is_after"),
    [
        ({"old"}, True, False),
        ({"new"}, False, True),
        ({"old", "new"}, False, False),
        (set(), False, False),
    ],
)
def test_values_are_before_or_after_or_neither(
    now: set[str],
    is_before: bool,
    is_after: bool,
) -> None:
    change = ValueChange("Test", "d", OU, "l", "description", add=("new",), remove=("old",))
    there = Standing(values=frozenset(now))
    assert (change.is_before(there), change.is_after(there)) == (is_before, is_after)


class LosesAnAnswer(LdapProxy):
    """Passes a modify request on, and ends the connection before its answer, the first time."""

    lost = False

    def forward(self, sink: ssl.SSLSocket, data: bytes, *, from_client: bool) -> None:
        if not from_client and not self.lost and "modifyRequest" in self.operations:
            self.lost = True
            raise ConnectionError
        super().forward(sink, data, from_client=from_client)


@pytest.mark.parametrize("what", ["a member", "an owner", "a password"])
def test_a_write_whose_answer_got_lost_is_looked_for_and_not_made_twice(
    contoso: DomainController, directory: LiveDirectory, what: str
) -> None:
    account = f"CN=Sync Service,OU=Users Synced,{DOMAIN}"
    before = directory.get(account, ["pwdLastSet"]).text("pwdLastSet") or ""
    changes: dict[str, AnyChange] = {
        "a member": LEAVES,
        "an owner": owned_by(directory, ADMINISTRATORS),
        "a password": PasswordChange("Set password", CONTOSO.realm, account, "svc", before, contoso.password),
    }
    change = changes[what]
    try:
        with (
            LosesAnAnswer(contoso) as proxy,
            adsyncconfig.connect(
                proxy.url, user=contoso.administrator, password=contoso.password, ca_file=contoso.ca_file
            ) as cut,
        ):
            result = run(cut, change)
        assert statuses(result) == ["applied"]
        assert (proxy.lost, proxy.operations.count("modifyRequest")) == (True, 1)
        assert change.is_after(standing(change, directory))
    finally:
        if what == "a member":
            directory.modify_values(GROUP, "member", add=[MEMBER])
        elif what == "an owner":
            directory.write_owner(OU, DOMAIN_ADMINS)


# -- kept in files -------------------------------------------------------------------------------------------


def test_a_plan_of_them_is_applied_or_refused(put_back: Directory, tmp_path: Path) -> None:
    changes: list[AnyChange] = [LEAVES, owned_by(put_back, ADMINISTRATORS)]
    for number, change in enumerate(changes):
        path = tmp_path / f"plan-{number}.json"
        run(put_back, change, what_if=True, plan_out=path)
        assert json.loads(path.read_text())["version"] == 2
        assert read_plan(path).changes == (change,)
        assert statuses(adsyncconfig.invoke_adsync_plan(put_back, path=path)) == ["applied"]
        assert statuses(adsyncconfig.invoke_adsync_plan(put_back, path=path)) == ["unchanged"]
    put_back.write_owner(OU, Sid.from_string(f"{CONTOSO.sid}-519"))
    with pytest.raises(Conflict, match=r"the owner is .*-519.*make a new plan"):
        adsyncconfig.invoke_adsync_plan(put_back, path=path)


def plan_of(*changes: AnyChange) -> Plan:
    forest = record.ForestIdentity(CONTOSO.realm, None)
    return Plan("Test", "2022-11-25T00:00:00+00:00", forest, None, changes)


def test_ldif_writes_the_owner_alone_and_values_by_themselves(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        text = as_ldif(plan_of(owned_by(directory, ADMINISTRATORS), replace(LEAVES, add=(HOSTILE,))))
    lines = text.replace("\n ", "").splitlines()
    # SD flags 1: a BER sequence of the integer 1.
    assert "control: 1.2.840.113556.1.4.801 true:: MAMCAQE=" in lines
    assert not any("MAMCAQQ=" in line for line in lines)
    start = lines.index(f"dn: {GROUP}")
    assert lines[start + 1 : start + 6] == [
        "changetype: modify",
        "delete: member",
        f"member: {MEMBER}",
        "-",
        "add: member",
    ]
    assert lines[start + 6].startswith("member:: ")


def test_dsacls_says_what_it_cannot_do(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        text = as_dsacls(plan_of(owned_by(directory, ADMINISTRATORS), LEAVES))
    commands = [line for line in text.splitlines() if line.startswith("dsacls ")]
    assert commands == []
    assert "rem not expressed: the owner becomes S-1-5-32-544; dsacls.exe sets no owner" in text
    assert f"rem not expressed: take away member {MEMBER}" in text


def test_files_of_version_1_are_read_as_ever(snapshot_file: Path, tmp_path: Path) -> None:
    # Both were written by the last program that knew no other version.
    plan, journal = (
        Path(shutil.copy(FIXTURES / "records" / name, tmp_path))
        for name in ("plan-1.json", "journal-1.jsonl")
    )
    granted = expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        before = comparable(descriptor_of(directory))
        assert statuses(adsyncconfig.invoke_adsync_plan(directory, path=plan)) == ["applied"]
        there = [ace_to_sddl(ace) for ace in descriptor_of(directory).dacl or ()]
        assert set(granted) <= set(there)
        assert statuses(undo(directory, journal)) == ["applied"]
        assert comparable(descriptor_of(directory)) == before


def test_what_version_1_can_hold_is_written_as_version_1(snapshot_file: Path, tmp_path: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory,
            ad_connector_account_dn=f"CN=MSOL_0123456789ab,CN=Users,{DOMAIN}",
            ad_object_dn=OU,
            plan_out=tmp_path / "plan.json",
            journal=tmp_path / "journal.jsonl",
        )
    first = (tmp_path / "journal.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["version"] == json.loads((tmp_path / "plan.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda change: {**change, "writes": "colour"}, "writes 'colour', which nothing here does"),
        (lambda change: {**change, "remove": ["x", 7]}, "a value is no text"),
        (lambda change: {**change, "attribute": ""}, "attribute is no text"),
        (lambda change: {key: value for key, value in change.items() if key != "writes"}, "damaged"),
    ],
)
def test_a_file_that_fits_its_digest_and_makes_no_sense_is_refused(
    snapshot_file: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    path = tmp_path / "plan.json"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, LEAVES, what_if=True, plan_out=path)
        content = json.loads(path.read_text())
        content["changes"] = [edit(content["changes"][0])]
        path.write_text(json.dumps({**content, "digest": record.digest(content)}))
        with pytest.raises(PlanFileError, match=said):
            adsyncconfig.invoke_adsync_plan(directory, path=path)


def test_an_owner_in_a_file_that_does_not_say_so_is_refused(snapshot_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, owned_by(directory, ADMINISTRATORS), what_if=True, plan_out=path)
        content = json.loads(path.read_text())
        del content["changes"][0]["writes"]
        path.write_text(json.dumps({**content, "digest": record.digest(content)}))
        with pytest.raises(PlanFileError, match=r"the owners of .* do not fit"):
            adsyncconfig.invoke_adsync_plan(directory, path=path)


def test_a_journal_of_a_later_version_is_refused(tmp_path: Path, snapshot_file: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, LEAVES, journal=journal)
        assert json.loads(journal.read_text().splitlines()[0])["version"] == 2
        assert [each.change for each in read_journal(journal).changes] == [LEAVES]
        journal.write_text(journal.read_text().replace('"version": 2', '"version": 3', 1))
        with pytest.raises(JournalError, match="version 3"):
            undo(directory, journal)
