"""Rules of an audit: what is granted, and does not count.

Rule 1: a deny is found on the object that holds it as its own, when it decides against an operation of a feature
        there, on what is below, or on one object.
Rule 2: an order that is not canonical is found where an audited account has entries in it; whether it
        matters is tried, with the same entries in order.
Rule 3: nobody's deny is taken away by a command, but one that names the connector itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from acl import Ace
from acl.edit import canonicalise, is_canonical

from .effect import Answer, effects, known_operations
from .facts import AccountFacts, AuditContext, Check, ObjectCheck, SeenObject
from .findings import Category, Finding, Rule, Severity
from .mend_lines import remove_access_rules, repair_order
from .operations import Operation, operations_of
from .schema import Kind
from .scopes import covers, scoped

__all__ = ["CHECKS", "NAMES", "RULES"]

NAMES: Final[tuple[tuple[Kind, str], ...]] = ()

DENIED: Final = Rule(
    "ineffective-deny",
    Category.INEFFECTIVE,
    Severity.HIGH,
    "A deny stands in front of what a feature needs",
    "An entry that denies wins over one that allows, so that the connector fails there with error 8344 though the "
    "right is granted.",
    "Take the deny away where it names the connector; where it names a group, take the connector out of the group.",
)
ORDER: Final = Rule(
    "ineffective-order",
    Category.INEFFECTIVE,
    Severity.MEDIUM,
    "Permissions of a connector in an order that is not canonical",
    "Entries count in their order. Windows tools refuse to edit a list that is not canonical or sort it in "
    "silence, and what was allowed is then denied, or the other way around.",
    "Put the list in order with Repair-ADSyncDaclOrder; -WhatIf shows what moves.",
)


def _has_deny(context: AuditContext, seen: SeenObject) -> bool:
    return any(
        ace.is_deny and account.speaks(ace.sid, seen.domain)
        for ace in seen.aces
        for account in context.accounts
    )


def _denied(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    for account in context.accounts:
        refused: dict[Ace, dict[str, None]] = {}
        for operation, answer in _answers(account, seen):
            ace = answer.decided_by
            if answer.allowed is False and ace is not None and ace in seen.aces:
                refused.setdefault(ace, {})[operation.name] = None
        for ace, operations in refused.items():
            is_own = ace.sid == account.sid and not ace.is_inherited
            who = "an unknown trustee" if ace.sid is None else context.name(ace.sid)
            yield Finding(
                DENIED,
                seen.dn,
                f"{account.name} cannot {', '.join(operations)} at '{seen.dn}': an entry for {who} denies it",
                account=account.name,
                trustee=who,
                evidence=(context.evidence(ace, seen),),
                mend=remove_access_rules(seen.dn, [ace]) if is_own else None,
                advice=None
                if is_own
                else f"take {account.name} out of {who}, or the entry off the object, if it was not meant for it",
            )


def _answers(account: AccountFacts, seen: SeenObject) -> Iterator[tuple[Operation, Answer]]:
    """What comes of each operation on the object, or on what is in it, for the features whose scope it is in."""
    examiner = account.examiners.get(seen.domain)
    if examiner is None or seen.descriptor is None:
        return
    for feature, scopes in account.scopes.items():
        if not any(covers(scope, seen) for scope in scopes):
            continue
        target = scoped(seen, seen.descriptor)
        for effect in effects(
            known_operations(operations_of(feature), examiner.names), target, seen.descriptor, examiner
        ):
            yield effect.operation, effect.after


def _is_out_of_order(context: AuditContext, seen: SeenObject) -> bool:
    descriptor = seen.descriptor
    return (
        descriptor is not None
        and descriptor.dacl is not None
        and not is_canonical(descriptor.dacl)
        and any(ace.sid == account.sid for ace in descriptor.dacl for account in context.accounts)
    )


def _out_of_order(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:
    if not _is_out_of_order(context, seen) or seen.descriptor is None or seen.descriptor.dacl is None:
        return
    dacl = seen.descriptor.dacl
    ordered = replace(seen, descriptor=seen.descriptor.with_dacl(canonicalise(dacl)))
    for account in context.accounts:
        own = [ace for ace in seen.aces if ace.sid == account.sid]
        now = {operation.name: answer.allowed for operation, answer in _answers(account, seen)}
        then = {operation.name: answer.allowed for operation, answer in _answers(account, ordered)}
        changed = [name for name in now if now[name] != then.get(name)]
        if not own and not changed:
            continue  # what it inherits there decides the same in any order
        matters = (
            "it decides nothing for the features of this account"
            if not changed
            else "in order, " + "; ".join(f"{name}: {'yes' if then.get(name) else 'no'}" for name in changed)
        )
        yield Finding(
            ORDER,
            seen.dn,
            f"the permissions of '{seen.dn}' are not in canonical order: {matters}",
            account=account.name,
            evidence=tuple(context.evidence(ace, seen) for ace in own),
            mend=repair_order(seen.dn),
        )


RULES: Final = (DENIED, ORDER)
CHECKS: Final[tuple[Check, ...]] = (
    ObjectCheck((DENIED,), _denied, _has_deny),
    ObjectCheck((ORDER,), _out_of_order, _is_out_of_order),
)
