"""What differs between the permissions of two snapshots, as values: for those who compare and those who print.

Rule 1: objects are paired by objectGUID, so that a rename is a rename and not one object gone and another come;
        what has no GUID in a snapshot is paired by name.
Rule 2: entries are compared as multisets. Where only their order differs, ``reordered`` says so: it decides
        whether a deny entry is looked at in time.
Rule 3: permissions that could be read in one snapshot only are a difference; those that are in neither are
        counted, and never taken for equal.
Rule 4: owner and DACL are compared. The primary group of a descriptor decides nothing in a directory.

Sources: MS-DTYP 2.4.4 (entries), 2.4.6 (DACL protected); MS-ADTS 5.1.3.3.1 (order).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from acl import Ace, SecurityDescriptor, Sid

from .plan import ace_text

__all__ = [
    "ComparedSnapshot",
    "Comparison",
    "DifferenceKind",
    "EntryDifference",
    "ObjectDifference",
    "PermissionDifference",
    "compared",
    "stock",
]


class DifferenceKind(Enum):
    """What became of an object between the reference and the difference snapshot."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class EntryDifference:
    """An entry of an access control list that came (``added``) or went: as SDDL, and in words.

    ``inherited`` where the object has it from above: the change to look at is there.
    """

    sddl: str
    words: str
    added: bool
    inherited: bool

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {"sddl": self.sddl, "words": self.words, "added": self.added, "inherited": self.inherited}


@dataclass(frozen=True, slots=True)
class PermissionDifference:
    """What differs between two descriptors; each pair is (in the reference, in the difference), or None.

    ``owner`` holds names or SIDs, None in it for no owner; ``protected`` whether inheritance is blocked; ``open``
    whether there is no list at all, so that everybody may do everything; ``readable`` whether the permissions
    could be read (twice False for an object that came or went with unreadable ones). ``reordered`` where the same
    entries stand in another order.
    """

    entries: tuple[EntryDifference, ...] = ()
    owner: tuple[str | None, str | None] | None = None
    protected: tuple[bool, bool] | None = None
    open: tuple[bool, bool] | None = None
    readable: tuple[bool, bool] | None = None
    reordered: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.entries or self.owner or self.protected or self.open or self.readable or self.reordered
        )

    @property
    def is_inherited(self) -> bool:
        """True when all that differs is what the object has from above."""
        own = self.owner or self.protected or self.open or self.readable
        return bool(self.entries) and not own and all(each.inherited for each in self.entries)

    def to_json(self) -> dict[str, Any]:
        """The difference as JSON: a pair as before and after, null where it is the same."""
        pairs = {
            name: None if pair is None else {"before": pair[0], "after": pair[1]}
            for name, pair in (
                ("owner", self.owner),
                ("inheritanceBlocked", self.protected),
                ("openToAll", self.open),
                ("readable", self.readable),
            )
        }
        return {
            "entries": [each.to_json() for each in self.entries],
            **pairs,
            "reordered": self.reordered,
        }


@dataclass(frozen=True, slots=True)
class ObjectDifference:
    """An object that came, went, was renamed, or whose permissions changed.

    ``dn`` is its name in the difference snapshot, in the reference where it went; ``former_dn`` what it was called
    there, where it was renamed or moved itself and not only something above it. Of an object that came or went
    the ``permissions`` are its owner and the entries of its own, without inherited ones.
    """

    kind: DifferenceKind
    dn: str
    object_class: str
    object_guid: str | None
    permissions: PermissionDifference
    former_dn: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The object as JSON."""
        return {
            "kind": self.kind.value,
            "dn": self.dn,
            "formerDn": self.former_dn,
            "objectClass": self.object_class,
            "objectGuid": self.object_guid,
            **self.permissions.to_json(),
        }


@dataclass(frozen=True, slots=True)
class ComparedSnapshot:
    """One side of a comparison: the file, what it was taken from, when (ISO 8601, UTC), and what it left out."""

    path: str
    controller: str
    objects: int
    taken: str | None = None
    not_read: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The side as JSON."""
        return {
            "path": self.path,
            "controller": self.controller,
            "objects": self.objects,
            "taken": self.taken,
            "notRead": list(self.not_read),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two snapshots compared.

    ``differences`` knows its length and may be iterated over again; each is read from the files when it is asked
    for, so that a million of them need no memory. ``counts`` has every kind; ``unreadable`` counts the objects
    whose permissions are in neither snapshot, so that nobody knows whether they changed.
    """

    reference: ComparedSnapshot
    difference: ComparedSnapshot
    differences: Collection[ObjectDifference]
    counts: Mapping[DifferenceKind, int]
    unreadable: int = 0
    warnings: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 when nothing differs, else 3."""
        return 3 if len(self.differences) else 0

    def summary_json(self) -> dict[str, Any]:
        """The comparison as JSON without its differences, for whoever writes those one by one."""
        return {
            "cmdlet": "Compare-ADSyncSnapshot",
            "reference": self.reference.to_json(),
            "difference": self.difference.to_json(),
            "counts": {kind.value: self.counts.get(kind, 0) for kind in DifferenceKind},
            "unreadable": self.unreadable,
            "warnings": list(self.warnings),
        }

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON, every difference in it."""
        return {**self.summary_json(), "differences": [each.to_json() for each in self.differences]}


#: Gives an entry in words, and a SID by its name.
Words = Callable[[Ace], str]
Naming = Callable[[Sid], str]


def compared(
    before: SecurityDescriptor | None, after: SecurityDescriptor | None, words: Words, name: Naming
) -> PermissionDifference:
    """What differs between two descriptors of one object; None is one that could not be read."""
    if before is None or after is None:
        readable = (before is not None, after is not None)
        return PermissionDifference(readable=readable if any(readable) else None)
    old, new = tuple(before.dacl or ()), tuple(after.dacl or ())
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    entries = (*_entries(gone.elements(), words, added=False), *_entries(come.elements(), words, added=True))
    owners = tuple(None if each is None else name(each) for each in (before.owner, after.owner))
    return PermissionDifference(
        entries,
        owner=None if before.owner == after.owner else (owners[0], owners[1]),
        protected=_pair(before.dacl_is_protected, after.dacl_is_protected),
        open=_pair(before.dacl is None, after.dacl is None),
        reordered=not entries and old != new,
    )


def stock(
    descriptor: SecurityDescriptor | None, words: Words, name: Naming, *, added: bool
) -> PermissionDifference:
    """What an object that came (``added``) or went holds of its own: its owner, and entries not inherited."""
    if descriptor is None:
        return PermissionDifference(readable=(False, False))
    own = (ace for ace in descriptor.dacl or () if not ace.is_inherited)
    owner = None if descriptor.owner is None else name(descriptor.owner)
    return PermissionDifference(
        tuple(_entries(own, words, added=added)),
        owner=None if owner is None else (None, owner) if added else (owner, None),
        open=_pair(not added and descriptor.dacl is None, added and descriptor.dacl is None),
    )


def _entries(aces: Iterable[Ace], words: Words, *, added: bool) -> Iterable[EntryDifference]:
    """Own entries before inherited ones, which follow from a change above."""
    for ace in sorted(aces, key=lambda each: each.is_inherited):
        yield EntryDifference(ace_text(ace), words(ace), added, ace.is_inherited)


def _pair(before: bool, after: bool) -> tuple[bool, bool] | None:
    return None if before == after else (before, after)
