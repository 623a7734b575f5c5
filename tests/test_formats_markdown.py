"""Markdown: as a reader of CommonMark with tables sees it, and no markup that comes from the directory."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from sample_comparison import equal_comparison, hostile_comparison, sample_comparison
from sample_report import HOSTILE_NAMES, clean_report, hostile_report, sample_report

from cli import formats
from cli.formats import marking
from cli.formats.visible import printable

#: What a document of ours holds, and nothing more.
OURS = {
    "h1", "h2", "h3", "h4", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "ul", "li",
}  # fmt: skip


class Page(HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text: list[str] = []
        self.code: list[str] = []
        self._in_code = False
        # Raw HTML and links without markup, as GitHub has them.
        reader = MarkdownIt("commonmark", {"html": True}).enable("table")
        self.feed(reader.render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)
        if tag == "code":
            self._in_code = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self._in_code = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._in_code:
            self.code[-1] += data

    @property
    def prose(self) -> str:
        return "".join(self.text)


def test_a_report_has_every_finding_with_its_command_in_code() -> None:
    report = sample_report()
    page = Page("".join(formats.audit(report, "markdown")))
    assert page.tags == OURS
    for finding in report.findings:
        assert finding.message in page.prose
        assert finding.dn in page.prose
        if finding.accepted is None:
            assert finding.dn in page.code
            assert finding.mend is None or f"{finding.mend}\n" in page.code
            for entry in finding.evidence:
                assert entry.sddl in page.code
                assert entry.words in page.prose
        else:
            assert finding.accepted.reason in page.prose
    assert report.not_read[0] in page.prose


def test_hostile_names_are_text_and_nothing_else() -> None:
    report = hostile_report()
    page = Page("".join(formats.audit(report, "markdown")))
    assert page.tags <= OURS
    assert {name for name, _ in page.attributes} <= {"class"}
    for name in HOSTILE_NAMES:
        assert page.prose.count(printable(name)) >= 8


def test_hostile_names_are_text_in_a_comparison_too() -> None:
    page = Page("".join(formats.comparison(hostile_comparison(), "markdown")))
    assert page.tags <= OURS
    assert {name for name, _ in page.attributes} <= {"class"}
    for name in HOSTILE_NAMES:
        assert page.prose.count(printable(name)) >= 4


def test_the_tables_keep_their_columns_whatever_is_in_a_cell() -> None:
    for line in "".join(formats.audit(hostile_report(), "markdown")).splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5, 7)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_prose_code_and_fences_hold_any_text(name: str) -> None:
    shown = printable(name)
    for made in (marking.escaped(name), marking.code(name)):
        page = Page(f"before {made} after\n")
        assert page.prose.strip() == f"before {shown} after"
    assert Page(marking.fence(shown)).code == [f"{shown}\n"]
    table = Page(f"| a |\n| --- |\n| {marking.cell(name)} |\n")
    assert shown in table.prose


def test_a_clean_report_has_no_findings_in_it() -> None:
    text = "".join(formats.audit(clean_report(), "markdown"))
    assert "## Findings" not in text
    assert "Nothing is wrong in what was read" in Page(text).prose


def test_a_comparison_shows_entries_as_a_diff() -> None:
    page = Page("".join(formats.comparison(sample_comparison(), "markdown")))
    diffs = [code for code in page.code if code.startswith(("+", "-"))]
    assert len(diffs) == 4
    assert diffs[0].splitlines()[0].startswith("- (D;;WD;;;WD)")
    assert ("class", "language-diff") in page.attributes
    assert "owner CONTOSO\\Domain Admins, now CONTOSO\\kim" in page.prose
    assert "inheritance is now blocked" in page.prose
    assert "No permissions differ." in Page("".join(formats.comparison(equal_comparison(), "markdown"))).prose
