"""What a person, or a program, reads of a result: text and JSON. Nothing here decides anything.

Names that come from the directory pass through ``printable``: an object's name may hold escape sequences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

from .binding import printable

if TYPE_CHECKING:
    from adsyncconfig import Ace, ChangeResult, Plan, SetResult

__all__ = ["as_json", "as_plan", "as_text"]


def as_json(result: SetResult) -> str:
    """One JSON document, as the contract has it."""
    return json.dumps(result.to_json(), indent=2, ensure_ascii=False)


def as_text(result: SetResult) -> Iterator[str]:
    """Lines for a terminal: each object with what is added and removed, as SDDL and in words."""
    from adsyncconfig.words import guid_names  # noqa: PLC0415 - JSON does without

    names = guid_names()
    for change in result.changes:
        yield _headline(change)
        yield f"  {printable(change.dn)}"
        for sign, aces in (("+", change.added), ("-", change.removed)):
            for ace in aces:
                yield from _entry(sign, ace, result, names)
        if change.owner is not None:
            yield f"    the owner: {change.owner.after}, and it was {change.owner.before}"
        if change.values is not None:
            name = printable(change.values.attribute)
            yield from (f"    + {name}: {printable(value)}" for value in change.values.added)
            yield from (f"    - {name}: {printable(value)}" for value in change.values.removed)
        if change.error:
            yield f"  {printable(change.error)}"
    yield from _effects(result)
    yield from (printable(line) for line in result.details)
    yield _summary(result)
    if result.journal and not result.can_be_undone:
        yield f"The journal is '{printable(result.journal)}'; it says what was done, and cannot take it back."
    elif result.journal:
        yield f"The journal is '{printable(result.journal)}': Undo-ADSyncPermissions takes this run back with it."


def as_plan(plan: Plan, form: str) -> str:
    """The plan as a whole file: ``form`` is dsacls, ldif or json."""
    from adsyncconfig.plan_formats import as_dsacls, as_ldif  # noqa: PLC0415

    if form == "json":
        return json.dumps(plan.to_json(), indent=2, ensure_ascii=False) + "\n"
    return {"dsacls": as_dsacls, "ldif": as_ldif}[form](plan)


#: Why a change is not needed, by the first word of what it is called.
_UNCHANGED = {
    "Revoke": "nothing of it is there",
    "Remove": "it is not there",
    "Enable": "it inherits already",
    "Clear": "it has none",
    "Change": "it is the owner already",
    "Repair": "it is in canonical order already",
    "Undo": "it is as it was before that run",
}


def _headline(change: ChangeResult) -> str:
    there = f" at {printable(change.controller)}" if change.controller else ""
    action = f'the operation "{change.operation}" on target "{printable(change.label)}"'
    return {
        "planned": f"What if: Performing {action}.",
        "applied": f"Performed {action}{there}.",
        "unchanged": f"Nothing to do for {action}: "
        f"{_UNCHANGED.get(change.operation.split()[0], 'everything is there already')}.",
        "failed": f"Failed to perform {action}{there}.",
        "declined": f"Declined {action}.",
    }[change.status]


def _entry(sign: str, ace: Ace, result: SetResult, names: Mapping[UUID, str]) -> Iterator[str]:
    from adsyncconfig import ace_to_sddl  # noqa: PLC0415
    from adsyncconfig.words import in_words  # noqa: PLC0415

    yield f"    {sign} {ace_to_sddl(ace)}"
    who = str(ace.sid) if ace.sid is None else result.trustees.get(ace.sid, str(ace.sid))
    yield f"      {printable(in_words(ace, who, names))}"


#: How True, False and what is not known read.
_ANSWERS = {True: "yes", False: "no", None: "?"}


def _effects(result: SetResult) -> Iterator[str]:
    """What the account can do on each target before and after, and the entry that decides."""
    only = result.account.name if result.account else ""
    for (who, dn), found in groupby(result.effect, key=lambda effect: (effect.account or only, effect.dn)):
        effects = list(found)
        width = max(len(effect.operation.name) for effect in effects)
        yield f"What {printable(who)} can do at {printable(dn)}:"
        for effect in effects:
            before, after = _ANSWERS[effect.before.allowed], _ANSWERS[effect.after.allowed]
            line = f"  {effect.operation.name:<{width}}  {before:<3} -> {after:<3}  {effect.decided_by or ''}"
            yield printable(line.rstrip())


def _summary(result: SetResult) -> str:
    counts = {
        status: sum(change.status == status for change in result.changes)
        for status in ("planned", "applied", "unchanged", "failed", "declined")
    }
    words = {
        "planned": "to change",
        "applied": "changed",
        "unchanged": "unchanged",
        "failed": "failed",
        "declined": "declined",
    }
    parts = ", ".join(f"{count} {words[status]}" for status, count in counts.items() if count)
    who = f"{result.account.name} ({result.account.sid})" if result.account else result.cmdlet
    return f"{printable(who)}: {parts or 'nothing to do'}."
