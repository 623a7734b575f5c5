"""A comparison in the words that every form for people has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .summary import listed, number
from .visible import printable

if TYPE_CHECKING:
    from adsyncconfig.comparison import ComparedSnapshot, Comparison, ObjectDifference

__all__ = ["facts", "side", "verdict"]


def verdict(found: Comparison) -> str:
    """The comparison in one sentence."""
    total = len(found.differences)
    if total:
        parts = [f"{count:,} {kind.value}" for kind, count in found.counts.items() if count]
        said = f"{number(total, 'object differs', 'objects differ')}: {listed(parts)}"
    else:
        said = "No permissions differ"
    if found.unreadable:
        unknown = number(found.unreadable, "object has its permissions", "objects have their permissions")
        return f"{said}; {unknown} in neither snapshot, so there may be more."
    return f"{said}."


def side(snapshot: ComparedSnapshot) -> str:
    """One of the two snapshots: its file, where and when it was taken, and how much is in it."""
    taken = f", taken {printable(snapshot.taken)}" if snapshot.taken else ""
    return (
        f"{printable(snapshot.path)} ({printable(snapshot.controller)}{taken}), "
        f"{number(snapshot.objects, 'object')}"
    )


def facts(each: ObjectDifference) -> Iterator[str]:
    """What differs beside the entries, a line each: name, owner, inheritance, and whether it could be read."""
    permissions = each.permissions
    if each.former_dn:
        yield f"was {printable(each.former_dn)}"
    if permissions.owner:
        before, after = (who if who is None else printable(who) for who in permissions.owner)
        if before and after:
            yield f"owner {before}, now {after}"
        else:
            yield f"owner {after}" if after else f"owner was {before}"
    if permissions.protected:
        yield "inheritance is now blocked" if permissions.protected[1] else "it inherits permissions again"
    if permissions.open:
        yield (
            "it has no access list any more: everybody may do everything"
            if permissions.open[1]
            else "it had no access list, and so was open to everybody"
        )
    if permissions.readable:
        yield {
            (True, False): "its permissions could be read in the reference only",
            (False, True): "its permissions could not be read in the reference",
        }.get(permissions.readable, "its permissions could not be read")
    if permissions.reordered:
        yield "the same entries stand in another order, which decides what is looked at first"
