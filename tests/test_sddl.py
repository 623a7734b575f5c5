"""SDDL both ways: vectors in fixtures/sddl.json, properties, and Samba's parser as a second opinion."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acl import AccessMask, Ace, AceFlag, AceType, Acl, AclError, Control, SddlError, SecurityDescriptor, Sid
from acl import sddl as module
from acl.ace import OBJECT_TYPES
from acl.claim import Claim, ClaimType
from acl.condition_text import condition_from_sddl
from acl.sddl import (
    ace_from_sddl,
    ace_to_sddl,
    descriptor_from_sddl,
    descriptor_to_sddl,
    sid_from_sddl,
    sid_to_sddl,
)
from acl.sddl_names import BIT_RIGHTS, LABEL_RIGHTS, MASK_RIGHTS, RIGHTS, TYPES
from acl.sid import DOMAIN_RELATIVE, FOREST_RELATIVE, SDDL_SIDS

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "sddl.json").read_text("utf-8"))
DOMAIN = Sid.from_string(VECTORS["domain_sid"])
FOREST = Sid.from_string(VECTORS["forest_root_sid"])
MILLION = 1_000_000

read = functools.partial(descriptor_from_sddl, domain_sid=DOMAIN, forest_root_sid=FOREST)
write = functools.partial(descriptor_to_sddl, domain_sid=DOMAIN, forest_root_sid=FOREST)


def vectors(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector["name"])


def forget() -> None:
    """Empty the tables, so that the next text is read from its first character to its last."""
    module._words.cache_clear()


@pytest.fixture(params=["first", "again"])
def _each_way(request: pytest.FixtureRequest) -> None:
    if request.param == "first":
        forget()


@vectors("good")
@pytest.mark.usefixtures("_each_way")
def test_good(vector: dict[str, str]) -> None:
    descriptor = read(vector["text"])
    written = vector.get("written", vector["text"])
    assert write(descriptor) == written
    assert read(written) == descriptor
    if "hex" in vector:
        data = bytes.fromhex(vector["hex"].replace("|", ""))
        assert descriptor.to_bytes() == data
        assert write(SecurityDescriptor.from_bytes(data)) == written


@vectors("bad")
@pytest.mark.usefixtures("_each_way")
def test_bad(vector: dict[str, str]) -> None:
    start, end = vector["text"].index("«"), vector["text"].index("»") - 1
    text = vector["text"].replace("«", "").replace("»", "")
    with pytest.raises(SddlError) as caught:
        read(text)
    assert caught.value.span == (start, end)
    assert caught.value.source == text


@pytest.mark.parametrize("name", [*SDDL_SIDS, *DOMAIN_RELATIVE, *FOREST_RELATIVE])
def test_every_name_of_a_sid(name: str) -> None:
    sid = sid_from_sddl(name, domain_sid=DOMAIN, forest_root_sid=FOREST)
    assert sid_from_sddl(name.lower(), domain_sid=DOMAIN, forest_root_sid=FOREST) == sid
    assert sid_to_sddl(sid, domain_sid=DOMAIN, forest_root_sid=FOREST) == name
    assert sid_from_sddl(str(sid)) == sid
    if name in SDDL_SIDS:
        assert sid_to_sddl(sid) == name
    else:
        assert sid_to_sddl(sid) == str(sid)
        parameter = "domain_sid" if name in DOMAIN_RELATIVE else "forest_root_sid"
        with pytest.raises(SddlError, match=parameter):
            sid_from_sddl(name)


@pytest.mark.parametrize("name", RIGHTS)
def test_every_name_of_a_right(name: str) -> None:
    label = name in LABEL_RIGHTS
    ace = ace_from_sddl(f"({'ML' if label else 'A'};;{name};;;WD)")
    written = {"KX": "KR", "VW": "SW"}.get(name, name)
    assert ace.mask == RIGHTS[name]
    assert ace_to_sddl(ace) == f"({'ML' if label else 'A'};;{written};;;WD)"
    assert ace_from_sddl(f"(A;;{int(ace.mask)};;;WD)").mask == ace.mask
    assert ace_from_sddl(f"(A;;0{int(ace.mask):o};;;WD)").mask == ace.mask


def test_rights_are_those_of_the_access_mask() -> None:
    assert set(BIT_RIGHTS.values()) < set(AccessMask.NAMES.values())
    assert MASK_RIGHTS["FA"] == 0x1F01FF


@pytest.mark.parametrize("name", TYPES)
def test_every_type(name: str) -> None:
    guid = "bf967aba-0de6-11d0-a285-00aa003049e2" if TYPES[name] in OBJECT_TYPES else ""
    data = ';("a",TI,0x0,1)' if name == "RA" else ""
    text = f"({name};;;{guid};;WD{data})"
    assert ace_from_sddl(text).type is TYPES[name]
    assert ace_to_sddl(ace_from_sddl(text.lower().replace("wd", " wd ", 1))) == text


UNSPEAKABLE = [
    Ace(0x40, AceFlag(0), AccessMask(0), None, data=b"1234"),
    Ace(AceType.ACCESS_ALLOWED_COMPOUND, AceFlag(0), AccessMask(0), None, data=b"1234"),
    Ace(AceType.ACCESS_DENIED_CALLBACK_OBJECT, AceFlag(0), AccessMask(1), Sid.EVERYONE),
    Ace(AceType.ACCESS_ALLOWED_CALLBACK, AceFlag(0), AccessMask(1), Sid.EVERYONE, data=b"nope"),
    Ace(AceType.SYSTEM_RESOURCE_ATTRIBUTE, AceFlag(0), AccessMask(0), Sid.EVERYONE, data=b"nope"),
]


@pytest.mark.parametrize("ace", UNSPEAKABLE, ids=repr)
def test_entries_without_text(ace: Ace) -> None:
    with pytest.raises(AclError):
        ace_to_sddl(ace)
    with pytest.raises(AclError):
        write(SecurityDescriptor().with_dacl([ace]))


def test_what_windows_leaves_out_of_text() -> None:
    padded = Ace(AceType.ACCESS_ALLOWED, AceFlag(0), AccessMask(1), Sid.EVERYONE, data=bytes(8))
    control = Control(0x8000 | Control.OWNER_DEFAULTED | Control.DACL_PRESENT | Control.RM_CONTROL_VALID)
    dacl = Acl((padded,), slack=bytes(4))
    descriptor = SecurityDescriptor(control, dacl=dacl, resource_manager_control=1)
    assert write(descriptor) == "D:(A;;CC;;;WD)"


@pytest.mark.parametrize(
    "text",
    [
        "D:" + "(" * MILLION,
        "D:" + "()" * MILLION,
        "D:" + " " * MILLION + "x",
        "D:" + "P" * MILLION + "x",
        "O:" * MILLION,
        "O:" + "S-1-" + "1" * MILLION,
        "O:S-1" + "-1" * MILLION,
        "D:(A;;" + "9" * MILLION + ";;;WD)",
        "D:(A;;0x" + "0" * MILLION + ";;;WD)",
        "D:(A;;" + "RP" * MILLION + "x;;;WD)",
        "D:(XA;;;;;WD;" + "(" * MILLION,
        'D:(XA;;;;;WD;(a == "' + "(" * MILLION,
        "D:(XA;;;;;WD;(a" + " " * MILLION + "b))",
        'D:(XA;;;;;WD;(a == "' + "a" * 40_000 + '"))',
        'S:(RA;;;;;WD;("a",TS,0' + ',"a"' * 40_000 + "))",
        "\ud800",
        "D:\0",
        "D:(A;;GA;;;\ud800)",
        "O:\u017f-1-1-0",
        "\u00a0O:WD",
    ],
    ids=lambda text: repr(text[:14]),
)
def test_hostile_text(text: str) -> None:
    with pytest.raises(SddlError):
        read(text)


def test_tables_are_bounded() -> None:
    words = module._words(None, None)
    for number in range(20_000):
        descriptor_to_sddl(descriptor_from_sddl(f"D:(A;;GA;;;S-1-77-{number})"))
    assert len(words.aces) <= words.aces.bound
    assert len(words.texts) <= words.texts.bound


def test_a_list_is_known_only_when_all_of_it_is() -> None:
    read("D:(A;;GA;;;WD)(A;;GX;;;WD)")
    for text in (
        "D:(A;;GA;;;WDx",
        "D:(A;;GA;;;WD)(A;;GX;;;WD",
        "D:A;;GA;;;WD)",
        "D:(A;;GA;;;WD)(",
        "D:((A;;GA;;;WD)",
    ):
        with pytest.raises(SddlError):
            read(text)


# Properties.

sids = st.one_of(
    st.sampled_from([*SDDL_SIDS.values(), DOMAIN.child(512), FOREST.child(519), DOMAIN.child(1104)]),
    st.builds(
        Sid, st.integers(0, (1 << 48) - 1), st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple)
    ),
)
masks = st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from([*RIGHTS.values()]), st.integers(0, 0x1FF)).map(
    AccessMask
)
guids = st.one_of(st.none(), st.uuids())
conditions = st.sampled_from(
    ["(a)", '((@USER.x == ")(") && (!(b)))', "(Member_of {SID(DA), SID(EA)})", '(@USER.d Any_of {"D:", "x"})']
).map(lambda text: condition_from_sddl(text, domain_sid=DOMAIN, forest_root_sid=FOREST).to_bytes())
claims = st.just(Claim("a", ClaimType.SID, (DOMAIN.child(512),)).to_bytes())


@st.composite
def aces(draw: st.DrawFn) -> Ace:
    kind = draw(st.sampled_from(list(TYPES.values())))
    first = second = None
    if kind in OBJECT_TYPES:
        first, second = draw(guids), draw(guids)
        if first is None and second is None:
            first = UUID(int=5)
    data = b""
    if kind in module._CONDITIONAL:
        data = draw(conditions)
    elif kind is AceType.SYSTEM_RESOURCE_ATTRIBUTE:
        data = draw(claims)
    flags = AceFlag(draw(st.integers(0, 255)))
    return Ace(kind, flags, draw(masks), draw(sids), first, second, data)


lists = st.lists(aces(), max_size=6).map(lambda entries: Acl(tuple(entries)))
SPOKEN = {
    "dacl": Control.DACL_PROTECTED | Control.DACL_AUTO_INHERIT_REQ | Control.DACL_AUTO_INHERITED,
    "sacl": Control.SACL_PROTECTED | Control.SACL_AUTO_INHERIT_REQ | Control.SACL_AUTO_INHERITED,
}


@st.composite
def descriptors(draw: st.DrawFn) -> SecurityDescriptor:
    control = Control(Control.SELF_RELATIVE)
    parts: dict[str, Acl | None] = {}
    for name, present in (("dacl", Control.DACL_PRESENT), ("sacl", Control.SACL_PRESENT)):
        parts[name] = draw(st.one_of(st.none(), lists))
        if parts[name] is not None or draw(st.booleans()):
            control |= present | draw(st.integers(0, 0xFFFF)) & SPOKEN[name]
    owner, group = draw(st.one_of(st.none(), sids)), draw(st.one_of(st.none(), sids))
    return SecurityDescriptor(control, owner, group, parts["sacl"], parts["dacl"])


@given(descriptors())
def test_descriptors_survive_text(descriptor: SecurityDescriptor) -> None:
    text = write(descriptor)
    assert read(text) == descriptor
    forget()
    assert read(text) == descriptor
    assert write(read(text)) == text
    assert descriptor_from_sddl(descriptor_to_sddl(descriptor)) == descriptor
    assert SecurityDescriptor.from_bytes(read(text).to_bytes()) == descriptor


def attempt(text: str) -> tuple[SecurityDescriptor | None, SddlError | None]:
    """What the text stands for, or its error; any other exception fails the test."""
    try:
        return read(text), None
    except SddlError as error:
        return None, error


@given(descriptors(), st.data())
def test_damaged_text_is_read_alike_with_and_without_tables(
    descriptor: SecurityDescriptor, data: st.DataObject
) -> None:
    text = write(descriptor)
    read(text)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 4)))
        text = text[:start] + data.draw(st.text('()";:,DOGSPAI xX10&|', max_size=3)) + text[end:]
    known, known_error = attempt(text)
    forget()
    fresh, fresh_error = attempt(text)
    assert known == fresh
    assert (known_error and known_error.args) == (fresh_error and fresh_error.args)
    if fresh_error:
        start, end = fresh_error.span
        assert 0 <= start <= end <= len(text)
        assert str(fresh_error)
        assert fresh_error.marked()
    elif fresh:
        assert read(write(fresh)) == fresh
        assert write(read(write(fresh))) == write(fresh)


@given(st.one_of(st.text(max_size=30), st.text('OGDS:()";-=RAXWPCI10 ', max_size=60)))
def test_any_text_is_a_descriptor_or_an_error(text: str) -> None:
    descriptor, error = attempt(text)
    assert (descriptor is None) is (error is not None)


# Samba as a second opinion. Version 4.17 knows no condition, resource attribute, label, null list, critical
# flag or registry right; it reads FA, FR, FW and FX as other masks, leaves OA without a GUID as it is, and
# rejects a list of flags alone in front of S:. All of that is left out here. It writes rights in another
# order, numbers with leading zeros and always revision 4: texts are compared by what they stand for.

SCRIPT = """
import json, sys
from samba.dcerpc import security
from samba.ndr import ndr_pack
domain = security.dom_sid(sys.argv[1])
for text in json.load(sys.stdin):
    try:
        descriptor = security.descriptor.from_sddl(text, domain)
        print(json.dumps([ndr_pack(descriptor).hex(), descriptor.as_sddl(domain)]))
    except Exception as error:
        print(json.dumps([repr(error), None]))
"""


@functools.cache
def samba_python() -> str | None:
    for candidate in (shutil.which("python3", path=os.defpath), shutil.which("python3"), sys.executable):
        if candidate:
            found = subprocess.run(
                [candidate, "-I", "-c", "import samba.dcerpc.security"], capture_output=True, check=False
            )
            if found.returncode == 0:
                return candidate
    return None


def samba_descriptors(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    names = ["WD", "SY", "BA", "AU", "PS", "CO", "ED", "RU", "DA", "DU", "CA", "EA", "SA", "RO"]
    words = list(BIT_RIGHTS)

    def sid() -> str:
        return chance.choice(names) if chance.random() < 0.7 else f"{DOMAIN}-{chance.randrange(1 << 32)}"

    def rights() -> str:
        if chance.random() < 0.2:
            return f"0x{chance.randrange(1, 1 << 32):x}"
        return "".join(chance.sample(words, chance.randint(1, 8)))

    def guid() -> str:
        return str(UUID(int=chance.getrandbits(128)))

    def entry(kinds: str) -> str:
        kind = chance.choice(kinds.split())
        flags = "".join(word for word in ("OI", "CI", "NP", "IO", "ID", "SA", "FA") if chance.random() < 0.3)
        first, second = "", ""
        if kind.startswith("O"):
            first, second = chance.choice([(guid(), ""), ("", guid()), (guid(), guid())])
        return f"({kind};{flags};{rights()};{first};{second};{sid()})"

    texts = []
    for _ in range(count):
        dacl = "".join(entry("A D OA OD") for _ in range(chance.randint(1, 30)))
        sacl = "".join(entry("AU OU") for _ in range(chance.randint(1, 4)))
        flags = ["", "P", "AI", "PAI", "AR", "PARAI"]
        texts.append(f"O:{sid()}G:{sid()}D:{chance.choice(flags)}{dacl}S:{chance.choice(flags)}{sacl}")
    return texts


def test_samba_agrees() -> None:
    interpreter = samba_python()
    if not interpreter:
        if os.environ.get("CI") == "true":
            pytest.fail("no Python can import samba (package: python3-samba)")
        pytest.skip("no Python can import samba (package: python3-samba)")
    seed = int(os.environ.get("SDDL_SEED", "20240229"))
    texts = samba_descriptors(400, seed)
    # Samba takes names of the forest for names of the domain.
    ours = [descriptor_from_sddl(text, domain_sid=DOMAIN, forest_root_sid=DOMAIN) for text in texts]
    rewritten = [
        re.sub(
            r"(\((?:[^;()]*;){2})([FK][ARWX])(?=;)",
            lambda match: f"{match[1]}0x{MASK_RIGHTS[match[2]]:x}",
            descriptor_to_sddl(each, domain_sid=DOMAIN, forest_root_sid=DOMAIN),
        )
        for each in ours
    ]
    answers = subprocess.run(
        [interpreter, "-I", "-c", SCRIPT, str(DOMAIN)],
        input=json.dumps(texts + rewritten),
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    assert len(answers) == 2 * len(texts)
    for index, answer in enumerate(answers):
        data, text = json.loads(answer)
        known = ours[index % len(texts)]
        where = f"seed {seed}, descriptor {index}: {(texts + rewritten)[index]}"
        assert text is not None, f"{data}: {where}"
        samba = SecurityDescriptor.from_bytes(bytes.fromhex(data))
        again = descriptor_from_sddl(text, domain_sid=DOMAIN, forest_root_sid=DOMAIN)
        for theirs in (samba, again):
            assert (theirs.owner, theirs.group) == (known.owner, known.group), where
            assert theirs.control == known.control, where
            assert tuple(theirs.dacl or ()) == tuple(known.dacl or ()), where
            assert tuple(theirs.sacl or ()) == tuple(known.sacl or ()), where


settings.register_profile("deep", max_examples=5000, deadline=None)
