"""Access control entries: MS-DTYP 2.4.4."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from uuid import UUID

import pytest
from hypothesis import given
from strategies import ACES, OBJECT_TYPES, PLAIN_TYPES, RawAce, raw_aces, value_of, words

from acl import AccessMask, Ace, AceFlag, AceType, AclError, MalformedError, Sid
from acl import ace as module
from acl.intern import ENTRY_COST, Buffer, InternTable

NONE, READ = AceFlag(0), AccessMask(0x20094)
USER = UUID("bf967aba-0de6-11d0-a285-00aa003049e2")
# MS-DTYP 2.4.4.1
TYPES = {
    "ACCESS_ALLOWED": 0x00, "ACCESS_DENIED": 0x01, "SYSTEM_AUDIT": 0x02, "SYSTEM_ALARM": 0x03,
    "ACCESS_ALLOWED_COMPOUND": 0x04, "ACCESS_ALLOWED_OBJECT": 0x05, "ACCESS_DENIED_OBJECT": 0x06,
    "SYSTEM_AUDIT_OBJECT": 0x07, "SYSTEM_ALARM_OBJECT": 0x08, "ACCESS_ALLOWED_CALLBACK": 0x09,
    "ACCESS_DENIED_CALLBACK": 0x0A, "ACCESS_ALLOWED_CALLBACK_OBJECT": 0x0B,
    "ACCESS_DENIED_CALLBACK_OBJECT": 0x0C, "SYSTEM_AUDIT_CALLBACK": 0x0D, "SYSTEM_ALARM_CALLBACK": 0x0E,
    "SYSTEM_AUDIT_CALLBACK_OBJECT": 0x0F, "SYSTEM_ALARM_CALLBACK_OBJECT": 0x10,
    "SYSTEM_MANDATORY_LABEL": 0x11, "SYSTEM_RESOURCE_ATTRIBUTE": 0x12, "SYSTEM_SCOPED_POLICY_ID": 0x13,
    "SYSTEM_PROCESS_TRUST_LABEL": 0x14, "SYSTEM_ACCESS_FILTER": 0x15,
}  # fmt: skip


def test_the_types_are_those_of_the_specification() -> None:
    assert {each.name: int(each) for each in AceType} == TYPES
    assert set(OBJECT_TYPES) == module.OBJECT_TYPES
    assert set(PLAIN_TYPES) == module.PLAIN_TYPES


@given(raw_aces())
def test_every_entry_survives(raw: RawAce) -> None:
    data = raw.data()
    ace = Ace.from_bytes(data)
    assert (
        ace.type,
        ace.flags,
        ace.object_type,
        ace.inherited_object_type,
        ace.reserved_object_flags,
        ace.data,
    ) == (
        raw.type,
        raw.flags,
        raw.object_type,
        raw.inherited_object_type,
        raw.reserved_object_flags,
        raw.rest,
    )
    assert (ace.mask, ace.sid and str(ace.sid)) == (raw.mask, raw.sid and raw.sid.text())
    assert ace.to_bytes() == data
    assert Ace.from_bytes(b"\xff\xff" + data + b"\xff", 2) == ace


@given(raw_aces())
def test_an_entry_that_was_made_writes_what_an_entry_that_was_read_does(raw: RawAce) -> None:
    made = value_of(raw)
    assert made.to_bytes() == raw.data()
    assert made == Ace.from_bytes(raw.data())
    assert hash(made) == hash(Ace.from_bytes(raw.data()))
    assert type(made.flags) is AceFlag
    assert type(made.mask) is AccessMask
    assert isinstance(made.type, AceType) == (raw.type in TYPES.values())


@given(ACES)
def test_an_entry_is_a_value(ace: Ace) -> None:
    for again in (copy.copy(ace), copy.deepcopy(ace), pickle.loads(pickle.dumps(ace)), replace(ace)):
        assert again == ace
        assert hash(again) == hash(ace)
        assert again.to_bytes() == ace.to_bytes()
    assert ace != ace.to_bytes()
    assert replace(ace, flags=AceFlag(ace.flags ^ 1)) != ace
    with pytest.raises(FrozenInstanceError):
        ace.flags = NONE  # type: ignore[misc]


@given(ACES, words(3))
def test_a_changed_entry_writes_the_change(ace: Ace, data: bytes) -> None:
    changed = replace(ace, flags=AceFlag(ace.flags ^ 0xFF), data=data)
    again = Ace.from_bytes(changed.to_bytes())
    assert again == changed
    assert (again.flags, again.data) == (ace.flags ^ 0xFF, data)


def test_equal_bytes_share_one_entry() -> None:
    data = Ace.allow(Sid.EVERYONE, 1).to_bytes()
    assert Ace.from_bytes(data) is Ace.from_bytes(bytes(bytearray(data)))


def test_entries_are_made_as_plain_as_they_can_be() -> None:
    assert Ace.allow(Sid.EVERYONE, 1).type is AceType.ACCESS_ALLOWED
    assert Ace.deny(Sid.EVERYONE, 1).type is AceType.ACCESS_DENIED
    assert Ace.allow(Sid.EVERYONE, 1, object_type=USER).type is AceType.ACCESS_ALLOWED_OBJECT
    assert Ace.deny(Sid.EVERYONE, 1, inherited_object_type=USER).type is AceType.ACCESS_DENIED_OBJECT


@pytest.mark.parametrize("entry_type", TYPES.values())
def test_what_a_type_does_follows_from_its_name(entry_type: int) -> None:
    body = bytes(40) if entry_type == 4 else b""
    sid = None if entry_type == 4 else Sid.EVERYONE
    ace = Ace(entry_type, NONE, AccessMask(0), sid, data=body)
    name = AceType(entry_type).name
    assert ace.is_allow == (name.startswith("ACCESS_ALLOWED") and entry_type != 4)
    assert ace.is_deny == name.startswith("ACCESS_DENIED")
    assert ace.is_object == name.endswith("OBJECT")
    assert ace.is_conditional == ("CALLBACK" in name)


def test_flags_say_where_an_entry_comes_from_and_whether_it_counts() -> None:
    ace = Ace.allow(Sid.EVERYONE, 1, flags=AceFlag.INHERITED | AceFlag.INHERIT_ONLY)
    assert (ace.is_inherited, ace.is_effective) == (True, False)
    assert (Ace.allow(Sid.EVERYONE, 1).is_inherited, Ace.allow(Sid.EVERYONE, 1).is_effective) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((0, NONE, READ, None), "needs a SID"),
        ((5, NONE, READ, None), "needs a SID"),
        ((0, NONE, READ, Sid.EVERYONE, USER), "no GUIDs"),
        ((0, NONE, READ, Sid.EVERYONE, None, USER), "no GUIDs"),
        ((0, NONE, READ, Sid.EVERYONE, None, None, b"", 4), "no GUIDs"),
        ((5, NONE, READ, Sid.EVERYONE, None, None, b"", 1), "follow from the GUIDs"),
        ((5, NONE, READ, Sid.EVERYONE, USER, None, b"", 2), "follow from the GUIDs"),
        ((4, NONE, READ, None), "give it as data"),
        ((99, NONE, AccessMask(0), Sid.EVERYONE), "give it as data"),
        ((0, NONE, READ, Sid.EVERYONE, None, None, b"123"), "multiple of 4"),
        ((0, NONE, AccessMask(1 << 32), Sid.EVERYONE), "no room"),
        ((0, NONE, AccessMask(-1), Sid.EVERYONE), "no room"),
        ((0, AceFlag(256), READ, Sid.EVERYONE), "no room"),
        ((256, NONE, AccessMask(0), None), "no room"),
        ((-1, NONE, AccessMask(0), None), "no room"),
        ((5, NONE, READ, Sid.EVERYONE, None, None, b"", 1 << 32), "no room"),
        ((99, NONE, AccessMask(0), None, None, None, bytes(65_532)), "no room"),
    ],
)  # fmt: skip
def test_an_entry_without_binary_form_is_refused(
    arguments: tuple[int, AceFlag, AccessMask, Sid], reason: str
) -> None:
    with pytest.raises(AclError, match=reason):
        Ace(*arguments)


@pytest.mark.parametrize("size", [4, 65_528, 65_532])
def test_an_entry_may_be_as_large_as_its_size_can_say(size: int) -> None:
    data = b"\x99\x00" + size.to_bytes(2, "little") + bytes(size - 4)
    assert Ace.from_bytes(data).to_bytes() == data
    assert Ace(0x99, NONE, AccessMask(0), None, data=bytes(size - 4)).to_bytes() == data


def test_an_entry_that_does_not_fit_its_buffer_is_malformed() -> None:
    data = Ace.allow(Sid.EVERYONE, 1).to_bytes()
    for cut in range(len(data)):
        with pytest.raises(MalformedError) as caught:
            Ace.from_bytes(b"\xee" * 7 + data[:cut], 7)
        assert caught.value.offset == (7 if cut < 4 else 9)


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_any_buffer_is_read(kind: Callable[[bytes], Buffer]) -> None:
    data = Ace.deny(Sid.EVERYONE, 0x77).to_bytes()
    assert Ace.from_bytes(kind(data)).to_bytes() == data


def test_entries_without_number_do_not_grow_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    table: InternTable[Ace] = InternTable(100_000)
    monkeypatch.setattr(module, "known_aces", table)
    for mask in range(1, 5000):
        data = b"\x00\x00\x14\x00" + mask.to_bytes(4, "little") + Sid.EVERYONE.to_bytes()
        assert Ace.from_bytes(data).mask == mask
        assert sum(len(key) + ENTRY_COST for key in table) <= 100_000
