"""What a token may do to an object, and which entry decided it.

Rule 1: entries count in their order, and the first that settles a right on a node settles it for good.
Rule 2: which entries count:

    inherit-only                        never; the class that may inherit an entry is not looked at
    not allow, not deny, unknown type   never
    any SID                             when the token has it
    PRINCIPAL_SELF                      when the token has ``principal_self``, the object's own SID
    OWNER RIGHTS                        when the token has the owner
    callback, allow                     when its condition is true
    callback, deny                      when its condition is true or unknown
    object type                         when that GUID is in ``object_types``
    no object type                      for the whole object: so CR or SW alone is every such right there is

Rule 3: a right granted on a node of the object-type tree is granted on all below it, and on the parent once
        every sibling has it. A right denied on a node is denied below and above it. The answer is the root's.
Rule 4: the owner has READ_CONTROL and WRITE_DAC in advance, unless any entry for OWNER RIGHTS counts.
Rule 5: without a DACL everything is granted. Privileges count only when the token brings them.
Rule 6: all or nothing, as Windows has it: one right missing, none granted; only MAXIMUM_ALLOWED takes what
        there is.

Sources: MS-DTYP 2.5.3.2, 2.4.4.17.3 (conditions), MS-ADTS 5.1.3.3. Not modelled, since a directory's own
check has none: mandatory integrity, central access policies, restricted and deny-only SIDs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from .ace import ALLOW_TYPES, DENY_TYPES, Ace, AceFlag, AceType
from .descriptor import Acl, SecurityDescriptor
from .object_tree import ObjectTree, ObjectTypes
from .rights import DIRECTORY_MAPPING, AccessMask, GenericMapping
from .sid import Sid

__all__ = ["AccessResult", "Conditions", "Reason", "Token", "access_check", "access_check_each", "explain"]

#: What an entry's condition comes to: true, false, or None where the claims at hand don't tell.
Conditions: TypeAlias = Callable[[Ace], bool | None]

SE_SECURITY: Final = "SeSecurityPrivilege"
SE_TAKE_OWNERSHIP: Final = "SeTakeOwnershipPrivilege"
_PRIVILEGES: Final = {
    SE_SECURITY: int(AccessMask.ACCESS_SYSTEM_SECURITY),
    SE_TAKE_OWNERSHIP: int(AccessMask.WRITE_OWNER),
}
OWNER_IMPLICIT_RIGHTS: Final = AccessMask.READ_CONTROL | AccessMask.WRITE_DAC
#: What a logon over the network adds to an account and its groups.
NETWORK_LOGON_SIDS: Final = (
    Sid.EVERYONE, Sid.AUTHENTICATED_USERS, Sid.from_string("S-1-5-2"), Sid.from_string("S-1-5-15"),
)  # fmt: skip

_CALLBACK_TYPES: Final = frozenset(
    {
        AceType.ACCESS_ALLOWED_CALLBACK, AceType.ACCESS_DENIED_CALLBACK,
        AceType.ACCESS_ALLOWED_CALLBACK_OBJECT, AceType.ACCESS_DENIED_CALLBACK_OBJECT,
    }
)  # fmt: skip
# Plain integers: the operators of AccessMask make a new object each, which the loops below can do without.
_INHERIT_ONLY: Final = int(AceFlag.INHERIT_ONLY)
_SYSTEM_SECURITY: Final = int(AccessMask.ACCESS_SYSTEM_SECURITY)
_MAXIMUM: Final = int(AccessMask.MAXIMUM_ALLOWED)
_GENERIC: Final = 0xF0000000
_ANY_RIGHT: Final = 0xFFFFFFFF & ~_GENERIC & ~_MAXIMUM & ~_SYSTEM_SECURITY


@dataclass(frozen=True, slots=True)
class Token:
    """Who asks: every SID that speaks for them, and the names of the privileges they use (none by default)."""

    sids: frozenset[Sid]
    privileges: frozenset[str] = frozenset()
    # The SIDs as text, whose hashes Python keeps; with PRINCIPAL_SELF and OWNER RIGHTS where they speak too.
    _names: tuple[frozenset[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = frozenset(map(str, self.sids)) - {str(Sid.PRINCIPAL_SELF), str(Sid.OWNER_RIGHTS)}
        himself, owner = {str(Sid.PRINCIPAL_SELF)}, {str(Sid.OWNER_RIGHTS)}
        object.__setattr__(self, "_names", (names, names | himself, names | owner, names | himself | owner))

    @classmethod
    def for_account(cls, account: Sid, groups: Iterable[Sid] = ()) -> Token:
        """The token of an account that logs on over the network; ``groups`` are its tokenGroups."""
        return cls(frozenset((account, *groups, *NETWORK_LOGON_SIDS)))

    def names(self, owner: Sid | None, principal_self: Sid | None) -> frozenset[str]:
        """Every SID, as text, that counts on an object of this owner and SID."""
        is_self = principal_self is not None and principal_self._text in self._names[0]
        is_owner = owner is not None and owner._text in self._names[0]
        return self._names[is_self + 2 * is_owner]


class Reason(Enum):
    """What an answer rests on."""

    ENTRY = "an entry of the DACL"
    NO_ENTRY = "no entry of the DACL grants it"
    NO_DACL = "without a DACL everything is granted"
    OWNER = "the owner's implicit rights"
    PRIVILEGE = "a privilege"
    NOTHING_ASKED = "nothing was asked for"


@dataclass(frozen=True, slots=True)
class AccessResult:
    """The answer: true when all that was asked for is granted.

    ``granted`` is what was asked for, generic bits mapped, or 0; for MAXIMUM_ALLOWED all that there is.
    ``decisive`` is the entry that denied, or the last one that was needed to grant; None where no entry
    decided, and ``reason`` says why.
    """

    granted: AccessMask
    decisive: Ace | None
    reason: Reason = Reason.ENTRY
    allowed: bool = True

    def __bool__(self) -> bool:
        return self.allowed


def access_check(
    descriptor: SecurityDescriptor,
    token: Token | Iterable[Sid],
    desired: int,
    *,
    object_types: ObjectTypes = (),
    principal_self: Sid | None = None,
    mapping: GenericMapping = DIRECTORY_MAPPING,
    conditions: Conditions | None = None,
    owner_rights: int = OWNER_IMPLICIT_RIGHTS,
) -> AccessResult:
    """Whether the token is granted all of ``desired`` on all of ``object_types``.

    ``object_types`` is an ObjectTree, or a sequence of (level, GUID), or the GUIDs from the root down: class,
    property set, property to read or write one property; one GUID for a class to create, a control access
    right or a validated write. ``conditions`` says what the condition of an entry comes to; without it every
    one is unknown. ``owner_rights`` is what an owner has in advance; 0 where a forest blocks these rights
    (MS-ADTS 6.1.3.4). Raises AclError for object types that are no tree.
    """
    check = _Check(descriptor, token, desired, principal_self, mapping, conditions, owner_rights)
    if check.answer is not None:
        return check.answer
    tree = ObjectTree.of(object_types) if object_types else None
    if tree is None:
        return check.whole(frozenset())
    if tree.is_chain:
        return check.whole(tree.positions)
    return check.tree(tree, root_only=True)[0]


def access_check_each(
    descriptor: SecurityDescriptor,
    token: Token | Iterable[Sid],
    desired: int,
    *,
    object_types: ObjectTypes,
    principal_self: Sid | None = None,
    mapping: GenericMapping = DIRECTORY_MAPPING,
    conditions: Conditions | None = None,
    owner_rights: int = OWNER_IMPLICIT_RIGHTS,
) -> tuple[AccessResult, ...]:
    """The answer for each node by itself, in one pass: which properties can be written, for example."""
    check = _Check(descriptor, token, desired, principal_self, mapping, conditions, owner_rights)
    tree = ObjectTree.of(object_types)
    if check.answer is not None:
        return (check.answer,) * len(tree)
    return check.tree(tree, root_only=False)


def explain(
    descriptor: SecurityDescriptor,
    token: Token | Iterable[Sid],
    desired: int = _MAXIMUM,
    *,
    object_types: ObjectTypes = (),
    principal_self: Sid | None = None,
    mapping: GenericMapping = DIRECTORY_MAPPING,
    conditions: Conditions | None = None,
    owner_rights: int = OWNER_IMPLICIT_RIGHTS,
) -> dict[AccessMask, AccessResult]:
    """The answer for each right by itself, lowest bit first; MAXIMUM_ALLOWED asks for every right there is."""
    if not isinstance(token, Token):
        token = Token(frozenset(token))
    tree = ObjectTree.of(object_types) if object_types else ()
    asked = int(mapping.map(desired | (mapping.all if desired & _MAXIMUM else 0)))
    return {
        AccessMask(right): access_check(
            descriptor,
            token,
            right,
            object_types=tree,
            principal_self=principal_self,
            mapping=mapping,
            conditions=conditions,
            owner_rights=owner_rights,
        )
        for right in (1 << bit for bit in range(32))
        if asked & right & ~_MAXIMUM
    }


class _Check:
    """One request: what is asked, what is granted in advance, and the entries that count."""

    __slots__ = ("aces", "advance", "answer", "because", "conditions", "desired", "mapping", "maximum", "names")

    def __init__(
        self,
        descriptor: SecurityDescriptor,
        token: Token | Iterable[Sid],
        desired: int,
        principal_self: Sid | None,
        mapping: GenericMapping,
        conditions: Conditions | None,
        owner_rights: int,
    ) -> None:
        if not isinstance(token, Token):
            token = Token(frozenset(token))
        self.mapping = mapping
        self.conditions = conditions
        self.maximum = bool(desired & _MAXIMUM)
        self.desired = int(mapping.map(desired)) & ~_MAXIMUM
        self.names = token.names(descriptor.owner, principal_self)
        self.aces = descriptor.dacl.aces if descriptor.dacl is not None else ()
        self.advance = 0
        self.because = Reason.NO_ENTRY
        for privilege in token.privileges:
            if right := self.desired & _PRIVILEGES.get(privilege, 0):
                self.advance |= right
                self.because = Reason.PRIVILEGE
        owner_name = Sid.OWNER_RIGHTS._text
        if owner_name in self.names and not any(
            ace.sid is not None and ace.sid._text == owner_name and not int(ace.flags) & _INHERIT_ONLY
            for ace in self.aces
        ):
            self.advance |= owner_rights
            self.because = Reason.OWNER
        self.answer = self._without_entries(descriptor.dacl)

    def _without_entries(self, dacl: Acl | None) -> AccessResult | None:
        """The answer where no entry need be looked at."""
        if self.desired & _SYSTEM_SECURITY & ~self.advance:  # never granted by an entry (MS-DTYP 2.5.3.2)
            return AccessResult(AccessMask(0), None, Reason.NO_ENTRY, allowed=False)
        if dacl is None:
            everything = self.desired | (self.mapping.all if self.maximum else 0)
            return AccessResult(AccessMask(everything), None, Reason.NO_DACL)
        if self.maximum:
            return None
        if not self.desired:
            return AccessResult(AccessMask(0), None, Reason.NOTHING_ASKED)
        if not self.desired & ~self.advance:
            return AccessResult(AccessMask(self.desired), None, self.because)
        return None
