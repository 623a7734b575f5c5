"""The wheel and the sdist as a user gets them; `script/nox -s package` builds them and runs this.

`PACKAGE` names the folder: dist/ holds an sdist and the wheel that was built out of it, direct/ the wheel that
was built from the source tree, empty/ an environment with nothing in it but that wheel and what it needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cli.main import adsyncconfig as commands

ROOT = Path(__file__).parent.parent
HOME = Path(os.environ["PACKAGE"])
BIN = HOME / "empty" / ("Scripts" if os.name == "nt" else "bin")
NAMES = ["adsyncconfig", *commands.cmdlets]
#: What is for this repository alone.
NOT_IN_SDIST = (".ci/", ".gitignore")


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    (path,) = (HOME / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_sdist_builds_the_same_wheel_as_the_source_tree() -> None:
    ((one,), (other,)) = (list((HOME / folder).glob("*.whl")) for folder in ("dist", "direct"))
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def test_the_wheel_carries_its_licence_its_types_its_data_and_its_man_pages(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    info = metadata.partition("/")[0]
    for file in ("LICENSE", "NOTICE"):
        assert wheel.read(f"{info}/licenses/{file}") == (ROOT / file).read_bytes()
    said = wheel.read(metadata).decode()
    assert "\nLicense-Expression: MIT\n" in said
    assert {f"{package}/py.typed" for package in ("acl", "adsyncconfig", "cli")} <= set(names)
    assert {"adsyncconfig/data/schema.json", "cli/shells/completion.ps1"} <= set(names)
    data = info.replace(".dist-info", ".data")
    assert [name for name in NAMES if f"{data}/data/share/man/man1/{name}.1" not in names] == []
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"acl", "adsyncconfig", "cli", info, data}


def test_every_module_of_the_source_tree_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("acl", "adsyncconfig", "cli")
        for path in (ROOT / package).rglob("*.py")
    }
    assert modules == {name for name in wheel.namelist() if name.endswith(".py")}


def test_the_sdist_holds_everything_but_what_is_for_the_repository_alone() -> None:
    (path,) = (HOME / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = {name for name in listed.stdout.splitlines() if not name.startswith(NOT_IN_SDIST)}
    assert tracked - held == set()
    # hatchling takes .gitignore along for builders that read it.
    assert held - tracked == {"PKG-INFO", ".gitignore"}


def test_every_command_shows_its_help_in_an_empty_environment() -> None:
    installed = {path.stem for path in BIN.iterdir()} - {"adsyncconfig"}
    assert {name for name in installed if "ADSync" in name or "AADCloud" in name} == set(commands.cmdlets)
    for name in NAMES:
        done = subprocess.run([BIN / name, "--help"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith(f"Usage: {name}"), name


def test_a_command_does_its_work_there(snapshot_file: Path, tmp_path: Path) -> None:
    account = "CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example"
    done = subprocess.run(
        [
            BIN / "Set-ADSyncUnifiedGroupWritebackPermissions",
            *("-ADConnectorAccountDN", account, "-ADobjectDN", "OU=Writeback,DC=contoso,DC=example"),
            *("-Confirm:$false", "--snapshot", snapshot_file, "--journal", tmp_path / "journal"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_tests_of_the_sdist_run(tmp_path: Path) -> None:
    (path,) = (HOME / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    collected = _pytest(root, "--collect-only")
    assert collected.returncode == 0, collected.stdout
    done = _pytest(root, "tests/test_documentation.py", "tests/test_schema_table.py", "tests/test_plan.py")
    assert done.returncode == 0, done.stdout


def _pytest(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # `-I` leaves out PYTHONPATH and the current folder, and so the source tree of this run.
    code = f"import sys; sys.path.insert(0, {str(root)!r}); import pytest; sys.exit(pytest.main())"
    return subprocess.run(
        [sys.executable, "-I", "-c", code, "-q", "-p", "no:cacheprovider", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
