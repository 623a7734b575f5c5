"""script/lab: a directory to try things on, which is what it says it is also after a crash, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import standing_lab
from conftest import require_lab
from contoso_directory import CONNECTOR_DN
from samba_lab import PASSWORD

Lab = Callable[..., "subprocess.CompletedProcess[str]"]

# A root that may not bind ports below 1024, as any other user; Samba then needs namespaces to run in.
WITHOUT_LOW_PORTS = ("setpriv", "--bounding-set=-net_bind_service")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "build" / "lab"


@pytest.fixture
def lab(home: Path) -> Iterator[Lab]:
    """script/lab with a folder of its own, so that a lab of the developer's stays as it is."""
    require_lab()

    def run(*arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, sys.executable, standing_lab.__file__, *arguments],
            env={**os.environ, "LAB_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    yield run
    run("down")


def state(home: Path) -> standing_lab.State:
    return standing_lab.State(**json.loads((home / "state.json").read_text(encoding="utf-8")))


def processes_naming(text: str) -> list[str]:
    commands = [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != str(os.getpid())]
    found = []
    for path in commands:
        try:
            words = path.read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in words:
            found.append(words)
    return found


def assert_works_when_pasted(printed: str) -> None:
    lines = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    assert sum(line.startswith("export ADSYNCCONFIG_") for line in lines) == 4
    # The commands are beside the interpreter that runs the tests, wherever that is.
    script = "\n".join([*lines[1:-2], f"PATH={Path(sys.executable).parent}:$PATH", "set -e", *lines[-2:]])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert CONNECTOR_DN in done.stdout
    assert 'What if: Performing the operation "Grant Group Writeback permissions"' in done.stdout


def test_it_stays_works_as_it_says_and_leaves_nothing(lab: Lab, home: Path) -> None:
    assert lab("status").returncode == standing_lab.ABSENT
    first, second = lab("up"), lab("up")
    assert (first.returncode, first.stderr) == (0, "")
    assert second.stdout == first.stdout
    status = lab("status")
    assert status.returncode == standing_lab.RUNS
    assert status.stdout.startswith("contoso.example: ldaps://127.0.0.")
    assert (home / "password").read_text() == PASSWORD
    assert PASSWORD not in first.stdout + status.stdout
    assert lab("up", "--forest").returncode == standing_lab.FAILED
    assert_works_when_pasted(first.stdout)
    folder = state(home).folder

    down = lab("down")

    assert (down.returncode, down.stdout, down.stderr) == (0, "", "")
    assert not Path(folder).exists()
    assert not home.parent.exists()
    assert processes_naming(folder) == []
    assert lab("status").returncode == standing_lab.ABSENT
    assert lab("down").returncode == 0


def test_after_a_crash_the_status_says_so_and_up_starts_again(lab: Lab, home: Path) -> None:
    lab("up")
    folder = state(home).folder
    os.kill(state(home).keeper, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes_naming(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_naming(folder) == []
    crashed = lab("status")
    assert (crashed.returncode, "ended by itself" in crashed.stdout) == (standing_lab.FAILED, True)
    assert lab("shell", "true").returncode == standing_lab.FAILED
    assert lab("up").returncode == 0
    assert not Path(folder).exists()
    assert lab("status").returncode == standing_lab.RUNS


def test_without_the_right_to_low_ports_a_forest_runs_in_namespaces(lab: Lab, home: Path) -> None:
    up = lab("up", "--forest", before=WITHOUT_LOW_PORTS)
    assert (up.returncode, up.stderr) == (0, "")
    assert state(home).namespaces
    assert "script/lab shell" in up.stdout
    status = lab("status", before=WITHOUT_LOW_PORTS)
    assert status.returncode == standing_lab.RUNS
    assert [line.partition(": ")[0] for line in status.stdout.splitlines()[:2]] == [
        "contoso.example",
        "emea.contoso.example",
    ]
    what_if = (
        "Set-ADSyncBasicReadPermissions", "-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", "--json",
    )  # fmt: skip
    inside = lab("shell", *what_if, before=WITHOUT_LOW_PORTS)
    changes = json.loads(inside.stdout)["changes"]
    assert [change["dn"] for change in changes] == ["DC=contoso,DC=example", "DC=emea,DC=contoso,DC=example"]
    assert lab("down", before=WITHOUT_LOW_PORTS).returncode == 0
    assert not home.exists()
