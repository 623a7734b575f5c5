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

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, TypeAlias, TypedDict, Unpack
from uuid import UUID

from .ace import ALLOW_TYPES, CALLBACK_TYPES, DENY_TYPES, Ace, AceFlag
from .descriptor import SecurityDescriptor
from .object_tree import ObjectTree, ObjectTypes
from .rights import DIRECTORY_MAPPING, AccessMask, GenericMapping
from .sid import Sid
from .token import PRIVILEGES, Token

__all__ = ["AccessResult", "Conditions", "Reason", "access_check", "access_check_each", "explain"]

#: What an entry's condition comes to: true, false, or None where the claims at hand don't tell.
Conditions: TypeAlias = Callable[[Ace], bool | None]

OWNER_IMPLICIT_RIGHTS: Final = AccessMask.READ_CONTROL | AccessMask.WRITE_DAC

_CONDITIONAL_TYPES: Final = (ALLOW_TYPES | DENY_TYPES) & CALLBACK_TYPES
_UNCONDITIONAL_TYPES: Final = (ALLOW_TYPES | DENY_TYPES) - CALLBACK_TYPES
_OWNER_RIGHTS: Final = Sid.OWNER_RIGHTS.to_bytes()
# Plain integers: the operators of AccessMask make a new object each, which the loops below can do without.
_INHERIT_ONLY: Final = int(AceFlag.INHERIT_ONLY)
_SYSTEM_SECURITY: Final = int(AccessMask.ACCESS_SYSTEM_SECURITY)
_MAXIMUM: Final = int(AccessMask.MAXIMUM_ALLOWED)
_GENERIC: Final = 0xF0000000
_ANY_RIGHT: Final = 0xFFFFFFFF & ~_GENERIC & ~_MAXIMUM & ~_SYSTEM_SECURITY


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
    """The answer; true when all that was asked for is granted.

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


class Options(TypedDict, total=False):
    """The keywords of ``access_check``, for the functions that take the same."""

    object_types: ObjectTypes
    principal_self: Sid | None
    mapping: GenericMapping
    conditions: Conditions | None
    owner_rights: int


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
    property set and property to read or write one property; one GUID for a class to create, a control access
    right or a validated write. ``conditions`` says what the condition of an entry comes to, where the token's
    claims are not to decide it. ``owner_rights`` is what an owner has in advance: 0 where the forest blocks
    these rights (MS-ADTS 6.1.3.4). Raises AclError for object types that are no tree.
    """
    tree = ObjectTree.of(object_types) if object_types else None
    request = _request(
        descriptor,
        token,
        desired,
        principal_self,
        mapping=mapping,
        conditions=conditions,
        owner_rights=owner_rights,
    )
    if isinstance(request, AccessResult):
        return request
    aces = _counting(request)
    if tree is None or tree.is_chain:
        return _settle(request, aces, tree.positions if tree else {}, mapping)
    return _settle_tree(request, aces, tree, mapping, root_only=True)[0]


def access_check_each(
    descriptor: SecurityDescriptor, token: Token | Iterable[Sid], desired: int, **options: Unpack[Options]
) -> tuple[AccessResult, ...]:
    """The answer for each of ``object_types`` by itself, in one pass: which properties can be written, say.

    The options are those of ``access_check``.
    """
    tree = ObjectTree.of(options.get("object_types", ()))
    if not tree:
        return ()
    mapping = options.get("mapping", DIRECTORY_MAPPING)
    request = _request(
        descriptor,
        token,
        desired,
        options.get("principal_self"),
        mapping=mapping,
        conditions=options.get("conditions"),
        owner_rights=options.get("owner_rights", OWNER_IMPLICIT_RIGHTS),
    )
    if isinstance(request, AccessResult):
        return (request,) * len(tree)
    return _settle_tree(request, _counting(request), tree, mapping, root_only=False)


def explain(
    descriptor: SecurityDescriptor,
    token: Token | Iterable[Sid],
    desired: int = _MAXIMUM,
    **options: Unpack[Options],
) -> dict[AccessMask, AccessResult]:
    """The answer for each right by itself, lowest bit first; MAXIMUM_ALLOWED asks for every right there is.

    The options are those of ``access_check``.
    """
    token = token if isinstance(token, Token) else Token(frozenset(token))
    if "object_types" in options:
        options["object_types"] = ObjectTree.of(options["object_types"])
    mapping = options.get("mapping", DIRECTORY_MAPPING)
    asked = int(mapping.map(desired)) & ~_MAXIMUM | (int(mapping.all) if desired & _MAXIMUM else 0)
    rights = [AccessMask(1 << bit) for bit in range(32) if asked >> bit & 1]
    return {right: access_check(descriptor, token, right, **options) for right in rights}


class _Request(NamedTuple):
    """What is asked of which entries, and what the token has before any entry is looked at."""

    aces: tuple[Ace, ...]
    speakers: frozenset[bytes]
    desired: int
    maximum: bool
    advance: int
    because: Reason
    holds: Conditions

    @property
    def asked(self) -> int:
        """Every right whose answer matters."""
        return self.desired | _ANY_RIGHT if self.maximum else self.desired


def _request(
    descriptor: SecurityDescriptor,
    token: Token | Iterable[Sid],
    desired: int,
    principal_self: Sid | None,
    *,
    mapping: GenericMapping,
    conditions: Conditions | None,
    owner_rights: int,
) -> _Request | AccessResult:
    """The request, or its answer where no entry need be looked at."""
    token = token if isinstance(token, Token) else Token(frozenset(token))
    maximum = bool(desired & _MAXIMUM)
    desired = int(mapping.map(desired)) & ~_MAXIMUM
    privileged = 0
    for privilege in token.privileges:
        privileged |= PRIVILEGES.get(privilege, 0)
    if desired & _SYSTEM_SECURITY & ~privileged:  # no entry can grant it (MS-DTYP 2.5.3.2)
        return AccessResult(AccessMask(0), None, Reason.NO_ENTRY, allowed=False)
    if descriptor.dacl is None:
        everything = desired | (int(mapping.all) if maximum else 0)
        return AccessResult(AccessMask(everything), None, Reason.NO_DACL)
    aces = descriptor.dacl.aces
    speakers = token.speakers(descriptor.owner, principal_self)
    owned = 0
    if _OWNER_RIGHTS in speakers and not any(
        ace.sid is not None and ace.sid.to_bytes() == _OWNER_RIGHTS and not int(ace.flags) & _INHERIT_ONLY
        for ace in aces
    ):
        owned = owner_rights
    because = Reason.OWNER if owned and not desired & privileged else Reason.PRIVILEGE
    advance = owned | privileged
    if not maximum and not desired & ~advance:
        return AccessResult(AccessMask(desired), None, because if desired else Reason.NOTHING_ASKED)
    holds = conditions or partial(token.condition_holds, sacl=descriptor.sacl)
    return _Request(aces, speakers, desired, maximum, advance, because, holds)


def _counting(request: _Request) -> Iterator[Ace]:
    """The entries that count, by all of rule 2 but object types."""
    speakers = request.speakers
    for ace in request.aces:
        sid = ace.sid
        if sid is None or sid.to_bytes() not in speakers or int(ace.flags) & _INHERIT_ONLY:
            continue
        if ace.type in _CONDITIONAL_TYPES:
            truth = request.holds(ace)
            if not truth and (truth is not None or ace.type in ALLOW_TYPES):
                continue
        elif ace.type not in _UNCONDITIONAL_TYPES:
            continue
        yield ace


def _settle(
    request: _Request, aces: Iterable[Ace], guids: Container[UUID], mapping: GenericMapping
) -> AccessResult:
    """The answer where there is one node, or several in a line: whatever holds for one holds for all."""
    granted = request.advance
    unsettled = request.asked & ~granted
    last: Ace | None = None
    for ace in aces:
        if ace.object_type is not None and ace.object_type not in guids:
            continue
        mask = int(ace.mask)
        settled = (int(mapping.map(mask)) if mask & _GENERIC else mask) & unsettled
        if not settled:
            continue
        if ace.type in ALLOW_TYPES:
            granted |= settled
            last = ace
        elif settled & request.desired:
            return _answer(request, granted, last, ace)
        unsettled &= ~settled
        if not unsettled:
            break
    return _answer(request, granted, last, None)


def _settle_tree(
    request: _Request, aces: Iterable[Ace], tree: ObjectTree, mapping: GenericMapping, *, root_only: bool
) -> tuple[AccessResult, ...]:
    """The answers of all nodes (rule 3); with ``root_only``, as soon as the root's is known."""
    asked, desired = request.asked, request.desired
    granted = [request.advance] * len(tree)
    denied = [0] * len(tree)
    last: list[Ace | None] = [None] * len(tree)  # of each node, the last entry that granted it something
    refusing: list[Ace | None] = [None] * len(tree)  # ... and the first that denied what is desired
    for ace in aces:
        start = 0 if ace.object_type is None else tree.positions.get(ace.object_type)
        if start is None:
            continue
        mask = int(ace.mask)
        mask = (int(mapping.map(mask)) if mask & _GENERIC else mask) & asked
        allows = ace.type in ALLOW_TYPES
        if not allows:
            mask &= ~granted[start]  # what a node has, all below it have as well
        for node in chain(range(start, tree.ends[start]), tree.ancestors[start]):
            settled = mask & ~(granted[node] | denied[node])
            if node < start and allows:
                for child in tree.children[node]:
                    settled &= granted[child]
            if not settled:
                continue
            if allows:
                granted[node] |= settled
                last[node] = ace
            else:
                denied[node] |= settled
                if settled & desired and refusing[node] is None:
                    refusing[node] = ace
        if root_only and (refusing[0] or not asked & ~(granted[0] | denied[0])):
            break
    return tuple([_answer(request, *each) for each in zip(granted, last, refusing, strict=True)])


def _answer(request: _Request, granted: int, last: Ace | None, refusing: Ace | None) -> AccessResult:
    """The answer for a node that was granted these rights, the last of them by ``last``."""
    if refusing is not None:
        return AccessResult(AccessMask(0), refusing, allowed=False)
    if request.desired & ~granted or not granted:
        return AccessResult(AccessMask(0), None, Reason.NO_ENTRY, allowed=False)
    reason = request.because if last is None else Reason.ENTRY
    return AccessResult(AccessMask(granted if request.maximum else request.desired), last, reason)
