"""What a snapshot costs per object, from ten thousand objects to a million: opened, searched, audited, compared.

Each figure is the processor time of a process of its own (user and system), with its peak memory. The files are
made here: the bundled directory, and below it a tree of OUs with users, computers and groups, with the attributes
that an export writes and a given number of distinct descriptors. Nothing here is anybody's data.

    script/bench snapshot [--objects 10000 100000 1000000] [--descriptors 500] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acl import AccessMask, Ace, SecurityDescriptor, Sid
from adsyncconfig.snapshot_format import descriptor_line, json_line

ROOT = Path(__file__).resolve().parent.parent
BASE = ROOT / "fixtures" / "directories" / "contoso.jsonl"
DOMAIN = "DC=contoso,DC=example"
DOMAIN_SID = "S-1-5-21-1004336348-1177238915-682003330"
REGIONS, TEAMS = 12, 300
MEMBERS = 20

#: What each child process does with the file in sys.argv[1]; it prints the number of objects it went through.
OPENED = """
import adsyncconfig
print(len(adsyncconfig.open_snapshot(sys.argv[1])))
"""
SEARCHED = """
import adsyncconfig
from adsyncconfig.filters import EVERYTHING
directory = adsyncconfig.open_snapshot(sys.argv[1])
wanted = ["objectClass", "objectSid", "sAMAccountName", "adminCount", "nTSecurityDescriptor"]
count = 0
for entry in directory.search(directory.root.default_naming_context, EVERYTHING, wanted):
    entry.attributes["ntsecuritydescriptor"]
    count += 1
print(count)
"""
GROUPS = """
import adsyncconfig
directory = adsyncconfig.open_snapshot(sys.argv[1])
account = "CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example"
assert directory.get(account, ["tokenGroups"]).attributes["tokengroups"]
print(len(directory))
"""
AUDITED = """
import adsyncconfig
directory = adsyncconfig.open_snapshot(sys.argv[1])
report = adsyncconfig.invoke_adsync_permissions_audit(directory)
assert report.is_complete
print(len(directory))
"""
COMPARED = """
import adsyncconfig
one, two = (adsyncconfig.open_snapshot(sys.argv[1]) for _ in range(2))
assert not len(adsyncconfig.compare_adsync_snapshot(one, two).differences)
print(len(two))
"""
MEASURE = """
import resource, sys, time
{code}
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
WORK = {
    "open": OPENED,
    "open and search": SEARCHED,
    "open, groups of one": GROUPS,
    "audit": AUDITED,
    "compare with itself": COMPARED,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--descriptors", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="make the files in this folder, and leave them there")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="adsyncconfig-bench-"))
    try:
        report(folder, given.objects, given.descriptors)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


def report(folder: Path, sizes: list[int], distinct: int) -> None:
    print(f"{distinct} distinct descriptors; microseconds of processor time an object, start-up left out")
    print(
        f"{'objects':>10}  {'file':<5}  {'MB':>6}  {'what':<22}  {'us/object':>9}  {'s':>7}  {'peak MiB':>8}"
    )
    first: dict[tuple[str, str], float] = {}
    for size in sizes:
        plain = folder / f"snapshot-{size}-{distinct}.jsonl"
        if not plain.exists():
            generate(plain, size, distinct)
        packed = plain.with_suffix(".jsonl.gz")
        if not packed.exists():
            with plain.open("rb") as source, gzip.open(packed, "wb", 6) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        for path in (plain, packed):
            for what, code in WORK.items():
                count, seconds, peak = measured(code, path)
                each = seconds / count * 1e6
                key = (path.suffix, what)
                ratio = f"  {each / first[key]:.2f} of the first" if key in first else ""
                first.setdefault(key, each)
                print(
                    f"{count:>10}  {path.suffix.lstrip('.'):<5}  {path.stat().st_size / 1e6:>6.1f}  {what:<22}"
                    f"  {each:>9.2f}  {seconds:>7.2f}  {peak:>8.0f}{ratio}",
                    flush=True,
                )


def measured(code: str, path: Path) -> tuple[int, float, float]:
    """Objects, seconds beyond what starting costs, and peak memory in MiB: the best of two runs."""
    start = min(_run("print(0)\nimport adsyncconfig, adsyncconfig.snapshot", path)[1] for _ in range(2))
    runs = [_run(code, path) for _ in range(2)]
    count, seconds, peak = min(runs, key=lambda run: run[1])
    return count, seconds - start, peak


def _run(code: str, path: Path) -> tuple[int, float, float]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(code=code), str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    count, used = done.stdout.split("\n")[:2]
    seconds, peak = map(float, used.split())
    return int(count), seconds, peak


def generate(path: Path, size: int, distinct: int) -> None:
    """Write a snapshot of so many objects beside the bundled directory's."""
    header, *records = (json.loads(line) for line in BASE.read_text(encoding="utf-8").splitlines())
    descriptors = [each for each in records if "base64" in each]
    entries = [each for each in records if "dn" in each]
    ou = next(each["descriptor"] for each in entries if each["dn"] == f"OU=Groups,{DOMAIN}")
    raw = next(each["base64"] for each in descriptors if each["descriptor"] == ou)
    more = list(_descriptors(raw, distinct - len(descriptors)))
    objects = size - len(entries)
    header |= {"origin": "benchmarks/snapshot.py", "descriptors": distinct, "entries": size}
    with path.open("wb") as stream:
        stream.write(json_line(header))
        for record in descriptors:
            stream.write(json_line(record))
        for number, each in enumerate(more, len(descriptors) + 1):
            stream.write(descriptor_line(number, each))
        for record in entries:
            stream.write(json_line(record))
        chance = random.Random(1)
        numbers = range(len(descriptors) + 1, distinct + 1)
        for entry in _tree(objects, chance):
            stream.write(json_line({"dn": entry["dn"], "descriptor": chance.choice(numbers), **entry}))


def _descriptors(encoded: str, count: int) -> Iterator[bytes]:
    """Descriptors that differ in an entry of their own for a group, as those of delegated OUs do."""
    start = SecurityDescriptor.from_bytes(base64.b64decode(encoded))
    for number in range(count):
        ace = Ace.allow(Sid.from_string(f"{DOMAIN_SID}-{10_009 + 10 * number}"), AccessMask.DS_READ_PROPERTY)
        yield start.with_dacl((ace, *(start.dacl or ()))).to_bytes()


def _tree(objects: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """OUs of regions and teams, and in them users, computers and groups of users: 70, 20 and 10 of a hundred."""
    regions = [f"OU=Region {number},{DOMAIN}" for number in range(REGIONS)]
    teams = [f"OU=Team {number},{regions[number % REGIONS]}" for number in range(TEAMS)]
    containers = (*regions, *teams)[:objects]
    for dn in containers:
        yield _object(dn, ["top", "organizationalUnit"], chance)
    for number in range(objects - len(containers)):
        team = teams[number % TEAMS]
        sid = {"objectsid": [f"{DOMAIN_SID}-{10_000 + number}"]}
        kind = number % 10
        if kind == 9:
            members = [
                f"CN=User Number {each},{teams[each % TEAMS]}"
                for each in (chance.randrange(number + 1) for _ in range(MEMBERS))
            ]
            more = {"samaccountname": [f"group-{number}"], "grouptype": ["-2147483646"], "member": members}
            yield _object(f"CN=Group Number {number},{team}", ["top", "group"], chance, **sid, **more)
            continue
        account = {
            **sid,
            "samaccountname": [f"user{number}" if kind < 7 else f"PC{number}$"],
            "primarygroupid": ["513" if kind < 7 else "515"],
            "useraccountcontrol": ["512" if kind < 7 else "4096"],
            "pwdlastset": [str(133_000_000_000_000_000 + chance.randrange(10**15))],
            "lastlogontimestamp": [str(133_000_000_000_000_000 + chance.randrange(10**15))],
        }
        classes = ["top", "person", "organizationalPerson", "user"]
        if kind < 7:
            yield _object(f"CN=User Number {number},{team}", classes, chance, **account)
        else:
            yield _object(f"CN=PC{number},{team}", [*classes, "computer"], chance, **account)


def _object(dn: str, classes: list[str], chance: random.Random, **more: list[str]) -> dict[str, Any]:
    name = dn.partition(",")[0].partition("=")[2]
    guid = f"{chance.getrandbits(128):032x}"
    return {
        "dn": dn,
        "attributes": {
            "objectclass": classes,
            "name": [name],
            "objectguid": [f"{guid[:8]}-{guid[8:12]}-{guid[12:16]}-{guid[16:20]}-{guid[20:]}"],
            "whencreated": ["20240101120000.0Z"],
            **more,
        },
    }


if __name__ == "__main__":
    main()
