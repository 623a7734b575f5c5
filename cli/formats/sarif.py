"""SARIF 2.1.0 for code scanning and pipelines, as the standard has it and as GitHub takes it.

Rule 1: an object is a logical location, its DN the fully qualified name. GitHub wants a file as well and refuses
        absolute URIs of another scheme than the checkout's, so the physical location is the object's path in
        the directory (``contoso.example/OU=staff``), relative: the same in every run, whichever the controller.
Rule 2: an accepted finding is a result with an external suppression. What was not read is a notification, and the
        execution then not successful: a list with holes never passes for a whole one.
Rule 3: braces and brackets in messages are escaped, since they are placeholders and links there (SARIF 3.11.5,
        3.11.6). The values as they are stand in the property bags.

Sources: OASIS SARIF 2.1.0; GitHub, "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from . import differing
from .marking import escaped as markdown
from .summary import others, until
from .visible import pasteable, printable, without_controls

if TYPE_CHECKING:
    from adsyncconfig.comparison import Comparison, ObjectDifference
    from adsyncconfig.findings import AuditReport, Finding, Rule

__all__ = ["audit", "comparison"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: GitHub refuses a run with more results than this.
RESULTS: Final = 25_000
_FINGERPRINT: Final = "adsyncconfig/v1"
#: SARIF's level, and the score by which GitHub sorts (over 9.0 critical, from 7.0 high, from 4.0 medium).
_LEVELS: Final = {
    "critical": ("error", "9.5"),
    "high": ("error", "8.0"),
    "medium": ("warning", "5.5"),
    "low": ("note", "2.5"),
    "information": ("note", "0.0"),
}
_DRIFT: Final = {
    "changed": "The permissions of an object changed",
    "added": "An object came, with permissions of its own",
    "removed": "An object went",
    "renamed": "An object was renamed or moved",
}


def audit(report: AuditReport) -> Iterator[str]:
    """One run: the rules asked, the findings, and what was not read."""
    rules = {rule.id: rule for rule in (*report.rules, *(each.rule for each in report.findings))}
    index = {rule_id: at for at, rule_id in enumerate(rules)}
    left_out = [f"{count} more findings of {rule} are left out." for rule, count in report.beyond.items()]
    run = _run(
        "Invoke-ADSyncPermissionsAudit",
        rules=[_rule(rule) for rule in rules.values()],
        results=[_result(each, index[each.rule.id]) for each in report.findings],
        complete=report.is_complete,
        exit_code=report.exit_code,
        ended=report.taken.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        notes=[
            *(("error", f"Not read: {line}") for line in report.not_read),
            *(("warning", line) for line in (*report.warnings, *left_out)),
        ],
    )
    run["properties"] = {
        "source": report.source,
        "bases": list(report.bases),
        "accounts": [each.to_json() for each in report.accounts],
        "read": report.read,
        "unreadable": report.unreadable,
    }
    yield _log(run)


def comparison(found: Comparison) -> Iterator[str]:
    """One run, in which each object that differs is a result."""
    index = {kind: at for at, kind in enumerate(_DRIFT)}
    notes = list(found.warnings)
    if (more := len(found.differences) - RESULTS) > 0:
        notes.append(f"{more:,} more objects differ; --format json has all of them.")
    run = _run(
        "Compare-ADSyncSnapshot",
        rules=[
            {
                "id": f"drift-{kind}",
                "shortDescription": {"text": title},
                "fullDescription": {"text": title},
                "help": {"text": title, "markdown": markdown(title)},
                "defaultConfiguration": {"level": "warning"},
                "properties": {"tags": ["security", "drift"], "security-severity": "5.5"},
            }
            for kind, title in _DRIFT.items()
        ],
        results=[_drift(each, index[each.kind.value]) for each in islice(found.differences, RESULTS)],
        complete=not found.unreadable,
        exit_code=found.exit_code,
        ended=None,
        notes=[("warning", line) for line in notes],
    )
    run["properties"] = {"reference": found.reference.to_json(), "difference": found.difference.to_json()}
    yield _log(run)


def _log(run: dict[str, Any]) -> str:
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return without_controls(json.dumps(log, indent=2, ensure_ascii=False)) + "\n"


def _run(
    cmdlet: str,
    *,
    rules: list[dict[str, Any]],
    results: list[dict[str, Any]],
    complete: bool,
    exit_code: int,
    ended: str | None,
    notes: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    from adsyncconfig import __version__  # noqa: PLC0415 - help does without

    invocation: dict[str, Any] = {
        "executionSuccessful": complete,
        "exitCode": exit_code,
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": _message(text)}} for level, text in notes
        ],
    }
    if ended is not None:
        invocation["endTimeUtc"] = ended
    return {
        "tool": {
            "driver": {
                "name": "adsyncconfig",
                "fullName": f"adsyncconfig {cmdlet}",
                "semanticVersion": __version__,
                "rules": rules,
            }
        },
        "automationDetails": {"id": f"adsyncconfig/{cmdlet}/"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    level, score = _LEVELS[rule.severity.value]
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": _message(rule.title)},
        "fullDescription": {"text": _message(rule.why)},
        "help": {
            "text": _message(f"{rule.why}\n\n{rule.mending}"),
            "markdown": f"{markdown(rule.why)}\n\n**What to do:** {markdown(rule.mending)}",
        },
        "defaultConfiguration": {"level": level},
        "properties": {
            "tags": ["security", "active-directory", rule.category.value],
            "security-severity": score,
            "severity": rule.severity.value,
        },
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.rule.severity.value][0],
        "message": {"text": _message("\n".join(_said(finding)))},
        "locations": [_location(finding.dn)],
        "partialFingerprints": _fingerprints(finding.fingerprint),
        "properties": {
            **({"count": finding.count} if finding.count > 1 else {}),
            "account": finding.account,
            "trustee": finding.trustee,
            "evidence": [each.to_json() for each in finding.evidence],
            "others": list(finding.others),
            "mend": finding.mend,
            "advice": finding.advice,
        },
    }
    if finding.accepted is not None:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": f"{printable(finding.accepted.reason)} (accepted {until(finding)})",
            }
        ]
    return result


def _said(finding: Finding) -> Iterator[str]:
    """The message: the first sentence alone is shown where there is little room."""
    yield printable(finding.message)
    yield f"Object: {printable(finding.dn)}"
    if line := others(finding):
        yield " ".join([line, *map(printable, finding.others)])
    for entry in finding.evidence:
        yield f"Entry: {printable(entry.sddl)}: {printable(entry.words)}"
    if finding.mend:
        yield f"To mend it: {pasteable(finding.mend)}"
    if finding.advice or not finding.mend:
        yield f"What to do: {printable(finding.advice or finding.rule.mending)}"


def _drift(each: ObjectDifference, rule_index: int) -> dict[str, Any]:
    lines = [f"{_DRIFT[each.kind.value]}: {printable(each.dn)}", *differing.facts(each)]
    lines += (
        f"{'+' if entry.added else '-'} {printable(entry.sddl)}: {printable(entry.words)}"
        for entry in each.permissions.entries
    )
    said = json.dumps(each.to_json(), sort_keys=True)
    return {
        "ruleId": f"drift-{each.kind.value}",
        "ruleIndex": rule_index,
        # What follows from a change above is for the record.
        "level": "note" if each.permissions.is_inherited else "warning",
        "message": {"text": _message("\n".join(lines))},
        "locations": [_location(each.dn)],
        "partialFingerprints": _fingerprints(hashlib.sha256(said.encode()).hexdigest()[:32]),
        "properties": each.to_json(),
    }


def _location(dn: str) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": _path(dn)}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": dn, "kind": "directoryObject"}],
    }


def _path(dn: str) -> str:
    """The object's place as a relative URI: the domain's DNS name, then each RDN below it."""
    from adsyncconfig import ADSyncConfigError  # noqa: PLC0415
    from adsyncconfig.dn import DistinguishedName  # noqa: PLC0415

    try:
        # Folded to one case, so that another spelling of the name is the same place.
        rdns = DistinguishedName.parse(dn).rdns
        parsed = ["+".join(f"{name.upper()}={value}" for name, value in rdn) for rdn in rdns]
    except (ADSyncConfigError, ValueError):  # a server may say what it wants
        parsed = [dn]
    domain: list[str] = []
    while parsed and parsed[-1].upper().startswith("DC="):
        domain.insert(0, parsed.pop()[3:])
    parts = [".".join(domain)] if domain else []
    return "/".join(quote(part, safe="=", errors="backslashreplace") for part in (*parts, *reversed(parsed)))


def _fingerprints(fingerprint: str) -> dict[str, str]:
    # GitHub tells results apart by the second, which it would else make from lines of a file.
    return {_FINGERPRINT: fingerprint, "primaryLocationLineHash": f"{fingerprint}:1"}


def _message(text: str) -> str:
    shown = "\n".join(map(printable, text.split("\n")))
    for character, escape in (("{", "{{"), ("}", "}}"), ("[", "\\["), ("]", "\\]")):
        shown = shown.replace(character, escape)
    return shown
