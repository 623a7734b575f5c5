"""Plans: what a grant adds to what is there, and what it refuses to do."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

import pytest
from contoso_directory import CONNECTOR_SID
from expectations import GROUP_WRITEBACK, expected_aces

from acl import Ace, Control, SecurityDescriptor, Sid
from acl.sddl import ace_to_sddl
from adsyncconfig import ParameterError, UnsafePlan
from adsyncconfig.catalogue import UNIFIED_GROUP_WRITEBACK, Grant, TargetKind
from adsyncconfig.dsacls import RIGHTS, mask
from adsyncconfig.grants import hands_over, wanted_entries
from adsyncconfig.plan import Target, plan_grants, same_permissions
from adsyncconfig.schema import Kind, bundled
from adsyncconfig.words import guid_names, in_words

SID = Sid.from_string(CONNECTOR_SID)
GROUP = bundled(Kind.CLASS)["group"]
OU = "OU=Writeback,DC=contoso,DC=example"


def target(sddl: str = "D:", kind: TargetKind = TargetKind.CONTAINER, object_class: str = "x") -> Target:
    descriptor = SecurityDescriptor.from_sddl(sddl)
    return Target(kind, "contoso.example", OU, "Writeback", object_class, descriptor)


def wanted(of: Target) -> tuple[Ace, ...]:
    names = {(Kind.CLASS, "group"): GROUP}
    feature = UNIFIED_GROUP_WRITEBACK
    return wanted_entries(feature, feature.grants, of, sid=SID, names=names).aces


@pytest.mark.parametrize(
    ("kind", "object_class", "expected"),
    [
        (TargetKind.DOMAIN, "domainDNS", "domain root"),
        (TargetKind.CONTAINER, "organizationalUnit", "organizationalUnit"),
        (TargetKind.CONTAINER, "container", "container"),
        (TargetKind.OBJECT, "group", "group"),
        (TargetKind.ADMIN_SD_HOLDER, "container", "AdminSDHolder"),
    ],
)
def test_the_entry_for_each_kind_of_target(kind: TargetKind, object_class: str, expected: str) -> None:
    aces = wanted(target(kind=kind, object_class=object_class))
    assert [ace_to_sddl(ace) for ace in aces] == expected_aces(GROUP_WRITEBACK, expected, CONNECTOR_SID)


def test_an_object_of_another_class_has_nothing_to_be_granted() -> None:
    with pytest.raises(ParameterError, match=r"of class user.*nothing to grant.*object of class group"):
        wanted(target(kind=TargetKind.OBJECT, object_class="user"))


def test_a_plan_keeps_what_is_there_and_tells_what_is_new() -> None:
    of = target("O:BAG:BAD:P(D;;WD;;;WD)(A;CI;GR;;;AU)(A;CIID;RP;;;BA)")
    change, warnings = plan_grants("op", of, wanted(of))
    assert warnings == ()
    assert change.is_needed
    assert change.added == wanted(of)
    assert change.removed == ()
    assert change.before == of.descriptor
    assert change.after.owner == of.descriptor.owner
    assert change.after.dacl_is_protected


def test_a_grant_that_is_there_needs_no_change() -> None:
    of = target()
    first, _ = plan_grants("op", of, wanted(of))
    again, _ = plan_grants("op", replace(of, descriptor=first.after), wanted(of))
    assert not again.is_needed
    assert again.added == again.removed == ()


def test_a_null_dacl_is_never_made_a_short_list() -> None:
    of = replace(target(), descriptor=SecurityDescriptor(Control.DACL_PRESENT))
    with pytest.raises(UnsafePlan, match="everybody has full control"):
        plan_grants("op", of, wanted(of))


def test_an_order_that_is_not_canonical_is_left_and_warned_of() -> None:
    of = target("D:(A;CI;GR;;;AU)(D;;WD;;;WD)")
    change, warnings = plan_grants("op", of, wanted(of))
    assert change.after.dacl is not None
    assert of.descriptor.dacl is not None
    assert change.after.dacl.aces[:2] == of.descriptor.dacl.aces
    assert len(warnings) == 1
    assert "not in canonical order" in warnings[0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("D:(A;;RP;;;AU)(A;;WP;;;BA)", "D:(A;;WP;;;BA)(A;;RP;;;AU)", True),
        ("D:(A;;RP;;;AU)", "D:(A;;RP;;;AU)(A;CIID;WP;;;BA)", True),
        ("D:(A;;RP;;;AU)", "D:AI(A;;RP;;;AU)", True),
        ("D:(A;;RP;;;AU)", "D:P(A;;RP;;;AU)", False),
        ("D:(A;;RP;;;AU)", "D:(A;;RP;;;AU)(A;;RP;;;AU)", False),
        ("D:(A;;RP;;;AU)", "D:(A;CI;RP;;;AU)", False),
        ("O:BA", "O:BAD:", False),
    ],
)
def test_permissions_are_the_same_but_for_order_and_inheritance(one: str, other: str, *, same: bool) -> None:
    first, second = SecurityDescriptor.from_sddl(one), SecurityDescriptor.from_sddl(other)
    assert same_permissions(first, second) is same


@pytest.mark.parametrize(
    ("grant", "able"),
    [
        (Grant(mask("GRGWCCDCSDDT"), "group"), "write every attribute.*delete it"),
        (Grant(mask("CA")), "reset its password"),
        (Grant(mask("CA"), on=(Kind.RIGHT, "User-Force-Change-Password")), "reset its password"),
        (Grant(mask("WD")), "rewrite its permissions"),
        (Grant(mask("WO")), "take ownership"),
        (Grant(mask("WP"), on=(Kind.ATTRIBUTE, "member")), "members of Domain Admins"),
        (Grant(mask("GR")), None),
        (Grant(mask("RPWP"), on=(Kind.ATTRIBUTE, "mS-DS-ConsistencyGuid")), None),
    ],
)
def test_what_a_grant_hands_over_on_protected_accounts(grant: Grant, able: str | None) -> None:
    said = hands_over(grant)
    assert (said is None) if able is None else (said is not None and re.search(able, said) is not None)


# Source: the table "ACL string in module" of the dsacls reference, from MS-ADTS 5.1.3.2.
@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ("GRGWCCDCSDDT", 0x300FF),
        ("GRGW", 0x200BC),
        ("GRGWCCDC", 0x200BF),
        ("GWCCDC", 0x2002B),
        ("RPWP", 0x30),
        ("CCDC", 0x3),
        ("LCRPRC", 0x20014),
        ("GA", 0xF01FF),
    ],
)
def test_dsacls_rights_become_mapped_masks(rights: str, expected: int) -> None:
    assert mask(rights) == expected


def test_no_dsacls_right_has_a_generic_bit() -> None:
    assert not any(each.has_generic for each in RIGHTS.values())


@pytest.mark.parametrize(
    ("ace", "words"),
    [
        ("(OA;CI;CC;;bf967a9c-0de6-11d0-a285-00aa003049e2;BA)",
         "Allow it: create objects of every class; on this object and group objects below it"),
        ("(OA;CIIO;RPWP;;bf967a9c-0de6-11d0-a285-00aa003049e2;BA)",
         "Allow it: read every attribute, write every attribute; on group objects below it only"),
        ("(OA;CI;CCDC;bf967a9c-0de6-11d0-a285-00aa003049e2;;BA)",
         "Allow it: create group objects, delete group objects; on this object and everything below it"),
        ("(OA;;CR;00299570-246d-11d0-a768-00aa006e0529;;BA)",
         "Allow it: User-Force-Change-Password; on this object only"),
        ("(OD;CINP;WP;28630ebf-41d5-11d1-a9c1-0000f80367c1;;BA)",
         "Deny it: write lockoutTime; on this object and everything one level below it"),
        ("(A;;0x2000000;;;BA)", "Allow it: rights 0x2000000; on this object only"),
    ],
)  # fmt: skip
def test_an_entry_in_words(ace: str, words: str) -> None:
    dacl = SecurityDescriptor.from_sddl(f"D:{ace}").dacl
    assert dacl is not None
    assert in_words(dacl.aces[0], "it", guid_names()) == words


def test_a_guid_without_a_name_stands_for_itself() -> None:
    ace = Ace.allow(SID, 0x20, object_type=UUID(int=1))
    assert "write 00000000-0000-0000-0000-000000000001" in in_words(ace, "it", guid_names())
