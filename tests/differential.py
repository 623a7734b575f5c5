"""Differential tests against the controller: what they share.

Rule 1: the same seed gives the same entries on every machine; ADSYNCCONFIG_SEED sets another one.
Rule 2: a test works below a container of its own, which is gone afterwards.
Rule 3: where the engine and the controller differ, the difference is one of a table, which says why and turns
        what was asked about into what the controller makes of it: with that, both must agree. A difference
        that the table does not explain fails the test; so does, with the default seed, a row that explains
        nothing any more.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import combinations
from operator import or_
from random import Random
from time import perf_counter
from typing import Any, Generic, TypeVar
from uuid import UUID

import ldap3
import pytest
import trying
from ldap3.protocol.microsoft import security_descriptor_control

from acl import Ace, AceType, SecurityDescriptor, Sid

DEFAULT_SEED = 20220131
ADMINISTRATORS = Sid.BUILTIN_ADMINISTRATORS
EVERYTHING = 0xF01FF
OWNER, GROUP, DACL, SACL = 1, 2, 4, 8
_CALLBACKS: dict[int, AceType] = {
    AceType.ACCESS_ALLOWED: AceType.ACCESS_ALLOWED_CALLBACK,
    AceType.ACCESS_DENIED: AceType.ACCESS_DENIED_CALLBACK,
}
_DELETE_TREE = ("1.2.840.113556.1.4.805", True, None)


def seed() -> int:
    """What the dice start from."""
    return int(os.environ.get("ADSYNCCONFIG_SEED", DEFAULT_SEED))


@dataclass(frozen=True, slots=True)
class Pools:
    """What entries are drawn from; a value that stands in a pool twice comes twice as often.

    ``callback`` is how often an entry without GUIDs has the condition. Callback entries with GUIDs are not for
    a Samba controller: it takes their GUIDs for their SID, and stores something that is no entry.
    """

    trustees: Sequence[Sid]
    masks: Sequence[int]
    object_types: Sequence[UUID | None] = (None,)
    inherited_object_types: Sequence[UUID | None] = (None,)
    flags: Sequence[int] = (0,)
    deny: float = 0.3
    callback: float = 0.0
    condition: bytes = b""

    def entry(self, dice: Random) -> Ace:
        """One entry."""
        make = Ace.deny if dice.random() < self.deny else Ace.allow
        ace = make(
            dice.choice(self.trustees),
            dice.choice(self.masks),
            flags=dice.choice(self.flags),
            object_type=dice.choice(self.object_types),
            inherited_object_type=dice.choice(self.inherited_object_types),
        )
        if not ace.is_object and dice.random() < self.callback:
            return replace(ace, type=_CALLBACKS[ace.type], data=self.condition)
        return ace

    def entries(self, dice: Random, counts: Sequence[int] = (1, 2, 3, 4, 6, 8)) -> list[Ace]:
        """Some entries; what the administrator may do comes first, so that a test can't lock itself out."""
        head = Ace.allow(ADMINISTRATORS, EVERYTHING)
        return [head, *(self.entry(dice) for _ in range(dice.choice(counts)))]


def masks(dice: Random, rights: Sequence[int], *, number: int = 200, at_most: int = 3) -> list[int]:
    """Random unions of a few rights."""
    return [reduce(or_, map(int, dice.sample(rights, dice.randint(1, at_most)))) for _ in range(number)]


@contextmanager
def container(administrator: Any, base_dn: str, name: str) -> Iterator[str]:
    """An OU below the domain, taken away with all that is in it."""
    dn = f"OU={name},{base_dn}"
    assert trying.create(administrator, dn, "organizationalUnit") == trying.SUCCESS, administrator.result
    try:
        yield dn
    finally:
        administrator.delete(dn, controls=[_DELETE_TREE])
        assert administrator.result["description"] == trying.SUCCESS, administrator.result


def add(connection: Any, dn: str, object_class: str, **attributes: str) -> str:
    """Create an object, which must succeed; its DN."""
    connection.add(dn, object_class, attributes)
    assert connection.result["description"] == trying.SUCCESS, connection.result
    return dn


def read(connection: Any, dn: str, *names: str) -> dict[str, list[bytes]]:
    """The raw values of attributes of one object; AssertionError where it can't be seen."""
    found = connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=names)
    assert found, (dn, connection.result)
    raw: dict[str, list[bytes]] = connection.response[0]["raw_attributes"]
    return raw


def stored(connection: Any, dn: str, flags: int = OWNER | GROUP | DACL) -> SecurityDescriptor:
    """The descriptor that the controller has."""
    return SecurityDescriptor.from_bytes(trying.read_descriptor(connection, dn, flags=flags))


def write(connection: Any, dn: str, descriptor: SecurityDescriptor, flags: int = DACL) -> str:
    """Have the controller store parts of a descriptor; what it said."""
    change = {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [descriptor.to_bytes()])]}
    connection.modify(dn, change, controls=security_descriptor_control(sdflags=flags))
    said: str = connection.result["description"]
    return said


Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Difference(Generic[Subject]):
    """A known difference: ``as_controller`` gives what the controller makes of the subject."""

    name: str
    reason: str
    as_controller: Callable[[Subject], Subject]


@dataclass(slots=True)
class Comparison(Generic[Subject]):
    """Compares the engine's answers with the controller's and keeps count."""

    title: str
    differences: Sequence[Difference[Subject]]
    subjects: int = 0
    answers: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)

    def compare(
        self,
        subject: Subject,
        predict: Callable[[Subject], dict[str, Any]],
        found: dict[str, Any],
        describe: Callable[[Subject], str],
    ) -> None:
        """One subject: what the engine predicts for it, by question, and what the controller said."""
        self.subjects += 1
        self.answers += len(found)
        predicted = predict(subject)
        if predicted == found:
            return
        for number in range(1, len(self.differences) + 1):
            for some in combinations(self.differences, number):
                changed = subject
                for difference in some:
                    changed = difference.as_controller(changed)
                if predict(changed) == found:
                    self.explained.update([" and ".join(each.name for each in some)])
                    return
        lines = [
            f"  {question}: predicted {predicted[question]}, found {found[question]}"
            for question in found
            if predicted[question] != found[question]
        ]
        self.unexplained.append("\n".join([describe(subject), *lines]))

    def report(self) -> str:
        """One line for the log."""
        explained = ", ".join(f"{count} by {name}" for name, count in sorted(self.explained.items()))
        return (
            f"{self.title}: seed {seed()}, {self.subjects} compared with {self.answers} answers,"
            f" differences: {explained or 'none'}; {len(self.unexplained)} unexplained;"
            f" {perf_counter() - self.started:.1f} s"
        )

    def conclude(self, capsys: pytest.CaptureFixture[str], *, every_row: bool) -> None:
        """Print the report; fail on what the table does not explain, and, if wanted, on a row of no use."""
        with capsys.disabled():
            sys.stdout.write(f"\n{self.report()}\n")
        assert not self.unexplained, "\n".join([self.report(), *self.unexplained])
        if not every_row or seed() != DEFAULT_SEED:
            return
        used = {name for names in self.explained for name in names.split(" and ")}
        idle = [each.name for each in self.differences if each.name not in used]
        assert not idle, f"explains nothing any more: {idle}"
