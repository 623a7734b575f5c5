"""The survey of an audit: connections that are lost, findings beyond those that are kept, and objects alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import adsyncconfig
from adsyncconfig import Entry, Unreachable
from adsyncconfig.filters import EVERYTHING
from adsyncconfig.findings import Category, Finding, Rule, Severity
from adsyncconfig.search_base import SearchBase
from adsyncconfig.snapshot import SnapshotDirectory
from adsyncconfig.survey import ATTRIBUTES, Found, parent_of, streamed

DOMAIN = "DC=contoso,DC=example"


class Breaking:
    """A directory whose searches break off after so many objects, one number for each search."""

    def __init__(self, directory: SnapshotDirectory, *after: int) -> None:
        self._directory = directory
        self._after = list(after)
        self.searches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._directory, name)

    def search(self, *arguments: Any, **options: Any) -> Iterator[Entry]:
        self.searches += 1
        left = self._after.pop(0) if self._after else None
        for count, entry in enumerate(self._directory.search(*arguments, **options)):
            if count == left:
                raise Unreachable("the controller ended the connection")
            yield entry


@dataclass
class Run:
    dns: list[str]
    lost: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def run(path: Path, *after: int) -> tuple[Run, Breaking]:
    with adsyncconfig.open_snapshot(path) as snapshot:
        directory = Breaking(snapshot, *after)
        result = Run([])
        base = SearchBase(directory, DOMAIN)
        for entry in streamed(
            base, EVERYTHING, ATTRIBUTES, lost=result.lost.append, tell=result.told.append, pauses=(0.0, 0.0)
        ):
            result.dns.append(entry.dn)
    return result, directory


def test_a_search_that_breaks_off_goes_on_and_gives_each_object_once(snapshot_file: Path) -> None:
    whole, _ = run(snapshot_file)
    broken, directory = run(snapshot_file, 20, 35)
    assert broken.dns == whole.dns
    assert len(set(broken.dns)) == len(broken.dns) > 50
    assert directory.searches == 3
    assert not broken.lost
    assert [line for line in broken.told if "lost" in line and "going on" in line] == broken.told


def test_after_the_last_attempt_it_is_said_what_was_not_read(snapshot_file: Path) -> None:
    broken, directory = run(snapshot_file, 20, 5, 30)
    assert directory.searches == 3
    assert len(broken.dns) == 30
    assert broken.lost == [
        f"'{DOMAIN}': 30 objects were read and the rest was not: the controller ended the connection"
    ]


def test_an_audit_whose_controller_is_lost_says_so_and_is_not_complete(
    snapshot_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adsyncconfig.survey._PAUSES", (0.0,))
    with adsyncconfig.open_snapshot(snapshot_file) as snapshot:
        directory = Breaking(snapshot)
        whole = adsyncconfig.invoke_adsync_permissions_audit(directory, search_base=DOMAIN)
        assert whole.is_complete
    with adsyncconfig.open_snapshot(snapshot_file) as snapshot:

        class BrokenSurvey(Breaking):
            """Breaks off where everything is read, each time."""

            def search(self, *arguments: Any, **options: Any) -> Iterator[Entry]:
                if arguments[1] is EVERYTHING:
                    self._after = [7]
                return super().search(*arguments, **options)

        lost = adsyncconfig.invoke_adsync_permissions_audit(
            BrokenSurvey(snapshot),
            search_base=DOMAIN,
        )
    assert lost.read == 7
    assert not lost.is_complete
    assert lost.exit_code == 3
    assert any(f"'{DOMAIN}': 7 objects were read and the rest was not" in line for line in lost.not_read)


def _finding(number: int) -> Finding:
    rule = Rule("some-rule", Category.DEBRIS, Severity.LOW, "Title", "Why", "How")
    return Finding(rule, f"CN={number},{DOMAIN}", "Message")


def test_of_one_rule_so_many_findings_are_kept_and_the_others_counted() -> None:
    found = Found(most=10)
    found.add(_finding(number) for number in range(25))
    assert [each.dn for each in found.findings] == [f"CN={number},{DOMAIN}" for number in range(10)]
    assert found.beyond == {"some-rule": 15}


@pytest.mark.parametrize(
    ("dn", "parent"),
    [
        (f"CN=User One,OU=Users,{DOMAIN}", f"OU=Users,{DOMAIN}"),
        (rf"CN=Lag\, Öst,OU=Grupper\, Återskrivning,{DOMAIN}", rf"OU=Grupper\, Återskrivning,{DOMAIN}"),
        (rf"OU=Back\\slash,{DOMAIN}", DOMAIN),
        (rf"OU=Back\\,{DOMAIN}", DOMAIN),
        (rf"CN=a\2Cb,{DOMAIN}", DOMAIN),
        ("DC=example", ""),
    ],
)
def test_what_an_object_is_in(dn: str, parent: str) -> None:
    assert parent_of(dn) == parent
