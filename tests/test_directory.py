"""The promises of the Directory protocol, held by the real controller and by a snapshot of it alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conftest import live
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID
from samba_lab import DomainController

import adsyncconfig
from acl import Ace, Control, SecurityDescriptor, Sid
from acl.edit import protect, unprotect
from adsyncconfig import Directory, NotFound, ParameterError, UnknownName
from adsyncconfig.account import resolve
from adsyncconfig.directory import Scope
from adsyncconfig.filters import EVERYTHING, Equals
from adsyncconfig.forest import domain_named, domains
from adsyncconfig.granting import GrantParameters
from adsyncconfig.schema import Kind, Schema, bundled

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"


def test_names_compare_without_case_and_come_back_as_the_directory_spells_them(either: Directory) -> None:
    entry = either.get("ou=writeback,dc=CONTOSO,dc=Example", ["name", "objectClass"])
    assert entry.dn == OU
    assert entry.text("NAME") == "Writeback"
    assert entry.values("objectclass") == ("top", "organizationalUnit")


def test_only_the_attributes_asked_for_come_back(either: Directory) -> None:
    entry = either.get(CONNECTOR_DN, ["objectSid"])
    assert str(entry.sid()) == CONNECTOR_SID
    assert entry.text("name") is None
    assert entry.values("name") == ()


def test_what_is_not_there_is_not_found(either: Directory) -> None:
    with pytest.raises(NotFound) as raised:
        either.get(f"OU=Gone,{DOMAIN}", ["name"])
    assert raised.value.dn == f"OU=Gone,{DOMAIN}"
    with pytest.raises(NotFound):
        list(either.search(f"OU=Gone,{DOMAIN}", EVERYTHING, ["name"]))
    with pytest.raises(ParameterError):
        either.get("no dn", ["name"])


def test_a_search_goes_as_far_as_its_scope(either: Directory) -> None:
    one = {entry.dn for entry in either.search(OU, EVERYTHING, ["name"], scope=Scope.ONE_LEVEL)}
    assert one == {f"CN=Team Blue,{OU}", f"CN=Team Green,{OU}", f"OU=Nested,{OU}"}
    all_of_it = {entry.dn for entry in either.search(OU, EVERYTHING, ["name"])}
    assert all_of_it == one | {OU, f"CN=Team Deep,OU=Nested,{OU}"}


def test_a_search_of_the_domain_stays_out_of_the_configuration(either: Directory) -> None:
    found = either.search(DOMAIN, Equals("objectClass", "crossRef"), ["cn"])
    assert list(found) == []


def test_a_written_dacl_reads_back_and_reaches_what_is_below(either: Directory) -> None:
    before = either.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    assert before.dacl is not None
    ace = Ace.allow(Sid.from_string(CONNECTOR_SID), 0x10, flags=2)
    either.write_dacl(OU, before.with_dacl((ace, *before.dacl)))

    after = either.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    assert after.dacl is not None
    assert Counter(after.dacl) - Counter(before.dacl) == Counter([ace])
    assert (after.owner, after.group) == (before.owner, before.group)
    for dn in (f"CN=Team Blue,{OU}", f"CN=Team Deep,OU=Nested,{OU}"):
        below = either.get(dn, ["nTSecurityDescriptor"]).security_descriptor().dacl
        assert below is not None
        assert [each.flags for each in below if str(each.sid) == CONNECTOR_SID] == [0x12]


def test_a_protected_dacl_inherits_nothing_until_it_is_opened_again(either: Directory) -> None:
    start = either.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    either.write_dacl(OU, protect(start, keep_inherited=False))
    closed = either.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    assert closed.dacl_is_protected
    assert closed.dacl is not None
    assert not any(ace.is_inherited for ace in closed.dacl)
    either.write_dacl(OU, unprotect(closed))
    opened = either.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    assert not opened.dacl_is_protected
    assert Counter(opened.dacl or ()) == Counter(start.dacl or ())


def test_the_domains_of_the_forest_and_names_for_them(either: Directory) -> None:
    (domain,) = domains(either)
    assert (domain.dns_name, domain.netbios_name, domain.dn) == ("contoso.example", "CONTOSO", DOMAIN)
    assert domain_named(either, "contoso") == domain_named(either, "CONTOSO.EXAMPLE.") == domain
    with pytest.raises(UnknownName, match=r"no domain 'fabrikam' in this forest; it has contoso\.example"):
        domain_named(either, "fabrikam")
    assert either.for_domain("Contoso.Example").root.domain == "contoso.example"


def test_schema_names_are_resolved_as_the_reference_table_has_them(either: Directory) -> None:
    schema = Schema(either)
    for kind, names in ((Kind.CLASS, ["group", "user"]), (Kind.RIGHT, ["User-Force-Change-Password"])):
        assert schema.guids(kind, names) == {name: bundled(kind)[name] for name in names}
    with pytest.raises(UnknownName, match="schema has no class 'publicFolder'"):
        schema.guid(Kind.CLASS, "publicFolder")


def test_an_account_is_found_by_dn_and_by_both_its_names(either: Directory) -> None:
    by_dn = resolve(either, dn=CONNECTOR_DN.upper())
    assert by_dn == resolve(either, name="msol_0123456789AB", domain="contoso.example")
    assert (by_dn.dn, str(by_dn.sid), by_dn.name) == (CONNECTOR_DN, CONNECTOR_SID, "MSOL_0123456789ab")
    assert resolve(either, name="User One", domain="CONTOSO") == resolve(
        either, name="user1", domain="CONTOSO"
    )


@pytest.mark.usefixtures("permissions_restored")
def test_a_grant_leaves_the_same_permissions_everywhere_in_a_snapshot_as_on_the_controller(
    contoso: DomainController, snapshot_file: Path
) -> None:
    with live(contoso) as directory, adsyncconfig.open_snapshot(snapshot_file) as snapshot:
        calls: tuple[GrantParameters, ...] = (
            {"ad_connector_account_dn": CONNECTOR_DN, "ad_object_dn": OU},
            {"ad_connector_account_dn": CONNECTOR_DN, "include_admin_sd_holders": True, "force": True},
        )
        for parameters in calls:
            for each in (directory, snapshot):
                adsyncconfig.set_adsync_unified_group_writeback_permissions(each, **parameters)
            kept = list(snapshot.search(DOMAIN, EVERYTHING, ["nTSecurityDescriptor"]))
            assert len(kept) > 80
            for entry in kept:
                there = directory.get(entry.dn, ["nTSecurityDescriptor"]).security_descriptor()
                assert comparable(entry.security_descriptor()) == comparable(there), entry.dn


def comparable(descriptor: SecurityDescriptor) -> tuple[object, ...]:
    """What a reader cares about: everything but the order of entries."""
    return (
        descriptor.owner,
        descriptor.group,
        descriptor.control & (Control.DACL_PRESENT | Control.DACL_PROTECTED),
        Counter(descriptor.dacl or ()),
    )
