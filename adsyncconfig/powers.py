"""Who can do what with an object, worked out from its descriptor: pure.

Rule 1: what a token can do is what an access check grants of the whole descriptor (``held``): inherit-only entries,
        denials in front, property sets, SELF, CREATOR OWNER and OWNER RIGHTS count as they do there.
Rule 2: what a single entry gives (``given``) is what it would grant alone, where it is in effect.
Rule 3: an owner may change permissions, unless an entry for OWNER RIGHTS says otherwise, or the forest blocks it
        for computers and the owner is in neither Domain Admins nor Enterprise Admins (MS-ADTS 6.1.3.4).
Rule 4: the power over a place is the most that can be done with itself, or with what would inherit in it.

Sources: MS-ADTS 5.1.3.3 (access checks), 6.1.1.2.4.1.2 (dSHeuristics).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from acl import DIRECTORY_MAPPING, AccessMask, Ace, Acl, SecurityDescriptor, Sid
from acl.access import OWNER_IMPLICIT_RIGHTS, Reason, access_check
from acl.inherit import inherited_aces
from acl.token import Token

from .abilities import ABILITIES, COMPUTERS, OWNING, Ability
from .findings import Power
from .operations import Need
from .schema import Kind, bundled

__all__ = ["BELOW", "Held", "Powers", "blocks_owners", "widest"]

#: The classes of object that stand for what is below a container.
BELOW: Final = (
    "user",
    "inetOrgPerson",
    "group",
    "computer",
    "contact",
    "organizationalUnit",
    "msDS-GroupManagedServiceAccount",
)
_NO_CLASS: Final = UUID(int=0)
#: The bits that make a power by themselves, whatever they are limited to; the highest power first.
_BITS: Final = (
    (AccessMask.DS_CREATE_CHILD, Power.CREATE),
    (AccessMask.DS_DELETE_CHILD, Power.CREATE),
    (AccessMask.DS_WRITE_PROPERTY, Power.WRITE),
    (AccessMask.DS_WRITE_PROPERTY_EXTENDED, Power.WRITE),
    (AccessMask.DS_READ_PROPERTY, Power.READ),
    (AccessMask.DS_LIST_CONTENTS, Power.READ),
)
_BLOCK_OWNERS: Final = 29


class Held(NamedTuple):
    """An ability that is held, and what it rests on: an entry, or the reason why none was needed."""

    ability: Ability
    decisive: Ace | None
    reason: Reason


class _Way(NamedTuple):
    rights: AccessMask
    object_types: tuple[UUID, ...]


def blocks_owners(heuristics: str | None) -> bool:
    """True when the forest's dSHeuristics take their implicit rights from the owners of computers."""
    return heuristics is not None and heuristics[_BLOCK_OWNERS - 1 : _BLOCK_OWNERS] == "1"


def widest(held: Iterable[Ability]) -> tuple[Ability, ...]:
    """Those of the abilities that no other one of them holds, in the order of ``ABILITIES``."""
    there = {each.id: each for each in held}
    return tuple(each for each in there.values() if each.within.isdisjoint(there))


@dataclass(frozen=True, slots=True)
class _Question:
    """An access check that waits for its rights."""

    descriptor: SecurityDescriptor
    token: Token
    principal_self: Sid | None
    owner_rights: int

    def ask(self, rights: AccessMask, object_types: tuple[UUID, ...]) -> tuple[bool, Ace | None, Reason]:
        result = access_check(
            self.descriptor,
            self.token,
            rights,
            object_types=object_types,
            principal_self=self.principal_self,
            owner_rights=self.owner_rights,
        )
        return bool(result), result.decisive, result.reason


class Powers:
    """The abilities in one forest, whose names these GUIDs are.

    ``property_sets`` gives the property set of an attribute that is in one, under its name in lower case.
    """

    def __init__(
        self, guids: Mapping[tuple[Kind, str], UUID], property_sets: Mapping[str, UUID] | None = None
    ) -> None:
        self._guids = guids
        sets = property_sets or {}
        self._property_sets = sets
        self._sets_of = {
            guid: sets[name.lower()]
            for (kind, name), guid in guids.items()
            if kind is Kind.ATTRIBUTE and name.lower() in sets
        }
        self._by_class: dict[str, tuple[tuple[Ability, tuple[_Way, ...]], ...]] = {}
        self._known: dict[tuple[object, ...], Power] = {}

    def held(
        self,
        descriptor: SecurityDescriptor,
        token: Token,
        object_class: str,
        *,
        principal_self: Sid | None = None,
        blocked: bool = False,
        among: Container[str] | None = None,
    ) -> tuple[Held, ...]:
        """Every ability that the token has over the object of this class, or those of the ids in ``among``.

        ``principal_self`` is the object's own SID, for entries of SELF. ``blocked`` where the forest blocks the
        rights of owners and the token is in neither Domain Admins nor Enterprise Admins.
        """
        if descriptor.dacl is None:
            return tuple(Held(ability, None, Reason.NO_DACL) for ability, _ in self._abilities(object_class))
        question = _Question(descriptor, token, principal_self, 0)
        found = []
        for ability, ways in self._abilities(object_class):
            if among is not None and ability.id not in among:
                continue
            for way in ways:
                allowed, decisive, reason = question.ask(way.rights, way.object_types)
                if allowed:
                    found.append(Held(ability, decisive, reason))
                    break
        if among is None or OWNING.id in among:
            found += self._owning(descriptor, token, object_class, principal_self, blocked=blocked)
        return tuple(found)

    def _owning(
        self,
        descriptor: SecurityDescriptor,
        token: Token,
        object_class: str,
        principal_self: Sid | None,
        *,
        blocked: bool,
    ) -> Iterator[Held]:
        """What being the owner gives, if anything."""
        if not (blocked and object_class in COMPUTERS):
            owner = _Question(descriptor, token, principal_self, OWNER_IMPLICIT_RIGHTS)
            allowed, _, reason = owner.ask(AccessMask.WRITE_DAC, ())
            if allowed and reason is Reason.OWNER:
                yield Held(OWNING, None, reason)

    def given(self, ace: Ace, object_class: str) -> tuple[Ability, ...]:
        """What the entry alone would give over an object of this class on which it is in effect."""
        if not ace.is_allow:
            return ()
        mask = DIRECTORY_MAPPING.map(ace.mask)
        return tuple(
            ability
            for ability, ways in self._abilities(object_class)
            if any(
                mask & way.rights == way.rights
                and (ace.object_type is None or ace.object_type in way.object_types)
                for way in ways
            )
        )

    def class_guid(self, object_class: str) -> UUID:
        """The GUID of a class, for inheritance; one that no entry can name where it is unknown."""
        known = self._guids.get((Kind.CLASS, object_class))
        return known or bundled(Kind.CLASS).get(object_class, _NO_CLASS)

    def below(self, aces: Iterable[Ace], class_guid: UUID) -> tuple[Ace, ...]:
        """The entries in effect on an object of this class that inherits them, from a container's."""
        received = inherited_aces(Acl(tuple(aces)), object_class_guid=class_guid, owner=None, group=None)
        return tuple(ace for ace in received if ace.is_effective)

    def power_of(
        self,
        descriptor: SecurityDescriptor,
        token: Token,
        object_class: str,
        *,
        principal_self: Sid | None = None,
        blocked: bool = False,
    ) -> Power:
        """The most that the token can do with a place of this class, or with what would inherit in it."""
        if descriptor.dacl is None:
            return Power.CONTROL
        speakers = token.speakers(descriptor.owner, principal_self)
        relevant = tuple(
            ace for ace in descriptor.dacl.aces if ace.sid is not None and ace.sid.to_bytes() in speakers
        )
        key = (relevant, speakers, object_class, blocked)
        if key not in self._known:
            if len(self._known) > _KEPT:
                self._known.clear()
            reduced = descriptor.with_dacl(relevant)
            here = self._power(reduced, token, object_class, principal_self=principal_self, blocked=blocked)
            powers = [here, *self._powers_below(relevant, token)]
            self._known[key] = max(powers, key=lambda each: each.rank)
        return self._known[key]

    def _powers_below(self, relevant: tuple[Ace, ...], token: Token) -> Iterator[Power]:
        for name in BELOW:
            inherited = self.below(relevant, self.class_guid(name))
            if inherited:
                yield self._power(SecurityDescriptor().with_dacl(inherited), token, name)

    def _power(
        self,
        descriptor: SecurityDescriptor,
        token: Token,
        object_class: str,
        *,
        principal_self: Sid | None = None,
        blocked: bool = False,
    ) -> Power:
        held = self.held(descriptor, token, object_class, principal_self=principal_self, blocked=blocked)
        most = max((each.ability.power for each in held), key=lambda each: each.rank, default=Power.NOTHING)
        if most is Power.CONTROL:
            return most
        question = _Question(descriptor, token, principal_self, 0)
        for ace in descriptor.dacl or ():
            mask = DIRECTORY_MAPPING.map(ace.mask) if ace.is_allow and ace.is_effective else AccessMask(0)
            for right, power in _BITS:
                if power.rank > most.rank and mask & right:
                    types = (
                        () if ace.object_type is None else self._chain(right, ace.object_type, object_class)
                    )
                    if question.ask(right, types)[0]:
                        most = power
        return most

    def _chain(self, right: AccessMask, object_type: UUID, object_class: str) -> tuple[UUID, ...]:
        """The object types of a check of what an entry's type names: an attribute with what it is in."""
        if not right & (AccessMask.DS_READ_PROPERTY | AccessMask.DS_WRITE_PROPERTY):
            return (object_type,)
        root = self._guids.get((Kind.CLASS, object_class), _NO_CLASS)
        property_set = self._sets_of.get(object_type)
        if object_type == root:
            return (root,)
        return (root, object_type) if property_set is None else (root, property_set, object_type)

    def _abilities(self, object_class: str) -> tuple[tuple[Ability, tuple[_Way, ...]], ...]:
        """The abilities that count on a class, each with its ways in this forest."""
        if object_class not in self._by_class:
            found = []
            for ability in ABILITIES:
                if ability.classes is None or object_class in ability.classes:
                    ways = tuple(way for need in ability.ways if (way := self._way(need, object_class)))
                    if ways:
                        found.append((ability, ways))
            self._by_class[object_class] = tuple(found)
        return self._by_class[object_class]

    def _way(self, need: Need, object_class: str) -> _Way | None:
        """The access check of a need; None where this forest has no such name."""
        if need.on is None:
            root = self._guids.get((Kind.CLASS, object_class))
            # The class is the root of the tree of attributes (MS-ADTS 5.1.3.3.3); in an entry for children it is
            # what may be created.
            of_attributes = need.rights == AccessMask.DS_WRITE_PROPERTY and root is not None
            return _Way(need.rights, (root,) if root is not None and of_attributes else ())
        guid = self._guids.get(need.on)
        if guid is None:
            return None
        if need.on[0] is not Kind.ATTRIBUTE:
            return _Way(need.rights, (guid,))
        property_set = self._property_sets.get(need.on[1].lower())
        root = self._guids.get((Kind.CLASS, object_class), _NO_CLASS)
        return _Way(need.rights, (root, guid) if property_set is None else (root, property_set, guid))


_KEPT: Final = 4096
