"""The page in a real browser: nothing complains, nothing is asked for, it sorts, filters, and prints whole."""

from __future__ import annotations

import os
import re
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import browser as browsers
import pytest
from browser import Browser
from sample_comparison import hostile_comparison, sample_comparison
from sample_report import HOSTILE_NAMES, big_tree, clean_report, hostile_report, sample_report

from cli import formats
from cli.formats.visible import pasteable, printable

Show = Callable[..., Browser]

#: The contrast of every text that is seen with what is behind it (WCAG 2, 1.4.3); those that have too little.
CONTRAST = r"""
(() => {
  const parse = (text) => {
    const numbers = (text.match(/-?[\d.]+(?:e-?\d+)?/g) ?? []).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    const [r, g, b, a = 1] = numbers;
    return text === "none" ? [0, 0, 0, 0] : [r * scale, g * scale, b * scale, a];
  };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3])).concat(1);
  const luminance = (color) => color.slice(0, 3)
    .map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const layers = [];
    const box = element.closest("svg .place, svg .rest")?.querySelector(".box");
    const outside = element.matches(".more") && !element.matches(".inside");
    if (box && !outside) layers.push(parse(getComputedStyle(box).fill));
    for (let each = element; each; each = each.parentElement) {
      layers.push(parse(getComputedStyle(each).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const found = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, title, option")) continue;
    if (!element.checkVisibility() || !element.getClientRects().length) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const ink = over(parse(element.closest("svg") ? style.fill : style.color), ground);
    const [light, dark] = [luminance(ink), luminance(ground)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const said = walker.currentNode.data.trim().slice(0, 30);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.tagName} ${said} ${style.color} on ${ground}`);
  }
  return [seen, [...new Set(found)]];
})()
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for all tests of this file; under CI=true a machine without one fails."""
    if lacking := browsers.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)
    with browsers.browser() as started:
        yield started


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Show:
    """Give a function: a report or a comparison, opened as a page, with the browser that shows it."""

    def shown(value: Any, *, script: bool = True, **appearance: Any) -> Browser:
        make = formats.audit if hasattr(value, "findings") else formats.comparison
        path = tmp_path / "page.html"
        formats.deliver(make(value, "html"), path)
        chromium.appearance(**appearance)
        chromium.open(path, script=script)
        return chromium

    return shown


def visible(page: Browser) -> list[str]:
    """The titles' identifiers of the findings that are shown, in their order."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('tbody.finding')].filter(f => f.checkVisibility()).map(f => f.id)"
    )
    return found


def choose(page: Browser, name: str, value: str) -> None:
    page.evaluate(
        f"(() => {{ const field = document.querySelector('.filters').elements[{name!r}];"
        f"field.value = {value!r}; field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )


REPORTS = {
    "sample": sample_report,
    "clean": clean_report,
    "hostile": hostile_report,
    "comparison": sample_comparison,
    "hostile comparison": hostile_comparison,
}


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_complains_and_nothing_is_asked_for(name: str, show: Show) -> None:
    page = show(REPORTS[name]())
    page.evaluate(
        "document.querySelectorAll('button, summary, .tile, .choice input').forEach(each => each.click())"
    )
    page.evaluate("new Promise(done => setTimeout(done, 200))")
    assert page.complaints == []
    assert [url for url in page.requests if not url.endswith("/page.html")] == []
    assert page.evaluate("document.documentElement.classList.contains('scripted')")


def test_the_policy_is_in_force(show: Show) -> None:
    page = show(sample_report())
    page.evaluate(
        "(() => { const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script); const image = new Image(); image.src = 'https://evil.example/x.png';"
        "document.body.append(image); document.body.setAttribute('onclick', 'window.ran = 1');"
        "document.body.click();"
        "document.body.setAttribute('style', 'display: none'); })()"
    )
    page.evaluate("new Promise(done => setTimeout(done, 200))")
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.body).display") == "block"
    assert len([each for each in page.complaints if "Content Security Policy" in each]) >= 4


def test_hostile_names_stay_text(show: Show) -> None:
    report = hostile_report()
    page = show(report)
    for name in HOSTILE_NAMES:
        assert printable(name) in page.evaluate("document.body.textContent")
    assert (
        page.evaluate(
            "document.querySelectorAll('main img, main script, main style, main a[href^=java]').length"
        )
        == 0
    )
    # The lists of the filters are made by the script, and so are what is copied.
    values = page.evaluate("[...document.querySelectorAll('select[name=account] option')].map(o => o.value)")
    assert {printable(each.account) for each in report.open_findings if each.account} <= set(values)
    commands = page.evaluate("[...document.querySelectorAll('.copied code')].map(each => each.textContent)")
    assert {pasteable(each.mend) for each in report.open_findings if each.mend} <= set(commands)


def test_findings_are_folded_and_open_with_a_click(show: Show) -> None:
    page = show(sample_report())
    opened = "document.querySelectorAll('.detail:not([hidden])').length"
    assert page.evaluate(opened) == 0
    page.evaluate("document.querySelector('.toggle').click()")
    assert page.evaluate(opened) == 1
    assert page.evaluate("document.querySelector('.toggle').getAttribute('aria-expanded')") == "true"
    page.evaluate("document.querySelector('#open-all').click()")
    assert page.evaluate(opened) == len(sample_report().open_findings)
    page.evaluate("document.querySelector('#open-all').click()")
    assert page.evaluate(opened) == 0
    page.evaluate("document.querySelectorAll('.head')[2].click()")
    assert page.evaluate(opened) == 1


@pytest.mark.parametrize(("index", "key"), [(0, "dataset.sort"), (1, "textContent"), (2, "dataset.sort")])
def test_the_columns_sort_both_ways_and_say_so(index: int, key: str, show: Show) -> None:
    page = show(sample_report())
    at_first = visible(page)
    cells = (
        "[...document.querySelectorAll('tbody.finding')]"
        f".map(each => each.querySelector('.head').children[{index}].{key})"
    )
    click = f"document.querySelectorAll('.findings thead button')[{index}].click()"
    sorts = "[...document.querySelectorAll('.findings thead th')].map(each => each.getAttribute('aria-sort'))"
    page.evaluate("document.querySelectorAll('.findings thead button')[3].click()")
    for direction in ("ascending", "descending"):
        page.evaluate(click)
        found = [text.casefold() for text in page.evaluate(cells)]
        assert found == sorted(found, reverse=direction == "descending")
        assert page.evaluate(sorts) == [direction if at == index else None for at in range(5)]
    assert sorted(visible(page)) == sorted(at_first)
    assert len(at_first) == len(sample_report().open_findings)


def test_the_filters_leave_what_fits(show: Show) -> None:
    report = sample_report()
    page = show(report)
    everything = len(report.open_findings)
    said = "document.querySelector('#shown-count').textContent"
    assert page.evaluate(said) == f"{everything} findings"
    choose(page, "severity", "high")
    high = [each for each in report.open_findings if each.rule.severity.value == "high"]
    assert len(visible(page)) == len(high) == 3
    assert page.evaluate(said) == f"3 of {everything} findings"
    choose(page, "account", "CONTOSO\\MSOL_ffeeddccbbaa")
    assert len(visible(page)) == 1
    page.evaluate("document.querySelector('.filters button[type=reset]').click()")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    assert len(visible(page)) == everything
    choose(page, "text", "KEYCREDENTIALLINK computer")
    assert len(visible(page)) == 1
    choose(page, "text", "no such text")
    assert visible(page) == []
    assert page.evaluate("document.querySelector('#none-left').checkVisibility()")
    page.evaluate("document.querySelector('.filters').reset()")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    page.evaluate("document.querySelector('.tile[data-severity=critical]').click()")
    assert len(visible(page)) == 2


def test_a_comparison_is_filtered_too(show: Show) -> None:
    page = show(sample_comparison())
    shown = "[...document.querySelectorAll('.difference')].filter(each => each.checkVisibility()).length"
    assert page.evaluate(shown) == 6
    choose(page, "kind", "changed")
    assert page.evaluate(shown) == 3
    page.evaluate("document.querySelector('.filters').elements.inherited.click()")
    assert page.evaluate(shown) == 2
    choose(page, "text", "legal")
    assert page.evaluate(shown) == 1


def test_the_picture_shows_one_account_at_a_time(show: Show) -> None:
    report = sample_report()
    page = show(report)
    words = "[...document.querySelectorAll('.picture .place')].map(p => p.querySelector('.word').textContent)"
    strongest = page.evaluate(words)
    assert strongest.count("controls") == sum(place.power.value == "take control" for place in report.tree)
    page.evaluate("document.querySelectorAll('.choice input')[2].click()")
    cloud = report.accounts[1].principal.name
    expected = sum(place.powers[cloud].value == "take control" for place in report.tree)
    assert page.evaluate(words).count("controls") == expected == 1
    assert page.evaluate("document.querySelectorAll('.picture .p-take').length") == 1
    page.evaluate("document.querySelectorAll('.choice input')[0].click()")
    assert page.evaluate(words) == strongest


def test_what_is_copied_is_the_command(show: Show) -> None:
    page = show(sample_report())
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard',"
        "{value: {writeText: async (text) => { window.copied = text; }}})"
    )
    page.evaluate("document.querySelector('#open-all').click()")
    page.evaluate("[...document.querySelectorAll('.finding .copy')].at(1).click()")
    assert page.evaluate("window.copied") == sample_report().open_findings[0].mend
    assert page.evaluate("[...document.querySelectorAll('.finding .copy')].at(1).textContent") == "Copied"


@pytest.mark.parametrize("name", ["sample", "hostile", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_in_dark(name: str, scheme: str, show: Show) -> None:
    page = show(REPORTS[name](), scheme=scheme)
    page.evaluate(
        "document.querySelector('#open-all')?.click();"
        "document.querySelectorAll('details').forEach(each => { each.open = true; })"
    )
    seen, poor = page.evaluate(CONTRAST)
    assert seen > 60
    assert poor == []
    page.evaluate("document.querySelector('footer p').style.color = 'transparent'")
    assert len(page.evaluate(CONTRAST)[1]) == 1  # it would tell


def test_the_reader_changes_between_light_and_dark(show: Show) -> None:
    page = show(sample_report(), scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.evaluate("document.querySelector('#theme').click()")
    light = page.evaluate(ground)
    assert light != dark
    assert page.evaluate("document.querySelector('#theme').textContent") == "Dark"
    assert show(sample_report(), scheme="light").evaluate(ground) == light


@pytest.mark.parametrize("name", REPORTS)
def test_a_narrow_window_needs_no_scrolling_sideways(name: str, show: Show) -> None:
    page = show(REPORTS[name](), width=390, height=800)
    page.evaluate("document.querySelector('#open-all')?.click()")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_tree_of_2000_places_is_there_at_once(show: Show) -> None:
    page = show(replace(sample_report(), tree=big_tree(2000)))
    spent = page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    assert spent < 5000
    assert page.evaluate("document.querySelector('.picture').getBoundingClientRect().height") < 1700


def test_without_a_script_all_of_it_is_there_to_read(show: Show) -> None:
    page = show(sample_report(), script=False)
    page._call(
        "Emulation.setScriptExecutionDisabled", value=False
    )  # to look at it; its own script did not run
    assert not page.evaluate("document.documentElement.classList.contains('scripted')")
    assert page.evaluate("[...document.querySelectorAll('.detail')].every(each => each.checkVisibility())")
    assert page.evaluate(
        "[...document.querySelectorAll('button, form, fieldset')].every(each => !each.checkVisibility())"
    )


@pytest.mark.parametrize("script", [True, False])
def test_all_of_it_is_printed(script: bool, show: Show, tmp_path: Path) -> None:
    report = sample_report()
    page = show(report, script=script, scheme="dark")
    if script:  # what is folded or filtered on the screen is on paper all the same
        choose(page, "severity", "low")
    page.pdf(tmp_path / "page.pdf")
    printed = subprocess.run(
        ["pdftotext", "-raw", str(tmp_path / "page.pdf"), "-"], capture_output=True, text=True, check=True
    )
    text = squeezed(printed.stdout)
    for finding in report.findings:
        wanted = [finding.dn, finding.rule.title, finding.message, *(each.sddl for each in finding.evidence)]
        if finding.accepted is None:
            wanted += [finding.rule.why, finding.mend or "", finding.advice or "", *finding.others]
            wanted += (each.words for each in finding.evidence)
        else:
            wanted.append(finding.accepted.reason)
        missing = [each for each in wanted if squeezed(each) not in text]
        assert missing == []
    for place in report.tree:  # in the list, which is folded on the screen
        assert squeezed(place.dn.partition(",")[0].partition("=")[2]) in text
    for rule in report.rules:
        assert squeezed(rule.id) in text


def squeezed(text: str) -> str:
    """Without white space and ligatures: paper breaks lines where it wants."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))
