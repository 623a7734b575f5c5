"""Snapshot files: what is written is read again, whole or not at all."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from contoso_directory import CONNECTOR_DN
from pytest_mock import MockerFixture

import adsyncconfig
from adsyncconfig import SnapshotError, Unreachable
from adsyncconfig.filters import EVERYTHING
from adsyncconfig.snapshot import SnapshotDirectory, write_snapshot

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
ALL = ["objectClass", "name", "objectSid", "member", "nTSecurityDescriptor", "rightsGuid", "schemaIDGUID"]


def everything(directory: SnapshotDirectory) -> list[Any]:
    configuration = directory.root.configuration_naming_context
    bases = (DOMAIN, configuration, directory.root.schema_naming_context)
    return [(e.dn, dict(e.attributes)) for base in bases for e in directory.search(base, EVERYTHING, ALL)]


def grant(path: Path) -> adsyncconfig.SetResult:
    with adsyncconfig.open_snapshot(path) as directory:
        return adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU
        )


@pytest.mark.parametrize("name", ["copy.jsonl", "copy.jsonl.gz"])
def test_a_directory_survives_being_written_and_read(snapshot_file: Path, tmp_path: Path, name: str) -> None:
    original = adsyncconfig.open_snapshot(snapshot_file)
    copy = tmp_path / name
    entries = [
        entry
        for base in (DOMAIN, original.root.configuration_naming_context, original.root.schema_naming_context)
        for entry in original.search(base, EVERYTHING, ALL)
    ]
    write_snapshot(copy, original.root, entries)
    assert everything(SnapshotDirectory.open(copy)) == everything(original)
    assert (copy.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


def test_a_written_file_is_its_owners_alone_and_leaves_nothing_beside_it(snapshot_file: Path) -> None:
    grant(snapshot_file)
    assert stat.S_IMODE(snapshot_file.stat().st_mode) == 0o600
    assert [path.name for path in snapshot_file.parent.iterdir()] == [snapshot_file.name]


def test_a_run_that_changes_nothing_does_not_touch_the_file(snapshot_file: Path) -> None:
    grant(snapshot_file)
    before = snapshot_file.stat().st_mtime_ns, snapshot_file.stat().st_ino
    assert [change.status for change in grant(snapshot_file).changes] == ["unchanged"]
    assert (snapshot_file.stat().st_mtime_ns, snapshot_file.stat().st_ino) == before


def test_each_distinct_descriptor_is_stored_once(snapshot_file: Path) -> None:
    lines = [json.loads(line) for line in snapshot_file.read_text(encoding="utf-8").splitlines()]
    stored = [line["base64"] for line in lines if "base64" in line]
    used = [line["descriptor"] for line in lines if line.get("dn") and line["descriptor"]]
    assert len(set(stored)) == len(stored) == lines[0]["descriptors"]
    assert len(used) > 5 * len(stored)
    assert lines[0]["entries"] == sum("dn" in line for line in lines)


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(
    snapshot_file: Path, mocker: MockerFixture
) -> None:
    before = snapshot_file.read_bytes()
    mocker.patch("adsyncconfig.snapshot_writing.os.fsync", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(SnapshotError, match=r"cannot write the snapshot .*: No space left on device"):
        grant(snapshot_file)
    assert snapshot_file.read_bytes() == before
    assert [path.name for path in snapshot_file.parent.iterdir()] == [snapshot_file.name]


def test_a_domain_that_the_file_does_not_hold_is_unreachable(snapshot_file: Path) -> None:
    with pytest.raises(Unreachable, match=r"does not hold the domain emea\.contoso\.example"):
        adsyncconfig.open_snapshot(snapshot_file).for_domain("emea.contoso.example")


def damaged(path: Path, change: Any) -> Path:
    lines = path.read_text(encoding="utf-8").splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def replace_in(number: int, old: str, new: str) -> Any:
    def change(lines: list[str]) -> None:
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.pop(), "was cut off: it promises"),
        (lambda lines: lines.pop(1), "line .* is damaged"),
        (replace_in(1, '"version": 1', '"version": 2'), "has version 2; this program reads 1"),
        (replace_in(1, "adsyncconfig-snapshot", "other"), "is no snapshot"),
        (replace_in(1, '"rootDSE"', '"root"'), "no whole rootDSE"),
        (replace_in(2, '"base64": "', '"base64": "*'), "line 2 .* is damaged"),
        (replace_in(30, "{", "["), "line 30 .* is damaged"),
        (replace_in(30, '"dn"', '"nd"'), "line 30 .* is damaged"),
        (lambda lines: lines.insert(5, "[]"), "line 6 .* is damaged"),
        (lambda lines: lines.insert(5, "null"), "line 6 .* is damaged"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(snapshot_file: Path, change: Any, said: str) -> None:
    with pytest.raises(SnapshotError, match=said):
        adsyncconfig.open_snapshot(damaged(snapshot_file, change))


def test_a_gzip_that_was_cut_off_is_named(snapshot_file: Path, tmp_path: Path) -> None:
    whole = gzip.compress(snapshot_file.read_bytes())
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SnapshotError, match="is damaged"):
        adsyncconfig.open_snapshot(cut)


def test_a_folder_or_other_bytes_are_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="Is a directory"):
        adsyncconfig.open_snapshot(tmp_path)
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(SnapshotError, match="is damaged"):
        adsyncconfig.open_snapshot(binary)
