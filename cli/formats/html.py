"""One page for a browser and for paper: the verdict, where the connectors can do what, and each finding.

Rule 1: the summary first: what was audited, when, the verdict, and what was not read.
Rule 2: whatever the page shows of a directory goes through ``markup``; there is no other way into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .differences import comparison_page
from .findings_table import accepted_table, findings_table, rules_table
from .markup import Child, Markup, element, word_breaks
from .picture import WORDS, legend, picture
from .places import Node, leaf_name, tree_of, walk
from .shell import SHAPES, facts, page, section
from .summary import accepted, account_origin, beyond, counts, number, verdict, when
from .visible import printable

if TYPE_CHECKING:
    from adsyncconfig.comparison import Comparison
    from adsyncconfig.findings import AuditedAccount, AuditReport

__all__ = ["audit", "comparison"]

#: How many places the list beneath the picture names.
_LISTED: Final = 3000


def audit(report: AuditReport) -> Iterator[str]:
    """The page of an audit."""
    yield page(
        f"Permissions audit of {printable(report.source)}",
        header=_header(report),
        body=list(_body(report)),
        footer=_footer(report),
    )


def comparison(found: Comparison) -> Iterator[str]:
    """The page of a comparison."""
    yield comparison_page(found)


def _header(report: AuditReport) -> Child:
    state = (
        "attention" if report.open_findings or report.beyond else "clean" if report.is_complete else "unknown"
    )
    return (
        element("p", "Permissions audit", element("span", "Microsoft Entra Connect"), class_="eyebrow"),
        element("h1", word_breaks(report.source)),
        element("p", verdict(report), class_=f"verdict v-{state}"),
        element("button", "Dark", type="button", id="theme", hidden=True),
    )


def _footer(report: AuditReport) -> Child:
    from adsyncconfig import __version__  # noqa: PLC0415 - help does without

    return element(
        "p",
        f"Made by adsyncconfig {__version__} on {when(report)}. It holds names and permissions, and no passwords; "
        "it says who can take what over, so keep it to those who need it.",
    )


def _body(report: AuditReport) -> Iterator[Child]:
    yield _summary(report)
    if report.tree:
        yield _places(report)
    yield section(
        "findings",
        "Findings",
        findings_table(report.open_findings, report),
        [element("p", f"Left out of this page: {line}.", class_="cut") for line in beyond(report)],
    )
    if put_up_with := accepted(report):
        yield section(
            "accepted",
            "Accepted findings",
            accepted_table(put_up_with),
            lead="What the policy puts up with. It counts as open again after the date.",
        )
    if report.rules:
        yield section("rules", "What was asked", rules_table(report))


def _summary(report: AuditReport) -> Markup:
    found = counts(report)
    tiles = [
        element(
            "li",
            element(
                "a",
                element("span", SHAPES[name], class_="shape", aria_hidden="true"),
                element("b", f"{count:,}"),
                element("span", name),
                href="#findings",
                class_=f"tile s-{name}" + ("" if count else " none"),
                data_severity=name,
            ),
        )
        for name, count in found.items()
    ]
    put_up_with = len(accepted(report))
    tiles.append(
        element(
            "li",
            element(
                "a",
                element("span", "✓", class_="shape", aria_hidden="true"),
                element("b", f"{put_up_with:,}"),
                element("span", "accepted"),
                href="#accepted" if put_up_with else "#findings",
                class_="tile s-accepted" + ("" if put_up_with else " none"),
            ),
        )
    )
    notes: list[Child] = []
    if not report.is_complete:
        lines = list(report.not_read)
        if report.unreadable:
            lines.insert(
                0, f"{number(report.unreadable, 'object')}: permissions not readable, see the findings"
            )
        notes.append(_note("Not read", lines, "unread"))
    if report.warnings:
        notes.append(_note("Warnings", report.warnings, "warned"))
    return section(
        "summary",
        "Summary",
        element("ul", tiles, class_="tiles"),
        element(
            "div",
            facts(
                ("Taken", element("time", when(report), datetime=report.taken.isoformat())),
                ("Source", report.source),
                ("Searched", element("ul", (element("li", word_breaks(base)) for base in report.bases))),
                ("Read", number(report.read, "object")),
                ("Not readable", number(report.unreadable, "object")),
            ),
            element("div", notes, class_="notes") if notes else None,
            class_="beside",
        ),
        element("h3", "Connector accounts"),
        element("ul", (_account(each, report) for each in report.accounts), class_="accounts")
        if report.accounts
        else element("p", "No connector account was found."),
    )


def _note(title: str, lines: Child, kind: str) -> Markup:
    items = [element("li", line) for line in lines or ()]
    return element("div", element("h3", title), element("ul", items), class_=f"note {kind}")


def _account(account: AuditedAccount, report: AuditReport) -> Markup:
    name = account.principal.name
    powers = Counter(
        place.powers[name].value for place in report.tree if name in place.powers and place.powers[name].rank
    )
    reach = [
        element("li", f"{word} ", element("b", f"{powers[power]:,}"), class_=f"p-{power.split()[0]}")
        for power, word in reversed(WORDS.items())
        if powers[power]
    ]
    features = [element("li", feature) for feature in account.features] or [element("li", "none")]
    return element(
        "li",
        element("h4", name),
        element("p", word_breaks(account.principal.dn), class_="dn"),
        element("p", str(account.principal.sid), class_="sid"),
        element("p", f"Features {account_origin(account)}", class_="label"),
        element("ul", features, class_="chips" + (" inferred" if account.inferred else "")),
        [element("p", f"Found by: {why}", class_="found") for why in account.found_by],
        element("p", "Places by what it can do in them", class_="label") if reach else None,
        element("ul", reach, class_="reach") if reach else None,
    )


def _places(report: AuditReport) -> Markup:
    roots = tree_of(report.tree, report.open_findings)
    names = [each.principal.name for each in report.accounts]
    drawn, left_out = picture(roots, names)
    choices = [
        element(
            "label",
            element("input", type="radio", name="account", value=value, checked=value == ""),
            element("span", label),
        )
        for value, label in (("", "strongest of all"), *((str(at), name) for at, name in enumerate(names)))
    ]
    total = len(report.tree)
    cut = None
    if left_out:
        cut = element(
            "p",
            f"{total - left_out:,} of {total:,} places are drawn. Left out first is what is like the place that it "
            "is in; each cut says how many places it hides. The list below has "
            + ("all of them." if total <= _LISTED else f"the first {_LISTED:,}."),
            class_="cut",
        )
    return section(
        "places",
        "Where the connectors can do what",
        element("fieldset", element("legend", "Show"), choices, class_="choice", hidden=True)
        if len(names) > 1
        else None,
        element("div", drawn, class_="scroll", tabindex=0, role="region", aria_label="Picture of the places"),
        legend(),
        cut,
        element(
            "details",
            element("summary", "The same as a list, account by account"),
            _list(roots, names),
            class_="listed",
        ),
        lead="Each box is a domain, container or OU, beside the one that it is in: its colour, bar and word tell "
        "the most that a connector can do to what is in it.",
    )


def _list(roots: list[Node], names: list[str]) -> Markup:
    rows = []
    for node, depth in list(walk(roots))[:_LISTED]:
        place = node.place
        if place is None:
            continue
        powers = [place.powers.get(name) for name in names] or [place.power]
        rows.append(
            element(
                "tr",
                element("th", leaf_name(place.dn), scope="row", class_=f"d{min(depth, 8)}", title=place.dn),
                (
                    element("td", WORDS[power.value], class_=f"p-{power.value.split()[0]}")
                    if power
                    else element("td", "not known")
                    for power in powers
                ),
                element("td", "blocked" if place.blocked else "inherits"),
                element("td", f"{place.objects:,}", class_="number"),
            )
        )
    columns = ["Place", *(names or ["Power"]), "Inheritance", "Objects"]
    return element(
        "div",
        element(
            "table",
            element("caption", "Places and what each connector can do in them"),
            element("thead", element("tr", (element("th", column, scope="col") for column in columns))),
            element("tbody", rows),
            class_="matrix",
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label="List of the places",
    )
