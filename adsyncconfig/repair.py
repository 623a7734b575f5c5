"""Putting an access control list into canonical order: the only cmdlet that moves entries.

Explicit denies come first, then explicit allows, then what is inherited (MS-DTYP 2.4.5); within each the order
stays. No entry is added, changed or dropped. Windows tools refuse or silently re-sort a list in another order;
controllers of Samba keep what they are sent. In the new order a deny that stood behind an allow wins over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Unpack

from acl import Ace, Acl
from acl.edit import canonicalise
from acl.sddl import ace_to_sddl

from .directory import Directory
from .errors import ADSyncConfigError, UnsafePlan
from .names import KnownNames, Names
from .plan import Change
from .result import SetResult, extended
from .running import RunParameters, finish
from .targets import named_target
from .words import guid_names, in_words

__all__ = ["Move", "RepairResult", "moves", "repair_order"]

CMDLET: Final = "Repair-ADSyncDaclOrder"
OPERATION: Final = "Repair the order of permissions"


@dataclass(frozen=True, slots=True)
class Move:
    """An entry that changes its place; places count from 1."""

    ace: Ace
    old: int
    new: int
    text: str

    def to_json(self) -> dict[str, Any]:
        """The entry as SDDL, and its places."""
        return {"entry": ace_to_sddl(self.ace), "from": self.old, "to": self.new}


@dataclass(frozen=True, slots=True)
class RepairResult(SetResult):
    """What was put in order: ``moves`` are the entries that change their place."""

    moves: tuple[Move, ...] = ()

    @property
    def details(self) -> tuple[str, ...]:
        """Each move in words."""
        return tuple(f"    entry {move.old} becomes entry {move.new}: {move.text}" for move in self.moves)

    def to_json(self) -> dict[str, Any]:
        """The run, with the moves."""
        return SetResult.to_json(self) | {"moves": [move.to_json() for move in self.moves]}


def repair_order(directory: Directory, object_dn: str, **run: Unpack[RunParameters]) -> RepairResult:
    """Put the access control list of one object in canonical order, or find it so already.

    Raises ParameterError, UnknownName, UnsafePlan for an object without a list, and DirectoryError.
    """
    target = named_target(directory, object_dn)
    before = target.descriptor
    if before.dacl is None:
        raise UnsafePlan(
            target.dn, "it has no access control list, so that everybody has full control; mend that"
        )
    ordered = canonicalise(before.dacl)
    after = before if ordered is before.dacl else before.with_dacl(ordered)
    change = Change(OPERATION, target.domain, target.dn, target.label, before, after)
    found: tuple[Move, ...] = ()
    warnings: tuple[str, ...] = ()
    if after is not before:
        names = Names(directory)
        found = moves(before.dacl, ordered, names.of(before))
        warnings = names.notices
        if any(move.ace.is_deny for move in found):
            warnings += (
                f"'{target.dn}': in canonical order what is denied wins over what is allowed, so that somebody may "
                "lose access; -WhatIf shows the entries that move",
            )
    try:
        result = finish(CMDLET, None, [change], warnings=warnings, directory=directory, run=run)
    except ADSyncConfigError as error:
        if error.result is not None:
            error.result = extended(error.result, RepairResult, moves=found)
        raise
    return extended(result, RepairResult, moves=found)


def moves(before: Acl, after: Acl, names: KnownNames) -> tuple[Move, ...]:
    """The entries that do not stay in line, of two lists of the same entries, as few as a comparison finds."""
    blocks = SequenceMatcher(None, before.aces, after.aces, autojunk=False).get_matching_blocks()
    old = set(range(len(before))) - {block.a + step for block in blocks for step in range(block.size)}
    new = set(range(len(after))) - {block.b + step for block in blocks for step in range(block.size)}
    places: dict[Ace, list[int]] = {}
    for place in sorted(new, reverse=True):
        places.setdefault(after.aces[place], []).append(place)
    guids = guid_names()
    found = []
    for place in sorted(old):
        ace = before.aces[place]
        who = "" if ace.sid is None else names.trustee(ace.sid)
        found.append(Move(ace, place + 1, places[ace].pop() + 1, in_words(ace, who, guids)))
    return tuple(found)
