"""The tree of places as a picture: SVG, in which each place is a box beside the one that it is in.

Rule 1: colour never says anything alone: a box has the word for its power, and a bar that is the wider the more
        power it is.
Rule 2: the picture is as wide as the page and as high as it has rows; boxes are never thinner than a line of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from unicodedata import east_asian_width

from .markup import Markup, element, joined
from .places import Node, leaf_name, pruned, walk
from .summary import number
from .visible import printable

if TYPE_CHECKING:
    from adsyncconfig.findings import Place, Power

__all__ = ["WORDS", "legend", "picture"]

#: The power over a place in one word, as the boxes have it.
WORDS: Final = {
    "nothing": "nothing",
    "read": "reads",
    "write attributes": "writes",
    "create or delete objects": "creates",
    "take control": "controls",
}
_WIDTH: Final = 1200
_ROW: Final = 30
_GAP: Final = 3
_GUTTER: Final = 178
_LEAF: Final = 190
_WIDEST: Final = 190
_NARROWEST: Final = 72
_PAD: Final = 17
_CHARACTER: Final = 7.1


def picture(roots: Sequence[Node], accounts: Sequence[str]) -> tuple[Markup, int]:
    """The picture, and how many places it leaves out. ``accounts`` are those that a box tells apart, by name."""
    shown = pruned(roots)
    left_out = sum(node.hidden for node, _ in walk(shown))
    deepest = max((depth for _, depth in walk(shown)), default=0)
    column = _WIDEST
    if deepest:
        column = min(_WIDEST, max(_NARROWEST, (_WIDTH - _GUTTER - _LEAF) // deepest))
    right = max(_WIDTH - _GUTTER, deepest * column + _LEAF)
    width = right + _GUTTER
    height = sum(node.rows for node in shown) * _ROW
    frame = _Frame(column, right, accounts)
    boxes, top = [], 0
    for root in shown:
        boxes.append(joined(_boxes(root, 0, top, frame)))
        top += root.rows * _ROW
    label = f"Places and what the connectors can do in them: {number(sum(1 for _ in walk(shown)), 'box', 'boxes')}"
    drawn = element(
        "svg",
        *boxes,
        class_="picture",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )
    return drawn, left_out


def legend() -> Markup:
    """What the colours and bars of the picture mean."""
    from adsyncconfig.findings import Power  # noqa: PLC0415 - help does without

    swatches = (
        element(
            "li",
            _swatch(power),
            element("span", element("b", WORDS[power.value]), f" {_MEANING[power.value]}"),
        )
        for power in Power
    )
    blocked = element(
        "li",
        element("svg", _lock(4, 3), class_="swatch lock", width=18, height=18, aria_hidden="true"),
        element("span", element("b", "locked"), " inherits nothing from above"),
    )
    return element("ul", *swatches, blocked, class_="legend")


_MEANING: Final = {
    "nothing": "sees nothing in it",
    "read": "and no more",
    "write attributes": "attributes of what is in it",
    "create or delete objects": "and deletes objects",
    "take control": "can take over what is in it",
}


class _Frame(NamedTuple):
    """How wide a level is, where the boxes end, and which accounts a box tells apart."""

    column: int
    right: int
    accounts: Sequence[str]


def _boxes(node: Node, depth: int, top: int, frame: _Frame) -> Iterator[Markup]:
    left = depth * frame.column
    leaf = not node.children
    width = (frame.right - left if leaf else frame.column) - _GAP
    height = node.rows * _ROW - _GAP
    place = node.place
    if place is None:
        yield _rest(node, left, top, width)
        return
    text = left + _PAD + (16 if place.blocked else 0)
    word = WORDS[place.power.value]
    # A place with one row of children has no second line for its word.
    one_line = leaf or height < _ROW
    room = width - (text - left) - (_wide(word) + 22 if one_line else 8)
    lines = [element("text", _fitting(leaf_name(place.dn), room), x=text, y=top + 19, class_="name")]
    if one_line:
        lines.append(element("text", word, x=left + width - 10, y=top + 19, class_="word", text_anchor="end"))
    else:
        lines.append(element("text", word, x=left + _PAD, y=top + 37, class_="word"))
    more = _more(node)
    if leaf:
        lines.append(element("text", more, x=frame.right + 10, y=top + 19, class_="more"))
    elif height > 3 * 18:
        lines += (
            element("text", part, x=left + _PAD, y=top + 55 + 16 * at, class_="more inside")
            for at, part in enumerate(more.split(" · ")[: (height - 40) // 18])
        )
    powers = {
        f"data_power_{at}": place.powers.get(name, place.power).value
        for at, name in enumerate(frame.accounts)
    }
    yield element(
        "g",
        element("title", _title(node, place)),
        element("rect", x=left, y=top, width=width, height=height, rx=4, class_="box"),
        element("rect", x=left, y=top, width=2 + 2 * place.power.rank, height=height, rx=2, class_="bar"),
        _lock(left + _PAD - 1, top + 7) if place.blocked else None,
        *lines,
        class_=f"place p-{_css(place.power)}" + (" blocked" if place.blocked else ""),
        data_power=place.power.value,
        **powers,
    )
    for child in node.children:
        yield from _boxes(child, depth + 1, top, frame)
        top += child.rows * _ROW


def _rest(node: Node, left: int, top: int, width: int) -> Markup:
    """One row for several places that are not shown."""
    most = node.hidden_power
    said = f"and {number(node.hidden, 'more place')}"
    if most is not None:
        said += f", {_upto(most)}"
    return element(
        "g",
        element("title", said),
        element("rect", x=left, y=top, width=width, height=_ROW - _GAP, rx=4, class_="box"),
        element("text", _fitting(said, width - 2 * _PAD), x=left + _PAD, y=top + 19, class_="name"),
        class_="rest",
    )


def _more(node: Node) -> str:
    """What stands beside a box: objects, findings, and what is cut."""
    place = node.place
    parts = []
    if node.findings:
        parts.append(number(node.findings, "finding"))
    if node.hidden:
        parts.append(f"+{number(node.hidden, 'place')}")
    if place is not None and place.objects:
        parts.append(number(place.objects, "object"))
    return " · ".join(parts)


def _title(node: Node, place: Place) -> str:
    lines = [place.dn]
    lines += (f"{name}: {power.value}" for name, power in place.powers.items())
    if place.blocked:
        lines.append("inherits nothing")
    if node.hidden and node.hidden_power is not None:
        lines.append(f"{number(node.hidden, 'place')} below are not shown, {_upto(node.hidden_power)}")
    if more := _more(node):
        lines.append(more)
    return "; ".join(map(printable, lines))


def _upto(power: Power) -> str:
    return f"the strongest: {WORDS[power.value]}"


def _css(power: Power) -> str:
    return power.value.split()[0]


def _swatch(power: Power) -> Markup:
    return element(
        "svg",
        element("rect", x=0.5, y=0.5, width=27, height=17, rx=3, class_="box"),
        element("rect", x=0.5, y=0.5, width=2 + 2 * power.rank, height=17, rx=1.5, class_="bar"),
        class_=f"swatch p-{_css(power)}",
        width=28,
        height=18,
        aria_hidden="true",
    )


def _lock(x: float, y: float) -> Markup:
    return element(
        "path",
        d=f"M{x + 1} {y + 6}h9v7h-9zM{x + 3} {y + 6}v-2a2.5 2.5 0 0 1 5 0v2",
        class_="lock",
        fill_rule="evenodd",
    )


def _fitting(text: str, room: float) -> str:
    """The text as far as it fits; its width is a guess, since a page has the fonts of its reader."""
    text = printable(text)
    if _wide(text) <= room:
        return text
    cut = text
    while cut and _wide(cut) + _CHARACTER > room:
        cut = cut[:-1]
    return f"{cut.rstrip()}…" if cut else ""


def _wide(text: str) -> float:
    return sum(13 if east_asian_width(each) in "WF" else _CHARACTER for each in text)
