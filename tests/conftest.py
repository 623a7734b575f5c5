"""The lab as fixtures: each directory starts when a first test asks for it, and ends with the run.

`contoso` is one populated domain; `forest` is two. Both last the whole run, so a test that changes something
puts it back or uses an object of its own in OU=Writeback. `connect_as` gives a connection as any account, for
tests in which the server itself is to say what is allowed.

Where the lab can't run, its tests are skipped with the reason; under CI=true they fail instead, so that a run
without a directory can't pass for one with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import samba_lab
from contoso_directory import populate
from samba_lab import DomainController, Forest

ConnectAs = Callable[[DomainController, str], Any]


@pytest.fixture(scope="session")
def contoso() -> Iterator[DomainController]:
    """The domain CONTOSO, populated."""
    _require_lab()
    with samba_lab.contoso_lab() as controller:
        populate(controller)
        yield controller


@pytest.fixture(scope="session")
def forest() -> Iterator[Forest]:
    """A forest of CONTOSO and its child EMEA, both populated."""
    _require_lab()
    with samba_lab.forest_lab() as forest:
        populate(forest.root)
        populate(forest.child)
        yield forest


@pytest.fixture
def connect_as() -> Iterator[ConnectAs]:
    """Give a function: an account's name (or UPN, or DN) to a connection that ends with the test."""
    connections = []

    def connect(controller: DomainController, account: str) -> Any:
        user = account if "@" in account or "=" in account else f"{account}@{controller.realm}"
        connections.append(samba_lab.connect_as(controller, user))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.unbind()


def _require_lab() -> None:
    if missing := samba_lab.missing():
        text = "no Samba lab here: " + "; ".join(missing)
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
