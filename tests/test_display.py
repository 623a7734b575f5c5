"""Show-ADSyncADObjectPermissions: the layout of dsacls to the column, and the same as table and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID, HOSTILE_OUS
from expectations import FIXTURES, GROUP_WRITEBACK, expected_aces
from samba_lab import CONTOSO, DomainController
from snapshot_edits import edit_entry
from test_commands import assert_one_line_error, connection, run

import adsyncconfig
from acl import AccessMask, Ace, AceType, Acl, SecurityDescriptor, Sid
from adsyncconfig import Directory
from adsyncconfig.display import ObjectPermissions, dsacls_lines, rights_in_letters, rights_in_words
from adsyncconfig.names import KnownNames, Names, ObjectType, ObjectTypeKind

CMDLET = "Show-ADSyncADObjectPermissions"
DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
VECTORS = sorted((FIXTURES / "dsacls").glob("*.txt"))


def vector(path: Path, directory: Directory) -> tuple[SecurityDescriptor, KnownNames, str]:
    """A vector's descriptor, its names (the well-known ones and those of the bundled table too), and its text."""
    head, _, text = path.read_text(encoding="utf-8").partition("----\n")
    sddl, trustees, classes = "", {}, {}
    for line in head.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "sddl":
            sddl += rest
        elif kind == "name":
            sid, _, name = rest.partition(" ")
            trustees[Sid.from_string(sid)] = name
        elif kind == "class":
            guid, _, name = rest.partition(" ")
            classes[UUID(guid)] = (ObjectType(name, ObjectTypeKind.CLASS),)
    domain_sid = Sid.from_string(CONTOSO.sid)
    descriptor = SecurityDescriptor.from_sddl(sddl, domain_sid=domain_sid, forest_root_sid=domain_sid)
    found = Names(directory).of(SecurityDescriptor(dacl=descriptor.dacl))
    well_known = {
        sid: name for sid, name in Names(directory).of(descriptor).trustees.items() if sid.domain is None
    }
    return descriptor, KnownNames(well_known | trustees, {**found.object_types, **classes}), text


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_layout(path: Path, snapshot_file: Path) -> None:
    descriptor, names, text = vector(path, adsyncconfig.open_snapshot(snapshot_file))
    assert "".join(f"{line}\n" for line in dsacls_lines(descriptor, names)) == text


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 7


def test_an_entry_of_an_unknown_kind_is_shown_as_it_is(snapshot_file: Path) -> None:
    ace = Ace.from_bytes(bytes((0x42, 0x00, 0x08, 0x00, 1, 2, 3, 4)))
    descriptor = SecurityDescriptor(dacl=Acl((ace,)))
    shown = ObjectPermissions(OU, descriptor, Names(adsyncconfig.open_snapshot(snapshot_file)).of(descriptor))
    assert "(type 66, 4200080001020304)" in "\n".join(shown.to_dsacls())
    (permission,) = shown.to_json()["accessList"]
    assert (permission["type"], permission["sid"], permission["sddl"]) == (
        "Other",
        None,
        "(type 66, 4200080001020304)",
    )


@pytest.mark.parametrize(
    ("mask", "letters", "words"),
    [
        (0xF01FF, "GA", ("FULL CONTROL",)),
        (AccessMask.GENERIC_ALL, "GA", ("FULL CONTROL",)),
        (0x30, "WPRP", ("WRITE PROPERTY", "READ PROPERTY")),
        (0x100008, "WS0x100000", ("WRITE SELF", "0x100000")),
        (0, "", ()),
    ],
)
def test_rights(mask: int, letters: str, words: tuple[str, ...]) -> None:
    assert (rights_in_letters(AccessMask(mask)), rights_in_words(AccessMask(mask))) == (letters, words)


def test_what_was_granted_shows_on_the_directory(either: Directory) -> None:
    adsyncconfig.set_adsync_unified_group_writeback_permissions(
        either, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=OU
    )
    shown = adsyncconfig.show_adsync_ad_object_permissions(either, ad_object_dn="ou=WRITEBACK," + DOMAIN)
    lines = list(shown.to_dsacls())
    mine = lines.index("Allow CONTOSO\\MSOL_0123456789ab       SPECIAL ACCESS")
    assert lines[mine + 1 : mine + 11] == [
        f"{'':38}{right}"
        for right in (
            "DELETE", "READ PERMISSONS", "CREATE CHILD", "DELETE CHILD", "LIST CONTENTS", "WRITE SELF",
            "WRITE PROPERTY", "READ PROPERTY", "DELETE TREE", "LIST OBJECT",
        )
    ]  # fmt: skip
    assert lines[:2] == ["Owner: CONTOSO\\Domain Admins", "Group: CONTOSO\\Domain Admins"]
    assert lines.count("Inherited to group") == 1
    assert lines[-1] == "The command completed successfully"

    document = shown.to_json()
    assert (document["dn"], document["protected"], document["canonicalOrder"]) == (OU, False, True)
    assert document["owner"] == {"name": "CONTOSO\\Domain Admins", "sid": f"{CONTOSO.sid}-512"}
    (entry,) = [each for each in document["accessList"] if each["sid"] == CONNECTOR_SID]
    assert entry.pop("sddl") == expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)[0]
    assert entry == {
        "type": "Allow",
        "trustee": "CONTOSO\\MSOL_0123456789ab",
        "sid": CONNECTOR_SID,
        "rights": [
            "DELETE", "READ PERMISSONS", "CREATE CHILD", "DELETE CHILD", "LIST CONTENTS", "WRITE SELF",
            "WRITE PROPERTY", "READ PROPERTY", "DELETE TREE", "LIST OBJECT",
        ],
        "objectType": None,
        "inheritedObjectType": "group",
        "appliesTo": "this object and group objects below",
        "inherited": False,
    }  # fmt: skip


@pytest.mark.parametrize("dn", HOSTILE_OUS)
def test_names_that_need_escaping_are_shown(either: Directory, dn: str) -> None:
    assert adsyncconfig.show_adsync_ad_object_permissions(either, ad_object_dn=dn).dn == dn


def test_where_entries_apply() -> None:
    names = KnownNames({}, {})
    texts = {
        "": "this object only",
        "CI": "this object and all objects below",
        "CIIO": "all objects below",
        "CINP": "this object and all objects one level below",
        "IO": "nothing",
    }
    for flags, text in texts.items():
        descriptor = SecurityDescriptor.from_sddl(f"O:SYG:SYD:(A;{flags};RP;;;SY)")
        (permission,) = ObjectPermissions(OU, descriptor, names).permissions
        assert permission.applies_to == text
        assert permission.ace.type is AceType.ACCESS_ALLOWED


# -- as a command --------------------------------------------------------------------------------------------


def test_the_command_prints_each_form(snapshot_file: Path) -> None:
    at = ["--snapshot", str(snapshot_file)]
    text, named = (
        run(OU, *at, cmdlet=CMDLET),
        run("-ADobjectDN", OU, *at, "--format", "dsacls", cmdlet=CMDLET),
    )
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout == named.stdout
    assert text.stdout.startswith("Owner: CONTOSO\\Domain Admins\n")
    for arguments in (["--json"], ["--format", "json"]):
        document = json.loads(run(OU, *at, *arguments, cmdlet=CMDLET).stdout)
        assert (document["cmdlet"], document["dn"]) == (CMDLET, OU)
    table = run(OU, *at, "--format", "table", cmdlet=CMDLET).stdout.splitlines()
    assert table[0] == OU
    assert table[4].split() == ["Type", "Trustee", "Rights", "On", "Applies", "to", "Inherited"]
    assert any(line.split()[:4] == ["Allow", "CONTOSO\\Domain", "Admins", "GA"] for line in table)


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        ([], 2, "ADobjectDN"),
        (["Writeback"], 2, "-ADobjectDN 'Writeback' is no distinguished name"),
        ([f"OU=Gone,{DOMAIN}"], 1, "no object 'OU=Gone"),
        (["OU=X,DC=fabrikam,DC=example"], 1, "in no domain of this forest"),
        ([OU, "--format", "table", "--json"], 2, "contradict each other"),
        ([OU, "--format", "yaml"], 2, "yaml"),
    ],
)
def test_bad_input_is_one_line(snapshot_file: Path, arguments: list[str], code: int, pattern: str) -> None:
    done = run(*arguments, "--snapshot", str(snapshot_file), cmdlet=CMDLET)
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2


def test_names_with_escape_sequences_do_not_reach_the_terminal(snapshot_file: Path) -> None:
    def rename(record: dict[str, Any]) -> None:
        record["attributes"]["samaccountname"] = ["Domain\x1b[31m\nAdmins"]

    edit_entry(snapshot_file, f"CN=Domain Admins,CN=Users,{DOMAIN}", rename)
    for form in ("dsacls", "table"):
        done = run(OU, "--snapshot", str(snapshot_file), "--format", form, cmdlet=CMDLET)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout
        assert "CONTOSO\\Domain\\x1b[31m\\nAdmins" in done.stdout


def test_the_command_on_the_controller(contoso: DomainController) -> None:
    done = run(contoso.base_dn, env=connection(contoso), cmdlet=CMDLET)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Allow NT AUTHORITY\\ENTERPRISE DOMAIN CONTROLLERS\n" in done.stdout
    assert f"{'':38}Replicating Directory Changes\n" in done.stdout
    assert "Inherited to user\n" in done.stdout


def test_permissions_that_may_not_be_read_are_an_error(
    contoso: DomainController, administrator: Any, connect_as: ConnectAs, permissions_restored: None
) -> None:
    before = trying.read_descriptor(administrator, OU)
    descriptor = SecurityDescriptor.from_bytes(before)
    assert descriptor.dacl is not None
    deny = Ace.deny(Sid.AUTHENTICATED_USERS, AccessMask.READ_CONTROL)
    closed = descriptor.with_dacl((deny, *descriptor.dacl)).to_bytes()
    assert trying.write_dacl(administrator, OU, closed) == trying.SUCCESS
    with (
        live(contoso, f"helpdesk@{contoso.realm}") as directory,
        pytest.raises(adsyncconfig.AccessDenied, match="may not read the permissions of 'OU=Writeback"),
    ):
        adsyncconfig.show_adsync_ad_object_permissions(directory, ad_object_dn=OU)
