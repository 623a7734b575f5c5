"""Conditions and resource attributes: text, bytes, truth; vectors in fixtures/conditions.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl import AclError, MalformedError, SddlError, Sid
from acl.claim import Claim, ClaimType, claim_from_sddl, claim_to_sddl
from acl.condition import Attribute, Base, Condition, Integer, Operator, Sign, Source
from acl.condition_check import evaluate
from acl.condition_text import condition_from_sddl, condition_to_sddl

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "conditions.json").read_text("utf-8"))
MILLION = 1_000_000


def vectors(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector["name"])


def attempt(function: Any, argument: Any, kind: type[AclError]) -> tuple[Any, Any]:
    """What the function gives, or the error of this kind that it raises; any other fails the test."""
    try:
        return function(argument), None
    except kind as error:
        return None, error


def marked(text: str) -> tuple[str, tuple[int, int]]:
    """The text without its marks, and what they stood around."""
    start, end = text.index("«"), text.index("»") - 1
    return text.replace("«", "").replace("»", ""), (start, end)


@vectors("conditions")
def test_condition(vector: dict[str, str]) -> None:
    data = bytes.fromhex(vector["hex"])
    written = vector.get("written", vector["text"])
    condition = condition_from_sddl(vector["text"])
    assert condition.to_bytes() == data
    assert condition_to_sddl(condition) == written
    assert Condition.from_bytes(data) == condition_from_sddl(written) == condition


@vectors("bad_conditions")
def test_bad_condition(vector: dict[str, str]) -> None:
    text, span = marked(vector["text"])
    with pytest.raises(SddlError) as caught:
        condition_from_sddl(text)
    assert caught.value.span == span
    assert caught.value.source == text


@vectors("bad_bytes")
def test_bad_bytes(vector: dict[str, Any]) -> None:
    for prefix in (b"", b"12345678"):
        with pytest.raises(MalformedError) as caught:
            Condition.from_bytes(prefix + bytes.fromhex(vector["hex"]), len(prefix))
        assert caught.value.offset == vector["offset"] + len(prefix)


@vectors("claims")
def test_claim(vector: dict[str, str]) -> None:
    data = bytes.fromhex(vector["hex"])
    written = vector.get("written", vector["text"])
    claim = claim_from_sddl(vector["text"])
    assert claim.to_bytes() == data
    assert claim_to_sddl(claim) == written
    assert Claim.from_bytes(data) == claim_from_sddl(written) == claim


@vectors("bad_claims")
def test_bad_claim(vector: dict[str, str]) -> None:
    with pytest.raises(SddlError):
        claim_from_sddl(vector["text"])


@vectors("bad_claim_bytes")
def test_bad_claim_bytes(vector: dict[str, Any]) -> None:
    for prefix in (b"", b"12345678"):
        with pytest.raises(MalformedError) as caught:
            Claim.from_bytes(prefix + bytes.fromhex(vector["hex"]), len(prefix))
        assert caught.value.offset == vector["offset"] + len(prefix)


@pytest.mark.parametrize(
    "text",
    [
        "(" * MILLION,
        "!(" * MILLION,
        "(!" * MILLION,
        "(Member_of" + "(" * MILLION,
        "(a == {" + "1," * MILLION,
        "(a == " + "9" * MILLION + ")",
        "(a" + " " * MILLION,
        "(a" + "a" * MILLION,
        "(a ==" + '"' + "a" * MILLION,
        "(a == \0)",
        '(a == "\0")',
        "(\u017fid)" + "\u212a",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text(text: str) -> None:
    with pytest.raises(SddlError):
        condition_from_sddl(text + "\n")


def test_depth_costs_nothing() -> None:
    depth = 100_000
    text = "(" + "!(" * depth + "a" + ")" * (depth + 1)
    condition = condition_from_sddl(text)
    assert condition == Condition.from_bytes(condition.to_bytes())
    assert hash(condition) == hash(condition_from_sddl(text))
    assert condition_to_sddl(condition) == text
    assert evaluate(condition, local=[Claim("a", ClaimType.INT64, (1,))]) is True


@pytest.mark.parametrize(
    "tokens",
    [
        (),
        (1,),
        ("a",),
        (Operator.AND,),
        (Attribute(Source.USER, "a"), ("a", ("b",)), Operator.EQUAL),
        (Attribute(Source.USER, "a"), Attribute(Source.USER, "b")),
        (Attribute(Source.USER, "a"), Operator.MEMBER_OF),
    ],
)
def test_tokens_that_are_no_expression(tokens: Any) -> None:
    with pytest.raises(AclError):
        Condition(tokens)


@pytest.mark.parametrize(
    ("right", "why"),
    [
        (Attribute(Source.LOCAL, "b"), "local attribute"),
        ('a"b', "quotation mark"),
        ("a\0b", "zero"),
        (Integer(1, Sign.MINUS), "minus"),
    ],
    ids=["local", "quotation mark", "zero", "minus"],
)
def test_what_text_cannot_hold(right: Any, why: str) -> None:
    condition = Condition((Attribute(Source.LOCAL, "a"), right, Operator.EQUAL))
    assert Condition.from_bytes(condition.to_bytes()) == condition
    with pytest.raises(AclError, match=why):
        condition_to_sddl(condition)


def test_size_of_integers_is_kept_in_bytes_and_lost_in_text() -> None:
    small = Condition((Attribute(Source.LOCAL, "a"), Integer(-5, Sign.MINUS, bits=8), Operator.LESS))
    assert Condition.from_bytes(small.to_bytes()) == small
    assert condition_from_sddl(condition_to_sddl(small)) != small
    assert condition_to_sddl(condition_from_sddl("(a < -5)")) == condition_to_sddl(small)


def test_names_that_would_be_read_as_something_else() -> None:
    for name in ("Exists", "member_of", "@user.a", "a b", "\u00a0", "\U0001f600", "\ud800"):
        condition = Condition((Attribute(Source.LOCAL, name),))
        assert condition_from_sddl(condition_to_sddl(condition)) == condition


# Properties.

names = st.text(min_size=1, max_size=8)
strings = st.text(st.characters(exclude_characters='"\0'), max_size=8)
integers = st.builds(
    lambda value, sign, base: Integer(-abs(value) if sign is Sign.MINUS else value, sign, base),
    st.integers(-(1 << 63) + 1, (1 << 63) - 1),
    st.sampled_from(Sign),
    st.sampled_from(Base),
)
sids = st.builds(
    Sid, st.integers(0, (1 << 48) - 1), st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple)
)
scalars = st.one_of(integers, strings, st.binary(max_size=8), sids)
literals = st.one_of(scalars, st.lists(scalars, max_size=4).map(tuple))
attributes = st.builds(Attribute, st.sampled_from(Source), names)
prefixed = st.builds(Attribute, st.sampled_from([Source.USER, Source.DEVICE, Source.RESOURCE]), names)
relations = st.sampled_from([each for each in Operator if 0x80 <= each <= 0x8F and each not in (
    Operator.EXISTS, Operator.NOT_EXISTS, Operator.MEMBER_OF, Operator.DEVICE_MEMBER_OF,
    Operator.MEMBER_OF_ANY, Operator.DEVICE_MEMBER_OF_ANY)])  # fmt: skip
members = st.sampled_from([each for each in Operator if "MEMBER_OF" in each.name])
terms = st.one_of(
    attributes.map(lambda attribute: (attribute,)),
    st.tuples(attributes, st.sampled_from([Operator.EXISTS, Operator.NOT_EXISTS])),
    st.tuples(literals, members),
    st.tuples(attributes, st.one_of(literals, prefixed), relations),
)
expressions = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(lambda tokens: (*tokens, Operator.NOT)),
        st.builds(
            lambda left, right, join: (*left, *right, join),
            inner,
            inner,
            st.sampled_from([Operator.AND, Operator.OR]),
        ),
    ),
    max_leaves=12,
)
conditions = st.builds(Condition, expressions)


@given(conditions)
def test_conditions_survive_bytes_and_text(condition: Condition) -> None:
    assert Condition.from_bytes(condition.to_bytes()) == condition
    text = condition_to_sddl(condition)
    assert condition_from_sddl(text) == condition
    assert condition_to_sddl(condition_from_sddl(text)) == text


@given(st.data())
def test_damaged_conditions_are_conditions_or_malformed(data: st.DataObject) -> None:
    raw = bytearray(data.draw(conditions).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(4, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(4, len(raw))) :]
    condition, error = attempt(Condition.from_bytes, bytes(raw), MalformedError)
    if error:
        assert 0 <= error.offset <= len(raw)
    else:
        assert condition.to_bytes().rstrip(b"\0") == bytes(raw).rstrip(b"\0")
        evaluate(condition, user=[], device=[], resource=[], local=[], sids=[], device_sids=[])


@given(st.binary(max_size=64))
def test_any_bytes_are_a_condition_or_malformed(data: bytes) -> None:
    _, error = attempt(Condition.from_bytes, b"artx" + data, MalformedError)
    assert error is None or 0 <= error.offset <= len(data) + 4


@given(st.one_of(st.text(max_size=40), st.text('()!&|=<>@User.a"#{},0x1 SID_ofContains', max_size=40)))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    condition, error = attempt(condition_from_sddl, text, SddlError)
    if error:
        assert 0 <= error.span[0] <= error.span[1] <= len(text)
    else:
        assert condition_from_sddl(condition_to_sddl(condition)) == condition


claim_names = names.filter(lambda name: "\0" not in name)
claims = st.one_of(
    *[
        st.builds(
            Claim,
            claim_names,
            st.just(kind),
            st.lists(values, max_size=4).map(tuple),
            st.integers(0, 0xFFFFFFFF),
        )
        for kind, values in (
            (ClaimType.INT64, st.integers(-(1 << 63), (1 << 63) - 1)),
            (ClaimType.UINT64, st.integers(0, (1 << 64) - 1)),
            (ClaimType.STRING, strings),
            (ClaimType.SID, sids),
            (ClaimType.BOOLEAN, st.integers(0, 1)),
            (ClaimType.OCTET_STRING, st.binary(min_size=1, max_size=8)),
        )
    ]
)


@given(claims)
def test_claims_survive_bytes_and_text(claim: Claim) -> None:
    assert Claim.from_bytes(claim.to_bytes()) == claim
    assert claim_from_sddl(claim_to_sddl(claim)) == claim


@given(st.data())
def test_damaged_claims_are_claims_or_malformed(data: st.DataObject) -> None:
    raw = bytearray(data.draw(claims).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    claim, error = attempt(Claim.from_bytes, bytes(raw), MalformedError)
    if error:
        assert 0 <= error.offset <= len(raw)
    else:
        assert Claim.from_bytes(claim.to_bytes()) == claim


@given(st.one_of(st.text(max_size=40), st.text('("a",TISUDXB0x1%#, )', max_size=40)))
def test_any_text_is_a_claim_or_an_error(text: str) -> None:
    claim, error = attempt(claim_from_sddl, text, SddlError)
    if error:
        assert 0 <= error.span[0] <= error.span[1] <= len(text)
    else:
        assert claim_from_sddl(claim_to_sddl(claim)) == claim


# The truth of conditions.

USER = [
    Claim("Title", ClaimType.STRING, ("PM",)),
    Claim("Code", ClaimType.STRING, ("Ab",), 0x2),
    Claim("Project", ClaimType.STRING, ("red", "blue")),
    Claim("Level", ClaimType.INT64, (3,)),
    Claim("Unset", ClaimType.INT64, (0,)),
    Claim("Empty", ClaimType.STRING, ("",)),
    Claim("Off", ClaimType.STRING, ("x",), 0x10),
    Claim("Deny", ClaimType.STRING, ("x",), 0x4),
    Claim("Key", ClaimType.OCTET_STRING, (b"\1\2",)),
]
RESOURCE = [Claim("Project", ClaimType.STRING, ("Blue",))]
SIDS = {Sid.EVERYONE, Sid.BUILTIN_ADMINISTRATORS}
U = None


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ('@User.title == "pm"', True),
        ('@User.title != "pm"', False),
        ('@User.Code == "AB"', False),
        ('@User.Code == "Ab"', True),
        ('@User.Title < "qq"', True),
        ("@User.Level >= 3", True),
        ("@User.Level > 0x3", False),
        ("@User.Level == {3, 3}", True),
        ('@User.Level == "3"', U),
        ("@User.Level < {4, 5}", U),
        ("@User.Key == #0102", True),
        ("@User.Key < #0103", True),
        ('@User.Project == {"blue", "red"}', True),
        ('@User.Project Contains "red"', True),
        ('@User.Project Contains {"red", "green"}', False),
        ('@User.Project Not_Contains {"red", "green"}', True),
        ("@User.Project Any_of @Resource.Project", True),
        ("@User.Project Not_Any_of @Resource.Project", False),
        ('@User.Project Any_of {"green"}', False),
        ('@User.Nothing == "x"', U),
        ('@User.Off == "x"', U),
        ('@User.Deny == "x"', U),
        ("@Device.x == 1", U),
        ("@User.Title", True),
        ("@User.Level", True),
        ("@User.Unset", False),
        ("@User.Empty", False),
        ("@User.Project", U),
        ("@User.Key", U),
        ("@User.Nothing", U),
        ("Exists @User.Title", True),
        ("Exists @User.Nothing", False),
        ("Not_Exists @User.Nothing", True),
        ("Exists @Device.x", U),
        ("Not_Exists @Device.x", U),
        ("Member_of {SID(WD), SID(BA)}", True),
        ("Member_of {SID(WD), SID(BU)}", False),
        ("Member_of_Any {SID(WD), SID(BU)}", True),
        ("Not_Member_of {SID(WD), SID(BU)}", True),
        ("Not_Member_of_Any {SID(WD), SID(BU)}", False),
        ("Member_of {1}", U),
        ("Device_Member_of SID(WD)", U),
        ("!(@User.Level == 3)", False),
        ("!(@User.Nothing)", U),
        ("@User.Level && @User.Title", True),
        ("@User.Unset && @User.Nothing", False),
        ("@User.Nothing && @User.Unset", False),
        ("@User.Level && @User.Nothing", U),
        ("@User.Nothing && @User.Nothing", U),
        ("@User.Level || @User.Nothing", True),
        ("@User.Nothing || @User.Level", True),
        ("@User.Unset || @User.Nothing", U),
        ("@User.Unset || @User.Empty", False),
    ],
)
def test_truth(text: str, truth: bool | None) -> None:
    condition = condition_from_sddl(f"({text})")
    assert evaluate(condition, user=USER, resource=RESOURCE, local=[], sids=SIDS) is truth


def test_claims_for_denying_entries_only() -> None:
    condition = condition_from_sddl('(@User.Deny == "x")')
    assert evaluate(condition, user=USER, for_deny=True) is True
    assert evaluate(condition, user=USER) is None


@given(conditions)
def test_every_condition_has_a_truth(condition: Condition) -> None:
    assert evaluate(condition) is None or "EXISTS" not in condition_to_sddl(condition)
    for claims in ([], USER):
        truth = evaluate(condition, user=claims, device=claims, resource=claims, local=claims, sids=SIDS)
        assert truth in (True, False, None)
        negated = Condition((*condition.tokens, Operator.NOT))
        opposite = evaluate(negated, user=claims, device=claims, resource=claims, local=claims, sids=SIDS)
        assert opposite is (None if truth is None else not truth)
