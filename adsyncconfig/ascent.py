"""The groups that an object is in, step by step, as the directory's own ``member`` and ``primaryGroupID`` say.

Rule 1: the primary group comes first, which no ``member`` names; then the groups that name the object, then those
        that name one of these, each group once, in every domain of the forest.
Rule 2: every kind of group counts: a distribution group gives no access by itself, and passes on who is in it.

Source: MS-ADTS 3.1.1.4.5.19 (tokenGroups), 3.1.1.6.1.2 (protected objects).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from acl import Sid

from .directory import Directory, Entry
from .filters import AnyOf, Equals
from .forest import domains

__all__ = ["ASCENT_ATTRIBUTES", "Step", "groups_above", "primary_group_of"]

#: What is looked at of the object.
ASCENT_ATTRIBUTES: Final = ("objectSid", "primaryGroupID")
_BATCH: Final = 50


class Step(NamedTuple):
    """A group, and the objects one of which is its direct member; none where it is the primary group."""

    dn: str
    sid: Sid | None
    below: tuple[str, ...]


def primary_group_of(entry: Entry) -> Sid | None:
    """The SID of the object's primary group; None for what has none."""
    sid, rid = entry.sid(), entry.text("primaryGroupID")
    return None if sid is None or sid.domain is None or rid is None else sid.domain.child(int(rid))


def groups_above(directory: Directory, local: Directory, entry: Entry) -> Iterator[Step]:
    """Every group that the object is in, the nearest first.

    ``local`` is the directory of the object's domain. Raises Unreachable where a domain cannot be asked.
    """
    waiting = [entry.dn]
    primary = primary_group_of(entry)
    if primary is not None:
        condition = Equals("objectSid", str(primary))
        found = local.search(local.root.default_naming_context, condition, ["objectSid"])
        group = next(iter(found), None)
        yield Step(str(primary) if group is None else group.dn, primary, ())
        waiting += [] if group is None else [group.dn]
    everywhere = [directory.for_domain(each.dns_name) for each in domains(directory)]
    seen = set(waiting)
    while waiting:
        batch, waiting = tuple(waiting[:_BATCH]), waiting[_BATCH:]
        condition_of_members = AnyOf(tuple(Equals("member", dn) for dn in batch))
        for each in everywhere:
            root = each.root.default_naming_context
            for group in list(each.search(root, condition_of_members, ["objectSid"])):
                if group.dn not in seen:
                    seen.add(group.dn)
                    waiting.append(group.dn)
                    yield Step(group.dn, group.sid(), batch)
