"""The man pages: one for each command, complete, and without a complaint from those who format them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.main import adsyncconfig as commands
from cli.man_page import man_pages
from cli.reference import EXIT_CODES, pages

ROOT = Path(__file__).parent.parent
# Long lines of source are none of a reader's business.
IGNORED = "input text line longer than 80 bytes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("man")
    for name, text in man_pages(commands, "0.1.0", "2026-01-02"):
        (made / name).write_text(text, encoding="utf-8")
    return made


def complaints(folder: Path, *command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        text = f"{command[0]} is not installed: script/install-shells"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    names = sorted(path.name for path in folder.iterdir())
    done = subprocess.run([*command, *names], cwd=folder, capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if IGNORED not in line]


def formatted(folder: Path, name: str) -> str:
    done = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=200", folder / f"{name}.1"],
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r".\x08", "", done.stdout)


def test_every_command_has_one_and_each_is_listed_in_the_first(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.1" for name in ("adsyncconfig", *commands.cmdlets)
    }
    shown = formatted(folder, "adsyncconfig")
    assert [name for name in commands.cmdlets if shown.count(name) < 2] == []


def test_mandoc_and_groff_find_nothing_to_complain_about(folder: Path) -> None:
    assert complaints(folder, "mandoc", "-T", "lint", "-W", "style") == []
    assert complaints(folder, "groff", "-man", "-K", "utf-8", "-T", "utf8", "-ww", "-z") == []


def test_a_page_shows_what_the_help_says_to_the_letter(folder: Path) -> None:
    for page in pages(commands):
        shown = " ".join(formatted(folder, page.name).split())
        said = [entry for _, entries in page.sections for term_and_text in entries for entry in term_and_text]
        said += [
            block.text for block in (*page.description, *page.epilog) if not block.text.endswith("Examples:")
        ]
        missing = [text for text in said if " ".join(text.split()) not in shown]
        assert missing == [], page.name


def test_the_exit_codes_are_those_of_the_readme() -> None:
    rows = re.findall(
        r"^\| (\d+) \| (.+?) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {int(code): f"{text[0].upper()}{text[1:]}." for code, text in rows} == EXIT_CODES
