"""The rules of the house, read off the source: which package may import which, and who may touch the world."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("acl", "adsyncconfig", "cli")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
BELOW = {"acl": {"acl"}, "adsyncconfig": {"acl", "adsyncconfig"}, "cli": {"adsyncconfig", "cli"}}
# Parts of the standard library that reach out of the process, or hold what may.
WORLD = {
    "asyncio", "ctypes", "dbm", "fcntl", "fileinput", "ftplib", "glob", "http", "importlib", "io", "linecache",
    "logging", "mmap", "multiprocessing", "os", "pathlib", "pdb", "platform", "poplib", "pty", "runpy", "select",
    "selectors", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "urllib", "webbrowser", "xmlrpc", "zipfile",
}  # fmt: skip
CALLS = {"open", "print", "input", "exec", "eval", "compile", "breakpoint", "__import__"}
#: What of the Directory protocol writes, and who defines it; everyone else asks apply.py.
WRITES = {"write_dacl", "write_owner", "modify_values", "set_password"}
WRITERS = {"apply.py", "directory.py", "live.py", "snapshot.py"}


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _package(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


def _nodes(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file)))


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """The absolute name of every module imported, with its line; relative imports count by their package."""
    for node in _nodes(file):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                # A folder inside a package may import its own modules, or those of the package.
                assert node.level <= len(file.relative_to(ROOT).parts) - 1, (
                    f"{_name(file)}:{node.lineno} climbs"
                )
                yield _package(file), node.lineno
            else:
                yield node.module or "", node.lineno


def _calls(file: Path) -> Iterator[tuple[str, int]]:
    """The plain name of everything called: ``f`` of ``f()``, ``g`` of ``x.g()``."""
    for node in _nodes(file):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id, node.lineno
            elif isinstance(function, ast.Attribute):
                yield "." + function.attr, node.lineno


def test_there_is_something_to_read() -> None:
    assert {_package(file) for file in FILES} == set(PACKAGES)
    assert {name for name, _ in _imports(ROOT / "acl" / "descriptor.py")} >= {"acl", "struct"}


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_imports_go_one_way(file: Path) -> None:
    allowed = BELOW[_package(file)]
    wrong = [
        f"{_name(file)}:{line} imports {name}"
        for name, line in _imports(file)
        if name.split(".")[0] in PACKAGES and name.split(".")[0] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_within_a_package_imports_are_relative(file: Path) -> None:
    wrong = [
        f"{_name(file)}:{node.lineno}"
        for node in _nodes(file)
        if isinstance(node, ast.ImportFrom)
        and not node.level
        and (node.module or "").split(".")[0] == _package(file)
    ]
    assert not wrong


@pytest.mark.parametrize("file", [file for file in FILES if _package(file) == "acl"], ids=_name)
def test_the_engine_is_pure(file: Path) -> None:
    tops = {(name.split(".")[0], line) for name, line in _imports(file)}
    foreign = {(top, line) for top, line in tops if top != "acl" and top not in sys.stdlib_module_names}
    assert not foreign, f"{_name(file)} imports more than the standard library: {foreign}"
    assert not {(top, line) for top, line in tops if top in WORLD}, f"{_name(file)} reaches out"
    assert not {(name, line) for name, line in _calls(file) if name in CALLS}, f"{_name(file)} does I/O"


#: Connecting, logging on, and what is asked then: four files, so that each has one idea.
LDAP = {f"adsyncconfig/{name}.py" for name in ("transport", "logon", "ntlm", "live")}


def test_only_the_files_of_the_connection_know_ldap3() -> None:
    knows = {_name(file) for file in FILES for name, _ in _imports(file) if name.split(".")[0] == "ldap3"}
    assert knows <= LDAP


def test_only_apply_writes() -> None:
    callers = {_name(file) for file in FILES for name, _ in _calls(file) if name.lstrip(".") in WRITES}
    assert callers == {"adsyncconfig/apply.py"}
    defined = {
        _name(file)
        for file in FILES
        for node in _nodes(file)
        if isinstance(node, ast.FunctionDef) and node.name in WRITES
    }
    assert defined <= {f"adsyncconfig/{name}" for name in WRITERS}


@pytest.mark.parametrize("file", [file for file in FILES if _package(file) != "cli"], ids=_name)
def test_only_the_command_line_prints_and_exits(file: Path) -> None:
    said = {
        (name, line) for name, line in _calls(file) if name in ("print", ".echo", ".secho", "exit", ".exit")
    }
    assert not said
    assert not [name for name, _ in _imports(file) if name.split(".")[0] == "click"]


@pytest.mark.parametrize("module", ["acl", "adsyncconfig"])
def test_importing_a_library_does_not_import_ldap3_or_the_command_line(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"ldap3", "click", "cli", "cryptography"}
    if module == "acl":
        assert "adsyncconfig" not in loaded
