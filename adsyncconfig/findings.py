"""What an audit says, as values: rules, findings with their evidence, and the report that holds them.

Whoever judges makes them (``audit`` and its rules), whoever prints reads them (the formats): neither knows the
other. Nothing here reads a directory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any

from .account import Principal

__all__ = [
    "Acceptance",
    "AuditReport",
    "AuditedAccount",
    "Category",
    "Evidence",
    "Finding",
    "Place",
    "Power",
    "Rule",
    "Severity",
]


class Severity(Enum):
    """How bad a finding is; the first is the worst."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATION = "information"

    @property
    def rank(self) -> int:
        """0 for the worst; sort by it."""
        return list(Severity).index(self)


class Category(Enum):
    """What kind of thing is wrong."""

    MISSING = "missing"
    INEFFECTIVE = "ineffective"
    EXCESS = "excess"
    TAKEOVER = "takeover"
    DEBRIS = "debris"
    UNREADABLE = "unreadable"


class Power(Enum):
    """The most that a connector can do to what is in a place; each holds what stands before it."""

    NOTHING = "nothing"
    READ = "read"
    WRITE = "write attributes"
    CREATE = "create or delete objects"
    CONTROL = "take control"

    @property
    def rank(self) -> int:
        """0 for nothing; the higher, the more power."""
        return list(Power).index(self)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that an audit looks for. ``id`` never changes: policies and pipelines name it.

    ``title`` is a line, ``why`` says why it matters in a few sentences, ``mending`` what to do in general.
    """

    id: str
    category: Category
    severity: Severity
    title: str
    why: str
    mending: str

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON."""
        return {
            "id": self.id,
            "category": self.category.value,
            "severity": self.severity.value,
            "title": self.title,
            "why": self.why,
            "mending": self.mending,
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """An entry of an access control list that a finding rests on: as SDDL, in words, and where it stands.

    ``origin`` is the object that holds it as its own, where that is another than the finding's object.
    """

    sddl: str
    words: str
    origin: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {"sddl": self.sddl, "words": self.words, "origin": self.origin}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Why a finding is put up with, and until when (the last day, UTC); None is for good."""

    reason: str
    until: date | None = None

    def to_json(self) -> dict[str, Any]:
        """The acceptance as JSON."""
        return {"reason": self.reason, "until": None if self.until is None else self.until.isoformat()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One instance of a rule.

    ``dn`` is the object, or the first of several that are alike; ``count`` how many there are, and ``others`` the
    first of the rest. ``account`` is the connector that it is about, ``trustee`` who holds what is found, each as
    ``DOMAIN\\name`` or SID; None where there is none. ``mend`` is a command line, quoted for a POSIX shell, and
    None where no command can mend it; ``advice`` then, or beside it, says what to do in words.
    """

    rule: Rule
    dn: str
    message: str
    account: str | None = None
    trustee: str | None = None
    evidence: tuple[Evidence, ...] = ()
    others: tuple[str, ...] = ()
    count: int = 1
    mend: str | None = None
    advice: str | None = None
    accepted: Acceptance | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same finding in every run: of rule, object, account, trustee and entries."""
        parts = (
            self.rule.id,
            self.dn.casefold(),
            self.account or "",
            self.trustee or "",
            *sorted(each.sddl for each in self.evidence),
        )
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON; the rule by its id."""
        return {
            "rule": self.rule.id,
            "severity": self.rule.severity.value,
            "dn": self.dn,
            "message": self.message,
            "account": self.account,
            "trustee": self.trustee,
            "evidence": [each.to_json() for each in self.evidence],
            "others": list(self.others),
            "count": self.count,
            "mend": self.mend,
            "advice": self.advice,
            "accepted": None if self.accepted is None else self.accepted.to_json(),
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class AuditedAccount:
    """A connector account as audited: the features that it is held to, and whether they were inferred.

    ``found_by`` says why it is taken for a connector; empty where the caller named it.
    """

    principal: Principal
    features: tuple[str, ...]
    inferred: bool
    found_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The account as JSON."""
        return {
            "dn": self.principal.dn,
            "sid": str(self.principal.sid),
            "name": self.principal.name,
            "features": list(self.features),
            "inferred": self.inferred,
            "foundBy": list(self.found_by),
        }


@dataclass(frozen=True, slots=True)
class Place:
    """A domain, OU or container in the picture of the tree, parents before children.

    ``power`` is the most that any audited account can do to what is in it, ``powers`` that of each by its name;
    ``objects`` counts what is directly in it. ``blocked`` where it inherits nothing.
    """

    dn: str
    parent: str | None
    power: Power
    powers: Mapping[str, Power]
    objects: int = 0
    blocked: bool = False

    def to_json(self) -> dict[str, Any]:
        """The place as JSON."""
        return {
            "dn": self.dn,
            "parent": self.parent,
            "power": self.power.value,
            "powers": {name: power.value for name, power in self.powers.items()},
            "objects": self.objects,
            "blocked": self.blocked,
        }


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found.

    ``source`` is the controller or the snapshot, ``bases`` what was searched, ``taken`` when, in UTC. ``findings``
    are sorted, the worst first; ``beyond`` counts, by rule id, those that were left out so that the report stays
    readable. ``unreadable`` counts objects whose permissions could not be read; each or the first of them is also
    a finding. ``not_read`` says in a line each what was not looked at; ``is_complete`` is then False.
    """

    source: str
    bases: tuple[str, ...]
    taken: datetime
    accounts: tuple[AuditedAccount, ...]
    findings: tuple[Finding, ...]
    read: int
    unreadable: int = 0
    beyond: Mapping[str, int] = field(default_factory=dict)
    not_read: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tree: tuple[Place, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True when everything was read that was to be read."""
        return not (self.unreadable or self.not_read)

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """The findings that no policy accepts."""
        return tuple(each for each in self.findings if each.accepted is None)

    @property
    def exit_code(self) -> int:
        """0 when nothing is open and everything was read, else 3."""
        return 3 if self.open_findings or self.beyond or not self.is_complete else 0

    def to_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "cmdlet": "Invoke-ADSyncPermissionsAudit",
            "source": self.source,
            "bases": list(self.bases),
            "taken": self.taken.isoformat(),
            "accounts": [each.to_json() for each in self.accounts],
            "read": self.read,
            "unreadable": self.unreadable,
            "isComplete": self.is_complete,
            "notRead": list(self.not_read),
            "rules": [each.to_json() for each in self.rules],
            "findings": [each.to_json() for each in self.findings],
            "beyond": dict(self.beyond),
            "tree": [each.to_json() for each in self.tree],
            "warnings": list(self.warnings),
        }
