"""What connector accounts hold beyond what their features need: rules of an audit, pure.

Rule 1: what the catalogue grants for a feature of the account is expected, in any of its forms (``expected``). What
        a full form gives beyond a narrower one that is known is a finding of its own.
        Where a policy says on what a feature is to be granted, it is expected there and below alone.
Rule 2: an entry is judged where it is an object's own: by what it gives on the object itself, and on what inherits
        it. What a denial in front takes away again is not given.
Rule 3: entries of groups count as the account's own, but for those that Windows makes, which everybody or every
        administrator is in: membership of the privileged ones is a finding by itself.
Rule 4: reading is never too much. Protected objects hold a copy of AdminSDHolder's entries: these are told there.

Sources: what each right is good for is ``abilities``; why each counts, docs/decisions/0010.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from acl import DIRECTORY_MAPPING, AccessMask, Ace, AceFlag

from .catalogue import UNIFIED_GROUP_WRITEBACK
from .excess_rules import (
    BY_ABILITY,
    CREATE_OR_DELETE,
    EXCHANGE_WIDE,
    GROUP_WRITEBACK_DOMAIN,
    GROUP_WRITEBACK_WIDE,
    OBJECT_RULES,
    OTHER_RIGHT,
    WRITE_CONTAINER,
)
from .expected import NAMES, Beyond, Expected, beyond, kind_of, known_in
from .facts import AccountFacts, AuditContext, ObjectCheck, SeenObject
from .findings import Finding, Rule
from .holdings import READING, entries_of, given_by, is_holder, through
from .mend_steps import grant_feature, remove_rights, then
from .operations import ORGANIZATIONAL_UNIT
from .powers import BELOW
from .rules_groups import leave_group
from .scopes import covers
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


def _concerns(context: AuditContext, seen: SeenObject) -> bool:
    """True when the object has entries of its own for an account that give more than to read."""
    return any(entries_of(facts, seen) for facts in context.accounts)


def _look(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    """What each account holds on the object beyond its features."""
    if seen.descriptor is None or seen.descriptor.dacl is None:
        return
    if is_holder(seen):
        return  # told by rules of its own
    for facts in context.accounts:
        entries = entries_of(facts, seen)
        if seen.admin_count:
            entries = _without_copies(context, seen, entries)
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
    features = facts.features
    if facts.is_scoped:
        features = tuple(
            each for each in features if any(covers(scope, seen) for scope in facts.scopes.get(each, ()))
        )
    for ace in entries:
        assert ace.sid is not None
        expected = known_in(context).expected(features, seen.dn, seen.object_class, ace.sid)
        more = beyond(ace, expected)
        yield from _excess(context, seen, facts, ace, more)
        narrow = beyond(ace, (each for each in expected if not each.wide))
        rest = Beyond(narrow.here.without(more.here), narrow.below.without(more.below), narrow.needed_by)
        by = max((each for each in more.needed_by if each.wide), key=partial(_shared, rest), default=None)
        if by is not None and rest.rights.without(READING):
            rule = _wide_rule(by, seen)
            # Below its container the full form gives little more than the narrower one.
            if rule is not GROUP_WRITEBACK_WIDE or rest.here.without(READING):
                wide.setdefault(rule, []).append((ace, rest, by))
    for rule, found in wide.items():
        yield _too_wide(context, seen, facts, rule, found)


def _shared(rest: Beyond, expected: Expected) -> int:
    """How much of the rest the entry of a feature gives, in rights on the object itself and on what inherits it."""
    mask = DIRECTORY_MAPPING.map(expected.ace.mask)
    here = rest.here & mask if expected.ace.is_effective else 0
    return (int(here).bit_count() << 8) + int(rest.below & mask).bit_count()


def _excess(
    context: AuditContext, seen: SeenObject, facts: AccountFacts, ace: Ace, more: Beyond
) -> Iterator[Finding]:
    """The findings of what one entry gives beyond everything expected, one for each rule."""
    given = given_by(context, seen, facts, ace, more)
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
        f"{facts.name}{through(context, facts, ace)} holds {than} on '{seen.dn}': {words}",
        account=facts.name,
        trustee=context.name(ace.sid) if ace.sid is not None else None,
        evidence=(context.evidence(ace, seen),),
        mend=mend,
        advice=advice,
    )


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
    return (
        expected.feature.least is not None
        and kind_of(seen.dn, seen.object_class) in expected.feature.least_on
    )


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


def _and(parts: Iterable[str]) -> str:
    every = list(parts)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


CHECKS: Final = (ObjectCheck(OBJECT_RULES, _look, _concerns),)
