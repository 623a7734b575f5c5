"""Two snapshots compared, as a page: each object that differs, entry by entry, with signs beside the colours.

Rule 1: a page holds so many objects at most; how many it leaves out, and which form has them all, is said on it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from . import differing
from .markup import Child, Markup, element, word_breaks
from .places import leaf_name
from .shell import facts, page, section
from .summary import number
from .visible import printable

if TYPE_CHECKING:
    from adsyncconfig.comparison import ComparedSnapshot, Comparison, EntryDifference, ObjectDifference

__all__ = ["comparison_page"]

#: Beyond this a browser takes long, and nobody reads on.
OBJECTS: Final = 5000


def comparison_page(found: Comparison) -> str:
    """The page as text."""
    total = len(found.differences)
    state = "attention" if total else "unknown" if found.unreadable else "clean"
    return page(
        f"Comparison of {printable(found.reference.path)} and {printable(found.difference.path)}",
        header=(
            element("p", "Permissions compared", element("span", "Active Directory"), class_="eyebrow"),
            element("h1", word_breaks(f"{found.reference.path} → {found.difference.path}")),
            element("p", differing.verdict(found), class_=f"verdict v-{state}"),
            element("button", "Dark", type="button", id="theme", hidden=True),
        ),
        body=(_summary(found), _differences(found) if total else None),
        footer=element("p", "Made by adsyncconfig. It holds names and permissions, and no passwords."),
    )


def _summary(found: Comparison) -> Markup:
    sides = (("Reference", found.reference), ("Compared with it", found.difference))
    notes: list[Child] = []
    if found.warnings:
        items = (element("li", line) for line in found.warnings)
        notes.append(element("div", element("h3", "Warnings"), element("ul", items), class_="note warned"))
    return section(
        "summary",
        "Summary",
        element("div", (_side(title, side) for title, side in sides), class_="beside"),
        element("div", notes, class_="notes beside") if notes else None,
    )


def _side(title: str, side: ComparedSnapshot) -> Markup:
    pairs: list[tuple[str, Child]] = [
        ("File", side.path),
        ("Controller", side.controller),
        ("Taken", side.taken or "not known"),
        ("Objects", number(side.objects, "object")),
    ]
    if side.not_read:
        pairs.append(("Not in it", element("ul", (element("li", line) for line in side.not_read))))
    return element("div", element("h3", title), facts(*pairs))


def _differences(found: Comparison) -> Markup:
    total = len(found.differences)
    cut = None
    if total > OBJECTS:
        cut = element(
            "p",
            f"The first {OBJECTS:,} of {total:,} objects. Take --format csv or json for all of them.",
            class_="cut",
        )
    return section(
        "differences",
        "What differs",
        _filters(found),
        element("div", (_object(each) for each in islice(found.differences, OBJECTS)), class_="differences"),
        cut,
    )


def _filters(found: Comparison) -> Markup:
    kinds = (
        element("option", f"{kind.value} ({count:,})", value=kind.value)
        for kind, count in found.counts.items()
        if count
    )
    return element(
        "form",
        element(
            "label",
            element("span", "Text"),
            element("input", type="search", name="text", autocomplete="off", placeholder="name or entry"),
            class_="text",
        ),
        element(
            "label",
            element("span", "What became of it"),
            element("select", element("option", "all", value=""), kinds, name="kind"),
        ),
        element(
            "label",
            element("span", "Inherited too"),
            element("input", type="checkbox", name="inherited", checked=True),
        ),
        element("button", "Clear", type="reset"),
        element("output", "", id="shown-count", role="status"),
        class_="filters",
        hidden=True,
        aria_label="Filter the objects",
    )


def _object(each: ObjectDifference) -> Markup:
    kind = each.kind.value
    lines = [element("li", line) for line in differing.facts(each)]
    return element(
        "article",
        element("h3", element("span", kind, class_=f"kind k-{kind}"), leaf_name(each.dn)),
        element(
            "p", word_breaks(each.dn), f" ({each.object_class})" if each.object_class else None, class_="dn"
        ),
        element("ul", lines, class_="facts-list") if lines else None,
        element("ul", map(_entry, each.permissions.entries), class_="diff")
        if each.permissions.entries
        else None,
        class_="difference",
        data_kind=kind,
        data_inherited=each.permissions.is_inherited,
    )


def _entry(entry: EntryDifference) -> Markup:
    said = "added" if entry.added else "removed"
    return element(
        "li",
        element("b", "+" if entry.added else "-", aria_label=said),
        element(
            "div",
            element("code", entry.sddl),
            element(
                "span",
                entry.words,
                element("em", ", inherited", class_="inherited") if entry.inherited else None,
            ),
        ),
        class_=said,
    )
