"""The examples in the documentation run, and every public cmdlet has one."""

from __future__ import annotations

import ast
import doctest
import re
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from samba_lab import CONTOSO

import adsyncconfig
from acl import SecurityDescriptor
from adsyncconfig.dn import DistinguishedName
from cli.main import adsyncconfig as commands

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / "docs" / "python.md"
#: Distributions that are imported under another name.
IMPORT_NAMES = {"dnspython": "dns"}


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
        if re.match(r"(compare|enable|export|get|set|show|test|remove|repair|undo|invoke)_", name)
    ]
    assert [name for name in functions if name not in page] == []
    commanded = {cmdlet.target.partition(":")[2] for cmdlet in commands.cmdlets.values()}
    assert set(functions) == commanded
    scripts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert [name for name in commands.cmdlets if f"\n{name} = " not in scripts] == []


def examples(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_examples_for_contributors_work_and_fit_on_a_screen(snapshot_file: Path) -> None:
    cmdlet, rule = examples("CONTRIBUTING.md")
    assert max(len(example.splitlines()) for example in (cmdlet, rule)) <= 20

    values: dict[str, Any] = {}
    exec(cmdlet, values)
    arguments = ["OU=Writeback,DC=contoso,DC=example", "--snapshot", str(snapshot_file)]
    done = CliRunner().invoke(values["get_adsync_owner"], arguments)
    assert done.output == f"{CONTOSO.sid}-512\n"  # Domain Admins

    values = {}
    exec(rule, values)
    (check,) = values["CHECKS"]
    dn = DistinguishedName.parse("OU=Writeback,DC=contoso,DC=example")
    for sddl, findings in (("O:BAG:BAD:", 1), ("O:BAG:BAD:(A;;GR;;;AU)", 0)):
        seen = SimpleNamespace(dn=dn, descriptor=SecurityDescriptor.from_sddl(sddl))
        seen.aces = seen.descriptor.dacl.aces
        assert len(list(check.look(None, seen))) == findings


def test_each_dependency_is_in_its_document_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {_distribution(each) for each in project["dependencies"]}
    extras = project["optional-dependencies"]
    kerberos = {_distribution(each) for each in extras["kerberos"]}
    others = {(name, _distribution(each)) for name in extras if name != "kerberos" for each in extras[name]}

    parts = re.split(
        r"^## ", (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    rows = {
        heading.partition("\n")[0]: re.findall(
            r"^\| `([\w-]+)` \| (?:`([\w-]+)` \| )?\S.*\|$", heading, re.MULTILINE
        )
        for heading in parts
    }
    assert {first for first, _ in rows["Needed to run"]} == needed
    assert {first for first, _ in rows["Needed for Kerberos: the extra `kerberos`"]} == kerberos
    assert set(rows["Needed to work on it"]) == others


def test_each_dependency_is_imported_and_nothing_else_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["kerberos"]]
    imported: set[str] = set()
    for package in ("acl", "adsyncconfig", "cli"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    imported.add(node.module.partition(".")[0])
    third_party = imported - sys.stdlib_module_names - {"acl", "adsyncconfig", "cli"}
    # pyasn1 works under ldap3, and is named for its lower bound, which is tested.
    assert third_party == {IMPORT_NAMES.get(name, name) for name in map(_distribution, declared)} - {"pyasn1"}


def _distribution(requirement: str) -> str:
    """The name in a requirement such as `build[uv]>=1.2`."""
    match = re.match(r"[\w-]+", requirement)
    assert match is not None
    return match[0]
