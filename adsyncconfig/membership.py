"""The groups of an account as a controller works them out for ``tokenGroups``, from stored memberships: pure.

Rule 1: an account is in its primary group, which its ``member`` does not say, and in every group that it or one of
        its groups is a member of.
Rule 2: only security groups count, and nothing passes through another.
Rule 3: domain local groups count in the account's own domain alone.
Rule 4: a SID that an object had before (sIDHistory) speaks for it as its own does.

Source: MS-ADTS 3.1.1.4.5.19 (tokenGroups), MS-DRSR 4.1.8.3 (reverse memberships).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from acl import AclError, Sid

from .directory import Entry
from .dn import DistinguishedName, Rdns
from .errors import ParameterError

__all__ = ["memberships", "token_groups"]

DOMAIN_LOCAL: Final = 0x4
SECURITY_ENABLED: Final = 0x80000000


def memberships(entries: Mapping[Rdns, Entry]) -> dict[Rdns, list[Rdns]]:
    """Of each object that is a member of security groups: these groups, by name."""
    found: dict[Rdns, list[Rdns]] = {}
    for name, entry in entries.items():
        members = entry.values("member")
        if members and _group_type(entry) & SECURITY_ENABLED:
            for member in members:
                try:
                    found.setdefault(DistinguishedName.parse(member).rdns, []).append(name)
                except ParameterError:
                    continue  # no name: nobody is it
    return found


def token_groups(
    name: Rdns, entries: Mapping[Rdns, Entry], groups_of: Mapping[Rdns, Iterable[Rdns]]
) -> tuple[Sid, ...]:
    """The SIDs of the groups that the object of this name is in; none for an object without a SID.

    ``groups_of`` are the ``memberships`` of these entries.
    """
    account = entries[name]
    sid = account.sid()
    if sid is None:
        return ()
    domain = _domain(name)
    sids = dict.fromkeys(_history(account))
    waiting = [name]
    primary = _primary_group(account, sid, domain, entries)
    if primary is not None:
        waiting.append(primary)
    seen = {name}
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            group = entries[each]
            if _group_type(group) & DOMAIN_LOCAL and _domain(each) != domain:
                continue
            group_sid = group.sid()
            if group_sid is not None:
                sids[group_sid] = None
                sids.update(dict.fromkeys(_history(group)))
        waiting += (above for above in groups_of.get(each, ()) if above not in seen)
    return tuple(sids)


def _primary_group(account: Entry, sid: Sid, domain: Rdns, entries: Mapping[Rdns, Entry]) -> Rdns | None:
    rid = account.text("primaryGroupID")
    if rid is None or sid.domain is None:
        return None
    wanted = sid.domain.child(int(rid)).to_bytes()
    for name, entry in entries.items():
        if wanted in entry.attributes.get("objectsid", ()) and _domain(name) == domain:
            return name
    return None


def _group_type(entry: Entry) -> int:
    return int(entry.text("groupType") or 0) & 0xFFFFFFFF


def _domain(name: Rdns) -> Rdns:
    """The DC parts that the name ends with."""
    start = len(name)
    while start and name[start - 1][0][0] == "dc":
        start -= 1
    return name[start:]


def _history(entry: Entry) -> list[Sid]:
    try:
        return [Sid.from_bytes(value) for value in entry.attributes.get("sidhistory", ())]
    except AclError:
        return []
