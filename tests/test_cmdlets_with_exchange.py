"""The cmdlets whose classes and attributes come with Exchange, on a controller whose schema has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ldap3
import pytest
import samba_lab
import trying
from conftest import live, require_lab
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, populate
from exchange import extend_schema
from expectations import expected_aces
from samba_lab import DomainController
from trying import REFUSED, SUCCESS

import adsyncconfig
from acl import SecurityDescriptor
from acl.sddl import ace_to_sddl
from adsyncconfig.granting import GrantParameters

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
PUBLIC_FOLDERS = "Set-ADSyncExchangeMailPublicFolderPermissions"
EXCHANGE_HYBRID = "Set-ADSyncExchangeHybridPermissions"


@pytest.fixture(scope="module")
def exchange() -> Iterator[DomainController]:
    require_lab()
    with samba_lab.contoso_lab() as controller:
        populate(controller)
        administrator = samba_lab.connect_as(controller, controller.administrator)
        try:
            extend_schema(administrator, f"CN=Schema,CN=Configuration,{DOMAIN}")
            yield controller
        finally:
            administrator.unbind()


@pytest.fixture
def administrator(exchange: DomainController) -> Iterator[Any]:
    connection = samba_lab.connect_as(exchange, exchange.administrator)
    yield connection
    connection.unbind()


@pytest.fixture
def connector(exchange: DomainController) -> Iterator[Any]:
    connection = samba_lab.connect_as(exchange, f"{CONNECTOR}@{exchange.realm}")
    yield connection
    connection.unbind()


def aces_of(connection: Any, dn: str) -> list[str]:
    dacl = SecurityDescriptor.from_bytes(trying.read_descriptor(connection, dn)).dacl
    return sorted(ace_to_sddl(a) for a in dacl or () if str(a.sid) == CONNECTOR_SID and not a.is_inherited)


def display_name(connection: Any, dn: str) -> str | None:
    connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=["displayName"])
    found = [each for each in connection.response if each["type"] == "searchResEntry"]
    values = found[0]["raw_attributes"].get("displayName", []) if found else []
    return values[0].decode() if values else None


@pytest.mark.parametrize(("row", "dn"), [("domain root", DOMAIN), ("organizationalUnit", OU)])
def test_mail_public_folders_are_read_after_the_grant_and_not_before(
    exchange: DomainController, administrator: Any, connector: Any, row: str, dn: str
) -> None:
    folder = f"CN=A Folder,{OU}"
    assert administrator.add(folder, "publicFolder", {"displayName": "A Folder"}), administrator.result
    # What everybody may read by inheritance is taken away, so that the grant alone counts.
    closed = SecurityDescriptor.from_sddl("D:AI")
    parameters: GrantParameters = {
        "ad_connector_account_dn": CONNECTOR_DN,
        "ad_object_dn": None if dn == DOMAIN else dn,
    }
    try:
        assert trying.write_dacl(administrator, folder, closed.to_bytes()) == SUCCESS
        assert display_name(connector, folder) is None
        with live(exchange) as directory:
            adsyncconfig.set_adsync_exchange_mail_public_folder_permissions(directory, **parameters)
            assert aces_of(administrator, dn) == expected_aces(PUBLIC_FOLDERS, row, CONNECTOR_SID)
            assert display_name(connector, folder) == "A Folder"
            assert trying.write(connector, folder, "description", "x") == REFUSED
            parameters["revoke"] = True
            adsyncconfig.set_adsync_exchange_mail_public_folder_permissions(directory, **parameters)
        assert aces_of(administrator, dn) == []
        assert display_name(connector, folder) is None
    finally:
        assert trying.delete(administrator, folder) == SUCCESS


def test_least_privilege_for_exchange_hybrid_takes_the_attributes_that_the_forest_has(
    exchange: DomainController, administrator: Any, connector: Any
) -> None:
    user = f"CN=Spare User,{OU}"
    assert administrator.add(user, "user", {"sAMAccountName": "spare-user"}), administrator.result
    try:
        with live(exchange) as directory:
            result = adsyncconfig.set_adsync_exchange_hybrid_permissions(
                directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU, least_privilege=True
            )
        granted = aces_of(administrator, OU)
        assert set(expected_aces(EXCHANGE_HYBRID, "least with Exchange", CONNECTOR_SID)) < set(granted)
        # Of Exchange's own attributes this schema has one: for two classes.
        assert len(granted) == 8
        assert any("msExchUserHoldPolicies" in warning for warning in result.warnings)
        assert trying.write(connector, user, "msDS-ExternalDirectoryObjectId", "User_1") == SUCCESS
        assert trying.write(connector, user, "msExchSafeSendersHash", "0123") == SUCCESS
        assert trying.write(connector, user, "description", "x") == REFUSED
        assert trying.write(connector, user, "scriptPath", "x") == REFUSED
    finally:
        assert trying.delete(administrator, user) == SUCCESS
