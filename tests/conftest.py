"""The lab as fixtures: each directory starts when a first test asks for it, and ends with the run.

`contoso` is one populated domain; `forest` is two. Both last the whole run, so a test that changes something
puts it back or uses an object of its own in OU=Writeback. `connect_as` gives a connection as any account, for
tests in which the server itself is to say what is allowed.

Where the lab can't run, its tests are skipped with the reason; under CI=true they fail instead, so that a run
without a directory can't pass for one with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kerberos_lab
import pytest
import samba_lab
import trying
from contoso_directory import HOSTILE_OUS, populate
from expectations import CONTOSO_SNAPSHOT
from kerberos_lab import KerberosLab
from samba_lab import DomainController, Forest

import adsyncconfig

if TYPE_CHECKING:
    from adsyncconfig import Directory
    from adsyncconfig.live import LiveDirectory

ConnectAs = Callable[[DomainController, str], Any]


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where commands keep their journals while tests run, instead of the user's own state folder."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def contoso() -> Iterator[DomainController]:
    """The domain CONTOSO, populated."""
    require_lab()
    with samba_lab.contoso_lab() as controller:
        populate(controller)
        yield controller


@pytest.fixture(scope="session")
def domain() -> Iterator[DomainController]:
    """CONTOSO on a controller that takes Kerberos inside TLS, as Windows does, and that locks accounts out."""
    require_lab()
    kerberos_lab.require()
    with samba_lab.contoso_lab(strong_auth="allow_sasl_over_tls") as controller:
        populate(controller)
        kerberos_lab.accounts(controller)
        yield controller


@pytest.fixture
def kerberos(domain: DomainController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KerberosLab:
    """This process as a client of that controller, with no ticket."""
    lab = KerberosLab.of(domain, tmp_path)
    lab.use(monkeypatch)
    return lab


@pytest.fixture(scope="session")
def forest() -> Iterator[Forest]:
    """A forest of CONTOSO and its child EMEA, both populated."""
    require_lab()
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


def require_lab() -> None:
    if os.environ.get("LAB") == "off":  # asked for: the other interpreters and the oldest dependencies
        pytest.skip("LAB=off")
    if missing := samba_lab.missing():
        text = "no Samba lab here: " + "; ".join(missing)
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)


@pytest.fixture
def administrator(contoso: DomainController, connect_as: ConnectAs) -> Any:
    """A plain ldap3 connection to CONTOSO as its administrator."""
    return connect_as(contoso, contoso.administrator)


@pytest.fixture
def permissions_restored(contoso: DomainController, administrator: Any) -> Iterator[None]:
    """Put the DACLs of the objects that grants go to back as they were."""
    with _restored(administrator, contoso.base_dn, HOSTILE_OUS):
        yield


@pytest.fixture
def forest_restored(forest: Forest, connect_as: ConnectAs) -> Iterator[None]:
    """The same, in both domains of the forest."""
    root, child = (connect_as(each, each.administrator) for each in (forest.root, forest.child))
    with _restored(root, forest.root.base_dn), _restored(child, forest.child.base_dn):
        yield


@contextlib.contextmanager
def _restored(administrator: Any, domain: str, more: Iterable[str] = ()) -> Iterator[None]:
    dns = [domain, f"CN=AdminSDHolder,CN=System,{domain}", f"OU=Writeback,{domain}", *more]
    before = {dn: trying.read_descriptor(administrator, dn) for dn in dns}
    yield
    for dn, descriptor in before.items():
        if trying.read_descriptor(administrator, dn) != descriptor:
            assert trying.write_dacl(administrator, dn, descriptor) == trying.SUCCESS


@pytest.fixture
def directory(contoso: DomainController) -> Iterator[LiveDirectory]:
    """CONTOSO through the project's own live directory, as its administrator."""
    with live(contoso) as connected:
        yield connected


def live(controller: DomainController, user: str | None = None, **options: Any) -> LiveDirectory:
    """Connect the project's own live directory to a controller of the lab."""
    return adsyncconfig.connect(
        controller.url,
        user=user or controller.administrator,
        password=controller.password,
        ca_file=controller.ca_file,
        **options,
    )


@pytest.fixture
def snapshot_file(tmp_path: Path) -> Path:
    """A copy of the bundled directory that a test may change."""
    return Path(shutil.copy(CONTOSO_SNAPSHOT, tmp_path / "contoso.jsonl"))


@pytest.fixture(params=["live", "snapshot"])
def either(request: pytest.FixtureRequest, snapshot_file: Path) -> Iterator[Directory]:
    """CONTOSO as its controller has it, and as a file keeps it: what holds for one holds for the other."""
    if request.param == "live":
        request.getfixturevalue("permissions_restored")
        with live(request.getfixturevalue("contoso")) as directory:
            yield directory
    else:
        with adsyncconfig.open_snapshot(snapshot_file) as directory:
            yield directory
