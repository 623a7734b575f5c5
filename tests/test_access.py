"""What a token may do: vectors in fixtures/access.json, properties, two other opinions, and the controller."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import differential
import differential_access as controller
import differential_operations as operations
import pytest
from conftest import ConnectAs
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from differential import Comparison, Pools
from differential_access import KNOWN_DIFFERENCES, Parties, Target
from differential_samba import Question, second_opinion
from differential_schema import Schema
from hypothesis import assume, given
from hypothesis import strategies as st
from samba_lab import DomainController

from acl import AccessMask, Ace, AceFlag, AceType, AclError, Control, SecurityDescriptor, Sid
from acl.access import AccessResult, Reason, access_check, access_check_each, explain
from acl.object_tree import ObjectTree, ObjectType
from acl.token import Token

FIXTURES = json.loads((Path(__file__).parents[1] / "fixtures" / "access.json").read_text("utf-8"))
NAMES: dict[str, str] = FIXTURES["sids"] | FIXTURES["guids"]
ME, MY_GROUP, OTHER = (Sid.from_string(NAMES[name]) for name in ("me", "my-group", "other"))
TOKEN = Token.for_account(ME, [MY_GROUP])
MAXIMUM = AccessMask.MAXIMUM_ALLOWED


def parse(text: str) -> SecurityDescriptor:
    for name, value in NAMES.items():
        text = text.replace(f"<{name}>", value)
    return SecurityDescriptor.from_sddl(text, domain_sid=Sid.from_string(FIXTURES["domain_sid"]))


def rights(text: str) -> AccessMask:
    dacl = SecurityDescriptor.from_sddl(f"D:(A;;{text};;;WD)").dacl
    assert dacl is not None
    return dacl.aces[0].mask


def tree_of(object_types: str | list[str]) -> ObjectTree:
    """A tree of the fixtures, or the nodes that a list names from the root down."""
    if not isinstance(object_types, str):
        return ObjectTree.of([UUID(NAMES[name]) for name in object_types])
    return ObjectTree.of([(level, UUID(NAMES[name])) for level, name in FIXTURES["trees"][object_types]])


# -- vectors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", FIXTURES["vectors"], ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    descriptor = parse(vector["descriptor"])
    token = replace(TOKEN, privileges=frozenset(vector.get("privileges", ())))
    asked, granted = rights(vector["asks"]), rights(vector["granted"])
    options: dict[str, Any] = {}
    if "principal_self" in vector:
        options["principal_self"] = Sid.from_string(NAMES[vector["principal_self"].strip("<>")])
    if "owner_rights" in vector:
        options["owner_rights"] = rights(vector["owner_rights"])
    if "object_types" in vector:
        options["object_types"] = tree_of(vector["object_types"])
    decisive = descriptor.dacl.aces[vector["decisive"]] if descriptor.dacl and "decisive" in vector else None
    allowed = vector.get("allowed", bool(granted))

    found = access_check(descriptor, token, asked, **options)

    assert found == AccessResult(granted, decisive, Reason[vector.get("reason", "ENTRY")], allowed)
    assert bool(found) is allowed
    if "each" in vector:
        each = access_check_each(descriptor, token, asked, **options)
        assert [answer.granted for answer in each] == [rights(text) for text in vector["each"]]
        assert each[0] == found


def test_unknown_types_are_skipped() -> None:
    unknown = Ace(0x42, AceFlag(0), AccessMask(0), None, data=b"\xff" * 32)
    compound = Ace(AceType.ACCESS_ALLOWED_COMPOUND, AceFlag(0), AccessMask(0), None, data=b"\xff" * 32)
    descriptor = SecurityDescriptor().with_dacl([unknown, compound, Ace.allow(ME, 0x10)])
    assert access_check(descriptor, TOKEN, 0x10)
    assert not access_check(descriptor, TOKEN, 0x20)


def test_a_condition_that_cannot_be_read_is_not_known() -> None:
    broken = Ace(AceType.ACCESS_ALLOWED_CALLBACK, AceFlag(0), AccessMask(0x20), ME, data=b"artx\x80\0\0\0")
    denying = replace(broken, type=AceType.ACCESS_DENIED_CALLBACK)
    assert not access_check(SecurityDescriptor().with_dacl([broken]), TOKEN, 0x20)
    descriptor = SecurityDescriptor().with_dacl([denying, Ace.allow(ME, 0x20)])
    assert access_check(descriptor, TOKEN, 0x20).decisive is denying


def test_conditions_can_be_decided_by_the_caller() -> None:
    descriptor = parse("D:(XD;;WP;;;<me>;(@USER.a == 1))(XA;;WP;;;<me>;(@USER.b == 1))")
    as_good_as_it_gets = access_check(descriptor, TOKEN, 0x20, conditions=lambda ace: ace.is_allow)
    assert as_good_as_it_gets
    assert not access_check(descriptor, TOKEN, 0x20)


def test_a_bare_collection_of_sids_is_a_token() -> None:
    assert access_check(parse("D:(A;;RP;;;<me>)"), [ME], 0x10)
    assert not access_check(parse("D:(A;;RP;;;AU)"), [ME], 0x10)


def test_a_sid_that_nobody_has_looked_at_yet() -> None:
    fresh = Sid(5, (21, 4711, 4712, 4713, 4714))
    entry = Ace.allow(fresh, AccessMask.DS_READ_PROPERTY)
    descriptor = SecurityDescriptor(owner=fresh).with_dacl([entry])
    descriptor = SecurityDescriptor.from_bytes(descriptor.to_bytes())
    assert access_check(descriptor, [fresh], AccessMask.DS_READ_PROPERTY | AccessMask.WRITE_DAC)


def test_placeholders_in_a_token_speak_for_nobody() -> None:
    token = Token(frozenset((ME, Sid.PRINCIPAL_SELF, Sid.OWNER_RIGHTS)))
    assert not access_check(parse("O:<other>D:(A;;RP;;;PS)(A;;RP;;;OW)"), token, 0x10, principal_self=OTHER)


def test_guids_alone_lie_one_below_the_other() -> None:
    chain = [UUID(NAMES[name]) for name in ("user", "personal", "phone")]
    assert ObjectTree.of(chain).nodes == tuple(map(ObjectType, range(3), chain))
    assert access_check(parse("D:(OA;;WP;<personal>;;<me>)"), TOKEN, 0x20, object_types=chain)


@pytest.mark.parametrize("levels", [[1], [0, 0], [0, 2], [0, 1, 0], [0, 1, 3], [-1]], ids=str)
def test_what_is_no_tree(levels: list[int]) -> None:
    with pytest.raises(AclError, match="object-type tree"):
        ObjectTree.of([(level, UUID(int=index)) for index, level in enumerate(levels)])


def test_nothing_to_answer_for() -> None:
    assert access_check_each(parse("D:(A;;RP;;;AU)"), TOKEN, 0x10, object_types=()) == ()


def test_the_tree_of_a_class() -> None:
    names = {name: UUID(value) for name, value in FIXTURES["guids"].items()}
    attributes = [
        (names["phone"], names["personal"]),
        (names["mobile"], names["personal"]),
        (names["description"], names["public"]),
        (names["employee-id"], None),
    ]
    assert ObjectTree.of_class(names["user"], attributes) == tree_of("user")


def test_explained_right_by_right() -> None:
    descriptor = parse("O:<me>D:(D;;WP;;;<my-group>)(A;;RPWP;;;<me>)")
    assert descriptor.dacl is not None
    deny, allow = descriptor.dacl.aces
    found = explain(descriptor, TOKEN)
    assert len(found) == 13
    assert found[AccessMask.DS_WRITE_PROPERTY].decisive is deny
    assert found[AccessMask.DS_READ_PROPERTY].decisive is allow
    assert found[AccessMask.WRITE_DAC].reason is Reason.OWNER
    assert found[AccessMask.DELETE].reason is Reason.NO_ENTRY
    assert list(explain(descriptor, TOKEN, AccessMask.GENERIC_READ)) == [0x4, 0x10, 0x80, 0x20000]


# -- properties ----------------------------------------------------------------------------------------------

USER_TREE = tree_of("user")
TRUSTEES = (ME, MY_GROUP, OTHER, Sid.EVERYONE, Sid.PRINCIPAL_SELF, Sid.OWNER_RIGHTS)
some_rights = st.lists(st.sampled_from([0x1, 0x10, 0x20, 0x100, 0x10000, 0x40000]), max_size=3).map(
    lambda bits: sum(set(bits))
)
some_guids = st.sampled_from([None, None, *USER_TREE.positions, UUID(int=1)])
flags = st.sampled_from([0, 0, 0, AceFlag.CONTAINER_INHERIT, AceFlag.INHERIT_ONLY, AceFlag.INHERITED])


def entries(make: Any) -> st.SearchStrategy[Ace]:
    return st.builds(make, st.sampled_from(TRUSTEES), some_rights, flags=flags, object_type=some_guids)


allows, denies = entries(Ace.allow), entries(Ace.deny)
lists = st.lists(st.one_of(allows, allows, denies), max_size=7)
asked = some_rights.filter(bool)
properties = st.sampled_from([index for index, below in enumerate(USER_TREE.children) if not below])


@dataclass(frozen=True, slots=True)
class Scene:
    """What a check looks at beside the entries."""

    owner: Sid | None
    object_types: ObjectTree | tuple[()]
    principal_self: Sid | None

    def ask(self, entries: Sequence[Ace], desired: int = MAXIMUM) -> AccessResult:
        descriptor = SecurityDescriptor(owner=self.owner).with_dacl(entries)
        return access_check(
            descriptor, TOKEN, desired, object_types=self.object_types, principal_self=self.principal_self
        )

    def explain(self, entries: Sequence[Ace], desired: int = MAXIMUM) -> dict[AccessMask, AccessResult]:
        descriptor = SecurityDescriptor(owner=self.owner).with_dacl(entries)
        return explain(
            descriptor, TOKEN, desired, object_types=self.object_types, principal_self=self.principal_self
        )


scenes = st.builds(
    Scene,
    st.sampled_from([None, ME, OTHER]),
    st.sampled_from([(), USER_TREE, tree_of("phone"), tree_of(["phone"])]),
    st.sampled_from([None, ME, OTHER]),
)


def each_of_user(entries: Sequence[Ace], desired: int) -> tuple[AccessResult, ...]:
    return access_check_each(SecurityDescriptor().with_dacl(entries), TOKEN, desired, object_types=USER_TREE)


@given(lists, scenes)
def test_the_maximum_is_what_each_right_by_itself_gives(entries: list[Ace], scene: Scene) -> None:
    single = scene.explain(entries)
    assert scene.ask(entries).granted == sum(right for right, answer in single.items() if answer)


@given(lists, scenes, asked)
def test_all_rights_are_granted_when_each_is(entries: list[Ace], scene: Scene, desired: int) -> None:
    whole = scene.ask(entries, desired)
    assert bool(whole) is all(scene.explain(entries, desired).values())
    assert whole.granted == (desired if whole else 0)


@given(lists, scenes, asked)
def test_the_decisive_entry_decides(entries: list[Ace], scene: Scene, desired: int) -> None:
    # An entry for OWNER RIGHTS has a say without deciding: it takes the owner's rights away by being there.
    assume(all(ace.sid != Sid.OWNER_RIGHTS for ace in entries))
    found = scene.ask(entries, desired)
    if found.decisive is None:
        assert found.reason is not Reason.ENTRY
        return
    position = next(index for index, ace in enumerate(entries) if ace is found.decisive)
    assert scene.ask(entries[: position + 1], desired) == found
    before = scene.ask(entries[:position], desired)
    assert not before
    assert before.decisive is None


@given(lists, scenes, allows, st.integers(0, 7))
def test_an_allow_never_takes_away(entries: list[Ace], scene: Scene, more: Ace, position: int) -> None:
    assume(more.sid != Sid.OWNER_RIGHTS)  # which does (rule 4)
    before = scene.ask(entries).granted
    assert scene.ask([*entries[:position], more, *entries[position:]]).granted.has(before)


@given(lists, scenes, denies, st.integers(0, 7))
def test_a_deny_never_gives(entries: list[Ace], scene: Scene, more: Ace, position: int) -> None:
    before = scene.ask(entries).granted
    assert before.has(scene.ask([*entries[:position], more, *entries[position:]]).granted)


@given(st.lists(allows, max_size=4), scenes)
def test_the_order_of_allows_does_not_matter(entries: list[Ace], scene: Scene) -> None:
    assert len({scene.ask(order).granted for order in permutations(entries)}) == 1


@given(lists, asked)
def test_a_node_is_granted_no_less_than_the_whole(entries: list[Ace], desired: int) -> None:
    whole, *parts = each_of_user(entries, desired)
    assert not whole or all(parts)


@given(lists, asked, properties)
def test_a_property_is_the_same_alone_and_in_its_tree(entries: list[Ace], desired: int, index: int) -> None:
    """MS-ADTS 5.1.3.3.3, note: the tree can include only a subset of the nodes."""
    path = [USER_TREE.nodes[each].guid for each in (*reversed(USER_TREE.ancestors[index]), index)]
    alone = access_check(SecurityDescriptor().with_dacl(entries), TOKEN, desired, object_types=path)
    assert alone == each_of_user(entries, desired)[index]


@given(st.lists(st.one_of(allows, denies), max_size=10), st.sampled_from([0x10, 0x20]))
def test_the_tree_as_the_document_walks_it(entries: list[Ace], right: int) -> None:
    assert [bool(each) for each in each_of_user(entries, right)] == by_the_document(entries, right)


def by_the_document(entries: list[Ace], right: int) -> list[bool]:
    """MS-ADTS 5.1.3.3.3 for one right, as it is written, with no thought for speed."""
    tree = USER_TREE
    grant, deny = set[int](), set[int]()
    for ace in entries:
        if ace.flags & AceFlag.INHERIT_ONLY or ace.sid not in TOKEN.sids or not ace.mask & right:
            continue
        if ace.object_type is not None and ace.object_type not in tree.positions:
            continue
        v = 0 if ace.object_type is None else tree.positions[ace.object_type]
        subtree = {v} | {node for node in range(len(tree)) if v in tree.ancestors[node]}
        if ace.is_allow:
            grant |= subtree - deny
            while v and all(sibling in grant for sibling in tree.children[tree.ancestors[v][0]]):
                v = tree.ancestors[v][0]
                grant.add(v)
        elif v not in grant:
            deny |= subtree - grant
            deny |= set(tree.ancestors[v])
    return [node in grant for node in range(len(tree))]


# -- Samba's check of plain entries --------------------------------------------------------------------------


def test_samba_agrees_on_plain_entries() -> None:
    """Left out: generic rights, which it does not map; and where there is no DACL, what it grants by itself."""
    dice = Random(differential.seed())
    bits = [1 << bit for bit in (*range(9), 16, 17, 18, 19)]
    trustees = [*TRUSTEES, Sid.CREATOR_OWNER]
    masks = differential.masks(dice, bits)
    flags = (0, 0, 0, AceFlag.INHERIT_ONLY, AceFlag.CONTAINER_INHERIT)
    pool = Pools(trustees, masks, flags=flags)
    questions = [
        Question(
            SecurityDescriptor(owner=dice.choice(trustees), group=ME).with_dacl(
                [pool.entry(dice) for _ in range(dice.choice((0, 1, 2, 3, 5, 8)))]
            ),
            [*bits, MAXIMUM, 0x30, 0x60000, *dice.sample(masks, 6)],
        )
        for _ in range(1000)
    ]
    questions.append(Question(SecurityDescriptor(Control.DACL_PRESENT, OTHER, ME), bits))
    for question, found in zip(questions, second_opinion(TOKEN.sids, questions), strict=True):
        descriptor = question.descriptor
        assert [access_check(descriptor, TOKEN, mask).granted for mask in question.masks] == found, descriptor


# -- the controller ------------------------------------------------------------------------------------------


@pytest.fixture
def parties(contoso: DomainController, connect_as: ConnectAs) -> Parties:
    administrator, connector = (connect_as(contoso, name) for name in (contoso.administrator, CONNECTOR))
    return Parties(administrator, connector, Schema.read(administrator, contoso.base_dn))


def test_the_token_that_the_controller_makes(parties: Parties) -> None:
    """Memberships of Authenticated Users are in no account's tokenGroups; Samba leaves out S-1-5-15."""
    groups = differential.read(parties.administrator, CONNECTOR_DN, "tokenGroups")["tokenGroups"]
    made = Token.for_account(Sid.from_string(CONNECTOR_SID), map(Sid.from_bytes, groups)).sids
    assert made - parties.token.sids == {Sid.from_string("S-1-5-15")}
    assert parties.token.sids - made == {Sid.from_string("S-1-5-32-554")}


def test_the_controller_computes_the_same_rights(
    contoso: DomainController, connect_as: ConnectAs, parties: Parties, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six hundred DACLs on an OU, a group that the connector is a member of, and a user."""
    dice = Random(differential.seed())
    comparison = Comparison("rights", KNOWN_DIFFERENCES)
    with differential.container(parties.administrator, contoso.base_dn, "Differential") as dn:
        made = controller.make_targets(parties, dn)
        parties = replace(parties, connector=connect_as(contoso, CONNECTOR))  # whose token has the new group
        targets = [Target.read(parties, *each) for each in made]
        for _ in range(600):
            controller.compare(comparison, parties, dice.choice(targets), dice)
    comparison.conclude(capsys, every_row=True)


def test_the_controller_permits_the_same_operations(
    contoso: DomainController, parties: Parties, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten operations on each of sixty containers, with a group and a user in it."""
    dice = Random(differential.seed())
    comparison = Comparison("operations", KNOWN_DIFFERENCES)
    with differential.container(parties.administrator, contoso.base_dn, "Trying") as dn:
        for _ in range(60):
            operations.compare(comparison, parties, dn, dice)
    comparison.conclude(capsys, every_row=False)
