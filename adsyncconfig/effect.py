"""What an account can do on an object before a change and after it, and which entry decides: pure.

Rule 1: the token is everything that speaks for a logon over LDAP: the account, its groups, what is well known.
Rule 2: on a container an operation is tried on what an object below would inherit; the entries that its class
        brings by itself are left out, since they differ between forests. On a domain's root a new object is tried
        in an OU that inherits. AdminSDHolder stands for the protected objects that its list is copied to.
Rule 3: the entry that decides is given as it stands on the target, not as an object below would hold it.
Rule 4: what cannot be known is None: the groups of an account that may not be read, or a container that was
        not read.

Sources: MS-ADTS 5.1.3.3 (access checks of directory objects), 3.1.1.5 (what each operation asks for).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from acl import Ace, Acl, SecurityDescriptor, Sid
from acl.access import access_check
from acl.inherit import inherited_aces
from acl.token import Token

from .account import Principal
from .catalogue import TargetKind
from .operations import ORGANIZATIONAL_UNIT, Need, Operation, Place
from .plan import Target, ace_text
from .schema import Kind, bundled

__all__ = ["Answer", "Effect", "Examiner", "effects", "inherited", "known_operations", "token_in"]

_NO_CLASS: Final = UUID(int=0)
#: What stands for someone else on the object that holds it, or on one that inherits it.
_PLACEHOLDERS: Final = frozenset({Sid.CREATOR_OWNER, Sid.CREATOR_GROUP, Sid.OWNER_RIGHTS, Sid.PRINCIPAL_SELF})
#: The classes of object that AdminSDHolder's list is copied to (MS-ADTS 3.1.1.6.1).
_PROTECTED_CLASSES: Final = frozenset({"computer", "group", "inetOrgPerson", "user"})


class Answer(NamedTuple):
    """Whether an operation is possible: True, False or None; the entry that decides; and what is lacking.

    ``on_container`` where the entry stands on what the object is in, or would have to.
    """

    allowed: bool | None
    decided_by: Ace | None = None
    lacking: Need | None = None
    on_container: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """One operation on one target, before a change and after it; ``account`` is named where a run has several."""

    dn: str
    operation: Operation
    before: Answer
    after: Answer
    account: str | None = None

    @property
    def decided_by(self) -> str | None:
        """The entry that decides after the change, as SDDL."""
        ace = self.after.decided_by
        return None if ace is None else ace_text(ace)

    def to_json(self) -> dict[str, Any]:
        """The effect as the contract's JSON has it; ``decidedBy`` belongs to ``after``."""
        return {
            "dn": self.dn,
            "operation": self.operation.name,
            "before": self.before.allowed,
            "after": self.after.allowed,
            "decidedBy": self.decided_by,
            **({} if self.account is None else {"account": self.account}),
        }


def token_in(
    account: Principal, domain: str, *, account_domain: str, more: Iterable[Sid] = ()
) -> Token | None:
    """The token of the account in a domain of its forest, or None when its groups could not be read.

    ``more`` are groups of that domain that well-known SIDs are members of. Built-in groups speak for an account
    in its own domain only.
    """
    if account.token_sids is None:
        return None
    groups = account.token_sids
    if domain != account_domain:
        groups = tuple(sid for sid in groups if sid.domain is not None)
    return Token.for_account(account.sid, (*groups, *more))


@dataclass(frozen=True, slots=True)
class Examiner:
    """Who is asked about, and what names stand for in this forest.

    ``property_sets`` gives the property set of an attribute that is in one, under its name in lower case.
    """

    account: Principal
    token: Token | None
    names: Mapping[tuple[Kind, str], UUID]
    property_sets: Mapping[str, UUID]

    def relevant(self, descriptor: SecurityDescriptor) -> SecurityDescriptor:
        """The descriptor with the entries alone that can speak for or against the account, here or below."""
        if descriptor.dacl is None or self.token is None:
            return descriptor
        sids = self.token.sids | _PLACEHOLDERS
        return descriptor.with_dacl([ace for ace in descriptor.dacl.aces if ace.sid in sids])

    def class_guid(self, object_class: str) -> UUID:
        """The GUID of a class, for inheritance; one that no entry can name where it is unknown."""
        known = self.names.get((Kind.CLASS, object_class))
        return known or bundled(Kind.CLASS).get(object_class, _NO_CLASS)

    def answer(
        self,
        operation: Operation,
        on: SecurityDescriptor,
        container: SecurityDescriptor | None,
        *,
        is_account: bool = False,
    ) -> Answer:
        """Whether the operation is possible on an object, and in its container where that is known.

        ``is_account`` when the object is the account's own, for entries of SELF.
        """
        if self.token is None:
            return Answer(None)
        answers = []
        for way in operation.ways:
            answer = self._way(way, operation, on, container, is_account=is_account)
            if answer.allowed:
                return answer
            answers.append(answer)
        # A deny says more than that nothing grants; what is unknown could still allow.
        return min(answers, key=lambda each: (each.allowed is not None, each.decided_by is None))

    def _way(
        self,
        way: tuple[Need, ...],
        operation: Operation,
        on: SecurityDescriptor,
        container: SecurityDescriptor | None,
        *,
        is_account: bool,
    ) -> Answer:
        first: Answer | None = None
        for need in way:
            where = container if need.of_container else on
            if where is None:
                return Answer(None, None, need, need.of_container)
            result = access_check(
                where,
                self.token or (),
                need.rights,
                object_types=self._tree(need, operation),
                principal_self=self.account.sid if is_account else None,
            )
            if not result:
                return Answer(False, result.decisive, need, need.of_container)
            first = first or Answer(True, result.decisive, None, need.of_container)
        return first or Answer(None)

    def _tree(self, need: Need, operation: Operation) -> tuple[UUID, ...]:
        """The GUIDs from the root of the object-type tree down (MS-ADTS 5.1.3.3.3)."""
        if need.on is None:
            name = operation.object_class
            return (self.names[Kind.CLASS, name],) if name and not need.of_container else ()
        kind, name = need.on
        guid = self.names[need.on]
        if kind is not Kind.ATTRIBUTE or operation.object_class is None:
            return (guid,)
        root = self.names[Kind.CLASS, operation.object_class]
        property_set = self.property_sets.get(name.lower())
        return (root, guid) if property_set is None else (root, property_set, guid)


def known_operations(
    operations: Iterable[Operation], names: Mapping[tuple[Kind, str], UUID]
) -> tuple[Operation, ...]:
    """The operations that make sense in this forest, without what its schema does not have."""
    known = []
    for operation in operations:
        if operation.object_class and (Kind.CLASS, operation.object_class) not in names:
            continue
        ways = tuple(
            tuple(need for need in way if need.on is None or need.on in names) for way in operation.ways
        )
        if any(all(need.of_container and need.on is None for need in way) for way in ways):
            continue  # nothing is left of it but that its object is seen
        known.append(operation if ways == operation.ways else replace(operation, ways=ways))
    return tuple(known)


def effects(
    operations: Iterable[Operation],
    target: Target,
    after: SecurityDescriptor,
    examiner: Examiner,
    *,
    container: SecurityDescriptor | None = None,
) -> list[Effect]:
    """What of the operations is possible on the target before and after; those that are none of its left out.

    ``container`` is what a single object is in, None where it was not read.
    """
    stages = [_Stage(target, target.descriptor, examiner, container)]
    if after is not target.descriptor:
        stages.append(_Stage(target, after, examiner, container))
    found = []
    for operation in operations:
        answers = [stage.answer(operation) for stage in stages]
        if answers[0] is not None and answers[-1] is not None:
            found.append(Effect(target.dn, operation, answers[0], answers[-1]))
    return found


class _Stage:
    """The target with one descriptor, and what objects below it would inherit from that."""

    def __init__(
        self,
        target: Target,
        descriptor: SecurityDescriptor,
        examiner: Examiner,
        container: SecurityDescriptor | None,
    ) -> None:
        self._target = target
        self._descriptor = examiner.relevant(descriptor)
        self._examiner = examiner
        self._container = container
        self._typical: dict[str, tuple[SecurityDescriptor, dict[Ace, Ace]]] = {}

    def answer(self, operation: Operation) -> Answer | None:
        """What comes of the operation; None where it is none for this kind of target."""
        kind, place = self._target.kind, operation.place
        on, ask = self._descriptor, self._examiner.answer
        if place is Place.TARGET or (place is Place.DOMAIN_ROOT and kind is TargetKind.DOMAIN):
            return ask(operation, on, self._container)
        if place is Place.DOMAIN_ROOT:
            return None
        if kind is TargetKind.ADMIN_SD_HOLDER:
            return self._on_protected(operation)
        if kind is TargetKind.OBJECT:
            if place is Place.CONTAINER or operation.object_class != self._target.object_class:
                return None
            is_account = self._target.dn == self._examiner.account.dn
            return ask(operation, on, self._container, is_account=is_account)
        return self._below(operation)

    def _below(self, operation: Operation) -> Answer:
        """The answer for what is in the target; the entry that decides is given as it stands there."""
        creates = operation.place is Place.CONTAINER
        on, ask = self._descriptor, self._examiner.answer
        if creates and self._target.kind is TargetKind.CONTAINER:
            return ask(operation, on, on)
        object_class = ORGANIZATIONAL_UNIT if creates else operation.object_class or ""
        if object_class not in self._typical:
            self._typical[object_class] = inherited(on, object_class, self._examiner)
        typical, sources = self._typical[object_class]
        answer = ask(operation, typical, typical if creates else on)
        ace = answer.decided_by
        return answer if ace is None else answer._replace(decided_by=sources.get(ace, ace))

    def _on_protected(self, operation: Operation) -> Answer | None:
        """The answer on a protected object, whose list is a copy; where it is in is not known."""
        if operation.place is Place.CONTAINER or operation.object_class not in _PROTECTED_CLASSES:
            return None
        own = (tuple(need for need in way if not need.of_container) for way in operation.ways)
        reduced = replace(operation, ways=tuple(way for way in own if way))
        return self._examiner.answer(reduced, self._descriptor, None)


def inherited(
    container: SecurityDescriptor, object_class: str, examiner: Examiner
) -> tuple[SecurityDescriptor, dict[Ace, Ace]]:
    """A descriptor of what an object of the class inherits, and the entry that each of its entries comes from."""
    guid = examiner.class_guid(object_class)
    sources: dict[Ace, Ace] = {}
    for ace in container.dacl or ():
        for received in inherited_aces(Acl((ace,)), object_class_guid=guid, owner=None, group=None):
            if received.is_effective:
                sources.setdefault(received, ace)
    return SecurityDescriptor().with_dacl(sources), sources
