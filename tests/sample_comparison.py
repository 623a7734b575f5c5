"""Two snapshots compared, as values: a difference of every kind, and one of hostile names."""

from __future__ import annotations

from sample_report import DOMAIN, HOSTILE_NAMES, MAIN, SID

from adsyncconfig.comparison import (
    ComparedSnapshot,
    Comparison,
    DifferenceKind,
    EntryDifference,
    ObjectDifference,
    PermissionDifference,
)

__all__ = ["equal_comparison", "hostile_comparison", "sample_comparison"]

OLD = ComparedSnapshot(
    "monday.jsonl.gz", "dc1.contoso.example", 48_120, "2026-11-23T02:30:00+00:00", ("DC=emea: not reached",)
)
NEW = ComparedSnapshot("tuesday.jsonl.gz", "dc2.contoso.example", 48_213, "2026-11-24T02:30:00+00:00")


def entry(sddl: str, words: str, *, added: bool, inherited: bool = False) -> EntryDifference:
    return EntryDifference(sddl, words, added, inherited)


def sample_comparison() -> Comparison:
    """Changed, inherited, added, removed, renamed, reordered, and no longer readable."""
    grant = f"(A;CI;RPWP;;;{SID}-1102)"
    words = (
        f"Allow {MAIN}: read every attribute, write every attribute; on this object and everything below it"
    )
    deny = "(D;;WD;;;WD)"
    differences = (
        ObjectDifference(
            DifferenceKind.CHANGED,
            f"OU=Staff,{DOMAIN}",
            "organizationalUnit",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            PermissionDifference(
                (
                    entry(deny, "Deny Everyone: change permissions", added=False),
                    entry(grant, words, added=True),
                ),
                owner=("CONTOSO\\Domain Admins", "CONTOSO\\kim"),
                protected=(False, True),
            ),
        ),
        ObjectDifference(
            DifferenceKind.CHANGED,
            f"CN=Kim Novak,OU=Staff,{DOMAIN}",
            "user",
            None,
            PermissionDifference((entry(f"(A;CIID;RPWP;;;{SID}-1102)", words, added=True, inherited=True),)),
        ),
        ObjectDifference(
            DifferenceKind.ADDED,
            f"OU=New,{DOMAIN}",
            "organizationalUnit",
            None,
            PermissionDifference((entry(grant, words, added=True),), owner=(None, "CONTOSO\\Domain Admins")),
        ),
        ObjectDifference(
            DifferenceKind.REMOVED,
            f"OU=Gone,{DOMAIN}",
            "organizationalUnit",
            None,
            PermissionDifference((entry(grant, words, added=False),), open=(True, False)),
        ),
        ObjectDifference(
            DifferenceKind.RENAMED,
            f"OU=Lab,OU=IT,{DOMAIN}",
            "organizationalUnit",
            None,
            PermissionDifference(reordered=True),
            former_dn=f"OU=Laboratory,OU=IT,{DOMAIN}",
        ),
        ObjectDifference(
            DifferenceKind.CHANGED,
            f"OU=Legal,{DOMAIN}",
            "organizationalUnit",
            None,
            PermissionDifference(readable=(True, False)),
        ),
    )
    counts = {kind: sum(each.kind is kind for each in differences) for kind in DifferenceKind}
    return Comparison(OLD, NEW, differences, counts, unreadable=2, warnings=("The clocks differ by 140 s.",))


def equal_comparison() -> Comparison:
    """Nothing differs."""
    return Comparison(OLD, NEW, (), {})


def hostile_comparison() -> Comparison:
    """Every text that can come from a snapshot, with each hostile name in turn."""
    differences = tuple(
        ObjectDifference(
            DifferenceKind.RENAMED,
            f"OU={name},{DOMAIN}",
            name,
            name,
            PermissionDifference(
                (entry(name, name, added=True), entry(name, name, added=False)), owner=(name, name)
            ),
            former_dn=name,
        )
        for name in HOSTILE_NAMES
    )
    sides = [ComparedSnapshot(name, name, 1, name, HOSTILE_NAMES) for name in HOSTILE_NAMES[:2]]
    counts = {DifferenceKind.RENAMED: len(differences)}
    return Comparison(sides[0], sides[1], differences, counts, warnings=HOSTILE_NAMES)
