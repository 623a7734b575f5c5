"""Compare-ADSyncSnapshot: what changed between two files, object by object."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from snapshot_edits import Record, add_entry, edit_entry, replace_descriptor
from test_commands import assert_one_line_error, run

import adsyncconfig
from acl import Ace, SecurityDescriptor, Sid
from acl.edit import protect
from adsyncconfig import Comparison, ParameterError
from adsyncconfig.comparison import DifferenceKind, ObjectDifference
from adsyncconfig.snapshot import SnapshotDirectory

COMPARE = "Compare-ADSyncSnapshot"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
NESTED = f"OU=Nested,{OU}"
DEEP = f"CN=Team Deep,{NESTED}"
BLUE = f"CN=Team Blue,{OU}"
READERS = Sid.from_string("S-1-5-21-1004336348-1177238915-682003330-1102")
NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def guid_of(dn: str) -> str:
    return str(uuid5(NAMESPACE, dn))


@pytest.fixture(params=[True, False], ids=["by GUID", "by name"])
def old(request: pytest.FixtureRequest, snapshot_file: Path) -> Path:
    """The bundled directory; with a GUID for every object of the domain, or as it is."""
    if request.param:
        give_guids(snapshot_file)
    return snapshot_file


@pytest.fixture
def new(old: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(old, tmp_path / "new.jsonl"))


def give_guids(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if "dn" in line:
            line["attributes"]["objectGUID"] = [guid_of(line["dn"])]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def differences(old: Path, new: Path) -> list[ObjectDifference]:
    with adsyncconfig.open_snapshot(old) as one, adsyncconfig.open_snapshot(new) as two:
        found = adsyncconfig.compare_adsync_snapshot(one, two)
        each = list(found.differences)
        assert len(found.differences) == len(each) == sum(found.counts.values())
        assert list(found.differences) == each  # they can be read again
        assert found.exit_code == (3 if each else 0)
        for kind in DifferenceKind:
            assert found.counts[kind] == sum(one.kind is kind for one in each)
    return each


def renamed(path: Path, dn: str, to: str) -> None:
    """Give the object another name, and what is below it."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f'{dn}"', f'{to}"').replace(f",{dn}", f",{to}"), encoding="utf-8")


def test_equal_files_do_not_differ(old: Path, new: Path) -> None:
    assert differences(old, new) == []
    done = run(str(old), str(new), cmdlet=COMPARE)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_entry_is_told_on_its_object_and_as_inherited_below(old: Path, new: Path) -> None:
    with adsyncconfig.open_snapshot(new) as directory:
        descriptor = directory.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
        ace = Ace.allow(READERS, 0x20, flags=2)
        directory.write_dacl(OU, descriptor.with_dacl((ace, *(descriptor.dacl or ()))))
    found = {each.dn: each for each in differences(old, new)}
    assert set(found) == {OU, NESTED, DEEP, BLUE, f"CN=Team Green,{OU}"}
    (own,) = found[OU].permissions.entries
    assert (own.added, own.inherited, own.sddl) == (True, False, f"(A;CI;WP;;;{READERS})")
    assert (
        own.words
        == "Allow CONTOSO\\MSOL_0123456789ab: write every attribute; on this object and everything below it"
    )
    (inherited,) = found[DEEP].permissions.entries
    assert (inherited.added, inherited.inherited) == (True, True)
    assert found[DEEP].permissions.is_inherited
    back = {each.dn: each for each in differences(new, old)}
    assert [each.added for each in back[OU].permissions.entries] == [False]


def test_owner_and_protection_are_pairs_by_name(old: Path, new: Path) -> None:
    with adsyncconfig.open_snapshot(new) as directory:
        descriptor = directory.get(BLUE, ["nTSecurityDescriptor"]).security_descriptor()
        directory.write_owner(BLUE, READERS)
        directory.write_dacl(BLUE, protect(descriptor, keep_inherited=False))
    (found,) = differences(old, new)
    assert found.permissions.owner == ("CONTOSO\\Domain Admins", "CONTOSO\\MSOL_0123456789ab")
    assert found.permissions.protected == (False, True)
    assert {each.inherited for each in found.permissions.entries} == {True}
    assert {each.added for each in found.permissions.entries} == {False}


def test_a_rename_is_one_difference_where_guids_tell_and_two_where_none_do(
    snapshot_file: Path, tmp_path: Path
) -> None:
    new = Path(shutil.copy(snapshot_file, tmp_path / "new.jsonl"))
    renamed(new, BLUE, f"CN=Team Azure,{OU}")
    assert {each.kind for each in differences(snapshot_file, new)} == {
        DifferenceKind.ADDED,
        DifferenceKind.REMOVED,
    }
    for path in (snapshot_file, new):
        give_guids(path)
    edit_entry(
        new, f"CN=Team Azure,{OU}", lambda each: each["attributes"].update(objectGUID=[guid_of(BLUE).upper()])
    )
    (found,) = differences(snapshot_file, new)
    assert (found.kind, found.dn, found.former_dn) == (DifferenceKind.RENAMED, f"CN=Team Azure,{OU}", BLUE)
    assert not found.permissions


def test_what_moves_with_something_above_it_was_not_renamed(snapshot_file: Path, tmp_path: Path) -> None:
    give_guids(snapshot_file)
    new = Path(shutil.copy(snapshot_file, tmp_path / "new.jsonl"))
    renamed(new, OU, f"OU=Elsewhere,OU=Groups,{DOMAIN}")
    replace_descriptor(
        new, f"CN=Team Blue,OU=Elsewhere,OU=Groups,{DOMAIN}", SecurityDescriptor.from_sddl("D:P").to_bytes()
    )
    found = {each.former_dn or each.dn: each for each in differences(snapshot_file, new)}
    assert found[OU].kind is DifferenceKind.RENAMED
    (blue,) = (each for each in found.values() if each.dn.startswith("CN=Team Blue"))
    assert (blue.kind, blue.former_dn) == (DifferenceKind.CHANGED, None)
    assert len(found) == 2


def test_an_object_made_again_under_its_name_is_another(snapshot_file: Path, tmp_path: Path) -> None:
    give_guids(snapshot_file)
    new = Path(shutil.copy(snapshot_file, tmp_path / "new.jsonl"))
    edit_entry(new, BLUE, lambda each: each["attributes"].update(objectGUID=[guid_of("another")]))
    found = differences(snapshot_file, new)
    assert [(each.kind, each.dn) for each in found] == [
        (DifferenceKind.ADDED, BLUE),
        (DifferenceKind.REMOVED, BLUE),
    ]
    assert [each.object_guid for each in found] == [guid_of("another"), guid_of(BLUE)]
    assert found[0].permissions.owner == (None, "CONTOSO\\Domain Admins")


def test_what_came_has_its_own_entries_and_what_went_too(old: Path, new: Path) -> None:
    add_entry(
        new, f"OU=Fresh,{DOMAIN}", {"objectClass": ["top", "organizationalUnit"]}, like=f"OU=Blocked,{DOMAIN}"
    )
    (came,) = differences(old, new)
    assert (came.kind, came.object_class) == (DifferenceKind.ADDED, "organizationalUnit")
    assert came.permissions.entries
    assert not any(each.inherited for each in came.permissions.entries)
    (went,) = differences(new, old)
    assert (went.kind, went.dn) == (DifferenceKind.REMOVED, f"OU=Fresh,{DOMAIN}")


def no_descriptor(record: Record) -> None:
    record["descriptor"] = None


@pytest.mark.parametrize("raw", [None, b"\x01\x00", b""])
def test_permissions_that_only_one_file_has_are_a_difference(old: Path, new: Path, raw: bytes | None) -> None:
    if raw is None:
        edit_entry(new, BLUE, no_descriptor)
    else:
        replace_descriptor(new, BLUE, raw)
    (found,) = differences(old, new)
    assert (found.kind, found.dn) == (DifferenceKind.CHANGED, BLUE)
    assert found.permissions.readable == (True, False)
    (back,) = differences(new, old)
    assert back.permissions.readable == (False, True)


def test_permissions_that_neither_file_has_are_counted(old: Path, new: Path) -> None:
    edit_entry(old, BLUE, no_descriptor)
    replace_descriptor(new, BLUE, b"\x01")
    with adsyncconfig.open_snapshot(old) as one, adsyncconfig.open_snapshot(new) as two:
        found = adsyncconfig.compare_adsync_snapshot(one, two)
    assert len(found.differences) == 0
    assert found.unreadable == 126 + 1  # the capture keeps no permissions of the schema and of rights


def test_files_of_different_forests_are_not_compared(old: Path, new: Path) -> None:
    for before, after in ((DOMAIN, "DC=fabrikam,DC=example"), ("S-1-5-21-1004336348", "S-1-5-21-1")):
        shutil.copy(old, new)
        new.write_text(new.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
        with pytest.raises(ParameterError, match=r"of the forest DC=contoso,DC=example and .* of another"):
            compare(old, new)


def compare(old: Path, new: Path) -> Comparison:
    with SnapshotDirectory.open(old) as one, SnapshotDirectory.open(new) as two:
        return adsyncconfig.compare_adsync_snapshot(one, two)


def test_exports_of_different_bases_are_compared_with_a_warning(snapshot_file: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "ou.jsonl", tmp_path / "all.jsonl"]
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        for path, base in zip(paths, (OU, None), strict=True):
            adsyncconfig.export_adsync_snapshot(directory, path=path, search_base=base)
    done = run(*map(str, paths), "--json", cmdlet=COMPARE)
    assert done.returncode == 3
    assert "taken of different search bases" in done.stderr
    said = json.loads(done.stdout)
    assert said["counts"]["added"] > 0
    assert said["counts"]["removed"] == said["counts"]["changed"] == 0
    assert said["reference"]["notRead"] == [f"everything but '{OU}' and what belongs to it"]


@pytest.mark.parametrize("form", ["text", "json", "csv", "sarif", "markdown", "html"])
def test_the_command_gives_every_form(old: Path, new: Path, tmp_path: Path, form: str) -> None:
    with adsyncconfig.open_snapshot(new) as directory:
        directory.write_owner(BLUE, READERS)
    printed = run("-ReferencePath", str(old), "-DifferencePath", str(new), "--format", form, cmdlet=COMPARE)
    assert printed.returncode == 3, printed.stderr
    assert "Team Blue" in printed.stdout
    assert "MSOL_0123456789ab" in printed.stdout.replace("\\_", "_")
    output = tmp_path / "out"
    assert run(str(old), str(new), "--format", form, "--output", str(output), cmdlet=COMPARE).returncode == 3
    assert "Team Blue" in output.read_text(encoding="utf-8")
    again = run(str(old), str(new), "--output", str(output), cmdlet=COMPARE)
    assert_one_line_error(again, 2, "is there already")


def test_a_file_that_is_none_is_named(old: Path, tmp_path: Path) -> None:
    gone = run(str(old), str(tmp_path / "gone.jsonl"), cmdlet=COMPARE)
    assert_one_line_error(gone, 1, "there is no snapshot '.*gone.jsonl'")
    contradiction = run(str(old), str(old), "--json", "--format", "csv", cmdlet=COMPARE)
    assert_one_line_error(contradiction, 2, "--json and --format csv contradict each other")
