"""What an audit costs beside just reading the same entries, and beside what an administrator would use instead.

On a real controller (the lab: a Samba AD DC, as root) with so many users: in each round, one after the other and
in this one process, a bare ldap3 paged search of the entries that an audit reads, the audit itself, and over the
same descriptors BloodHound.py's parser and impacket's dacledit read (its SIDs not looked up, which would be a
request for each entry). Then the audit of a generated snapshot. Processor time of the client alone, medians;
start-up left out.

    script/bench audit [--users 5000] [--rounds 5] [--objects 10000 100000]
"""

from __future__ import annotations

import argparse
import importlib
import logging
import ssl
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import ldap3  # noqa: E402
import samba_lab  # noqa: E402
from ldap3.protocol.microsoft import security_descriptor_control  # noqa: E402
from planted_directory import CONNECTOR, Garden  # noqa: E402
from snapshot import generate, measured  # noqa: E402

import adsyncconfig  # noqa: E402
from adsyncconfig.live import PAGE_SIZE  # noqa: E402
from adsyncconfig.schema import Kind, bundled  # noqa: E402
from adsyncconfig.survey import ATTRIBUTES  # noqa: E402

PAGED = "1.2.840.113556.1.4.319"
TEAMS = 20
#: How many descriptors the slower parsers go through in a round.
SOME = 500
AUDITED = """
import adsyncconfig
report = adsyncconfig.invoke_adsync_permissions_audit(adsyncconfig.open_snapshot(sys.argv[1]))
print(report.read)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, nargs="*", default=[10_000, 100_000])
    given = parser.parse_args()
    if given.users:
        on_a_controller(given.users, given.rounds)
    on_snapshots(given.objects)


def on_a_controller(users: int, rounds: int) -> None:
    with samba_lab.contoso_lab() as controller:
        garden = Garden(controller)
        garden.sow()
        populate(garden, users)
        connection = bare_connection(controller)
        with garden.directory() as directory:
            report = adsyncconfig.invoke_adsync_permissions_audit(
                directory
            )  # everything imported, schema cached
            descriptors: list[tuple[bytes, str]] = []
            ways: dict[str, Callable[[], int]] = {
                "bare ldap3 paged search": lambda: bare_search(connection, report.bases, descriptors),
                "audit": lambda: adsyncconfig.invoke_adsync_permissions_audit(directory).read,
                "audit of the account named": lambda: (
                    adsyncconfig.invoke_adsync_permissions_audit(
                        directory, ad_connector_account_dn=CONNECTOR
                    ).read
                ),
                **{name: lambda way=way: way(descriptors) for name, way in others().items()},
            }
            used: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, way in ways.items():
                    start = time.process_time()
                    count = way()
                    used[name].append((time.process_time() - start) / count * 1e6)
        garden.close()
    base = statistics.median(used["bare ldap3 paged search"])
    print(f"{report.read} objects, {len(set(descriptors))} distinct descriptors and classes, {rounds} rounds")
    print(f"{'':<34}  {'us/object':>9}  {'least':>7}  {'most':>7}  of the bare search")
    for name, times in used.items():
        each = statistics.median(times)
        print(f"{name:<34}  {each:>9.1f}  {min(times):>7.1f}  {max(times):>7.1f}  {each / base:.2f}")


def on_snapshots(sizes: Iterable[int]) -> None:
    print(f"{'snapshot of':>12}  {'us/object':>9}  {'objects/s':>9}  {'peak MiB':>8}")
    with tempfile.TemporaryDirectory(prefix="adsyncconfig-bench-") as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.jsonl"
            generate(path, size, 500)
            count, seconds, peak = measured(AUDITED, path)
            print(
                f"{count:>12}  {seconds / count * 1e6:>9.1f}  {count / seconds:>9.0f}  {peak:>8.0f}",
                flush=True,
            )
            path.unlink()


def populate(garden: Garden, users: int) -> None:
    """Users in OUs of teams, so many; without passwords, which cost the controller most."""
    teams = [garden.ou(f"Team {number}", "OU=Synced,DC=contoso,DC=example") for number in range(TEAMS)]
    for number in range(users):
        garden.administrator.add(
            f"CN=user{number},{teams[number % TEAMS]}",
            "user",
            {"sAMAccountName": f"user{number}", "userAccountControl": "514"},
        )


def bare_connection(controller: samba_lab.DomainController) -> ldap3.Connection:
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(controller.ca_file))
    server = ldap3.Server(controller.host, port=636, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, controller.administrator, controller.password, check_names=False)
    assert connection.bind(), connection.result
    return connection


def bare_search(connection: ldap3.Connection, bases: Iterable[str], kept: list[tuple[bytes, str]]) -> int:
    """Read every entry below the bases with the attributes that an audit reads, and nothing else."""
    kept.clear()
    count = 0
    for base in bases:
        cookie = None
        while True:
            connection.search(
                base,
                "(objectClass=*)",
                attributes=list(ATTRIBUTES),
                controls=security_descriptor_control(sdflags=7),
                paged_size=PAGE_SIZE,
                paged_cookie=cookie,
            )
            for entry in connection.response:
                if entry["type"] == "searchResEntry":
                    raw = entry["raw_attributes"]
                    kept.append((raw["nTSecurityDescriptor"][0], raw["objectClass"][-1].decode()))
                    count += 1
            cookie = connection.result["controls"][PAGED]["value"]["cookie"]
            if not cookie:
                break
    return count


def others() -> dict[str, Callable[[list[tuple[bytes, str]]], int]]:
    """What else reads descriptors, where it is installed; each goes through all of them."""
    logging.disable(logging.CRITICAL)
    found: dict[str, Callable[[list[tuple[bytes, str]]], int]] = {}
    try:
        acls = importlib.import_module("bloodhound.enumeration.acls")
    except ImportError as error:
        print(f"BloodHound.py is left out: {error}")
    else:

        def bloodhound(descriptors: list[tuple[bytes, str]]) -> int:
            entry: dict[str, Any] = {"Properties": {"haslaps": False}}
            # It asks for attributes by the names of their objects, which no object of ours is called.
            guids = defaultdict(str, {name.lower(): str(guid) for name, guid in bundled(Kind.CLASS).items()})
            for raw, name in descriptors[:SOME]:
                acls.parse_binary_acl(entry, name, raw, guids)
            return len(descriptors[:SOME])

        found["BloodHound.py, parser alone"] = bloodhound
    script = Path(sys.executable).parent / "dacledit.py"
    if not script.exists():
        print("dacledit is left out: impacket is not installed")
        return found
    dacledit = _load(script)
    reader = object.__new__(dacledit.DACLedit)
    reader.resolveSID = lambda sid: dacledit.WELL_KNOWN_SIDS.get(sid, "")

    def read(descriptors: list[tuple[bytes, str]]) -> int:
        for raw, _ in descriptors[:SOME]:
            descriptor = dacledit.ldaptypes.SR_SECURITY_DESCRIPTOR(data=raw)
            reader.parseDACL(descriptor["Dacl"])
        return len(descriptors[:SOME])

    found["dacledit read, parser alone"] = read
    return found


def _load(script: Path) -> ModuleType:
    loader = SourceFileLoader("dacledit", str(script))
    spec = spec_from_loader("dacledit", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
