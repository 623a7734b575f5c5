"""What the documentation's site has beyond the files in docs: mkdocs calls these functions while it builds.

- The reference: a page for each command, made from its help, so that it is never behind.
- CONTRIBUTING.md and CHANGELOG.md, which are read at the top of the repository too.
- The navigation. A page that no part of it names is listed under "More".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from cli.main import adsyncconfig  # noqa: E402 - from this source tree, installed or not
from cli.reference import EXIT_CODES, Block, Page, pages  # noqa: E402

PARTS: Final[dict[str, list[str]]] = {
    "Start here": ["index.md", "install.md"],
    "Tasks": [
        "tasks/group-writeback.md",
        "tasks/least-privilege.md",
        "tasks/verify.md",
        "tasks/undo.md",
        "tasks/audit.md",
        "tasks/changes.md",
        "tasks/policy.md",
        "tasks/several-domains.md",
        "tasks/pipelines.md",
        "python.md",
    ],
    "Reference": [],  # generated
    "Background": [
        "audit-rules.md",
        "authentication.md",
        "compatibility.md",
        "security.md",
        "reliability.md",
        "needs.md",
        "architecture.md",
        "engine.md",
        "dependencies.md",
    ],
    "Working on it": ["contributing.md", "changelog.md", "decisions/README.md"],
    "More": [],  # what is there beyond these
}
FROM_ABOVE: Final = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here, and put every page in the navigation."""
    parts = {heading: list(names) for heading, names in PARTS.items()}
    for name, text in reference():
        files.append(File.generated(config, name, content=text))
        parts["Reference"].append(name)
    for name, source in FROM_ABOVE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text.replace("](docs/", "](")))
    named = {name for names in parts.values() for name in names}
    parts["More"] += [
        file.src_uri
        for file in files.documentation_pages()
        if file.src_uri not in named and not file.src_uri.startswith("decisions/")
    ]
    config.nav = [{heading: names} for heading, names in parts.items() if names]
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """List the decisions below the page that introduces them."""
    if page.file.src_uri != "decisions/README.md":
        return markdown
    decisions = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    titles = [path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in decisions]
    listed = [f"- [{title}]({path.name})" for title, path in zip(titles, decisions, strict=True)]
    return "\n".join([markdown, "", *listed, ""])


# -- the reference -------------------------------------------------------------------------------------------


def reference() -> Iterator[tuple[str, str]]:
    """Give each page of the reference: its file name and its text."""
    main, *cmdlets = pages(adsyncconfig)
    yield "reference/index.md", "\n".join(_overview(main, cmdlets))
    for page in cmdlets:
        yield f"reference/{page.name}.md", "\n".join(_page(page))


def _overview(main: Page, cmdlets: list[Page]) -> Iterator[str]:
    yield from ("# All cmdlets", "", _text(main.synopsis), "", "| Cmdlet | |", "|---|---|")
    yield from (f"| [`{page.name}`]({page.name}.md) | {_cell(page.synopsis)} |" for page in cmdlets)
    yield from ("", *_blocks(main.description), "## Exit codes", "", "| Code | |", "|---|---|")
    yield from (f"| {code} | {_cell(text)} |" for code, text in EXIT_CODES.items())
    for heading, entries in main.sections:
        yield from ("", f"## {heading} of `{main.name}` itself", "", *_entries(entries))


def _page(page: Page) -> Iterator[str]:
    yield from (f"# {page.name}", "", _text(page.synopsis), "", "```text", *_folded(page.usage), "```", "")
    yield from _blocks(page.description)
    for heading, entries in page.sections:
        yield from (f"## {heading}", "", *_entries(entries))
    yield from _blocks(page.epilog)


def _entries(entries: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, text in entries:
        yield from (f"`{term}`", f":   {_text(text)}", "")


def _blocks(blocks: tuple[Block, ...]) -> Iterator[str]:
    for block in blocks:
        if block.kept:
            yield from ("```text", block.text, "```", "")
        elif block.text.endswith(":") and " " not in block.text:
            yield from (f"## {block.text[:-1]}", "")
        else:
            yield from (_text(block.text), "")


def _folded(usage: str) -> Iterator[str]:
    """One parameter a line: the pieces of the syntax are apart where a bracket or a dash begins."""
    name, *pieces = re.split(r" (?=\[|-)", usage)
    yield name
    yield from (f"    {piece}" for piece in pieces)


def _text(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]{}#|])", r"\\\1", " ".join(text.split()))


def _cell(text: str) -> str:
    return _text(text)
