"""A policy file is read whole or refused with its line; acceptances meet what they say, until they run out."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl import Sid
from adsyncconfig import PolicyError
from adsyncconfig.account import Principal
from adsyncconfig.findings import AuditedAccount, AuditReport, Category, Finding, Rule, Severity
from adsyncconfig.policy import accept
from adsyncconfig.policy_file import LARGEST, parse_policy, read_policy
from adsyncconfig.toml_lines import line_of, lines_of_keys

RULES = ("old-password", "replication-rights", "missing-grant")

WHOLE = """\
version = 1

[audit]
password_days = 180
tier0 = ["CONTOSO\\\\Identity Admins"]

[[accounts]]
dn = "CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example"
restricted = true

  [[accounts.grants]]
  feature = "passwordhashsync"

  [[accounts.grants]]
  feature = "UnifiedGroupWriteback"
  scope = "OU=Writeback,DC=contoso,DC=example"
  least_privilege = true

[[accounts]]
name = "pGMSA_1"
domain = "EMEA"

[[accepted]]
rule = "old-password"
below = "CN=Users,DC=contoso,DC=example"
reason = "rotated in spring"
until = 2027-03-31
"""


def test_a_policy_says_who_is_to_have_what_where() -> None:
    policy = parse_policy(WHOLE, path="policy.toml", rules=RULES)
    first, second = policy.accounts
    assert first.names["ad_connector_account_dn"] == "CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example"
    assert first.restricted
    assert not second.restricted
    assert [(each.features[0].name, each.scope, each.least_privilege) for each in first.grants] == [
        ("PasswordHashSync", None, False),
        ("UnifiedGroupWriteback", "OU=Writeback,DC=contoso,DC=example", True),
    ]
    assert second.names["ad_connector_account_name"] == "pGMSA_1"
    assert (policy.password_days, policy.unused_days) == (180, None)
    assert policy.tier0 == ("CONTOSO\\Identity Admins",)
    assert [each.until for each in policy.accepted] == [date(2027, 3, 31)]
    assert [each.line for each in first.grants] == [12, 15]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("restricted = true", "restrictd = true", 9, "no key 'restrictd' here.*did you mean restricted"),
        ("[audit]", "[audits]", 3, "no key 'audits' here.*did you mean audit"),
        ("password_days = 180", "password_days = 0", 4, "a number of days"),
        ("password_days = 180", "password_days = true", 4, "a whole number"),
        ("password_days = 180", "password_age = 180", 4, "no key 'password_age'"),
        ('"passwordhashsync"', '"PasswordHashSink"', 12, "did you mean PasswordHashSync"),
        ('"passwordhashsync"', "7", 12, "a text in quotes"),
        ('feature = "passwordhashsync"', 'scope = "contoso.example"', 11, "'feature' is missing"),
        ('"passwordhashsync"', '"passwordhashsync"\nscope = "contoso.example"', 13, "has no 'scope'"),
        ("least_privilege = true", "least_privilege = 1", 17, "true or false"),
        ('"OU=Writeback,DC=contoso,DC=example"', '"OU=Writeback,,DC=x"', 16, "no distinguished name"),
        ('"OU=Writeback,DC=contoso,DC=example"', '"  "', 16, "'scope' is empty"),
        ('name = "pGMSA_1"', "", 19, "'dn', or by 'name' and 'domain'"),
        ("until = 2027-03-31", 'until = "2027-03-31"', 27, "a date without quotes"),
        ("until = 2027-03-31", "until = 2027-03-31T10:00:00", 27, "a date without quotes"),
        ("until = 2027-03-31", "untill = 2027-03-31", 27, "did you mean until"),
        ('"old-password"', '"old-pasword"', 24, "no rule 'old-pasword'; did you mean old-password"),
        ('reason = "rotated in spring"', "", 23, "'reason' is missing"),
        ("version = 1", "version = 2", 1, "version 2 is not known"),
        ("[audit]", "[[audit]]", 3, "'audit' must be a table"),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(old: str, new: str, line: int, said: str) -> None:
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    with pytest.raises(PolicyError, match=rf"^policy\.toml, line {line}: .*{said}") as caught:
        parse_policy(text, path="policy.toml", rules=RULES)
    assert "\n" not in str(caught.value)


def test_a_date_that_is_none_is_an_error_of_toml_with_its_line() -> None:
    with pytest.raises(PolicyError, match=r"line 27"):
        parse_policy(WHOLE.replace("2027-03-31", "2027-02-30"), path="policy.toml", rules=RULES)


def test_accounts_that_are_no_tables_are_refused() -> None:
    with pytest.raises(PolicyError, match=r"line 1: 'accounts' must be tables"):
        parse_policy('accounts = ["MSOL_1"]', path="p", rules=RULES)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no policy file"):
        read_policy(tmp_path / "none.toml", rules=RULES)
    with pytest.raises(PolicyError, match="cannot read"):
        read_policy(tmp_path, rules=RULES)
    (tmp_path / "latin.toml").write_bytes("reason = 'für'".encode("latin-1"))
    with pytest.raises(PolicyError, match="cannot read"):
        read_policy(tmp_path / "latin.toml", rules=RULES)
    (tmp_path / "large.toml").write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(PolicyError, match="is larger than"):
        read_policy(tmp_path / "large.toml", rules=RULES)


def test_deep_nesting_is_refused_and_no_crash() -> None:
    with pytest.raises(PolicyError):
        parse_policy("a = " + "[" * 100_000, path="p", rules=RULES)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    said = ""
    try:
        parse_policy(text, path="p", rules=RULES)
    except PolicyError as error:
        said = str(error)
    assert "\n" not in said


_KEYS = st.sampled_from(["a", "b", "c d", 'e"f', "g.h"])


@st.composite
def _documents(draw: st.DrawFn) -> str:
    """Documents of tables, arrays of tables and keys, with comments and empty lines between."""
    lines: list[str] = []
    for number in range(draw(st.integers(0, 6))):
        name = f"t{draw(st.integers(0, 2))}"
        lines += draw(st.lists(st.sampled_from(["", "# [no.header]", "#x = 1"]), max_size=2))
        lines.append(f"[[array.{name}]]" if draw(st.booleans()) else f"[table.{name}{number}]")
        for key in draw(st.lists(_KEYS, unique=True, max_size=3)):
            quoted = key if key.isalnum() else '"' + key.replace('"', '\\"') + '"'
            value = draw(st.sampled_from(["1", '"x = 2"', "[1, 2]", '"""\n[not.a.header]\ny = 1\n"""']))
            lines += f"{quoted} = {value}".split("\n")
    return "\n".join(lines)


@given(_documents())
def test_every_key_has_the_line_that_a_reader_would_point_at(text: str) -> None:
    """The same document cut off in front of a key's line has no such key yet, and with the line it does."""
    lines = lines_of_keys(text)
    rows = text.split("\n")
    for path, number in lines.items():
        before = tomllib.loads("\n".join(rows[: number - 1]))
        end = next(n for n in range(number, len(rows) + 1) if _is_toml("\n".join(rows[:n])))
        assert not _has(before, path)
        plain = tuple(each.replace('\\"', '"') if isinstance(each, str) else each for each in path)
        assert _has(tomllib.loads("\n".join(rows[:end])), plain)
        assert line_of(lines, (*path, "beyond")) == number


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _has(values: object, path: tuple[str | int, ...]) -> bool:
    for part in path:
        if isinstance(part, int):
            if not isinstance(values, list) or len(values) <= part:
                return False
            values = values[part]
        elif not isinstance(values, dict) or part not in values:
            return False
        else:
            values = values[part]
    return True


RULE = Rule("old-password", Category.TAKEOVER, Severity.MEDIUM, "old", "why", "mend")
FINDING = Finding(
    RULE,
    "CN=MSOL_1,CN=Users,DC=contoso,DC=example",
    "m",
    account="CONTOSO\\MSOL_1",
    trustee="CONTOSO\\Helpdesk",
)
ACCEPTED = '[[accepted]]\nrule = "old-password"\nreason = "known"\n'


def _report(*findings: Finding) -> AuditReport:
    principal = Principal("CN=MSOL_1,DC=contoso,DC=example", Sid.from_string("S-1-5-21-1-2-3-1104"), "MSOL_1")
    account = AuditedAccount(principal, ("BasicRead",), inferred=True)
    return AuditReport(
        "dc1", ("DC=contoso,DC=example",), datetime(2027, 1, 1, tzinfo=UTC), (account,), findings, 1
    )


@pytest.mark.parametrize(
    ("parts", "meets"),
    [
        ("", True),
        ('object = "cn=msol_1, cn=users,dc=contoso,dc=example"', True),
        ('object = "CN=Users,DC=contoso,DC=example"', False),
        ('below = "CN=Users,DC=contoso,DC=example"', True),
        ('below = "CN=MSOL_1,CN=Users,DC=contoso,DC=example"', True),
        ('below = "OU=Other,DC=contoso,DC=example"', False),
        ('account = "msol_1"', True),
        ('account = "CONTOSO\\\\MSOL_1"', True),
        ('account = "EMEA\\\\MSOL_1"', False),
        ('trustee = "Helpdesk"', True),
        ('trustee = "Help"', False),
        ("until = 2027-01-01", True),
        ("until = 2026-12-31", False),
    ],
)
def test_an_acceptance_meets_what_it_says(parts: str, meets: bool) -> None:
    policy = parse_policy(ACCEPTED + parts, path="p", rules=RULES)
    report = accept(_report(FINDING), policy, today=date(2027, 1, 1))
    assert (report.findings[0].accepted is not None) is meets
    assert report.exit_code == (0 if meets else 3)
    assert bool(report.warnings) is not meets


def test_of_several_objects_each_has_to_be_meant() -> None:
    policy = parse_policy(ACCEPTED + 'below = "CN=Users,DC=contoso,DC=example"', path="p", rules=RULES)
    inside, outside = "CN=b,CN=Users,DC=contoso,DC=example", "CN=c,DC=contoso,DC=example"
    for others, count, meets in (((inside,), 2, True), ((outside,), 2, False), ((inside,), 3, False)):
        report = accept(_report(replace(FINDING, others=others, count=count)), policy, today=date(2027, 1, 1))
        assert (report.findings[0].accepted is not None) is meets


def test_an_acceptance_that_ran_out_or_that_nothing_needs_is_named() -> None:
    policy = parse_policy(
        ACCEPTED + "until = 2026-12-31\n" + ACCEPTED.replace("old-password", "missing-grant"),
        path="policy.toml",
        rules=RULES,
    )
    report = accept(_report(FINDING), policy, today=date(2027, 1, 1))
    assert [warning.split(":")[0] for warning in report.warnings] == [
        "policy.toml, line 1",
        "policy.toml, line 5",
    ]
    assert "ended on 2026-12-31" in report.warnings[0]
    assert "no finding meets" in report.warnings[1]
