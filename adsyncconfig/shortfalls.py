"""Where a grant on a target stops short of what is below it: pure.

Rule 1: what an object below would hold after a change is derived from its parent's new list, as a controller
        does; an object that inherits nothing keeps what it has.
Rule 2: a shortfall is an operation that goes on an ordinary object below the target, and not on this one: because
        an entry denies it, inheritance is blocked at or above it, or AdminSDHolder's list replaces its own.
Rule 3: a container that inherits nothing counts even when it is empty, for what will be made in it.
Rule 4: objects are created in the target; only in a whole domain is every container below asked about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from acl import SecurityDescriptor, inherit

from .below import Child
from .catalogue import TargetKind
from .dn import DistinguishedName, Rdns
from .effect import Answer, Examiner, inherited
from .operations import Operation, Place
from .plan import Target, ace_text

__all__ = ["Cause", "Shortfall", "described", "not_looked_at", "shortfalls"]

#: The classes of object that hold what features create.
CONTAINERS: Final = frozenset({"builtinDomain", "container", "domainDNS", "organizationalUnit"})
#: How many objects a warning names.
_NAMED: Final = 3


class Cause(Enum):
    """Why an operation does not go on an object."""

    DENIED = "an entry denies it"
    PROTECTED = "AdminSDHolder"
    BLOCKED = "inheritance is blocked"
    NOT_GRANTED = "nothing grants it"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An operation that does not go on an object below the target.

    ``at`` is where inheritance is blocked, or the object itself.
    """

    dn: str
    operation: Operation
    cause: Cause
    at: str
    answer: Answer


def shortfalls(
    target: Target,
    after: SecurityDescriptor,
    operations: Iterable[Operation],
    examiner: Examiner,
    *,
    lasting: bool = True,
) -> Iterator[Shortfall]:
    """Where these operations, which go on what is ordinary below the target, do not go after the change.

    ``lasting`` counts the objects too whose list AdminSDHolder's will replace, though they inherit for now.
    """
    created: list[Operation] = []
    by_class: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation.place is Place.CONTAINER and target.kind is TargetKind.DOMAIN:
            created.append(operation)
        elif operation.place is Place.OBJECT and operation.object_class:
            by_class.setdefault(operation.object_class, []).append(operation)
    for place in _places(target, after, examiner):
        child, own = place.child, place.own
        if child.object_class in CONTAINERS:
            answers = [(each, examiner.answer(each, own, own)) for each in created]
            if place.blocked_at == child.dn:
                answers += _within(own, by_class, examiner)
        else:
            is_account = child.dn == examiner.account.dn
            answers = [
                (each, examiner.answer(each, own, place.container, is_account=is_account))
                for each in by_class.get(child.object_class, ())
            ]
        for operation, answer in answers:
            if answer.allowed is False and answer.decided_by is not None:
                yield Shortfall(child.dn, operation, Cause.DENIED, child.dn, answer)
            elif child.admin_count and (lasting or answer.allowed is False):
                yield Shortfall(child.dn, operation, Cause.PROTECTED, child.dn, answer)
            elif answer.allowed is False:
                cause = Cause.BLOCKED if place.blocked_at else Cause.NOT_GRANTED
                yield Shortfall(child.dn, operation, cause, place.blocked_at or child.dn, answer)


def _within(
    container: SecurityDescriptor, by_class: dict[str, list[Operation]], examiner: Examiner
) -> list[tuple[Operation, Answer]]:
    """The answers on objects that would be made in the container."""
    found = []
    for object_class, operations in by_class.items():
        typical, _ = inherited(container, object_class, examiner)
        found += [(each, examiner.answer(each, typical, container)) for each in operations]
    return found


class _Place(NamedTuple):
    """An object with what it and its container hold after the change, and the topmost object that blocks it."""

    child: Child
    own: SecurityDescriptor
    container: SecurityDescriptor | None
    blocked_at: str | None


def _places(target: Target, after: SecurityDescriptor, examiner: Examiner) -> Iterator[_Place]:
    """Everything below the target whose permissions are known, containers before what is in them."""
    changed = after is not target.descriptor
    known: dict[Rdns, tuple[SecurityDescriptor, str | None]] = {
        DistinguishedName.parse(target.dn).rdns: (examiner.relevant(after), None)
    }
    named = sorted(
        ((DistinguishedName.parse(child.dn).rdns, child) for child in target.below.children),
        key=lambda each: len(each[0]),
    )
    # Equal descriptors are one object as a rule (acl.intern), and those here live as long as these tables do.
    relevant: dict[int, SecurityDescriptor] = {}
    derived: dict[tuple[int, int, str], SecurityDescriptor] = {}
    for name, child in named:
        if child.descriptor is None:
            continue
        container, blocked_at = known.get(name[1:], (None, None))
        own = relevant.get(id(child.descriptor))
        if own is None:
            own = relevant[id(child.descriptor)] = examiner.relevant(child.descriptor)
        if own.dacl_is_protected:
            blocked_at = blocked_at or child.dn
        elif changed and container is not None and blocked_at is None:
            key = (id(container), id(own), child.object_class)
            if key not in derived:
                guid = examiner.class_guid(child.object_class)
                derived[key] = inherit(container, own, object_class_guid=guid)
            own = derived[key]
        known[name] = (own, blocked_at)
        yield _Place(child, own, container, blocked_at)


def described(account: str, target: Target, found: Iterable[Shortfall]) -> Iterator[str]:
    """What to warn of, a line for each cause: how many objects, and the first few of them."""
    where = f"below '{target.dn}'"
    by_cause: dict[Cause, dict[str, set[str]]] = {}
    denials: dict[str, dict[str, None]] = {}
    for each in found:
        by_cause.setdefault(each.cause, {}).setdefault(each.at, set()).add(each.dn)
        if each.cause is Cause.DENIED and each.answer.decided_by is not None:
            denials.setdefault(ace_text(each.answer.decided_by), {})[each.dn] = None
    for text, dns in denials.items():
        yield f"{text} still refuses {account} on {_some(dns)} {where}"
    if blocked := by_cause.get(Cause.BLOCKED):
        counts = {at: f" (with {len(dns - {at})} in it)" if dns - {at} else "" for at, dns in blocked.items()}
        yield (
            f"inheritance is blocked {where}, so that nothing reaches {_some(blocked, counts)}: grant there too, "
            "or let them inherit"
        )
    if protected := by_cause.get(Cause.PROTECTED):
        yield (
            f"the permissions of {_some(protected)} {where} are replaced by AdminSDHolder's (adminCount=1): "
            "nothing that is granted here lasts there"
        )
    if other := by_cause.get(Cause.NOT_GRANTED):
        yield f"{account} is still refused on {_some(other)} {where}: nothing grants it there"
    yield from not_looked_at(target)


def not_looked_at(target: Target) -> Iterator[str]:
    """What was left out below the target, a line each."""
    children, where = target.below.children, f"below '{target.dn}'"
    unreadable = [child.dn for child in children if child.descriptor is None]
    if unreadable:
        yield f"the permissions of {_some(unreadable)} {where} could not be read, and are left out here"
    if target.below.stopped:
        last = children[-1].dn if children else target.dn
        yield (
            f"only the first {len(children) + 1:,} objects at and {where} were looked at, up to '{last}': "
            "-LookBelow takes another number"
        )


def _some(dns: Iterable[str], after: dict[str, str] | None = None) -> str:
    """``'a', 'b', 'c' and 4 more``."""
    every = list(dns)
    named = ", ".join(f"'{dn}'{(after or {}).get(dn, '')}" for dn in every[:_NAMED])
    return f"{named} and {len(every) - _NAMED} more" if len(every) > _NAMED else named
