"""The groups of an account as a controller works them out for ``tokenGroups``, from stored memberships: pure.

Rule 1: an account is in its primary group, which its ``member`` does not say, and in every group that it or one of
        its groups is a member of.
Rule 2: only security groups count, and nothing passes through another.
Rule 3: domain local groups count in the account's own domain alone.
Rule 4: a SID that an object had before (sIDHistory) speaks for it as its own does.

Source: MS-ADTS 3.1.1.4.5.19 (tokenGroups), MS-DRSR 4.1.8.3 (reverse memberships).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from acl import AclError, Sid

from .directory import Entry
from .dn import DistinguishedName

__all__ = ["Graph", "token_groups"]

DOMAIN_LOCAL: Final = 0x4
SECURITY_ENABLED: Final = 0x80000000


class Graph(Protocol):
    """Stored memberships; objects go by numbers."""

    def entry(self, number: int) -> Entry:
        """The object, with what decides: objectSid, sIDHistory, groupType and primaryGroupID."""

    def groups_of(self, number: int) -> Iterable[int]:
        """The objects that have it as a ``member``."""

    def with_sid(self, sid: Sid) -> Iterable[int]:
        """The objects with this SID, in every domain."""


def token_groups(account: int, graph: Graph) -> tuple[Sid, ...]:
    """The SIDs of the groups that the object is in; none for an object without a SID. Raises DirectoryError."""
    entry = graph.entry(account)
    sid = entry.sid()
    if sid is None:
        return ()
    domain = _domain(entry)
    sids = dict.fromkeys(_history(entry))
    waiting = [account]
    primary = _primary_group(entry, sid, domain, graph)
    if primary is not None:
        waiting.append(primary)
    seen = {account}
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            group = graph.entry(each)
            kind = _group_type(group)
            if each != primary and not kind & SECURITY_ENABLED:
                continue
            if kind & DOMAIN_LOCAL and _domain(group) != domain:
                continue
            group_sid = group.sid()
            if group_sid is not None:
                sids[group_sid] = None
                sids.update(dict.fromkeys(_history(group)))
        waiting += (above for above in graph.groups_of(each) if above not in seen)
    return tuple(sids)


def _primary_group(account: Entry, sid: Sid, domain: str, graph: Graph) -> int | None:
    rid = account.text("primaryGroupID") or ""
    if not (rid.isascii() and rid.isdigit() and int(rid) < 1 << 32) or sid.domain is None:
        return None
    for number in graph.with_sid(sid.domain.child(int(rid))):
        if _domain(graph.entry(number)) == domain:
            return number
    return None


def _group_type(entry: Entry) -> int:
    try:
        return int(entry.text("groupType") or 0) & 0xFFFFFFFF
    except ValueError:  # a file may hold what is no number
        return 0


def _domain(entry: Entry) -> str:
    return DistinguishedName.parse(entry.dn).domain


def _history(entry: Entry) -> list[Sid]:
    try:
        return [Sid.from_bytes(value) for value in entry.attributes.get("sidhistory", ())]
    except AclError:
        return []
