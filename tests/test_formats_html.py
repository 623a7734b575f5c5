"""The page of a report, as it is written: whole without its script, closed to all that is not in it, and safe."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from sample_comparison import equal_comparison, hostile_comparison, sample_comparison
from sample_report import (
    DOMAIN,
    HOSTILE_NAMES,
    MAIN,
    big_tree,
    clean_report,
    hostile_report,
    sample_report,
    sample_tree,
)

from adsyncconfig.findings import AuditReport, Place, Power
from cli import formats
from cli.formats.markup import Markup, element, shown
from cli.formats.places import ROWS, leaf_name, pruned, tree_of, walk
from cli.formats.visible import pasteable, printable

#: Elements that have no end in HTML.
VOID = {"meta", "input", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes, the text in them, and whether they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    @property
    def prose(self) -> str:
        return self.texts["body"][0]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(report: AuditReport) -> Page:
    return Page("".join(formats.audit(report, "html")))


PAGES = {
    "sample": lambda: page(sample_report()),
    "clean": lambda: page(clean_report()),
    "hostile": lambda: page(hostile_report()),
    "comparison": lambda: Page("".join(formats.comparison(sample_comparison(), "html"))),
    "equal": lambda: Page("".join(formats.comparison(equal_comparison(), "html"))),
    "hostile comparison": lambda: Page("".join(formats.comparison(hostile_comparison(), "html"))),
}


@pytest.fixture(params=list(PAGES))
def any_page(request: pytest.FixtureRequest) -> Page:
    return PAGES[request.param]()


# -- closed ----------------------------------------------------------------------------------------------------


def test_the_policy_allows_the_one_style_and_the_one_script_and_nothing_else(any_page: Page) -> None:
    policies = [meta for meta in any_page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    (policy,) = [meta["content"] or "" for meta in policies]
    (style,), (script,) = any_page.texts["style"], any_page.texts["script"]
    hashes = {
        kind: "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (("style", style), ("script", script))
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src '{hashes['style']}'",
        f"script-src '{hashes['script']}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    # It holds for what comes after it.
    assert any_page.source.index("Content-Security-Policy") < any_page.source.index("<title")


def test_nothing_is_loaded_run_or_linked_from_elsewhere(any_page: Page) -> None:
    assert not {tag for tag, _ in any_page.elements} & {
        "img", "link", "iframe", "object", "embed", "base", "audio", "video", "image", "use", "foreignobject"
    }  # fmt: skip
    for tag, attributes in any_page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            assert name not in ("src", "srcset", "style", "action", "formaction", "ping"), f"{tag} {name}"
            assert name != "href" or (value or "").startswith("#")
    assert "url(" not in any_page.texts["style"][0]
    assert "@import" not in any_page.texts["style"][0]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", any_page.texts["script"][0]
    )


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_text_wherever_it_stands(name: str) -> None:
    hostile = page(hostile_report())
    assert hostile.prose.count(printable(name)) >= 12
    compared = Page("".join(formats.comparison(hostile_comparison(), "html")))
    assert compared.prose.count(printable(name)) >= 6


def test_a_hostile_command_is_shown_as_a_shell_can_take_it() -> None:
    report = hostile_report()
    codes = page(report).texts["code"]
    for finding in report.open_findings:
        if finding.mend:
            assert pasteable(finding.mend) in codes


def test_the_elements_of_a_hostile_page_are_those_of_any_other() -> None:
    ours = {tag for tag, _ in page(sample_report()).elements}
    assert {tag for tag, _ in page(hostile_report()).elements} <= ours


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("onclick", "x"), ("src", "x"), ("style", "x"), ("href", "javascript:x"), ("href", "https://x")],
)
def test_markup_that_runs_or_loads_cannot_be_made(attribute: str, value: str) -> None:
    with pytest.raises(ValueError, match=attribute):
        element("a", "text", **{attribute: value})


def test_text_is_escaped_and_markup_is_not() -> None:
    made = element("b", "<i>", element("i", "&"), [None, "x"], title='"<\n')
    assert made == '<b title="&quot;&lt;\\n">&lt;i&gt;<i>&amp;</i>x</b>'
    assert shown("a\u202eb") == 'a<span class="escape">\\u202e</span>b'
    assert isinstance(made, Markup)


# -- whole -----------------------------------------------------------------------------------------------------


def test_the_page_has_all_of_every_finding_without_its_script() -> None:
    report = sample_report()
    found = page(report)
    for finding in report.findings:
        for text in (finding.dn, finding.message, finding.rule.title):
            assert text in found.prose
        for entry in finding.evidence:
            assert entry.sddl in found.texts["code"]
        if finding.accepted is None:
            assert finding.rule.why in found.prose
            assert finding.mend is None or finding.mend in found.texts["code"]
            for text in (*(each.words for each in finding.evidence), finding.advice or "", *finding.others):
                assert text in found.prose
        else:
            assert finding.accepted.reason in found.prose
    for rule in report.rules:
        assert rule.id in found.prose
    for text in (*report.bases, *report.not_read, *report.warnings, report.source, "2026-11-25 02:30 UTC"):
        assert text in found.prose
    bodies = [attributes for attributes in found.all("tbody") if "finding" in (attributes.get("class") or "")]
    assert len(bodies) == len(report.open_findings)
    # What only the script can serve is hidden until it runs.
    assert all(
        "hidden" in each for each in (*found.all("button")[:1], *found.all("form"), *found.all("fieldset"))
    )


def test_the_page_begins_with_the_verdict_and_the_counts() -> None:
    report = sample_report()
    text = page(report).prose
    order = [
        text.index(each)
        for each in (
            "50 open findings",
            "Connector accounts",
            "Where the connectors",
            "Accepted findings",
            "What was",
        )
    ]
    assert order == sorted(order)
    assert "Nothing is wrong in what was read; everything was read." in page(clean_report()).prose


def test_an_unread_part_is_never_shown_as_clean() -> None:
    incomplete = replace(clean_report(), not_read=("DC=emea,DC=contoso,DC=example: no answer",))
    found = page(incomplete)
    assert not any("v-clean" in (each.get("class") or "") for each in found.all("p"))
    assert "Nothing was found in what was read." in found.prose
    assert "DC=emea,DC=contoso,DC=example: no answer" in found.prose


def test_the_page_can_be_read_out(any_page: Page) -> None:
    assert any_page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in any_page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    identifiers = [each["id"] for _, each in any_page.elements if "id" in each]
    assert len(set(identifiers)) == len(identifiers)
    tables = len(any_page.all("table"))
    assert len(any_page.all("caption")) == tables
    assert all(each.get("scope") in ("col", "row") for each in any_page.all("th"))
    for _, attributes in any_page.elements:
        for name in ("aria-labelledby", "aria-controls"):
            assert name not in attributes or attributes[name] in identifiers
        if (attributes.get("href") or "#")[1:]:
            assert (attributes["href"] or "")[1:] in identifiers
    svgs = any_page.all("svg")
    assert all(
        "aria-hidden" in each or (each.get("role") == "img" and each.get("aria-label")) for each in svgs
    )


def test_a_comparison_has_every_entry_with_its_sign() -> None:
    found = PAGES["comparison"]()
    signs = [text for text in found.texts["b"] if text in "+-"]
    assert signs == ["-", "+", "+", "+", "-"]
    for each in sample_comparison().differences:
        assert each.dn in found.prose
        for entry in each.permissions.entries:
            assert entry.sddl in found.texts["code"]
    assert "inheritance is now blocked" in found.prose


# -- the picture -----------------------------------------------------------------------------------------------


def boxes(found: Page) -> list[dict[str, str | None]]:
    return [each for each in found.all("g") if (each.get("class") or "").startswith("place")]


def test_every_place_is_in_the_picture_with_what_each_account_can_do() -> None:
    report = sample_report()
    assert len(report.tree) == 40
    drawn = boxes(page(report))
    assert len(drawn) == 40
    names = [each.principal.name for each in report.accounts]
    assert names[0] == MAIN
    told = sorted(tuple(str(box.get(f"data-power-{at}")) for at in range(3)) for box in drawn)
    assert told == sorted(tuple(place.powers[name].value for name in names) for place in report.tree)
    assert sum("blocked" in (box["class"] or "") for box in drawn) == sum(
        place.blocked for place in report.tree
    )


def test_a_place_says_in_words_what_its_colour_says() -> None:
    found = page(sample_report())
    words = {"reads", "writes", "creates", "controls"}
    assert words <= set(found.texts["text"])
    assert all(each in found.prose for each in (*words, "nothing"))


@pytest.mark.parametrize("count", [1, 5, 40, 300, 2000])
def test_the_picture_has_so_many_rows_at_most_and_says_what_it_leaves_out(count: int) -> None:
    places = big_tree(count)
    shown_nodes = pruned(tree_of(places, ()))
    rows = sum(root.rows for root in shown_nodes)
    nodes = [node for node, _ in walk(shown_nodes)]
    drawn = sum(node.place is not None for node in nodes)
    hidden = sum(node.hidden for node in nodes)
    assert rows <= ROWS
    assert drawn + hidden == count
    assert hidden == 0 or rows > ROWS // 2
    for node in nodes:
        assert (node.hidden_power is None) == (node.hidden == 0)
    if count == 2000:
        text = page(replace(sample_report(), tree=places)).prose
        assert f"{drawn:,} of 2,000 places are drawn." in text


def test_a_cut_tells_the_most_that_it_hides_and_what_tells_something_is_cut_last() -> None:
    reads = {MAIN: Power.READ}
    places = [Place(DOMAIN, None, Power.READ, reads)]
    for number in range(200):
        parent = f"OU=Site {number},{DOMAIN}"
        places.append(Place(parent, DOMAIN, Power.READ, reads))
        places.append(Place(f"OU=People,{parent}", parent, Power.READ, reads))
    hidden = f"OU=Crown Jewels,OU=People,OU=Site 150,{DOMAIN}"
    places.append(
        Place(hidden, f"OU=People,OU=Site 150,{DOMAIN}", Power.CONTROL, {MAIN: Power.CONTROL}, blocked=True)
    )
    nodes = [node for node, _ in walk(pruned(tree_of(places, ())))]
    assert hidden in [node.place.dn for node in nodes if node.place]
    few = [node for node, _ in walk(pruned(tree_of(places, ()), rows=1))]
    assert [(node.hidden, node.hidden_power) for node in few] == [(401, Power.CONTROL)]


def test_findings_are_counted_at_the_place_that_their_object_is_in() -> None:
    nodes = [node for node, _ in walk(tree_of(sample_tree(), sample_report().open_findings))]
    counted = {node.place.dn: node.findings for node in nodes if node.place and node.findings}
    assert counted[f"CN=Users,{DOMAIN}"] == 2
    assert counted[f"CN=AdminSDHolder,CN=System,{DOMAIN}"] == 1
    # CN=Managed Service Accounts is no place of the tree: what is in it is counted at the domain.
    assert counted[DOMAIN] == 2
    assert sum(counted.values()) == len(sample_report().open_findings)


@pytest.mark.parametrize(
    ("dn", "name"),
    [
        ("DC=emea,DC=contoso,DC=example", "emea.contoso.example"),
        ("OU=A\\, B\\2C C,DC=contoso,DC=example", "A, B, C"),
        ("OU=Caf\\C3\\A9,DC=contoso,DC=example", "Café"),
        ("DC=_msdcs,CN=MicrosoftDNS,DC=contoso,DC=example", "_msdcs"),
        ("OU=back\\\\slash,DC=contoso,DC=example", "back\\slash"),
        ("no name at all", "no name at all"),
    ],
)
def test_the_name_of_a_place(dn: str, name: str) -> None:
    assert leaf_name(dn) == name
