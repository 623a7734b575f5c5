"""What a child has after the controller created it, or after its parent changed, beside what the engine says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import differential
from contoso_directory import CONNECTOR_SID
from differential import Difference, Pools
from differential_schema import Schema
from samba_lab import CONTOSO

from acl import AccessMask, Ace, AceFlag, AceType, Control, SecurityDescriptor, Sid

ALL_PARTS = differential.OWNER | differential.GROUP | differential.DACL | differential.SACL
CONNECTOR = Sid.from_string(CONNECTOR_SID)
DOMAIN = Sid.from_string(CONTOSO.sid)
#: The classes of children: name of the object, class, and the attributes that it needs.
CHILDREN: Sequence[tuple[str, str, dict[str, str]]] = (
    ("OU=Child OU", "organizationalUnit", {}),
    ("CN=Child Group", "group", {"sAMAccountName": "child-group"}),
    ("CN=Child User", "user", {"sAMAccountName": "child-user"}),
    ("CN=Child Contact", "contact", {}),
    ("CN=Child Computer", "computer", {"sAMAccountName": "child-computer$"}),
    ("CN=Child Container", "container", {}),
)
_M = AccessMask
_GENERIC = [int(each) for each in (_M.GENERIC_ALL, _M.GENERIC_READ, _M.GENERIC_WRITE, _M.GENERIC_EXECUTE)]
_SPECIFIC = [1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19)]
_PROPAGATION = AceFlag.OBJECT_INHERIT | AceFlag.CONTAINER_INHERIT
_AUDIT = AceFlag.SUCCESSFUL_ACCESS | AceFlag.FAILED_ACCESS


def _without_audit_flags(expected: SecurityDescriptor) -> SecurityDescriptor:
    def changed(ace: Ace) -> Ace:
        settled = ace.is_inherited and not ace.flags & _PROPAGATION
        return replace(ace, flags=ace.flags.without(_AUDIT)) if settled else ace

    return replace(
        expected,
        dacl=expected.dacl and expected.dacl.with_aces(map(changed, expected.dacl)),
        sacl=expected.sacl and expected.sacl.with_aces(map(changed, expected.sacl)),
    )


def _without_auto_inherited(expected: SecurityDescriptor) -> SecurityDescriptor:
    if any(ace.is_inherited for ace in expected.dacl or ()):
        return expected
    return replace(expected, control=expected.control.without(Control.DACL_AUTO_INHERITED))


#: Where Samba 4.17 departs from MS-DTYP 2.5.3.4.
KNOWN_DIFFERENCES: Sequence[Difference[SecurityDescriptor]] = (
    Difference(
        "audit flags",
        "the effective half of a split entry loses its success and failure flags",
        _without_audit_flags,
    ),
    Difference(
        "auto-inherited",
        "the DACL's control bit is set when the child received an entry, not when the parent had one to give",
        _without_auto_inherited,
    ),
)


def pools(dice: Random, schema: Schema) -> Pools:
    """What the entries of parents and children are made of."""
    classes = schema.classes
    names = [name for _, name, _ in CHILDREN]
    flags = [
        sum(flag for flag, often in ((2, 0.75), (1, 0.3), (4, 0.25), (8, 0.3)) if dice.random() < often)
        for _ in range(60)
    ]
    description = schema.attributes["description"]
    return Pools(
        trustees=[
            *[CONNECTOR] * 4, *[Sid.CREATOR_OWNER] * 4, *[Sid.CREATOR_GROUP] * 2,
            *[Sid.AUTHENTICATED_USERS] * 2, Sid.OWNER_RIGHTS, Sid.PRINCIPAL_SELF, DOMAIN.child(513),
        ],
        masks=[
            *differential.masks(dice, _SPECIFIC),
            *differential.masks(dice, _GENERIC, number=60, at_most=2),
            *differential.masks(dice, [*_GENERIC, *_SPECIFIC], number=60),
            differential.EVERYTHING, 0,
        ],
        object_types=[None, None, classes["group"], classes["user"], description.guid, description.property_set],
        inherited_object_types=[
            *[None] * 4, *[classes[name] for name in (*names, "person", "top", "inetOrgPerson")]
        ],
        flags=flags,
        deny=0.25,
    )  # fmt: skip


def audit(dice: Random, entry: Ace) -> Ace:
    """The entry as one that audits."""
    flags = entry.flags | dice.choice((0x40, 0x80, 0xC0))
    entry_type = AceType.SYSTEM_AUDIT_OBJECT if entry.is_object else AceType.SYSTEM_AUDIT
    return replace(entry, type=entry_type, flags=flags)


def parent(dice: Random, some: Pools) -> SecurityDescriptor:
    """A descriptor for a parent; some carry audit entries, and audit flags where they mean nothing."""
    entries = some.entries(dice, (0, 1, 2, 3, 5))
    if dice.random() < 0.1:
        entries = [replace(ace, flags=ace.flags | _AUDIT) for ace in entries]
    sacl = [audit(dice, some.entry(dice)) for _ in range(dice.choice((0, 0, 1, 2)))]
    control = Control.SACL_PROTECTED
    if dice.random() < 0.8:
        control |= Control.DACL_PROTECTED
    descriptor = SecurityDescriptor(control).with_dacl(entries)
    assert descriptor.dacl is not None
    return replace(descriptor, sacl=descriptor.dacl.with_aces(sacl))


def child(dice: Random, some: Pools, *, protected: bool) -> SecurityDescriptor:
    """A descriptor for a child that has entries of its own."""
    control = Control.DACL_PROTECTED if protected else Control(0)
    owner = dice.choice((CONNECTOR, DOMAIN.child(512)))
    return SecurityDescriptor(control, owner, DOMAIN.child(513)).with_dacl(some.entries(dice, (0, 1, 2)))


def parts(descriptor: SecurityDescriptor) -> dict[str, Any]:
    """What is compared: entries in their order, owner, group, and the control bits."""
    return {
        "owner and group": (descriptor.owner, descriptor.group),
        "control": descriptor.control | Control.SELF_RELATIVE,
        "DACL": descriptor.dacl.aces if descriptor.dacl is not None else None,
        "SACL": descriptor.sacl.aces if descriptor.sacl is not None else None,
    }


def without_inherited(descriptor: SecurityDescriptor) -> SecurityDescriptor:
    """The descriptor of a new object, as it was before it inherited."""
    control = descriptor.control.without(Control.DACL_AUTO_INHERITED | Control.SACL_AUTO_INHERITED)
    dacl, sacl = (
        acl and acl.with_aces(ace for ace in acl if not ace.is_inherited)
        for acl in (descriptor.dacl, descriptor.sacl)
    )
    return replace(descriptor, dacl=dacl, sacl=sacl, control=control)
