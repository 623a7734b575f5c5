"""Journals: what they hold, when there is one, and what is refused of one that is not whole."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from pytest_mock import MockerFixture
from samba_lab import CONTOSO
from test_commands import NO_PROMPT, assert_one_line_error, environment, on_a_terminal
from test_commands import run as run_command

import adsyncconfig
from acl import Ace, SecurityDescriptor, Sid
from adsyncconfig import JournalError, PartialApply, SetResult, record
from adsyncconfig.journal import default_journal, read_journal
from adsyncconfig.plan import Change, same_permissions
from adsyncconfig.record import ForestIdentity

DOMAIN = "DC=contoso,DC=example"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
OU = f"OU=Writeback,{DOMAIN}"
UNDO = "Undo-ADSyncPermissions"


def grant(path: Path, **parameters: Any) -> SetResult:
    """Two changes, on the domain's root and on AdminSDHolder, unless an object is named."""
    with adsyncconfig.open_snapshot(path) as directory:
        return adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory,
            ad_connector_account_dn=CONNECTOR_DN,
            include_admin_sd_holders="ad_object_dn" not in parameters,
            force=True,
            **parameters,
        )


def undo(path: Path, journal_path: Path, **parameters: Any) -> SetResult:
    with adsyncconfig.open_snapshot(path) as directory:
        return adsyncconfig.undo_adsync_permissions(directory, journal_path=journal_path, **parameters)


def descriptors(path: Path, *dns: str) -> list[SecurityDescriptor]:
    with adsyncconfig.open_snapshot(path) as directory:
        return [directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor() for dn in dns]


def dacls(path: Path) -> list[bytes]:
    """The DACLs of both objects, byte for byte."""
    return [each.dacl.to_bytes() for each in descriptors(path, DOMAIN, HOLDER) if each.dacl is not None]


def own(path: Path, *dns: str) -> list[list[Ace]]:
    """The entries of each object itself, not what the root's are inherited as."""
    return [[ace for ace in each.dacl or () if not ace.is_inherited] for each in descriptors(path, *dns)]


def lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def sealed(records: list[dict[str, Any]]) -> bytes:
    """Journal lines with digests that fit, as someone who knows how could make them."""
    previous, text = "", []
    for each in records:
        previous = record.digest(each, after=previous)
        text.append(json.dumps({**each, "digest": previous}))
    return ("\n".join(text) + "\n").encode()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def written(snapshot_file: Path, journal: Path) -> Path:
    """The journal of a run with two changes."""
    grant(snapshot_file, journal=journal)
    return journal


def test_the_first_line_says_who_when_where_and_holds_what_is_replaced(
    snapshot_file: Path, journal: Path
) -> None:
    before = descriptors(snapshot_file, DOMAIN, HOLDER)
    result = grant(snapshot_file, journal=journal)
    after = descriptors(snapshot_file, DOMAIN, HOLDER)

    assert result.journal == str(journal)
    assert result.to_json()["journal"] == str(journal)
    head, *steps = lines(journal)
    assert head["cmdlet"] == "Set-ADSyncUnifiedGroupWritebackPermissions"
    assert head["forest"] == {"rootDomain": "contoso.example", "sid": CONTOSO.sid}
    assert head["controller"] == "dc1.contoso.example"
    assert head["account"] == {"dn": CONNECTOR_DN, "sid": CONNECTOR_SID, "name": CONNECTOR}
    assert "@" in head["who"]["local"]
    assert head["who"]["directory"] is None  # nobody logs on to a file
    assert head["started"].endswith("+00:00")
    assert [each["dn"] for each in head["changes"]] == [DOMAIN, HOLDER]
    for change, was, became in zip(head["changes"], before, after, strict=True):
        assert SecurityDescriptor.from_sddl(change["before"]["sddl"]).dacl == was.dacl
        # What the root gains is inherited by the other, so only what is its own can be compared.
        after_sddl = SecurityDescriptor.from_sddl(change["after"]["sddl"])
        assert same_permissions(after_sddl, became)
    assert [(step.get("change"), step["step"]) for step in steps] == [
        (1, "writing"), (1, "written"), (2, "writing"), (2, "written"), (None, "ended"),
    ]  # fmt: skip
    recorded = read_journal(journal)
    assert [each.change.before for each in recorded.changes if isinstance(each.change, Change)] == before
    assert recorded.ended


def test_a_journal_is_its_owners_alone(written: Path) -> None:
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_the_head_is_on_the_disk_before_the_first_write(
    snapshot_file: Path, journal: Path, mocker: MockerFixture
) -> None:
    seen: list[list[str]] = []
    original = adsyncconfig.snapshot.SnapshotDirectory.write_dacl

    def looking(self: Any, dn: str, descriptor: SecurityDescriptor) -> None:
        seen.append([line.get("step", "head") for line in lines(journal)])
        original(self, dn, descriptor)

    mocker.patch("adsyncconfig.snapshot.SnapshotDirectory.write_dacl", looking)
    fsync = mocker.spy(os, "fsync")
    grant(snapshot_file, journal=journal)
    assert seen == [["head", "writing"], ["head", "writing", "written", "writing"]]
    assert fsync.call_count >= 6 + 2  # each line of the journal, and each saved snapshot


@pytest.mark.parametrize(
    "parameters", [{"what_if": True}, {"confirm": lambda _: False}], ids=["WhatIf", "declined"]
)
def test_a_run_that_writes_nothing_has_no_journal(
    snapshot_file: Path, journal: Path, parameters: dict[str, Any]
) -> None:
    assert grant(snapshot_file, journal=journal, **parameters).journal is None
    assert not journal.exists()


def test_a_run_with_nothing_to_do_has_no_journal(snapshot_file: Path, journal: Path) -> None:
    grant(snapshot_file)
    assert grant(snapshot_file, journal=journal).journal is None
    assert not journal.exists()


def test_a_library_call_keeps_a_journal_only_when_asked(snapshot_file: Path, state_folder: Path) -> None:
    there = set(state_folder.rglob("*.jsonl"))
    assert grant(snapshot_file).journal is None
    assert set(state_folder.rglob("*.jsonl")) == there


def test_default_names_sort_by_time_and_never_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    names = [default_journal("Set-X") for _ in range(50)]
    assert len(set(names)) == 50
    stamps = [path.name.partition("-")[0] for path in names]
    assert stamps == sorted(stamps)
    assert {path.parent for path in names} == {tmp_path / "adsyncconfig" / "journals"}
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # which the specification has ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_journal("Set-X").is_relative_to(tmp_path / "home" / ".local" / "state")


def test_a_folder_for_journals_is_made_for_its_owner_alone(
    snapshot_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = default_journal("Set-X")
    grant(snapshot_file, journal=path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


# -- where none can be written -------------------------------------------------------------------------------


def a_file(path: Path) -> None:
    path.write_text("precious")


def a_link(path: Path) -> None:
    path.symlink_to(path.with_name("target"))


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [a_file, a_link, a_folder])
def test_what_is_there_is_never_overwritten_nor_followed(
    snapshot_file: Path, journal: Path, make: Callable[[Path], None]
) -> None:
    make(journal)
    before = snapshot_file.read_bytes()
    with pytest.raises(JournalError, match=r"exists already, and is never overwritten"):
        grant(snapshot_file, journal=journal)
    assert snapshot_file.read_bytes() == before
    assert not journal.with_name("target").exists()
    if make is a_file:
        assert journal.read_text() == "precious"


def test_a_link_that_appears_at_the_last_moment_is_not_followed(snapshot_file: Path, journal: Path) -> None:
    before = snapshot_file.read_bytes()

    def meanwhile(change: object) -> bool:
        if not journal.is_symlink():
            a_link(journal)
        return True

    with pytest.raises(JournalError, match="exists already") as raised:
        grant(snapshot_file, journal=journal, confirm=meanwhile)
    assert snapshot_file.read_bytes() == before
    assert not journal.with_name("target").exists()
    assert raised.value.result is not None
    assert [change.status for change in raised.value.result.changes] == ["failed", "failed"]


@pytest.mark.parametrize("where", ["file/journal.jsonl", "nul\0.jsonl", "x" * 300, "/proc/journal.jsonl"])
def test_where_no_file_can_be_nothing_is_written(snapshot_file: Path, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    before = snapshot_file.read_bytes()
    with pytest.raises(JournalError, match="cannot create the journal"):
        grant(snapshot_file, journal=tmp_path / where)
    assert snapshot_file.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_named(snapshot_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(JournalError, match=r"may not write to '.*closed'.*--journal FILE"):
        grant(snapshot_file, journal=folder / "journal.jsonl")


# A disk can't be filled on purpose: one line of the journal meets ENOSPC, after half of it.
@pytest.mark.parametrize(
    ("at", "applied"),
    [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)],
    ids=["head", "writing1", "written1", "writing2", "written2"],
)
def test_a_full_disk_stops_the_run_before_what_could_not_be_undone(
    snapshot_file: Path, journal: Path, mocker: MockerFixture, at: int, applied: int
) -> None:
    start, before = dacls(snapshot_file), own(snapshot_file, DOMAIN, HOLDER)
    calls = 0
    original = record.write_all

    def failing(handle: int, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            os.write(handle, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle, data)

    mocker.patch("adsyncconfig.record.write_all", failing)
    with pytest.raises(
        adsyncconfig.ADSyncConfigError, match=r"cannot write the journal.*No space left"
    ) as raised:
        grant(snapshot_file, journal=journal)
    assert raised.value.exit_code == (4 if applied else 1)
    assert isinstance(raised.value, PartialApply) == bool(applied)
    assert raised.value.result is not None
    assert [change.status for change in raised.value.result.changes].count("applied") == applied
    now = own(snapshot_file, DOMAIN, HOLDER)
    assert [one != other for one, other in zip(before, now, strict=True)].count(True) == applied

    mocker.stopall()
    if at > 1:
        undo(snapshot_file, journal)
        assert dacls(snapshot_file) == start


FOREST_WIDE = (
    'Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN "$account" -IncludeAdminSdHolders -Force '
    '--snapshot "$snapshot" --journal "$journal"'
)


def test_interrupted_between_two_changes_the_journal_is_named_and_takes_the_first_back(
    snapshot_file: Path, journal: Path
) -> None:
    start = dacls(snapshot_file)
    env = environment(account=CONNECTOR_DN, snapshot=str(snapshot_file), journal=str(journal))
    code, said = on_a_terminal(FOREST_WIDE, ["Y", "\x03"], env)
    assert code == 130, said
    assert f"interrupted; the journal '{journal}' says what was done" in said
    assert [each.begun for each in read_journal(journal).changes] == [True, False]
    undo(snapshot_file, journal)
    assert dacls(snapshot_file) == start


def test_input_that_ends_between_two_changes_leaves_the_first_and_says_so(
    snapshot_file: Path, journal: Path
) -> None:
    env = environment(account=CONNECTOR_DN, snapshot=str(snapshot_file), journal=str(journal))
    code, said = on_a_terminal(FOREST_WIDE, ["Y", "\x04"], env)
    assert code == 4, said
    assert f"1 of 2 changes written; failed: {HOLDER}: the input ended before an answer" in said
    assert f"the journal is '{journal}'" in said


# -- where one cannot be trusted -----------------------------------------------------------------------------


def test_a_last_line_that_breaks_off_anywhere_is_no_reason_to_refuse(written: Path) -> None:
    data = written.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    for end in range(start, len(data)):
        written.write_bytes(data[:end])
        recorded = read_journal(written)
        assert [each.begun for each in recorded.changes] == [True, True]
        assert not recorded.ended


def test_a_journal_that_breaks_off_after_a_whole_line_tells_how_far_the_run_came(written: Path) -> None:
    data = written.read_bytes().splitlines(keepends=True)
    begun = []
    for count in range(1, len(data) + 1):
        written.write_bytes(b"".join(data[:count]))
        begun.append([each.begun for each in read_journal(written).changes])
    assert begun == [[False, False], [True, False], [True, False], [True, True], [True, True], [True, True]]


def test_every_edited_removed_or_swapped_line_is_refused(written: Path) -> None:
    data = written.read_bytes().splitlines(keepends=True)
    broken = [[*data[:at], *data[at + 1 :]] for at in range(len(data) - 1)]
    broken += [[*data[:at], data[at + 1], data[at], *data[at + 2 :]] for at in range(len(data) - 1)]
    for at, line in enumerate(data):
        broken += [
            [*data[:at], line.replace(old, new, 1), *data[at + 1 :]]
            for old, new in ((b"20", b"19"), (b'"step": "w', b'"step": "x'), (b"AQA", b"AQB"), (b"{", b""))
            if old in line
        ]
        if at < len(data) - 1:
            broken.append([*data[:at], line[:-2] + b"\n", *data[at + 1 :]])
    for each in broken:
        written.write_bytes(b"".join(each))
        with pytest.raises(JournalError, match=r"line \d+ of the journal .* (damaged|digest)|is none"):
            read_journal(written)


def change_of(head: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**head, "changes": [{**head["changes"][0], **fields}, *head["changes"][1:]]}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda head: {**head, "version": 3}, "has version 3, and this program reads 2: use a newer"),
        (lambda head: {**head, "version": "1"}, "has no version"),
        (lambda head: {**head, "format": "adsyncconfig-plan"}, "does not say that its format is adsyncconfig-j"),
        (lambda head: {**head, "changes": 5}, "damaged"),
        (lambda head: {**head, "changes": [{}]}, "damaged"),
        (lambda head: {**head, "forest": None}, "damaged"),
        (lambda head: change_of(head, dn="Writeback"), "damaged.*no distinguished name"),
        (lambda head: change_of(head, before={"base64": "AQAEgA==", "sddl": None}), "damaged.*malformed"),
        (lambda head: change_of(head, before={"base64": "***", "sddl": None}), "damaged"),
        (
            lambda head: change_of(head, before={**head["changes"][0]["before"], "sddl": "D:(A;;GA;;;WD)"}),
            "base64 and the SDDL of a descriptor differ",
        ),
        (lambda head: change_of(head, before=head["changes"][0]["before"]["sddl"]), "damaged"),
        (
            # The bytes of a descriptor whose DACL is absent: everybody would have full control.
            lambda head: change_of(head, before={"base64": "AQAAgAAAAAAAAAAAAAAAAAAAAAA=", "sddl": ""}),
            "no access control list",
        ),
    ],
)  # fmt: skip
def test_digests_that_fit_do_not_make_nonsense_right(
    snapshot_file: Path, written: Path, edit: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    head, *steps = lines(written)
    written.write_bytes(sealed([edit(head), *steps]))
    before = snapshot_file.read_bytes()
    with pytest.raises(JournalError, match=said) as raised:
        undo(snapshot_file, written)
    assert "\n" not in str(raised.value)
    assert snapshot_file.read_bytes() == before


#: What may stand where something else belongs.
OTHER_VALUES: tuple[Any, ...] = (None, True, -1, 1e300, "", "x", "\ud800", [], [None], {}, {"x": 1}, 10**400)


def replaced(value: Any) -> Iterator[Any]:
    """The value with each of its parts, and itself, replaced by each other value, or missing."""
    yield from OTHER_VALUES
    if isinstance(value, dict):
        for name, part in value.items():
            yield {each: kept for each, kept in value.items() if each != name}
            yield from ({**value, name: other} for other in replaced(part))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in replaced(part))


def test_no_value_in_a_journal_makes_more_than_one_line(snapshot_file: Path, journal: Path) -> None:
    grant(snapshot_file, ad_object_dn=OU, journal=journal)
    records = [{name: value for name, value in line.items() if name != "digest"} for line in lines(journal)]
    said: list[str] = []
    for at, line in enumerate(records):
        for other in replaced(line):
            if not isinstance(other, dict):
                continue  # sealed() seals objects; what is none is tried elsewhere
            journal.write_bytes(sealed([*records[:at], other, *records[at + 1 :]]))
            try:
                undo(snapshot_file, journal, what_if=True)
            except adsyncconfig.ADSyncConfigError as error:
                said.append(str(error))
    assert len(said) > 100
    assert not [text for text in said if "\n" in text]


def nothing(_: Path) -> None:
    pass


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def an_empty_file(path: Path) -> None:
    path.touch()


def half_a_line(path: Path) -> None:
    path.write_text('{"format": "adsyncconfig-journal", "vers')


def bytes_of_something(path: Path) -> None:
    path.write_bytes(bytes(range(256)) + b"\n")


def brackets(path: Path) -> None:
    path.write_text("[" * 100_000 + "\n")


def a_list(path: Path) -> None:
    path.write_text("[]\n")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (nothing, "there is no journal"),
        (a_folder, "cannot read journal .*it is no file"),
        (a_pipe, "cannot read journal .*it is no file"),
        (a_link, "there is no journal"),
        (an_empty_file, "is empty"),
        (half_a_line, "breaks off in its first line"),
        (bytes_of_something, "line 1 of the journal .* is damaged"),
        (brackets, "line 1 of the journal .* is damaged"),
        (a_list, "is none"),
    ],
)
def test_a_journal_that_is_none_is_one_line_and_changes_nothing(
    snapshot_file: Path, journal: Path, make: Callable[[Path], None], said: str
) -> None:
    make(journal)
    before = snapshot_file.read_bytes()
    done = run_command(
        str(journal), NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=UNDO, env=environment()
    )
    assert_one_line_error(done, 1, said)
    assert snapshot_file.read_bytes() == before


def test_a_journal_of_another_forest_of_the_same_name_is_refused(snapshot_file: Path, written: Path) -> None:
    text = snapshot_file.read_text()
    snapshot_file.write_text(text.replace(CONTOSO.sid, "S-1-5-21-1-2-3"))
    before = snapshot_file.read_bytes()
    with pytest.raises(
        JournalError, match=rf"of the forest contoso\.example \({CONTOSO.sid}\).*S-1-5-21-1-2-3"
    ):
        undo(snapshot_file, written)
    assert snapshot_file.read_bytes() == before


def test_a_forest_is_known_by_name_where_a_controller_does_not_tell_its_sid() -> None:
    contoso, nameless = (
        ForestIdentity("contoso.example", sid) for sid in (Sid.from_string(CONTOSO.sid), None)
    )
    assert contoso.is_same(nameless)
    assert nameless.is_same(contoso)
    assert not contoso.is_same(ForestIdentity("contoso.example", Sid.from_string("S-1-5-21-1-2-3")))
    assert not nameless.is_same(ForestIdentity("fabrikam.example", None))


def test_a_journal_needs_a_path(snapshot_file: Path) -> None:
    done = run_command(NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=UNDO)
    assert_one_line_error(done, 2, "JournalPath", lines=2)


# -- undo, as far as a file shows it -------------------------------------------------------------------------


def test_undo_restores_undoes_itself_and_does_nothing_twice(snapshot_file: Path, journal: Path) -> None:
    start, written = dacls(snapshot_file), journal
    grant(snapshot_file, journal=written)
    granted = dacls(snapshot_file)
    own_journal = written.with_name("undo.jsonl")
    result = undo(snapshot_file, written, journal=own_journal)

    assert result.account is None
    assert [(change.dn, change.status) for change in result.changes] == [
        (HOLDER, "applied"),
        (DOMAIN, "applied"),
    ]
    assert dacls(snapshot_file) == start
    assert lines(own_journal)[0]["source"]["journal"] == str(written)
    again = undo(snapshot_file, written, journal=written.with_name("none.jsonl"))
    assert [change.status for change in again.changes] == ["unchanged", "unchanged"]
    assert again.journal is None
    undo(snapshot_file, own_journal)
    assert dacls(snapshot_file) == granted


def test_an_undo_may_be_planned_and_the_plan_applied(snapshot_file: Path, journal: Path) -> None:
    start = dacls(snapshot_file)
    grant(snapshot_file, journal=journal)
    plan = journal.with_name("plan.json")
    undo(snapshot_file, journal, what_if=True, plan_out=plan)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = adsyncconfig.invoke_adsync_plan(directory, path=plan)
    assert result.account is None
    assert [change.dn for change in result.changes] == [HOLDER, DOMAIN]
    assert dacls(snapshot_file) == start


def test_an_object_that_the_run_never_reached_is_left_alone_and_said(
    snapshot_file: Path, written: Path
) -> None:
    # The journal of a run that was killed before its second change, which somebody made since.
    head, first, done, *_ = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(head + first + done)
    before = own(snapshot_file, HOLDER)
    result = undo(snapshot_file, written)
    assert [(change.dn, change.status) for change in result.changes] == [(DOMAIN, "applied")]
    assert any("does not say that it got there" in warning for warning in result.warnings)
    assert own(snapshot_file, HOLDER) == before


def test_undoing_a_run_that_was_killed_before_it_wrote_says_that_there_is_nothing(
    snapshot_file: Path, written: Path
) -> None:
    undo(snapshot_file, written)
    before = snapshot_file.read_bytes()
    written.write_bytes(written.read_bytes().splitlines(keepends=True)[0])
    result = undo(snapshot_file, written)
    assert result.changes == ()
    assert any("nothing to undo" in warning for warning in result.warnings)
    assert snapshot_file.read_bytes() == before
