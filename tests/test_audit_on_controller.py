"""The audit on a real controller: every rule's finding is found where it was planted, and goes with its mend.

In the directory before the planting nothing is found. Each mend is run through bash, on a terminal, exactly as it
is printed; then the audit no longer has the finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import planted_directory
import planted_power
import pytest
import samba_lab
from conftest import require_lab
from planted_directory import DOMAIN, Garden, Plant
from test_commands import connection, on_a_terminal

import adsyncconfig
from adsyncconfig import AuditReport
from adsyncconfig.audit import RULES
from adsyncconfig.findings import Finding

PLANTS = (*planted_directory.PLANTS, *planted_power.PLANTS)


@dataclass(slots=True)
class Planted:
    """The garden, what was found before anything was planted, and by whom what afterwards."""

    garden: Garden
    clean: AuditReport
    reports: dict[str | None, AuditReport] = field(default_factory=dict)

    def audit(self, user: str | None = None) -> AuditReport:
        with self.garden.directory(user) as directory:
            return adsyncconfig.invoke_adsync_permissions_audit(directory, search_base=DOMAIN)

    def found(self, plant: Plant, report: AuditReport) -> list[Finding]:
        return [
            each
            for each in report.findings
            if (each.rule.id, each.dn) == (plant.rule, plant.dn) and plant.account in (None, each.account)
        ]


@pytest.fixture(scope="module")
def planted() -> Iterator[Planted]:
    require_lab()
    with samba_lab.contoso_lab() as controller:
        garden = Garden(controller)
        garden.sow()
        with garden.directory() as directory:
            clean = adsyncconfig.invoke_adsync_permissions_audit(directory)
        result = Planted(garden, clean)
        garden.plant(PLANTS)
        for user in {each.by for each in PLANTS}:
            result.reports[user] = result.audit(user)
        yield result
        garden.close()


@dataclass(slots=True)
class Mended:
    """How each printed line ended, by rule, and what is found when all of them were run."""

    runs: dict[str, list[tuple[int, str]]]
    report: AuditReport


@pytest.fixture(scope="module")
def mended(planted: Planted) -> Mended:
    """Every line that was printed for what an administrator sees, run as it stands, one after the other."""
    # The one thing that a mend asks for beside a yes.
    env = connection(planted.garden.controller, ADSYNCCONFIG_NEW_PASSWORD="Another-Passw0rd.of-a-connector")
    runs: dict[str, list[tuple[int, str]]] = {}
    for plant in PLANTS:
        if plant.by is not None:
            continue  # what is hidden from one reader is no finding of another's, who has nothing to mend
        for each in planted.found(plant, planted.reports[None]):
            assert each.mend is not None, each
            runs.setdefault(plant.rule, []).append(on_a_terminal(each.mend, ["Y"] * 5, env))
        if plant.afterwards is not None:
            plant.afterwards(planted.garden)
    return Mended(runs, planted.audit())


def _id(plant: Plant) -> str:
    return plant.rule


def test_every_rule_is_planted() -> None:
    assert {each.rule for each in PLANTS} == {each.id for each in RULES}


def test_nothing_is_found_in_a_clean_directory(planted: Planted) -> None:
    report = planted.clean
    assert [(each.rule.id, each.dn, each.message) for each in report.findings] == []
    assert report.exit_code == 0
    assert report.accounts[0].features == (
        "BasicRead",
        "ExchangeHybrid",
        "MsDsConsistencyGuid",
        "PasswordHashSync",
        "PasswordWriteback",
        "UnifiedGroupWriteback",
    )
    assert report.read > 3000  # the domain, its configuration and its schema


@pytest.mark.parametrize("plant", PLANTS, ids=_id)
def test_what_was_planted_is_found_with_the_object_and_the_entry(planted: Planted, plant: Plant) -> None:
    found = planted.found(plant, planted.reports[plant.by])
    assert found
    if plant.sddl is not None:
        wanted = plant.sddl.format_map(planted.garden.sids)
        assert any(wanted in entry.sddl for each in found for entry in each.evidence), found


@pytest.mark.parametrize("plant", PLANTS, ids=_id)
def test_the_printed_mend_makes_it_vanish(planted: Planted, mended: Mended, plant: Plant) -> None:
    if plant.by is None:
        assert mended.runs[plant.rule]
    for code, written in mended.runs.get(plant.rule, ()):
        assert code == 0, written
    assert not planted.found(plant, mended.report)
