"""What an index of a file finds is what a plain look at every entry finds, however the lines are spelled."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID
from hypothesis import given, settings
from hypothesis import strategies as st

from acl import SecurityDescriptor, Sid
from adsyncconfig import ParameterError, snapshot_members
from adsyncconfig.directory import Entry, RootDse, Scope
from adsyncconfig.dn import DistinguishedName, Rdns, name_key
from adsyncconfig.filters import EVERYTHING, AllOf, AnyOf, Equals, Filter, StartsWith
from adsyncconfig.snapshot import SnapshotDirectory, write_snapshot
from adsyncconfig.snapshot_file import SnapshotFile

DOMAIN = "DC=contoso,DC=example"
CONFIGURATION = f"CN=Configuration,{DOMAIN}"
ROOT = RootDse(DOMAIN, DOMAIN, CONFIGURATION, f"CN=Schema,{CONFIGURATION}", "dc1.contoso.example")
WANTED = ["objectClass", "objectSid", "sIDHistory", "member", "cn", "nTSecurityDescriptor"]
SIDS = [f"S-1-5-21-1-2-3-{rid}" for rid in (500, 501, 1101)] + ["S-1-5-32-544", "S-1-5-11"]
DESCRIPTORS = [SecurityDescriptor.from_sddl(f"O:BAD:(A;;RP;;;{who})").to_bytes() for who in ("WD", "AU")]
PARTS = [
    "OU=Groups",
    "OU=Åre",
    r"OU=a\, b",
    "OU=x+CN=y",
    "CN=e\u0301",
    'CN="quoted, name"',
    "OU=GROUPS2",
    r"OU=\#1",
]


class Model:
    """The promises of a directory kept by looking at every entry."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = {DistinguishedName.parse(entry.dn).rdns: entry for entry in entries}
        named = (
            DistinguishedName.parse(each).rdns for each in (DOMAIN, CONFIGURATION, ROOT.schema_naming_context)
        )
        roots = (name for name, each in self.entries.items() if "domainDNS" in each.values("objectClass"))
        self.contexts = {*named, *roots}

    def context(self, name: Rdns) -> Rdns:
        return next((name[start:] for start in range(len(name)) if name[start:] in self.contexts), ())

    def search(self, base: str, condition: Filter, scope: Scope) -> list[tuple[str, dict[str, Any]]]:
        above = DistinguishedName.parse(base).rdns
        return [
            shown(entry)
            for name, entry in self.entries.items()
            if (name[1:] == above if scope is Scope.ONE_LEVEL else name[-len(above) :] == above)
            and self.context(name) == self.context(above)
            and condition.matches(entry.attributes)
        ]


def shown(entry: Entry) -> tuple[str, dict[str, Any]]:
    return entry.dn, {name: tuple(values) for name, values in entry.attributes.items()}


@st.composite
def directories(draw: st.DrawFn) -> list[Entry]:
    """A tree in which a container may be missing or come after what is in it."""
    names = [DOMAIN, CONFIGURATION]
    for _ in range(draw(st.integers(0, 12))):
        part = draw(st.sampled_from(PARTS))
        names.append(f"{part}{draw(st.sampled_from([',', ', ', ' ,']))}{draw(st.sampled_from(names))}")
    names += [f"DC=emea,{DOMAIN}", f"OU=There,DC=emea,{DOMAIN}"] if draw(st.booleans()) else []
    missing = draw(st.sets(st.sampled_from(names[2:]), max_size=2)) if names[2:] else set()
    unique = {DistinguishedName.parse(name).rdns: name for name in names if name not in missing}
    entries = []
    for name in draw(st.permutations(list(unique.values()))):
        classes = ("top", "domainDNS") if name.startswith("DC=") else ("top", "group")
        attributes: dict[str, Sequence[bytes]] = {
            "objectclass": tuple(each.encode() for each in classes),
            "cn": (
                draw(
                    st.sampled_from(["a", "B", "ß", "\u212a", "domainDNS", "objectSid", '"member": ["'])
                ).encode(),
            ),
        }
        if (sid := draw(st.sampled_from([None, *SIDS]))) is not None:
            attributes["objectsid"] = (Sid.from_string(sid).to_bytes(),)
        if (former := draw(st.sampled_from([None, None, *SIDS]))) is not None:
            attributes["sidhistory"] = (Sid.from_string(former).to_bytes(),)
        if members := draw(st.lists(st.sampled_from(names), max_size=2)):
            attributes["member"] = tuple(each.encode() for each in members)
        if (descriptor := draw(st.sampled_from([None, *DESCRIPTORS]))) is not None:
            attributes["ntsecuritydescriptor"] = (descriptor,)
        entries.append(Entry(name, attributes))
    return entries


CONDITIONS = st.recursive(
    st.one_of(
        st.just(EVERYTHING),
        st.sampled_from(SIDS).map(lambda sid: Equals("objectSid", sid)),
        st.sampled_from(SIDS).map(lambda sid: Equals("sIDHistory", sid)),
        st.sampled_from([f"OU=Groups,{DOMAIN}", DOMAIN, "none"]).map(lambda dn: Equals("member", dn)),
        st.sampled_from(["domainDNS", "group", "GROUP"]).map(lambda name: Equals("objectClass", name)),
        st.sampled_from(["a", "b", "s", "ss", "objectsid", '"', "K"]).map(
            lambda text: StartsWith("cn", text)
        ),
        st.sampled_from(["a", "B", "ss", "SS", "k", "domaindns", "other"]).map(
            lambda text: Equals("cn", text)
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: AnyOf(tuple(each))),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: AllOf(tuple(each))),
    ),
    max_leaves=4,
)


def respelled(path: Path, spelling: str) -> None:
    """Write the lines of a file as another program might."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if "dn" in line and "case" in spelling:
            line["attributes"] = {name.title(): values for name, values in line["attributes"].items()}
    separators = (",", ":") if "tight" in spelling else None
    text = (json.dumps(line, ensure_ascii="ascii" in spelling, separators=separators) for line in lines)
    path.write_text("".join(f"{each}\n" for each in text), encoding="utf-8")


@settings(max_examples=80, deadline=None)
@given(
    entries=directories(),
    condition=CONDITIONS,
    scope=st.sampled_from([Scope.SUBTREE, Scope.ONE_LEVEL]),
    spelling=st.sampled_from(["", "ours, packed", "tight", "case", "ascii", "case, tight, ascii"]),
)
def test_a_search_finds_what_looking_at_every_entry_finds(
    entries: list[Entry], condition: Filter, scope: Scope, spelling: str
) -> None:
    model = Model(entries)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.jsonl.gz" if "packed" in spelling else "one.jsonl")
        write_snapshot(path, ROOT, entries)
        if spelling and "packed" not in spelling:
            respelled(path, spelling)
        with SnapshotDirectory.open(path) as directory:
            assert len(directory) == len(entries)
            for entry in entries:
                found = list(directory.search(entry.dn, condition, WANTED, scope=scope))
                assert [shown(each) for each in found] == model.search(entry.dn, condition, scope)
                assert shown(directory.get(entry.dn.upper(), WANTED)) == shown(entry)


@given(
    st.lists(
        st.sampled_from([*PARTS, "cn=groups", "OU = Groups", "ou=A\\2C b", "CN=\u00e9", "CN=#1", "OU=\\u"]),
        min_size=1,
    )
)
def test_names_have_one_key_exactly_when_they_are_equal(parts: list[str]) -> None:
    for other in (
        parts,
        [part.upper() for part in parts],
        parts[::-1],
        [part.lower() for part in parts[1:]] or parts,
    ):
        one, two = ",".join(parts), " , ".join(other)
        equal = DistinguishedName.parse(one).rdns == DistinguishedName.parse(two).rdns
        assert (name_key(one) == name_key(two)) == equal


def test_one_level_below_another_is_told_by_the_key() -> None:
    assert name_key(f"CN=a,{DOMAIN}").endswith("," + name_key(DOMAIN))
    assert not name_key(r"CN=a\,DC=contoso,DC=example").endswith("," + name_key(DOMAIN))


def test_equal_descriptors_are_the_very_same_object(snapshot_file: Path) -> None:
    with SnapshotDirectory.open(snapshot_file) as directory:
        found: dict[bytes, set[int]] = {}
        entries = list(directory.search(DOMAIN, EVERYTHING, WANTED))
        for entry in entries:
            for raw in entry.attributes.get("ntsecuritydescriptor", ()):
                found.setdefault(raw, set()).add(id(raw))
    assert len(entries) > 80
    assert found
    assert all(len(objects) == 1 for objects in found.values())


@pytest.mark.parametrize("spelling", ["case", "tight", "ascii", "case, tight, ascii", "escaped"])
def test_a_sid_and_a_member_are_found_however_they_are_spelled(snapshot_file: Path, spelling: str) -> None:
    respelled(snapshot_file, spelling)
    if spelling == "escaped":
        text = snapshot_file.read_text(encoding="utf-8")
        text = text.replace('"objectsid"', '"object\\u0053id"').replace('"CN=MSOL', '"\\u0043N=MSOL')
        snapshot_file.write_text(text, encoding="utf-8")
    with SnapshotDirectory.open(snapshot_file) as directory:
        (found,) = directory.search(DOMAIN, Equals("objectSid", CONNECTOR_SID), ["name"])
        assert found.dn == CONNECTOR_DN
        user = f"CN=User Two,OU=Users Synced,{DOMAIN}"
        assert [each.dn for each in directory.search(DOMAIN, Equals("member", user), ["name"])] == [
            f"CN=Engineers,OU=Groups,{DOMAIN}"
        ]


def test_names_with_commas_are_found_as_others_are(tmp_path: Path) -> None:
    path = tmp_path / "names.jsonl"
    unit, name = rf"OU=Sales\, North,{DOMAIN}", rf"CN=Novak\, Kim,OU=Sales\, North,{DOMAIN}"
    parts = (
        (DOMAIN, {"objectclass": (b"domainDNS",)}),
        (unit, {"objectclass": (b"organizationalUnit",)}),
        (name, {"objectclass": (b"user",), "objectsid": (Sid.from_string(SIDS[0]).to_bytes(),)}),
        (f"CN=Team,{DOMAIN}", {"objectclass": (b"group",), "member": (name.encode(), DOMAIN.encode())}),
    )
    write_snapshot(path, ROOT, [Entry(dn, attributes) for dn, attributes in parts])
    with SnapshotDirectory.open(path) as directory:
        assert directory.get(r"cn=novak\2C kim , ou=SALES\, north," + DOMAIN, ["cn"]).dn == name
        assert [each.dn for each in directory.search(unit, EVERYTHING, ["cn"])] == [unit, name]
        for condition in (Equals("member", name.upper()), Equals("member", DOMAIN)):
            assert [each.dn for each in directory.search(DOMAIN, condition, ["cn"])] == [f"CN=Team,{DOMAIN}"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Five thousand users in fifty OUs, each with the SID of its number; every tenth is in a group."""
    path = tmp_path / "large.jsonl"
    text = b"x" * 400

    def entries() -> Iterator[Entry]:
        yield Entry(DOMAIN, {"objectclass": (b"top", b"domainDNS")})
        for unit in range(50):
            yield Entry(f"OU=Unit {unit},{DOMAIN}", {"objectclass": (b"top", b"organizationalUnit")})
        for number in range(5000):
            sid = Sid.from_string(f"S-1-5-21-1-2-3-{1000 + number}").to_bytes()
            more = {"objectsid": (sid,), "description": (text,), "ntsecuritydescriptor": (DESCRIPTORS[0],)}
            dn = f"CN=User {number},OU=Unit {number % 50},{DOMAIN}"
            yield Entry(dn, {"objectclass": (b"top", b"user"), **more})
        members = tuple(
            f"CN=User {each},OU=Unit {each % 50},{DOMAIN}".encode() for each in range(0, 5000, 10)
        )
        security = {"grouptype": (b"-2147483646",), "objectsid": (Sid.from_string(SIDS[0]).to_bytes(),)}
        yield Entry(f"CN=Team,{DOMAIN}", {"objectclass": (b"top", b"group"), "member": members, **security})

    write_snapshot(path, ROOT, entries())
    return path


def test_what_is_looked_up_is_read_and_not_the_file(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = large.stat().st_size
    read: list[int] = []
    original = SnapshotFile.read

    def counted(self: SnapshotFile, start: int, size: int) -> bytes:
        found = original(self, start, size)
        read.append(len(found))
        return found

    with SnapshotDirectory.open(large) as directory:
        unit = f"OU=Unit 7,{DOMAIN}"
        user = f"CN=User 40,OU=Unit 40,{DOMAIN}"
        list(directory.search(DOMAIN, Equals("member", user), ["cn"]))  # members are read once, then
        monkeypatch.setattr(SnapshotFile, "read", counted)
        assert directory.get(user, ["tokenGroups"]).attributes["tokengroups"]
        for condition in (
            Equals("objectSid", "S-1-5-21-1-2-3-1040"),
            AnyOf((Equals("sIDHistory", SIDS[0]),)),
        ):
            assert [each.dn for each in directory.search(DOMAIN, condition, ["cn"])] in ([user], [])
        assert len(list(directory.search(unit, EVERYTHING, ["cn"]))) == 101
        assert len(list(directory.search(unit, EVERYTHING, ["cn"], scope=Scope.ONE_LEVEL))) == 100
        assert len(list(directory.search(DOMAIN, Equals("objectClass", "domainDNS"), ["cn"]))) == 1
    assert sum(read) < size / 5
    # Two hundred objects were handed out; nothing else was read but the group.
    assert len(read) < 250


SEARCH = """
import sys, adsyncconfig
from adsyncconfig.filters import EVERYTHING
def peak():  # not ru_maxrss, which begins with that of the process that started this one
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
with adsyncconfig.open_snapshot(sys.argv[1]) as directory:
    start = peak()
    found = directory.search("DC=contoso,DC=example", EVERYTHING, ["objectClass", "nTSecurityDescriptor"])
    print(sum("ntsecuritydescriptor" in each.attributes for each in found))
    print(peak() - start)
"""


def test_a_search_of_everything_holds_nothing(large: Path) -> None:
    lines = large.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    more = [line.replace(b"CN=User ", b"CN=%d User " % copy) for copy in range(20) for line in lines[53:-1]]
    header["entries"] = 51 + len(more)
    large.write_bytes(json.dumps(header).encode() + b"\n" + b"".join((*lines[1:53], *more)))
    assert large.stat().st_size > 50_000_000
    done = subprocess.run(
        [sys.executable, "-c", SEARCH, str(large)], capture_output=True, text=True, check=True
    )
    count, grown = map(int, done.stdout.split())
    assert count == 100_000
    assert grown < 20_000  # KiB


_WORDS = st.text(alphabet='ab-. #=+,;<>"\\é\t0', max_size=6)
_NAMES = st.lists(st.tuples(st.sampled_from(["cn", "ou", "dc", "o.i"]), _WORDS), min_size=1, max_size=4)


@given(st.lists(_NAMES, min_size=1, max_size=4))
def test_members_that_count_as_plain_are_their_own_keys(members: list[list[tuple[str, str]]]) -> None:
    """By its counts a list of names is taken for plain only where each name that is one is its own key."""
    names = [",".join(f"{kind}={value}" for kind, value in parts) for parts in members]
    blob = ", ".join(json.dumps(name, ensure_ascii=False) for name in names).lower().encode()
    if snapshot_members._are_plain(blob):
        for name in json.loads(f"[{blob.decode()}]"):
            with contextlib.suppress(ParameterError):  # what is no name is looked up by nobody
                assert name_key(name) == name


def test_ordinary_members_count_as_plain() -> None:
    blob = b'"cn=user 1,ou=team 7,dc=contoso,dc=example", "cn=o\'hara (x),cn=users,dc=contoso,dc=example"'
    assert snapshot_members._are_plain(blob)
    for other in (
        b'"cn=a\\\\,b,dc=x"',
        b'"cn=a=b,dc=x"',
        b'"cn= a,dc=x"',
        b'"cn=a, dc=x"',
        b'"cn=#1,dc=x"',
        b'""',
    ):
        assert not snapshot_members._are_plain(other)
