"""Get-ADSyncObjectsWithInheritanceDisabled: what is protected, what was read, and what could not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import HOSTILE_OUS
from pytest_mock import MockerFixture
from samba_lab import DomainController, Forest
from snapshot_edits import edit_entry, replace_descriptor
from test_commands import assert_one_line_error, connection, run

import adsyncconfig
from acl import AccessMask, Ace, SecurityDescriptor, Sid
from acl.edit import protect
from adsyncconfig import Directory, InheritanceSearch, ParameterError, UnknownName

CMDLET = "Get-ADSyncObjectsWithInheritanceDisabled"
DOMAIN = "DC=contoso,DC=example"
BLOCKED = f"OU=Blocked,{DOMAIN}"
OU = f"OU=Writeback,{DOMAIN}"


def search(directory: Directory, search_base: str, *object_class: str) -> tuple[list[str], InheritanceSearch]:
    """The DNs found, and the search when it is over."""
    more: dict[str, Any] = {"object_class": object_class[0]} if object_class else {}
    found = adsyncconfig.get_adsync_objects_with_inheritance_disabled(
        directory, search_base=search_base, **more
    )
    return [each.distinguished_name for each in found], found


def close(directory: Directory, dn: str) -> None:
    """Turn inheritance off, as an administrator would, on this object alone."""
    descriptor = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()
    directory.write_dacl(dn, protect(descriptor, keep_inherited=True))


def test_organizational_units_by_default_in_a_domain_by_any_name(either: Directory) -> None:
    for base in (DOMAIN, "contoso.example", "CONTOSO", "dc=CONTOSO, dc=Example"):
        found, finished = search(either, base)
        assert found == [BLOCKED]
        assert finished.read > 10
        assert finished.unreadable == []


def test_any_class_and_one_class(either: Directory) -> None:
    group = f"CN=Team Blue,{OU}"
    before = either.get(group, ["nTSecurityDescriptor"]).security_descriptor()
    close(either, group)
    try:
        assert search(either, OU)[0] == []
        everything, finished = search(either, OU, "*")
        assert everything == [group]
        assert search(either, OU, "GROUP")[0] == [group]
        assert search(either, OU, "user")[0] == []
        assert finished.read == 5
        # The base itself counts.
        assert search(either, group, "*")[0] == [group]
    finally:
        either.write_dacl(group, before)


@pytest.mark.parametrize("dn", HOSTILE_OUS)
def test_names_that_need_escaping_are_found(either: Directory, dn: str) -> None:
    close(either, dn)
    assert search(either, dn)[0] == [dn]
    assert dn in search(either, DOMAIN)[0]


def test_an_object_in_another_domain_is_looked_for_there(forest: Forest) -> None:
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        found, finished = search(directory, f"OU=Writeback,{forest.child.base_dn}", "*")
        assert (found, finished.read) == ([], 2)
        assert search(directory, "emea")[0] == []
        # The root's search ends where the child begins.
        assert search(directory, "contoso.example")[0] == [BLOCKED]


@pytest.mark.usefixtures("permissions_restored")
def test_what_may_not_be_read_is_counted_and_never_clean(
    contoso: DomainController, administrator: Any, connect_as: ConnectAs
) -> None:
    descriptor = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, OU))
    assert descriptor.dacl is not None
    deny = Ace.deny(Sid.AUTHENTICATED_USERS, AccessMask.READ_CONTROL)
    closed = descriptor.with_dacl((deny, *descriptor.dacl)).to_bytes()
    assert trying.write_dacl(administrator, OU, closed) == trying.SUCCESS
    with live(contoso, f"helpdesk@{contoso.realm}") as directory:
        found, finished = search(directory, DOMAIN)
    assert found == [BLOCKED]
    assert finished.unreadable == [OU]

    env = {**connection(contoso), "ADSYNCCONFIG_USER": f"helpdesk@{contoso.realm}"}
    done = run(OU, env=env, cmdlet=CMDLET)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"WARNING: 1 objects could not be read, and may have inheritance disabled: '{OU}'" in done.stderr
    assert "1 objects read, 0 with inheritance disabled, 1 not readable." in done.stderr


def test_what_a_snapshot_lacks_or_has_malformed_is_not_readable(snapshot_file: Path) -> None:
    nested, green = f"OU=Nested,{OU}", f"CN=Team Green,{OU}"
    edit_entry(snapshot_file, nested, lambda record: record.update(descriptor=None))
    replace_descriptor(snapshot_file, green, b"\x01\x00\x04")
    found, finished = search(adsyncconfig.open_snapshot(snapshot_file), OU, "*")
    assert (found, finished.read, sorted(finished.unreadable)) == ([], 3, sorted([nested, green]))


def test_the_directory_may_be_used_while_objects_come(
    contoso: DomainController, directory: Any, mocker: MockerFixture
) -> None:
    mocker.patch("adsyncconfig.live.PAGE_SIZE", 3)
    alone, finished = search(directory, DOMAIN, "*")
    found = adsyncconfig.get_adsync_objects_with_inheritance_disabled(
        directory, search_base=DOMAIN, object_class="*"
    )
    together = []
    for each in found:
        adsyncconfig.show_adsync_ad_object_permissions(directory, ad_object_dn=each.distinguished_name)
        together.append(each.distinguished_name)
    assert together == alone
    assert found.read == finished.read > 100


def test_progress_is_told(snapshot_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsyncconfig.inheritance._PROGRESS", 2)
    told: list[str] = []
    directory = adsyncconfig.open_snapshot(snapshot_file)
    found = adsyncconfig.get_adsync_objects_with_inheritance_disabled(
        directory, search_base=OU, object_class="*", notify=told.append
    )
    assert list(found) == []
    assert told == [f"2 objects read below '{OU}'.", f"4 objects read below '{OU}'."]


@pytest.mark.parametrize(
    ("search_base", "object_class", "error", "pattern"),
    [
        # What bash makes of -SearchBase OU=Sync Groups,DC=x without quotes.
        (
            "OU=Sync",
            "Groups,DC=x",
            ParameterError,
            r"-ObjectClass 'Groups,DC=x'.*-SearchBase 'OU=Sync Groups,DC=x'",
        ),
        (DOMAIN, "organizational unit", ParameterError, "no class name"),
        (DOMAIN, "", ParameterError, "no class name"),
        (DOMAIN, "*)(objectClass=*", ParameterError, "no class name"),
        (DOMAIN, "groop", UnknownName, "schema has no class 'groop'"),
        (DOMAIN, "member", UnknownName, "schema has no class 'member'"),
        ("Writeback", "*", UnknownName, "no domain 'Writeback' in this forest"),
        ("OU=", "*", ParameterError, "-SearchBase 'OU='"),
        (f"OU=Gone,{DOMAIN}", "*", UnknownName, "no object 'OU=Gone"),
        ("DC=fabrikam,DC=example", "*", UnknownName, "in no domain of this forest"),
    ],
)
def test_bad_input_is_named(
    snapshot_file: Path, search_base: str, object_class: str, error: type[Exception], pattern: str
) -> None:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    with pytest.raises(error, match=pattern):
        search(directory, search_base, object_class)


# -- as a command --------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_json(snapshot_file: Path) -> None:
    at = ["--snapshot", str(snapshot_file)]
    table = run("-SearchBase", DOMAIN, *at, cmdlet=CMDLET)
    assert table.returncode == 0
    assert table.stdout.splitlines() == [
        "ObjectClass              adminCount  DistinguishedName",
        f"organizationalUnit                   {BLOCKED}",
    ]
    assert table.stderr.endswith(" objects read, 1 with inheritance disabled, 0 not readable.\n")

    done = run(DOMAIN, "organizationalUnit", "--json", *at, cmdlet=CMDLET)
    document = json.loads(done.stdout)
    guid = document["objects"][0].pop("ObjectGUID")
    assert guid is None or len(guid) == 36
    assert document == {
        "cmdlet": CMDLET,
        "searchBase": DOMAIN,
        "objectClass": "organizationalUnit",
        "read": document["read"],
        "objects": [
            {
                "DistinguishedName": BLOCKED,
                "Name": "Blocked",
                "ObjectClass": "organizationalUnit",
                "ObjectSID": None,
                "sAMAccountName": None,
                "adminCount": False,
            }
        ],
        "unreadable": [],
    }


def test_the_command_names_what_it_cannot_take(snapshot_file: Path) -> None:
    at = ["--snapshot", str(snapshot_file)]
    # As a shell splits it.
    done = run("-SearchBase", "OU=Sync", "Groups,DC=contoso,DC=example", *at, cmdlet=CMDLET)
    assert_one_line_error(done, 2, "quote it: -SearchBase 'OU=Sync Groups,DC=contoso,DC=example'")
    done = run("-SearchBase", DOMAIN, "-ObjectClass", "groop", *at, cmdlet=CMDLET)
    assert_one_line_error(done, 1, "no class 'groop'")
    done = run(*at, cmdlet=CMDLET)
    assert_one_line_error(done, 2, "SearchBase", lines=2)
