"""What connector accounts hold beyond what their features need: rules of an audit, pure.

Rule 1: what the catalogue grants for a feature of the account is expected, in any of its forms (``expected``). What
        a full form gives beyond a narrower one that is known is a finding of its own.
Rule 2: an entry is judged where it is an object's own: by what it gives on the object itself, and on what inherits
        it. What a denial in front takes away again is not given.
Rule 3: entries of groups count as the account's own, but for those that Windows makes, which everybody or every
        administrator is in: membership of the privileged ones is a finding by itself.
Rule 4: reading is never too much. Protected objects hold a copy of AdminSDHolder's entries: these are told there.

Sources: what each right is good for is ``abilities``; why each counts, docs/decisions/0010.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from acl import DIRECTORY_MAPPING, AccessMask, Ace, AceFlag, SecurityDescriptor, Sid
from acl.token import Token

from .abilities import Ability
from .catalogue import UNIFIED_GROUP_WRITEBACK
from .excess_rules import (
    ADMIN_SD_HOLDER,
    ADMIN_SD_HOLDER_ATTRIBUTES,
    BY_ABILITY,
    CREATE_OR_DELETE,
    EXCHANGE_WIDE,
    GROUP_WRITEBACK_DOMAIN,
    GROUP_WRITEBACK_WIDE,
    OBJECT_RULES,
    OTHER_RIGHT,
    WRITE_CONTAINER,
)
from .expected import NAMES, Beyond, Expected, beyond, kind_of, known_in, powers_in
from .facts import AccountFacts, AuditContext, ObjectCheck, SeenObject
from .findings import Finding, Power, Rule
from .mend_steps import grant_feature, remove_rights, then
from .operations import ORGANIZATIONAL_UNIT
from .origin import ADMIN_SD_HOLDER as HOLDER
from .powers import BELOW, widest
from .principals import FIRST_OWN_RID
from .rules_groups import leave_group
from .words import rights_in_words

__all__ = ["CHECKS", "NAMES", "RULES"]

RULES: Final = OBJECT_RULES

_CONTAINERS: Final = frozenset({ORGANIZATIONAL_UNIT, "container", "builtinDomain", "domainDNS"})
_CHILDREN: Final = (
    AccessMask.DS_CREATE_CHILD | AccessMask.DS_DELETE_CHILD | AccessMask.DELETE | AccessMask.DS_DELETE_TREE
)
_LIMITED: Final = (
    AccessMask.DS_WRITE_PROPERTY | AccessMask.DS_WRITE_PROPERTY_EXTENDED | AccessMask.DS_CONTROL_ACCESS
)
_READING: Final = (
    AccessMask.DS_READ_PROPERTY
    | AccessMask.DS_LIST_CONTENTS
    | AccessMask.DS_LIST_OBJECT
    | AccessMask.READ_CONTROL
    | AccessMask.SYNCHRONIZE
)
_PROTECTED: Final = ("user", "group")


class _Given(NamedTuple):
    """What an entry gives: on the object itself, and by ability on which classes below it."""

    here: tuple[Ability, ...]
    below: tuple[tuple[Ability, tuple[str, ...]], ...]


def _concerns(context: AuditContext, seen: SeenObject) -> bool:
    """True when the object has entries of its own for an account that give more than to read."""
    return any(_entries(facts, seen) for facts in context.accounts)


def _entries(facts: AccountFacts, seen: SeenObject) -> list[Ace]:
    speaks = _speaks(facts, seen.domain)
    return [
        ace
        for ace in seen.aces
        if ace.sid in speaks and ace.is_allow and DIRECTORY_MAPPING.map(ace.mask).without(_READING)
    ]


def _speaks(facts: AccountFacts, domain: str) -> frozenset[Sid]:
    """The account, and those of its groups that administrators made."""
    token = facts.tokens.get(domain)
    groups = () if token is None else token.sids
    own = frozenset(sid for sid in groups if sid.domain is not None and (sid.rid or 0) >= FIRST_OWN_RID)
    return own | {facts.sid}


def _look(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    """What each account holds on the object beyond its features."""
    if seen.descriptor is None or seen.descriptor.dacl is None:
        return
    is_holder = seen.dn.casefold().startswith(HOLDER.casefold())
    for facts in context.accounts:
        entries = _entries(facts, seen)
        if seen.admin_count and not is_holder:
            entries = _without_copies(context, seen, entries)
        if not entries:
            continue
        if is_holder:
            yield from _on_holder(context, seen, facts, entries)
        else:
            yield from _of_account(context, seen, facts, entries)


def _without_copies(context: AuditContext, seen: SeenObject, entries: list[Ace]) -> list[Ace]:
    domain = context.domain(seen.domain)
    holder = None if domain is None else domain.admin_sd_holder
    if holder is None or holder.descriptor is None:
        return entries
    copied = frozenset(holder.descriptor.dacl or ())
    return [ace for ace in entries if ace not in copied]


def _of_account(
    context: AuditContext, seen: SeenObject, facts: AccountFacts, entries: list[Ace]
) -> Iterator[Finding]:
    wide: dict[Rule, list[tuple[Ace, Beyond, Expected]]] = {}
    for ace in entries:
        assert ace.sid is not None
        expected = known_in(context).expected(facts.features, seen.dn, seen.object_class, ace.sid)
        more = beyond(ace, expected)
        yield from _excess(context, seen, facts, ace, more)
        narrow = beyond(ace, (each for each in expected if not each.wide))
        rest = Beyond(narrow.here.without(more.here), narrow.below.without(more.below), narrow.needed_by)
        by = next((each for each in more.needed_by if each.wide), None)
        if by is not None and rest.rights.without(_READING):
            rule = _wide_rule(by, seen)
            # Below its container the full form gives little more than the narrower one.
            if rule is not GROUP_WRITEBACK_WIDE or rest.here.without(_READING):
                wide.setdefault(rule, []).append((ace, rest, by))
    for rule, found in wide.items():
        yield _too_wide(context, seen, facts, rule, found)


def _excess(
    context: AuditContext, seen: SeenObject, facts: AccountFacts, ace: Ace, more: Beyond
) -> Iterator[Finding]:
    """The findings of what one entry gives beyond everything expected, one for each rule."""
    given = _given(context, seen, facts, ace, more)
    said: dict[Rule, dict[str, list[str]]] = {}
    for ability in given.here:
        rule = BY_ABILITY[ability.id]
        if ability.id == "write-everything" and seen.object_class in _CONTAINERS:
            rule = WRITE_CONTAINER
        said.setdefault(rule, {}).setdefault("", []).append(ability.words)
    for ability, classes in given.below:
        where = f"on {_and(classes)} objects" if len(classes) < len(BELOW) else "on everything"
        said.setdefault(BY_ABILITY[ability.id], {}).setdefault(f"{where} below it: ", []).append(
            ability.words
        )
    if ace.object_type is not None:
        name = context.words.get(ace.object_type, str(ace.object_type))
        if children := more.rights & _CHILDREN:
            said.setdefault(CREATE_OR_DELETE, {})[""] = [rights_in_words(children, name)]
        elif not said and (limited := more.rights & _LIMITED):
            said.setdefault(OTHER_RIGHT, {})[""] = [rights_in_words(limited, name)]
    for rule, places in said.items():
        words = "; ".join(where + _and(dict.fromkeys(parts)) for where, parts in places.items())
        yield _finding(context, rule, seen, facts, ace, words=words, more=more)


def _given(context: AuditContext, seen: SeenObject, facts: AccountFacts, ace: Ace, more: Beyond) -> _Given:
    """The abilities that these rights of the entry give, and that the whole list grants."""
    powers = powers_in(context)
    token = facts.tokens.get(seen.domain) or Token.for_account(facts.sid)
    descriptor = seen.descriptor
    assert descriptor is not None
    itself = facts.sid if seen.dn.casefold() == facts.dn.casefold() else None
    relevant = [
        each
        for each in descriptor.dacl or ()
        if each.sid is not None and each.sid.to_bytes() in token.speakers(None, itself)
    ]
    here: tuple[Ability, ...] = ()
    if more.here:
        alone = powers.given(_with(ace, more.here), seen.object_class)
        held = powers.held(
            SecurityDescriptor().with_dacl(relevant),
            token,
            seen.object_class,
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
    return _Given(here, tuple((each, tuple(names)) for each, names in below.items()))


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


def _wide_rule(by: Expected, seen: SeenObject) -> Rule:
    if by.feature is not UNIFIED_GROUP_WRITEBACK:
        return EXCHANGE_WIDE
    return GROUP_WRITEBACK_DOMAIN if seen.object_class == "domainDNS" else GROUP_WRITEBACK_WIDE


def _finding(
    context: AuditContext,
    rule: Rule,
    seen: SeenObject,
    facts: AccountFacts,
    ace: Ace,
    *,
    words: str,
    more: Beyond,
) -> Finding:
    features = " and ".join(facts.audited.features)
    than = f"more than it needs for {features}" if features else "what no feature needs"
    mend, advice = _mend(context, seen, facts, ace, more)
    return Finding(
        rule,
        seen.dn,
        f"{facts.name}{_through(context, facts, ace)} holds {than} on '{seen.dn}': {words}",
        account=facts.name,
        trustee=context.name(ace.sid) if ace.sid is not None else None,
        evidence=(context.evidence(ace, seen),),
        mend=mend,
        advice=advice,
    )


def _through(context: AuditContext, facts: AccountFacts, ace: Ace) -> str:
    if ace.sid is None or ace.sid == facts.sid:
        return ""
    return f", as a member of {context.name(ace.sid)},"


def _mend(
    context: AuditContext, seen: SeenObject, facts: AccountFacts, ace: Ace, more: Beyond
) -> tuple[str | None, str | None]:
    """The command that takes just this away, and what to do in words."""
    if ace.sid is not None and ace.sid != facts.sid:
        return leave_group(context, facts, ace.sid)
    if ace.is_inherited:
        origin = seen.origins.get(ace)
        return None, f"take it away where it stands: at '{origin}'" if origin else None
    whole = DIRECTORY_MAPPING.map(ace.mask)
    if not more.needed_by:
        return remove_rights(seen.dn, [(ace, whole)]), None
    everywhere = more.here & more.below if _is_in_two_places(ace) else more.rights
    if everywhere == more.rights:
        return remove_rights(seen.dn, [(ace, more.rights)]), None
    # What is needed for one of the two is granted for that alone, and then the entry can go.
    again = dict.fromkeys(
        grant_feature(each.feature, facts.dn, seen.dn, seen.domain, least_privilege=_has_least(each, seen))
        for each in more.needed_by
    )
    return then(*again, remove_rights(seen.dn, [(ace, whole)])), None


def _is_in_two_places(ace: Ace) -> bool:
    return ace.is_effective and bool(ace.flags & AceFlag.CONTAINER_INHERIT)


def _has_least(expected: Expected, seen: SeenObject) -> bool:
    return expected.feature.least is not None and kind_of(seen.object_class) in expected.feature.least_on


def _too_wide(
    context: AuditContext,
    seen: SeenObject,
    facts: AccountFacts,
    rule: Rule,
    found: list[tuple[Ace, Beyond, Expected]],
) -> Finding:
    """The finding of entries in the full form of a feature that has a narrower one."""
    taken = []
    for ace, rest, by in found:
        others = any(each.feature is not by.feature for each in rest.needed_by)
        taken.append((ace, rest.rights if others else DIRECTORY_MAPPING.map(ace.mask)))
    feature = found[0][2].feature
    removed = remove_rights(seen.dn, taken)
    mend: str | None
    advice: str | None
    if rule is GROUP_WRITEBACK_DOMAIN:
        mend = removed
        advice = (
            "first grant it on the container that groups are written back to: "
            f"{grant_feature(feature, facts.dn, 'OU=...', seen.domain, least_privilege=True)}"
        )
    else:
        narrower = grant_feature(feature, facts.dn, seen.dn, seen.domain, least_privilege=True)
        mend = then(narrower, removed)
        advice = feature.least_leaves and f"what stays: {feature.least_leaves}"
    sids = {ace.sid for ace, _, _ in found}
    trustee = next(iter(sids)) if len(sids) == 1 else facts.sid
    if sids != {facts.sid}:
        mend, advice = None, "the entries are those of a group: grant the narrower form to the account itself"
    return Finding(
        rule,
        seen.dn,
        f"{facts.name} holds {feature.name} on '{seen.dn}' in its full form: {_FULL_FORM[rule]}",
        account=facts.name,
        trustee=None if trustee is None else context.name(trustee),
        evidence=tuple(context.evidence(ace, seen) for ace, _, _ in found),
        mend=mend,
        advice=advice,
    )


_FULL_FORM: Final = {
    GROUP_WRITEBACK_WIDE: "it can also create and delete objects of every class in it, write every attribute of "
    "the container itself, link group policies to it, and delete it with all that is in it",
    GROUP_WRITEBACK_DOMAIN: "it can change, rename and delete every group of the domain, and change its members, "
    "but for those that AdminSDHolder protects",
    EXCHANGE_WIDE: "it can write every attribute of what inherits this, where a few would do: the members of "
    "groups, and the key credentials, logon scripts and service principal names of users",
}


def _on_holder(
    context: AuditContext, seen: SeenObject, facts: AccountFacts, entries: list[Ace]
) -> Iterator[Finding]:
    """What is in effect on the protected accounts and groups that AdminSDHolder's list is copied to."""
    powers = powers_in(context)
    token = facts.tokens.get(seen.domain) or Token.for_account(facts.sid)
    descriptor = seen.descriptor
    assert descriptor is not None
    held = {
        each.ability.id for name in _PROTECTED for each in powers.held(_ownerless(descriptor), token, name)
    }
    for ace in entries:
        if not ace.is_effective:
            continue
        given = [each for name in _PROTECTED for each in powers.given(ace, name) if each.id in held]
        words = [each.words for each in widest(given)]
        takes_over = any(each.power is Power.CONTROL or each.id in _HOLDER_CONTROL for each in given)
        rule = ADMIN_SD_HOLDER if takes_over else ADMIN_SD_HOLDER_ATTRIBUTES
        name = "" if ace.object_type is None else context.words.get(ace.object_type, str(ace.object_type))
        mask = DIRECTORY_MAPPING.map(ace.mask)
        said = _and(dict.fromkeys(words)) if words else rights_in_words(mask.without(_READING), name)
        mend, advice = _mend(context, seen, facts, ace, Beyond(mask, AccessMask(0)))
        yield Finding(
            rule,
            seen.dn,
            f"{facts.name}{_through(context, facts, ace)} can do this with every protected account and group: "
            f"{said}",
            account=facts.name,
            trustee=None if ace.sid is None else context.name(ace.sid),
            evidence=(context.evidence(ace, seen),),
            mend=mend,
            advice=advice,
        )


_HOLDER_CONTROL: Final = frozenset({"write-members", "write-everything", "every-extended-right"})


def _ownerless(descriptor: SecurityDescriptor) -> SecurityDescriptor:
    return replace(descriptor, owner=None)


def _and(parts: Iterable[str]) -> str:
    every = list(parts)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


CHECKS: Final = (ObjectCheck(OBJECT_RULES, _look, _concerns),)
