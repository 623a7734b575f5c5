"""Rules of an audit: what a feature needs and does not have.

``effect`` tells what goes at a scope, ``shortfalls`` where it stops below; this file says so in findings, with what
mends it (``mending``), tried on the descriptor before it is told.

Rule 1: at each scope of a feature every operation is tried. What nothing grants is missing; where an entry of the
        account would grant it, were it not inherit-only, that is said instead.
Rule 2: below a scope an object counts that inherits nothing, or whose permissions AdminSDHolder replaces, when an
        operation that goes at the scope does not go there. What is inside a blocked container is counted, not
        listed.
Rule 3: what Windows marks as critical is no object of synchronisation, and is left out.
Rule 4: adminCount stays when an object leaves its protected group, and so does blocked inheritance: that is told
        apart from an object which is protected now.

Source: MS-ADTS 3.1.1.6.1 (protected objects).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from acl import Ace, AceFlag, SecurityDescriptor, Sid

from .below import Below, Child
from .catalogue import Feature, TargetKind
from .effect import Effect, Examiner, effects, known_operations
from .facts import (
    AccountFacts,
    AuditContext,
    Check,
    ContextCheck,
    ObjectCheck,
    SeenObject,
    SurveyCheck,
    Surveyed,
)
from .findings import Category, Evidence, Finding, Rule, Severity
from .grants import hands_over, wanted_entries
from .mend_lines import enable_inheritance, remove_access_rules
from .mending import command_line, mend, mend_below, narrowest_grants
from .operations import Operation, Place, operations_of
from .plan import Target, plan_grants
from .schema import Kind
from .scopes import covers, scoped
from .shortfalls import CONTAINERS, Cause, Shortfall, shortfalls
from .tier0 import PROTECTED_RIDS, PROTECTED_SIDS

__all__ = ["CHECKS", "NAMES", "RULES"]

NAMES: Final[tuple[tuple[Kind, str], ...]] = ()
_ERROR: Final = "The connector fails there with error 8344 (insufficient access rights)."

GRANT: Final = Rule(
    "missing-grant",
    Category.MISSING,
    Severity.HIGH,
    "A feature lacks a permission",
    f"The feature does what nothing grants. {_ERROR}",
    "Grant the feature again with its cmdlet.",
)
INHERIT_ONLY: Final = Rule(
    "missing-inherit-only",
    Category.MISSING,
    Severity.HIGH,
    "An entry counts only below the object, and is needed on it",
    "An inherit-only entry does nothing on the object that holds it: on a container it lets nothing be created "
    "there, and AdminSDHolder's list is copied as it is, so that it does nothing on protected objects.",
    "Grant the feature on that object with its cmdlet, or take an entry away that can do nothing.",
)
BLOCKED: Final = Rule(
    "missing-inheritance-blocked",
    Category.MISSING,
    Severity.MEDIUM,
    "A feature stops where inheritance is blocked",
    f"What is granted further up reaches neither this object nor what is below it. {_ERROR}",
    "Grant the feature there too, or let the object inherit again with Enable-ADSyncInheritance.",
)
PROTECTED: Final = Rule(
    "missing-protected-object",
    Category.MISSING,
    Severity.LOW,
    "A feature stops at an object that AdminSDHolder protects",
    "Permissions of members of administrative groups are replaced by AdminSDHolder's every hour, so that nothing "
    "that is granted on domains and OUs lasts there. That is meant to be so: administrators are better not "
    "synchronised.",
    "Leave the object out of the scope of synchronisation, or take it out of the administrative group.",
)
ORPHANED: Final = Rule(
    "missing-orphaned-protection",
    Category.MISSING,
    Severity.MEDIUM,
    "A feature stops at an object that once was an administrator's",
    "An object that left its administrative group keeps adminCount and blocked inheritance: Windows never takes "
    f"them back. {_ERROR}",
    "Let the object inherit again with Enable-ADSyncInheritance -ClearAdminCount.",
)
CREATION: Final = Rule(
    "missing-group-creation",
    Category.MISSING,
    Severity.HIGH,
    "Group writeback is granted on the domain and can create no groups",
    "On the root of a domain the grant is for groups only, so that the account may change and delete every group "
    "of the domain, and create none: a container's own entries decide about that.",
    "Grant group writeback on the OU of the written-back groups, and take the grant on the domain away.",
)


class _Case(NamedTuple):
    """A feature of an account on one target."""

    account: AccountFacts
    feature: Feature
    target: Target
    examiner: Examiner

    def effects(self) -> list[Effect]:
        """What of the feature goes there."""
        operations = _operations(self.feature, self.examiner)
        return effects(operations, self.target, self.target.descriptor, self.examiner)


class _Stop(NamedTuple):
    """A feature that goes at a scope and not on an object below; ``granted`` is what grants it there."""

    account: AccountFacts
    feature: Feature
    found: list[Shortfall]
    granted: list[Evidence]


def _operations(feature: Feature, examiner: Examiner) -> tuple[Operation, ...]:
    return known_operations(operations_of(feature), examiner.names)


def _at_scopes(context: AuditContext) -> Iterator[Finding]:
    for account in context.accounts:
        for feature, targets in account.scopes.items():
            for target in targets:
                examiner = account.examiners.get(target.domain)
                if examiner is not None and examiner.token is not None:
                    yield from _at_scope(context, _Case(account, feature, target, examiner))


def _at_scope(context: AuditContext, case: _Case) -> Iterator[Finding]:
    found = case.effects()
    lacking = [each for each in found if each.after.allowed is False and each.after.decided_by is None]
    if case.target.kind is TargetKind.DOMAIN:
        creating = [each for each in lacking if each.operation.place is Place.CONTAINER]
        if creating and len(lacking) < len(found):
            lacking = [each for each in lacking if each not in creating]
            if not _creates_elsewhere(case):
                yield _no_creation(context, case)
        elif creating and case.feature.forest_wide_warning is not None:
            yield _nowhere(context, case, lacking)
            return
    effective = _made_effective(case.target.descriptor, case.account.sid)
    operations = [each.operation for each in lacking]
    waiting = {
        each.operation
        for each in effects(operations, case.target, effective, case.examiner)
        if each.after.allowed
    }
    for rule, here in (
        (INHERIT_ONLY, [each for each in lacking if each.operation in waiting]),
        (GRANT, [each for each in lacking if each.operation not in waiting]),
    ):
        if here:
            yield _lacking(context, rule, case, here)


def _lacking(context: AuditContext, rule: Rule, case: _Case, lacking: list[Effect]) -> Finding:
    account, feature, target, examiner = case
    command, advice = _mend(feature, lacking, target, examiner)
    names = ", ".join(each.operation.name for each in lacking)
    if rule is INHERIT_ONLY:
        why = "its entry there counts only for what is below"
        evidence = tuple(
            context.evidence(ace)
            for ace in target.descriptor.dacl or ()
            if ace.sid == account.sid and ace.is_allow and not ace.is_effective
        )
    else:
        why = "nothing grants it"
        evidence = _absent(context, case)
    return Finding(
        rule,
        target.dn,
        f"{account.name} cannot {names} at '{target.dn}' ({feature.name}): {why}",
        account=account.name,
        evidence=evidence,
        mend=command,
        advice=advice,
    )


def _mend(
    feature: Feature, lacking: Iterable[Effect], target: Target, examiner: Examiner
) -> tuple[str | None, str | None]:
    """The command that mends one of these at least; else what to do, in words."""
    advice: str | None = None
    for each in lacking:
        text = mend(feature, each, target, examiner, examiner.names)
        if text.startswith(feature.cmdlet):
            return text, None
        advice = advice or text
    return None, advice


def _absent(context: AuditContext, case: _Case) -> tuple[Evidence, ...]:
    """The entries that the feature's cmdlet would add there."""
    account, feature, target, examiner = case
    grants = narrowest_grants(feature, target)
    wanted = wanted_entries(feature, grants, target, sid=account.sid, names=examiner.names)
    change, _ = plan_grants(feature.operation, target, wanted.aces)
    return tuple(
        replace(shown, words=f"Not there: {shown.words}")
        for shown in (context.evidence(ace) for ace in change.added)
    )


def _made_effective(descriptor: SecurityDescriptor, sid: Sid) -> SecurityDescriptor:
    """The descriptor with the account's entries in effect on the object itself."""
    return descriptor.with_dacl(
        replace(ace, flags=ace.flags.without(AceFlag.INHERIT_ONLY)) if ace.sid == sid else ace
        for ace in descriptor.dacl or ()
    )


def _creates_elsewhere(case: _Case) -> bool:
    """True when the account can create what the feature creates in another of its scopes."""
    account, feature, root, examiner = case
    for target in account.scopes.get(feature, ()):
        if target.kind is not TargetKind.DOMAIN and target.domain == root.domain:
            there = _Case(account, feature, target, examiner).effects()
            if any(each.after.allowed for each in there if each.operation.place is Place.CONTAINER):
                return True
    return False


def _no_creation(context: AuditContext, case: _Case) -> Finding:
    command, advice = _mend_at_written_back(context, case)
    rests_on = {each.after.decided_by: None for each in case.effects() if each.after.decided_by is not None}
    account, feature, target, _ = case
    return Finding(
        CREATION,
        target.dn,
        f"{account.name} may change and delete every group of {target.domain} ({feature.name}), and create none",
        account=account.name,
        evidence=tuple(context.evidence(ace) for ace in rests_on if ace.sid == account.sid),
        mend=command,
        advice=advice,
    )


def _nowhere(context: AuditContext, case: _Case, lacking: list[Effect]) -> Finding:
    """A feature that belongs on an OU, and is granted on none."""
    command, advice = _mend_at_written_back(context, case)
    names = ", ".join(each.operation.name for each in lacking)
    account, feature, target, _ = case
    return Finding(
        GRANT,
        target.dn,
        f"{account.name} cannot {names} anywhere in {target.domain} ({feature.name}): nothing grants it",
        account=account.name,
        mend=command,
        advice=advice,
    )


def _mend_at_written_back(context: AuditContext, case: _Case) -> tuple[str | None, str | None]:
    """The command for the container that written-back groups are in, where that is one; and words."""
    feature = case.feature
    advice = (
        f"grant it on the OU that written-back groups are to be made in: {feature.cmdlet} with -ADobjectDN and "
        "that OU's DN; then take the grant on the domain away with -Revoke"
    )
    places = [each for each in context.written_back_in if each.domain == case.target.domain]
    if len(places) != 1 or places[0].descriptor is None:
        return None, advice
    at = case._replace(target=scoped(places[0], places[0].descriptor))
    creating = [each for each in at.effects() if each.operation.place is Place.CONTAINER]
    command, _ = _mend(feature, creating, at.target, at.examiner)
    return command, advice


def _holders(context: AuditContext) -> Iterator[Finding]:
    """Inherit-only entries on AdminSDHolder, which builds of Microsoft's wrote."""
    for domain in context.domains:
        holder = domain.admin_sd_holder
        if holder is None:
            continue
        for account in context.accounts:
            own = [ace for ace in holder.aces if ace.sid == account.sid and ace.is_allow]
            idle = [
                ace
                for ace in own
                if not ace.is_effective and not any(_does_the_same(other, ace) for other in own)
            ]
            if idle:
                yield Finding(
                    INHERIT_ONLY,
                    holder.dn,
                    f"entries of {account.name} on '{holder.dn}' are inherit-only and do nothing on protected "
                    "objects",
                    account=account.name,
                    evidence=tuple(map(context.evidence, idle)),
                    mend=remove_access_rules(holder.dn, idle),
                    advice="grant the feature with -IncludeAdminSdHolders, if it is meant for protected accounts",
                )


def _does_the_same(one: Ace, other: Ace) -> bool:
    """True when the first entry is in effect, and grants what the other would."""
    return one.is_effective and one.object_type == other.object_type and one.mask & other.mask == other.mask


def _blocked_containers(context: AuditContext, survey: Surveyed) -> Iterator[Finding]:
    for seen in survey.blocked:
        if not seen.is_critical:
            for stop in _stops_of(context, seen):
                yield _blocked(seen, stop, survey.below(seen.dn))


def _stops(context: AuditContext, seen: SeenObject) -> bool:  # noqa: ARG001 - a check takes both
    # Objects alike are asked about by this alone, critical ones and others.
    if seen.descriptor is None or seen.object_class in CONTAINERS:
        return False
    return seen.descriptor.dacl_is_protected


def _stopped(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    # A connector is not synchronised itself, and its object is better closed.
    if seen.is_critical or any(seen.dn == account.dn for account in context.accounts):
        return
    orphaned: dict[str, tuple[list[Shortfall], list[Evidence]]] = {}
    for stop in _stops_of(context, seen):
        if not seen.admin_count:
            yield _blocked(seen, stop, 0)
        elif _is_protected(context, seen) is False:
            found, granted = orphaned.setdefault(stop.account.name, ([], []))
            found += stop.found
            granted += stop.granted
        else:
            yield _protected(context, seen, stop)
    for name, (found, granted) in orphaned.items():
        yield Finding(
            ORPHANED,
            seen.dn,
            f"{name} cannot {_names(found)} at '{seen.dn}', which is in no administrative group any more and "
            "still inherits nothing (adminCount=1)",
            account=name,
            evidence=tuple(dict.fromkeys(granted)),
            mend=enable_inheritance(seen.dn, clear_admin_count=True),
        )


def _stops_of(context: AuditContext, seen: SeenObject) -> Iterator[_Stop]:
    """Of each account and feature: what goes at the scope above and not here, and what grants it there."""
    for account in context.accounts:
        examiner = account.examiners.get(seen.domain)
        if examiner is None or examiner.token is None:
            continue
        for feature, scopes in account.scopes.items():
            above = [each for each in scopes if covers(each, seen)]
            if not above or any(each.dn == seen.dn for each in above):
                continue
            # The innermost scope is the one that was meant for this object.
            scope = max(above, key=lambda each: len(each.dn))
            going = [
                each for each in _Case(account, feature, scope, examiner).effects() if each.after.allowed
            ]
            child = Child(seen.dn, seen.object_class, seen.descriptor, seen.admin_count)
            operations = [each.operation for each in going]
            target = replace(scope, below=Below((child,)))
            found = [
                each
                for each in shortfalls(target, scope.descriptor, operations, examiner, lasting=False)
                if each.cause is not Cause.DENIED
            ]
            if found:
                stopped = {each.operation for each in found}
                aces = dict.fromkeys(
                    each.after.decided_by
                    for each in going
                    if each.operation in stopped and each.after.decided_by is not None
                )
                granted = [replace(context.evidence(ace), origin=scope.dn) for ace in aces]
                yield _Stop(account, feature, found, granted)


def _blocked(seen: SeenObject, stop: _Stop, below: int) -> Finding:
    account, feature, found, granted = stop
    examiner = account.examiners[seen.domain]
    command: str | None = None
    advice: str | None = f"or let it inherit again: {enable_inheritance(seen.dn)}"
    if seen.descriptor is not None:
        at = scoped(seen, seen.descriptor)
        texts = [mend_below(feature, each, at, examiner, examiner.names) for each in found]
        command = next((each for each in texts if each.startswith(feature.cmdlet)), None)
    if command is None:
        command, advice = enable_inheritance(seen.dn), None
    inside = f", with {below:,} object{'' if below == 1 else 's'} below it" if below else ""
    return Finding(
        BLOCKED,
        seen.dn,
        f"{account.name} cannot {_names(found)} at '{seen.dn}' ({feature.name}), which inherits nothing{inside}",
        account=account.name,
        evidence=tuple(granted),
        mend=command,
        advice=advice,
    )


def _protected(context: AuditContext, seen: SeenObject, stop: _Stop) -> Finding:
    account, feature, found, granted = stop
    domain = context.domain(seen.domain)
    holder = None if domain is None else domain.admin_sd_holder
    advice = f"leave '{seen.dn}' out of the scope of synchronisation"
    command: str | None = None
    # What hands every administrator over is not told as a mend.
    if holder is not None and holder.descriptor is not None and not any(map(hands_over, feature.grants)):
        at = scoped(holder, holder.descriptor)
        command = command_line(feature, account.audited.principal, at)
        advice = f"or {advice}"
    return Finding(
        PROTECTED,
        seen.dn,
        f"{account.name} cannot {_names(found)} at '{seen.dn}' ({feature.name}): AdminSDHolder's list is on it",
        account=account.name,
        evidence=tuple(granted),
        mend=command,
        advice=advice,
    )


def _is_protected(context: AuditContext, seen: SeenObject) -> bool | None:
    """Whether AdminSDHolder protects the object now; None where its groups may not be read."""
    if seen.groups is None:
        return None
    domains = {each.sid for each in context.domains}
    return any(
        sid in PROTECTED_SIDS or (sid.domain in domains and sid.rid in PROTECTED_RIDS) for sid in seen.groups
    )


def _names(found: Iterable[Shortfall]) -> str:
    return ", ".join(dict.fromkeys(each.operation.name for each in found))


RULES: Final = (GRANT, INHERIT_ONLY, BLOCKED, PROTECTED, ORPHANED, CREATION)
CHECKS: Final[tuple[Check, ...]] = (
    ContextCheck((GRANT, INHERIT_ONLY, CREATION), _at_scopes),
    ContextCheck((INHERIT_ONLY,), _holders),
    SurveyCheck((BLOCKED,), _blocked_containers),
    ObjectCheck((BLOCKED, PROTECTED, ORPHANED), _stopped, _stops),
)
