"""What the engine predicts that the connector may do, beside what the controller computes for it.

The controller's answers are allowedAttributesEffective, allowedChildClassesEffective and sDRightsEffective,
which it constructs for the account that asks. Where Samba departs from the documents is in the table here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any
from uuid import UUID

import differential
import trying
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID
from differential import EVERYTHING, Comparison, Difference, Pools
from differential_schema import ClassTree, Schema
from samba_lab import CONTOSO
from trying import SUCCESS

from acl import AccessMask, Ace, AceFlag, AceType, Control, SecurityDescriptor, Sid
from acl.access import access_check, access_check_each
from acl.condition import Condition, Operator
from acl.token import Token

CONNECTOR = Sid.from_string(CONNECTOR_SID)
DOMAIN = Sid.from_string(CONTOSO.sid)
DOMAIN_USERS, DOMAIN_ADMINS, ADMINISTRATOR = DOMAIN.child(513), DOMAIN.child(512), DOMAIN.child(500)
_M = AccessMask
RIGHTS = tuple(
    int(right)
    for right in (
        _M.DS_CREATE_CHILD, _M.DS_DELETE_CHILD, _M.DS_READ_PROPERTY, _M.DS_WRITE_PROPERTY,
        _M.DS_WRITE_PROPERTY_EXTENDED, _M.DS_DELETE_TREE, _M.DS_LIST_OBJECT, _M.DS_CONTROL_ACCESS,
        _M.DELETE, _M.WRITE_DAC, _M.WRITE_OWNER,
    )
)  # fmt: skip
_WP, _CC, _WD, _WO = 0x20, 0x1, 0x40000, 0x80000
_CI, _IO, _NP, _OI = AceFlag.CONTAINER_INHERIT, AceFlag.INHERIT_ONLY, AceFlag.NO_PROPAGATE_INHERIT, 1
TRUSTEES = (
    *[CONNECTOR] * 8, *[Sid.AUTHENTICATED_USERS] * 2, *[DOMAIN_USERS] * 2, *[Sid.PRINCIPAL_SELF] * 2,
    *[Sid.OWNER_RIGHTS] * 2, Sid.EVERYONE, Sid.CREATOR_OWNER, ADMINISTRATOR, DOMAIN_ADMINS,
    Sid.from_string("S-1-5-32-545"), Sid.from_string("S-1-5-32-554"),
)  # fmt: skip

Descriptors = tuple[SecurityDescriptor, ...]


def _entries(change: Callable[[Ace], Ace | None]) -> Callable[[Descriptors], Descriptors]:
    """Every descriptor with its entries changed, or left out."""

    def changed(descriptors: Descriptors) -> Descriptors:
        return tuple(
            each.with_dacl(ace for old in each.dacl or () if (ace := change(old))) for each in descriptors
        )

    return changed


_OBJECT_ALLOW = AceType.ACCESS_ALLOWED_OBJECT
_CALLBACK = {each for each in AceType if "_CALLBACK" in each.name}
#: Where Samba 4.17 departs from MS-ADTS 5.1.3.3 and MS-DTYP 2.5.3.2.
KNOWN_DIFFERENCES: Sequence[Difference[Descriptors]] = (
    Difference(
        "control access",
        "an object entry that allows control access grants every right on the node that it names",
        _entries(
            lambda ace: (
                replace(ace, mask=AccessMask(EVERYTHING))
                if ace.type == _OBJECT_ALLOW and ace.mask.has(AccessMask.DS_CONTROL_ACCESS)
                else ace
            )
        ),
    ),
    Difference(
        "OWNER RIGHTS",
        "entries for OWNER RIGHTS mean nobody, and do not take the owner's implicit rights away",
        _entries(lambda ace: None if ace.sid == Sid.OWNER_RIGHTS else ace),
    ),
    Difference(
        "conditions",
        "callback entries lose their condition when they are stored, and neither allow nor deny",
        _entries(lambda ace: None if ace.type in _CALLBACK else ace),
    ),
)


@dataclass(frozen=True)
class Parties:
    """The administrator, who writes descriptors; the connector, who asks and tries; the schema."""

    administrator: Any
    connector: Any
    schema: Schema

    @cached_property
    def token(self) -> Token:
        """The connector's token, as the controller has it for this connection (tokenGroups of the rootDSE)."""
        sids = differential.read(self.connector, "", "tokenGroups")["tokenGroups"]
        return Token(frozenset(map(Sid.from_bytes, sids)))


@dataclass(frozen=True, slots=True)
class Target:
    """An object whose DACL is changed, and what can be asked about it."""

    dn: str
    object_class: str
    sid: Sid | None
    tree: ClassTree
    child_classes: tuple[str, ...]

    @classmethod
    def read(cls, parties: Parties, dn: str, object_class: str) -> Target:
        """What the controller says that the object may hold."""
        raw = differential.read(
            parties.administrator, dn, "allowedAttributes", "allowedChildClasses", "objectSid"
        )
        sid = raw.get("objectSid")
        return cls(
            dn,
            object_class,
            Sid.from_bytes(sid[0]) if sid else None,
            ClassTree.of(parties.schema, object_class, [name.decode() for name in raw["allowedAttributes"]]),
            tuple(name.decode() for name in raw["allowedChildClasses"]),
        )


def make_targets(parties: Parties, dn: str) -> list[tuple[str, str]]:
    """Create an OU, a group that the connector is a member of, and a user: their DNs and classes."""
    made = [
        (differential.add(parties.administrator, f"{rdn},{dn}", object_class, **attributes), object_class)
        for rdn, object_class, attributes in (
            ("OU=Target", "organizationalUnit", {}),
            ("CN=Target Group", "group", {"sAMAccountName": "target-group"}),
            ("CN=Target User", "user", {"sAMAccountName": "target-user"}),
        )
    ]
    assert trying.add_member(parties.administrator, made[1][0], CONNECTOR_DN) == SUCCESS
    return made


def pools(dice: Random, schema: Schema, target: Target) -> Pools:
    """What the entries for an object are made of."""
    classes = schema.classes
    some_masks = [
        *differential.masks(dice, RIGHTS),
        *[_WP, _CC, _WD, _WO, _WP | _CC, _WP | 0x10, _CC | 0x2, _WD | _WO] * 15,
        *[_M.GENERIC_ALL, _M.GENERIC_WRITE, _M.GENERIC_READ] * 6,
    ]
    attributes = [each for each in target.tree.attributes if each is not None]
    types: list[UUID | None] = [None] * 40
    types += [classes[target.object_class]] * 10
    types += [dice.choice(attributes).guid for _ in range(15)]
    types += [each.property_set for each in dice.choices(attributes, k=15)]
    types += [classes[dice.choice(target.child_classes)] for _ in range(10)]
    types += [classes[name] for name in ("top", "person", "user", "group", "computer")]
    types += [*dice.choices(schema.property_sets, k=5), UUID(int=dice.getrandbits(128))]
    inherited = [*[None] * 8, classes[target.object_class], classes["group"], classes["user"]]
    condition = Condition(((Sid.AUTHENTICATED_USERS,), Operator.MEMBER_OF)).to_bytes()
    flags = [*[0] * 10, *[_CI] * 3, _CI | _IO, _CI | _IO, _CI | _NP, _IO, _OI]
    return Pools(TRUSTEES, some_masks, types, inherited, flags, callback=0.2, condition=condition)


def descriptor(dice: Random, schema: Schema, target: Target) -> SecurityDescriptor:
    """A descriptor for the object, which mostly does not inherit; who owns it differs."""
    control = Control.DACL_PROTECTED if dice.random() < 0.75 else Control(0)
    owner = dice.choice((*[DOMAIN_ADMINS] * 3, CONNECTOR, target.sid or DOMAIN_USERS))
    entries = pools(dice, schema, target).entries(dice)
    return SecurityDescriptor(control, owner, DOMAIN_USERS).with_dacl(entries)


def predict_effective(parties: Parties, target: Target, descriptors: Descriptors) -> dict[str, bool]:
    """What can be written, created below, and changed in the descriptor."""
    (found,) = descriptors
    token, schema, himself = parties.token, parties.schema, target.sid
    written = access_check_each(found, token, _WP, object_types=target.tree.tree, principal_self=himself)
    answers = {
        f"write {attribute.name}": bool(answer) and attribute.is_writable
        for attribute, answer in zip(target.tree.attributes, written, strict=True)
        if attribute is not None
    }
    for name in target.child_classes:
        only = (schema.classes[name],)
        answers[f"create {name}"] = bool(
            access_check(found, token, _CC, object_types=only, principal_self=himself)
        )
    # MS-ADTS 3.1.1.4.5.4 does not say which object types to ask about; Samba asks about this attribute.
    path = schema.path(target.object_class, "nTSecurityDescriptor")
    for question, right in (("change owner and group", _WO), ("change DACL", _WD)):
        answers[question] = bool(access_check(found, token, right, object_types=path, principal_self=himself))
    return answers | {"change SACL": False}  # that takes a privilege


def ask_effective(connection: Any, target: Target) -> dict[str, bool]:
    """What the controller computes for the account that asks (MS-ADTS 3.1.1.4.5.4, .5 and .7)."""
    names = ("allowedAttributesEffective", "allowedChildClassesEffective", "sDRightsEffective")
    attributes, classes, rights = (differential.read(connection, target.dn, *names)[name] for name in names)
    bits = int(rights[0])
    assert bits & 3 in (0, 3)
    answers = {
        f"write {each.name}": each.name.encode() in attributes for each in target.tree.attributes if each
    }
    answers |= {f"create {name}": name.encode() in classes for name in target.child_classes}
    return answers | {
        "change owner and group": bits & 3 == 3,
        "change DACL": bits & 4 == 4,
        "change SACL": bits & 8 == 8,
    }


def compare(comparison: Comparison[Descriptors], parties: Parties, target: Target, dice: Random) -> None:
    """Write a descriptor, read what was stored, and compare the answers."""
    parts = differential.OWNER | differential.GROUP | differential.DACL
    written = descriptor(dice, parties.schema, target)
    said = differential.write(parties.administrator, target.dn, written, parts)
    assert said == SUCCESS, parties.administrator.result
    comparison.compare(
        (differential.stored(parties.administrator, target.dn),),
        lambda descriptors: predict_effective(parties, target, descriptors),
        ask_effective(parties.connector, target),
        lambda descriptors: f"{target.object_class}: {descriptors[0].to_sddl()}",
    )
