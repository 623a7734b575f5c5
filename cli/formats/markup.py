"""HTML that is safe by its type: text is escaped unless it is markup already, and markup is made here alone.

Rule 1: ``element`` escapes every child that is no ``Markup``, and every attribute. Names of elements and attributes
        are those of this program, never of a directory.
Rule 2: no attribute that runs (``on...``), loads (``src``) or styles (``style``), and links only within the page:
        the page's policy would refuse them.
Rule 3: what is not printable is shown as an escape, and marked as one where it is text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final

from .visible import printable

__all__ = ["Child", "Markup", "element", "joined", "shown", "word_breaks"]


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


Child = str | None | Iterable["Child"]

_VOID: Final = frozenset({"input", "wbr"})
_FORBIDDEN: Final = re.compile(r"on.*|src|srcset|style|srcdoc|action|formaction|xlink:href|data")


def element(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element; ``class_`` is ``class``, ``aria_label`` ``aria-label``, and False or None leaves one out."""
    written = []
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if _FORBIDDEN.fullmatch(attribute) or (attribute == "href" and not str(value).startswith("#")):
            raise ValueError(f"a report has no attribute {attribute}={value!r}")
        said = "" if value is True else f'="{html.escape(printable(f"{value}"))}"'
        written.append(f" {attribute}{said}")
    start = f"<{name}{''.join(written)}>"
    return Markup(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Children one after the other, each escaped unless it is markup."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return shown(children)
    return Markup("".join(map(joined, children)))


def shown(text: str) -> Markup:
    """Text as HTML; what is not printable as an escape that looks like one."""
    if text.isprintable():
        return Markup(html.escape(text))
    return Markup(
        "".join(
            html.escape(character)
            if character.isprintable()
            else f'<span class="escape">{html.escape(printable(character))}</span>'
            for character in text
        )
    )


def word_breaks(text: str) -> Markup:
    """A name that may break after its commas, backslashes and dots."""
    return Markup("<wbr>".join(shown(part) for part in re.split(r"(?<=[,.\\])(?=\S)", text) if part))
