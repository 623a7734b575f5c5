"""Editing a DACL: the one place that knows how Windows orders and merges entries.

Two entries are *alike* when they differ in nothing but their masks: type, trustee, GUIDs, flags and condition
are the same. (Bytes that a writer allocated too many are no difference; a condition is.)

Rule 1: the canonical order is explicit deny, explicit allow, inherited. What is inherited stays as it is.
Rule 2: a grant adds what is missing of it to the first explicit entry that is alike; where there is none, it
        goes to the end of its own section.
Rule 3: a grant of which nothing is missing leaves the very same list: ``grant(acl, ace) is acl``.
Rule 4: a grant never removes or weakens a deny, and a deny never removes an allow.
Rule 5: an order that is not canonical is never mended on the way, and a new entry must not change what the
        others mean in it. A new allow goes behind every explicit entry and is merged into none, since an
        earlier one may stand in front of a deny that was meant to win. A new deny goes behind the explicit
        denies that the list begins with, and only these count as alike: one further behind denies too late.
Rule 6: only explicit entries are edited; the server derives inherited ones again from the parent.

Entries that neither allow nor deny (unknown types, misplaced audit entries) count as allow: they stay put.

How Windows does it: .NET's CommonAcl merges by Rule 2, and beyond it joins the flags of two entries of one
mask (CI and CI IO become CI); that is left out here, so that one grant can be taken back without touching
another. It refuses to edit an order that is not canonical, and sorts each section by trustee; SetEntriesInAcl
puts what is new in front of its section.
Order within a section decides nothing, and a Windows controller sorts what it is sent (MS-ADTS 6.1.3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from .ace import Ace, AceFlag
from .descriptor import Acl, Control, SecurityDescriptor
from .errors import AclError
from .rights import AccessMask
from .sid import Sid

__all__ = [
    "canonicalise",
    "contains",
    "grant",
    "is_canonical",
    "missing",
    "protect",
    "remove",
    "revoke",
    "revoke_trustee",
    "unprotect",
]

_EXPLICIT_DENY, _EXPLICIT_ALLOW, _INHERITED = range(3)


def _section(ace: Ace) -> int:
    """Where the canonical order puts an entry."""
    if ace.is_inherited:
        return _INHERITED
    return _EXPLICIT_DENY if ace.is_deny else _EXPLICIT_ALLOW


def is_canonical(acl: Acl) -> bool:
    """True when explicit denies stand before explicit allows, and both before what is inherited."""
    sections = [_section(ace) for ace in acl.aces]
    return sections == sorted(sections)


def canonicalise(acl: Acl) -> Acl:
    """The same entries in canonical order, each section in its own; the same list where it is in order."""
    return acl if is_canonical(acl) else acl.with_aces(sorted(acl.aces, key=_section))


def _alike(one: Ace, other: Ace) -> bool:
    return (
        one.type == other.type
        and one.flags == other.flags
        and one.sid == other.sid
        and one.object_type == other.object_type
        and one.inherited_object_type == other.inherited_object_type
        and one.reserved_object_flags == other.reserved_object_flags
        and (one.data == other.data or not one.is_conditional)
    )


def missing(acl: Acl, ace: Ace) -> AccessMask:
    """The rights of ``ace`` that no explicit entry alike holds: what a grant of it adds."""
    mask = ace.mask
    for each in _counted(acl, ace):
        if mask & each.mask and _alike(each, ace):
            mask = mask.without(each.mask)
    return mask


def contains(acl: Acl, ace: Ace) -> bool:
    """True when explicit entries alike hold every right of ``ace``."""
    return not missing(acl, ace)


def grant(acl: Acl, ace: Ace) -> Acl:
    """The list with one explicit allow or deny added, merged, or left as it is (rules 2 to 5).

    Raises AclError for an inherited entry, one without rights, and one that neither allows nor denies.
    """
    _require_explicit(ace)
    added = missing(acl, ace)
    if not added:
        return acl
    entries = list(acl.aces)
    counted = _counted(acl, ace)
    canonical = is_canonical(acl)
    if canonical or ace.is_deny:
        for index, each in enumerate(counted):
            if _alike(each, ace):
                entries[index] = replace(each, mask=each.mask | added)
                return acl.with_aces(entries)
    if ace.is_deny:
        position = len(counted)
    else:
        position = 1 + max((i for i, each in enumerate(entries) if not each.is_inherited), default=-1)
    entries.insert(position, ace)
    return acl.with_aces(entries)


def _counted(acl: Acl, ace: Ace) -> tuple[Ace, ...]:
    """The entries that a grant may find or change: all, or for a deny those that the list begins with."""
    if not ace.is_deny:
        return acl.aces
    return tuple(takewhile(lambda each: _section(each) == _EXPLICIT_DENY, acl.aces))


def revoke(acl: Acl, ace: Ace) -> Acl:
    """The list without the rights of ``ace`` in explicit entries alike.

    An entry that keeps no right goes; the same list when there was nothing to take away.
    """
    _require_explicit(ace)
    entries: list[Ace] = []
    for each in acl.aces:
        if not each.mask & ace.mask or not _alike(each, ace):
            entries.append(each)
        elif rest := each.mask.without(ace.mask):
            entries.append(replace(each, mask=rest))
    return acl if tuple(entries) == acl.aces else acl.with_aces(entries)


def remove(acl: Acl, ace: Ace) -> Acl:
    """The list without the last entry equal to this one; the same list where there is none.

    Of entries that are equal the last decides nothing that another does not, in any order. Raises AclError for an
    inherited entry.
    """
    if ace.is_inherited:
        raise AclError("an inherited entry is edited at the parent that it comes from")
    for index in range(len(acl.aces) - 1, -1, -1):
        if acl.aces[index] == ace:
            return acl.with_aces((*acl.aces[:index], *acl.aces[index + 1 :]))
    return acl


def revoke_trustee(acl: Acl, sid: Sid, *, deny_too: bool = False) -> Acl:
    """The list without the explicit entries of one trustee that allow, and on request those that deny."""
    kept = [
        ace
        for ace in acl.aces
        if ace.is_inherited or ace.sid != sid or not (ace.is_allow or (deny_too and ace.is_deny))
    ]
    return acl if len(kept) == len(acl.aces) else acl.with_aces(kept)


def protect(descriptor: SecurityDescriptor, *, keep_inherited: bool) -> SecurityDescriptor:
    """The descriptor with a DACL that takes nothing from its parent any more.

    What was inherited goes, or stays as explicit entries, in its place: the access that the list gives does
    not change, and where it had inherited denies, its order may not be canonical any more.
    """
    return _with(
        descriptor,
        descriptor.control | Control.DACL_PROTECTED,
        [
            replace(ace, flags=ace.flags.without(AceFlag.INHERITED)) if ace.is_inherited else ace
            for ace in _entries(descriptor)
            if keep_inherited or not ace.is_inherited
        ],
    )


def unprotect(descriptor: SecurityDescriptor) -> SecurityDescriptor:
    """The descriptor with a DACL that inherits again; the server, or ``inherit``, adds what comes down."""
    return _with(descriptor, descriptor.control.without(Control.DACL_PROTECTED), _entries(descriptor))


def _entries(descriptor: SecurityDescriptor) -> tuple[Ace, ...]:
    if descriptor.dacl is None:
        raise AclError("the descriptor has no DACL to edit")
    return descriptor.dacl.aces


def _with(descriptor: SecurityDescriptor, control: Control, entries: Sequence[Ace]) -> SecurityDescriptor:
    if control == descriptor.control and tuple(entries) == _entries(descriptor):
        return descriptor
    return replace(descriptor.with_dacl(entries), control=control)


def _require_explicit(ace: Ace) -> None:
    if ace.is_inherited:
        raise AclError("an inherited entry is edited at the parent that it comes from")
    if not (ace.is_allow or ace.is_deny):
        raise AclError("a DACL is granted entries that allow or deny")
    if not ace.mask:
        raise AclError("an entry without rights grants nothing")
