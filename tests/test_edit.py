"""Editing a DACL: the rules at the top of acl/edit.py, as rows of a table and as properties."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from acl import AccessMask, Ace, AceFlag, AceType, Acl, AclError, Control, SecurityDescriptor, Sid
from acl.edit import (
    canonicalise,
    contains,
    grant,
    is_canonical,
    missing,
    protect,
    revoke,
    revoke_trustee,
    unprotect,
)
from acl.sddl import ace_from_sddl, sid_from_sddl

FIXTURE = Path(__file__).parent.parent / "fixtures" / "edits.json"
TABLE = json.loads(FIXTURE.read_text(encoding="utf-8"))
NAMES = TABLE["names"]

# Few values of each kind, so that entries alike, and nearly alike, are met all the time.
TRUSTEES = st.sampled_from([Sid.EVERYONE, Sid.AUTHENTICATED_USERS, Sid(5, (21, 1, 2, 3, 1104))])
CLASSES = st.none() | st.sampled_from([UUID(NAMES["user"]), UUID(NAMES["group"])])
MASKS = st.integers(1, 15).map(AccessMask)
FLAGS = st.sampled_from([AceFlag(0), AceFlag.CONTAINER_INHERIT, AceFlag(0x0A)])
CONDITIONS = st.sampled_from([b"artx" + bytes(4), b"artx\xf9\x00\x00\x00"])


@st.composite
def grants(draw: st.DrawFn) -> Ace:
    """Explicit entries that allow or deny, some with GUIDs, some with a condition."""
    entry_type = draw(st.sampled_from([0, 0, 1, 5, 6, 9, 10, 11]))
    object_type, inherited = (draw(CLASSES), draw(CLASSES)) if entry_type in (5, 6, 11) else (None, None)
    data = draw(CONDITIONS) if entry_type in (9, 10, 11) else b""
    return Ace(entry_type, draw(FLAGS), draw(MASKS), draw(TRUSTEES), object_type, inherited, data)


@st.composite
def entries(draw: st.DrawFn) -> Ace:
    """What can stand in a DACL: explicit and inherited, over-allocated, audit, and unknown."""
    ace = draw(grants())
    kind = draw(
        st.sampled_from(["as it is"] * 6 + ["inherited"] * 3 + ["over-allocated", "audit", "unknown"])
    )
    if kind == "inherited":
        return replace(ace, flags=ace.flags | AceFlag.INHERITED)
    if kind == "over-allocated" and not ace.is_conditional:
        return replace(ace, data=bytes(8))
    if kind == "audit":
        return Ace(AceType.SYSTEM_AUDIT, ace.flags | AceFlag.SUCCESSFUL_ACCESS, ace.mask, ace.sid)
    if kind == "unknown":
        return Ace(0x77, ace.flags, AccessMask(0), None, data=bytes(4))
    return ace


LISTS = st.lists(entries(), max_size=8).map(lambda aces: Acl(tuple(aces)))


def _text(text: str) -> str:
    for name, guid in NAMES.items():
        text = text.replace("{" + name + "}", guid)
    return text


def _edited(descriptor: SecurityDescriptor, edit: list[str]) -> SecurityDescriptor:
    verb, *rest = edit
    if verb == "protect":
        return protect(descriptor, keep_inherited=rest == ["keep"])
    if verb == "unprotect":
        return unprotect(descriptor)
    assert descriptor.dacl is not None
    if verb == "canonicalise":
        dacl = canonicalise(descriptor.dacl)
    elif verb == "revoke_trustee":
        dacl = revoke_trustee(descriptor.dacl, sid_from_sddl(rest[0]), deny_too=rest[1:] == ["deny_too"])
    else:
        dacl = {"grant": grant, "revoke": revoke}[verb](descriptor.dacl, ace_from_sddl(_text(rest[0])))
    return descriptor if dacl is descriptor.dacl else replace(descriptor, dacl=dacl)


@pytest.mark.parametrize("row", TABLE["edits"], ids=[row["name"] for row in TABLE["edits"]])
def test_edit(row: dict[str, Any]) -> None:
    descriptor = SecurityDescriptor.from_sddl(_text(row["dacl"]))
    if "error" in row:
        with pytest.raises(AclError, match=row["error"]):
            _edited(descriptor, row["edit"])
        return
    edited = _edited(descriptor, row["edit"])
    after = SecurityDescriptor.from_sddl(_text(row["after"]))
    assert edited.to_sddl() == after.to_sddl()
    assert edited.control == after.control
    assert edited.dacl is not None
    assert after.dacl is not None
    assert edited.dacl.aces == after.dacl.aces
    assert (edited is descriptor) == (row["after"] == row["dacl"])


def test_every_rule_has_a_row() -> None:
    origins = " ".join(row["origin"] for row in TABLE["edits"])
    assert all(f"Rule {number}" in origins for number in range(1, 7))


@given(LISTS, grants())
def test_granting_twice_is_granting_once(acl: Acl, ace: Ace) -> None:
    once = grant(acl, ace)
    assert grant(once, ace) is once
    assert contains(once, ace)
    assert not missing(once, ace)


@given(LISTS, grants())
def test_a_grant_changes_one_entry_or_adds_one(acl: Acl, ace: Ace) -> None:
    before, after = Counter(acl), Counter(grant(acl, ace))
    gone, new = before - after, after - before
    assert sum(gone.values()) <= sum(new.values()) <= 1
    for old in gone:
        (changed,) = new
        assert replace(changed, mask=old.mask) == old
        assert changed.mask == old.mask | missing(acl, ace)
    assert [each for each in grant(acl, ace) if each.is_inherited] == [
        each for each in acl if each.is_inherited
    ]


@given(LISTS, grants())
def test_taking_back_what_a_grant_added_gives_the_list_from_before(acl: Acl, ace: Ace) -> None:
    assume(is_canonical(acl))
    added = missing(acl, ace)
    after = grant(acl, ace)
    if added:
        after = revoke(after, replace(ace, mask=added))
    assert after.aces == acl.aces


@given(LISTS, grants(), MASKS)
def test_granting_again_what_was_revoked_gives_the_rights_from_before(
    acl: Acl, ace: Ace, part: AccessMask
) -> None:
    acl = grant(canonicalise(acl), replace(ace, mask=ace.mask | part))
    again = grant(revoke(acl, replace(ace, mask=part)), replace(ace, mask=part))
    assert _rights(again) == _rights(acl)
    assert is_canonical(again)


def _rights(acl: Acl) -> set[tuple[Ace, int]]:
    """Every single right, with the entry that it stands in."""
    return {
        (replace(each, mask=AccessMask(1), data=each.data if each.is_conditional else b""), 1 << bit)
        for each in acl
        if each.sid is not None
        for bit in range(32)
        if each.mask & 1 << bit
    }


@given(LISTS, grants())
def test_an_edit_touches_no_other_right(acl: Acl, ace: Ace) -> None:
    own = _rights(Acl((ace,)))
    assert _rights(grant(acl, ace)) == _rights(acl) | own
    assert _rights(revoke(acl, ace)) == _rights(acl) - own


@given(LISTS, grants())
def test_a_grant_weakens_no_deny(acl: Acl, ace: Ace) -> None:
    def denies(entries: Acl) -> set[tuple[Ace, int]]:
        return {right for right in _rights(entries) if right[0].is_deny}

    assert denies(grant(acl, ace)) >= denies(acl)


@given(LISTS, grants())
def test_a_canonical_list_stays_canonical(acl: Acl, ace: Ace) -> None:
    ordered = canonicalise(acl)
    assert is_canonical(ordered)
    for edited in (grant(ordered, ace), revoke(ordered, ace), revoke_trustee(ordered, Sid.EVERYONE)):
        assert is_canonical(edited)


@given(LISTS, grants())
def test_another_order_is_never_mended(acl: Acl, ace: Ace) -> None:
    """What was there stays in its order, entry by entry."""
    kept = [replace(each, mask=AccessMask(1)) if each.sid else each for each in acl]
    after = [replace(each, mask=AccessMask(1)) if each.sid else each for each in grant(acl, ace)]
    if len(after) > len(kept):
        places = [index for index, each in enumerate(after) if after[:index] + after[index + 1 :] == kept]
        assert places
    else:
        assert after == kept
    left = iter(acl)
    assert all(any(_same_place(each, old) for old in left) for each in revoke(acl, ace))


def _same_place(each: Ace, old: Ace) -> bool:
    return each == old or (None not in (each.sid, old.sid) and replace(each, mask=old.mask) == old)


@given(LISTS, grants())
def test_in_another_order_an_allow_stands_behind_every_explicit_deny(acl: Acl, ace: Ace) -> None:
    assume(not is_canonical(acl) and ace.is_allow and missing(acl, ace))
    after = list(grant(acl, ace))
    position = max(index for index, each in enumerate(after) if each == ace)
    assert not any(each.is_deny and not each.is_inherited for each in after[position:])


@given(LISTS, grants())
def test_a_deny_stands_in_front_of_every_allow(acl: Acl, ace: Ace) -> None:
    assume(ace.is_deny)
    after = grant(acl, ace)
    first = next((index for index, each in enumerate(after) if each.is_allow), len(after))
    assert contains(Acl(after.aces[:first]), ace)


@given(LISTS)
def test_putting_in_order_keeps_every_entry_and_the_order_of_its_section(acl: Acl) -> None:
    ordered = canonicalise(acl)
    assert Counter(ordered) == Counter(acl)
    for wanted in (
        lambda ace: ace.is_inherited,
        lambda ace: not ace.is_inherited and ace.is_deny,
        lambda ace: not ace.is_inherited and not ace.is_deny,
    ):
        assert list(filter(wanted, ordered)) == list(filter(wanted, acl))
    assert canonicalise(ordered) is ordered


@given(LISTS, TRUSTEES, st.booleans())
def test_revoking_a_trustee_takes_its_explicit_entries_and_no_others(
    acl: Acl, sid: Sid, deny_too: bool
) -> None:
    gone = Counter(acl) - Counter(revoke_trustee(acl, sid, deny_too=deny_too))
    assert all(each.sid == sid and not each.is_inherited for each in gone)
    assert deny_too or not any(each.is_deny for each in gone)
    after = revoke_trustee(acl, sid, deny_too=deny_too)
    assert revoke_trustee(after, sid, deny_too=deny_too) is after
    assert not any(each.sid == sid and each.is_allow and not each.is_inherited for each in after)


def test_an_entry_that_was_allocated_too_large_is_alike_and_keeps_its_bytes() -> None:
    large = Ace(0, AceFlag(0), AccessMask(1), Sid.EVERYONE, data=bytes(8))
    assert contains(Acl((large,)), Ace.allow(Sid.EVERYONE, 1))
    (merged,) = grant(Acl((large,)), Ace.allow(Sid.EVERYONE, 2))
    assert merged == replace(large, mask=AccessMask(3))


def test_entries_under_another_condition_are_not_alike() -> None:
    one, other = (
        Ace(9, AceFlag(0), AccessMask(1), Sid.EVERYONE, data=data) for data in (b"artx", b"artxartx")
    )
    assert grant(Acl((one,)), other).aces == (one, other)
    assert grant(Acl((one,)), replace(one, mask=AccessMask(2))).aces == (replace(one, mask=AccessMask(3)),)


def test_slack_goes_and_revision_rises_with_an_edit() -> None:
    acl = Acl((Ace.allow(Sid.EVERYONE, 1),), 2, bytes(4))
    assert grant(acl, Ace.allow(Sid.EVERYONE, 1)) is acl
    edited = grant(acl, Ace.allow(Sid.EVERYONE, 1, object_type=UUID(NAMES["user"])))
    assert (edited.revision, edited.slack) == (4, b"")


@given(LISTS, st.booleans())
def test_protecting_and_unprotecting(acl: Acl, keep: bool) -> None:
    descriptor = SecurityDescriptor(owner=Sid.EVERYONE, dacl=acl)
    protected = protect(descriptor, keep_inherited=keep)
    assert protected.dacl is not None
    assert protected.control == descriptor.control | Control.DACL_PROTECTED
    assert not any(each.is_inherited for each in protected.dacl)
    assert len(protected.dacl) == sum(keep or not each.is_inherited for each in acl)
    assert protect(protected, keep_inherited=keep) is protected
    freed = unprotect(protected)
    assert replace(freed, control=protected.control) == protected
    assert not freed.dacl_is_protected
