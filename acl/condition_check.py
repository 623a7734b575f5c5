"""Whether a condition holds: true, false, or not to be known (MS-DTYP 2.5.3.1.5, EvaluateAceCondition).

Rule 1: what cannot be known is None, as Windows' UNKNOWN: an entry that allows does not count then, and one
        that denies does (win32 "Conditional ACE Evaluation").
Rule 2: claims that the caller does not know (None) differ from claims that are not there (an empty list):
        ``Exists`` is None for the first and False for the second, any relation None for both.
Rule 3: the tokens run on one stack, so that depth costs nothing.

Values are compared as sets; an order exists between two single values of one kind only. Strings are compared
without regard to case unless their claim says otherwise (MS-DTYP 2.4.10.1, flag 0x0002).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from .claim import CASE_SENSITIVE, DISABLED, USE_FOR_DENY_ONLY, Claim
from .condition import Attribute, Condition, Integer, Literal, Operator, Source
from .sid import Sid

__all__ = ["evaluate"]

_O = Operator


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a literal or of an attribute; None for one that is not there."""

    values: tuple[int | str | bytes | Sid, ...] | None
    is_known: bool = True
    is_case_sensitive: bool = False


_Operand: TypeAlias = _Values | bool | None

_ORDERS: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    _O.LESS: operator.lt,
    _O.LESS_OR_EQUAL: operator.le,
    _O.GREATER: operator.gt,
    _O.GREATER_OR_EQUAL: operator.ge,
}
#: On the values of both sides as sets.
_SETS: Final[dict[Operator, Callable[[set[Any], set[Any]], bool]]] = {
    _O.EQUAL: operator.eq,
    _O.NOT_EQUAL: operator.ne,
    _O.CONTAINS: operator.ge,
    _O.NOT_CONTAINS: lambda left, right: not left >= right,
    _O.ANY_OF: lambda left, right: not left.isdisjoint(right),
    _O.NOT_ANY_OF: lambda left, right: left.isdisjoint(right),
}
#: Whether the device's SIDs are meant, all of the SIDs or any, and what the answer is then.
_MEMBERS: Final[dict[Operator, tuple[bool, Callable[[Iterable[object]], bool], bool]]] = {
    _O.MEMBER_OF: (False, all, True),
    _O.MEMBER_OF_ANY: (False, any, True),
    _O.NOT_MEMBER_OF: (False, all, False),
    _O.NOT_MEMBER_OF_ANY: (False, any, False),
    _O.DEVICE_MEMBER_OF: (True, all, True),
    _O.DEVICE_MEMBER_OF_ANY: (True, any, True),
    _O.NOT_DEVICE_MEMBER_OF: (True, all, False),
    _O.NOT_DEVICE_MEMBER_OF_ANY: (True, any, False),
}


def evaluate(
    condition: Condition,
    *,
    user: Iterable[Claim] | None = None,
    device: Iterable[Claim] | None = None,
    resource: Iterable[Claim] | None = None,
    local: Iterable[Claim] | None = None,
    sids: Collection[Sid] | None = None,
    device_sids: Collection[Sid] | None = None,
    for_deny: bool = False,
) -> bool | None:
    """Whether the condition holds for these claims and SIDs; None when that cannot be known.

    ``resource`` are the claims of the resource attribute entries in the object's SACL. ``for_deny`` says that
    the entry denies: only then do claims count that are marked for it.
    """
    claims = {
        Source.USER: _by_name(user, for_deny=for_deny),
        Source.DEVICE: _by_name(device, for_deny=for_deny),
        Source.RESOURCE: _by_name(resource, for_deny=for_deny),
        Source.LOCAL: _by_name(local, for_deny=for_deny),
    }
    stack: list[_Operand] = []
    for token in condition.tokens:
        if not isinstance(token, Operator):
            stack.append(_attribute(token, claims) if isinstance(token, Attribute) else _literal(token))
        elif token is _O.NOT:
            truth = _truth(stack.pop())
            stack.append(None if truth is None else not truth)
        elif token in (_O.AND, _O.OR):
            right, left = _truth(stack.pop()), _truth(stack.pop())
            stack.append(_joined(left, right, decisive=token is _O.OR))
        else:
            second = stack.pop()
            if token in _MEMBERS:
                stack.append(_is_member(token, second, sids, device_sids))
            elif token in (_O.EXISTS, _O.NOT_EXISTS):
                stack.append(_exists(second, wanted=token is _O.EXISTS))
            else:
                stack.append(_compare(token, stack.pop(), second))
    return _truth(stack.pop())


def _by_name(claims: Iterable[Claim] | None, *, for_deny: bool) -> dict[str, Claim] | None:
    ignored = DISABLED if for_deny else DISABLED | USE_FOR_DENY_ONLY
    if claims is None:
        return None
    return {claim.name.casefold(): claim for claim in claims if not claim.flags & ignored}


def _attribute(attribute: Attribute, claims: dict[Source, dict[str, Claim] | None]) -> _Values:
    known = claims[attribute.source]
    if known is None:
        return _Values(None, is_known=False)
    claim = known.get(attribute.name.casefold())
    if claim is None:
        return _Values(None)
    return _Values(claim.values, is_case_sensitive=bool(claim.flags & CASE_SENSITIVE))


def _literal(literal: Literal) -> _Values:
    members = literal if isinstance(literal, tuple) else (literal,)
    return _Values(tuple([each.value if isinstance(each, Integer) else each for each in members]))


def _truth(operand: _Operand) -> bool | None:
    """An attribute alone holds when its one value is an integer but 0 or a string but the empty one."""
    if not isinstance(operand, _Values):
        return operand
    if operand.values is None or len(operand.values) != 1 or not isinstance(operand.values[0], int | str):
        return None
    return bool(operand.values[0])


def _joined(left: bool | None, right: bool | None, *, decisive: bool) -> bool | None:
    """AND and OR: one side decides when it is False or True respectively; otherwise both must be known."""
    if left is decisive or right is decisive:
        return decisive
    return None if left is None or right is None else not decisive


def _exists(operand: _Operand, *, wanted: bool) -> bool | None:
    assert isinstance(operand, _Values)
    return (operand.values is not None) is wanted if operand.is_known else None


def _is_member(
    token: Operator, operand: _Operand, sids: Collection[Sid] | None, device_sids: Collection[Sid] | None
) -> bool | None:
    of_device, quantifier, wanted = _MEMBERS[token]
    known = device_sids if of_device else sids
    assert isinstance(operand, _Values)
    asked = operand.values
    if known is None or not asked or not all(isinstance(each, Sid) for each in asked):
        return None
    return quantifier(each in known for each in asked) is wanted


def _compare(token: Operator, left: _Operand, right: _Operand) -> bool | None:
    assert isinstance(left, _Values)
    assert isinstance(right, _Values)
    if left.values is None or right.values is None:
        return None
    keeps_case = left.is_case_sensitive or right.is_case_sensitive
    first, second = (
        [_key(each, keeps_case=keeps_case) for each in side.values or ()] for side in (left, right)
    )
    if {kind for kind, _ in first} != {kind for kind, _ in second}:
        return None
    if token in _SETS:
        return _SETS[token](set(first), set(second))
    if len(first) != 1 or len(second) != 1 or first[0][0] is Sid:
        return None
    return _ORDERS[token](first[0][1], second[0][1])


def _key(value: int | str | bytes | Sid, *, keeps_case: bool) -> tuple[type, object]:
    """What a value is compared by: its kind and itself."""
    if isinstance(value, str):
        return str, value if keeps_case else value.casefold()
    return (int if isinstance(value, int) else type(value)), value
