"""Snapshot files from anybody: what is damaged is told apart where it can be, and none takes more than its due."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from snapshot_edits import add_entry, edit_entry, replace_descriptor
from test_commands import run

import adsyncconfig
from acl import SecurityDescriptor
from adsyncconfig import DirectoryError, SnapshotError
from adsyncconfig.directory import Entry
from adsyncconfig.filters import EVERYTHING, BitsSet, Equals
from adsyncconfig.snapshot_file import MOST_TIMES
from adsyncconfig.snapshot_format import LARGEST_DESCRIPTOR, LONGEST_LINE, MOST_DESCRIPTORS, MOST_ENTRIES

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
GROUP = f"CN=Team Blue,{OU}"
WANTED = ["objectClass", "nTSecurityDescriptor"]
#: In MiB; a bare interpreter takes 10, and the smallest snapshot 25.
MODEST = 300


def edit_line(path: Path, dn: str, change: Callable[[str], str]) -> str:
    """Change the text of an object's line, and give what it is then."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = json.dumps({"dn": dn}, ensure_ascii=False)[:-1]
    (number,) = (number for number, line in enumerate(lines) if line.startswith(start))
    changed = change(lines[number])
    assert changed != lines[number]
    lines[number] = changed
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return changed


def unreadable(entry: Entry) -> bool:
    try:
        entry.security_descriptor()
    except DirectoryError:
        return True
    return False


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line[:-1],
        lambda line: line[: len(line) // 2],
        lambda line: line + "}",
        lambda line: line.replace('"attributes": {', '"attributes": ['),
        lambda line: line.replace('"attributes": {', '"attributes": {"cn": "x", "y": [{}], '),
        lambda line: line.replace('["top"', '[{"base64": "*"}, "top"'),
        lambda line: line.replace('["top"', "[" * 100_000 + '"top"'),
        lambda line: line.replace('"descriptor": ', '"descriptor": x'),
        lambda line: line.replace('"descriptor": ', '"descriptor": -'),
        lambda line: line.replace('"descriptor": ', '"descriptor": 1e'),
        lambda line: line.replace(', "attributes"', ', "attribute"'),
    ],
)
def test_an_object_whose_line_is_damaged_is_unreadable_and_the_rest_is_there(
    snapshot_file: Path, change: Callable[[str], str]
) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        before = [entry.dn for entry in directory.search(DOMAIN, EVERYTHING, WANTED)]
    damaged = edit_line(snapshot_file, OU, change)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        after = list(directory.search(DOMAIN, EVERYTHING, WANTED))
        assert [entry.dn for entry in after] == before
        assert [entry.dn for entry in after if unreadable(entry)] == [OU]
        units = directory.search(DOMAIN, Equals("objectClass", "organizationalUnit"), WANTED)
        assert OU in [each.dn for each in units] or "organizationalUnit" not in damaged
        with pytest.raises(DirectoryError, match=r"the entry of 'OU=Writeback,.*' is damaged: ") as raised:
            directory.get(OU, WANTED)
        assert raised.value.dn == OU


def test_a_command_counts_a_damaged_object_as_not_readable(snapshot_file: Path) -> None:
    edit_line(snapshot_file, OU, lambda line: line[:-1])
    done = run(
        "contoso.example", "--snapshot", str(snapshot_file), cmdlet="Get-ADSyncObjectsWithInheritanceDisabled"
    )
    assert done.returncode == 3
    assert f"1 objects could not be read, and may have inheritance disabled: '{OU}'" in done.stderr


def test_a_write_leaves_a_damaged_object_as_it_is(snapshot_file: Path) -> None:
    edit_line(snapshot_file, GROUP, lambda line: line[:-1])
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        descriptor = directory.get(OU, WANTED).security_descriptor()
        directory.write_dacl(OU, descriptor.with_dacl(()))
        assert directory.get(OU, WANTED).security_descriptor().dacl is not None
        damaged = next(each for each in directory.search(OU, EVERYTHING, WANTED) if each.dn == GROUP)
        assert unreadable(damaged)
        assert not unreadable(directory.get(f"CN=Team Green,{OU}", WANTED))


@pytest.mark.parametrize("raw", [b"", b"\x01", bytes(20), b"\x02" + bytes(19), bytes(LARGEST_DESCRIPTOR)])
def test_an_object_with_a_malformed_descriptor_is_unreadable_and_the_rest_is_there(
    snapshot_file: Path, raw: bytes
) -> None:
    replace_descriptor(snapshot_file, OU, raw)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        found = list(directory.search(DOMAIN, EVERYTHING, WANTED))
    assert len(found) > 80
    assert [entry.dn for entry in found if unreadable(entry)] == [OU]


def test_values_that_are_none_of_their_kind_are_malformed_and_not_absent(snapshot_file: Path) -> None:
    wrong = {"objectSid": ["S-1-x"], "objectGUID": ["{}"], "userAccountControl": ["much"], "groupType": ["?"]}
    add_entry(
        snapshot_file, f"CN=Odd,{OU}", {"objectClass": ["top", "group"], **wrong, "primaryGroupID": ["¹"]}
    )
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        odd = directory.get(f"CN=Odd,{OU}", ["objectSid", "objectGUID", "userAccountControl"])
        for read in (odd.sid, odd.guid, lambda: directory.get(odd.dn, ["tokenGroups"])):
            with pytest.raises(DirectoryError, match=f"of '{odd.dn}'"):
                read()
        assert list(directory.search(OU, BitsSet("userAccountControl", 2), WANTED)) == []


def test_token_groups_of_hostile_numbers_are_none(snapshot_file: Path) -> None:
    wrong = {"objectSid": ["S-1-5-21-9-9-9-9"], "groupType": ["?"], "primaryGroupID": ["¹"]}
    add_entry(snapshot_file, f"CN=Odd,{OU}", {"objectClass": ["top", "group"], **wrong})
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        assert directory.get(f"CN=Odd,{OU}", ["tokenGroups"]).attributes["tokengroups"] == ()


def header(change: Callable[[dict[str, Any]], object]) -> Callable[[list[str]], object]:
    def changed(lines: list[str]) -> None:
        said = json.loads(lines[0])
        change(said)
        lines[0] = json.dumps(said)

    return changed


def large_descriptor(lines: list[str]) -> None:
    text = base64.b64encode(bytes(LARGEST_DESCRIPTOR + 1)).decode()
    lines[1] = json.dumps({"descriptor": 1, "base64": text})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (header(lambda said: said.update(entries=10**12)), f"promises {10**12} entries; .* {MOST_ENTRIES} at most"),
        (header(lambda said: said.update(descriptors=10**12)), f"this program reads {MOST_DESCRIPTORS} at most"),
        (header(lambda said: said.update(entries=MOST_ENTRIES)), "was cut off: it promises"),
        (header(lambda said: said.update(descriptors=MOST_DESCRIPTORS)), "was cut off: it promises"),
        (header(lambda said: said.update(entries=-1)), "does not say how many entries"),
        (header(lambda said: said.update(entries=True)), "does not say how many entries"),
        (header(lambda said: said.update(descriptors="13")), "does not say how many descriptors"),
        (header(lambda said: said.update(entries=10)), "there are more than the 10 entries promised"),
        (header(lambda said: said.update(version=2)), "has version 2; this program reads 1"),
        (header(lambda said: said["rootDSE"].update(more=1)), "no whole rootDSE"),
        (lambda lines: lines.__setitem__(0, "[" * 100_000), "line 1 .* nested too deeply"),
        (lambda lines: lines.__setitem__(1, lines[1].replace(": 1,", ": 99,")), "descriptor 99 is none of the 13"),
        (lambda lines: lines.__setitem__(1, lines[1].replace(": 1,", ": -1,")), "descriptor -1 is none of the 13"),
        (lambda lines: lines.__setitem__(1, lines[1].replace(": 1,", ": 2,")), "descriptor 2 is there twice"),
        (lambda lines: lines.__setitem__(1, lines[1].replace(": 1,", ": 1e9,")), "1000000000.0 is no number"),
        (lambda lines: lines.insert(1, lines.pop(14)), "line 2 .* no descriptor 1 before it"),
        (large_descriptor, "descriptor 1 has 262145 bytes, more than any can have"),
        (lambda lines: lines.append(lines[-1]), "is there twice|more than"),
        (lambda lines: lines.__setitem__(-1, lines[-2]), "is there twice"),
        (lambda lines: lines.__setitem__(-1, lines[-1].replace('"CN=', '"CN', 1)), "no distinguished name"),
        (lambda lines: lines.insert(40, ""), "line 41 .* is damaged"),
    ],
)  # fmt: skip
def test_what_no_directory_has_is_refused_in_one_line(
    snapshot_file: Path, change: Callable[[list[str]], object], said: str
) -> None:
    lines = snapshot_file.read_text(encoding="utf-8").splitlines()
    change(lines)
    snapshot_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with pytest.raises(SnapshotError, match=said) as raised:
        adsyncconfig.open_snapshot(snapshot_file)
    assert "\n" not in str(raised.value)


def test_a_file_that_ends_within_its_last_line_was_cut_off(snapshot_file: Path) -> None:
    whole = snapshot_file.read_bytes()
    snapshot_file.write_bytes(whole[:-1])  # without the line's end only
    assert len(adsyncconfig.open_snapshot(snapshot_file)) == 208
    for cut in (2, 20, 40):
        snapshot_file.write_bytes(whole[:-cut])
        with pytest.raises(SnapshotError, match=r"was cut off|line 222 .* is damaged"):
            adsyncconfig.open_snapshot(snapshot_file)


OPEN = """
import sys, adsyncconfig
try:
    adsyncconfig.open_snapshot(sys.argv[1])
except adsyncconfig.SnapshotError as error:
    print(error)
# Not ru_maxrss, which begins with that of the process that started this one.
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def opened(path: Path) -> tuple[str, int]:
    """What a process of its own says of the file, and its peak memory in MiB."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True)
    said, peak = done.stdout.rstrip().rsplit("\n", 1)
    return said, int(peak)


@pytest.mark.parametrize("lines", [0, 1, 30])
def test_a_line_of_gigabytes_is_refused_and_not_read(snapshot_file: Path, lines: int) -> None:
    kept = b"".join(snapshot_file.read_bytes().splitlines(keepends=True)[:lines])
    snapshot_file.write_bytes(kept)
    with snapshot_file.open("r+b") as stream:
        stream.truncate(4 << 30)  # a hole: it takes no room on the disk
    said, peak = opened(snapshot_file)
    assert "no object is so large" in said
    assert peak < MODEST


@pytest.mark.parametrize(
    "block",
    [bytes(1 << 20), b'{"dn": "CN=a"}\n' * 70_000, b"\n" * (1 << 20)],
    # pytest 8.0 makes ids of the bytes, longer than an environment may be.
    ids=["zeros", "names", "empty lines"],
)
def test_what_unpacks_to_far_more_than_any_snapshot_is_refused(tmp_path: Path, block: bytes) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    with gzip.open(bomb, "wb", 9) as stream:
        for _ in range(80):
            stream.write(block)
    assert bomb.stat().st_size * MOST_TIMES < 80 << 20
    said, peak = opened(bomb)
    assert (
        said == f"'{bomb}' unpacks to more than {MOST_TIMES} times its size: it is no snapshot of a directory"
    )
    assert peak < MODEST


def test_a_group_of_a_hundred_thousand_members_is_no_bomb(snapshot_file: Path) -> None:
    members = [f"CN=User Number {number},OU=Users Synced,{DOMAIN}" for number in range(100_000)]
    edit_entry(snapshot_file, GROUP, lambda record: record["attributes"].update(member=members))
    assert len("".join(members)) < LONGEST_LINE
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        (found,) = directory.search(DOMAIN, Equals("member", members[-1]), ["member"])
        assert (found.dn, len(found.values("member"))) == (GROUP, 100_000)


def test_a_link_is_replaced_and_what_it_leads_to_stays(snapshot_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.jsonl"
    snapshot_file.rename(target)
    snapshot_file.symlink_to(target)
    before = target.read_bytes()
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        directory.write_dacl(OU, SecurityDescriptor.from_sddl("D:P"))
    assert target.read_bytes() == before
    assert not snapshot_file.is_symlink()
    assert adsyncconfig.open_snapshot(snapshot_file).get(OU, WANTED).security_descriptor().dacl_is_protected


def test_a_directory_that_was_closed_opens_its_file_again(snapshot_file: Path) -> None:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    directory.close()
    assert directory.get(OU, WANTED).dn == OU
