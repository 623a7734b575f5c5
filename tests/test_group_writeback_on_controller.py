"""The main job on a real domain controller: the connector account tries before the grant and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, HOSTILE_ACCOUNT_DN, HOSTILE_OUS
from expectations import GROUP_WRITEBACK, expected_aces
from samba_lab import DomainController, Forest
from trying import REFUSED, SUCCESS

import adsyncconfig
from acl import Ace, SecurityDescriptor
from acl.sddl import ace_to_sddl
from adsyncconfig import SetResult
from adsyncconfig.live import LiveDirectory

pytestmark = pytest.mark.usefixtures("permissions_restored")


@pytest.fixture
def ou(contoso: DomainController) -> str:
    return f"OU=Writeback,{contoso.base_dn}"


@pytest.fixture
def connector(contoso: DomainController, connect_as: ConnectAs) -> Any:
    return connect_as(contoso, CONNECTOR)


@pytest.fixture
def spare_group(administrator: Any, ou: str) -> str:
    """A group in the OU that the test may do with as it likes."""
    dn = f"CN=Spare Group,{ou}"
    trying.delete(administrator, dn)
    assert trying.create_group(administrator, dn) == SUCCESS
    return dn


def grant(directory: LiveDirectory, **parameters: Any) -> SetResult:
    return adsyncconfig.set_adsync_unified_group_writeback_permissions(
        directory, ad_connector_account_dn=CONNECTOR_DN, **parameters
    )


def aces_of(connection: Any, dn: str, sid: str = CONNECTOR_SID) -> list[str]:
    """The account's explicit entries on the object, as SDDL."""
    dacl = SecurityDescriptor.from_bytes(trying.read_descriptor(connection, dn)).dacl
    assert dacl is not None
    return [ace_to_sddl(ace) for ace in dacl if str(ace.sid) == sid and not ace.is_inherited]


def test_before_the_grant_the_account_can_do_nothing(connector: Any, ou: str, spare_group: str) -> None:
    assert trying.create_group(connector, f"CN=New Group,{ou}") == REFUSED
    assert trying.write(connector, spare_group, "description", "changed") == REFUSED
    assert trying.add_member(connector, spare_group, CONNECTOR_DN) == REFUSED
    assert trying.rename(connector, spare_group, "CN=Renamed Group") == REFUSED
    assert trying.delete(connector, spare_group) == REFUSED
    assert trying.create(connector, f"OU=New Unit,{ou}", "organizationalUnit") == REFUSED
    assert trying.write(connector, ou, "description", "changed") == REFUSED


def test_after_the_ou_grant_the_account_creates_changes_and_deletes_a_group_there(
    directory: LiveDirectory, connector: Any, ou: str, administrator: Any
) -> None:
    result = grant(directory, ad_object_dn=ou)

    assert [change.status for change in result.changes] == ["applied"]
    assert aces_of(administrator, ou) == expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    group = f"CN=Group_0123,{ou}"
    assert trying.create_group(connector, group) == SUCCESS
    assert trying.write(connector, group, "adminDescription", "Group_0123") == SUCCESS
    assert trying.add_member(connector, group, CONNECTOR_DN) == SUCCESS
    assert trying.rename(connector, group, "CN=Group_4567") == SUCCESS
    assert trying.delete(connector, f"CN=Group_4567,{ou}") == SUCCESS


def test_the_ou_grant_reaches_groups_that_are_there_and_no_other_ou(
    directory: LiveDirectory, connector: Any, contoso: DomainController, ou: str, spare_group: str
) -> None:
    grant(directory, ad_object_dn=ou)

    assert trying.write(connector, spare_group, "description", "changed") == SUCCESS
    assert trying.delete(connector, spare_group) == SUCCESS
    deep = f"CN=Team Deep,OU=Nested,{ou}"
    assert trying.write(connector, deep, "description", "changed") == SUCCESS
    elsewhere = f"OU=Groups,{contoso.base_dn}"
    assert trying.create_group(connector, f"CN=New Group,{elsewhere}") == REFUSED
    assert trying.write(connector, f"CN=Engineers,{elsewhere}", "description", "changed") == REFUSED
    assert trying.delete(connector, f"CN=Engineers,{elsewhere}") == REFUSED


def test_the_ou_grant_hands_over_the_ou_as_microsofts_does_but_not_its_permissions(
    directory: LiveDirectory, connector: Any, ou: str, administrator: Any
) -> None:
    grant(directory, ad_object_dn=ou)

    unit = f"OU=New Unit,{ou}"
    assert trying.create(connector, unit, "organizationalUnit") == SUCCESS
    assert trying.delete(administrator, unit) == SUCCESS
    assert trying.write(connector, ou, "description", "changed") == SUCCESS
    assert trying.write_dacl(connector, ou, trying.read_descriptor(administrator, ou)) == REFUSED


def test_after_the_forest_wide_grant_alone_the_account_changes_and_deletes_but_cannot_create(
    directory: LiveDirectory, connector: Any, contoso: DomainController, ou: str, spare_group: str
) -> None:
    result = grant(directory)

    assert [(change.dn, change.status) for change in result.changes] == [(contoso.base_dn, "applied")]
    assert any("create none" in warning for warning in result.warnings)
    assert trying.create_group(connector, f"CN=New Group,{ou}") == REFUSED
    assert trying.write(connector, spare_group, "description", "changed") == SUCCESS
    assert trying.rename(connector, spare_group, "CN=Renamed Group") == SUCCESS
    assert trying.delete(connector, f"CN=Renamed Group,{ou}") == SUCCESS
    assert trying.create(connector, f"OU=New Unit,{ou}", "organizationalUnit") == REFUSED
    assert trying.write(connector, ou, "description", "changed") == REFUSED
    shielded = f"CN=Shielded Team,OU=Blocked,{contoso.base_dn}"
    assert trying.write(connector, shielded, "description", "changed") == REFUSED


def test_a_domain_root_as_the_object_is_granted_as_the_forest_wide_call_does(
    directory: LiveDirectory, contoso: DomainController, administrator: Any
) -> None:
    grant(directory, ad_object_dn=contoso.base_dn)

    assert aces_of(administrator, contoso.base_dn) == expected_aces(
        GROUP_WRITEBACK, "domain root", CONNECTOR_SID
    )


def test_on_one_group_the_entry_has_no_class_and_the_account_reaches_that_group_alone(
    directory: LiveDirectory, connector: Any, ou: str, spare_group: str, administrator: Any
) -> None:
    grant(directory, ad_object_dn=spare_group)

    assert aces_of(administrator, spare_group) == expected_aces(GROUP_WRITEBACK, "group", CONNECTOR_SID)
    assert trying.write(connector, f"CN=Team Blue,{ou}", "description", "changed") == REFUSED
    assert trying.write(connector, spare_group, "description", "changed") == SUCCESS
    assert trying.delete(connector, spare_group) == SUCCESS


def test_a_second_run_changes_nothing_and_says_so(
    directory: LiveDirectory, contoso: DomainController, ou: str, administrator: Any
) -> None:
    for parameters in ({"ad_object_dn": ou}, {}):
        grant(directory, **parameters)
        before = trying.read_descriptor(administrator, ou)
        result = grant(directory, **parameters)
        assert [change.status for change in result.changes] == ["unchanged"]
        assert [change.added for change in result.changes] == [()]
        assert trying.read_descriptor(administrator, ou) == before


def test_owner_group_and_sacl_are_not_touched(directory: LiveDirectory, ou: str, administrator: Any) -> None:
    before = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, ou, flags=15))
    grant(directory, ad_object_dn=ou)
    after = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, ou, flags=15))

    assert after.dacl != before.dacl
    assert (after.owner, after.group, after.sacl) == (before.owner, before.group, before.sacl)
    assert before.sacl is not None


def test_what_if_writes_nothing(directory: LiveDirectory, ou: str, administrator: Any) -> None:
    before = trying.read_descriptor(administrator, ou)
    result = grant(directory, ad_object_dn=ou, what_if=True)

    assert [change.status for change in result.changes] == ["planned"]
    assert [ace_to_sddl(ace) for ace in result.changes[0].added] == expected_aces(
        GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID
    )
    assert trying.read_descriptor(administrator, ou) == before


def test_an_existing_entry_with_fewer_rights_is_widened_and_not_doubled(
    directory: LiveDirectory, ou: str, administrator: Any
) -> None:
    (whole,) = expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    part = whole.replace("CCDCLCSWRPWPDTLOSDRC", "RPWP")
    descriptor = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, ou))
    assert descriptor.dacl is not None
    poorer = descriptor.with_dacl((ace_from(part), *descriptor.dacl))
    assert trying.write_dacl(administrator, ou, poorer.to_bytes()) == SUCCESS

    result = grant(directory, ad_object_dn=ou)

    assert aces_of(administrator, ou) == [whole]
    assert [ace_to_sddl(ace) for ace in result.changes[0].removed] == [part]


def ace_from(text: str) -> Ace:
    dacl = SecurityDescriptor.from_sddl(f"D:{text}").dacl
    assert dacl is not None
    return dacl.aces[0]


def test_admin_sd_holder_is_refused_without_force_and_nothing_is_written(
    directory: LiveDirectory, contoso: DomainController, administrator: Any
) -> None:
    before = trying.read_descriptor(administrator, contoso.base_dn)
    with pytest.raises(adsyncconfig.UnsafePlan, match=r"Domain Admins.*delete it"):
        grant(directory, include_admin_sd_holders=True)
    assert trying.read_descriptor(administrator, contoso.base_dn) == before


def test_with_force_the_entry_on_admin_sd_holder_takes_effect_where_it_is_copied(
    directory: LiveDirectory, connector: Any, contoso: DomainController, administrator: Any
) -> None:
    holder = f"CN=AdminSDHolder,CN=System,{contoso.base_dn}"
    grant(directory, include_admin_sd_holders=True, force=True)
    assert aces_of(administrator, holder) == expected_aces(GROUP_WRITEBACK, "AdminSDHolder", CONNECTOR_SID)

    # Samba has no SDProp: do as it does, and copy the DACL onto a protected account.
    keeper = f"CN=Domain Keeper,OU=Users Synced,{contoso.base_dn}"
    before = trying.read_descriptor(administrator, keeper)
    assert trying.write(connector, keeper, "description", "changed") == REFUSED
    assert trying.write_dacl(administrator, keeper, trying.read_descriptor(administrator, holder)) == SUCCESS
    try:
        assert trying.write(connector, keeper, "description", "changed") == SUCCESS
    finally:
        assert trying.write_dacl(administrator, keeper, before) == SUCCESS


@pytest.mark.parametrize("hostile", HOSTILE_OUS)
def test_names_that_need_escaping_work_as_targets(
    directory: LiveDirectory, administrator: Any, hostile: str
) -> None:
    grant(directory, ad_object_dn=hostile)
    assert aces_of(administrator, hostile) == expected_aces(
        GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID
    )


@pytest.mark.parametrize(
    "name", [r"Synk, Återskrivning (EU*) \ test", "svc-åter(eu)", "SVC-ÅTER(EU)"], ids=["name", "sam", "case"]
)
def test_names_that_need_escaping_work_as_accounts(directory: LiveDirectory, ou: str, name: str) -> None:
    result = adsyncconfig.set_adsync_unified_group_writeback_permissions(
        directory,
        ad_connector_account_name=name,
        ad_connector_account_domain="CONTOSO",
        ad_object_dn=ou,
        what_if=True,
    )
    assert result.account is not None
    assert result.account.dn == HOSTILE_ACCOUNT_DN


def test_a_name_with_an_asterisk_is_no_wildcard(directory: LiveDirectory, ou: str) -> None:
    with pytest.raises(adsyncconfig.UnknownName, match=r"there is no account 'MSOL_\*'"):
        adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory, ad_connector_account_name="MSOL_*", ad_connector_account_domain="contoso.example"
        )


def test_a_caller_who_may_not_write_the_dacl_is_told_so_and_nothing_changes(
    contoso: DomainController, ou: str, administrator: Any
) -> None:
    before = trying.read_descriptor(administrator, ou)
    with (
        live(contoso, f"helpdesk@{contoso.realm}") as directory,
        pytest.raises(
            adsyncconfig.AccessDenied, match=r"may not write the permissions of 'OU=Writeback"
        ) as raised,
    ):
        grant(directory, ad_object_dn=ou)
    assert raised.value.result is not None
    assert [change.status for change in raised.value.result.changes] == ["failed"]
    assert trying.read_descriptor(administrator, ou) == before


def test_a_change_by_somebody_else_between_plan_and_write_is_a_conflict(
    directory: LiveDirectory, ou: str, administrator: Any
) -> None:
    descriptor = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, ou))
    assert descriptor.dacl is not None
    theirs = descriptor.with_dacl((ace_from("(D;;WD;;;WD)"), *descriptor.dacl)).to_bytes()

    def meanwhile(change: object) -> bool:
        assert trying.write_dacl(administrator, ou, theirs) == SUCCESS
        return True

    with pytest.raises(adsyncconfig.Conflict, match="changed by somebody else"):
        grant(directory, ad_object_dn=ou, confirm=meanwhile)
    assert aces_of(administrator, ou) == []


def test_a_change_below_the_object_that_is_inherited_is_no_conflict(
    directory: LiveDirectory, contoso: DomainController, ou: str, administrator: Any
) -> None:
    def meanwhile(change: object) -> bool:
        grant(directory)  # what the domain's root gains is inherited by the OU
        return True

    result = grant(directory, ad_object_dn=ou, confirm=meanwhile)
    assert [change.status for change in result.changes] == ["applied"]
    assert aces_of(administrator, ou) == expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)


@pytest.mark.usefixtures("forest_restored")
def test_a_forest_of_two_domains_is_granted_in_both(forest: Forest, connect_as: ConnectAs) -> None:
    servers = {forest.child.realm: forest.child.url}
    with live(forest.root, servers=servers) as directory:
        result = grant(directory)
        again = grant(directory)

    expected = expected_aces(GROUP_WRITEBACK, "domain root", CONNECTOR_SID)
    assert [(c.dn, c.label, c.status) for c in result.changes] == [
        (forest.root.base_dn, forest.root.realm, "applied"),
        (forest.child.base_dn, forest.child.realm, "applied"),
    ]
    assert {change.status for change in again.changes} == {"unchanged"}
    for controller in (forest.root, forest.child):
        administrator = connect_as(controller, controller.administrator)
        assert aces_of(administrator, controller.base_dn) == expected


@pytest.mark.usefixtures("forest_restored")
def test_an_ou_of_another_domain_is_granted_there(forest: Forest, connect_as: ConnectAs) -> None:
    ou = f"OU=Writeback,{forest.child.base_dn}"
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        result = grant(directory, ad_object_dn=ou)
    assert [change.controller for change in result.changes] == [forest.child.host_name]
    administrator = connect_as(forest.child, forest.child.administrator)
    assert aces_of(administrator, ou) == expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)


def test_a_domain_whose_server_is_the_wrong_one_stops_before_anything_is_written(
    forest: Forest, connect_as: ConnectAs
) -> None:
    administrator = connect_as(forest.root, forest.root.administrator)
    before = trying.read_descriptor(administrator, forest.root.base_dn)
    with (
        live(forest.root, servers={forest.child.realm: forest.root.url}) as directory,
        pytest.raises(adsyncconfig.Unreachable, match=r"is a controller of contoso\.example, not of emea"),
    ):
        adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory, ad_connector_account_name="helpdesk", ad_connector_account_domain="contoso.example"
        )
    assert trying.read_descriptor(administrator, forest.root.base_dn) == before


def test_the_connection_needs_no_more_than_a_ca_file_and_a_password(
    tmp_path: Path, contoso: DomainController
) -> None:
    ca_file = tmp_path / "å ca.pem"
    ca_file.write_bytes(contoso.ca_file.read_bytes())
    with adsyncconfig.connect(
        contoso.url, user=contoso.administrator, password=contoso.password, ca_file=ca_file
    ) as directory:
        assert directory.root.default_naming_context == contoso.base_dn
        assert directory.root.controller == contoso.host_name
