"""What every form for people says first, in the same words: the verdict, the counts, and what was not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .visible import printable

if TYPE_CHECKING:
    from adsyncconfig.findings import AuditedAccount, AuditReport, Finding, Rule

__all__ = [
    "Group",
    "accepted",
    "account_features",
    "account_origin",
    "beyond",
    "counts",
    "grouped",
    "listed",
    "number",
    "others",
    "parties",
    "until",
    "verdict",
    "when",
]


class Group(NamedTuple):
    """The findings of one rule, in the order of the report."""

    rule: Rule
    findings: tuple[Finding, ...]


def number(count: int, one: str, many: str | None = None) -> str:
    """``1 object``, ``1,204 objects``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counts(report: AuditReport) -> dict[str, int]:
    """How many findings of each severity are open, the worst first, with those that the report leaves out."""
    from adsyncconfig.findings import Severity  # noqa: PLC0415 - help does without

    found = dict.fromkeys((severity.value for severity in Severity), 0)
    for finding in report.open_findings:
        found[finding.rule.severity.value] += 1
    rules = {rule.id: rule for rule in (*report.rules, *(each.rule for each in report.findings))}
    for rule_id, more in report.beyond.items():
        if rule_id in rules:
            found[rules[rule_id].severity.value] += more
    return found


def verdict(report: AuditReport) -> str:
    """The report in one sentence."""
    found = {name: count for name, count in counts(report).items() if count}
    total = sum(found.values())
    if total:
        parts = [f"{count:,} {name}" for name, count in found.items()]
        said = f"{number(total, 'open finding')}: {listed(parts)}"
    else:
        said = "Nothing is wrong in what was read"
    if report.is_complete:
        return f"{said}; everything was read."
    unread = []
    if report.unreadable:
        unread.append(f"{number(report.unreadable, 'object')} could not be read")
    if report.not_read:
        unread.append(
            f"{number(len(report.not_read), 'part')} of the directory {_were(report.not_read)} not looked at"
        )
    return f"{said}; {' and '.join(unread)}, so there may be more."


def when(report: AuditReport) -> str:
    """When it was taken, to the minute."""
    return f"{report.taken:%Y-%m-%d %H:%M} UTC"


def account_features(account: AuditedAccount) -> str:
    """The features that an account is held to."""
    return ", ".join(map(printable, account.features)) or "none"


def account_origin(account: AuditedAccount) -> str:
    """Where the features come from."""
    return "inferred from what it is granted" if account.inferred else "as given"


def beyond(report: AuditReport) -> list[str]:
    """A line for each rule some of whose findings the report leaves out."""
    titles = {rule.id: rule.title for rule in report.rules}
    return [
        f"{number(count, 'more finding')} of {printable(rule)}"
        + (f" ({printable(titles[rule])})" if rule in titles else "")
        for rule, count in report.beyond.items()
    ]


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """The findings by severity and rule: the worst first, rules as they come first in the report."""
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda each: each.rule.severity.rank):
        groups.setdefault(finding.rule.id, []).append(finding)
    return [Group(found[0].rule, tuple(found)) for found in groups.values()]


def accepted(report: AuditReport) -> tuple[Finding, ...]:
    """The findings that a policy accepts."""
    return tuple(each for each in report.findings if each.accepted is not None)


def until(finding: Finding) -> str:
    """How long an accepted finding is accepted."""
    if finding.accepted is None or finding.accepted.until is None:
        return "for good"
    return f"until {finding.accepted.until.isoformat()}"


def others(finding: Finding) -> str | None:
    """How many more objects are alike, and that not all of them are named; None for a single object."""
    rest = finding.count - 1
    if rest < 1:
        return None
    named = len(finding.others)
    if not named:
        return f"and {number(rest, 'more object')} like it"
    return f"and {number(rest, 'more object')} like it" + (
        f", the first {named} of them:" if named < rest else ":"
    )


def parties(finding: Finding) -> str:
    """The account that a finding is about and who holds what is found; nothing where neither is known."""
    named = [
        f"{label} {printable(who)}"
        for label, who in (("account", finding.account), ("trustee", finding.trustee))
        if who and not (label == "trustee" and who == finding.account)
    ]
    return ", ".join(named)


def _were(things: Sequence[object]) -> str:
    return "was" if len(things) == 1 else "were"


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
