"""Every command in the documentation runs, and prints what its page says."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from documents import COLUMNS, Command, Document, Outcome, run, with_outputs
from expectations import CONTOSO_SNAPSHOT
from samba_lab import DomainController, Forest

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sys.executable).parent
PAGES = {
    path.relative_to(ROOT).as_posix(): Document.read(path)
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    if path.exists()
}
#: These are read elsewhere too, where a page's first lines would be shown as text.
ELSEWHERE = {"README.md": "lab", "CONTRIBUTING.md": "offline"}
#: What the README's first example takes for granted: what its second one sets.
GRANTED = {
    "README.md": """\
export ADSYNCCONFIG_SERVER=ldaps://dc1.contoso.example ADSYNCCONFIG_USER=admin@contoso.example
export ADSYNCCONFIG_CA_FILE=contoso-ca.pem ou=OU=Writeback,DC=contoso,DC=example
account=CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example
"""
}


def place(name: str) -> str | None:
    return PAGES[name].runs or ELSEWHERE.get(name)


def of_place(*places: str) -> list[str]:
    return [name for name in PAGES if place(name) in places]


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "CI") if name in os.environ}
    return {
        **kept,
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LAB_HOME": str(home / "lab"),
        "TERM": "xterm",
        "COLUMNS": str(COLUMNS),
        "PYTHONPATH": "",
        **more,
    }


def session(name: str, folder: Path, meant: Mapping[str, str] | None = None, **more: str) -> list[Outcome]:
    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    shutil.copy(CONTOSO_SNAPSHOT, work / "contoso.jsonl")
    (work / "fixtures").symlink_to(ROOT / "fixtures")  # as in a clone
    (work / "password.txt").write_text(f"{more.get('ADSYNCCONFIG_PASSWORD', '')}\n", encoding="utf-8")
    names = {**(meant or {}), "/home/you/trial": str(work), "/home/you": str(home)}
    page = PAGES[name]
    if name in GRANTED:
        page = replace(page, commands=(Command(0, GRANTED[name]), *page.commands))
    outcomes = run(page, work, repository=ROOT, environment=environment(home, **more), meant=names)
    if os.environ.get("WRITE_DOCUMENTS"):  # for who writes a page: what was printed goes into it
        path = PAGES[name].path
        path.write_text(with_outputs(path.read_text(encoding="utf-8"), outcomes), encoding="utf-8")
    return outcomes


def assert_as_documented(name: str, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        command = outcome.command
        assert outcome.as_documented, (
            f"{name}:{command.line}: {command.text}"
            f"-- wanted (code {command.exit_code}):\n{command.expected or '(anything)'}"
            f"-- printed (code {outcome.exit_code}):\n{outcome.output}"
        )


def meant_by(*controllers: DomainController) -> dict[str, str]:
    """What the names on the pages stand for, longer ones first."""
    return {
        **{f"dc1.{each.realm}": each.host for each in reversed(controllers)},
        "admin@contoso.example": controllers[0].administrator,
        "contoso-ca.pem": str(controllers[0].ca_file),
    }


def test_every_page_with_commands_says_where_they_run() -> None:
    assert [name for name, page in PAGES.items() if page.commands and place(name) is None] == []
    assert [name for name, page in PAGES.items() if page.unexplained] == [], [
        page.unexplained for page in PAGES.values() if page.unexplained
    ]


def test_every_block_ends_before_the_next_begins() -> None:
    for name, page in PAGES.items():
        fences = re.findall(r"^```([\w-]*)", page.path.read_text(encoding="utf-8"), re.MULTILINE)
        assert all(fences[0::2]), name
        assert not any(fences[1::2]), name


@pytest.mark.parametrize("name", of_place("offline"))
def test_the_commands_of_a_page_that_needs_no_server(name: str, tmp_path: Path) -> None:
    assert_as_documented(name, session(name, tmp_path))


@pytest.mark.usefixtures("permissions_restored")
@pytest.mark.parametrize("name", of_place("lab"))
def test_the_commands_of_a_page_for_a_controller(
    name: str, contoso: DomainController, tmp_path: Path
) -> None:
    password = {"ADSYNCCONFIG_PASSWORD": contoso.password}
    assert_as_documented(name, session(name, tmp_path, meant_by(contoso), **password))


@pytest.mark.usefixtures("forest_restored")
@pytest.mark.parametrize("name", of_place("forest"))
def test_the_commands_of_a_page_for_a_forest(name: str, forest: Forest, tmp_path: Path) -> None:
    password = {"ADSYNCCONFIG_PASSWORD": forest.root.password}
    assert_as_documented(name, session(name, tmp_path, meant_by(forest.root, forest.child), **password))
