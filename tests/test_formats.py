"""The forms of a report: the table of them, text and JSON, and where a report goes."""

from __future__ import annotations

import json
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sample_comparison import hostile_comparison, sample_comparison
from sample_report import HOSTILE_NAMES, clean_report, hostile_report, sample_report

from adsyncconfig import ADSyncConfigError
from adsyncconfig.findings import AuditReport
from cli import formats
from cli.formats.visible import pasteable

ROOT = Path(__file__).parent.parent
#: Sequences that set colours, and nothing else.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def made(form: str, report: AuditReport, *, on_terminal: bool = False) -> str:
    return "".join(formats.audit(report, form, on_terminal=on_terminal))


@pytest.fixture(params=list(formats.FORMS))
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- all forms -----------------------------------------------------------------------------------------------


def test_no_form_lets_a_control_character_out(form: str) -> None:
    compared = "".join(formats.comparison(hostile_comparison(), form))
    for text in (made(form, hostile_report()), compared):
        assert {c for c in text if not c.isprintable()} <= {"\n", "\r", "\N{ZERO WIDTH NO-BREAK SPACE}"}
        text.encode()  # nor half a pair


def test_every_form_ends_with_the_end_of_a_line(form: str) -> None:
    assert made(form, clean_report()).endswith("\n")
    assert not made(form, sample_report()).endswith("\n\n\n")


def test_a_form_is_imported_when_it_is_asked_for() -> None:
    code = "import sys, cli.formats; print([m for m in ('rich', 'json', 'csv') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "rich" not in done.stdout


# -- JSON ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", [sample_report(), clean_report(), hostile_report()])
def test_json_is_what_the_report_says_of_itself(report: AuditReport) -> None:
    assert json.loads(made("json", report)) == json.loads(json.dumps(report.to_json()))


# -- text ----------------------------------------------------------------------------------------------------


def test_text_has_of_every_finding_what_it_is_about_and_the_command_on_one_line() -> None:
    report = sample_report()
    lines = [line.strip() for line in made("text", report).splitlines()]
    prose = " ".join(lines)
    for finding in report.findings:
        assert finding.dn in lines
        assert finding.message in prose
        assert finding.rule.title in prose
        for entry in finding.evidence:
            assert entry.sddl in lines
        if finding.accepted is None:
            assert finding.rule.why in prose
            for entry in finding.evidence:
                assert entry.words in prose
                assert entry.origin is None or f"from {entry.origin}" in lines
            assert finding.mend is None or finding.mend in lines
            assert finding.advice is None or f"To do: {finding.advice}" in prose
        else:
            assert finding.accepted.reason in prose


def test_text_begins_with_the_summary_and_goes_from_the_worst_on() -> None:
    text = made("text", sample_report())
    assert text.splitlines()[0] == "Audit of dc1.contoso.example"
    # 15 findings less two accepted ones, and 37 that the report leaves out
    assert "50 open findings: 2 critical, 3 high, 6 medium, 1 low and 38 information" in text
    places = [text.index(f"\n {word} \n") for word in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "ACCEPTED")]
    assert places == sorted(places)
    assert "37 more findings of debris-duplicate" in text
    assert "Accepted until 2027-03-31: The group is empty; CHG-4711 removes it." in text
    assert "Accepted for good: A lab without real accounts." in text


def test_text_of_a_clean_directory_says_so() -> None:
    assert "Nothing is wrong in what was read; everything was read." in made("text", clean_report())


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_on_a_terminal_wraps_prose_and_nothing_that_is_copied(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    report = sample_report()
    text = made("text", report, on_terminal=True)
    assert COLOUR.search(text)
    lines = [line.rstrip() for line in COLOUR.sub("", text).splitlines()]
    copied = {finding.mend for finding in report.open_findings}
    copied |= {entry.sddl for finding in report.findings for entry in finding.evidence}
    bare = {line.strip() for line in lines}
    assert {each for each in copied if each} <= bare
    prose = [line for line in lines if " " in line.strip() and line.strip() not in copied]
    labelled = re.compile(
        r" *(from |Account|Searched|Not read|Warning|Read|Taken|features|found by)|.*[CO]N?U?="
    )
    assert [line for line in prose if len(line) > width and not labelled.match(line)] == []


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_text_without_colours_where_they_are_not_wanted(
    variable: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert "\x1b" not in made("text", sample_report(), on_terminal=True)


def test_text_of_a_comparison_has_each_entry_with_its_sign() -> None:
    lines = "".join(formats.comparison(sample_comparison(), "text")).splitlines()
    assert lines[1] == (
        "6 objects differ: 1 added, 1 removed, 3 changed and 1 renamed; 2 objects have their permissions in"
    )
    at = lines.index("CHANGED OU=Staff,DC=contoso,DC=example")
    assert lines[at + 1 : at + 4] == [
        "    owner CONTOSO\\Domain Admins, now CONTOSO\\kim",
        "    inheritance is now blocked",
        "  - (D;;WD;;;WD)",
    ]
    assert "  + (A;CI;RPWP;;;S-1-5-21-1004336348-1177238915-682003330-1102)" in lines
    assert "    was OU=Laboratory,OU=IT,DC=contoso,DC=example" in lines


# -- commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_command_that_is_shown_reaches_bash_with_the_very_name(name: str) -> None:
    shown = pasteable(f"printf %s {shlex.quote(name)}")
    assert shown.isprintable()
    done = subprocess.run(["bash", "-c", shown], capture_output=True, check=True)
    assert done.stdout == name.encode("utf-8", "surrogateescape")


def test_an_ordinary_command_is_left_as_it_is() -> None:
    command = "Enable-ADSyncInheritance -ADobjectDN 'OU=It'\"'\"'s,DC=contoso,DC=example'"
    assert pasteable(command) == command
    assert pasteable("not a 'command\x1b[m") == "not a 'command\\x1b[m"


# -- where it goes -------------------------------------------------------------------------------------------


def test_a_file_is_replaced_and_is_its_owners_alone(tmp_path: Path) -> None:
    output = tmp_path / "report.txt"
    output.write_text("older, and longer than what comes")
    output.chmod(0o644)
    formats.deliver(iter(["one\n", "two\udcff\n"]), output)
    assert output.read_text() == "one\ntwo\\udcff\n"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [output]


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    victim, output = tmp_path / "victim", tmp_path / "report.txt"
    victim.write_text("precious")
    output.symlink_to(victim)
    formats.deliver(iter(["report"]), output)
    assert (victim.read_text(), output.read_text(), output.is_symlink()) == ("precious", "report", False)


def test_a_report_that_breaks_off_leaves_the_older_one(tmp_path: Path) -> None:
    output = tmp_path / "report.txt"
    output.write_text("older")

    def broken() -> object:
        yield "half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        formats.deliver(broken(), output)  # type: ignore[arg-type]
    assert output.read_text() == "older"
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("where", ["", "missing/report.txt"])
def test_a_file_that_cannot_be_written_is_one_line(where: str, tmp_path: Path) -> None:
    with pytest.raises(ADSyncConfigError, match=r"^'.*' (is no file|cannot be written): ") as raised:
        formats.deliver(iter(["report"]), tmp_path / where)
    assert "\n" not in str(raised.value)
