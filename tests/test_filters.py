"""Search conditions: what they send, and that a controller and a snapshot agree about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from contoso_directory import CONNECTOR_SID, HOSTILE_ACCOUNT_NAME
from hypothesis import given
from hypothesis import strategies as st
from samba_lab import CONTOSO, DomainController

import adsyncconfig
from acl import Sid
from adsyncconfig.filters import (
    EVERYTHING,
    AllOf,
    AnyOf,
    BitsSet,
    Equals,
    EqualsBytes,
    Filter,
    Present,
    StartsWith,
)
from adsyncconfig.live import LiveDirectory


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Equals("name", "MSOL_1"), "(name=MSOL_1)"),
        (Equals("name", r"a*b(c)\d"), r"(name=a\2ab\28c\29\5cd)"),
        (Equals("name", "Å"), r"(name=\c3\85)"),
        (Equals("name", "\x00\x1f"), r"(name=\00\1f)"),
        (Present("objectClass"), "(objectClass=*)"),
        (StartsWith("name", "MSOL_"), "(name=MSOL_*)"),
        (StartsWith("name", "a*(Å"), r"(name=a\2a\28\c3\85*)"),
        (EqualsBytes("schemaIDGUID", b"\x00A\xff"), r"(schemaIDGUID=\00\41\ff)"),
        (BitsSet("systemFlags", 2), "(systemFlags:1.2.840.113556.1.4.803:=2)"),
        (AllOf((Equals("a", "1"), Equals("b", "2"))), "(&(a=1)(b=2))"),
        (AnyOf((Equals("a", "1"), Equals("b", "2"))), "(|(a=1)(b=2))"),
    ],
)
def test_text_form(condition: Filter, text: str) -> None:
    assert condition.to_ldap() == text


@given(st.text())
def test_no_value_leaves_its_place_in_the_filter(value: str) -> None:
    text = Equals("name", value).to_ldap()
    assert text.isascii()
    assert set(text.removeprefix("(name=").removesuffix(")")) & set("()*\x00") == set()


CONDITIONS: list[Filter] = [
    EVERYTHING,
    Equals("sAMAccountName", HOSTILE_ACCOUNT_NAME),
    Equals("name", "team BLUE"),
    Equals("name", "Team*"),
    Equals("objectClass", "group"),
    Equals("objectSid", CONNECTOR_SID),
    Equals("objectSid", f"{CONTOSO.sid}-1103"),
    Equals("objectSid", "S-1-5-32"),
    EqualsBytes("objectSid", Sid.from_string(f"{CONTOSO.sid}-1103").to_bytes()),
    StartsWith("sAMAccountName", "TEAM-"),
    StartsWith("name", "user*"),
    StartsWith("name", HOSTILE_ACCOUNT_NAME[:7]),
    BitsSet("userAccountControl", 0x10000),
    BitsSet("groupType", -2147483646),
    AllOf((Equals("objectClass", "user"), Present("description"))),
    AnyOf((Equals("name", "svc-sync"), Equals("sAMAccountName", "svc-sync"))),
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.to_ldap())
def test_a_snapshot_finds_what_the_controller_finds(
    directory: LiveDirectory, contoso: DomainController, snapshot_file: Path, condition: Filter
) -> None:
    kept = adsyncconfig.open_snapshot(snapshot_file)
    for base in (f"OU=Users Synced,{contoso.base_dn}", f"OU=Writeback,{contoso.base_dn}"):
        live = {entry.dn for entry in directory.search(base, condition, ["name"])}
        assert {entry.dn for entry in kept.search(base, condition, ["name"])} == live
