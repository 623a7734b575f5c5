"""Plans as files: what a run would change, kept to be read, approved and applied later, and nothing else.

One JSON document:

    {"format": "adsyncconfig-plan", "version": 1 or 2, "cmdlet", "created", "tool", "forest": {"rootDomain", "sid"},
     "account": {"dn", "sid", "name"} or null, "warnings": [text], "changes": [{"operation", "domain", "dn",
     "label", and what ``record.change_to_json`` makes of it}], "digest"}

Rule 1: only changes that are needed stand in a plan; one without any is a plan too.
Rule 2: a file is read as a whole before anything of it is used, and refused where its digest does not fit.
Rule 3: a file is written in one step, and never over another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import record
from .account import Principal
from .directory import Directory
from .errors import PlanFileError
from .plan import AnyChange, PasswordChange
from .record import ForestIdentity

__all__ = ["FORMAT", "VERSION", "Plan", "read_plan", "write_plan"]

FORMAT: Final = "adsyncconfig-plan"
VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of a cmdlet would change, and in which forest; ``created`` is UTC, ISO 8601.

    ``tool`` is the program that made it, "" for this one.
    """

    cmdlet: str
    created: str
    forest: ForestIdentity
    account: Principal | None
    changes: tuple[AnyChange, ...]
    warnings: tuple[str, ...] = ()
    tool: str = ""

    @classmethod
    def of(
        cls,
        cmdlet: str,
        account: Principal | None,
        changes: Iterable[AnyChange],
        *,
        directory: Directory,
        warnings: Iterable[str] = (),
    ) -> Plan:
        """The plan that these changes make, those left out that are not needed; no request is made."""
        return cls(
            cmdlet,
            record.now(),
            ForestIdentity.of(directory),
            account,
            tuple(change for change in changes if change.is_needed),
            tuple(warnings),
        )

    @property
    def digest(self) -> str:
        """What tells this plan from every other: SHA-256 in hexadecimal."""
        return record.digest(self._content())

    def to_json(self) -> dict[str, Any]:
        """The document that a plan file holds."""
        content = self._content()
        return {**content, "digest": record.digest(content)}

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": record.version_of(self.changes),
            "cmdlet": self.cmdlet,
            "created": self.created,
            "tool": self.tool or record.tool(),
            "forest": self.forest.to_json(),
            "account": record.account_to_json(self.account),
            "warnings": list(self.warnings),
            "changes": [record.change_to_json(change) for change in self.changes],
        }


def write_plan(path: str | Path, plan: Plan) -> None:
    """Write a plan file in one step, readable by its owner alone.

    Raises PlanFileError where there is something under its name already, or it cannot be written.
    """
    path = Path(path)
    what = f"the plan file '{path}'"
    data = (json.dumps(plan.to_json(), indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
    from .whole_file import whole_file  # noqa: PLC0415 - takes as long to import as a run without a plan file

    try:
        with whole_file(path, replace=False) as stream:
            stream.write(data)
    except FileExistsError:
        raise PlanFileError(f"{what} exists already, and is never overwritten: name another file") from None
    except (OSError, ValueError) as error:
        raise PlanFileError(f"cannot write {what}: {getattr(error, 'strerror', None) or error}") from error


def read_plan(path: str | Path) -> Plan:
    """The plan that a file holds. Raises PlanFileError for one that cannot be read or trusted."""
    what = f"plan file '{path}'"
    data = record.read_file(Path(path), what, PlanFileError)
    try:
        content = json.loads(data)
    except record.DAMAGE as error:
        raise PlanFileError(f"the {what} is cut off or no JSON: {error}") from error
    record.require_version(content, FORMAT, VERSION, f"the {what}", PlanFileError)
    if content.get("digest") != record.digest(content):
        raise PlanFileError(f"the {what} does not fit its digest: it was edited after it was written")
    try:
        plan = Plan(
            cmdlet=str(content["cmdlet"]),
            created=str(content["created"]),
            forest=ForestIdentity.from_json(content["forest"]),
            account=record.account_from_json(content["account"]),
            changes=tuple(record.change_from_json(each) for each in content["changes"]),
            warnings=tuple(str(each) for each in content["warnings"]),
            tool=str(content["tool"]),
        )
    except record.DAMAGE as error:
        raise PlanFileError(f"the {what} is damaged: {error}") from error
    if any(isinstance(change, PasswordChange) for change in plan.changes):
        raise PlanFileError(f"the {what} sets a password, which no plan holds")
    return plan
