"""What a cmdlet did, or would do, as values; ``to_json`` is the public form of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from acl import Ace, SecurityDescriptor, Sid
from acl.sddl import ace_to_sddl

from .account import Principal
from .plan import AnyChange, Change, ValueChange

if TYPE_CHECKING:
    from .effect import Effect
    from .plan_file import Plan

__all__ = ["ChangeResult", "OwnerChange", "SetResult", "Status", "ValuesChanged", "extended"]

Status = Literal["planned", "applied", "unchanged", "failed", "declined"]


class OwnerChange(NamedTuple):
    """Whose an object was, and whose it is or would be."""

    before: Sid | None
    after: Sid | None

    def to_json(self) -> dict[str, Any]:
        """Both as SIDs."""
        return {"owner": {"before": str(self.before), "after": str(self.after)}}


class ValuesChanged(NamedTuple):
    """The values of an attribute that come and go."""

    attribute: str
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The attribute with both."""
        changed = {"attribute": self.attribute, "added": list(self.added), "removed": list(self.removed)}
        return {"values": changed}


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What became of one change. ``error`` is the message of a failed one, ``stored`` what was read back.

    ``owner`` and ``values`` are None where the change is not about them. ``written`` is True for what is there, of
    a failed change too (it was written and could not be compared), and None where nobody knows.
    """

    dn: str
    label: str
    operation: str
    added: tuple[Ace, ...]
    removed: tuple[Ace, ...]
    status: Status
    controller: str | None = None
    error: str | None = None
    stored: SecurityDescriptor | None = field(default=None, repr=False, compare=False)
    owner: OwnerChange | None = None
    values: ValuesChanged | None = None
    written: bool | None = False

    @classmethod
    def of(
        cls,
        change: AnyChange,
        status: Status,
        controller: str | None = None,
        error: str | None = None,
        stored: SecurityDescriptor | None = None,
        *,
        written: bool | None = False,
    ) -> ChangeResult:
        """What became of this change."""
        owner: OwnerChange | None = None
        values: ValuesChanged | None = None
        if isinstance(change, ValueChange):
            values = ValuesChanged(change.attribute, change.add, change.remove)
        elif isinstance(change, Change) and change.writes_owner:
            owner = OwnerChange(change.before.owner, change.after.owner)
        return cls(
            change.dn,
            change.label,
            change.operation,
            change.added,
            change.removed,
            status,
            controller,
            error,
            stored,
            owner,
            values,
            written,
        )

    def to_json(self) -> dict[str, Any]:
        """The change as the contract's JSON has it, entries as SDDL.

        Owner and values only where they change, ``written`` only of a failed change that was, or may have been.
        """
        more = [each.to_json() for each in (self.owner, self.values) if each is not None]
        if self.status == "failed" and self.written is not False:
            more.append({"written": self.written})
        return {
            "dn": self.dn,
            "added": [ace_to_sddl(ace) for ace in self.added],
            "removed": [ace_to_sddl(ace) for ace in self.removed],
            "status": self.status,
            "controller": self.controller,
            "error": self.error,
        } | {name: value for each in more for name, value in each.items()}


@dataclass(frozen=True, slots=True)
class SetResult:
    """What a ``Set-*`` cmdlet did, or under ``-WhatIf`` would do.

    ``account`` is None for cmdlets that act on no account's behalf, ``journal`` the path of the file that the run
    can be undone from, ``plan`` what was to be changed, ``effect`` what the account can do before and after.
    """

    cmdlet: str
    what_if: bool
    account: Principal | None
    changes: tuple[ChangeResult, ...]
    warnings: tuple[str, ...] = ()
    journal: str | None = None
    plan: Plan | None = field(default=None, repr=False, compare=False)
    effect: tuple[Effect, ...] = ()

    @property
    def trustees(self) -> Mapping[Sid, str]:
        """The names of the accounts that the run is about, for entries in words."""
        return {} if self.account is None else {self.account.sid: self.account.name}

    @property
    def exit_code(self) -> int:
        """What a command ends with that raised nothing."""
        return 0

    @property
    def can_be_undone(self) -> bool:
        """True when the journal takes the run back."""
        return True

    @property
    def details(self) -> tuple[str, ...]:
        """What a reader should see beside the changes, a line each."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """The run as the contract's JSON has it."""
        return {
            "cmdlet": self.cmdlet,
            "whatIf": self.what_if,
            "account": self.account
            and {"dn": self.account.dn, "sid": str(self.account.sid), "name": self.account.name},
            "changes": [change.to_json() for change in self.changes],
            "effect": [each.to_json() for each in self.effect],
            "warnings": list(self.warnings),
            "journal": self.journal,
        }


R = TypeVar("R", bound=SetResult)


def extended(result: SetResult, kind: type[R], **more: Any) -> R:
    """The result as one of a kind that holds more."""
    return kind(**{each.name: getattr(result, each.name) for each in fields(SetResult)}, **more)
