"""Killed at any point: a second run completes what the first began, and undo takes back what it did.

SIGKILL comes at every step of a run in turn: before and after each request, each file made, and in the middle of
each line of the journal. The directory is a real controller.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR_DN
from samba_lab import DomainController, Forest

import adsyncconfig
from acl import Ace, SecurityDescriptor
from adsyncconfig import JournalError, SetResult
from adsyncconfig.journal import read_journal
from adsyncconfig.live import LiveDirectory

GRANT = "set_adsync_unified_group_writeback_permissions"
UNDO = "undo_adsync_permissions"
INVOKE = "invoke_adsync_plan"
#: A child that runs to its end despite this many steps has a defect.
MOST_STEPS = 200


class Objects:
    """The objects of a run, read and put back as somebody at the controllers would."""

    def __init__(self, places: list[tuple[Any, str]]) -> None:
        self.places = places
        self.start = self.now()

    def now(self) -> list[bytes]:
        return [trying.read_descriptor(connection, dn) for connection, dn in self.places]

    def changed(self) -> int:
        """How many have entries of their own that they had not; what they inherit is not counted."""
        pairs = zip(map(_own, self.now()), map(_own, self.start), strict=True)
        return sum(one != other for one, other in pairs)

    def put_back(self) -> None:
        for (connection, dn), descriptor in zip(self.places, self.start, strict=True):
            if trying.read_descriptor(connection, dn) != descriptor:
                assert trying.write_dacl(connection, dn, descriptor) == trying.SUCCESS


def _own(descriptor: bytes) -> list[Ace]:
    dacl = SecurityDescriptor.from_bytes(descriptor).dacl
    return [ace for ace in dacl or () if not ace.is_inherited]


@pytest.fixture
def forest_objects(forest: Forest, forest_restored: None, connect_as: ConnectAs) -> Objects:
    """Both domains' roots and AdminSDHolders."""
    return Objects(
        [
            (connection, dn)
            for each in (forest.root, forest.child)
            for connection in [connect_as(each, each.administrator)]
            for dn in (each.base_dn, f"CN=AdminSDHolder,CN=System,{each.base_dn}")
        ]
    )


@pytest.fixture
def forest_directory(forest: Forest) -> Iterator[LiveDirectory]:
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        yield directory


def connection_of(controller: DomainController, **more: Any) -> dict[str, Any]:
    return {
        "server": controller.url, "user": controller.administrator, "password": controller.password,
        "ca_file": str(controller.ca_file), **more,
    }  # fmt: skip


def killed_at(step: int, function: str, options: dict[str, Any]) -> bool:
    """Run a function in a process that is killed at this step; False when it ended before."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("killed_run.py"), str(step), function, json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    if done.returncode == -signal.SIGKILL:
        return True
    assert done.returncode == 0, done.stderr
    return False


def undo(directory: LiveDirectory, journal: Path) -> SetResult | None:
    """Undo by a journal as a run left it: none, or one whose first line was never finished, wrote nothing."""
    if not journal.exists():
        return None
    try:
        read_journal(journal)
    except JournalError as error:
        assert "its run wrote nothing" in str(error) or "is empty" in str(error)  # noqa: PT017
        return None
    return adsyncconfig.undo_adsync_permissions(directory, journal_path=journal)


def test_a_killed_grant_is_completed_by_a_second_and_taken_back_by_undo(
    forest: Forest, forest_directory: LiveDirectory, forest_objects: Objects, tmp_path: Path
) -> None:
    parameters = {"ad_connector_account_dn": CONNECTOR_DN, "include_admin_sd_holders": True, "force": True}
    servers = {forest.child.realm: forest.child.url}
    options = {**parameters, "connection": connection_of(forest.root, servers=servers)}
    grant = getattr(adsyncconfig, GRANT)
    grant(forest_directory, **parameters)
    complete = forest_objects.now()
    forest_objects.put_back()

    reached = set()
    for step in range(1, MOST_STEPS):
        journal, second = tmp_path / f"{step}.jsonl", tmp_path / f"{step}-second.jsonl"
        if not killed_at(step, GRANT, {**options, "journal": str(journal)}):
            break
        left = forest_objects.now()
        reached.add(forest_objects.changed())
        if left == forest_objects.start and not journal.exists():
            continue  # killed while it only read: a second run is a first one

        grant(forest_directory, **parameters, journal=second)
        assert forest_objects.now() == complete, step
        undo(forest_directory, second)
        assert forest_objects.now() == left, step
        undo(forest_directory, journal)
        assert forest_objects.now() == forest_objects.start, step
    else:
        pytest.fail(f"still not done after {MOST_STEPS} steps")
    assert reached == {0, 1, 2, 3, 4}  # killed with none, some and all of the four objects written
    assert forest_objects.now() == complete


def test_a_killed_undo_is_completed_by_a_second_and_taken_back_by_its_own_journal(
    forest: Forest, forest_directory: LiveDirectory, forest_objects: Objects, tmp_path: Path
) -> None:
    first = tmp_path / "first.jsonl"
    grant = getattr(adsyncconfig, GRANT)
    grant(
        forest_directory,
        ad_connector_account_dn=CONNECTOR_DN,
        include_admin_sd_holders=True,
        force=True,
        journal=first,
    )
    granted = forest_objects.now()
    servers = {forest.child.realm: forest.child.url}
    options = {"journal_path": str(first), "connection": connection_of(forest.root, servers=servers)}

    for step in range(1, MOST_STEPS):
        own, second = tmp_path / f"{step}.jsonl", tmp_path / f"{step}-second.jsonl"
        if not killed_at(step, UNDO, {**options, "journal": str(own)}):
            break
        left = forest_objects.now()
        adsyncconfig.undo_adsync_permissions(forest_directory, journal_path=first, journal=second)
        assert forest_objects.now() == forest_objects.start, step
        undo(forest_directory, second)
        assert forest_objects.now() == left, step
        undo(forest_directory, own)
        assert forest_objects.now() == granted, step
    else:
        pytest.fail(f"still not done after {MOST_STEPS} steps")
    assert forest_objects.now() == forest_objects.start


@pytest.mark.usefixtures("permissions_restored")
def test_a_killed_plan_is_completed_by_applying_it_again(
    contoso: DomainController, directory: LiveDirectory, administrator: Any, tmp_path: Path
) -> None:
    domain = contoso.base_dn
    objects = Objects([(administrator, domain), (administrator, f"CN=AdminSDHolder,CN=System,{domain}")])
    plan = tmp_path / "plan.json"
    getattr(adsyncconfig, GRANT)(
        directory,
        ad_connector_account_dn=CONNECTOR_DN,
        include_admin_sd_holders=True,
        force=True,
        what_if=True,
        plan_out=plan,
    )
    options = {"path": str(plan), "connection": connection_of(contoso)}
    for step in range(1, MOST_STEPS):
        journal = tmp_path / f"{step}.jsonl"
        if not killed_at(step, INVOKE, {**options, "journal": str(journal)}):
            break
        second = tmp_path / f"{step}-second.jsonl"
        result = adsyncconfig.invoke_adsync_plan(directory, path=plan, journal=second)
        assert {change.status for change in result.changes} <= {"applied", "unchanged"}
        again = adsyncconfig.invoke_adsync_plan(directory, path=plan)
        assert {change.status for change in again.changes} == {"unchanged"}
        undo(directory, second)
        undo(directory, journal)
        assert objects.now() == objects.start, step
    else:
        pytest.fail(f"still not done after {MOST_STEPS} steps")
