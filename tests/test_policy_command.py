"""Invoke-ADSyncPolicy as a user runs it: check mode, the run, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contoso_directory import CONNECTOR, CONNECTOR_DN
from test_commands import NO_PROMPT, assert_one_line_error, environment, run

OU = "OU=Writeback,DC=contoso,DC=example"
POLICY = f"""
[[accounts]]
dn = "{CONNECTOR_DN}"
  [[accounts.grants]]
  feature = "UnifiedGroupWriteback"
  scope = "{OU}"
  least_privilege = true
"""
CMDLET = "Invoke-ADSyncPolicy"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def test_check_mode_tells_drift_by_the_exit_code_until_the_policy_is_met(
    policy: Path, snapshot_file: Path
) -> None:
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    check = (str(policy), "-WhatIf", "--exit-code")
    before = snapshot_file.read_bytes()
    first = run(*check, env=env, cmdlet=CMDLET)
    assert first.returncode == 3, first.stderr
    assert f"What {CONNECTOR} can do at {OU}:" in first.stdout
    assert run(str(policy), "-WhatIf", env=env, cmdlet=CMDLET).returncode == 0
    assert snapshot_file.read_bytes() == before
    done = run("-Path", str(policy), "-RemoveExcess", NO_PROMPT, env=env, cmdlet=CMDLET)
    assert done.returncode == 4, done.stderr  # the bundled file keeps no permissions of the configuration
    assert 'Performed the operation "Bring permissions to the policy"' in done.stdout
    assert run(*check, env=env, cmdlet=CMDLET).returncode == 0


def test_the_json_names_accounts_changes_and_effect(policy: Path, snapshot_file: Path) -> None:
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    result = json.loads(run(str(policy), NO_PROMPT, "--json", env=env, cmdlet=CMDLET).stdout)
    assert (result["cmdlet"], [each["name"] for each in result["accounts"]]) == (CMDLET, [CONNECTOR])
    assert [(each["dn"], each["status"]) for each in result["changes"]] == [(OU, "applied")]
    assert {each["account"] for each in result["effect"]} == {CONNECTOR}


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (
            POLICY.replace("feature", "featur"),
            1,
            "line 5: there is no key 'featur' here.*did you mean feature",
        ),
        (POLICY.replace("Unified", "Unifed"), 1, "line 5: there is no feature 'UnifedGroupWriteback'"),
        ("accounts = ", 1, "is not TOML"),
        ('[[accepted]]\nrule = "no-such-rule"\nreason = "x"', 1, "line 2: there is no rule 'no-such-rule'"),
    ],
)
def test_a_wrong_policy_is_one_line_with_file_and_line(
    policy: Path, snapshot_file: Path, text: str, code: int, said: str
) -> None:
    policy.write_text(text, encoding="utf-8")
    before = snapshot_file.read_bytes()
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    result = run(str(policy), NO_PROMPT, env=env, cmdlet=CMDLET)
    assert_one_line_error(result, code, rf"policy\.toml.*{said}")
    assert snapshot_file.read_bytes() == before


def test_the_exit_code_of_check_mode_belongs_to_what_if(policy: Path, snapshot_file: Path) -> None:
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    result = run(str(policy), NO_PROMPT, "--exit-code", env=env, cmdlet=CMDLET)
    assert_one_line_error(result, 2, "--exit-code.*-WhatIf")


AUDIT = "Invoke-ADSyncPermissionsAudit"


def test_an_audit_by_a_policy_passes_where_the_directory_is_as_it_says(
    policy: Path, snapshot_file: Path
) -> None:
    policy.write_text(POLICY.replace("[[accounts.grants]]", "restricted = true\n  [[accounts.grants]]"))
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    first = run("-Policy", str(policy), "--json", env=env, cmdlet=AUDIT)
    report = json.loads(first.stdout)
    assert first.returncode == 3, first.stderr
    missing = [each for each in report["findings"] if each["rule"] == "missing-grant"]
    assert [each["dn"] for each in missing] == [OU]
    assert report["accounts"][0]["features"] == ["UnifiedGroupWriteback"]
    assert report["accounts"][0]["inferred"] is False
    assert run(str(policy), NO_PROMPT, env=env, cmdlet=CMDLET).returncode == 0
    last = run("-Policy", str(policy), "--json", env=env, cmdlet=AUDIT)
    assert (last.returncode, json.loads(last.stdout)["findings"]) == (0, []), last.stdout


def test_an_accepted_finding_fails_no_run_until_its_day(policy: Path, snapshot_file: Path) -> None:
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    found = json.loads(run("-Policy", str(policy), "--json", env=env, cmdlet=AUDIT).stdout)["findings"]
    accepted = "\n".join(f'[[accepted]]\nrule = "{each["rule"]}"\nreason = "a lab"\n' for each in found)
    policy.write_text(POLICY + accepted)
    done = run("-Policy", str(policy), "--json", env=env, cmdlet=AUDIT)
    assert done.returncode == 0, done.stdout
    assert {each["accepted"]["reason"] for each in json.loads(done.stdout)["findings"]} == {"a lab"}
    policy.write_text(POLICY + accepted.replace('"a lab"', '"a lab"\nuntil = 2020-01-01'))
    late = run("-Policy", str(policy), "--json", env=env, cmdlet=AUDIT)
    assert late.returncode == 3
    assert "ended on 2020-01-01" in late.stderr


@pytest.mark.parametrize(
    ("more", "arguments", "code", "said"),
    [
        (
            "",
            ("-Feature", "BasicRead"),
            2,
            "the policy names accounts and features itself: leave -Feature out",
        ),
        (
            '[audit]\ntier0 = ["CONTOSO\\\\Nobody"]',
            (),
            1,
            r"line 9: there is no account or group 'CONTOSO\\Nobody'",
        ),
        ('[audit]\ntier0 = ["Helpdesk"]', (), 1, "line 9: 'tier0' 'Helpdesk' is neither a SID, nor a DN"),
        (
            "[audit]\npassword_day = 3",
            (),
            1,
            "line 9: there is no key 'password_day'.*did you mean password_days",
        ),
    ],
)
def test_what_a_policy_of_an_audit_says_wrong_is_one_line(
    snapshot_file: Path, more: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    policy = snapshot_file.parent / "policy.toml"
    policy.write_text(POLICY + more)
    env = environment(ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    assert_one_line_error(run("-Policy", str(policy), *arguments, env=env, cmdlet=AUDIT), code, said)
