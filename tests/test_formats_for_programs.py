"""CSV and SARIF: read back, checked against RFC 4180 and the standard's schema, and safe with hostile names."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import jsonschema
import pytest
from expectations import FIXTURES
from sample_comparison import equal_comparison, hostile_comparison, sample_comparison
from sample_report import DOMAIN, clean_report, hostile_report, sample_report

from adsyncconfig.comparison import Comparison
from adsyncconfig.findings import AuditReport
from cli import formats
from cli.formats import sarif as sarif_form

SCHEMA = json.loads((FIXTURES / "sarif" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
REPORTS = {"sample": sample_report, "clean": clean_report, "hostile": hostile_report}
COMPARISONS = {"sample": sample_comparison, "equal": equal_comparison, "hostile": hostile_comparison}
#: OWASP, CSV Injection; and the wide forms.
FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001


def audit(form: str, report: AuditReport) -> str:
    return "".join(formats.audit(report, form))


def comparison(form: str, found: Comparison) -> str:
    return "".join(formats.comparison(found, form))


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    assert text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}")
    return list(csv.DictReader(StringIO(text[1:], newline=""), delimiter=delimiter, strict=True))


# -- CSV -----------------------------------------------------------------------------------------------------


def test_csv_has_a_row_for_each_finding_and_for_what_is_not_in_the_report() -> None:
    report = sample_report()
    table = rows(audit("csv", report))
    found = [row for row in table if row["status"] in ("open", "accepted")]
    assert [row["object"] for row in found] == [finding.dn for finding in report.findings]
    for row, finding in zip(found, report.findings, strict=True):
        assert row["severity"] == finding.rule.severity.value
        assert row["rule"] == finding.rule.id
        assert row["message"] == finding.message
        assert row["entries"].split("\n") == ([each.sddl for each in finding.evidence] or [""])
        assert row["mend"] == (finding.mend or "")
        assert row["fingerprint"] == finding.fingerprint
        assert (row["status"] == "accepted") == (finding.accepted is not None)
        assert row["count"] == str(finding.count)
    rest = [(row["status"], row["rule"], row["count"], row["message"]) for row in table if row not in found]
    assert rest == [
        ("left out", "debris-duplicate", "37", ""),
        ("not read", "", "", report.not_read[0]),
        ("warning", "", "", report.warnings[0]),
    ]


def test_csv_is_rfc_4180() -> None:
    text = audit("csv", hostile_report())
    assert text.endswith("\r\n")
    table = list(csv.reader(StringIO(text[1:], newline=""), strict=True))
    assert {len(row) for row in table} == {len(table[0])}
    # Line ends between records are CRLF; those inside quotes are LF alone.
    outside = re.sub(r'"(?:[^"]|"")*"', "", text)
    assert set(outside) == set("\N{ZERO WIDTH NO-BREAK SPACE},\r\n")
    assert outside.count("\r\n") == outside.count("\n") == len(table)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_whichever_separator_a_spreadsheet_takes(delimiter: str) -> None:
    for text in (audit("csv", hostile_report()), comparison("csv", hostile_comparison())):
        lines = csv.reader(StringIO(text[1:], newline=""), delimiter=delimiter)
        cells = [cell for line in lines for cell in line]
        assert len(cells) > 20
        # Read with a wrong separator, a line may end inside what is then a cell.
        begun = [cell.removeprefix("\r\n").lstrip(" ") for cell in cells]
        assert [cell for cell in begun if cell.startswith(FORMULA)] == []


def test_a_name_that_looks_like_a_formula_keeps_its_text_behind_an_apostrophe() -> None:
    table = rows(audit("csv", hostile_report()))
    assert "'=cmd|' /C calc'!A0" in {row["trustee"] for row in table}
    assert "'+1-1" in {row["account"] for row in table}


def test_csv_of_a_comparison_has_a_row_for_each_entry() -> None:
    table = rows(comparison("csv", sample_comparison()))
    entries = [(row["change"], row["object"], row["sign"], row["inherited"]) for row in table if row["sign"]]
    assert entries == [
        ("changed", f"OU=Staff,{DOMAIN}", "removed", "no"),
        ("changed", f"OU=Staff,{DOMAIN}", "added", "no"),
        ("changed", f"CN=Kim Novak,OU=Staff,{DOMAIN}", "added", "yes"),
        ("added", f"OU=New,{DOMAIN}", "added", "no"),
        ("removed", f"OU=Gone,{DOMAIN}", "removed", "no"),
    ]
    rest = [row["what else differs"] for row in table if not row["sign"]]
    assert rest == [
        f"was OU=Laboratory,OU=IT,{DOMAIN}; "
        "the same entries stand in another order, which decides what is looked at first",
        "its permissions could be read in the reference only",
        "2",
        "The clocks differ by 140 s.",
    ]


# -- JSON of a comparison --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARISONS)
def test_json_of_a_comparison_is_what_it_says_of_itself(name: str) -> None:
    found = COMPARISONS[name]()
    assert json.loads(comparison("json", found)) == json.loads(json.dumps(found.to_json()))


# -- SARIF ---------------------------------------------------------------------------------------------------


def sarif(text: str) -> dict[str, Any]:
    """The only run of a log that is valid."""
    log = json.loads(text)
    validator = jsonschema.validators.validator_for(SCHEMA)
    validator.check_schema(SCHEMA)
    problems = list(validator(SCHEMA, format_checker=validator.FORMAT_CHECKER).iter_errors(log))
    assert problems == []
    (run,) = log["runs"]
    return dict(run)


def test_the_schema_refuses_what_is_no_sarif() -> None:
    with pytest.raises(AssertionError):
        sarif('{"version": "2.1.0", "runs": [{"tool": {}}]}')


@pytest.mark.parametrize("name", REPORTS)
def test_sarif_of_an_audit_is_valid(name: str) -> None:
    sarif(audit("sarif", REPORTS[name]()))


@pytest.mark.parametrize("name", COMPARISONS)
def test_sarif_of_a_comparison_is_valid(name: str) -> None:
    sarif(comparison("sarif", COMPARISONS[name]()))


def test_sarif_has_each_finding_with_its_rule_place_and_fingerprint() -> None:
    report = sample_report()
    run = sarif(audit("sarif", report))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in report.rules]
    assert len(run["results"]) == len(report.findings)
    levels = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "information": "note"}
    for result, finding in zip(run["results"], report.findings, strict=True):
        assert result["ruleId"] == finding.rule.id == rules[result["ruleIndex"]]["id"]
        assert result["level"] == levels[finding.rule.severity.value]
        assert finding.message in result["message"]["text"]
        (location,) = result["locations"]
        assert location["logicalLocations"][0]["fullyQualifiedName"] == finding.dn
        assert result["partialFingerprints"]["adsyncconfig/v1"] == finding.fingerprint
        assert result["properties"]["mend"] == finding.mend
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_has_accepted_findings_as_suppressed_and_no_others() -> None:
    report = sample_report()
    suppressed = [
        each["suppressions"] for each in sarif(audit("sarif", report))["results"] if "suppressions" in each
    ]
    assert suppressed == [
        [
            {
                "kind": "external",
                "status": "accepted",
                "justification": f"{reason} (accepted {until})",
            }
        ]
        for reason, until in (
            ("The group is empty; CHG-4711 removes it.", "until 2027-03-31"),
            ("A lab without real accounts.", "for good"),
        )
    ]


def test_sarif_says_what_was_not_read() -> None:
    (incomplete,) = sarif(audit("sarif", sample_report()))["invocations"]
    assert incomplete["executionSuccessful"] is False
    assert incomplete["exitCode"] == 3
    said = [(each["level"], each["message"]["text"]) for each in incomplete["toolExecutionNotifications"]]
    assert said[0] == ("error", f"Not read: {sample_report().not_read[0]}")
    assert ("warning", "37 more findings of debris-duplicate are left out.") in said
    (complete,) = sarif(audit("sarif", clean_report()))["invocations"]
    assert (complete["executionSuccessful"], complete["exitCode"]) == (True, 0)
    assert complete["endTimeUtc"] == "2026-11-25T02:30:07Z"


@pytest.mark.parametrize("name", ["sample", "hostile"])
def test_github_takes_the_places(name: str) -> None:
    """A file's URI and a line for each result; no absolute URI, which it refuses; nothing outside the folder."""
    report = REPORTS[name]()
    for result, finding in zip(sarif(audit("sarif", report))["results"], report.findings, strict=True):
        physical = result["locations"][0]["physicalLocation"]
        uri = physical["artifactLocation"]["uri"]
        assert physical["region"]["startLine"] >= 1
        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
        assert urljoin("file:///checkout/x", uri) == f"file:///checkout/{uri}"
        assert uri.isascii()
        leaf = re.split(r"(?<!\\),", finding.dn)[0]
        if name == "sample":
            assert unquote(uri).casefold().endswith(leaf.casefold().removeprefix("dc=contoso"))


def test_the_place_of_a_finding_is_the_same_however_its_name_is_spelled() -> None:
    places = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in sarif(audit("sarif", sample_report()))["results"]
        if result["properties"]["mend"] and "AdminSDHolder" in result["properties"]["mend"]
    }
    assert places == {"contoso.example/CN=system/CN=adminsdholder"}


def test_rules_tell_github_how_bad_they_are() -> None:
    scores = {"critical": 9.1, "high": 7.0, "medium": 4.0, "low": 0.1, "information": 0.0}
    for rule in sarif(audit("sarif", sample_report()))["tool"]["driver"]["rules"]:
        properties = rule["properties"]
        assert "security" in properties["tags"]
        assert float(properties["security-severity"]) >= scores[properties["severity"]]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]


def test_messages_have_no_links_or_placeholders_of_the_directory() -> None:
    for text in (audit("sarif", hostile_report()), comparison("sarif", hostile_comparison())):
        for result in sarif(text)["results"]:
            message = result["message"]["text"]
            assert not re.search(r"(?<!\\)[\[\]]", message)
            assert not re.search(r"[{}]", message.replace("{{", "").replace("}}", ""))


def test_no_run_has_more_results_than_github_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif_form.RESULTS == 25_000
    monkeypatch.setattr(sarif_form, "RESULTS", 4)
    run = sarif(comparison("sarif", sample_comparison()))
    assert len(run["results"]) == 4
    said = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert "2 more objects differ; --format json has all of them." in said


def test_what_was_captured_with_the_schema_is_said() -> None:
    assert "OASIS" in Path(FIXTURES / "sarif" / "README.md").read_text(encoding="utf-8")
