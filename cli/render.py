"""What a person, or a program, reads of a result: text and JSON. Nothing here decides anything.

Names that come from the directory pass through ``printable``: an object's name may hold escape sequences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from .binding import printable

if TYPE_CHECKING:
    from acl import Ace
    from adsyncconfig import ChangeResult, SetResult

__all__ = ["as_json", "as_text"]


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
        if change.error:
            yield f"  {printable(change.error)}"
    yield _summary(result)


def _headline(change: ChangeResult) -> str:
    action = f'the operation "{change.operation}" on target "{printable(change.label)}"'
    return {
        "planned": f"What if: Performing {action}.",
        "applied": f"Performed {action}.",
        "unchanged": f"Nothing to do for {action}: everything is there already.",
        "failed": f"Failed to perform {action}.",
        "declined": f"Declined {action}.",
    }[change.status]


def _entry(sign: str, ace: Ace, result: SetResult, names: Mapping[UUID, str]) -> Iterator[str]:
    from acl.sddl import ace_to_sddl  # noqa: PLC0415
    from adsyncconfig.words import in_words  # noqa: PLC0415

    yield f"    {sign} {ace_to_sddl(ace)}"
    who = result.account.name if ace.sid == result.account.sid else str(ace.sid)
    yield f"      {printable(in_words(ace, who, names))}"


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
    return f"{result.account.name} ({result.account.sid}): {parts}."
