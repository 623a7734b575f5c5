"""Names of SIDs and GUIDs: from the table, from the live directory, from the other domains of the forest."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from conftest import live
from contoso_directory import CONNECTOR_SID, HOSTILE_ACCOUNT_DN, HOSTILE_ACCOUNT_NAME
from pytest_mock import MockerFixture
from samba_lab import CONTOSO, EMEA, Forest
from snapshot_edits import add_entry

import adsyncconfig
from acl import AccessMask, Sid
from adsyncconfig import Directory
from adsyncconfig.filters import Equals
from adsyncconfig.names import BATCH, Names, ObjectType, ObjectTypeKind

MEMBER = UUID("bf9679c0-0de6-11d0-a285-00aa003049e2")
GROUP = UUID("bf967a9c-0de6-11d0-a285-00aa003049e2")
MAIL = UUID("bf967961-0de6-11d0-a285-00aa003049e2")
RESET_PASSWORD = UUID("00299570-246d-11d0-a768-00aa006e0529")
DNS_HOST_NAME = UUID("72e39547-7b18-11d1-adef-00c04fd8d5cd")
NOBODY = Sid.from_string(f"{CONTOSO.sid}-4711")


def sid(text: str) -> Sid:
    return Sid.from_string(text)


def test_accounts_and_groups_go_by_domain_and_account_name(either: Directory) -> None:
    hostile = either.get(HOSTILE_ACCOUNT_DN, ["objectSid"]).sid()
    assert hostile is not None
    wanted = {
        sid(CONNECTOR_SID): "CONTOSO\\MSOL_0123456789ab",
        sid(f"{CONTOSO.sid}-512"): "CONTOSO\\Domain Admins",
        hostile: f"CONTOSO\\{HOSTILE_ACCOUNT_NAME}",
        sid("S-1-5-32-554"): "BUILTIN\\Pre-Windows 2000 Compatible Access",
        sid("S-1-5-10"): "NT AUTHORITY\\SELF",
        sid("S-1-1-0"): "Everyone",
        sid("S-1-3-0"): "CREATOR OWNER",
    }
    unknown = [NOBODY, sid("S-1-5-80-1-2-3-4-5"), sid("S-1-5-21-1-2-3-1105")]
    assert Names(either).trustees([*wanted, *unknown]) == wanted


def test_more_than_one_batch_is_found_whole_and_asked_once(either: Directory, mocker: MockerFixture) -> None:
    names = Names(either)
    many = [sid(f"{CONTOSO.sid}-{rid}") for rid in range(500, 500 + 2 * BATCH + 20)]
    found = names.trustees(many)
    assert found[many[0]] == "CONTOSO\\Administrator"
    assert found[sid(f"{CONTOSO.sid}-519")] == "CONTOSO\\Enterprise Admins"
    assert len(found) < len(many)

    search = mocker.spy(type(either), "search")
    assert names.trustees(many) == found
    assert search.call_count == 0


def test_guids_go_by_rights_first_then_by_the_schema(either: Directory) -> None:
    names = Names(either)
    unknown = UUID(int=7)
    assert names.object_types([MEMBER, GROUP, MAIL, RESET_PASSWORD, DNS_HOST_NAME, unknown]) == {
        MEMBER: (ObjectType("Add/Remove self as member", ObjectTypeKind.VALIDATED_WRITE),),
        GROUP: (ObjectType("group", ObjectTypeKind.CLASS),),
        MAIL: (ObjectType("mail", ObjectTypeKind.ATTRIBUTE),),
        # Samba's own display name of it is "User Force Change Password".
        RESET_PASSWORD: (ObjectType("Reset Password", ObjectTypeKind.CONTROL_ACCESS),),
        DNS_HOST_NAME: (
            ObjectType("DNS Host Name Attributes", ObjectTypeKind.PROPERTY_SET),
            ObjectType("Validated write to DNS host name", ObjectTypeKind.VALIDATED_WRITE),
        ),
    }


def test_of_two_names_the_rights_of_the_entry_choose(snapshot_file: Path) -> None:
    directory = adsyncconfig.open_snapshot(snapshot_file)
    descriptor = adsyncconfig.SecurityDescriptor.from_sddl(f"O:SYG:SYD:(OA;;SW;{DNS_HOST_NAME};;PS)")
    known = Names(directory).of(descriptor)
    validated = known.object_type(DNS_HOST_NAME, AccessMask.DS_WRITE_PROPERTY_EXTENDED)
    assert validated.name == "Validated write to DNS host name"
    assert known.object_type(DNS_HOST_NAME, AccessMask.DS_READ_PROPERTY).name == "DNS Host Name Attributes"
    # What is not known stands for what its rights are about.
    nothing = UUID(int=9)
    assert known.object_type(nothing, AccessMask.DS_CREATE_CHILD) == ObjectType(
        str(nothing), ObjectTypeKind.CLASS
    )
    assert known.object_type(nothing, AccessMask.DS_CONTROL_ACCESS).kind is ObjectTypeKind.CONTROL_ACCESS
    assert known.object_type(nothing, AccessMask.DS_READ_PROPERTY).kind is ObjectTypeKind.PROPERTY_SET


def test_a_right_and_a_class_that_only_this_forest_has_go_by_its_own_names(snapshot_file: Path) -> None:
    right, cls = UUID("d7aab2b1-2f1a-4f0b-9a8e-5c1e9d3a7b01"), UUID("d7aab2b1-2f1a-4f0b-9a8e-5c1e9d3a7b02")
    add_entry(
        snapshot_file,
        "CN=Contoso-Approve,CN=Extended-Rights,CN=Configuration,DC=contoso,DC=example",
        {
            "objectclass": ["top", "controlAccessRight"],
            "cn": ["Contoso-Approve"],
            "displayname": ["Approve"],
            "rightsguid": [str(right).upper()],
            "validaccesses": ["256"],
        },
    )
    add_entry(
        snapshot_file,
        "CN=Contoso-Badge,CN=Schema,CN=Configuration,DC=contoso,DC=example",
        {
            "objectclass": ["top", "classSchema"],
            "ldapdisplayname": ["contosoBadge"],
            "schemaidguid": [str(cls)],
        },
    )
    assert Names(adsyncconfig.open_snapshot(snapshot_file)).object_types([right, cls]) == {
        right: (ObjectType("Approve", ObjectTypeKind.CONTROL_ACCESS),),
        cls: (ObjectType("contosoBadge", ObjectTypeKind.CLASS),),
    }


def test_another_domains_accounts_are_found_there(forest: Forest) -> None:
    theirs = sid(f"{EMEA.sid}-512")
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        names = Names(directory)
        assert names.trustees([theirs, sid(f"{CONTOSO.sid}-512")]) == {
            theirs: "EMEA\\Domain Admins",
            sid(f"{CONTOSO.sid}-512"): "CONTOSO\\Domain Admins",
        }
        assert names.notices == ()


def test_a_domain_that_cannot_be_reached_costs_its_names_and_is_said(forest: Forest) -> None:
    ours, theirs = sid(f"{CONTOSO.sid}-512"), sid(f"{EMEA.sid}-512")
    with live(forest.root, servers={forest.child.realm: "ldaps://127.0.0.1:1"}) as directory:
        names = Names(directory)
        # The SIDs of the own domain, nobody's too, need no other domain.
        assert names.trustees([ours, NOBODY]) == {ours: "CONTOSO\\Domain Admins"}
        assert list(names.notices) == []
        assert names.trustees([ours, theirs]) == {ours: "CONTOSO\\Domain Admins"}
        assert [notice.partition(": ")[0] for notice in names.notices] == [
            "the accounts of emea.contoso.example are shown as SIDs"
        ]


def test_a_filter_takes_a_sid_as_text_on_both(either: Directory) -> None:
    found = either.search("DC=contoso,DC=example", Equals("objectSid", "S-1-5-32-544"), ["name"])
    assert [entry.text("name") for entry in found] == ["Administrators"]
    assert list(either.search("DC=contoso,DC=example", Equals("objectSid", "S-1-5-32-9999"), ["name"])) == []
