"""The documentation's site, complete and loading nothing from elsewhere; script/site builds it and runs this."""

from __future__ import annotations

import re
from pathlib import Path

from cli.main import adsyncconfig as commands
from cli.reference import pages

ROOT = Path(__file__).parent.parent
SITE = ROOT / "build" / "site"
#: What makes a browser fetch something; a link that somebody may follow does not.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']?(?P<src>[^"'\s>]+)"""
    r"""|<link\b[^>]*?\bhref=["']?(?P<href>[^"'\s>]+)"""
    r"""|\burl\(["']?(?P<url>(?!data:)[^"')]+)|@import\s+["'](?P<import>[^"']+)"""
)


def test_nothing_is_loaded_from_elsewhere() -> None:
    fetched = {
        (path.relative_to(SITE).as_posix(), next(filter(None, found.groups())))
        for path in [*SITE.rglob("*.html"), *SITE.rglob("*.css")]
        for found in FETCHED.finditer(path.read_text(encoding="utf-8"))
    }
    assert len(fetched) > 100
    assert [(page, what) for page, what in sorted(fetched) if re.match(r"(\w+:)?//", what)] == []


def test_every_page_is_in_the_site() -> None:
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    made = {
        path.with_suffix(".html") if path.name != "README.md" else path.with_name("index.html")
        for path in sources
    }
    assert [path for path in sorted(made) if not (SITE / path).exists()] == []
    assert (SITE / "contributing.html").exists()


def test_every_cmdlet_has_its_page_with_all_its_parameters() -> None:
    for page in pages(commands):
        name = "index" if page.name == "adsyncconfig" else page.name
        shown = (SITE / "reference" / f"{name}.html").read_text(encoding="utf-8")
        terms = [term for _, entries in page.sections for term, _ in entries]
        escaped = [term.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for term in terms]
        assert [term for term in escaped if f"<code>{term}</code>" not in shown] == [], page.name


def test_every_decision_is_listed() -> None:
    shown = (SITE / "decisions" / "index.html").read_text(encoding="utf-8")
    names = [path.stem for path in (ROOT / "docs" / "decisions").glob("0*.md")]
    assert [name for name in names if f'href="{name}.html"' not in shown] == []
