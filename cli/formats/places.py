"""The tree of places as a picture can hold it: which are shown, which are cut, and what a cut hides.

Rule 1: what says something is shown first: where power changes, where inheritance is blocked, where something was
        found. What is like the place that it is in is cut first.
Rule 2: a cut says how many places it hides and the most that a connector can do in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from adsyncconfig.findings import Finding, Place, Power

__all__ = ["Node", "leaf_name", "pruned", "tree_of", "walk"]

#: How many rows a picture has: as many as a sheet of paper takes. More would be a list.
ROWS: Final = 52
#: A place with more children than this has the rest of them in one row.
CHILDREN: Final = 24
_DEPTH: Final = 7
_COMMA: Final = re.compile(r"(?<!\\)(?:\\\\)*,")
_ESCAPED: Final = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


@dataclass(slots=True)
class Node:
    """A place with what is below it. ``place`` is None for a row that stands for several places.

    ``hidden`` counts the places that the picture does not show below it or, in such a row, at all;
    ``hidden_power`` is the most that a connector can do in them. ``telling`` counts what is worth showing below it.
    """

    place: Place | None
    children: list[Node] = field(default_factory=list)
    findings: int = 0
    size: int = 1
    telling: int = 0
    hidden: int = 0
    hidden_power: Power | None = None

    @property
    def rows(self) -> int:
        """How many rows it takes: those of its children, or its own."""
        return sum(child.rows for child in self.children) or 1


def tree_of(places: Sequence[Place], findings: Iterable[Finding]) -> list[Node]:
    """The places as trees, with the number of findings in each, or in the objects in it."""
    nodes: dict[str, Node] = {}
    roots: list[Node] = []
    for place in places:
        node = nodes.setdefault(place.dn.casefold(), Node(place))
        above = nodes.get((place.parent or "").casefold())
        if above is None or above is node:
            roots.append(node)
        elif node not in above.children[-1:]:
            above.children.append(node)
    for home, found in Counter(_home(finding.dn, nodes) for finding in findings).items():
        if home is not None:
            nodes[home].findings = found
    for root in roots:
        _measure(root)
    return roots


def pruned(roots: Sequence[Node], rows: int = ROWS) -> list[Node]:
    """Copies of the trees with so many rows at most, cut where least is lost."""
    copies = [_cut(root) for root in roots]
    waiting: list[tuple[tuple[bool, int, int], int, Node, Node, int]] = []
    order = count()

    def wait(original: Node, copy: Node, depth: int) -> None:
        if original.children and depth < _DEPTH:
            rank = (original.telling <= 1, depth, -original.telling)
            heappush(waiting, (rank, next(order), original, copy, depth))

    for root, copy in zip(roots, copies, strict=True):
        wait(root, copy, 0)
    left = rows - len(copies)
    most = CHILDREN if sum(root.rows for root in roots) > rows else rows
    while waiting:
        _, _, original, copy, depth = heappop(waiting)
        room = min(most, left + 1)
        if room < 2 and len(original.children) > room:
            continue
        kept = _kept(original, room)
        left += 1 - len(kept)
        copy.children, copy.hidden, copy.hidden_power = kept, 0, None
        shown = {id(node.place): node for node in kept if node.place is not None}
        for child in original.children:
            if id(child.place) in shown:
                wait(child, shown[id(child.place)], depth + 1)
    return copies


def walk(roots: Iterable[Node], depth: int = 0) -> Iterator[tuple[Node, int]]:
    """Every node with its depth, parents before children."""
    for root in roots:
        yield root, depth
        yield from walk(root.children, depth + 1)


def leaf_name(dn: str) -> str:
    """A place's own name; of a domain its DNS name."""
    parts = _COMMA.split(dn)
    if all(part[:3].upper() == "DC=" for part in parts):
        return ".".join(map(_value, parts))
    return _value(parts[0])


def _kept(original: Node, room: int) -> list[Node]:
    """What is shown of a node's children: all, or those that tell most and one row for the rest."""
    if len(original.children) <= room:
        return [_cut(child) for child in original.children]
    ranked = sorted(range(len(original.children)), key=lambda at: (-original.children[at].telling, at))
    chosen = set(ranked[: room - 1])
    kept = [_cut(child) for at, child in enumerate(original.children) if at in chosen]
    rest = [child for at, child in enumerate(original.children) if at not in chosen]
    return [
        *kept,
        Node(
            None,
            findings=sum(node.findings for each in rest for node, _ in walk([each])),
            hidden=sum(each.size for each in rest),
            hidden_power=_most(node for each in rest for node, _ in walk([each])),
        ),
    ]


def _cut(node: Node) -> Node:
    below = [each for child in node.children for each, _ in walk([child])]
    return Node(
        node.place, [], node.findings, node.size, node.telling, len(below), _most(below) if below else None
    )


def _most(nodes: Iterable[Node]) -> Power | None:
    powers = (node.place.power for node in nodes if node.place is not None)
    return max(powers, key=lambda power: power.rank, default=None)


def _measure(root: Node) -> None:
    """How many places each node holds, and how many of them say something that the place above does not."""
    nodes = [node for node, _ in walk([root])]
    for node in reversed(nodes):
        place = node.place
        node.size = 1 + sum(child.size for child in node.children)
        node.telling = bool(node.findings or (place and place.blocked))
        for child in node.children:
            differs = child.place and place and dict(child.place.powers) != dict(place.powers)
            node.telling += child.telling
            # A change counts for the place in which it is, so that it is opened, and for the one that is shown.
            if differs:
                child.telling += 1
                node.telling += 1


def _home(dn: str, nodes: Mapping[str, Node]) -> str | None:
    """The place that an object is, or is in."""
    name = dn.casefold()
    while name not in nodes:
        comma = _COMMA.search(name)
        if comma is None:
            return None
        name = name[comma.end() :]
    return name


def _value(rdn: str) -> str:
    _, _, value = rdn.partition("=")
    return _ESCAPED.sub(_unescaped, value) or rdn


def _unescaped(match: re.Match[str]) -> str:
    return bytes.fromhex(match[1].replace("\\", "")).decode("utf-8", "replace") if match[1] else match[2]
