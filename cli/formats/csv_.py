"""CSV for spreadsheets: RFC 4180, a row a finding, or a row an entry that came or went.

Rule 1: no cell is a formula. One that begins with what a spreadsheet takes for the beginning of one gets an
        apostrophe in front (OWASP, CSV Injection), after a semicolon inside too: Excel in many languages takes that
        for the separator, whatever the quotes say.
Rule 2: what the report does not know is in it as well, as a row: a list with holes never passes for a whole one.
Rule 3: UTF-8 with a byte order mark, without which Excel takes names for text of its own code page.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import TYPE_CHECKING, Final

from . import differing
from .visible import pasteable, printable

if TYPE_CHECKING:
    from adsyncconfig.comparison import Comparison, ObjectDifference
    from adsyncconfig.findings import AuditReport, Finding

__all__ = ["audit", "comparison", "row"]

BYTE_ORDER_MARK: Final = "\ufeff"
#: The second four are the wide forms, which East Asian editions of Excel take for the same.
_FORMULA: Final = re.compile(r"(^|[;\n])(?=[ ]*[=+\-@\t\r＝＋－＠])")  # noqa: RUF001
_AUDIT: Final = (
    "status", "severity", "category", "rule", "title", "object", "count", "others", "account", "trustee",
    "message", "entries", "entries in words", "from", "mend", "advice", "accepted because", "accepted until",
    "fingerprint",
)  # fmt: skip
_COMPARISON: Final = (
    "change", "object", "class", "guid", "former name", "sign", "entry", "entry in words", "inherited",
    "what else differs",
)  # fmt: skip


def audit(report: AuditReport) -> Iterator[str]:
    """The findings as rows; then what was left out, what was not read, and warnings."""
    yield BYTE_ORDER_MARK + row(_AUDIT)
    for finding in report.findings:
        yield row(_finding(finding))
    for rule, count in report.beyond.items():
        yield row(("left out", "", "", rule, "", "", str(count)), len(_AUDIT))
    message = _AUDIT.index("message")
    for status, lines in (("not read", report.not_read), ("warning", report.warnings)):
        for line in lines:
            yield row((status, *[""] * (message - 1), line), len(_AUDIT))


def comparison(found: Comparison) -> Iterator[str]:
    """Every entry that came or went as a row; an object that differs otherwise alone has one row."""
    yield BYTE_ORDER_MARK + row(_COMPARISON)
    for each in found.differences:
        yield from map(row, _difference(each))
    for status, count in (("unreadable in both", found.unreadable),):
        if count:
            yield row((status, "", "", "", "", "", "", "", "", str(count)))
    for warning in found.warnings:
        yield row(("warning", *[""] * 8, warning))


def _finding(finding: Finding) -> tuple[str, ...]:
    rule, accepted = finding.rule, finding.accepted
    return (
        "open" if accepted is None else "accepted",
        rule.severity.value,
        rule.category.value,
        rule.id,
        rule.title,
        finding.dn,
        str(finding.count),
        _lines(finding.others),
        finding.account or "",
        finding.trustee or "",
        finding.message,
        _lines(entry.sddl for entry in finding.evidence),
        _lines(entry.words for entry in finding.evidence),
        _lines(entry.origin or finding.dn for entry in finding.evidence),
        pasteable(finding.mend or ""),
        finding.advice or ("" if finding.mend else rule.mending),
        "" if accepted is None else accepted.reason,
        "" if accepted is None or accepted.until is None else accepted.until.isoformat(),
        finding.fingerprint,
    )


def _difference(each: ObjectDifference) -> Iterator[tuple[str, ...]]:
    head = (each.kind.value, each.dn, each.object_class, each.object_guid or "", each.former_dn or "")
    rest = "; ".join(differing.facts(each))
    for entry in each.permissions.entries:
        # Spelled out, since a cell with a sign alone is what a spreadsheet takes for a formula.
        sign = "added" if entry.added else "removed"
        yield (*head, sign, entry.sddl, entry.words, "yes" if entry.inherited else "no", rest)
    if not each.permissions.entries:
        yield (*head, "", "", "", "", rest)


def row(cells: Iterable[str], width: int = 0) -> str:
    """The cells as one record, with empty ones up to a width."""
    filled = list(cells)
    filled += [""] * (width - len(filled))
    line = StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(map(_cell, filled))
    return line.getvalue()


def _cell(text: str) -> str:
    return _FORMULA.sub(r"\1'", "\n".join(map(printable, text.split("\n"))))


def _lines(texts: Iterable[str]) -> str:
    """One text a line of the cell; a line end inside a text is shown, and so none of them."""
    return "\n".join(map(printable, texts))
