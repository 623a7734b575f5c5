"""Markdown for a wiki or a pull request: the summary, the findings as a table, then each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from . import differing
from .marking import cell, code, escaped, fence
from .summary import (
    accepted,
    account_features,
    account_origin,
    beyond,
    counts,
    grouped,
    number,
    others,
    parties,
    until,
    verdict,
    when,
)
from .visible import pasteable, printable

if TYPE_CHECKING:
    from adsyncconfig.comparison import Comparison, ObjectDifference
    from adsyncconfig.findings import AuditReport, Finding

__all__ = ["audit", "comparison"]


def audit(report: AuditReport) -> Iterator[str]:
    """The report as one document."""
    return (f"{line}\n" for line in _audit(report))


def comparison(found: Comparison) -> Iterator[str]:
    """The comparison as one document; entries as a diff."""
    return (f"{line}\n" for line in _comparison(found))


def _audit(report: AuditReport) -> Iterator[str]:
    yield f"# Audit of {escaped(report.source)}"
    yield ""
    yield f"**{escaped(verdict(report))}**"
    yield ""
    yield from _table(("", ""), _facts(report))
    yield ""
    yield from _table(("Severity", "Open"), ([name, f"{count:,}"] for name, count in counts(report).items()))
    groups = grouped(report.open_findings)
    if groups:
        yield ""
        yield "## Findings"
        yield ""
        yield from _table(
            ("Severity", "Rule", "Object", "What"),
            (
                [each.rule.severity.value, each.rule.id, each.dn, each.message]
                for group in groups
                for each in group.findings
            ),
        )
    for group in groups:
        rule = group.rule
        yield ""
        yield f"### {escaped(rule.severity.value.capitalize())}: {escaped(rule.title)}"
        yield ""
        yield f"{escaped(rule.why)} (rule {code(rule.id)})"
        for finding in group.findings:
            yield ""
            yield from _finding(finding)
    if rest := beyond(report):
        yield ""
        yield "Left out here:"
        yield ""
        yield from (f"- {escaped(line)}" for line in rest)
    if put_up_with := accepted(report):
        yield ""
        yield "## Accepted"
        yield ""
        yield from _table(
            ("Severity", "Rule", "Object", "What", "Because", "Accepted"),
            (
                [
                    each.rule.severity.value,
                    each.rule.id,
                    each.dn,
                    each.message,
                    each.accepted.reason if each.accepted else "",
                    until(each),
                ]
                for each in put_up_with
            ),
        )


def _facts(report: AuditReport) -> Iterator[Sequence[str]]:
    yield "Taken", when(report)
    for base in report.bases:
        yield "Searched", base
    yield "Read", f"{number(report.read, 'object')}, {report.unreadable:,} not readable"
    for account in report.accounts:
        who = f"{account.principal.name} ({account.principal.sid})"
        yield "Account", f"{who}; features {account_origin(account)}: {account_features(account)}"
        for why in account.found_by:
            yield "", f"found by: {why}"
    for line in report.not_read:
        yield "Not read", line
    for line in report.warnings:
        yield "Warning", line


def _finding(finding: Finding) -> Iterator[str]:
    yield f"#### {code(finding.dn)}"
    yield ""
    yield escaped(finding.message)
    yield ""
    if who := parties(finding):
        yield f"- {escaped(who)}"
    for entry in finding.evidence:
        where = f", from {code(entry.origin)}" if entry.origin else ""
        yield f"- {code(entry.sddl)}: {escaped(entry.words)}{where}"
    if line := others(finding):
        yield f"- {escaped(line)} {', '.join(map(code, finding.others))}".rstrip()
    if finding.advice or not finding.mend:
        yield f"- What to do: {escaped(finding.advice or finding.rule.mending)}"
    if finding.mend:
        yield ""
        yield fence(pasteable(finding.mend), "sh")


def _comparison(found: Comparison) -> Iterator[str]:
    yield "# Permissions of two snapshots compared"
    yield ""
    yield f"**{escaped(differing.verdict(found))}**"
    yield ""
    rows = [("Reference", differing.side(found.reference)), ("Now", differing.side(found.difference))]
    rows += [("Not in the reference", line) for line in found.reference.not_read]
    rows += [("Not in the later one", line) for line in found.difference.not_read]
    rows += [("Warning", line) for line in found.warnings]
    yield from _table(("", ""), rows)
    for each in found.differences:
        yield ""
        yield from _difference(each)


def _difference(each: ObjectDifference) -> Iterator[str]:
    yield f"### {each.kind.value.capitalize()}: {code(each.dn)}"
    yield ""
    yield from (f"- {escaped(line)}" for line in differing.facts(each))
    if each.permissions.entries:
        yield ""
        lines = []
        for entry in each.permissions.entries:
            inherited = " (inherited)" if entry.inherited else ""
            lines.append(f"{'+' if entry.added else '-'} {printable(entry.sddl)}")
            lines.append(f"#   {printable(entry.words)}{inherited}")
        yield fence("\n".join(lines), "diff")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(map(cell, row))} |"
