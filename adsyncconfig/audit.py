"""Invoke-ADSyncPermissionsAudit: what can the connector accounts do, and who can take them over?

What is known of the forest and the accounts comes first (``audit_context``), then every object is looked at once
(``survey``), by the rules of the modules in ``RULE_MODULES``; what they find is the report.

Rule 1: nothing is written, and no finding is left out for being likely meant: who reads decides, by a policy.
Rule 2: a report says what it rests on: which features were inferred, what was not read, what was counted only.
Rule 3: a snapshot is audited as of the day it was taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from . import (
    rules_account,
    rules_debris,
    rules_excess,
    rules_groups,
    rules_holder,
    rules_ineffective,
    rules_missing,
    rules_takeover,
    rules_unreadable,
)
from .audit_context import AuditParameters, Prepared, prepare
from .directory import Directory
from .facts import AccountFacts, Check, ContextCheck, ObjectCheck, SeenObject, SurveyCheck
from .findings import AuditReport, Finding, Place, Power, Rule
from .powers import Powers
from .schema import Kind
from .survey import Survey, parent_of

__all__ = ["MOST_PLACES", "RULES", "AuditParameters", "audit"]

#: The modules whose rules an audit asks.
RULE_MODULES: Final = (
    rules_missing,
    rules_ineffective,
    rules_excess,
    rules_groups,
    rules_holder,
    rules_takeover,
    rules_account,
    rules_debris,
    rules_unreadable,
)
RULES: Final[tuple[Rule, ...]] = tuple(chain.from_iterable(module.RULES for module in RULE_MODULES))
CHECKS: Final[tuple[Check, ...]] = tuple(chain.from_iterable(module.CHECKS for module in RULE_MODULES))
#: How many domains, OUs and containers the picture holds; the deepest are left out.
MOST_PLACES: Final = 2_000


def audit(directory: Directory, given: AuditParameters) -> AuditReport:
    """Audit what the accounts may do.

    Raises ParameterError and UnknownName, and DirectoryError where nothing can be read.
    """
    now = given.get("now") or datetime.now(UTC)
    names: dict[tuple[Kind, str], None] = {}
    for module in RULE_MODULES:
        names.update(dict.fromkeys(module.NAMES))
    as_of = _taken(directory)
    prepared = prepare(directory, given, names, now=given.get("now") or as_of or now)
    context = prepared.context
    survey = Survey(
        context,
        [each for each in CHECKS if isinstance(each, ObjectCheck)],
        prepared.trustees,
        tops=prepared.tops,
        tell=given.get("notify") or (lambda _: None),
    )
    for check in CHECKS:
        if isinstance(check, ContextCheck):
            survey.found.add(check.look(context))
    for base in prepared.bases:
        survey.look(base)
    surveyed = survey.end()
    for check in CHECKS:
        if isinstance(check, SurveyCheck):
            survey.found.add(check.look(context, surveyed))
    return AuditReport(
        source=directory.root.controller,
        bases=tuple(each.dn for each in prepared.bases),
        taken=now,
        accounts=tuple(each.audited for each in context.accounts),
        findings=_sorted(survey.found.findings),
        read=survey.read,
        unreadable=survey.unreadable,
        beyond=survey.found.beyond,
        not_read=tuple(dict.fromkeys((*prepared.not_read, *survey.not_read))),
        warnings=tuple(dict.fromkeys((*_age(as_of), *prepared.warnings))),
        tree=tuple(_tree(prepared, survey)),
        rules=RULES,
    )


def _taken(directory: Directory) -> datetime | None:
    """When a snapshot was taken, as far as it says so; None for a live directory."""
    said: str | None = getattr(directory, "taken", None)
    try:
        when = None if said is None else datetime.fromisoformat(said)
    except ValueError:
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


def _age(taken: datetime | None) -> Iterable[str]:
    if taken is not None:
        yield f"this is a snapshot of {taken:%Y-%m-%d %H:%M} UTC: ages of passwords and logons are those of then"


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first; each once, though two checks found it."""
    each_once = {finding.fingerprint: finding for finding in findings}
    return tuple(
        sorted(
            each_once.values(), key=lambda each: (each.rule.severity.rank, each.rule.id, each.dn.casefold())
        )
    )


def _tree(prepared: Prepared, survey: Survey) -> Iterable[Place]:
    """The picture: every container with the power of each account over it, parents before children."""
    context = prepared.context
    powers = Powers(context.guids, context.property_sets)
    by_depth = sorted(
        {seen.dn: seen for seen in prepared.containers}.values(),
        key=lambda seen: (seen.dn.count(","), seen.dn.casefold()),
    )
    kept = {seen.dn for seen in by_depth[:MOST_PLACES]}
    for seen in by_depth[:MOST_PLACES]:
        each = {account.name: _power(powers, account, seen) for account in context.accounts}
        parent: str | None = parent_of(seen.dn)
        while parent and parent not in kept:
            parent = parent_of(parent)
        yield Place(
            dn=seen.dn,
            parent=parent or None,
            power=_most(each),
            powers=each,
            objects=survey.objects_in(seen.dn),
            blocked=seen.descriptor is not None and seen.descriptor.dacl_is_protected,
        )


def _power(powers: Powers, account: AccountFacts, seen: SeenObject) -> Power:
    token = account.tokens.get(seen.domain)
    if token is None or seen.descriptor is None:
        return Power.NOTHING
    return powers.power_of(seen.descriptor, token, seen.object_class)


def _most(powers: Mapping[str, Power]) -> Power:
    return max(powers.values(), key=lambda each: each.rank, default=Power.NOTHING)
