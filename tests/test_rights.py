"""The access mask: every named bit against the tables of MS-DTYP 2.4.3 and MS-ADTS 5.1.3.2."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from strategies import U32

from acl import DIRECTORY_MAPPING, AccessMask, AceFlag, Control
from acl.bits import Bits

# MS-DTYP 2.4.3 counts bits from the left of the figure; the values are those of its text.
MASK = {
    "GENERIC_READ": 0x80000000, "GENERIC_WRITE": 0x40000000, "GENERIC_EXECUTE": 0x20000000,
    "GENERIC_ALL": 0x10000000, "MAXIMUM_ALLOWED": 0x02000000, "ACCESS_SYSTEM_SECURITY": 0x01000000,
    "SYNCHRONIZE": 0x00100000, "WRITE_OWNER": 0x00080000, "WRITE_DAC": 0x00040000, "READ_CONTROL": 0x00020000,
    "DELETE": 0x00010000,
    # MS-ADTS 5.1.3.2
    "DS_CONTROL_ACCESS": 0x00000100, "DS_LIST_OBJECT": 0x00000080, "DS_DELETE_TREE": 0x00000040,
    "DS_WRITE_PROPERTY": 0x00000020, "DS_READ_PROPERTY": 0x00000010, "DS_WRITE_PROPERTY_EXTENDED": 0x00000008,
    "DS_LIST_CONTENTS": 0x00000004, "DS_DELETE_CHILD": 0x00000002, "DS_CREATE_CHILD": 0x00000001,
}  # fmt: skip
# MS-DTYP 2.4.4.1; CRITICAL is 0x20 in winnt.h.
FLAGS = {
    "OBJECT_INHERIT": 0x01, "CONTAINER_INHERIT": 0x02, "NO_PROPAGATE_INHERIT": 0x04, "INHERIT_ONLY": 0x08,
    "INHERITED": 0x10, "CRITICAL": 0x20, "SUCCESSFUL_ACCESS": 0x40, "FAILED_ACCESS": 0x80,
}  # fmt: skip
# MS-DTYP 2.4.6
CONTROL = {
    "OWNER_DEFAULTED": 0x0001, "GROUP_DEFAULTED": 0x0002, "DACL_PRESENT": 0x0004, "DACL_DEFAULTED": 0x0008,
    "SACL_PRESENT": 0x0010, "SACL_DEFAULTED": 0x0020, "DACL_TRUSTED": 0x0040, "SERVER_SECURITY": 0x0080,
    "DACL_AUTO_INHERIT_REQ": 0x0100, "SACL_AUTO_INHERIT_REQ": 0x0200, "DACL_AUTO_INHERITED": 0x0400,
    "SACL_AUTO_INHERITED": 0x0800, "DACL_PROTECTED": 0x1000, "SACL_PROTECTED": 0x2000,
    "RM_CONTROL_VALID": 0x4000, "SELF_RELATIVE": 0x8000,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "names"), [(AccessMask, MASK), (AceFlag, FLAGS), (Control, CONTROL)])
def test_the_names_are_those_of_the_specification(kind: type[Bits], names: dict[str, int]) -> None:
    found = kind.NAMES
    assert found == names
    assert {name: int(getattr(kind, name)) for name in names} == names
    assert all(type(getattr(kind, name)) is kind for name in names)


@given(U32, U32)
def test_bits_are_integers_of_their_own_kind(one: int, other: int) -> None:
    mask = AccessMask(one)
    for result, expected in (
        (mask | other, one | other),
        (mask & other, one & other),
        (mask ^ other, one ^ other),
        (other | mask, one | other),
        (other & mask, one & other),
        (other ^ mask, one ^ other),
        (mask.without(other), one & ~other),
    ):
        assert result == expected
        assert type(result) is AccessMask
    assert mask.has(other) == (one & other == other)
    assert hash(mask) == hash(one)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (AccessMask(0), "AccessMask(0x0)"),
        (AccessMask(0x30), "AccessMask(DS_READ_PROPERTY|DS_WRITE_PROPERTY)"),
        (AccessMask(0x210), "AccessMask(DS_READ_PROPERTY|0x200)"),
        (AceFlag(0x1A), "AceFlag(CONTAINER_INHERIT|INHERIT_ONLY|INHERITED)"),
        (Control(0x8004), "Control(DACL_PRESENT|SELF_RELATIVE)"),
    ],
)
def test_bits_print_by_name_and_the_others_in_hexadecimal(value: Bits, text: str) -> None:
    assert repr(value) == text


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_of_the_same_kind(again: Callable[[AccessMask], AccessMask]) -> None:
    assert type(again(AccessMask(0xF01FF))) is AccessMask
    assert again(AccessMask(0xF01FF)) == 0xF01FF


@pytest.mark.parametrize(
    ("mask", "mapped"),
    [
        # MS-ADTS 5.1.3.2: GR = RC LC RP LO, GW = RC SW WP, GX = RC LC, GA = every right of a directory object
        (0x80000000, 0x00020094),
        (0x40000000, 0x00020028),
        (0x20000000, 0x00020004),
        (0x10000000, 0x000F01FF),
        (0xC0000000, 0x000200BC),
        (0x80000100, 0x00020194),
        (0x000300FF, 0x000300FF),
        (0x01100200, 0x01100200),
        (0, 0),
    ],
)
def test_generic_rights_stand_for_directory_rights(mask: int, mapped: int) -> None:
    assert DIRECTORY_MAPPING.map(mask) == mapped
    assert not DIRECTORY_MAPPING.map(mask).has_generic


@given(U32)
def test_mapping_is_done_once(mask: int) -> None:
    mapped = DIRECTORY_MAPPING.map(mask)
    assert DIRECTORY_MAPPING.map(mapped) == mapped
    assert AccessMask(mask).has_generic == bool(mask & 0xF0000000)
    assert mapped.has(mask & 0x0FFFFFFF)
