"""Findings as a table of a page: a row each, and beneath it the reasons, the entries, and the command that mends.

Rule 1: a finding is a body of the table with two rows, so that sorting and filtering never part them; without the
        script, and on paper, both are there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .markup import Child, Markup, element, word_breaks
from .places import leaf_name
from .shell import code_block, severity_mark
from .summary import grouped, others, until
from .visible import pasteable

if TYPE_CHECKING:
    from adsyncconfig.findings import AuditReport, Evidence, Finding

__all__ = ["accepted_table", "findings_table", "rules_table"]

_COLUMNS: Final = (
    ("severity", "Severity"),
    ("finding", "Finding"),
    ("object", "Object"),
    ("account", "Account"),
    ("trustee", "Held by"),
)


def findings_table(findings: Iterable[Finding], report: AuditReport) -> Markup:
    """The open findings, the worst first, with what filters them."""
    ordered = [finding for group in grouped(findings) for finding in group.findings]
    if not ordered:
        said = "Nothing was found." if report.is_complete else "Nothing was found in what was read."
        return element("p", said, class_="nothing")
    return Markup(
        _filters()
        + element(
            "table",
            element("caption", "Open findings"),
            element(
                "thead",
                element("tr", (element("th", title, scope="col", data_key=key) for key, title in _COLUMNS)),
            ),
            (_finding(finding) for finding in ordered),
            class_="findings",
        )
        + element("p", "No finding is like that.", class_="nothing", id="none-left", hidden=True)
    )


def accepted_table(findings: Iterable[Finding]) -> Markup:
    """The accepted findings with reason and date."""
    columns = ("Severity", "Finding", "Object", "Because", "Accepted")
    return element(
        "table",
        element("caption", "Accepted findings"),
        element("thead", element("tr", (element("th", column, scope="col") for column in columns))),
        element("tbody", map(_accepted, findings)),
        class_="plain",
    )


def rules_table(report: AuditReport) -> Markup:
    """Every rule that was asked, and how much it found: what was looked for is part of the answer."""
    found = Counter(finding.rule.id for finding in report.findings)
    found.update(report.beyond)
    rows = (
        element(
            "tr",
            element("td", severity_mark(rule.severity.value)),
            element("th", rule.title, element("code", rule.id, class_="rule-id"), scope="row"),
            element("td", rule.category.value),
            element("td", f"{found[rule.id]:,}", class_="number"),
        )
        for rule in sorted(report.rules, key=lambda rule: rule.severity.rank)
    )
    silent = sum(not found[rule.id] for rule in report.rules)
    return element(
        "details",
        element("summary", f"{len(report.rules):,} rules; {silent:,} of them found nothing"),
        element(
            "table",
            element("caption", "Rules"),
            element(
                "thead",
                element(
                    "tr",
                    (element("th", each, scope="col") for each in ("Severity", "Rule", "Kind", "Found")),
                ),
            ),
            element("tbody", rows),
            class_="plain",
        ),
        class_="listed",
    )


def _filters() -> Markup:
    """Empty until the script fills them; hidden without it."""
    selects = (
        element(
            "label", element("span", title), element("select", element("option", "all", value=""), name=key)
        )
        for key, title in (
            ("severity", "Severity"),
            ("rule", "Rule"),
            ("account", "Account"),
            ("trustee", "Held by"),
        )
    )
    return element(
        "form",
        element(
            "label",
            element("span", "Text"),
            element(
                "input", type="search", name="text", autocomplete="off", placeholder="name, entry, command"
            ),
            class_="text",
        ),
        selects,
        element("button", "Clear", type="reset"),
        element("button", "Open all", type="button", id="open-all", aria_pressed="false"),
        element("output", "", id="shown-count", role="status"),
        class_="filters",
        hidden=True,
        aria_label="Filter the findings",
    )


def _finding(finding: Finding) -> Markup:
    rule = finding.rule
    identifier = _identifier(finding)
    more = f" +{finding.count - 1:,}" if finding.count > 1 else ""
    row = element(
        "tr",
        element(
            "td", severity_mark(rule.severity.value), data_sort=rule.severity.rank, data_label="Severity"
        ),
        element(
            "th",
            element("span", rule.title, class_="title"),
            element("span", word_breaks(finding.message), class_="message"),
            scope="row",
            data_label="Finding",
        ),
        element(
            "td",
            element("span", leaf_name(finding.dn), class_="leaf", title=finding.dn),
            element("span", more, class_="more-objects") if more else None,
            data_sort=finding.dn,
            data_label="Object",
        ),
        element("td", word_breaks(finding.account or ""), data_label="Account"),
        element("td", word_breaks(finding.trustee or ""), data_label="Held by"),
        class_="head",
    )
    detail = element("tr", element("td", _detail(finding), colspan=len(_COLUMNS)), class_="detail")
    return element(
        "tbody",
        row,
        detail,
        id=identifier,
        class_=f"finding s-{rule.severity.value}",
        data_severity=rule.severity.value,
        data_rule=rule.id,
        data_account=finding.account or "",
        data_trustee=finding.trustee or "",
    )


def _identifier(finding: Finding) -> str:
    return f"finding-{finding.fingerprint[:12]}"


def _detail(finding: Finding) -> Child:
    rule = finding.rule
    parts: list[Child] = [
        _part("Object", element("p", word_breaks(finding.dn), class_="dn"), _others(finding)),
        _part("Why it matters", element("p", rule.why)),
    ]
    if finding.evidence:
        title = "Entry" if len(finding.evidence) == 1 else "Entries"
        parts.append(_part(title, [_entry(each) for each in finding.evidence]))
    if finding.advice or not finding.mend:
        parts.append(_part("What to do", element("p", finding.advice or rule.mending)))
    if finding.mend:
        parts.append(_part("Command that mends it", code_block(pasteable(finding.mend), "the command")))
    link = element("a", finding.fingerprint, href=f"#{_identifier(finding)}")
    names = f"rule {rule.id}, {rule.category.value}; fingerprint "
    parts.append(element("p", names, link, class_="fingerprint"))
    return element("div", parts, class_="body")


def _part(title: str, *children: Child) -> Markup:
    return element("div", element("h3", title), *children, class_="part")


def _entry(entry: Evidence) -> Markup:
    return element(
        "div",
        element("p", entry.words),
        code_block(entry.sddl, "the entry"),
        element("p", "from ", element("span", word_breaks(entry.origin), class_="dn"), class_="origin")
        if entry.origin
        else None,
        class_="entry",
    )


def _others(finding: Finding) -> Child:
    line = others(finding)
    if line is None:
        return None
    named = [element("li", word_breaks(dn), class_="dn") for dn in finding.others]
    return element("div", element("p", line), element("ul", named) if named else None, class_="others")


def _accepted(finding: Finding) -> Markup:
    return element(
        "tr",
        element("td", severity_mark(finding.rule.severity.value), data_label="Severity"),
        element(
            "th",
            element("span", finding.rule.title, class_="title"),
            element("span", word_breaks(finding.message), class_="message"),
            [element("code", entry.sddl) for entry in finding.evidence],
            scope="row",
            data_label="Finding",
        ),
        element("td", word_breaks(finding.dn), class_="dn", data_label="Object"),
        element("td", finding.accepted.reason if finding.accepted else "", data_label="Because"),
        element("td", until(finding), data_label="Accepted"),
    )
