"""What a cmdlet did, or would do, as values; ``to_json`` is the public form of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from acl import Ace
from acl.sddl import ace_to_sddl

from .account import Principal

__all__ = ["ChangeResult", "SetResult", "Status"]

Status = Literal["planned", "applied", "unchanged", "failed", "declined"]


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What became of one change. ``error`` is the message of a failed one."""

    dn: str
    label: str
    operation: str
    added: tuple[Ace, ...]
    removed: tuple[Ace, ...]
    status: Status
    controller: str | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The change as the contract's JSON has it, entries as SDDL."""
        return {
            "dn": self.dn,
            "added": [ace_to_sddl(ace) for ace in self.added],
            "removed": [ace_to_sddl(ace) for ace in self.removed],
            "status": self.status,
            "controller": self.controller,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class SetResult:
    """What a ``Set-*`` cmdlet did, or under ``-WhatIf`` would do."""

    cmdlet: str
    what_if: bool
    account: Principal
    changes: tuple[ChangeResult, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The run as the contract's JSON has it."""
        return {
            "cmdlet": self.cmdlet,
            "whatIf": self.what_if,
            "account": {"dn": self.account.dn, "sid": str(self.account.sid), "name": self.account.name},
            "changes": [change.to_json() for change in self.changes],
            # Neither is worked out yet; they stand here so that what reads this need not change.
            "effect": [],
            "warnings": list(self.warnings),
            "journal": None,
        }
