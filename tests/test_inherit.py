"""What a child inherits: vectors in fixtures/inheritance.json, properties, and the controller itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import differential
import differential_inherit as children
import pytest
from conftest import ConnectAs
from contoso_directory import CONNECTOR
from differential import DACL, SACL, Comparison
from differential_inherit import ALL_PARTS, CHILDREN, KNOWN_DIFFERENCES
from differential_schema import Schema
from hypothesis import given
from hypothesis import strategies as st
from samba_lab import DomainController
from trying import SUCCESS

from acl import Ace, AceFlag, SecurityDescriptor, Sid, inherit

FIXTURES = json.loads((Path(__file__).parents[1] / "fixtures" / "inheritance.json").read_text("utf-8"))
DOMAIN = Sid.from_string(FIXTURES["domain_sid"])
NAMES: dict[str, str] = FIXTURES["sids"] | FIXTURES["guids"]
OWNER, GROUP = (Sid.from_string(NAMES[name]) for name in ("owner", "owners-group"))
USER, GROUP_CLASS = UUID(NAMES["user"]), UUID(NAMES["group"])


def parse(text: str) -> SecurityDescriptor:
    for name, value in NAMES.items():
        text = text.replace(f"<{name}>", value)
    return SecurityDescriptor.from_sddl(text, domain_sid=DOMAIN)


@pytest.mark.parametrize("vector", FIXTURES["vectors"], ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    child, expected = (replace(parse(vector[key]), owner=OWNER, group=GROUP) for key in ("child", "expected"))
    found = inherit(
        parse(vector["parent"]),
        child,
        object_class_guid=UUID(NAMES[vector["class"]]),
        is_container=not vector.get("leaf", False),
    )
    assert found.to_sddl() == expected.to_sddl()
    assert found.dacl == expected.dacl
    assert found.sacl == expected.sacl


# -- properties ----------------------------------------------------------------------------------------------

guids = st.sampled_from([None, USER, GROUP_CLASS])
entries = st.builds(
    lambda make, *rest, **options: make(*rest, **options),
    st.sampled_from([Ace.allow, Ace.deny]),
    st.sampled_from([OWNER, Sid.CREATOR_OWNER, Sid.CREATOR_GROUP, Sid.AUTHENTICATED_USERS]),
    st.integers(0, 0xFFFFFFFF),
    flags=st.integers(0, 0xFF),
    object_type=guids,
    inherited_object_type=guids,
)
descriptors = st.lists(entries, max_size=6).map(SecurityDescriptor(owner=OWNER, group=GROUP).with_dacl)


@given(descriptors, descriptors)
def test_inheriting_twice_is_inheriting_once(parent: SecurityDescriptor, child: SecurityDescriptor) -> None:
    once = inherit(parent, child, object_class_guid=USER)
    assert inherit(parent, once, object_class_guid=USER) is once


@given(descriptors, descriptors)
def test_own_entries_stay_and_stand_in_front(parent: SecurityDescriptor, child: SecurityDescriptor) -> None:
    found = inherit(parent, child, object_class_guid=USER).dacl
    assert found is not None
    assert child.dacl is not None
    own = [ace for ace in child.dacl if not ace.is_inherited]
    assert list(found.aces[: len(own)]) == own
    assert all(ace.is_inherited for ace in found.aces[len(own) :])


@given(descriptors)
def test_what_counts_on_the_child_is_concrete(parent: SecurityDescriptor) -> None:
    """MS-DTYP 2.5.3.4.7: an effective entry has neither generic rights nor a placeholder for a SID."""
    found = inherit(
        parent, SecurityDescriptor(owner=OWNER, group=GROUP).with_dacl(()), object_class_guid=USER
    )
    for ace in found.dacl or ():
        if ace.is_effective:
            assert not ace.mask.has_generic
            assert ace.sid not in (Sid.CREATOR_OWNER, Sid.CREATOR_GROUP)
            assert ace.inherited_object_type in (None, USER)


@given(descriptors)
def test_a_grandchild_inherits_as_a_child_does(parent: SecurityDescriptor) -> None:
    """The flags say what goes on below, so a level in between changes nothing but what NP stops."""
    new = SecurityDescriptor(owner=OWNER, group=GROUP).with_dacl(())
    passing = parent.with_dacl(
        ace for ace in parent.dacl or () if not ace.flags & AceFlag.NO_PROPAGATE_INHERIT
    )
    child = inherit(passing, new, object_class_guid=GROUP_CLASS)
    grandchild = inherit(child, new, object_class_guid=USER)
    assert (grandchild.dacl or ()) == (inherit(passing, new, object_class_guid=USER).dacl or ())


# -- the controller ------------------------------------------------------------------------------------------


def test_the_controller_agrees(
    contoso: DomainController, connect_as: ConnectAs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Children that it creates, and children whose parent changes."""
    administrator, connector = (connect_as(contoso, name) for name in (contoso.administrator, CONNECTOR))
    schema = Schema.read(administrator, contoso.base_dn)
    comparison = Comparison("inheritance", KNOWN_DIFFERENCES)
    with differential.container(administrator, contoso.base_dn, "Inheriting") as dn:
        for number in range(60):
            create_children(comparison, schema, dn, number, (administrator, connector))
    with differential.container(administrator, contoso.base_dn, "Inheriting") as dn:
        change_parents(comparison, schema, dn, administrator)
    comparison.conclude(capsys, every_row=True)


class Case(NamedTuple):
    """A child before and after it inherited from its parent."""

    dn: str
    parent: SecurityDescriptor
    before: SecurityDescriptor
    after: SecurityDescriptor


def create_children(
    comparison: Comparison[SecurityDescriptor],
    schema: Schema,
    dn: str,
    number: int,
    connections: tuple[Any, Any],
) -> None:
    """Children of every class below a new parent, every fourth time by the connector, which then owns them."""
    administrator, connector = connections
    dice = Random(f"{differential.seed()} {number}")
    parent = children.parent(dice, children.pools(dice, schema))
    creator = connector if number % 4 == 3 else administrator
    if creator is connector:
        may_create = Ace.allow(children.CONNECTOR, differential.EVERYTHING)
        parent = parent.with_dacl([may_create, *(parent.dacl or ())])
    assert differential.write(administrator, dn, parent, DACL | SACL) == SUCCESS
    parent = differential.stored(administrator, dn, ALL_PARTS)
    for rdn, object_class, attributes in CHILDREN:
        child_dn = differential.add(creator, f"{rdn},{dn}", object_class, **attributes)
        child = differential.stored(administrator, child_dn, ALL_PARTS)
        administrator.delete(child_dn)
        assert creator is administrator or child.owner == children.CONNECTOR
        case = Case(child_dn, parent, children.without_inherited(child), child)
        compare(comparison, schema.classes[object_class], case)


def change_parents(
    comparison: Comparison[SecurityDescriptor], schema: Schema, dn: str, administrator: Any
) -> None:
    """Children that are there when the parent changes: with entries of their own, protected, or deeper."""
    dice = Random(f"{differential.seed()} changing")
    some = children.pools(dice, schema)

    def add(rdn: str, object_class: str, above: str = dn, **attributes: str) -> tuple[str, str, str]:
        return (
            differential.add(administrator, f"{rdn},{above}", object_class, **attributes),
            object_class,
            above,
        )

    below = [add(rdn, object_class, **attributes) for rdn, object_class, attributes in CHILDREN]
    below.append(add("OU=Protected", "organizationalUnit"))
    below.append(add("CN=Deep", "group", below[0][0], sAMAccountName="deep"))
    below.append(add("CN=Deep", "group", f"OU=Protected,{dn}", sAMAccountName="deep-protected"))
    for number in range(24):
        if number % 4 == 0:
            for child_dn, _, _ in below:
                own = children.child(dice, some, protected=child_dn.startswith("OU=Protected"))
                flags = differential.OWNER | differential.GROUP | DACL
                assert differential.write(administrator, child_dn, own, flags) == SUCCESS
        before = {
            child_dn: differential.stored(administrator, child_dn, ALL_PARTS) for child_dn, _, _ in below
        }
        assert differential.write(administrator, dn, children.parent(dice, some), DACL | SACL) == SUCCESS
        after = {each: differential.stored(administrator, each, ALL_PARTS) for each in (dn, *before)}
        for child_dn, object_class, above in below:
            case = Case(child_dn, after[above], before[child_dn], after[child_dn])
            compare(comparison, schema.classes[object_class], case)


def compare(comparison: Comparison[SecurityDescriptor], class_guid: UUID, case: Case) -> None:
    comparison.compare(
        inherit(case.parent, case.before, object_class_guid=class_guid),
        children.parts,
        children.parts(case.after),
        lambda _: f"{case.dn} below {case.parent.to_sddl()}, before {case.before.to_sddl()}",
    )
