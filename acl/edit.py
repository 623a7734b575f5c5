"""Editing a DACL: the one place that knows how Windows orders and merges entries.

Rule 1: the canonical order is explicit deny, explicit allow, inherited. What is inherited stays as it is.
Rule 2: a grant merges into the first explicit entry that can absorb it (same type, trustee, GUIDs, flags,
        and no condition): the masks are OR-ed. Otherwise it goes to the end of its own section. This is what
        .NET's DirectoryObjectSecurity and SetEntriesInAcl (dsacls) do; unlike .NET, flags are never merged,
        so that one grant can be taken back without touching another.
Rule 3: an entry that is there already, in full, leaves the very same list: ``grant(acl, ace) is acl``.
Rule 4: a grant never removes or weakens a deny, and a deny never removes an allow.
Rule 5: an order that is not canonical is never mended on the way. A new allow then goes behind every explicit
        entry and merges with none, since an earlier one may stand in front of a deny that was meant to win.
Rule 6: only explicit entries are edited; the server derives inherited ones again from the parent.

Entries that neither allow nor deny (unknown types, misplaced audit entries) count as allow: they stay put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

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
    "protect",
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


def _same_but_mask(one: Ace, other: Ace) -> bool:
    return (
        one.type == other.type
        and one.flags == other.flags
        and one.sid == other.sid
        and one.object_type == other.object_type
        and one.inherited_object_type == other.inherited_object_type
        and one.data == other.data
        and one.reserved_object_flags == other.reserved_object_flags
    )


def contains(acl: Acl, ace: Ace) -> bool:
    """True when one explicit entry, alike in all but its mask, holds every right of ``ace``."""
    return any(_same_but_mask(each, ace) and each.mask.has(ace.mask) for each in acl.aces)


def grant(acl: Acl, ace: Ace) -> Acl:
    """The list with one explicit allow or deny added, merged, or left as it is (rules 2 to 5).

    Raises AclError for an inherited entry and for one that neither allows nor denies.
    """
    _require_explicit(ace)
    if contains(acl, ace):
        return acl
    canonical = is_canonical(acl)
    entries = list(acl.aces)
    if not ace.data and (canonical or ace.is_deny):
        for index, each in enumerate(entries):
            if _same_but_mask(each, ace):
                entries[index] = replace(each, mask=each.mask | ace.mask)
                return acl.with_aces(entries)
    behind = _EXPLICIT_DENY if ace.is_deny else _EXPLICIT_ALLOW
    if canonical or not ace.is_deny:
        position = _first(entries, lambda each: _section(each) > behind)
    else:  # in front of the first allow, so that it wins as far as it can
        position = _first(entries, lambda each: not each.is_deny)
    entries.insert(position, ace)
    return acl.with_aces(entries)


def revoke(acl: Acl, ace: Ace) -> Acl:
    """The list without the rights of ``ace`` in explicit entries that are alike in all but their mask.

    An entry that keeps no right goes; the same list when there was nothing to take away.
    """
    _require_explicit(ace)
    entries: list[Ace] = []
    for each in acl.aces:
        if not _same_but_mask(each, ace) or not each.mask & ace.mask:
            entries.append(each)
        elif rest := each.mask.without(ace.mask):
            entries.append(replace(each, mask=AccessMask(rest)))
    return acl if tuple(entries) == acl.aces else acl.with_aces(entries)


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

    What was inherited stays as explicit entries, or goes.
    """
    return _protected(
        descriptor,
        descriptor.control | Control.DACL_PROTECTED,
        (
            replace(ace, flags=ace.flags.without(AceFlag.INHERITED))
            for ace in _entries(descriptor)
            if keep_inherited or not ace.is_inherited
        ),
    )


def unprotect(descriptor: SecurityDescriptor) -> SecurityDescriptor:
    """The descriptor with a DACL that inherits again; the server, or ``inherit``, adds what comes down."""
    return _protected(descriptor, descriptor.control.without(Control.DACL_PROTECTED), _entries(descriptor))


def _entries(descriptor: SecurityDescriptor) -> tuple[Ace, ...]:
    if descriptor.dacl is None:
        raise AclError("the descriptor has no DACL to edit")
    return descriptor.dacl.aces


def _protected(
    descriptor: SecurityDescriptor, control: Control, entries: Iterable[Ace]
) -> SecurityDescriptor:
    if control == descriptor.control:
        return descriptor
    return replace(descriptor.with_dacl(entries), control=control)


def _require_explicit(ace: Ace) -> None:
    if ace.is_inherited:
        raise AclError("an inherited entry is edited at the parent that it comes from")
    if not (ace.is_allow or ace.is_deny):
        raise AclError("a DACL is granted entries that allow or deny")


def _first(entries: list[Ace], condition: Callable[[Ace], bool]) -> int:
    return next((index for index, ace in enumerate(entries) if condition(ace)), len(entries))
