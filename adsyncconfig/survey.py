"""The survey of an audit: every object of a search base, one after the other, judged by its descriptor.

Rule 1: the directory is never held in memory. What is kept of an object is a digest of its name; of a descriptor,
        as long as there is room, which checks have something to say about it.
Rule 2: objects of equal descriptor, class and adminCount are judged once. Of those with something to say each is
        asked about by itself, with its name.
Rule 3: when the controller drops the connection the search begins again, and what was seen is skipped; after the
        last attempt ``not_read`` says what was left.
Rule 4: an object whose permissions cannot be read is counted and told, never taken for a clean one.
"""

from __future__ import annotations

import re
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from acl import Ace, AclError, SecurityDescriptor, Sid
from acl.intern import InternTable

from .apply import Notify
from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import DirectoryError, Unreachable
from .facts import AuditContext, ObjectCheck, SeenObject, SidUse, Surveyed
from .filters import EVERYTHING, Filter
from .findings import Finding
from .principals import FIRST_OWN_RID
from .search_base import SearchBase
from .shortfalls import CONTAINERS
from .trustees import Trustees

__all__ = ["ATTRIBUTES", "MOST_FINDINGS", "Found", "Survey", "parent_of", "sighted", "streamed"]

DESCRIPTOR: Final = "nTSecurityDescriptor"
#: What is read of every object. The last three are there for few, and cost nothing where they are not.
ATTRIBUTES: Final = (DESCRIPTOR, "objectClass", "adminCount", "adminDescription", "isCriticalSystemObject")
#: How many findings of one rule a report holds; the others are counted.
MOST_FINDINGS: Final = 1_000
#: How many objects a finding names beside the first.
_NAMED: Final = 10
#: How many bytes of descriptors are known by what was said of them.
_KNOWN_BYTES: Final = 32 << 20
#: How long to wait, in seconds, before each new attempt after the connection was lost.
_PAUSES: Final = (0.5, 2.0, 5.0)
#: How many objects are read between two lines of progress.
_PROGRESS: Final = 10_000
#: How many SIDs wait until they are looked up, and how many containers and parents are remembered.
_WAITING: Final = 200
_MOST_BLOCKED: Final = 10_000
_MOST_PARENTS: Final = 200_000
#: The first part of a DN and the comma behind it; a comma in a name stands behind a backslash.
_LEAF: Final = re.compile(r"(?:[^\\,]|\\.)*,", re.DOTALL)
#: Groups of group writeback are called so, and say so in adminDescription.
_WRITTEN_BACK: Final = b"group_"


def streamed(
    base: SearchBase,
    condition: Filter,
    attributes: Sequence[str],
    *,
    lost: Callable[[str], None],
    tell: Notify,
    pauses: Sequence[float] | None = None,
) -> Iterator[Entry]:
    """The entries below the base, each once, though the connection be lost; ``lost`` is told what was not read."""
    seen = array("q")
    before = array("q")
    for pause in (*(_PAUSES if pauses is None else pauses), None):
        try:
            for entry in base.directory.search(base.dn, condition, attributes):
                digest = hash(entry.dn)
                if before and _holds(before, digest):
                    continue
                seen.append(digest)
                yield entry
        except Unreachable as error:
            if pause is None:
                lost(f"'{base.dn}': {len(seen):,} objects were read and the rest was not: {error}")
                return
            tell(f"The connection was lost after {len(seen):,} objects below '{base.dn}'; going on: {error}")
            before = array("q", sorted(seen))
            time.sleep(pause)
        except DirectoryError as error:
            lost(f"'{base.dn}': {len(seen):,} objects were read and the rest was not: {error}")
            return
        else:
            return


def _holds(ordered: array[int], digest: int) -> bool:
    place = bisect_left(ordered, digest)
    return place < len(ordered) and ordered[place] == digest


def sighted(entry: Entry, domain: str, *, is_top: bool = False) -> SeenObject:
    """The object as rules see it; ``domain`` is the DNS name of the domain that answered."""
    attributes = entry.attributes
    raw = next(iter(attributes.get("ntsecuritydescriptor", ())), None)
    descriptor, why = None, None
    if raw is None:
        why = "its permissions may not be read: Read Permissions is needed there"
    else:
        try:
            descriptor = SecurityDescriptor.from_bytes(raw)
        except AclError as error:
            why = f"its security descriptor is malformed: {error}"
    description = next(iter(attributes.get("admindescription", ())), b"")
    return SeenObject(
        dn=entry.dn,
        object_class=(entry.values("objectClass") or ("top",))[-1],
        domain=domain,
        descriptor=descriptor,
        admin_count=entry.text("adminCount") == "1",
        unreadable=why,
        is_top=is_top,
        is_written_back=bytes(description[:6]).lower() == _WRITTEN_BACK
        or entry.dn[:9].lower() == "cn=group_",
        is_critical=entry.text("isCriticalSystemObject") == "TRUE",
    )


def parent_of(dn: str) -> str:
    """The DN of what the object is in, as it stands in the object's own."""
    if '"' in dn:
        return DistinguishedName.parse(dn).parent
    if "\\" in dn:
        leaf = _LEAF.match(dn)
        return "" if leaf is None else dn[leaf.end() :]
    return dn.partition(",")[2]


class Found:
    """The findings so far: of each rule as many as a report holds, the others counted."""

    def __init__(self, most: int = MOST_FINDINGS) -> None:
        self._most = most
        self._counts: dict[str, int] = {}
        self.findings: list[Finding] = []
        self.beyond: dict[str, int] = {}

    def add(self, findings: Iterable[Finding]) -> bool:
        """Keep or count these; True when there was one."""
        any_found = False
        for finding in findings:
            any_found = True
            rule = finding.rule.id
            count = self._counts[rule] = self._counts.get(rule, 0) + 1
            if count <= self._most:
                self.findings.append(finding)
            else:
                self.beyond[rule] = self.beyond.get(rule, 0) + 1
        return any_found


class _Verdict(NamedTuple):
    """What is to be said of objects alike: checks to ask, SIDs that may be gone, whether they inherit nothing."""

    checks: tuple[ObjectCheck, ...]
    sids: tuple[tuple[Sid, Ace], ...]
    blocked: bool


class _Tally:
    """Where one SID stands."""

    def __init__(self, ace: Ace) -> None:
        self.count = 0
        self.dns: list[str] = []
        self.ace = ace


class Survey:
    """One survey: ``look`` at each base, then ``end``."""

    def __init__(
        self,
        context: AuditContext,
        checks: Iterable[ObjectCheck],
        trustees: Trustees,
        *,
        tops: Mapping[str, SeenObject],
        tell: Notify,
    ) -> None:
        self._context = context
        self._checks = tuple(checks)
        self._trustees = trustees
        self._tops = tops
        self._tell = tell
        self.found = Found()
        self.read = 0
        self.unreadable = 0
        self.not_read: list[str] = []
        self._parents: dict[str, int] = {}
        self._blocked: list[SeenObject] = []
        self._tallies: dict[Sid, _Tally] = {}
        self._waiting: set[Sid] = set()
        self._there: set[Sid] = set()

    def look(self, base: SearchBase) -> None:
        """Read and judge everything below the base."""
        domain = base.directory.root.domain
        known: InternTable[dict[bytes, _Verdict | None]] = InternTable(_KNOWN_BYTES)
        parents = self._parents
        top = self._tops.get(base.dn)
        first = base.dn if top is not None and top.is_top else None
        for entry in streamed(base, EVERYTHING, ATTRIBUTES, lost=self.not_read.append, tell=self._tell):
            dn, attributes = entry.dn, entry.attributes
            self.read += 1
            if self.read % _PROGRESS == 0:
                self._tell(f"{self.read:,} objects looked at, the last below '{base.dn}'.")
            parent = parent_of(dn)
            if parent in parents:
                parents[parent] += 1
            elif len(parents) < _MOST_PARENTS:
                parents[parent] = 1
            values = attributes.get("ntsecuritydescriptor")
            classes = attributes.get("objectclass")
            if not values or not classes or dn == first:
                self._alone(entry, base.directory, top if dn == first else None)
                continue
            raw = values[0]
            kinds = known.get(raw)
            if kinds is None:
                kinds = known.keep(bytes(raw), {})
            kind = classes[-1] + b"!" if "admincount" in attributes else classes[-1]
            try:
                verdict = kinds[kind]
            except KeyError:
                verdict = kinds[kind] = self._judge(sighted(entry, domain))
            if verdict is not None and not self._say(verdict, entry, base.directory):
                kinds[kind] = None

    def end(self) -> Surveyed:
        """What is known after the last object."""
        self._learn()
        gone = tuple(
            SidUse(sid, tally.count, tuple(tally.dns), tally.ace)
            for sid, tally in sorted(self._tallies.items(), key=lambda each: str(each[0]))
        )
        return Surveyed(tuple(self._blocked), gone, _Counted(self._parents))

    def objects_in(self, dn: str) -> int:
        """How many objects were seen directly in this one."""
        return self._parents.get(dn, 0)

    def _alone(self, entry: Entry, directory: Directory, top: SeenObject | None) -> None:
        """An object that is like no other: where the search began, or one that cannot be read."""
        seen = top or sighted(entry, directory.root.domain)
        verdict = self._judge(seen)
        if verdict is not None:
            self._say(verdict, entry, directory, seen)
        elif seen.descriptor is None:
            self.unreadable += 1

    def _judge(self, seen: SeenObject) -> _Verdict | None:
        checks = tuple(each for each in self._checks if self._concerns(each, seen))
        sids = {
            ace.sid: ace
            for ace in reversed(seen.aces)
            if ace.sid is not None
            and (ace.sid.rid or 0) >= FIRST_OWN_RID
            and ace.sid not in self._there
            and self._trustees.is_own(ace.sid)
        }
        descriptor = seen.descriptor
        blocked = (
            descriptor is not None
            and descriptor.dacl_is_protected
            and not seen.admin_count
            and seen.object_class in CONTAINERS
        )
        if not checks and not sids and not blocked and descriptor is not None:
            return None
        return _Verdict(checks, tuple(sids.items()), blocked)

    def _concerns(self, check: ObjectCheck, seen: SeenObject) -> bool:
        if check.concerns is not None:
            return check.concerns(self._context, seen)
        return any(True for _ in check.look(self._context, seen))

    def _say(
        self, verdict: _Verdict, entry: Entry, directory: Directory, seen: SeenObject | None = None
    ) -> bool:
        """What there is to say of one object; False when there is nothing to say of others like it."""
        waits = False
        for sid, ace in verdict.sids:
            if sid not in self._there:
                waits = True
                tally = self._tallies.get(sid)
                if tally is None:
                    tally = self._tallies[sid] = _Tally(ace)
                    self._waiting.add(sid)
                tally.count += 1
                if len(tally.dns) <= _NAMED:
                    tally.dns.append(entry.dn)
        if len(self._waiting) >= _WAITING:
            self._learn()
        if not verdict.checks and not verdict.blocked and seen is None and verdict.sids:
            return waits
        seen = seen or sighted(entry, directory.root.domain)
        if seen.descriptor is None:
            self.unreadable += 1
        if seen.admin_count and seen.groups is None:
            seen = replace(seen, groups=_groups(directory, seen.dn))
        if verdict.blocked and len(self._blocked) < _MOST_BLOCKED:
            self._blocked.append(seen)
        for check in verdict.checks:
            self.found.add(check.look(self._context, seen))
        return True

    def _learn(self) -> None:
        """Look up the SIDs that wait; those that somebody has are no more of interest."""
        self._trustees.learn(self._waiting)
        for sid in self._waiting:
            if self._trustees.exists(sid) is not False:
                self._there.add(sid)
                del self._tallies[sid]
        self._waiting.clear()


class _Counted:
    """How many objects were seen below a DN, of the counts of what is directly in each."""

    def __init__(self, parents: Mapping[str, int]) -> None:
        self._parents = parents

    def __call__(self, dn: str) -> int:
        # All spellings are the directory's own, so that text is enough to compare.
        below = f",{dn}"
        return sum(count for parent, count in self._parents.items() if parent == dn or parent.endswith(below))


def _groups(directory: Directory, dn: str) -> frozenset[Sid] | None:
    """The object's own SID, and those of its groups."""
    try:
        entry = directory.get(dn, ["objectSid", "tokenGroups"])
        own = entry.sid()
        groups = frozenset(map(Sid.from_bytes, entry.attributes.get("tokengroups", ())))
    except (DirectoryError, AclError):
        return None
    return groups if own is None else groups | {own}
