"""The 200 security descriptors that the engine is measured on: what a directory of an ordinary company holds.

Built here with bare ``struct``, so that the measured code has no part in it. Names are resolved to GUIDs
through the project's schema table; SIDs are those of one domain. Every class of object brings the explicit
entries that Active Directory gives it, what its domain root and its organizational unit hand down, and what
administrators added. So entries repeat as they do in a directory, where most of what an object carries is
inherited; ``python benchmarks/corpus.py`` counts how often.

No two descriptors are equal. ``corpus(edition)`` patches the numbers of the accounts that an administrator
chose, which changes the bytes of entries and not only of headers: no two editions share a descriptor.
``scattered(edition)`` patches every entry, and is the worst case: 200 descriptors in which no entry repeats.
"""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

DESCRIPTORS = 200
CONTROL = 0x8C14  # self-relative; DACL and SACL present, and inherited automatically
PROTECTED = 0x1000

ALLOW, DENY, AUDIT = 0, 1, 2
OBJECT = 5  # added to the three: their object forms
CI, NP, IO, INHERITED, SUCCESS, FAILURE = 0x02, 0x04, 0x08, 0x10, 0x40, 0x80
CC, DC, LC, SW, RP, WP, DT, LO, CR = (1 << bit for bit in range(9))
SD, RC, WD, WO = 0x10000, 0x20000, 0x40000, 0x80000
FULL = 0xF01FF
READ = RC | LC | RP | LO
MODIFY = CC | DC | LC | SW | RP | WP | CR | LO | SD | RC | WD | WO

_SCHEMA = json.loads(
    (Path(__file__).parent.parent / "adsyncconfig" / "data" / "schema.json").read_text(encoding="utf-8")
)
_GUIDS: dict[str, bytes] = {
    name.lower(): uuid.UUID(guid).bytes_le
    for name, guid in [
        *((name, right["rightsGuid"]) for name, right in _SCHEMA["rights"].items()),
        *_SCHEMA["attributes"].items(),
        *_SCHEMA["classes"].items(),
    ]
}
_DOMAIN = (5, 21, 1004336348, 1177238915, 682003330)
_SIDS = {
    "everyone": (1, 0), "creator": (3, 0), "self": (5, 10), "users": (5, 11), "system": (5, 18),
    "controllers": (5, 9), "administrators": (5, 32, 544), "account operators": (5, 32, 548),
    "print operators": (5, 32, 550), "pre-2000": (5, 32, 554), "trust builders": (5, 32, 557),
    "authorization access": (5, 32, 560), "terminal licences": (5, 32, 561), "admins": (*_DOMAIN, 512),
    "domain controllers": (*_DOMAIN, 516), "certificate publishers": (*_DOMAIN, 517),
    "enterprise admins": (*_DOMAIN, 519), "policy creators": (*_DOMAIN, 520),
    "read-only controllers": (*_DOMAIN, 498), "remote access": (*_DOMAIN, 553), "keys": (*_DOMAIN, 526),
    "enterprise keys": (*_DOMAIN, 527), "cloneable": (*_DOMAIN, 522),
}  # fmt: skip


def sid(trustee: str | int) -> bytes:
    """A SID by its name above, or by its number in the domain."""
    authority, *subs = (*_DOMAIN, trustee) if isinstance(trustee, int) else _SIDS[trustee]
    return struct.pack(">BBHI", 1, len(subs), 0, authority) + struct.pack(f"<{len(subs)}I", *subs)


def ace(kind: int, flags: int, mask: int, trustee: str | int, *names: str) -> bytes:
    """One entry; an object entry when it names an object type, an inherited type, or both ("" for none)."""
    object_type, inherited_type = (*names, "", "")[:2]
    guids = b"".join(_GUIDS[name.lower()] for name in (object_type, inherited_type) if name)
    body = struct.pack("<I", mask)
    if guids:
        kind += OBJECT
        body += struct.pack("<I", bool(object_type) | bool(inherited_type) << 1) + guids
    body += sid(trustee)
    return struct.pack("<BBH", kind, flags, 4 + len(body)) + body


def acl(aces: Iterable[bytes]) -> bytes:
    entries = list(aces)
    revision = 4 if any(entry[0] >= OBJECT for entry in entries) else 2
    body = b"".join(entries)
    return struct.pack("<BBHHH", revision, 0, 8 + len(body), len(entries), 0) + body


def descriptor(
    aces: Iterable[bytes], sacl: Iterable[bytes], *, owner: str | int = "admins", control: int = CONTROL
) -> bytes:
    """A self-relative descriptor in the order in which Windows writes one."""
    parts = [acl(sacl), acl(aces), sid(owner), sid("admins")]
    offsets = [20]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    sacl_at, dacl_at, owner_at, group_at, _ = offsets
    header = struct.pack("<BBHIIII", 1, 0, control, owner_at, group_at, sacl_at, dacl_at)
    return b"".join((header, *parts))


def _common() -> Iterator[bytes]:
    yield ace(ALLOW, 0, FULL, "admins")
    yield ace(ALLOW, 0, FULL, "system")
    yield ace(ALLOW, 0, READ, "users")


def _domain_root() -> list[bytes]:
    entries = [*_common(), ace(ALLOW, 0, READ, "controllers"), ace(ALLOW, 0, RP, "everyone")]
    for right in (
        "DS-Replication-Get-Changes", "DS-Replication-Synchronize", "DS-Replication-Manage-Topology",
        "DS-Replication-Get-Changes-In-Filtered-Set",
    ):  # fmt: skip
        entries += [ace(ALLOW, 0, CR, "administrators", right), ace(ALLOW, 0, CR, "controllers", right)]
    entries += [
        ace(ALLOW, 0, CR, "domain controllers", "DS-Replication-Get-Changes-All"),
        ace(ALLOW, 0, CR, "administrators", "DS-Replication-Get-Changes-All"),
        ace(ALLOW, 0, CR, "read-only controllers", "DS-Replication-Get-Changes"),
        ace(ALLOW, 0, CR, "cloneable", "DS-Clone-Domain-Controller"),
        ace(ALLOW, 0, CR, "users", "Update-Password-Not-Required-Bit"),
        ace(ALLOW, 0, CR, "users", "Unexpire-Password"),
        ace(ALLOW, 0, CR, "users", "Enable-Per-User-Reversibly-Encrypted-Password"),
        ace(ALLOW, 0, RP, "users", "Domain-Other-Parameters"),
        ace(ALLOW, 0, RP, "users", "Domain-Password"),
        ace(ALLOW, 0, CR, "administrators", "Reanimate-Tombstones"),
        ace(ALLOW, 0, CR, "trust builders", "Create-Inbound-Forest-Trust"),
    ]
    return entries


def _inheritable() -> list[tuple[int, int, int, str, str, str]]:
    """What the domain root hands down: kind, flags, mask, trustee, object type, inherited type."""
    rows = [
        (ALLOW, CI, FULL, "enterprise admins", "", ""),
        (ALLOW, CI, MODIFY, "administrators", "", ""),
        (ALLOW, CI, LC, "pre-2000", "", ""),
        (ALLOW, CI | IO, RP | WP, "self", "msDS-AllowedToActOnBehalfOfOtherIdentity", "computer"),
        (ALLOW, CI | IO, SW, "self", "DS-Validated-Write-Computer", "computer"),
        (ALLOW, CI | IO, SW, "creator", "DS-Validated-Write-Computer", "computer"),
        (ALLOW, CI | IO, RP | WP | CR, "self", "Private-Information", ""),
        (ALLOW, CI, RP | WP, "keys", "msDS-KeyCredentialLink", ""),
        (ALLOW, CI, RP | WP, "enterprise keys", "msDS-KeyCredentialLink", ""),
    ]
    rows += [
        (ALLOW, CI | IO, RP, "controllers", "tokenGroups", name) for name in ("user", "group", "computer")
    ]
    rows += [(ALLOW, CI | IO, READ, "pre-2000", "", name) for name in ("user", "inetOrgPerson", "group")]
    rows += [
        (ALLOW, CI | IO, RP, "pre-2000", right, name)
        for right in (
            "User-Account-Restrictions", "User-Logon", "Membership", "General-Information", "RAS-Information",
        )
        for name in ("user", "inetOrgPerson")
    ]  # fmt: skip
    return rows


def _connector(account: int) -> list[tuple[int, int, int, int, str, str]]:
    """What a synchronisation account was granted at the root, class by class."""
    rows = [
        (ALLOW, CI | IO, RP | WP, account, attribute, name)
        for attribute in ("mS-DS-ConsistencyGuid", "pwdLastSet", "lockoutTime", "proxyAddresses")
        for name in ("user", "inetOrgPerson")
    ]
    rows.append((ALLOW, CI | IO, CR, account, "User-Force-Change-Password", "user"))
    rows.append((ALLOW, CI | IO, FULL & ~(WD | WO), account, "", "group"))
    return rows


def _delegation(unit: int) -> list[tuple[int, int, int, int, str, str]]:
    """What the help desk and the local administrators of one organizational unit were given there."""
    desk, local, joiners = 1200 + 3 * unit, 1201 + 3 * unit, 1202 + 3 * unit
    rows = [
        (ALLOW, CI | IO, CR, desk, "User-Force-Change-Password", "user"),
        (ALLOW, CI | IO, RP | WP, desk, "lockoutTime", "user"),
        (ALLOW, CI | IO, RP | WP, desk, "pwdLastSet", "user"),
        (ALLOW, CI | IO, RP | WP, desk, "member", "group"),
        (ALLOW, CI, CC | DC, local, "user", ""),
        (ALLOW, CI, CC | DC, local, "group", ""),
        (ALLOW, CI | IO, FULL, local, "", "user"),
        (ALLOW, CI | IO, FULL, local, "", "group"),
        (ALLOW, CI, CC | DC, joiners, "computer", ""),
    ]
    if unit % 3 == 0:
        rows.insert(0, (DENY, CI | IO, SD | DT, desk, "", "group"))
    return rows


def _handed_down(rows: Iterable[tuple[int, int, int, str | int, str, str]], name: str) -> Iterator[bytes]:
    """The entries as a child of class ``name`` carries them."""
    for kind, flags, mask, trustee, object_type, inherited_type in rows:
        waits = IO if inherited_type not in ("", name) else 0
        yield ace(kind, flags & ~IO | waits | INHERITED, mask, trustee, object_type, inherited_type)


def _unit(number: int) -> list[bytes]:
    entries = [*_common(), ace(ALLOW, 0, READ, "controllers")]
    entries += [ace(ALLOW, 0, CC | DC, "account operators", name) for name in ("user", "group", "computer")]
    entries.append(ace(ALLOW, 0, CC | DC, "print operators", "printQueue"))
    entries.append(ace(ALLOW, 0, CC | DC, "account operators", "inetOrgPerson"))
    return entries + [ace(*row) for row in _delegation(number)]


def _user() -> list[bytes]:
    entries = [ace(ALLOW, 0, FULL, trustee) for trustee in ("admins", "system", "account operators")]
    entries += [ace(ALLOW, 0, READ, "self"), ace(ALLOW, 0, RC, "users")]
    entries += [
        ace(ALLOW, 0, CR, "self", right) for right in ("User-Change-Password", "Send-As", "Receive-As")
    ]
    entries += [
        ace(ALLOW, 0, RP | WP, "self", right)
        for right in ("Personal-Information", "Email-Information", "Web-Information")
    ]
    entries += [
        ace(ALLOW, 0, RP, "remote access", right)
        for right in ("RAS-Information", "User-Account-Restrictions", "Membership", "User-Logon")
    ]
    entries += [
        ace(ALLOW, 0, RP, "users", right)
        for right in ("General-Information", "Personal-Information", "Web-Information", "Public-Information")
    ]
    entries += [
        ace(ALLOW, 0, CR, "everyone", "User-Change-Password"),
        ace(ALLOW, 0, RP | WP, "certificate publishers", "userCertificate"),
        ace(ALLOW, 0, RP, "authorization access", "tokenGroupsGlobalAndUniversal"),
        ace(ALLOW, 0, RP | WP, "terminal licences", "Terminal-Server-License-Server"),
    ]
    return entries


def _group() -> list[bytes]:
    entries = [ace(ALLOW, 0, FULL, trustee) for trustee in ("admins", "system", "account operators")]
    entries += [ace(ALLOW, 0, READ, "self"), ace(ALLOW, 0, READ, "users")]
    entries.append(ace(ALLOW, 0, CR, "users", "Send-To"))
    entries.append(ace(ALLOW, 0, RP, "authorization access", "tokenGroupsGlobalAndUniversal"))
    return entries


def _computer(creator: int) -> list[bytes]:
    entries = [ace(ALLOW, 0, FULL, trustee) for trustee in ("admins", "system", "account operators")]
    entries += [
        ace(ALLOW, 0, CC | DC, "print operators", "printQueue"),
        ace(ALLOW, 0, LC | RP | LO | RC | SD | DT | CR, creator),
        ace(ALLOW, 0, WP, creator, "User-Logon"),
        ace(ALLOW, 0, WP, creator, "displayName"),
        ace(ALLOW, 0, WP, creator, "description"),
        ace(ALLOW, 0, WP, creator, "sAMAccountName"),
        ace(ALLOW, 0, SW, creator, "Validated-DNS-Host-Name"),
        ace(ALLOW, 0, SW, creator, "Validated-SPN"),
        ace(ALLOW, 0, WP, creator, "User-Account-Restrictions"),
        ace(ALLOW, 0, CC | DC | LC | RP | LO, "self"),
        ace(ALLOW, 0, READ, "users"),
        ace(ALLOW, 0, RP | WP, "self", "Personal-Information"),
        ace(ALLOW, 0, SW, "self", "Validated-DNS-Host-Name"),
        ace(ALLOW, 0, SW, "self", "Validated-SPN"),
        ace(ALLOW, 0, RP | WP, "certificate publishers", "userCertificate"),
        ace(ALLOW, 0, RP, "authorization access", "tokenGroupsGlobalAndUniversal"),
    ]
    return entries


_ROOT_AUDIT = [
    ace(AUDIT, CI | IO | SUCCESS, WP, "everyone", "gPLink", "organizationalUnit"),
    ace(AUDIT, CI | IO | SUCCESS, WP, "everyone", "gPOptions", "organizationalUnit"),
    ace(AUDIT, SUCCESS, WP | WD | WO, "everyone"),
    ace(AUDIT, CI | SUCCESS | FAILURE, SD | DT, "everyone"),
]


def corpus(edition: int = 0) -> list[bytes]:
    """200 descriptors of 20 to 80 entries, none of which another edition contains."""
    chosen = 20_000 + 1_000 * edition  # the first of the account numbers that this edition is free to use
    connector = 1105
    above: list[tuple[int, int, int, str | int, str, str]] = [*_inheritable(), *_connector(connector)]
    sacl = [entry[:1] + bytes([entry[1] & ~IO | INHERITED]) + entry[2:] for entry in _ROOT_AUDIT]
    made: list[bytes] = []
    while (number := len(made)) < DESCRIPTORS:
        unit, own = number % 20, chosen + number
        local: list[tuple[int, int, int, str | int, str, str]] = [*_delegation(unit), *above]
        place, turn = divmod(number, 10)
        if number < 2:
            extra = [ace(ALLOW, CI, READ, own)]
            made.append(descriptor([*_domain_root(), *(ace(*row) for row in above), *extra], _ROOT_AUDIT))
        elif turn == 0:
            extra = [ace(ALLOW, CI, READ, own), ace(ALLOW, CI | IO, RP | WP, own, "member", "group")]
            down = _handed_down(above, "organizationalUnit")
            made.append(descriptor([*_unit(place), *extra, *down], sacl))
        elif turn in (1, 2):
            down = _handed_down(local, "group")
            mine = [ace(ALLOW, 0, WP, own, "member")]  # the group's manager
            made.append(descriptor([*_group(), *mine, *down], sacl))
        elif turn in (3, 4):
            down = _handed_down(local, "computer")
            made.append(descriptor([*_computer(own), *down], sacl, owner=own))
        elif turn == 5:  # of an administrator: protected, nothing is handed down
            mine = [ace(ALLOW, 0, RP | WP, own, "proxyAddresses"), ace(DENY, 0, SD, own)]
            made.append(descriptor([*mine[1:], *_user(), mine[0]], [], control=CONTROL | PROTECTED))
        else:
            down = _handed_down(local, "user")
            mine = [ace(ALLOW, 0, CR, own, "Send-As")]  # of a mailbox's delegate
            made.append(descriptor([*_user(), *mine, *down], sacl))
    return made


def scattered(edition: int = 0) -> list[bytes]:
    """The same descriptors with an account of its own in every entry: none repeats."""
    made = []
    serial = 0x0100_0000 * (edition + 1)
    for data in corpus(edition):
        patched = bytearray(data)
        for start, size in entries(data):
            # The last four bytes of an entry are the last sub-authority of its SID.
            struct.pack_into("<I", patched, start + size - 4, serial)
            serial += 1
        made.append(bytes(patched))
    return made


def entries(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each entry of a descriptor's lists starts, and how long it is."""
    for list_at in struct.unpack_from("<II", data, 12):
        if list_at:
            (count,) = struct.unpack_from("<H", data, list_at + 4)
            start = list_at + 8
            for _ in range(count):
                (size,) = struct.unpack_from("<H", data, start + 2)
                yield start, size
                start += size


def statistics(descriptors: list[bytes]) -> str:
    """What a set of descriptors consists of, in one line."""
    spans = [list(entries(data)) for data in descriptors]
    every = [data[at : at + size] for data, rows in zip(descriptors, spans, strict=True) for at, size in rows]
    counts = sorted(len(rows) for rows in spans)
    sizes = [len(data) for data in descriptors]
    return (
        f"{len(set(descriptors))} distinct descriptors of {counts[0]} to {counts[-1]} entries"
        f" (median {counts[len(counts) // 2]}), {sum(sizes) // len(sizes):,} bytes on average;"
        f" {len(every):,} entries, {len(set(every)):,} of them distinct"
    )


if __name__ == "__main__":
    print("a directory:  ", statistics(corpus()))
    print("nothing alike:", statistics(scattered()))
