"""Text for a terminal: the summary first, then the findings, the worst first, each with its mend.

Rule 1: prose wraps at the terminal's width. What may be copied (a DN, an entry, a command) is never broken: it
        has lines of its own, which the terminal alone wraps.
Rule 2: colour repeats what words say; without a terminal, or with NO_COLOR set, there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from . import differing
from .summary import (
    accepted,
    account_features,
    account_origin,
    beyond,
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

_WIDTH: Final = 100
_NARROWEST: Final = 40
_STYLES: Final = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold cyan",
    "information": "bold",
}


def audit(report: AuditReport, *, on_terminal: bool = False) -> Iterator[str]:
    """The report as text, part by part."""
    page = _Page(on_terminal=on_terminal)
    _summary(page, report)
    yield page.taken()
    severity = None
    for group in grouped(report.open_findings):
        if group.rule.severity is not severity:
            severity = group.rule.severity
            page.rule(severity.value.upper(), _STYLES[severity.value])
        page.heading(f"{printable(group.rule.title)}  [{printable(group.rule.id)}]")
        page.prose(printable(group.rule.why), indent=2)
        page.gap()
        for finding in group.findings:
            _finding(page, finding)
        yield page.taken()
    if put_up_with := accepted(report):
        page.rule("ACCEPTED", "bold")
        for finding in put_up_with:
            _accepted(page, finding)
        yield page.taken()
    for line in beyond(report):
        page.prose(f"Left out here: {line}.")
    if report.findings:  # the summary has scrolled away
        page.prose(verdict(report), style="bold")
    yield page.taken()


def comparison(found: Comparison, *, on_terminal: bool = False) -> Iterator[str]:
    """What changed as text, object by object."""
    page = _Page(on_terminal=on_terminal)
    page.heading("Permissions of two snapshots compared")
    page.prose(differing.verdict(found))
    page.gap()
    for label, side in (("Reference", found.reference), ("Now", found.difference)):
        page.fact(label, differing.side(side))
        for line in side.not_read:
            page.fact("", f"not in it: {printable(line)}")
    for warning in found.warnings:
        page.fact("Warning", printable(warning))
    page.gap()
    for each in found.differences:
        _difference(page, each)
        yield page.taken()
    yield page.taken()


def _difference(page: _Page, each: ObjectDifference) -> None:
    page.copied(f"{each.kind.value.upper()} {printable(each.dn)}", indent=0, style="bold")
    for line in differing.facts(each):
        page.copied(line, indent=4)
    for entry in each.permissions.entries:
        sign, style = ("+", "green") if entry.added else ("-", "red")
        page.copied(f"{sign} {printable(entry.sddl)}", indent=2, style=style)
        page.prose(printable(entry.words) + (" (inherited)" if entry.inherited else ""), indent=6)
    page.gap()


def _summary(page: _Page, report: AuditReport) -> None:
    page.heading(f"Audit of {printable(report.source)}")
    page.prose(verdict(report))
    page.gap()
    page.fact("Taken", when(report))
    for base in report.bases:
        page.fact("Searched", printable(base))
    page.fact("Read", f"{number(report.read, 'object')}, {report.unreadable:,} not readable")
    for account in report.accounts:
        page.fact("Account", f"{printable(account.principal.name)} ({account.principal.sid})")
        page.fact("", f"features {account_origin(account)}: {account_features(account)}")
        for why in account.found_by:
            page.fact("", f"found by: {printable(why)}")
    if not report.accounts:
        page.fact("Account", "none")
    for line in report.not_read:
        page.fact("Not read", printable(line))
    for line in report.warnings:
        page.fact("Warning", printable(line))
    page.gap()


def _finding(page: _Page, finding: Finding) -> None:
    page.copied(printable(finding.dn), indent=2, style="bold")
    if line := others(finding):
        page.prose(line, indent=4)
        for dn in finding.others:
            page.copied(printable(dn), indent=6)
    page.prose(printable(finding.message), indent=4)
    if who := parties(finding):
        page.prose(who, indent=4)
    for entry in finding.evidence:
        page.copied(printable(entry.sddl), indent=4)
        page.prose(printable(entry.words), indent=6)
        if entry.origin:
            page.copied(f"from {printable(entry.origin)}", indent=6)
    if finding.advice:
        page.prose(f"To do: {printable(finding.advice)}", indent=4)
    if finding.mend:
        page.prose("To mend it:", indent=4)
        page.copied(pasteable(finding.mend), indent=6, style="green")
    elif not finding.advice:
        page.prose(f"To do: {printable(finding.rule.mending)}", indent=4)
    page.gap()


def _accepted(page: _Page, finding: Finding) -> None:
    page.copied(printable(finding.dn), indent=2, style="bold")
    severity, rule = finding.rule.severity.value, printable(finding.rule.id)
    page.prose(f"{printable(finding.rule.title)} ({severity})  [{rule}]", indent=4)
    page.prose(printable(finding.message), indent=4)
    for entry in finding.evidence:
        page.copied(printable(entry.sddl), indent=4)
    reason = finding.accepted.reason if finding.accepted else ""
    page.prose(f"Accepted {until(finding)}: {printable(reason)}", indent=4)
    page.gap()


class _Page:
    """Lines as rich sets them, kept until they are taken."""

    def __init__(self, *, on_terminal: bool) -> None:
        self._lines = StringIO()
        colours = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size((_WIDTH, 24)).columns if on_terminal else _WIDTH
        self._console = Console(
            file=self._lines,
            width=max(width, _NARROWEST),
            force_terminal=colours,
            # The sixteen colours that the terminal's owner chose, which are readable there.
            color_system="standard" if colours else None,
            no_color=not colours,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def taken(self) -> str:
        text = self._lines.getvalue()
        self._lines.seek(0)
        self._lines.truncate()
        return text

    def gap(self) -> None:
        self._console.print()

    def rule(self, title: str, style: str) -> None:
        self._console.print(Text(f" {title} ", style))
        self.gap()

    def heading(self, text: str) -> None:
        self.prose(text, style="bold")

    def prose(self, text: str, *, indent: int = 0, style: str = "") -> None:
        for line in Text(text, style).wrap(self._console, self._console.width - indent):
            line.rstrip()
            self._console.print(Text(" " * indent) + line)

    def fact(self, label: str, text: str) -> None:
        """A label in a column of its own, and prose beside it."""
        self._console.print(f"{label:<10}{text}", soft_wrap=True)

    def copied(self, text: str, *, indent: int, style: str = "") -> None:
        self._console.print(Text(" " * indent) + Text(text, style), soft_wrap=True)
