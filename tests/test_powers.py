"""What the holder of an entry can do: facts by hand, and every answer beside an access check worked out here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl import AccessMask, Ace, AceFlag, SecurityDescriptor, Sid
from acl.access import access_check
from acl.token import Token
from adsyncconfig.abilities import ABILITIES, names_of_abilities
from adsyncconfig.findings import Power
from adsyncconfig.powers import BELOW, Powers, blocks_owners, widest
from adsyncconfig.schema import Kind, bundled, bundled_property_sets

ME = Sid.from_string("S-1-5-21-1-2-3-1102")
HELPERS = Sid.from_string("S-1-5-21-1-2-3-1200")
STRANGER = Sid.from_string("S-1-5-21-1-2-3-1300")
OBJECT = Sid.from_string("S-1-5-21-1-2-3-1400")
TOKEN = Token.for_account(ME, (HELPERS,))

CLASS, ATTRIBUTE, RIGHT = bundled(Kind.CLASS), bundled(Kind.ATTRIBUTE), bundled(Kind.RIGHT)
UNIT, GROUP, GMSA = CLASS["organizationalUnit"], CLASS["group"], "msDS-GroupManagedServiceAccount"
ACCOUNT_RESTRICTIONS = RIGHT["User-Account-Restrictions"]
PUBLIC_INFORMATION = RIGHT["Public-Information"]


def powers(*, without: Iterable[str] = ()) -> Powers:
    wanted = names_of_abilities()
    wanted[Kind.CLASS] += BELOW
    missing = set(without)
    guids = {
        (kind, name): bundled(kind)[name]
        for kind, names in wanted.items()
        for name in names
        if name not in missing
    }
    return Powers(guids, bundled_property_sets())


def descriptor(dacl: str, *, owner: Sid | None = None) -> SecurityDescriptor:
    owned = f"O:{owner}" if owner else ""
    return SecurityDescriptor.from_sddl(
        f"{owned}D:{dacl}".replace("ME", str(ME)).replace("HELPERS", str(HELPERS))
    )


def held(dacl: str, object_class: str = "user", *, owner: Sid | None = None, **more: object) -> set[str]:
    found = powers().held(descriptor(dacl, owner=owner), TOKEN, object_class, **more)  # type: ignore[arg-type]
    return {each.ability.id for each in found}


ATTRIBUTES_OF_A_USER = {
    "write-key-credentials", "write-delegation", "write-certificate-mapping", "write-logon-script",
    "write-service-names", "write-account-control", "write-source-anchor",
}  # fmt: skip
WHOLE = {
    "full-control", "write-permissions", "write-owner", "write-everything", "every-extended-right",
    "create-everything", "delete-everything", "delete-tree", "delete",
}  # fmt: skip


@pytest.mark.parametrize(
    ("dacl", "object_class", "expected"),
    [
        ("(A;;GA;;;ME)", "user", WHOLE | ATTRIBUTES_OF_A_USER | {"reset-password"}),
        ("(A;;GA;;;ME)", "container", WHOLE),
        ("(A;;GA;;;ME)", "group", WHOLE | {"write-members", "write-source-anchor"}),
        ("(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;HELPERS)", "container", WHOLE),
        ("(A;;CCDCLCSWRPWPDTLOCRSDRCWD;;;ME)", "container", WHOLE - {"full-control", "write-owner"}),
        ("(A;;WD;;;ME)", "user", {"write-permissions"}),
        ("(A;;WO;;;ME)", "user", {"write-owner"}),
        ("(A;;GR;;;ME)", "user", set()),
        ("(A;CIIO;GA;;;ME)", "user", set()),
        (f"(A;;GA;;;{STRANGER})", "user", set()),
        ("(A;;GA;;;PS)", "user", set()),
        ("(A;;GA;;;CO)", "user", set()),
        ("(A;;WD;;;WD)", "user", {"write-permissions"}),
        (f"(OA;;CR;{RIGHT['User-Force-Change-Password']};;ME)", "user", {"reset-password"}),
        (f"(OA;;CR;{RIGHT['User-Force-Change-Password']};;ME)", "group", set()),
        (f"(OA;;CR;{RIGHT['User-Change-Password']};;ME)", "user", set()),
        ("(A;;CR;;;ME)", "user", {"every-extended-right", "reset-password"}),
        (
            "(A;;CR;;;ME)",
            "domainDNS",
            {"every-extended-right", "replicate-secrets", "replicate-changes", "replicate-filtered-set"},
        ),
        (f"(OA;;CR;{RIGHT['DS-Replication-Get-Changes-All']};;ME)", "domainDNS", {"replicate-secrets"}),
        (f"(OA;;CR;{RIGHT['DS-Replication-Get-Changes-All']};;ME)", "organizationalUnit", set()),
        (f"(OA;;WP;{ATTRIBUTE['msDS-KeyCredentialLink']};;ME)", "user", {"write-key-credentials"}),
        (f"(OA;;WP;{ATTRIBUTE['msDS-KeyCredentialLink']};;ME)", "msDS-Device", set()),
        (f"(OA;;SW;{RIGHT['DS-Validated-Write-Computer']};;ME)", "computer", {"write-computer-key-credentials"}),
        (f"(OA;;SW;{RIGHT['DS-Validated-Write-Computer']};;ME)", "user", set()),
        (f"(OA;;RP;{ATTRIBUTE['msDS-KeyCredentialLink']};;ME)", "user", set()),
        (
            f"(OA;;WP;{ACCOUNT_RESTRICTIONS};;ME)",
            "computer",
            {"write-delegation", "write-account-control"},
        ),
        (
            f"(OA;;WP;{PUBLIC_INFORMATION};;ME)",
            "user",
            {"write-service-names", "write-certificate-mapping"},
        ),
        (f"(OA;;SW;{RIGHT['Validated-SPN']};;ME)", "computer", {"write-service-names"}),
        (f"(OA;;SW;{RIGHT['Self-Membership']};;ME)", "group", {"write-members"}),
        (f"(OA;;WP;{RIGHT['Membership']};;ME)", "group", {"write-members"}),
        (f"(OA;;WP;{ATTRIBUTE['gPLink']};;ME)", "organizationalUnit", {"link-group-policy"}),
        (f"(OA;;WP;{ATTRIBUTE['gPLink']};;ME)", "container", set()),
        # The class stands for every attribute, as the root of the tree that a check of attributes has.
        (f"(OA;;WP;{UNIT};;ME)", "organizationalUnit", {"write-everything", "link-group-policy"}),
        (f"(OA;;CCDC;{UNIT};;ME)", "organizationalUnit", set()),
        # In effect whatever class it names, since only inheriting looks at that (MS-ADTS 5.1.3.3).
        (f"(OA;CI;WP;;{CLASS['group']};ME)", "organizationalUnit", {"write-everything", "link-group-policy"}),
        (f"(OA;;WP;{ATTRIBUTE['msDS-GroupMSAMembership']};;ME)", GMSA, {"read-managed-password"}),
        # What is denied in front is not held, on the whole or in part.
        ("(D;;WD;;;HELPERS)(A;;WDWO;;;ME)", "user", {"write-owner"}),
        ("(A;;WDWO;;;ME)(D;;WD;;;HELPERS)", "user", {"write-permissions", "write-owner"}),
        (
            f"(OD;;WP;{PUBLIC_INFORMATION};;WD)(A;;WP;;;ME)",
            "user",
            {"write-everything"} | ATTRIBUTES_OF_A_USER - {"write-service-names", "write-certificate-mapping"},
        ),
        ("(D;CIIO;WP;;;ME)(A;;WP;;;ME)", "group", {"write-everything", "write-members", "write-source-anchor"}),
    ],
)  # fmt: skip
def test_what_a_list_lets_the_account_do(dacl: str, object_class: str, expected: set[str]) -> None:
    assert held(dacl, object_class) == expected


def test_the_entry_that_gives_it_is_named() -> None:
    (answer,) = powers().held(descriptor("(A;;RP;;;ME)(A;;WD;;;HELPERS)"), TOKEN, "user")
    assert answer.decisive is not None
    assert answer.decisive.sid == HELPERS


def test_entries_of_self_count_for_the_object_itself() -> None:
    assert held("(A;;WD;;;PS)", principal_self=ME) == {"write-permissions"}
    assert held("(A;;WD;;;PS)", principal_self=OBJECT) == set()


def test_an_owner_may_change_permissions_unless_the_list_says_otherwise() -> None:
    assert held("", owner=ME) == {"own"}
    assert held("", owner=HELPERS) == {"own"}
    assert held("(D;;WD;;;ME)", owner=ME) == {"own"}
    assert held("", owner=STRANGER) == set()
    assert held("(A;;RC;;;OW)", owner=ME) == set()
    assert held("(A;CIIO;RC;;;OW)", owner=ME) == {"own"}
    assert held("(A;;WD;;;OW)", owner=ME) == {"write-permissions"}


def test_a_forest_can_block_the_owners_of_computers_alone() -> None:
    assert held("", "computer", owner=ME, blocked=True) == set()
    assert held("", "msDS-GroupManagedServiceAccount", owner=ME, blocked=True) == set()
    assert held("", "user", owner=ME, blocked=True) == {"own"}
    heuristics = "0000000001000000000200000000"
    assert blocks_owners(heuristics + "1")
    assert not blocks_owners(heuristics + "0")
    assert not blocks_owners(heuristics + "2")
    assert not blocks_owners(heuristics)
    assert not blocks_owners(None)


def test_without_a_list_everything_can_be_done() -> None:
    bare = SecurityDescriptor()
    assert bare.dacl is None
    assert {each.ability.id for each in powers().held(bare, TOKEN, "container")} == WHOLE
    assert powers().power_of(bare, TOKEN, "container") is Power.CONTROL


def test_a_forest_without_the_attribute_has_no_such_ability() -> None:
    older = powers(without={"msDS-KeyCredentialLink", "DS-Validated-Write-Computer"})
    found = {each.ability.id for each in older.held(descriptor("(A;;WP;;;ME)"), TOKEN, "user")}
    assert found == {"write-everything"} | ATTRIBUTES_OF_A_USER - {"write-key-credentials"}


def test_the_widest_abilities_stand_for_what_they_hold() -> None:
    def of(dacl: str, object_class: str) -> list[str]:
        found = powers().held(descriptor(dacl), TOKEN, object_class)
        return [each.id for each in widest(each.ability for each in found)]

    assert of("(A;;GA;;;ME)", "user") == ["full-control"]
    assert of("(A;;WPCR;;;ME)", "user") == ["write-everything", "every-extended-right"]
    assert of(f"(OA;;WP;{ACCOUNT_RESTRICTIONS};;ME)", "user") == ["write-delegation", "write-account-control"]


@pytest.mark.parametrize(
    ("dacl", "object_class", "expected"),
    [
        ("", "organizationalUnit", Power.NOTHING),
        ("(A;;RP;;;ME)", "organizationalUnit", Power.READ),
        ("(A;CIIO;GR;;;AU)", "organizationalUnit", Power.READ),
        (f"(OA;CIIO;RPWP;{ATTRIBUTE['proxyAddresses']};{CLASS['user']};ME)", "domainDNS", Power.WRITE),
        (f"(OA;CIIO;WP;{ATTRIBUTE['proxyAddresses']};{CLASS['msDS-Device']};ME)", "domainDNS", Power.NOTHING),
        (f"(OA;CI;CCDC;{GROUP};;ME)(OA;CIIO;0x300b4;;{GROUP};ME)", "organizationalUnit", Power.CREATE),
        (f"(OA;CI;CC;{CLASS['group']};;ME)", "organizationalUnit", Power.CREATE),
        (f"(OD;;CC;{CLASS['group']};;HELPERS)(OA;;CC;{CLASS['group']};;ME)", "organizationalUnit", Power.NOTHING),
        (f"(OA;CIIO;0x300ff;;{CLASS['group']};ME)", "domainDNS", Power.CREATE),
        # On the OU itself this writes gPLink.
        (f"(OA;CI;0x300ff;;{CLASS['group']};ME)", "organizationalUnit", Power.CONTROL),
        (f"(OA;CIIO;CR;{RIGHT['User-Force-Change-Password']};{CLASS['user']};ME)", "domainDNS", Power.CONTROL),
        (f"(OA;;CR;{RIGHT['DS-Replication-Get-Changes-All']};;ME)", "domainDNS", Power.CONTROL),
        (f"(OA;;CR;{RIGHT['DS-Replication-Get-Changes']};;ME)", "domainDNS", Power.READ),
        (f"(OA;CIIO;RPWP;;{CLASS['user']};ME)", "domainDNS", Power.CONTROL),
        (f"(OA;CIIO;RPWP;;{CLASS['contact']};ME)", "domainDNS", Power.WRITE),
        ("(A;CIIO;GA;;;CO)", "organizationalUnit", Power.NOTHING),
    ],
)  # fmt: skip
def test_the_power_over_a_place(dacl: str, object_class: str, expected: Power) -> None:
    assert powers().power_of(descriptor(dacl), TOKEN, object_class) is expected


# -- every answer beside one that is worked out here ----------------------------------------------------------

_SIDS = st.sampled_from(
    [ME, ME, HELPERS, STRANGER, Sid.EVERYONE, Sid.PRINCIPAL_SELF, Sid.OWNER_RIGHTS, Sid.CREATOR_OWNER]
)
_TYPES = [
    None,
    None,
    *(ATTRIBUTE[name] for name in names_of_abilities()[Kind.ATTRIBUTE]),
    *(RIGHT[name] for name in names_of_abilities()[Kind.RIGHT]),
    *(ACCOUNT_RESTRICTIONS, PUBLIC_INFORMATION, RIGHT["Membership"], RIGHT["User-Logon"]),
    *(CLASS[name] for name in ("user", "group", "organizationalUnit")),
]
_MASKS = st.sampled_from(
    [0x1, 0x2, 0x8, 0x10, 0x20, 0x28, 0x40, 0x100, 0x120, 0x10000, 0x40000, 0x80000, 0xC0000, 0xF01FF, 0x300FF]
) | st.integers(0, 0xF01FF).map(lambda mask: mask & 0xF01FF)  # fmt: skip


@st.composite
def _aces(draw: st.DrawFn) -> Ace:
    make = Ace.deny if draw(st.integers(0, 3)) == 0 else Ace.allow
    flags = draw(st.sampled_from([0, 0, 0, AceFlag.CONTAINER_INHERIT, 0x0A, AceFlag.INHERITED]))
    return make(
        draw(_SIDS),
        draw(_MASKS),
        flags=flags,
        object_type=draw(st.sampled_from(_TYPES)),
        inherited_object_type=draw(st.none() | st.just(CLASS["group"])),
    )


_CLASSES = st.sampled_from(["user", "group", "computer", "organizationalUnit", "domainDNS", "container"])


def _grants(aces: Iterable[Ace], speakers: set[Sid], rights: int, object_types: tuple[UUID, ...]) -> bool:
    """MS-DTYP 2.5.3.2 over a tree that is one line: each right by the first entry that speaks of it."""
    for bit in (1 << shift for shift in range(32) if rights >> shift & 1):
        for ace in aces:
            speaks = (
                ace.sid in speakers
                and not ace.flags & AceFlag.INHERIT_ONLY
                and (ace.object_type is None or ace.object_type in object_types)
            )
            if speaks and ace.mask & bit:
                if ace.is_deny:
                    return False
                break
        else:
            return False
    return True


def _needs(object_class: str) -> Iterator[tuple[str, int, tuple[UUID, ...]]]:
    """Each ability that counts on the class, by the facts of the schema's table."""
    for ability in ABILITIES:
        if ability.classes is not None and object_class not in ability.classes:
            continue
        for need in ability.ways:
            if need.on is None:
                yield ability.id, need.rights, (CLASS[object_class],) if need.rights == 0x20 else ()
            elif need.on[0] is Kind.ATTRIBUTE:
                in_set = bundled_property_sets().get(need.on[1].lower())
                names = (CLASS[object_class], in_set, ATTRIBUTE[need.on[1]])
                yield ability.id, need.rights, tuple(each for each in names if each)
            else:
                yield ability.id, need.rights, (RIGHT[need.on[1]],)


@given(
    st.lists(_aces(), max_size=6),
    _CLASSES,
    st.sampled_from([None, ME, HELPERS, STRANGER]),
    st.sampled_from([None, ME, OBJECT]),
)
def test_held_is_what_an_access_check_grants(
    aces: list[Ace], object_class: str, owner: Sid | None, itself: Sid | None
) -> None:
    subject = SecurityDescriptor(owner=owner).with_dacl(aces)
    answers = powers().held(subject, TOKEN, object_class, principal_self=itself)
    found = {each.ability.id for each in answers}

    speakers = {*TOKEN.sids} | ({Sid.PRINCIPAL_SELF} if itself == ME else set())
    is_owner = owner in (ME, HELPERS)
    speakers |= {Sid.OWNER_RIGHTS} if is_owner else set()
    expected = {
        name for name, rights, types in _needs(object_class) if _grants(aces, speakers, rights, types)
    }
    assert found - {"own"} == expected
    named = any(ace.sid == Sid.OWNER_RIGHTS and not ace.flags & AceFlag.INHERIT_ONLY for ace in aces)
    assert ("own" in found) == (is_owner and not named)

    # The engine's own check, asked for each right by itself, says the same.
    for name, rights, object_types in _needs(object_class):
        result = access_check(
            subject, TOKEN, rights, object_types=object_types, principal_self=itself, owner_rights=0
        )
        assert not result or name in found
    for answer in answers:
        if answer.decisive is not None:
            assert answer.decisive in aces
            assert answer.decisive.is_allow


@given(_aces(), _CLASSES)
def test_given_is_what_the_entry_grants_alone(ace: Ace, object_class: str) -> None:
    if ace.is_deny:
        assert powers().given(ace, object_class) == ()
        return
    lone = Ace.allow(ME, ace.mask, object_type=ace.object_type)
    alone = powers().held(SecurityDescriptor().with_dacl([lone]), Token(frozenset({ME})), object_class)
    assert {each.id for each in powers().given(ace, object_class)} == {each.ability.id for each in alone}


@given(st.lists(_aces(), max_size=5), _CLASSES)
def test_nothing_is_more_than_the_power_over_the_place(aces: list[Ace], object_class: str) -> None:
    subject = SecurityDescriptor().with_dacl(aces)
    power = powers().power_of(subject, TOKEN, object_class)
    here = powers().held(subject, TOKEN, object_class)
    assert all(each.ability.power.rank <= power.rank for each in here)
    # With one right more there is never less power.
    more = subject.with_dacl([*aces, Ace.allow(ME, AccessMask.DS_READ_PROPERTY)])
    assert powers().power_of(more, TOKEN, object_class).rank >= power.rank
