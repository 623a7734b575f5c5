"""Who is tier 0: by SID, in the domains of the forest alone."""

from __future__ import annotations

import pytest

from acl import Sid
from adsyncconfig.tier0 import tier0_sids

ROOT = Sid.from_string("S-1-5-21-1-2-3")
CHILD = Sid.from_string("S-1-5-21-4-5-6")
TRUSTED = Sid.from_string("S-1-5-21-7-8-9")
THERE = tier0_sids([ROOT, CHILD], ROOT)


@pytest.mark.parametrize(
    "sid",
    ["S-1-5-18", "S-1-5-9", "S-1-5-32-544"]
    + [str(domain.child(rid)) for domain in (ROOT, CHILD) for rid in (500, 502, 512, 516, 526)]
    + [str(ROOT.child(rid)) for rid in (518, 519, 527)],
)
def test_what_rules_a_forest_by_itself_is_tier_0(sid: str) -> None:
    assert Sid.from_string(sid) in THERE


@pytest.mark.parametrize(
    "sid",
    ["S-1-5-11", "S-1-1-0", "S-1-5-10", "S-1-3-0"]  # whom everybody is, and placeholders
    + [f"S-1-5-32-{rid}" for rid in (548, 549, 550, 551, 552)]  # operators, rule 2
    + [str(CHILD.child(518)), str(CHILD.child(519)), str(TRUSTED.child(512)), str(ROOT.child(1104))],
)
def test_nobody_else_is(sid: str) -> None:
    assert Sid.from_string(sid) not in THERE


def test_the_caller_may_count_more_to_it() -> None:
    own = ROOT.child(1105)
    assert own in tier0_sids([ROOT], ROOT, [own])
    assert own not in tier0_sids([ROOT], ROOT)
