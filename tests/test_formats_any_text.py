"""Whatever text a name is, each form gives it back as text: HTML, Markdown, CSV, JSON, and a command line."""

from __future__ import annotations

import csv
import json
import shlex
from io import StringIO

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sample_report import HOSTILE_NAMES
from test_formats_html import Page as HtmlPage
from test_formats_markdown import Page as MarkdownPage

from cli.formats import marking
from cli.formats.csv_ import row
from cli.formats.markup import element
from cli.formats.visible import pasteable, printable, without_controls

SPECIAL = "\\`*_{}[]()#+-.!|<>~&:@$=\"'w1 \n\t;,/hptm\x1b\x9b\u202e\u2028\udcff\ud800"
TEXTS = st.one_of(
    st.text(alphabet=st.one_of(st.sampled_from(SPECIAL), st.characters()), max_size=40),
    st.sampled_from(HOSTILE_NAMES),
)
often = settings(max_examples=300, deadline=None)


@often
@given(TEXTS)
def test_markdown(text: str) -> None:
    shown = printable(text)
    assert MarkdownPage(f"a{marking.escaped(text)}b\n").prose.strip("\n") == f"a{shown}b"
    table = MarkdownPage(f"| a |\n| --- |\n| x{marking.cell(text)}x |\n")
    assert f"x{shown}x" in table.prose
    assert table.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert MarkdownPage(marking.fence(shown)).code == [f"{shown}\n"]
    if shown.strip():
        assert MarkdownPage(f"a{marking.code(text)}b\n").prose.strip("\n") == f"a{shown}b"


@often
@given(TEXTS)
def test_html(text: str) -> None:
    page = HtmlPage(element("p", text, title=text))
    assert page.texts["p"] == [printable(text)]
    assert page.elements[0] == ("p", {"title": printable(text)})
    assert {tag for tag, _ in page.elements} <= {"p", "span"}


@often
@given(TEXTS)
def test_csv(text: str) -> None:
    ((cell, after),) = csv.reader(StringIO(row([text, "after"]), newline=""), strict=True)
    assert after == "after"
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    lines = [printable(line) for line in text.split("\n")]
    assert [a.replace("'", "") for a in cell.split("\n")] == [b.replace("'", "") for b in lines]


@often
@given(TEXTS)
def test_json(text: str) -> None:
    written = without_controls(json.dumps([text], ensure_ascii=False))
    assert written.isprintable()
    assert json.loads(written) == [text]


@often
@given(TEXTS)
@example("'\\")
def test_a_command(text: str) -> None:
    shown = pasteable(f"Enable-ADSyncInheritance -ADobjectDN {shlex.quote(text)}")
    assert shown.isprintable()
    if text.isprintable():
        assert shlex.split(shown)[-1] == text
