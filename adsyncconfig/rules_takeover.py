"""Who could take over a connector account, or what it writes: rules of an audit, pure.

Rule 1: tier 0 and the connector accounts themselves are left out, and so is who is a member of a group of tier 0.
        Nobody is left out for being a default of Windows: docs/decisions/0014.
Rule 2: what counts is what the whole list grants, with the denials in front; the entries that give it are shown.
Rule 3: an entry is told at the object that holds it as its own. The account's own object is told of all that is in
        effect on it, since there one command mends it.
Rule 4: control of a group is control by its members: the group is named, and who is in it is for its owners to say.

Sources: Microsoft security advisory 4056318; MS-ADTS 5.1.3.3, 3.1.1.6.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from acl import DIRECTORY_MAPPING, Ace, AceFlag, SecurityDescriptor, Sid
from acl.token import Token

from .abilities import OWNING, Ability
from .dn import DistinguishedName
from .expected import NAMES, powers_in
from .facts import AuditContext, ContextCheck, SeenObject, Watched, WatchedAs
from .findings import Evidence, Finding, Power, Rule
from .mend_lines import remove_access_rules, set_owner
from .mend_steps import restrict
from .powers import blocks_owners, widest
from .takeover_rules import ABOVE, ABOVE_BLOCKED, ACCOUNT, ADMIN_SD_HOLDER, DOMAIN, OWNER, WRITEBACK

__all__ = ["CHECKS", "NAMES", "RULES"]

#: Abilities that are less than control elsewhere, and count on a connector's own object.
_ALSO_OF_ACCOUNTS: Final = frozenset(
    {"write-everything", "every-extended-right", "write-service-names", "write-account-control"}
)
#: On a domain or a container what it holds is what counts: creating and deleting alone takes nothing over.
_ALSO_OF_CONTAINERS: Final = frozenset({"write-everything"})
#: On AdminSDHolder the members of Domain Admins are an attribute.
_ALSO_OF_HOLDERS: Final = frozenset({"write-everything", "every-extended-right", "write-members"})
_PROTECTED: Final = ("user", "group")
_DOMAIN_ADMINS: Final = 512
_SELF: Final = frozenset({Sid.PRINCIPAL_SELF, Sid.CREATOR_OWNER, Sid.CREATOR_GROUP})


class Controller(NamedTuple):
    """Who can do what with an object, and the entries that give it."""

    sid: Sid
    abilities: tuple[Ability, ...]
    entries: tuple[Ace, ...]


def controllers(
    context: AuditContext,
    seen: SeenObject,
    classes: tuple[str, ...],
    also: frozenset[str],
    *,
    inherited: bool,
) -> Iterator[Controller]:
    """Who outside tier 0 holds control, or one of the abilities of ``also``, over the object as one of the classes.

    ``inherited`` entries count, or only what is the object's own.
    """
    descriptor = seen.descriptor
    if descriptor is None or descriptor.dacl is None:
        return
    powers = powers_in(context)
    here = [ace for ace in descriptor.dacl if ace.is_effective and (inherited or not ace.is_inherited)]
    # Who a SID is may take a request, so that those whose entries give nothing that counts are not asked about.
    giving = {
        ace: ids
        for ace in here
        if (ids := {a.id for name in classes for a in powers.given(ace, name) if _counts(a, also)})
    }
    trustees = dict.fromkeys(ace.sid for ace in giving if ace.sid is not None)
    for sid in dict.fromkeys((*trustees, *filter(None, [descriptor.owner]))):
        if sid in _SELF or sid == Sid.OWNER_RIGHTS or _is_trusted(context, sid):
            continue
        is_owner = sid == descriptor.owner
        speaks = {sid, Sid.OWNER_RIGHTS} if is_owner else {sid}
        mine = [ace for ace in here if ace.is_allow and ace.sid in speaks]
        against = [ace for ace in descriptor.dacl if ace.is_deny or ace in mine]
        # An entry that restricts owners, to whomever it gives what, takes their implicit rights.
        restricts = [ace for ace in here if ace.sid == Sid.OWNER_RIGHTS and ace not in against]
        alone = SecurityDescriptor(owner=sid if is_owner else None).with_dacl([*against, *restricts])
        token = Token.for_account(sid, context.trustee(sid).groups or ())
        held: dict[str, Ability] = {}
        for object_class in classes:
            for each in powers.held(alone, token, object_class, blocked=blocks_owners(context.heuristics)):
                if _counts(each.ability, also):
                    held[each.ability.id] = each.ability
        if held:
            gives = tuple(ace for ace in mine if not held.keys().isdisjoint(giving.get(ace, ())))
            yield Controller(sid, widest(held.values()), gives)


def _counts(ability: Ability, also: frozenset[str]) -> bool:
    return ability.power is Power.CONTROL or ability.id in also


def _is_trusted(context: AuditContext, sid: Sid) -> bool:
    if any(sid == account.sid for account in context.accounts) or sid in context.tier0:
        return True
    # What nobody has any more nobody can use; another rule names it.
    return context.trustee(sid).exists is False or context.is_tier0(sid)


def _account(context: AuditContext) -> Iterator[Finding]:
    """Who controls a connector account's own object."""
    for facts in context.accounts:
        seen = facts.seen
        if seen is None:
            continue
        mend = restrict(facts.dn, facts.object_class)
        for each in controllers(context, seen, (facts.object_class,), _ALSO_OF_ACCOUNTS, inherited=True):
            entries = _without_owning(each)
            if entries.abilities:
                yield _finding(
                    context,
                    ACCOUNT,
                    seen,
                    entries,
                    f"and so act as the connector {facts.name}",
                    account=facts.name,
                    mend=mend,
                )
            yield from _owner(context, seen, each, (facts.name,))


def _above(context: AuditContext) -> Iterator[Finding]:
    """Who controls a writeback container, or what is above one or above a connector account."""
    by_dn: dict[DistinguishedName, list[Watched]] = {}
    for watched in context.watched:
        if watched.role is not WatchedAs.ACCOUNT:
            by_dn.setdefault(DistinguishedName.parse(watched.seen.dn), []).append(watched)
    roots = {DistinguishedName.parse(domain.dn) for domain in context.domains}
    for dn, all_of in by_dn.items():
        seen = all_of[0].seen
        accounts = tuple(dict.fromkeys(each.of.name for each in all_of))
        for each in controllers(context, seen, (seen.object_class,), _ALSO_OF_CONTAINERS, inherited=False):
            entries = _without_owning(each)
            if entries.abilities:
                rule, what = _of_place(all_of, by_dn, is_root=dn in roots)
                yield _finding(
                    context,
                    rule,
                    seen,
                    entries,
                    what,
                    account=accounts[0] if len(accounts) == 1 else None,
                    mend=remove_access_rules(seen.dn, entries.entries),
                )
            yield from _owner(context, seen, each, accounts)


def _of_place(
    all_of: list[Watched], by_dn: dict[DistinguishedName, list[Watched]], *, is_root: bool
) -> tuple[Rule, str]:
    """The rule for a container that is watched for these reasons, and what follows."""
    if is_root:
        return DOMAIN, "and so control everything in the domain"
    into = [each for each in all_of if each.role is WatchedAs.WRITEBACK]
    if into:
        return WRITEBACK, f"to which {_and(each.of.name for each in into)} writes back"
    reached = [each for each in all_of if _reaches(each, by_dn)]
    targets = _and(f"'{each.target}'" for each in reached or all_of)
    if reached:
        return ABOVE, f"and so control {targets} below it"
    return ABOVE_BLOCKED, f"which is above {targets}, though nothing is inherited from there"


def _reaches(above: Watched, by_dn: dict[DistinguishedName, list[Watched]]) -> bool:
    """True when what the container hands down comes to the target: nothing in between inherits nothing."""
    top, target = DistinguishedName.parse(above.seen.dn), DistinguishedName.parse(above.target)
    between = [group[0].seen for dn, group in by_dn.items() if dn.is_below(top) and target.is_below(dn)]
    account = above.of.seen
    if above.role is WatchedAs.ABOVE_ACCOUNT:
        between += [account] if account is not None else []
    else:
        between += [group[0].seen for dn, group in by_dn.items() if dn == target]
    return not any(each.descriptor is not None and each.descriptor.dacl_is_protected for each in between)


def _holders(context: AuditContext) -> Iterator[Finding]:
    """Who controls AdminSDHolder, and with it the protected accounts."""
    if not context.accounts:
        return
    for domain in context.domains:
        seen = domain.admin_sd_holder
        if seen is None:
            continue
        for each in controllers(context, seen, _PROTECTED, _ALSO_OF_HOLDERS, inherited=True):
            entries = _without_owning(each)
            if entries.abilities:
                yield _finding(
                    context,
                    ADMIN_SD_HOLDER,
                    seen,
                    entries,
                    "and, within the hour, do it with every administrator of the domain",
                    account=None,
                    mend=remove_access_rules(seen.dn, entries.entries),
                )
            yield from _owner(context, seen, each, ())


def _without_owning(controller: Controller) -> Controller:
    return controller._replace(abilities=tuple(each for each in controller.abilities if each is not OWNING))


def _owner(
    context: AuditContext, seen: SeenObject, controller: Controller, accounts: tuple[str, ...]
) -> Iterator[Finding]:
    """The finding of an owner outside tier 0."""
    domain = context.domain(seen.domain)
    if OWNING not in controller.abilities:
        return
    sid = None if domain is None or domain.sid is None else domain.sid.child(_DOMAIN_ADMINS)
    yield Finding(
        OWNER,
        seen.dn,
        f"{_who(context, controller.sid)} can change the permissions of '{seen.dn}' as its owner",
        account=accounts[0] if len(accounts) == 1 else None,
        trustee=context.name(controller.sid),
        mend=None if sid is None else set_owner(seen.dn, sid),
    )


def _finding(
    context: AuditContext,
    rule: Rule,
    seen: SeenObject,
    controller: Controller,
    what: str,
    *,
    account: str | None,
    mend: str | None,
) -> Finding:
    words = _and(each.words for each in controller.abilities)
    group = _is_group(context, controller.sid)
    name = context.name(controller.sid)
    return Finding(
        rule,
        seen.dn,
        f"{_who(context, controller.sid)} can do this with '{seen.dn}', {what}: {words}",
        account=account,
        trustee=name,
        evidence=tuple(_evidence(context, seen, ace) for ace in controller.entries),
        mend=mend,
        advice=f"see who is in {name}, and who may change its members: each of them can" if group else None,
    )


def _evidence(context: AuditContext, seen: SeenObject, ace: Ace) -> Evidence:
    """The entry, with the nearest object above that holds one of its own which gives it."""
    shown = context.evidence(ace, seen)
    if not ace.is_inherited or shown.origin is not None:
        return shown
    dn = DistinguishedName.parse(seen.dn)
    above = {DistinguishedName.parse(each.seen.dn): each.seen for each in context.watched}
    for name, each in sorted(above.items(), key=lambda item: -len(item[0].rdns)):
        if dn.is_below(name) and any(_gives(own, ace) for own in each.aces):
            return replace(shown, origin=each.dn)
    return shown


def _gives(own: Ace, inherited: Ace) -> bool:
    """True when an object's own entry is one that this may be inherited from."""
    return (
        bool(own.flags & AceFlag.CONTAINER_INHERIT)
        and own.is_allow is inherited.is_allow
        and own.sid == inherited.sid
        and own.object_type == inherited.object_type
        and DIRECTORY_MAPPING.map(own.mask) == DIRECTORY_MAPPING.map(inherited.mask)
    )


def _is_group(context: AuditContext, sid: Sid) -> bool:
    return context.trustee(sid).object_class == "group" or sid.domain is None


def _who(context: AuditContext, sid: Sid) -> str:
    """``CONTOSO\\bob``, or who is in a group."""
    name = context.name(sid)
    return f"Everybody in {name}" if _is_group(context, sid) else name


def _and(parts: Iterable[str]) -> str:
    every = list(dict.fromkeys(parts))
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


RULES: Final = (ACCOUNT, WRITEBACK, ABOVE, ABOVE_BLOCKED, DOMAIN, ADMIN_SD_HOLDER, OWNER)
CHECKS: Final = (
    ContextCheck((ACCOUNT, OWNER), _account),
    ContextCheck((WRITEBACK, ABOVE, ABOVE_BLOCKED, DOMAIN, OWNER), _above),
    ContextCheck((ADMIN_SD_HOLDER, OWNER), _holders),
)
