"""Access control lists and security descriptors: MS-DTYP 2.4.5 and 2.4.6, lossless and without mercy."""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import (
    ACES,
    DESCRIPTORS,
    RawAce,
    RawAcl,
    RawDescriptor,
    RawSid,
    raw_acls,
    raw_descriptors,
)

from acl import Ace, AceFlag, Acl, AclError, Control, MalformedError, SecurityDescriptor, Sid
from acl import ace as ace_module
from acl import descriptor as module
from acl.ace import parse_ace
from acl.intern import ENTRY_COST, Buffer, InternTable

FIXTURES = Path(__file__).parent.parent / "fixtures"
VECTORS = json.loads((FIXTURES / "descriptors.json").read_text(encoding="utf-8"))["vectors"]
MALFORMED = json.loads((FIXTURES / "malformed.json").read_text(encoding="utf-8"))
BUFFERS: list[Callable[[bytes], Buffer]] = [bytes, bytearray, memoryview]
EVERYONE = Ace.allow(Sid.EVERYONE, 1)


def _bytes(lines: list[str]) -> bytes:
    return b"".join(bytes.fromhex(line.split("|")[0]) for line in lines)


def _as_read(ace: Ace) -> dict[str, Any]:
    """An entry as the vectors have it: what is not there is left out."""
    fields: dict[str, Any] = {"type": ace.type, "flags": ace.flags, "mask": ace.mask}
    fields["sid"] = None if ace.sid is None else str(ace.sid)
    optional = {
        "object_type": ace.object_type and str(ace.object_type),
        "inherited_object_type": ace.inherited_object_type and str(ace.inherited_object_type),
        "data": ace.data.hex(),
        "reserved_object_flags": ace.reserved_object_flags,
    }
    return fields | {name: value for name, value in optional.items() if value}


def _list_as_read(acl: Acl | None) -> dict[str, Any] | None:
    if acl is None:
        return None
    return {"revision": acl.revision, "aces": [_as_read(ace) for ace in acl], "slack": acl.slack.hex()}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector: dict[str, Any]) -> None:
    data = _bytes(vector["bytes"])
    descriptor = SecurityDescriptor.from_bytes(data)
    assert descriptor.control == vector["control"]
    assert descriptor.resource_manager_control == vector["resource_manager_control"]
    assert (descriptor.owner and str(descriptor.owner)) == vector["owner"]
    assert (descriptor.group and str(descriptor.group)) == vector["group"]
    for acl, expected in ((descriptor.sacl, vector["sacl"]), (descriptor.dacl, vector["dacl"])):
        defaults = {"slack": ""}
        assert _list_as_read(acl) == (expected if expected is None else defaults | expected)
    assert descriptor.to_bytes() == data
    assert SecurityDescriptor.from_bytes(replace(descriptor).to_bytes()) == descriptor


def test_the_vectors_cover_every_type_of_entry() -> None:
    found = {
        ace["type"]
        for vector in VECTORS
        for acl in (vector["sacl"], vector["dacl"])
        if acl
        for ace in acl["aces"]
    }
    assert set(range(0x16)) <= found


@given(raw_descriptors())
def test_every_layout_survives(raw: RawDescriptor) -> None:
    data = raw.data()
    descriptor = SecurityDescriptor.from_bytes(data)
    assert descriptor.to_bytes() == data
    assert descriptor.control == raw.control
    assert descriptor.resource_manager_control == raw.resource_manager_control
    for sid, expected in ((descriptor.owner, raw.owner), (descriptor.group, raw.group)):
        assert (sid and str(sid)) == (expected and expected.text())
    for acl, wanted in ((descriptor.sacl, raw.sacl), (descriptor.dacl, raw.dacl)):
        assert (acl is None) == (wanted is None)
        if acl is not None and wanted is not None:
            assert (acl.revision, acl.slack) == (wanted.revision, wanted.slack)
            assert [ace.to_bytes() for ace in acl] == [ace.data() for ace in wanted.aces]


@given(raw_descriptors())
def test_a_changed_descriptor_is_written_as_windows_writes_one(raw: RawDescriptor) -> None:
    descriptor = SecurityDescriptor.from_bytes(raw.data())
    changed = replace(descriptor, control=Control(descriptor.control ^ Control.DACL_PROTECTED))
    windows = raw._replace(
        control=raw.control ^ 0x1000,
        sacl=raw.sacl and raw.sacl._replace(reserved=(0, 0)),
        dacl=raw.dacl and raw.dacl._replace(reserved=(0, 0)),
        order=(2, 3, 0, 1),
        gaps=(b"",) * 4,
        shared=False,
        rest=b"",
    )
    assert changed.to_bytes() == windows.data()
    assert SecurityDescriptor.from_bytes(changed.to_bytes()) == changed


@given(DESCRIPTORS)
def test_a_descriptor_that_was_never_bytes_is_read_as_it_was_made(descriptor: SecurityDescriptor) -> None:
    again = SecurityDescriptor.from_bytes(descriptor.to_bytes())
    assert again == descriptor
    assert hash(again) == hash(descriptor)


@given(raw_acls())
def test_a_list_by_itself_survives(raw: RawAcl) -> None:
    assume(raw.reserved == (0, 0))
    data = raw.data()
    assert Acl.from_bytes(b"\xff" + data + b"\xff", 1).to_bytes() == data


def test_null_absent_and_empty_are_three_things() -> None:
    absent = SecurityDescriptor()
    null = SecurityDescriptor(Control.DACL_PRESENT)
    empty = SecurityDescriptor(dacl=Acl())
    assert len({absent, null, empty}) == 3
    assert [each.dacl_is_null for each in (absent, null, empty)] == [False, True, False]
    assert [each.dacl for each in (absent, null, empty)] == [None, None, Acl()]
    for each in (absent, null, empty):
        assert SecurityDescriptor.from_bytes(each.to_bytes()) == each
    assert null.with_dacl([]) == empty == absent.with_dacl([])


def test_control_says_what_is_there_from_the_start() -> None:
    descriptor = SecurityDescriptor(Control(0), sacl=Acl(), dacl=Acl())
    assert descriptor.control == Control.SELF_RELATIVE | Control.DACL_PRESENT | Control.SACL_PRESENT
    assert replace(descriptor, control=Control(0)).control == descriptor.control


@pytest.mark.parametrize("arguments", [{"control": Control(1 << 16)}, {"resource_manager_control": 256}])
def test_a_header_without_binary_form_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(AclError):
        SecurityDescriptor(**arguments)


@pytest.mark.parametrize("count", [0, 1, 850, 3276])
def test_long_lists(count: int) -> None:
    entry = RawAce(0, 0, 0x10, RawSid(1, (0,)), None, None, 0, b"")
    entries = tuple(entry._replace(mask=mask) for mask in range(count))
    raw = RawDescriptor(0x8004, 0, None, None, None, RawAcl(2, entries, b""))
    descriptor = SecurityDescriptor.from_bytes(raw.data())
    assert descriptor.to_bytes() == raw.data()
    assert descriptor.dacl is not None
    assert [ace.mask for ace in descriptor.dacl] == list(range(count))
    assert replace(descriptor).to_bytes() == raw.data()


def test_a_list_may_have_65532_bytes_and_no_more() -> None:
    entries = [EVERYONE] * 3276  # 20 bytes each, and 8 of the header: 65,528
    largest = Acl(tuple(entries), slack=bytes(4))
    descriptor = SecurityDescriptor(sacl=largest, dacl=largest)
    data = descriptor.to_bytes()
    assert len(data) == 20 + 2 * 65_532
    assert SecurityDescriptor.from_bytes(data) == descriptor
    with pytest.raises(AclError, match="65532"):
        Acl(tuple(entries), slack=bytes(8)).to_bytes()
    with pytest.raises(AclError):
        SecurityDescriptor(dacl=Acl((*entries, EVERYONE))).to_bytes()


def test_a_list_has_the_lowest_revision_that_it_needs() -> None:
    plain, with_object = Acl((EVERYONE,)), Acl((replace(EVERYONE, type=5),))
    assert (Acl().revision, plain.revision, with_object.revision) == (2, 2, 4)
    assert plain.with_aces(with_object).revision == 4
    assert with_object.with_aces(plain).revision == 4  # a list that was of directory objects stays one
    assert Acl((), 3).with_aces(plain).revision == 3
    assert Acl((EVERYONE,), slack=bytes(4)).with_aces([EVERYONE]).slack == b""


@pytest.mark.parametrize("arguments", [{"revision": 1}, {"revision": 5}, {"slack": b"123"}])
def test_a_list_without_binary_form_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(AclError):
        Acl(**arguments)


@given(raw_descriptors())
def test_a_descriptor_is_a_value(raw: RawDescriptor) -> None:
    data = raw.data()
    descriptor = SecurityDescriptor.from_bytes(data)
    for again in (copy.copy(descriptor), copy.deepcopy(descriptor), pickle.loads(pickle.dumps(descriptor))):
        assert again == descriptor
        assert hash(again) == hash(descriptor)
        assert again.to_bytes() == data
    with pytest.raises(FrozenInstanceError):
        descriptor.owner = None  # type: ignore[misc]


def test_layout_is_no_part_of_the_value() -> None:
    one, other = (SecurityDescriptor.from_bytes(_bytes(vector["bytes"])) for vector in VECTORS[:2])
    assert one != other
    moved = RawDescriptor(0x8000, 0, RawSid(5, (18,)), None, None, None, gaps=(b"", b"", b"gap", b""))
    assert SecurityDescriptor.from_bytes(moved.data()) == other
    assert SecurityDescriptor.from_bytes(moved.data()).to_bytes() != other.to_bytes()


def test_a_descriptor_seen_before_is_the_same_object() -> None:
    data = _bytes(VECTORS[5]["bytes"])
    assert SecurityDescriptor.from_bytes(data) is SecurityDescriptor.from_bytes(bytearray(data))


def test_descriptors_without_number_do_not_grow_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    table: InternTable[SecurityDescriptor] = InternTable(100_000)
    monkeypatch.setattr(module, "_known_descriptors", table)
    for number in range(3000):
        data = _bytes(VECTORS[0]["bytes"]) + number.to_bytes(4, "big")
        assert SecurityDescriptor.from_bytes(data).to_bytes() == data
        assert sum(len(key) + ENTRY_COST for key in table) <= 100_000
    huge = _bytes(VECTORS[0]["bytes"]) + bytes(1_000_000)
    assert SecurityDescriptor.from_bytes(huge).to_bytes() == huge
    assert huge not in table


def _malformed(row: dict[str, Any]) -> bytes:
    data = bytearray(_bytes(MALFORMED["buffers"][row["of"]]) if "of" in row else bytes.fromhex(row["bytes"]))
    for position, patch in row.get("put", {}).items():
        put = bytes.fromhex(patch)
        data[int(position) : int(position) + len(put)] = put
    return bytes(data[: row.get("cut", len(data))])


@pytest.mark.parametrize("kind", BUFFERS)
@pytest.mark.parametrize("row", MALFORMED["malformed"], ids=[row["name"] for row in MALFORMED["malformed"]])
def test_malformed(row: dict[str, Any], kind: Callable[[bytes], Buffer]) -> None:
    data = _malformed(row)
    with pytest.raises(MalformedError) as caught:
        SecurityDescriptor.from_bytes(kind(data))
    assert caught.value.offset == row["offset"]
    assert row["says"] in caught.value.reason
    assert str(caught.value) == f"malformed at byte {row['offset']}: {caught.value.reason}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("name", ["plain", "object", "label"])
def test_the_buffers_that_the_malformed_ones_are_made_of_are_valid(name: str) -> None:
    data = _bytes(MALFORMED["buffers"][name])
    assert SecurityDescriptor.from_bytes(data).to_bytes() == data


@given(raw_descriptors())
def test_every_strict_prefix_of_what_is_used_is_malformed(raw: RawDescriptor) -> None:
    data = raw.data()[: raw.used]
    for length in range(len(data)):
        with pytest.raises(MalformedError) as caught:
            SecurityDescriptor.from_bytes(data[:length])
        assert 0 <= caught.value.offset <= length


def _read_or_malformed(data: bytes) -> None:
    """Nothing but a descriptor that writes these bytes, or MalformedError at a place in them."""
    try:
        descriptor = SecurityDescriptor.from_bytes(data)
    except MalformedError as error:
        wrong = error
    else:
        assert descriptor.to_bytes() == data
        assert SecurityDescriptor.from_bytes(replace(descriptor).to_bytes()) == descriptor
        return
    assert 0 <= wrong.offset <= len(data)
    assert wrong.reason


@given(st.binary(max_size=300))
@example(b"")
def test_random_bytes_are_a_descriptor_or_malformed(data: bytes) -> None:
    _read_or_malformed(data)
    _read_or_malformed(b"\x01\x00\x14\x80" + data)


@given(raw_descriptors(), st.data())
def test_a_changed_byte_leaves_a_descriptor_or_malformed_bytes(
    raw: RawDescriptor, data: st.DataObject
) -> None:
    buffer = bytearray(raw.data())
    for _ in range(20):
        position = data.draw(st.integers(0, len(buffer) - 1))
        before, buffer[position] = buffer[position], data.draw(st.integers(0, 255))
        _read_or_malformed(bytes(buffer))
        buffer[position] = before


@pytest.mark.parametrize("name", ["plain", "object", "label"])
def test_every_change_of_every_byte(name: str) -> None:
    valid = _bytes(MALFORMED["buffers"][name])
    for position in range(len(valid)):
        for value in range(256):
            _read_or_malformed(valid[:position] + bytes([value]) + valid[position + 1 :])


@pytest.mark.parametrize("value", [None, 5, "text", [1, 2], 3.0])
def test_what_is_no_buffer_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        SecurityDescriptor.from_bytes(value)


@pytest.mark.parametrize("offset", [-1, -8, 8, 2**33])
def test_an_offset_outside_the_buffer_is_malformed(offset: int) -> None:
    with pytest.raises(MalformedError):
        Acl.from_bytes(Acl().to_bytes(), offset)


def _hostile(entries: int, *, count: int) -> bytes:
    """A list of as many different entries as possible, which says that it has ``count``."""
    numbers = random.Random(7)
    body = b"".join(
        struct.pack("<BBHI", numbers.randrange(22, 256), numbers.randrange(256), 8, index)
        for index in range(entries)
    )
    header = struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20)
    return header + struct.pack("<BBHHH", 2, 0, 8 + len(body), count, 0) + body


@pytest.mark.parametrize("lie", [0, 1, 40_000])
def test_memory_is_linear_in_the_buffer(lie: int, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = []
    for entries in (1000, 8000):
        data = _hostile(entries, count=entries + lie)
        # Tables of its own: what other tests left in the shared ones would count, or be found.
        fresh: InternTable[Ace] = InternTable(32 << 20)
        monkeypatch.setattr(module, "known_aces", fresh)
        monkeypatch.setattr(ace_module, "known_aces", fresh)
        monkeypatch.setattr(module, "_known_descriptors", InternTable(32 << 20))
        tracemalloc.start()
        try:
            _read_or_malformed(data)
            peaks.append(tracemalloc.get_traced_memory()[1] / len(data))
        finally:
            tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] < 400


def test_work_is_linear_in_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    def counted(raw: bytes, offset: int) -> Ace:
        nonlocal looked_at
        looked_at += len(raw)
        return original(raw, offset)

    original = parse_ace
    monkeypatch.setattr(module, "parse_ace", counted)
    data = _hostile(8000, count=65_535)
    with pytest.raises(MalformedError, match="ends before entry 8000 of 65535"):
        SecurityDescriptor.from_bytes(data)
    assert looked_at <= len(data)


@given(st.lists(ACES, max_size=4), st.lists(ACES, max_size=4))
def test_with_dacl_changes_nothing_else(before: list[Ace], after: list[Ace]) -> None:
    descriptor = SecurityDescriptor(
        Control.DACL_PROTECTED, Sid.EVERYONE, Sid.LOCAL_SYSTEM, Acl(), Acl(tuple(before)), 9
    )
    changed = descriptor.with_dacl(after)
    assert changed.dacl is not None
    assert list(changed.dacl) == after
    assert replace(changed, dacl=descriptor.dacl) == descriptor
    assert changed.dacl_is_protected


# python3-samba's parser as a second opinion. It asks more of a buffer than Windows does (no gaps, no slack, no
# reserved bytes, types up to 0x15), and takes the GUIDs of a callback object entry for its SID: so it is asked
# about the rest. What it packs is compared where it keeps the order: owner, group, SACL, DACL.
SAMBA = """
import json, sys
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

def ace(each):
    found = {"type": each.type, "flags": each.flags, "mask": each.access_mask, "sid": str(each.trustee)}
    if each.type in (5, 6, 7, 8):
        if each.object.flags & 1:
            found["object_type"] = str(each.object.type)
        if each.object.flags & 2:
            found["inherited_object_type"] = str(each.object.inherited_type)
    return found

def acl(each):
    return each and {"revision": each.revision, "aces": [ace(entry) for entry in each.aces]}

for line in sys.stdin:
    found = ndr_unpack(security.descriptor, bytes.fromhex(line))
    answer = {"control": found.type, "sacl": acl(found.sacl), "dacl": acl(found.dacl),
              "owner": found.owner_sid and str(found.owner_sid), "group": found.group_sid and str(found.group_sid),
              "packed": ndr_pack(found).hex()}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def samba() -> Iterator[subprocess.Popen[str]]:
    """A process that reads descriptors with Samba's parser, a line for a line."""
    candidates = [shutil.which("python3", path=os.defpath), sys.executable]
    for python in filter(None, candidates):
        if (
            subprocess.run([python, "-c", "import samba.ndr"], capture_output=True, check=False).returncode
            == 0
        ):
            break
    else:
        reason = "no Python here can import samba (package: python3-samba)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with subprocess.Popen(
        [python, "-c", SAMBA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _prints_alike(sid: RawSid | None) -> bool:
    """Samba writes large authorities with as few digits as they have, and 2**32 - 1 in hexadecimal."""
    return sid is not None and not 2**32 - 1 <= sid.authority < 2**44


def _for_samba(raw: RawDescriptor) -> RawDescriptor:
    def kept(acl: RawAcl | None) -> RawAcl | None:
        if acl is None:
            return None
        aces = [ace for ace in acl.aces if _prints_alike(ace.sid) and ace.type not in (11, 12, 15, 16)]
        return RawAcl(acl.revision, tuple(ace._replace(rest=b"") for ace in aces), b"")

    owner, group = (sid if _prints_alike(sid) else None for sid in (raw.owner, raw.group))
    return RawDescriptor(raw.control, 0, owner, group, kept(raw.sacl), kept(raw.dacl), order=(0, 1, 2, 3))


@given(raw=raw_descriptors().map(_for_samba))
def test_samba_reads_the_same(raw: RawDescriptor, samba: subprocess.Popen[str]) -> None:
    assert samba.stdin is not None
    assert samba.stdout is not None
    data = raw.data()
    samba.stdin.write(data.hex() + "\n")
    samba.stdin.flush()
    theirs = json.loads(samba.stdout.readline())
    descriptor = SecurityDescriptor.from_bytes(data)

    def acl(each: Acl | None) -> dict[str, Any] | None:
        if each is None:
            return None
        entries = [_as_read(ace) for ace in each]
        for entry in entries:
            entry.pop("reserved_object_flags", None)
        return {"revision": each.revision, "aces": entries}

    assert theirs == {
        "control": descriptor.control,
        "owner": descriptor.owner and str(descriptor.owner),
        "group": descriptor.group and str(descriptor.group),
        "sacl": acl(descriptor.sacl),
        "dacl": acl(descriptor.dacl),
        "packed": data.hex(),
    }


def test_flags_of_a_descriptor_read_by_name() -> None:
    descriptor = SecurityDescriptor.from_bytes(_bytes(VECTORS[6]["bytes"]))
    assert descriptor.dacl is not None
    assert descriptor.dacl.aces[0].flags == AceFlag.CONTAINER_INHERIT
    assert not descriptor.dacl_is_protected
