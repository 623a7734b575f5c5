"""SIDs: MS-DTYP 2.4.2, and the names of 2.5.1.1 against the table of 2.4.2.4."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from strategies import RAW_SIDS, RawSid

from acl import AclError, MalformedError, Sid
from acl import sid as module
from acl.intern import ENTRY_COST, BoundedTable, Buffer, InternTable
from acl.sid import DOMAIN_RELATIVE, FOREST_RELATIVE, SDDL_SIDS

# MS-DTYP 2.4.2.2: revision, count, authority big-endian, sub-authorities little-endian.
BINARY = {
    "S-1-0-0": "01 01 000000000000 00000000",
    "S-1-1-0": "01 01 000000000001 00000000",
    "S-1-5": "01 00 000000000005",
    "S-1-5-18": "01 01 000000000005 12000000",
    "S-1-5-32-544": "01 02 000000000005 20000000 20020000",
    "S-1-5-21-1004336348-1177238915-682003330-512": (
        "01 05 000000000005 15000000 dcf4dc3b 833d2b46 828ba628 00020000"
    ),
    "S-1-4294967295-1": "01 01 0000ffffffff 01000000",
    "S-1-0x000100000000-1": "01 01 000100000000 01000000",
    "S-1-0xffffffffffff-4294967295": "01 01 ffffffffffff ffffffff",
    "S-1-15-2-1": "01 02 00000000000f 02000000 01000000",
    "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15": (
        "01 0f 000000000005 01000000 02000000 03000000 04000000 05000000 06000000 07000000 08000000"
        " 09000000 0a000000 0b000000 0c000000 0d000000 0e000000 0f000000"
    ),
}


@pytest.mark.parametrize("text", BINARY)
def test_text_and_bytes_are_one_sid(text: str) -> None:
    data = bytes.fromhex(BINARY[text])
    sid = Sid.from_string(text)
    assert (sid.to_bytes(), str(sid)) == (data, text)
    assert Sid.from_bytes(data) == sid
    assert str(Sid.from_bytes(data)) == text


@given(RAW_SIDS)
def test_every_sid_survives_bytes_and_text(raw: RawSid) -> None:
    sid = Sid.from_bytes(raw.data())
    assert (sid.authority, sid.sub_authorities) == raw
    assert sid.to_bytes() == raw.data()
    assert str(sid) == raw.text()
    assert Sid.from_string(raw.text()) == sid == Sid(*raw)


def test_bytes_around_a_sid_are_left_alone() -> None:
    assert Sid.from_bytes(b"\xff" + Sid.LOCAL_SYSTEM.to_bytes() + b"\xff", 1) == Sid.LOCAL_SYSTEM


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("s-1-5-18", "S-1-5-18"),
        ("S-1-0x5-0x12", "S-1-5-18"),
        ("S-1-0X5-18", "S-1-5-18"),
        ("S-1-5-018", "S-1-5-18"),
        ("S-1-4294967296-1", "S-1-0x000100000000-1"),
        ("S-1-0xFFFFFFFFFFFF-1", "S-1-0xffffffffffff-1"),
    ],
)
def test_numbers_in_any_base_and_case_are_read(text: str, same_as: str) -> None:
    assert str(Sid.from_string(text)) == same_as


@pytest.mark.parametrize(
    "text",
    [
        "", "S", "S-1", "S-1-", "S-2-5-18", "S-1-5-", "S-1--5", "S-1-5-x", "S-1-5-18 ", " S-1-5-18",
        "S-1-5-4294967296",
        "S-1-281474976710656", "S-1-0x1000000000000", "S-1-5-0x100000000", "S-1-5-+1", "S-1-5-1_0", "S-1-5-\u0661",
        "S-1-5" + "-1" * 16, "SY", "S-1-5-18\n", "S-1-5-99999999999999999999",
    ],
)  # fmt: skip
def test_other_text_is_no_sid(text: str) -> None:
    with pytest.raises(AclError):
        Sid.from_string(text)


@pytest.mark.parametrize(
    ("authority", "sub_authorities"),
    [(-1, ()), (1 << 48, ()), (5, (1 << 32,)), (5, (-1,)), (5, (1,) * 16)],
)
def test_numbers_out_of_range_are_refused(authority: int, sub_authorities: tuple[int, ...]) -> None:
    with pytest.raises(AclError):
        Sid(authority, sub_authorities)


@pytest.mark.parametrize("cut", range(12))
def test_a_sid_that_is_cut_off_is_malformed(cut: int) -> None:
    with pytest.raises(MalformedError) as caught:
        Sid.from_bytes(b"\xee" * 5 + Sid.LOCAL_SYSTEM.to_bytes()[:cut], 5)
    assert caught.value.offset == 5


def test_an_offset_outside_the_buffer_is_malformed() -> None:
    for offset in (-1, -12, 5, 12, 2**40):
        with pytest.raises(MalformedError):
            Sid.from_bytes(Sid.LOCAL_SYSTEM.to_bytes(), offset)


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_any_buffer_is_read(kind: Callable[[bytes], Buffer]) -> None:
    sid = Sid.from_bytes(kind(bytes.fromhex("01 01 000000000005 63000000")))
    assert str(sid) == "S-1-5-99"
    assert type(sid.to_bytes()) is bytes


def test_a_sid_is_a_value() -> None:
    sid, same, other = Sid(5, (21, 1, 2, 3, 4)), Sid.from_string("S-1-5-21-1-2-3-4"), Sid(5, (21, 1, 2, 3))
    assert sid == same
    assert hash(sid) == hash(same)
    assert sid != other
    assert sid != str(sid)
    assert sid != sid.to_bytes()
    assert {sid: 1}[same] == 1
    assert repr(sid) == "Sid.from_string('S-1-5-21-1-2-3-4')"
    for name in ("authority", "_bytes", "another"):
        with pytest.raises(FrozenInstanceError):
            setattr(sid, name, 6)
        with pytest.raises(FrozenInstanceError):
            delattr(sid, name)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda sid: pickle.loads(pickle.dumps(sid))])
def test_a_copy_is_the_same_sid(again: Callable[[Sid], Sid]) -> None:
    sid = Sid(5, (21, 7, 8, 9))
    assert again(sid) == sid
    assert str(again(sid)) == str(sid)


def test_equal_bytes_share_one_sid() -> None:
    assert Sid.from_bytes(bytes(Sid.EVERYONE.to_bytes())) is Sid.EVERYONE
    assert Sid(5, (18,)) is Sid.LOCAL_SYSTEM


def test_relatives() -> None:
    domain = Sid.from_string("S-1-5-21-1-2-3")
    admins = domain.child(512)
    assert (str(admins), admins.rid, admins.domain) == ("S-1-5-21-1-2-3-512", 512, domain)
    assert (domain.domain, Sid(5, (21, 1, 2)).domain, Sid.BUILTIN_ADMINISTRATORS.domain) == (
        domain,
        None,
        None,
    )
    assert Sid(5).rid is None
    with pytest.raises(AclError):
        Sid(5, (1,) * 15).child(1)


def test_no_name_means_two_things() -> None:
    names = [*SDDL_SIDS, *DOMAIN_RELATIVE, *FOREST_RELATIVE]
    assert len(set(names)) == len(names)
    assert len(set(SDDL_SIDS.values())) == len(SDDL_SIDS)
    assert len({*DOMAIN_RELATIVE.values(), *FOREST_RELATIVE.values()}) == len(DOMAIN_RELATIVE) + len(
        FOREST_RELATIVE
    )


def test_sids_without_number_do_not_grow_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    table: InternTable[Sid] = InternTable(100_000)
    monkeypatch.setattr(module, "_known", table)
    for rid in range(20_000):
        assert Sid(5, (21, rid)).rid == rid
        assert sum(len(key) + ENTRY_COST for key in table) <= 100_000


def test_a_table_never_holds_more_than_its_bound() -> None:
    table: BoundedTable[int, int] = BoundedTable(10)
    for number in range(1000):
        assert table.keep(number, -number) == -number
        assert len(table) <= 10
    assert table.get(999) == -999
    assert table.keep(999, 5) == -999  # what is stored stays


def test_a_key_larger_than_the_table_is_not_kept() -> None:
    table: InternTable[int] = InternTable(10_000)
    table.keep(b"small", 1)
    assert table.keep(b"x" * 10_001, 2) == 2
    assert not any(len(key) > 10_000 for key in table)
    for number in range(100):
        table.keep(bytes([number]), number)
    assert 10 < len(table) <= 10_000 // ENTRY_COST


def test_threads_share_a_table() -> None:
    table: InternTable[int] = InternTable(50 * ENTRY_COST)
    wrong: list[object] = []

    def work(seed: int) -> None:
        try:
            for number in range(5000):
                key = (seed * number % 997).to_bytes(2, "big")
                if (table.get(key) or table.keep(key, int.from_bytes(key, "big"))) != int.from_bytes(
                    key, "big"
                ):
                    wrong.append(key)
        except Exception as error:  # whatever it is, the test tells
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(table) <= 60
