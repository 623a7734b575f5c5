"""The examples in the documentation run, and every public cmdlet has one."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import adsyncconfig
from cli.main import adsyncconfig as commands

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / "docs" / "python.md"


def run(name: str, text: str, values: dict[str, object]) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    test = doctest.DocTestParser().get_doctest(text, values, name, name, 0)
    outcome = doctest.DocTestRunner(optionflags=flags).run(test, clear_globs=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_examples_of_the_python_page(snapshot_file: Path, tmp_path: Path) -> None:
    text = re.sub(r"^```.*$", "", PYTHON.read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = {"snapshot": snapshot_file, "journal": tmp_path / "run.jsonl", "plan": tmp_path / "plan.json"}
    run("docs/python.md", text, dict(files))


def test_the_example_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run("adsyncconfig", adsyncconfig.__doc__ or "", {})


def test_every_cmdlet_is_a_function_with_an_example_and_a_command_of_its_own() -> None:
    page = PYTHON.read_text(encoding="utf-8")
    functions = [
        name
        for name in adsyncconfig.__all__
        if re.match(r"(enable|get|set|show|test|remove|repair|undo|invoke)_", name)
    ]
    assert [name for name in functions if name not in page] == []
    commanded = {cmdlet.target.partition(":")[2] for cmdlet in commands.cmdlets.values()}
    assert set(functions) == commanded
    scripts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert [name for name in commands.cmdlets if f"\n{name} = " not in scripts] == []
