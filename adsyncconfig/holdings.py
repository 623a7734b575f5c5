"""What entries an account holds on an object, as its own or through groups, and what one of them gives: pure.

Rule 1: entries of groups count as the account's own, but for those that Windows makes, which everybody or every
        administrator is in.
Rule 2: reading is never too much, so that entries for it alone are left out.
Rule 3: what a denial in front takes away again is not given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from acl import DIRECTORY_MAPPING, AccessMask, Ace, SecurityDescriptor, Sid
from acl.token import Token

from .abilities import Ability
from .expected import Beyond, known_in, powers_in
from .facts import AccountFacts, AuditContext, SeenObject
from .origin import ADMIN_SD_HOLDER
from .powers import BELOW, widest
from .principals import FIRST_OWN_RID

__all__ = ["READING", "Given", "entries_of", "given_by", "is_holder", "through", "token_of"]

#: The rights that give nothing but to read.
READING: Final = (
    AccessMask.DS_READ_PROPERTY
    | AccessMask.DS_LIST_CONTENTS
    | AccessMask.DS_LIST_OBJECT
    | AccessMask.READ_CONTROL
    | AccessMask.SYNCHRONIZE
)
#: How many answers are kept for objects that hold the same entries.
_KEPT: Final = 4096


class Given(NamedTuple):
    """What an entry gives: on the object itself, and by ability on which classes below it."""

    here: tuple[Ability, ...]
    below: tuple[tuple[Ability, tuple[str, ...]], ...]


def is_holder(seen: SeenObject) -> bool:
    """True for AdminSDHolder."""
    return seen.dn.casefold().startswith(ADMIN_SD_HOLDER.casefold())


def entries_of(facts: AccountFacts, seen: SeenObject) -> list[Ace]:
    """The entries judged on the object that give the account, or a group that it is in, more than to read."""
    speaks = _speaks(facts, seen.domain)
    return [
        ace
        for ace in seen.aces
        if ace.sid in speaks and ace.is_allow and DIRECTORY_MAPPING.map(ace.mask).without(READING)
    ]


def _speaks(facts: AccountFacts, domain: str) -> frozenset[Sid]:
    """The account, and those of its groups that administrators made."""
    token = facts.tokens.get(domain)
    groups = () if token is None else token.sids
    own = frozenset(sid for sid in groups if sid.domain is not None and (sid.rid or 0) >= FIRST_OWN_RID)
    return own | {facts.sid}


def token_of(facts: AccountFacts, domain: str) -> Token:
    """The account's token in a domain; that of the account alone where its groups are not known."""
    return facts.tokens.get(domain) or Token.for_account(facts.sid)


def given_by(context: AuditContext, seen: SeenObject, facts: AccountFacts, ace: Ace, more: Beyond) -> Given:
    """The abilities that these rights of the entry give, and that the whole list grants."""
    token = token_of(facts, seen.domain)
    itself = facts.sid if seen.dn.casefold() == facts.dn.casefold() else None
    speakers = token.speakers(None, itself)
    dacl = () if seen.descriptor is None else seen.descriptor.dacl or ()
    relevant = tuple(each for each in dacl if each.sid is not None and each.sid.to_bytes() in speakers)
    # Objects that hold the same entries are given the same, however many there are.
    known = known_in(context).given
    key = (speakers, seen.object_class, relevant, ace, more.here, more.below)
    if key not in known:
        if len(known) > _KEPT:
            known.clear()
        known[key] = _work_out(context, token, seen.object_class, itself, relevant, ace=ace, more=more)
    found: Given = known[key]
    return found


def _work_out(
    context: AuditContext,
    token: Token,
    object_class: str,
    itself: Sid | None,
    relevant: tuple[Ace, ...],
    *,
    ace: Ace,
    more: Beyond,
) -> Given:
    powers = powers_in(context)
    here: tuple[Ability, ...] = ()
    if more.here:
        alone = powers.given(_with(ace, more.here), object_class)
        held = powers.held(
            SecurityDescriptor().with_dacl(relevant),
            token,
            object_class,
            principal_self=itself,
            among={each.id for each in alone},
        )
        granted = {each.ability.id for each in held}
        here = widest(each for each in alone if each.id in granted)
    below: dict[Ability, list[str]] = {}
    if more.below:
        for guid, name in _classes_below(context, ace):
            inherited = powers.below([_with(ace, more.below)], guid)
            alone = tuple(each for entry in inherited for each in powers.given(entry, name))
            if alone:
                typical = SecurityDescriptor().with_dacl(powers.below(relevant, guid))
                among = {each.id for each in alone}
                granted = {each.ability.id for each in powers.held(typical, token, name, among=among)}
                for each in widest(each for each in alone if each.id in granted):
                    below.setdefault(each, []).append(name)
    return Given(here, tuple((each, tuple(names)) for each, names in below.items()))


def _with(ace: Ace, rights: AccessMask) -> Ace:
    return ace if rights == ace.mask else replace(ace, mask=rights)


def _classes_below(context: AuditContext, ace: Ace) -> Iterator[tuple[UUID, str]]:
    """The class of object that the entry is for, or those that stand for all."""
    guid = ace.inherited_object_type
    if guid is not None:
        yield guid, context.words.get(guid, str(guid))
        return
    powers = powers_in(context)
    for name in BELOW:
        yield powers.class_guid(name), name


def through(context: AuditContext, facts: AccountFacts, ace: Ace) -> str:
    """``, as a member of CONTOSO\\Helpers,``; empty for an entry of the account itself."""
    if ace.sid is None or ace.sid == facts.sid:
        return ""
    return f", as a member of {context.name(ace.sid)},"
