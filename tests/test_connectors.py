"""Get-ADSyncADConnectorAccount: connector accounts found by name, description, kind and rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from samba_lab import CONTOSO, EMEA, DomainController, Forest
from snapshot_edits import add_entry, edit_entry
from test_commands import assert_one_line_error, connection, run

import adsyncconfig
from acl import AccessMask, Ace, Sid
from adsyncconfig import ConnectorAccounts, Directory
from adsyncconfig.connectors import Installation
from adsyncconfig.schema import Kind, bundled

CMDLET = "Get-ADSyncADConnectorAccount"
DOMAIN = "DC=contoso,DC=example"
GET_CHANGES = bundled(Kind.RIGHT)["DS-Replication-Get-Changes"]
GET_CHANGES_ALL = bundled(Kind.RIGHT)["DS-Replication-Get-Changes-All"]
BY_NAME = "a name that begins with MSOL_"
BY_DESCRIPTION = "the installation text of its description"


def find(directory: Directory) -> ConnectorAccounts:
    return adsyncconfig.get_adsync_ad_connector_account(directory)


def give(directory: Directory, sid: str, *rights: UUID | None, deny: bool = False, flags: int = 0) -> None:
    """Write control access entries on the root of the directory's domain; None is every extended right."""
    root = directory.root.default_naming_context
    descriptor = directory.get(root, ["nTSecurityDescriptor"]).security_descriptor()
    assert descriptor.dacl is not None
    make = Ace.deny if deny else Ace.allow
    aces = [
        make(Sid.from_string(sid), AccessMask.DS_CONTROL_ACCESS, object_type=right, flags=flags)
        for right in rights
    ]
    directory.write_dacl(root, descriptor.with_dacl((*aces, *descriptor.dacl)))


def sid_of(directory: Directory, dn: str) -> str:
    return str(directory.get(dn, ["objectSid"]).sid())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Account created by Microsoft Azure Active Directory Connect with installation identifier 0123456789ab"
            " running on computer CONNECT1 configured to synchronize to tenant contoso.example. This account must"
            " have directory replication permissions in the local Active Directory.",
            Installation("0123456789ab", "CONNECT1", "contoso.example"),
        ),
        (
            "Account created by the Windows Azure Active Directory Sync tool with installation identifier"
            " '22222222-3333-4444-8555-666666666666' running on computer 'SYNC-01' configured to synchronize to"
            " tenant 'contoso.onmicrosoft.com'. This account must have directory replication permissions.",
            Installation("22222222-3333-4444-8555-666666666666", "SYNC-01", "contoso.onmicrosoft.com"),
        ),
        (
            "Service account for the Synchronization Service with installation identifier"
            " 11111111-2222-4333-8444-555555555555 running on computer CONNECT2.",
            Installation("11111111-2222-4333-8444-555555555555", "CONNECT2", None),
        ),
        (
            "Account created by Microsoft Entra Connect with installation identifier 8f2 running on server AADC01"
            " configured to synchronize to tenant contoso.example",
            Installation("8f2", "AADC01", "contoso.example"),
        ),
        ("running on AADC02", Installation(None, "AADC02", None)),
        ("Konto von Microsoft Entra Connect mit der Installations-ID 8f2", Installation()),
        ("installation identifier", Installation()),
        ("", Installation()),
    ],
)
def test_the_installation_text_of_several_builds(text: str, expected: Installation) -> None:
    assert Installation.parse(text) == expected


def test_the_installers_account_is_found_by_its_name_and_described(either: Directory) -> None:
    found = find(either)
    (account,) = found.accounts
    assert account.to_json() == {
        "ADConnectorName": "contoso.example",
        "ADConnectorForest": "contoso.example",
        "ADConnectorAccountName": CONNECTOR,
        "ADConnectorAccountDomain": "contoso.example",
        "sid": CONNECTOR_SID,
        "dn": CONNECTOR_DN,
        "foundBy": [BY_NAME, BY_DESCRIPTION],
        "server": "CONNECT1",
        "tenant": "contoso.example",
        "installationIdentifier": "0123456789ab4cdef0123456789abcde",
        "enabled": True,
    }
    assert (found.searched, found.unreachable, found.unread, found.warnings) == (
        ("contoso.example",),
        (),
        (),
        (),
    )
    assert found.is_complete


def test_whoever_holds_both_replication_rights_is_found(either: Directory) -> None:
    one, two = (f"CN=User {name},OU=Users Synced,{DOMAIN}" for name in ("One", "Two"))
    give(either, sid_of(either, one), GET_CHANGES, GET_CHANGES_ALL)
    give(either, sid_of(either, two), GET_CHANGES)  # as BasicRead grants it: no secrets
    give(either, CONNECTOR_SID, GET_CHANGES_ALL, GET_CHANGES)
    found = {account.name: account.found_by for account in find(either).accounts}
    assert found == {
        CONNECTOR: (BY_NAME, BY_DESCRIPTION, f"the replication rights on {DOMAIN}"),
        "user1": (f"the replication rights on {DOMAIN}",),
    }


def test_every_extended_right_holds_them_too_a_deny_and_an_inherit_only_entry_do_not(
    either: Directory,
) -> None:
    one, two = (f"CN=User {name},OU=Users Synced,{DOMAIN}" for name in ("One", "Two"))
    contact = f"CN=helpdesk,OU=Users Synced,{DOMAIN}"
    give(either, sid_of(either, one), None)
    give(either, sid_of(either, two), GET_CHANGES, GET_CHANGES_ALL, deny=True)
    give(either, sid_of(either, contact), GET_CHANGES, GET_CHANGES_ALL, flags=0xA)
    found = {account.name: account.found_by for account in find(either).accounts}
    assert found == {
        CONNECTOR: (BY_NAME, BY_DESCRIPTION),
        "user1": (f"every extended right on {DOMAIN}",),
    }


def test_groups_and_sids_that_nobody_has_are_warned_of(either: Directory) -> None:
    group, nobody = f"CN=Engineers,OU=Groups,{DOMAIN}", f"{CONTOSO.sid}-4711"
    for sid in (sid_of(either, group), nobody):
        give(either, sid, GET_CHANGES, GET_CHANGES_ALL)
    found = find(either)
    assert [account.name for account in found.accounts] == [CONNECTOR]
    said = sorted(found.warnings)
    assert len(said) == 2
    assert said[0].startswith(f"{nobody} holds the replication rights on {DOMAIN}")
    assert f"Remove-ADSyncPermissions -Sid {nobody}" in said[0]
    assert said[1].startswith(f"the group '{group}' holds the replication rights on {DOMAIN}")


@pytest.fixture
def gmsa(contoso: DomainController, administrator: Any) -> Iterator[str]:
    dn = f"CN=provAgentgMSA,CN=Managed Service Accounts,{contoso.base_dn}"
    administrator.add(
        dn,
        "msDS-GroupManagedServiceAccount",
        {
            "sAMAccountName": "pGMSA_01234567$",
            "msDS-ManagedPasswordInterval": "30",
            "userAccountControl": str(0x1000),
        },
    )
    assert administrator.result["description"] == "success", administrator.result
    yield dn
    assert trying.delete(administrator, dn) == trying.SUCCESS


def test_a_gmsa_of_cloud_sync_is_found_on_the_controller(contoso: DomainController, gmsa: str) -> None:
    with live(contoso) as directory:
        found = {account.name: account for account in find(directory).accounts}
    account = found["pGMSA_01234567$"]
    assert (account.dn, account.found_by) == (gmsa, ("the name of a gMSA of Cloud Sync",))
    assert account.installation == Installation()


def test_accounts_of_every_kind_in_a_snapshot(snapshot_file: Path) -> None:
    def add(name: str, sam: str, *classes: str, **more: str) -> None:
        attributes = {"objectclass": ["top", *classes], "name": [name], "samaccountname": [sam]}
        rid = 2000 + sum(map(ord, sam))
        attributes |= {"objectsid": [f"{CONTOSO.sid}-{rid}"]} | {key: [value] for key, value in more.items()}
        add_entry(snapshot_file, f"CN={name},CN=Users,{DOMAIN}", attributes, like=CONNECTOR_DN)

    gmsa = ("person", "organizationalPerson", "user", "computer", "msDS-GroupManagedServiceAccount")
    add("provAgentgMSA", "pGMSA_01234567$", *gmsa, useraccountcontrol="4096")
    add("sqlAgent", "sqlAgent$", *gmsa, useraccountcontrol="4096")
    add("AAD_0123456789cd", "AAD_0123456789cd", "person", "user", useraccountcontrol="514")
    add("MSOL_renamed", "msol_lower", "person", "user")
    add("MSOL_AD_Sync_RichCoexistence", "MSOL_AD_Sync_RichCoexistence", "group")
    found = find(adsyncconfig.open_snapshot(snapshot_file))
    assert {account.name: (account.found_by, account.enabled) for account in found.accounts} == {
        "AAD_0123456789cd": (("a name that begins with AAD_",), False),
        CONNECTOR: ((BY_NAME, BY_DESCRIPTION), True),
        "msol_lower": ((BY_NAME,), None),
        "pGMSA_01234567$": (("the name of a gMSA of Cloud Sync",), True),
    }


@pytest.mark.usefixtures("forest_restored")
def test_every_domain_of_the_forest_is_searched(forest: Forest) -> None:
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        child = directory.for_domain(forest.child.realm)
        dn = f"CN=User Emea,CN=Users,{forest.child.base_dn}"
        # Rights on its own domain, and on the forest's root domain, of which it is no account.
        give(child, sid_of(child, dn), GET_CHANGES, GET_CHANGES_ALL)
        give(directory, sid_of(child, dn), GET_CHANGES, GET_CHANGES_ALL)
        found = find(directory)
    assert [(account.name, account.domain) for account in found.accounts] == [
        (CONNECTOR, CONTOSO.realm),
        ("user-emea", EMEA.realm),
    ]
    emea = found.accounts[1]
    assert (emea.forest, emea.dn) == (CONTOSO.realm, dn)
    assert set(emea.found_by) == {
        f"the replication rights on {forest.root.base_dn}",
        f"the replication rights on {forest.child.base_dn}",
    }
    assert found.searched == (CONTOSO.realm, EMEA.realm)


def test_a_domain_that_cannot_be_reached_is_said_and_the_rest_is_found(forest: Forest) -> None:
    env = connection(forest.root)
    done = run(
        "-Server",
        forest.root.url,
        "-Server",
        f"{forest.child.realm}=ldaps://127.0.0.1:1",
        "--json",
        env=env,
        cmdlet=CMDLET,
    )
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert [account["ADConnectorAccountName"] for account in document["accounts"]] == [CONNECTOR]
    assert (document["searched"], document["unreachable"]) == ([CONTOSO.realm], [EMEA.realm])
    assert "WARNING: emea.contoso.example was not searched: " in done.stderr


@pytest.mark.usefixtures("permissions_restored")
def test_a_root_whose_permissions_may_not_be_read_is_said(
    contoso: DomainController, administrator: Any, connect_as: ConnectAs
) -> None:
    descriptor = adsyncconfig.SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, DOMAIN))
    assert descriptor.dacl is not None
    deny = Ace.deny(Sid.AUTHENTICATED_USERS, AccessMask.READ_CONTROL)
    closed = descriptor.with_dacl((deny, *descriptor.dacl)).to_bytes()
    assert trying.write_dacl(administrator, DOMAIN, closed) == trying.SUCCESS
    with live(contoso, f"helpdesk@{contoso.realm}") as directory:
        found = find(directory)
    assert [account.name for account in found.accounts] == [CONNECTOR]
    assert (found.unread, found.is_complete) == ((DOMAIN,), False)
    assert "who holds the replication rights there is not known" in found.warnings[0]


# -- as a command --------------------------------------------------------------------------------------------


def test_the_command_prints_each_form(snapshot_file: Path) -> None:
    at = ["--snapshot", str(snapshot_file)]
    done = run(*at, cmdlet=CMDLET)
    assert done.returncode == 0
    assert f"ADConnectorAccountName   : {CONNECTOR}\n" in done.stdout
    assert f"foundBy                  : {BY_NAME}; {BY_DESCRIPTION}\n" in done.stdout
    assert done.stderr == "1 found in contoso.example.\n"
    table = run(*at, "--format", "table", cmdlet=CMDLET).stdout.splitlines()
    assert table[0].split() == [
        "ADConnectorAccountName", "ADConnectorAccountDomain", "enabled", "server", "tenant", "foundBy",
    ]  # fmt: skip
    assert table[2].split()[:5] == [CONNECTOR, "contoso.example", "True", "CONNECT1", "contoso.example"]
    assert json.loads(run(*at, "--json", cmdlet=CMDLET).stdout)["accounts"][0]["sid"] == CONNECTOR_SID
    assert_one_line_error(run(*at, "--json", "--format", "list", cmdlet=CMDLET), 2, "contradict each other")


def test_a_description_with_escape_sequences_does_not_reach_the_terminal(snapshot_file: Path) -> None:
    def describe(record: dict[str, Any]) -> None:
        record["attributes"]["description"] = ["running on computer EVIL\x1b[31m\x07 configured"]

    edit_entry(snapshot_file, CONNECTOR_DN, describe)
    for form in ("list", "table"):
        done = run("--snapshot", str(snapshot_file), "--format", form, cmdlet=CMDLET)
        assert done.returncode == 0
        assert "EVIL\\x1b[31m\\x07" in done.stdout
        assert "\x1b" not in done.stdout


def test_nothing_found_is_said(snapshot_file: Path) -> None:
    def rename(record: dict[str, Any]) -> None:
        record["attributes"]["samaccountname"] = ["plain"]

    edit_entry(snapshot_file, CONNECTOR_DN, rename)
    done = run("--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 found in contoso.example.\n")


def test_the_command_on_the_controller(contoso: DomainController) -> None:
    done = run("--json", env=connection(contoso), cmdlet=CMDLET)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["dn"] for each in json.loads(done.stdout)["accounts"]] == [CONNECTOR_DN]
