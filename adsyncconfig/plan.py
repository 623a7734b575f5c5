"""What a run would change, worked out from what is there: pure, without a directory.

A change keeps what it was made from, so that ``apply`` can tell whether that still holds. There are three kinds, of
permissions, of an attribute's values and of a password; what every kind can be asked has the same name in all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

from acl import AccessMask, Ace, Acl, AclError, SecurityDescriptor
from acl.edit import grant, is_canonical, revoke
from acl.sddl import ace_to_sddl

from .below import NOTHING, Below
from .catalogue import TargetKind
from .errors import UnsafePlan

__all__ = [
    "AnyChange",
    "Change",
    "PasswordChange",
    "Standing",
    "Target",
    "ValueChange",
    "ace_text",
    "difference",
    "plan_grants",
    "plan_revocations",
    "same_permissions",
    "unchanged_since",
]


@dataclass(frozen=True, slots=True)
class Target:
    """An object to grant on, as read, with what was looked at below it.

    ``label`` is what ShouldProcess calls it; ``domain`` is a DNS name.
    """

    kind: TargetKind
    domain: str
    dn: str
    label: str
    object_class: str
    descriptor: SecurityDescriptor
    below: Below = NOTHING


class Standing(NamedTuple):
    """What an object has at one moment of what a change is about.

    ``values`` are those of the change's own that the object has; ``guid`` is its objectGUID.
    """

    guid: UUID | None = None
    descriptor: SecurityDescriptor | None = None
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """One object's permissions before and after. ``added`` and ``removed`` compare them as multisets.

    What differs is what is written: the DACL with its protection, the owner, or both.
    """

    operation: str
    domain: str
    dn: str
    label: str
    before: SecurityDescriptor
    after: SecurityDescriptor

    @property
    def is_needed(self) -> bool:
        """False when everything is there already."""
        return self.writes_dacl or self.writes_owner

    @property
    def writes_dacl(self) -> bool:
        """True when the DACL, or whether it inherits, is to change."""
        before, after = self.before, self.after
        return before.dacl != after.dacl or before.dacl_is_protected != after.dacl_is_protected

    @property
    def writes_owner(self) -> bool:
        """True when the owner is to change."""
        return self.before.owner != self.after.owner

    @property
    def added(self) -> tuple[Ace, ...]:
        """The entries of ``after`` that ``before`` lacks."""
        return _difference(self.after, self.before)

    @property
    def removed(self) -> tuple[Ace, ...]:
        """The entries of ``before`` that ``after`` lacks: those that others were merged into."""
        return _difference(self.before, self.after)

    @property
    def key(self) -> tuple[str, ...]:
        """What the change is about: two with the same one follow upon each other."""
        return (self.dn.lower(),)

    def is_before(self, now: Standing) -> bool:
        """True when what the change writes is as it was planned from."""
        return self._stands(now, self.before)

    def is_after(self, now: Standing) -> bool:
        """True when what the change writes is as it is to become."""
        return self._stands(now, self.after)

    def _stands(self, now: Standing, then: SecurityDescriptor) -> bool:
        there = now.descriptor
        if there is None or (self.writes_owner and there.owner != then.owner):
            return False
        return not self.writes_dacl or unchanged_since(there, then)

    def difference(self, now: Standing, *, from_after: bool = False) -> str:
        """What sets the object apart from what the change was planned from, or from what it was to become."""
        there, then = now.descriptor, self.after if from_after else self.before
        if there is None:
            return "its permissions cannot be read"
        parts = []
        if self.writes_owner and there.owner != then.owner:
            parts.append(f"the owner is {there.owner}, not {then.owner}")
        if self.writes_dacl and not unchanged_since(there, then):
            parts.append(difference(there, then))
        return "; ".join(parts)

    def settled(self, now: Standing) -> Change:
        """The change with nothing to do, where everything is as it is to become."""
        there = now.descriptor or self.after
        return replace(self, before=there, after=there)


@dataclass(frozen=True, slots=True)
class ValueChange:
    """Values of one attribute of an object that come and go; the attribute's other values stay.

    It is done when every value of ``add`` is there, and none of ``remove``. Without either nothing is to be done.
    """

    operation: str
    domain: str
    dn: str
    label: str
    attribute: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def is_needed(self) -> bool:
        """False when there is nothing to do."""
        return bool(self.add or self.remove)

    @property
    def added(self) -> tuple[Ace, ...]:
        """None: no permissions change."""
        return ()

    @property
    def removed(self) -> tuple[Ace, ...]:
        """None: no permissions change."""
        return ()

    @property
    def key(self) -> tuple[str, ...]:
        """What the change is about."""
        return (self.dn.lower(), self.attribute.lower(), *sorted((*self.add, *self.remove)))

    def is_before(self, now: Standing) -> bool:
        """True when the object has what is to go, and not what is to come."""
        return now.values == frozenset(self.remove)

    def is_after(self, now: Standing) -> bool:
        """True when the object has what is to come, and not what is to go."""
        return now.values == frozenset(self.add)

    def difference(self, now: Standing, *, from_after: bool = False) -> str:
        """What sets the object apart from what the change was planned from, or from what it was to become."""
        then = frozenset(self.add if from_after else self.remove)
        parts = [f"+{value}" for value in sorted(now.values - then)]
        parts += [f"-{value}" for value in sorted(then - now.values)]
        return f"{self.attribute}: {' '.join(parts)}"

    def settled(self, now: Standing) -> ValueChange:  # noqa: ARG002 - as of every change
        """The change with nothing to do."""
        return replace(self, add=(), remove=())


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """A password that is set. What it was before nobody knows: no undo puts it back, and no plan keeps it.

    ``since`` is the object's pwdLastSet when that was planned, by which one tells whether it was set since; the
    password itself is in no ``repr``, and in no record.
    """

    operation: str
    domain: str
    dn: str
    label: str
    since: str
    password: str = field(default="", repr=False, compare=False)
    is_needed: bool = True

    @property
    def added(self) -> tuple[Ace, ...]:
        """None: no permissions change."""
        return ()

    @property
    def removed(self) -> tuple[Ace, ...]:
        """None: no permissions change."""
        return ()

    @property
    def key(self) -> tuple[str, ...]:
        """What the change is about."""
        return (self.dn.lower(), "unicodepwd")

    def is_before(self, now: Standing) -> bool:
        """True when the password was not set since."""
        return now.values == {self.since}

    def is_after(self, now: Standing) -> bool:
        """True when the password was set since."""
        return not self.is_before(now)

    def difference(self, now: Standing, *, from_after: bool = False) -> str:  # noqa: ARG002 - as of every change
        """When the password was set."""
        return f"pwdLastSet is {'; '.join(now.values) or 'not there'}"

    def settled(self, now: Standing) -> PasswordChange:  # noqa: ARG002
        """The change with nothing to do."""
        return replace(self, is_needed=False)


#: A change of any kind.
AnyChange = Change | ValueChange | PasswordChange


def plan_grants(operation: str, target: Target, aces: Iterable[Ace]) -> tuple[Change, tuple[str, ...]]:
    """The change that grants these entries on the target, and what the caller should be warned of.

    Raises UnsafePlan where an entry would take away access that everybody has now (a NULL DACL).
    """
    before = target.descriptor
    dacl = _dacl(target)
    warnings = []
    if not is_canonical(dacl):
        warnings.append(
            f"the permissions of '{target.dn}' are not in canonical order; the order is left as it is, and "
            "an entry in front may decide before the one that is added"
        )
    for ace in aces:
        dacl = grant(dacl, ace)
    after = before if dacl is before.dacl else before.with_dacl(dacl)
    return Change(operation, target.domain, target.dn, target.label, before, after), tuple(warnings)


def plan_revocations(
    operation: str, target: Target, aces: Iterable[Ace], *, keep: Iterable[Ace] = ()
) -> tuple[Change, tuple[str, ...]]:
    """The change that takes these entries away from the target, but for rights that entries of ``keep`` share.

    Windows merges entries that are alike in all but their mask, so that one may stand for two features. Returns
    the change and a warning where something was kept.
    """
    before = target.descriptor
    dacl = _dacl(target)
    kept_any = False
    needed = tuple(keep)
    for ace in aces:
        kept = AccessMask(0)
        for other in needed:
            if replace(other, mask=ace.mask) == ace:
                kept |= other.mask & ace.mask
        kept_any = kept_any or bool(kept)
        if rest := ace.mask.without(kept):
            dacl = revoke(dacl, replace(ace, mask=rest))
    after = before if dacl is before.dacl else before.with_dacl(dacl)
    warning = f"rights on '{target.dn}' that another feature of this account needs too were kept"
    change = Change(operation, target.domain, target.dn, target.label, before, after)
    return change, (warning,) if kept_any else ()


def _dacl(target: Target) -> Acl:
    if target.descriptor.dacl is None:
        raise UnsafePlan(
            target.dn, "it has no access control list, so that everybody has full control; mend that first"
        )
    return target.descriptor.dacl


def same_permissions(one: SecurityDescriptor, other: SecurityDescriptor) -> bool:
    """True when both say the same of their own: explicit entries as a multiset, and protection.

    Controllers sort what they store, and derive inherited entries by themselves.
    """
    return (
        _explicit(one) == _explicit(other)
        and one.dacl_is_protected == other.dacl_is_protected
        and (one.dacl is None) == (other.dacl is None)
    )


def unchanged_since(now: SecurityDescriptor, then: SecurityDescriptor) -> bool:
    """True when now's own permissions are those of then, in an order that decides the same.

    The order within a canonical list decides nothing; in any other it does. Of inherited entries only their
    place counts.
    """
    if not same_permissions(now, then):
        return False
    if now.dacl is None or then.dacl is None:
        return True
    return (is_canonical(now.dacl) and is_canonical(then.dacl)) or _shape(now.dacl) == _shape(then.dacl)


def difference(now: SecurityDescriptor, then: SecurityDescriptor) -> str:
    """What sets now's own permissions apart from those of then, as SDDL: ``+(A;;...)`` came, ``-(A;;...)`` went."""
    mine, theirs = _explicit(now), _explicit(then)
    parts = [
        f"{sign}{ace_text(ace)}"
        for sign, aces in (("+", mine - theirs), ("-", theirs - mine))
        for ace in aces.elements()
    ]
    if now.dacl_is_protected != then.dacl_is_protected:
        parts.append(
            "inheritance is blocked now" if now.dacl_is_protected else "inheritance is not blocked now"
        )
    return " ".join(parts) or "the order of entries"


def _shape(dacl: Acl) -> list[Ace | None]:
    """The explicit entries in their order, with None for each run of inherited ones before or among them."""
    shape: list[Ace | None] = []
    for ace in dacl.aces:
        if not ace.is_inherited:
            shape.append(ace)
        elif not shape or shape[-1] is not None:
            shape.append(None)
    return shape[:-1] if shape and shape[-1] is None else shape


def ace_text(ace: Ace) -> str:
    """The entry as SDDL, or as hexadecimal where SDDL has no text for it."""
    try:
        return ace_to_sddl(ace)
    except AclError:  # of a kind that SDDL has no text for
        return f"(type {ace.type}, {ace.to_bytes().hex()})"


def _explicit(descriptor: SecurityDescriptor) -> Counter[Ace]:
    return Counter(ace for ace in descriptor.dacl or () if not ace.is_inherited)


def _difference(one: SecurityDescriptor, other: SecurityDescriptor) -> tuple[Ace, ...]:
    return tuple((Counter(one.dacl or ()) - Counter(other.dacl or ())).elements())
