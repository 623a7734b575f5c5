"""What differs between two descriptors: entry by entry, owner, protection and order."""

from __future__ import annotations

import json

import pytest

from acl import Ace, SecurityDescriptor, Sid
from adsyncconfig.comparison import (
    ComparedSnapshot,
    Comparison,
    DifferenceKind,
    ObjectDifference,
    PermissionDifference,
    compared,
    stock,
)

DOMAIN = "S-1-5-21-1-2-3"
ALLOW = f"(A;CI;RPWP;;;{DOMAIN}-1102)"
DENY = f"(D;;WD;;;{DOMAIN}-1103)"
INHERITED = f"(A;CIID;RP;;;{DOMAIN}-1104)"


def words(ace: Ace) -> str:
    return f"mask {int(ace.mask):#x}"


def name(sid: Sid) -> str:
    return f"<{sid}>"


def descriptor(dacl: str, owner: str = "BA") -> SecurityDescriptor:
    return SecurityDescriptor.from_sddl(f"O:{owner}G:BA{dacl}")


def between(before: str, after: str) -> PermissionDifference:
    return compared(descriptor(before), descriptor(after), words, name)


def entries(difference: PermissionDifference) -> list[tuple[bool, str, bool]]:
    return [(each.added, each.sddl, each.inherited) for each in difference.entries]


def test_equal_permissions_differ_in_nothing() -> None:
    assert not between(f"D:{ALLOW}{DENY}", f"D:{ALLOW}{DENY}")


def test_entries_come_and_go_and_say_whether_they_are_inherited() -> None:
    difference = between(f"D:{ALLOW}{INHERITED}", f"D:{ALLOW}{DENY}")
    assert entries(difference) == [(False, INHERITED, True), (True, DENY, False)]
    assert [each.words for each in difference.entries] == ["mask 0x10", "mask 0x40000"]
    assert not difference.is_inherited


def test_an_entry_that_stands_twice_and_then_once_went_once() -> None:
    assert entries(between(f"D:{ALLOW}{ALLOW}", f"D:{ALLOW}")) == [(False, ALLOW, False)]


def test_what_comes_from_above_alone_is_told_apart() -> None:
    assert between("D:", f"D:{INHERITED}").is_inherited
    assert not between(f"D:{DENY}{ALLOW}", f"D:{ALLOW}{DENY}").is_inherited


def test_another_order_of_the_same_entries_is_a_difference() -> None:
    difference = between(f"D:{DENY}{ALLOW}", f"D:{ALLOW}{DENY}")
    assert difference.reordered
    assert difference.entries == ()


def test_owner_protection_and_a_list_that_is_gone_are_pairs() -> None:
    before, after = descriptor(f"D:{ALLOW}"), descriptor(f"D:P{ALLOW}", "SY")
    difference = compared(before, after, words, name)
    assert difference.owner == ("<S-1-5-32-544>", "<S-1-5-18>")
    assert difference.protected == (False, True)
    assert difference.open is None
    assert between("D:", "D:NO_ACCESS_CONTROL").open == (False, True)  # none at all is not an empty one


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_permissions_that_one_side_could_not_read_are_a_difference(*, before: bool, after: bool) -> None:
    one = descriptor(f"D:{ALLOW}")
    difference = compared(one if before else None, one if after else None, words, name)
    assert difference.readable == (before, after)
    assert difference.entries == ()


def test_permissions_that_nobody_could_read_are_no_difference() -> None:
    assert not compared(None, None, words, name)


def test_an_object_that_came_or_went_has_its_owner_and_its_own_entries() -> None:
    came = stock(descriptor(f"D:{ALLOW}{INHERITED}"), words, name, added=True)
    assert (came.owner, entries(came)) == ((None, "<S-1-5-32-544>"), [(True, ALLOW, False)])
    went = stock(descriptor(f"D:{ALLOW}{INHERITED}"), words, name, added=False)
    assert (went.owner, entries(went)) == (("<S-1-5-32-544>", None), [(False, ALLOW, False)])
    assert stock(None, words, name, added=True).readable == (False, False)


def test_a_comparison_as_json_has_every_kind_and_each_difference() -> None:
    changed = ObjectDifference(
        DifferenceKind.CHANGED,
        "OU=New,DC=contoso,DC=example",
        "organizationalUnit",
        "00000000-0000-0000-0000-000000000001",
        between("D:", f"D:{ALLOW}"),
        former_dn="OU=Old,DC=contoso,DC=example",
    )
    comparison = Comparison(
        ComparedSnapshot("old.jsonl", "dc1.contoso.example", 2),
        ComparedSnapshot("new.jsonl", "dc1.contoso.example", 2),
        differences=(changed,),
        counts={DifferenceKind.CHANGED: 1},
    )
    said = json.loads(json.dumps(comparison.to_json()))
    assert said["counts"] == {"added": 0, "removed": 0, "changed": 1, "renamed": 0}
    assert said["differences"] == [
        {
            "kind": "changed",
            "dn": "OU=New,DC=contoso,DC=example",
            "formerDn": "OU=Old,DC=contoso,DC=example",
            "objectClass": "organizationalUnit",
            "objectGuid": "00000000-0000-0000-0000-000000000001",
            "entries": [{"sddl": ALLOW, "words": "mask 0x30", "added": True, "inherited": False}],
            "owner": None,
            "inheritanceBlocked": None,
            "openToAll": None,
            "readable": None,
            "reordered": False,
        }
    ]
    assert comparison.exit_code == 3
    nothing = Comparison(comparison.reference, comparison.difference, differences=(), counts={})
    assert nothing.exit_code == 0
