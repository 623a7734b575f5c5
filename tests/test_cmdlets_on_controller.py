"""Every cmdlet that grants, on a real controller: the entries it leaves, taken back by -Revoke, and tried.

The entries are compared with fixtures/cmdlets, which is written from the documentation. What a grant is for, the
connector account tries before and after.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import ldap3
import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, HELPDESK
from expectations import expected_aces
from ldap3.protocol.microsoft import dir_sync_control
from samba_lab import PASSWORD, DomainController
from trying import REFUSED, SUCCESS

import adsyncconfig
from acl import SecurityDescriptor, Sid
from acl.access import access_check
from acl.sddl import ace_to_sddl
from adsyncconfig import SetResult
from adsyncconfig.live import LiveDirectory
from adsyncconfig.schema import Kind, bundled

pytestmark = pytest.mark.usefixtures("permissions_restored")

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
FUNCTIONS: dict[str, Callable[..., SetResult]] = {
    "Set-ADSyncBasicReadPermissions": adsyncconfig.set_adsync_basic_read_permissions,
    "Set-ADSyncExchangeHybridPermissions": adsyncconfig.set_adsync_exchange_hybrid_permissions,
    "Set-ADSyncMsDsConsistencyGuidPermissions": adsyncconfig.set_adsync_ms_ds_consistency_guid_permissions,
    "Set-ADSyncPasswordHashSyncPermissions": adsyncconfig.set_adsync_password_hash_sync_permissions,
    "Set-ADSyncPasswordWritebackPermissions": adsyncconfig.set_adsync_password_writeback_permissions,
    "Set-ADSyncUnifiedGroupWritebackPermissions": adsyncconfig.set_adsync_unified_group_writeback_permissions,
    "Set-AADCloudSyncPermissions": adsyncconfig.set_aad_cloud_sync_permissions,
}
BASIC, EXCHANGE, GUID, HASHES, PASSWORDS, GROUPS, CLOUD = FUNCTIONS

# Cmdlet, row of its fixture, where the entries are, parameters.
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    (BASIC, "domain root", DOMAIN, {}),
    (BASIC, "domain root", DOMAIN, {"ad_object_dn": DOMAIN}),
    (BASIC, "organizationalUnit", OU, {"ad_object_dn": OU}),
    (BASIC, "AdminSDHolder", HOLDER, {"include_admin_sd_holders": True}),
    (BASIC, "1.x domain root", DOMAIN, {"compat": "1.x"}),
    (BASIC, "1.x AdminSDHolder", HOLDER, {"compat": "1.x"}),
    (BASIC, "2.x AdminSDHolder", HOLDER, {"compat": "2.x", "include_admin_sd_holders": True}),
    (EXCHANGE, "domain root", DOMAIN, {}),
    (EXCHANGE, "organizationalUnit", OU, {"ad_object_dn": OU}),
    (EXCHANGE, "AdminSDHolder", HOLDER, {"include_admin_sd_holders": True, "force": True}),
    (EXCHANGE, "1.x AdminSDHolder", HOLDER, {"compat": "1.x"}),
    (EXCHANGE, "least organizationalUnit", OU, {"ad_object_dn": OU, "least_privilege": True}),
    (GUID, "domain root", DOMAIN, {}),
    (GUID, "organizationalUnit", OU, {"ad_object_dn": OU}),
    (GUID, "AdminSDHolder", HOLDER, {"include_admin_sd_holders": True}),
    (HASHES, "domain root", DOMAIN, {}),
    (PASSWORDS, "domain root", DOMAIN, {}),
    (PASSWORDS, "organizationalUnit", OU, {"ad_object_dn": OU}),
    (PASSWORDS, "AdminSDHolder", HOLDER, {"include_admin_sd_holders": True, "force": True}),
    (PASSWORDS, "1.x domain root", DOMAIN, {"compat": "1.x"}),
    (GROUPS, "domain root", DOMAIN, {}),
    (GROUPS, "organizationalUnit", OU, {"ad_object_dn": OU}),
    (GROUPS, "least organizationalUnit", OU, {"ad_object_dn": OU, "least_privilege": True}),
    (GROUPS, "1.x AdminSDHolder", HOLDER, {"compat": "1.x"}),
    *(
        (CLOUD, name, DOMAIN, {"permission_type": name})
        for name in (
            "BasicRead",
            "PasswordHashSync",
            "PasswordWriteBack",
            "HybridExchangePermissions",
            "UserGroupCreateDelete",
        )
    ),
]


@pytest.fixture
def connector(contoso: DomainController, connect_as: ConnectAs) -> Any:
    return connect_as(contoso, CONNECTOR)


def run(directory: LiveDirectory, cmdlet: str, parameters: dict[str, Any], **more: Any) -> SetResult:
    return FUNCTIONS[cmdlet](directory, ad_connector_account_dn=CONNECTOR_DN, **parameters, **more)


def aces_of(connection: Any, dn: str) -> list[str]:
    """The account's explicit entries on the object, as SDDL."""
    dacl = SecurityDescriptor.from_bytes(trying.read_descriptor(connection, dn)).dacl
    assert dacl is not None
    return sorted(ace_to_sddl(a) for a in dacl if str(a.sid) == CONNECTOR_SID and not a.is_inherited)


@pytest.mark.parametrize(
    ("cmdlet", "row", "dn", "parameters"),
    CASES,
    ids=[f"{case[0]}-{case[1]}-{len(case[3])}" for case in CASES],
)
def test_a_cmdlet_leaves_the_documented_entries_and_revoke_takes_them_away(
    directory: LiveDirectory,
    administrator: Any,
    *,
    cmdlet: str,
    row: str,
    dn: str,
    parameters: dict[str, Any],
) -> None:
    before = {each: trying.read_descriptor(administrator, each) for each in (DOMAIN, OU, HOLDER)}

    result = run(directory, cmdlet, parameters)
    assert {change.status for change in result.changes} == {"applied"}
    assert aces_of(administrator, dn) == sorted(expected_aces(cmdlet, row, CONNECTOR_SID))
    again = run(directory, cmdlet, parameters)
    assert {change.status for change in again.changes} == {"unchanged"}

    taken = run(directory, cmdlet, parameters, revoke=True)
    assert {change.status for change in taken.changes} == {"applied"}
    for each, descriptor in before.items():
        now = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, each))
        assert now.dacl == SecurityDescriptor.from_bytes(descriptor).dacl, each


@pytest.mark.parametrize("cmdlet", [BASIC, EXCHANGE, PASSWORDS, GUID])
def test_on_one_user_only_what_is_for_users_is_granted_and_without_the_class(
    directory: LiveDirectory, administrator: Any, cmdlet: str
) -> None:
    user = f"CN=User One,OU=Users Synced,{DOMAIN}"
    before = trying.read_descriptor(administrator, user)
    run(directory, cmdlet, {"ad_object_dn": user})
    assert aces_of(administrator, user) == sorted(expected_aces(cmdlet, "user", CONNECTOR_SID))
    run(directory, cmdlet, {"ad_object_dn": user}, revoke=True)
    now = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, user))
    assert now.dacl == SecurityDescriptor.from_bytes(before).dacl


def test_the_type_all_grants_every_type(directory: LiveDirectory, administrator: Any) -> None:
    result = run(directory, CLOUD, {"permission_type": "all", "target_domain": "CONTOSO"})
    types = (
        "BasicRead",
        "PasswordHashSync",
        "PasswordWriteBack",
        "HybridExchangePermissions",
        "UserGroupCreateDelete",
    )
    wanted = {ace for name in types for ace in expected_aces(CLOUD, name, CONNECTOR_SID)}
    # Windows merges entries that are alike in all but their rights.
    merged = {
        ace.replace(";RP;", ";RPWP;") if ace.replace(";RP;", ";RPWP;") in wanted else ace for ace in wanted
    }
    granted = set(aces_of(administrator, DOMAIN))
    assert {ace for ace in merged if ";SWWPRC;" not in ace and ";RPWP;;" not in ace} <= granted
    assert any("publicFolder" in warning for warning in result.warnings)


# -- what the grants are for, tried --------------------------------------------------------------------------


@pytest.fixture
def user(administrator: Any) -> Iterator[str]:
    """A user in the OU, to do with as the test likes."""
    dn = f"CN=Spare User,{OU}"
    trying.delete(administrator, dn)
    password = f'"{PASSWORD}"'.encode("utf-16-le")
    values = {"sAMAccountName": "spare-user", "userAccountControl": "512", "unicodePwd": password}
    assert administrator.add(dn, "user", values), administrator.result
    yield dn
    trying.delete(administrator, dn)


def reset_password(connection: Any, dn: str) -> str:
    value = '"Another-Passw0rd.42"'.encode("utf-16-le")
    connection.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [value])]})
    return str(connection.result["description"])


def test_password_writeback_resets_and_unlocks_and_nothing_else(
    directory: LiveDirectory, connector: Any, user: str
) -> None:
    attempts: list[Callable[[], str]] = [
        lambda: reset_password(connector, user),
        lambda: trying.write(connector, user, "lockoutTime", "0"),
        lambda: trying.write(connector, user, "pwdLastSet", "0"),
    ]
    assert [attempt() for attempt in attempts] == [REFUSED] * 3
    run(directory, PASSWORDS, {"ad_object_dn": OU})
    assert [attempt() for attempt in attempts] == [SUCCESS] * 3
    assert trying.write(connector, user, "description", "x") == REFUSED
    assert trying.delete(connector, user) == REFUSED


def test_consistency_guid_is_written_and_nothing_else(
    directory: LiveDirectory, connector: Any, user: str
) -> None:
    assert trying.write(connector, user, "mS-DS-ConsistencyGuid", "0123456789abcdef") == REFUSED
    run(directory, GUID, {"ad_object_dn": OU})
    assert trying.write(connector, user, "mS-DS-ConsistencyGuid", "0123456789abcdef") == SUCCESS
    assert trying.write(connector, user, "description", "x") == REFUSED


def test_exchange_hybrid_writes_everything_and_with_least_privilege_the_addresses_alone(
    directory: LiveDirectory, connector: Any, administrator: Any, user: str
) -> None:
    group = f"CN=Team Blue,{OU}"
    assert trying.write(connector, user, "proxyAddresses", "smtp:a@contoso.example") == REFUSED

    result = run(directory, EXCHANGE, {"ad_object_dn": OU, "least_privilege": True})
    assert any("msExchArchiveStatus" in warning for warning in result.warnings)
    for dn in (user, group):
        assert trying.write(connector, dn, "proxyAddresses", "smtp:a@contoso.example") == SUCCESS
        assert trying.write(connector, dn, "description", "x") == REFUSED
    assert trying.add_member(connector, group, CONNECTOR_DN) == REFUSED

    run(directory, EXCHANGE, {"ad_object_dn": OU})
    assert trying.write(connector, user, "description", "x") == SUCCESS
    assert trying.delete(connector, user) == REFUSED
    assert trying.write(administrator, group, "proxyAddresses", "smtp:team-blue@contoso.example") == SUCCESS


def test_basic_read_opens_a_branch_that_is_closed_to_ordinary_accounts(
    directory: LiveDirectory, connector: Any, administrator: Any
) -> None:
    hidden = f"OU=Hidden,{OU}"
    group = f"CN=Hidden Group,{hidden}"
    with made(administrator, hidden, "organizationalUnit"):
        # Nobody but administrators may read here; the list of children alone is visible.
        closed = SecurityDescriptor.from_sddl("D:P(A;CI;0xF01FF;;;BA)(A;CI;LCLO;;;AU)")
        assert trying.write_dacl(administrator, hidden, closed.to_bytes()) == SUCCESS
        assert trying.create_group(administrator, group) == SUCCESS
        try:
            # The schema's own default for groups lets everybody read: take that from this one.
            own = SecurityDescriptor.from_sddl("D:AI")
            assert trying.write_dacl(administrator, group, own.to_bytes()) == SUCCESS
            assert read_name(connector, group) is None
            run(directory, BASIC, {"ad_object_dn": hidden})
            assert read_name(connector, group) == "hidden-group"
            assert trying.write(connector, group, "description", "x") == REFUSED
        finally:
            assert trying.delete(administrator, group) == SUCCESS


def read_name(connection: Any, dn: str) -> str | None:
    connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=["sAMAccountName"])
    entries = [each for each in connection.response if each["type"] == "searchResEntry"]
    values = entries[0]["raw_attributes"].get("sAMAccountName", []) if entries else []
    return values[0].decode() if values else None


def test_cloud_sync_creates_users_and_groups_and_no_other_objects(
    directory: LiveDirectory, connector: Any, administrator: Any
) -> None:
    parameters = {"permission_type": "UserGroupCreateDelete", "ad_object_dn": OU}
    group, unit = f"CN=Cloud Group,{OU}", f"OU=Cloud Unit,{OU}"
    assert trying.create_group(connector, group) == REFUSED
    run(directory, CLOUD, parameters)
    assert trying.create_group(connector, group) == SUCCESS
    assert trying.write(connector, group, "description", "x") == SUCCESS
    assert trying.delete(connector, group) == SUCCESS
    assert trying.create(connector, unit, "organizationalUnit") == REFUSED
    assert trying.write(connector, OU, "description", "x") == REFUSED


def test_password_hash_sync_lets_the_account_replicate_as_dirsync_does(
    directory: LiveDirectory, connector: Any, administrator: Any
) -> None:
    assert dirsync(connector) == REFUSED
    run(directory, HASHES, {})
    assert dirsync(connector) == SUCCESS
    # DirSync needs the first right only; the second by the access check.
    descriptor = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, DOMAIN, flags=7))
    token = [Sid.from_string(CONNECTOR_SID)]
    for name, allowed in (
        ("DS-Replication-Get-Changes", True),
        ("DS-Replication-Get-Changes-All", True),
        ("DS-Replication-Get-Changes-In-Filtered-Set", False),
    ):
        right = bundled(Kind.RIGHT)[name]
        assert bool(access_check(descriptor, token, 0x100, object_types=[right])) is allowed, name


def dirsync(connection: Any) -> str:

    controls = [
        dir_sync_control(
            criticality=True,
            object_security=False,
            ancestors_first=False,
            public_data_only=False,
            incremental_values=False,
            max_length=2147483647,
            cookie=b"",
        )
    ]
    connection.search(DOMAIN, "(objectClass=group)", ldap3.SUBTREE, attributes=["name"], controls=controls)
    return str(connection.result["description"])


def test_least_privilege_for_groups_leaves_everything_else_refused(
    directory: LiveDirectory, connector: Any, administrator: Any, user: str
) -> None:
    result = run(directory, GROUPS, {"ad_object_dn": OU, "least_privilege": True})
    assert any("owns the groups that it creates" in warning for warning in result.warnings)
    group = f"CN=Lean Group,{OU}"
    assert trying.create_group(connector, group) == SUCCESS
    assert trying.write(connector, group, "description", "x") == SUCCESS
    assert trying.add_member(connector, group, user) == SUCCESS
    assert trying.rename(connector, group, "CN=Leaner Group") == SUCCESS
    assert trying.delete(connector, f"CN=Leaner Group,{OU}") == SUCCESS
    deep = f"CN=Deep Group,OU=Nested,{OU}"
    assert trying.create_group(connector, deep) == SUCCESS
    assert trying.delete(connector, deep) == SUCCESS

    assert trying.create(connector, f"OU=Lean Unit,{OU}", "organizationalUnit") == REFUSED
    computer = {"sAMAccountName": "LEAN$", "userAccountControl": "4096"}
    connector.add(f"CN=LEAN,{OU}", "computer", computer)
    assert connector.result["description"] == REFUSED
    connector.add(f"CN=Lean User,{OU}", "user", {"sAMAccountName": "lean-user"})
    assert connector.result["description"] == REFUSED
    assert trying.write(connector, OU, "description", "x") == REFUSED
    assert trying.write(connector, OU, "gPLink", "[LDAP://x;0]") == REFUSED
    assert trying.write(connector, user, "description", "x") == REFUSED
    assert trying.delete(connector, user) == REFUSED
    assert trying.delete(connector, f"OU=Nested,{OU}") == REFUSED
    assert trying.write_dacl(connector, OU, trying.read_descriptor(administrator, OU)) == REFUSED


@pytest.mark.parametrize("cmdlet", [BASIC, GUID, PASSWORDS])
def test_where_no_narrower_grant_is_known_the_option_stops(directory: LiveDirectory, cmdlet: str) -> None:
    with pytest.raises(adsyncconfig.ParameterError, match="no grant narrower than Microsoft's is known"):
        run(directory, cmdlet, {"ad_object_dn": OU, "least_privilege": True})


def test_the_narrower_grant_for_groups_is_for_an_ou(directory: LiveDirectory) -> None:
    with pytest.raises(adsyncconfig.ParameterError, match="is for: organizational unit or container"):
        run(directory, GROUPS, {"least_privilege": True})


def test_revoking_one_feature_leaves_what_another_needs(directory: LiveDirectory, administrator: Any) -> None:
    run(directory, BASIC, {})
    run(directory, EXCHANGE, {})
    run(directory, HASHES, {})
    result = run(directory, EXCHANGE, {}, revoke=True)
    assert any("another feature" in warning for warning in result.warnings)
    hashes = expected_aces(HASHES, "domain root", CONNECTOR_SID)
    both = set(expected_aces(BASIC, "domain root", CONNECTOR_SID)) | set(hashes)
    assert aces_of(administrator, DOMAIN) == sorted(both)
    run(directory, BASIC, {}, revoke=True)
    assert aces_of(administrator, DOMAIN) == sorted(hashes)


def test_a_right_of_the_domain_root_is_left_out_on_an_ou_and_said(directory: LiveDirectory) -> None:
    result = run(directory, PASSWORDS, {"ad_object_dn": OU}, what_if=True)
    assert any("Unexpire-Password belongs to the root of the domain" in w for w in result.warnings)


def test_microsofts_entries_on_admin_sd_holder_are_said_to_take_no_effect(directory: LiveDirectory) -> None:
    result = run(directory, EXCHANGE, {"compat": "1.x"}, what_if=True)
    assert any("inherit-only, as build 1.x writes them, and take no effect" in w for w in result.warnings)


def test_public_folders_without_exchange_are_a_clear_error(directory: LiveDirectory) -> None:
    with pytest.raises(adsyncconfig.UnknownName, match="schema has no class 'publicFolder'"):
        adsyncconfig.set_adsync_exchange_mail_public_folder_permissions(
            directory, ad_connector_account_dn=CONNECTOR_DN
        )


# -- the account's own object --------------------------------------------------------------------------------


RESTRICTED = "Set-ADSyncRestrictedPermissions"


@pytest.fixture
def account_restored(administrator: Any) -> Iterator[None]:
    before = trying.read_descriptor(administrator, CONNECTOR_DN)
    yield
    assert trying.write_dacl(administrator, CONNECTOR_DN, before) == SUCCESS


@pytest.mark.usefixtures("account_restored")
def test_a_restricted_account_keeps_self_and_its_administrators_alone(
    directory: LiveDirectory, contoso: DomainController, administrator: Any, connect_as: ConnectAs
) -> None:
    delegate(administrator, "(OA;;CR;00299570-246d-11d0-a768-00aa006e0529;;<SID>)")
    helpdesk = connect_as(contoso, HELPDESK)
    before = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, CONNECTOR_DN))
    own = [
        ace_to_sddl(ace)
        for ace in before.dacl or ()
        if ace.sid == Sid.PRINCIPAL_SELF and not ace.is_inherited
    ]

    result = adsyncconfig.set_adsync_restricted_permissions(directory, ad_connector_account_dn=CONNECTOR_DN)
    assert [change.status for change in result.changes] == ["applied"]
    after = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, CONNECTOR_DN))
    assert after.dacl_is_protected
    assert own
    expected = [*own, *expected_aces(RESTRICTED, "account", CONNECTOR_SID)]
    assert sorted(ace_to_sddl(ace) for ace in after.dacl or ()) == sorted(expected)
    assert reset_password(helpdesk, CONNECTOR_DN) == REFUSED
    again = adsyncconfig.set_adsync_restricted_permissions(directory, ad_connector_account_dn=CONNECTOR_DN)
    assert [change.status for change in again.changes] == ["unchanged"]


@pytest.mark.usefixtures("account_restored")
def test_who_could_not_undo_the_restriction_is_stopped_before_it(
    contoso: DomainController, administrator: Any
) -> None:
    # Allowed to rewrite the account's permissions, but not by what the restriction leaves.
    delegate(administrator, "(A;;RCWDLCRPLO;;;<SID>)")
    before = trying.read_descriptor(administrator, CONNECTOR_DN)
    with (
        live(contoso, f"{HELPDESK}@{contoso.realm}") as directory,
        pytest.raises(adsyncconfig.UnsafePlan, match="could not change its permissions afterwards"),
    ):
        adsyncconfig.set_adsync_restricted_permissions(directory, ad_connector_account_dn=CONNECTOR_DN)
    assert trying.read_descriptor(administrator, CONNECTOR_DN) == before


def delegate(administrator: Any, ace: str) -> None:
    """Give the helpdesk account an entry on the connector's object."""
    administrator.search(
        f"CN={HELPDESK},OU=Users Synced,{DOMAIN}", "(objectClass=*)", ldap3.BASE, attributes=["objectSid"]
    )
    sid = Sid.from_bytes(administrator.response[0]["raw_attributes"]["objectSid"][0])
    descriptor = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, CONNECTOR_DN))
    added = SecurityDescriptor.from_sddl(f"D:{ace.replace('<SID>', str(sid))}").dacl
    assert added is not None
    assert descriptor.dacl is not None
    changed = descriptor.with_dacl((*added, *descriptor.dacl))
    assert trying.write_dacl(administrator, CONNECTOR_DN, changed.to_bytes()) == SUCCESS


# -- devices -------------------------------------------------------------------------------------------------


DEVICES = "Set-ADSyncDeviceWritebackPermissions"


def test_device_writeback_on_the_containers_that_are_there(
    directory: LiveDirectory, connector: Any, administrator: Any
) -> None:
    devices = f"CN=RegisteredDevices,{DOMAIN}"
    configuration = f"CN=Device Registration Configuration,CN=Services,CN=Configuration,{DOMAIN}"
    with pytest.raises(adsyncconfig.UnknownName, match="enable device writeback"):
        adsyncconfig.set_adsync_device_writeback_permissions(directory, ad_connector_account_dn=CONNECTOR_DN)
    with made(administrator, devices, "container"), made(administrator, configuration, "container"):
        inside = f"CN=A Device,{devices}"
        assert trying.create(connector, inside, "container") == REFUSED
        adsyncconfig.set_adsync_device_writeback_permissions(directory, ad_connector_account_dn=CONNECTOR_DN)
        assert aces_of(administrator, devices) == expected_aces(DEVICES, "RegisteredDevices", CONNECTOR_SID)
        assert aces_of(administrator, configuration) == expected_aces(
            DEVICES, "Device Registration Configuration", CONNECTOR_SID
        )
        assert trying.create(connector, inside, "container") == SUCCESS
        assert trying.write(connector, inside, "description", "x") == SUCCESS
        assert trying.delete(connector, inside) == SUCCESS
        assert trying.write(connector, configuration, "description", "x") == SUCCESS
        adsyncconfig.set_adsync_device_writeback_permissions(
            directory, ad_connector_account_dn=CONNECTOR_DN, revoke=True
        )
        assert aces_of(administrator, devices) == aces_of(administrator, configuration) == []


@contextlib.contextmanager
def made(administrator: Any, dn: str, object_class: str) -> Iterator[None]:
    assert trying.create(administrator, dn, object_class) == SUCCESS, administrator.result
    try:
        yield
    finally:
        assert trying.delete(administrator, dn) == SUCCESS, administrator.result
