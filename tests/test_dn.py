"""Distinguished names: RFC 4514's spellings, compared as Active Directory compares them."""

from __future__ import annotations

import contextlib

import pytest
from contoso_directory import HOSTILE_ACCOUNT_DN, HOSTILE_OUS
from hypothesis import given
from hypothesis import strategies as st
from ldap3.utils.dn import parse_dn

from adsyncconfig import ParameterError
from adsyncconfig.dn import DistinguishedName, escape


@pytest.mark.parametrize(
    "same",
    [
        ("OU=Groups,DC=contoso,DC=example", "ou=GROUPS,dc=Contoso,dc=EXAMPLE"),
        ("OU=Groups,DC=contoso", "OU = Groups , DC = contoso"),
        (r"OU=A\, B,DC=contoso", r"OU=A\2C B,DC=contoso", 'OU="A, B",DC=contoso'),
        (r"OU=Grupper\, Återskrivning,DC=contoso", r"OU=Grupper\2c \C3\85terskrivning,DC=contoso"),
        ("OU=A+CN=B,DC=contoso", "CN=B+OU=A,DC=contoso"),
        (r"OU=\#1,DC=contoso", r"OU=\231,DC=contoso"),
        ("OU=a=b,DC=contoso", r"OU=a\=b,DC=contoso"),
    ],
)
def test_spellings_of_one_name_are_equal(same: tuple[str, ...]) -> None:
    assert len({DistinguishedName.parse(text) for text in same}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"OU=A\, OU=B,DC=contoso", "OU=A,OU=B,DC=contoso"),
        ("OU=A B,DC=contoso", "OU=AB,DC=contoso"),
        ("CN=A,DC=contoso", "OU=A,DC=contoso"),
        (r"OU=A\+CN=B,DC=contoso", "OU=A+CN=B,DC=contoso"),
    ],
)
def test_different_names_are_different(one: str, other: str) -> None:
    assert DistinguishedName.parse(one) != DistinguishedName.parse(other)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "Writeback", "contoso.example", "OU=", "=x", "OU=A,", ",OU=A", "OU=A,,DC=contoso", "OU=A;B",
        "OU=A,B", 'OU="A', 'OU="A"B', "OU=A<B", "OU=A>B", 'OU=A"B', "OU=A\\", "OU=A+", "1x=A", "O U=A",
        "OU=A, B,DC=contoso",
    ],
)  # fmt: skip
def test_what_is_no_dn_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ParameterError, match="is no distinguished name"):
        DistinguishedName.parse(text)


def test_the_domain_is_what_the_dc_parts_spell() -> None:
    assert DistinguishedName.parse("CN=x,DC=EMEA,DC=contoso,DC=example").domain == "emea.contoso.example"
    assert DistinguishedName.parse("DC=dc1,CN=MicrosoftDNS,DC=contoso,DC=example").domain == "contoso.example"
    assert DistinguishedName.parse("CN=x").domain == ""


def test_below_means_by_whole_parts() -> None:
    domain = DistinguishedName.parse("DC=contoso,DC=example")
    assert DistinguishedName.parse("OU=A,DC=Contoso,DC=example").is_below(domain)
    assert not domain.is_below(domain)
    assert not DistinguishedName.parse("OU=A,DC=xcontoso,DC=example").is_below(domain)


@pytest.mark.parametrize("text", [*HOSTILE_OUS, HOSTILE_ACCOUNT_DN])
def test_the_labs_names_are_taken_apart_as_ldap3_does(text: str) -> None:
    ours = DistinguishedName.parse(text).rdns
    theirs = parse_dn(text)
    assert [rdn[0][0] for rdn in ours] == [attribute.lower() for attribute, _, _ in theirs]
    assert len(ours) == len(theirs)


names = st.text(min_size=1).filter(lambda text: "\x00" not in text and text.strip() == text)


@given(st.lists(names, min_size=1, max_size=4))
def test_an_escaped_value_is_read_back_and_stays_one_part(values: list[str]) -> None:
    text = ",".join(f"OU={escape(value)}" for value in values)
    parsed = DistinguishedName.parse(text)
    assert len(parsed.rdns) == len(values)
    again = DistinguishedName.parse(",".join(f"ou={escape(value.swapcase())}" for value in values))
    folded = [value.casefold() for value in values]
    if folded == [value.swapcase().casefold() for value in values]:
        assert again == parsed


@given(st.text())
def test_any_text_is_a_dn_or_a_parameter_error(text: str) -> None:
    with contextlib.suppress(ParameterError):
        assert DistinguishedName.parse(text).rdns
