"""The audit on a snapshot: what it finds, what it leaves alone, and what it says of what it could not read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from snapshot_edits import edit_entry, replace_descriptor

import adsyncconfig
from acl import Ace, SecurityDescriptor
from acl.edit import protect
from acl.sddl import ace_from_sddl
from adsyncconfig import AuditReport, ParameterError, UnknownName
from adsyncconfig.findings import Finding

DOMAIN = "DC=contoso,DC=example"
ACCOUNT = f"CN=MSOL_0123456789ab,CN=Users,{DOMAIN}"
SID = "S-1-5-21-1004336348-1177238915-682003330-1102"
GONE = "S-1-5-21-1004336348-1177238915-682003330-9999"
OU = f"OU=Writeback,{DOMAIN}"
USERS = f"OU=Users Synced,{DOMAIN}"
USER = f"CN=User One,{USERS}"
GROUP = "bf967a9c-0de6-11d0-a285-00aa003049e2"


def audited(path: Path, **parameters: Any) -> AuditReport:
    with adsyncconfig.open_snapshot(path) as directory:
        return adsyncconfig.invoke_adsync_permissions_audit(directory, **parameters)


def descriptor_of(path: Path, dn: str) -> SecurityDescriptor:
    with adsyncconfig.open_snapshot(path) as directory:
        return directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()


def change(path: Path, dn: str, aces: Callable[[tuple[Ace, ...]], Iterable[Ace]]) -> None:
    """Write another list on one object; what is below it stays as it is."""
    before = descriptor_of(path, dn)
    replace_descriptor(path, dn, before.with_dacl(aces(before.dacl.aces if before.dacl else ())).to_bytes())


def add(path: Path, dn: str, *rules: str) -> None:
    """Add explicit entries in canonical places."""
    new = [ace_from_sddl(rule) for rule in rules]
    change(path, dn, lambda aces: (*[a for a in new if a.is_deny], *[a for a in new if not a.is_deny], *aces))


def of(report: AuditReport, rule: str) -> list[Finding]:
    return [each for each in report.findings if each.rule.id == rule]


def ids(report: AuditReport) -> set[str]:
    return {each.rule.id for each in report.findings}


def test_a_domain_without_grants_has_nothing_missing_and_nothing_left_over(snapshot_file: Path) -> None:
    report = audited(snapshot_file)
    assert [each.principal.dn for each in report.accounts] == [ACCOUNT]
    assert report.accounts[0].inferred
    assert report.accounts[0].features == ()
    assert not [each for each in report.findings if each.rule.category.value != "takeover"]
    assert report.read > 50
    assert report.is_complete
    assert {place.dn for place in report.tree} >= {DOMAIN, OU, USERS}


@pytest.mark.parametrize(
    ("function", "parameters", "feature"),
    [
        ("set_adsync_basic_read_permissions", {}, "BasicRead"),
        ("set_adsync_exchange_hybrid_permissions", {}, "ExchangeHybrid"),
        ("set_adsync_exchange_hybrid_permissions", {"least_privilege": True}, "ExchangeHybrid"),
        ("set_adsync_ms_ds_consistency_guid_permissions", {}, "MsDsConsistencyGuid"),
        ("set_adsync_password_hash_sync_permissions", {}, "PasswordHashSync"),
        ("set_adsync_password_writeback_permissions", {}, "PasswordWriteback"),
        ("set_adsync_unified_group_writeback_permissions", {"ad_object_dn": OU}, "UnifiedGroupWriteback"),
        (
            "set_adsync_unified_group_writeback_permissions",
            {"ad_object_dn": OU, "least_privilege": True},
            "UnifiedGroupWriteback",
        ),
    ],
)
def test_a_grant_tells_its_feature_and_no_other(
    snapshot_file: Path, function: str, parameters: dict[str, Any], feature: str
) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        getattr(adsyncconfig, function)(directory, ad_connector_account_dn=ACCOUNT, **parameters)
    assert audited(snapshot_file).accounts[0].features == (feature,)


def test_features_that_are_named_are_those_that_count(snapshot_file: Path) -> None:
    report = audited(snapshot_file, feature=["passwordwriteback"], ad_connector_account_dn=ACCOUNT)
    assert report.accounts[0].features == ("PasswordWriteback",)
    assert not report.accounts[0].inferred
    (found,) = of(report, "missing-grant")
    assert found.dn == DOMAIN
    assert found.mend == (
        f"Set-ADSyncPasswordWritebackPermissions -ADConnectorAccountDN {ACCOUNT} -ADobjectDN {DOMAIN}"
    )
    assert (
        "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;" + SID + ")"
        in [each.sddl for each in found.evidence]
    )


def test_an_entry_of_a_sid_that_nobody_has_is_told_once_with_its_objects(snapshot_file: Path) -> None:
    add(snapshot_file, OU, f"(A;;RP;;;{GONE})")
    add(snapshot_file, USER, f"(A;;RP;;;{GONE})")
    (found,) = of(audited(snapshot_file), "debris-unknown-sid")
    assert {found.dn, *found.others} == {OU, USER}
    assert found.count == 2
    assert found.trustee == GONE
    assert found.mend == f"Remove-ADSyncPermissions -Sid {GONE}"
    assert [each.sddl for each in found.evidence] == [f"(A;;RP;;;{GONE})"]


@pytest.mark.parametrize(
    "sid",
    [
        "S-1-5-21-9-9-9-1105",  # of a domain that is not in the forest: perhaps trusted
        "S-1-5-21-1004336348-1177238915-682003330-553",  # what Windows itself names
        "S-1-15-3-1024-1065365936-1281604716-3511738428-1654721687-432734479-3232135806-4053264122-3456934681",
        SID,
    ],
)
def test_a_sid_that_somebody_has_or_may_have_is_no_debris(snapshot_file: Path, sid: str) -> None:
    add(snapshot_file, OU, f"(A;;RP;;;{sid})")
    assert not of(audited(snapshot_file), "debris-unknown-sid")


def test_a_sid_that_somebody_had_before_is_no_debris(snapshot_file: Path) -> None:
    add(snapshot_file, OU, f"(A;;RP;;;{GONE})")
    edit_entry(snapshot_file, USER, lambda record: record["attributes"].update(sIDHistory=[GONE]))
    assert not of(audited(snapshot_file), "debris-unknown-sid")


def test_permissions_that_cannot_be_read_are_a_finding_and_the_rest_is_audited(snapshot_file: Path) -> None:
    replace_descriptor(snapshot_file, USER, b"\x01\x00\x04\x80 nonsense")
    edit_entry(snapshot_file, f"CN=Team Blue,{OU}", lambda record: record.update(descriptor=None))
    add(snapshot_file, OU, f"(A;;RP;;;{GONE})")
    report = audited(snapshot_file)
    assert {each.dn for each in of(report, "unreadable-permissions")} == {USER, f"CN=Team Blue,{OU}"}
    assert report.unreadable == 2
    assert not report.is_complete
    assert report.exit_code == 3
    assert of(report, "debris-unknown-sid")


def test_an_account_that_is_not_there_and_a_feature_that_is_none(snapshot_file: Path) -> None:
    with pytest.raises(UnknownName, match="there is no account 'CN=Nobody"):
        audited(snapshot_file, ad_connector_account_dn=f"CN=Nobody,{DOMAIN}")
    with pytest.raises(ParameterError, match="did you mean PasswordWriteback"):
        audited(snapshot_file, feature=["PasswordWritback"])
    with pytest.raises(UnknownName, match="there is no object"):
        audited(snapshot_file, search_base=f"OU=Nowhere,{DOMAIN}")


def test_inheritance_that_is_blocked_is_told_at_the_container_with_what_is_below(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        adsyncconfig.set_adsync_password_writeback_permissions(directory, ad_connector_account_dn=ACCOUNT)
    closed = protect(descriptor_of(snapshot_file, USERS), keep_inherited=False)
    replace_descriptor(snapshot_file, USERS, closed.to_bytes())
    found = [each for each in of(audited(snapshot_file), "missing-inheritance-blocked") if each.dn == USERS]
    (blocked,) = found
    assert "below it" in blocked.message
    assert blocked.mend == (
        f"Set-ADSyncPasswordWritebackPermissions -ADConnectorAccountDN {ACCOUNT} -ADobjectDN '{USERS}'"
    )
    assert {each.origin for each in blocked.evidence} == {DOMAIN}


def granted(path: Path, function: str, **parameters: Any) -> None:
    with adsyncconfig.open_snapshot(path) as directory:
        getattr(adsyncconfig, function)(directory, ad_connector_account_dn=ACCOUNT, **parameters)


ANCHOR = "23773dc2-b63a-11d2-90e1-00c04fd91ab1"
USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"


def test_a_deny_that_names_the_account_is_mended_and_one_of_a_group_is_only_told(snapshot_file: Path) -> None:
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions")
    own = f"(OD;CIIO;WP;{ANCHOR};{USER_CLASS};{SID})"
    group = f"(OD;CIIO;WP;{ANCHOR};{USER_CLASS};AU)"
    add(snapshot_file, USERS, own)
    (mended,) = of(audited(snapshot_file), "ineffective-deny")
    assert mended.mend == f"Remove-ADSyncAccessRule -ADobjectDN '{USERS}' -Rule '{own}'"
    add(snapshot_file, OU, group)
    (told,) = (each for each in of(audited(snapshot_file), "ineffective-deny") if each.dn == OU)
    assert told.mend is None
    assert told.trustee == "NT AUTHORITY\\Authenticated Users"
    assert told.advice is not None


def test_a_deny_that_decides_nothing_of_the_features_is_no_finding(snapshot_file: Path) -> None:
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions")
    add(snapshot_file, USERS, f"(D;CI;SD;;;{SID})")
    assert not of(audited(snapshot_file), "ineffective-deny")


def test_an_order_that_matters_is_told_with_what_would_change(snapshot_file: Path) -> None:
    allow = f"(OA;CIIO;WP;{ANCHOR};{USER_CLASS};{SID})"
    deny = f"(OD;CIIO;WP;{ANCHOR};{USER_CLASS};{SID})"
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions", ad_object_dn=USERS)
    front = [ace_from_sddl(allow), ace_from_sddl(deny)]
    change(snapshot_file, USERS, lambda aces: (*front, *(each for each in aces if each.sid != front[0].sid)))
    (found,) = of(audited(snapshot_file, feature=["MsDsConsistencyGuid"]), "ineffective-order")
    assert "in order, write mS-DS-ConsistencyGuid of a user: no" in found.message
    assert found.mend == f"Repair-ADSyncDaclOrder -ADobjectDN '{USERS}'"


def test_an_order_among_others_entries_is_not_the_connector_s(snapshot_file: Path) -> None:
    add(snapshot_file, USERS, "(A;;RP;;;AU)")
    change(snapshot_file, USERS, lambda aces: (*aces, ace_from_sddl("(D;;SD;;;S-1-5-32-546)")))
    assert not of(audited(snapshot_file), "ineffective-order")


def test_inherit_only_entries_on_admin_sd_holder_do_nothing(snapshot_file: Path) -> None:
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions", compat="1.x")
    found = [each for each in of(audited(snapshot_file), "missing-inherit-only") if each.dn == HOLDER]
    (idle,) = found
    assert idle.mend is not None
    assert idle.mend.startswith(f"Remove-ADSyncAccessRule -ADobjectDN {HOLDER} -Rule '(OA;CIIO;")
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions", include_admin_sd_holders=True)
    assert not [each for each in of(audited(snapshot_file), "missing-inherit-only") if each.dn == HOLDER]


def test_entries_that_others_hold_twice_are_not_the_connector_s(snapshot_file: Path) -> None:
    add(snapshot_file, OU, "(A;CI;RPWP;;;S-1-5-32-548)", "(A;CI;RP;;;S-1-5-32-548)")
    assert not ids(audited(snapshot_file)) & {"debris-duplicate", "debris-inherited-already"}
    add(snapshot_file, OU, f"(A;CI;RPWP;;;{SID})", f"(A;CI;RP;;;{SID})", f"(A;CIIO;LC;;;{SID})")
    (found,) = of(audited(snapshot_file), "debris-duplicate")
    assert found.mend == f"Remove-ADSyncAccessRule -ADobjectDN {OU} -Rule '(A;CI;RP;;;{SID})'"


def test_a_connector_owns_what_it_wrote_back_and_nothing_else(snapshot_file: Path) -> None:
    owned = replace(
        descriptor_of(snapshot_file, f"CN=Team Blue,{OU}"), owner=ace_from_sddl(f"(A;;RP;;;{SID})").sid
    )
    for dn in (f"CN=Team Blue,{OU}", USER):
        replace_descriptor(snapshot_file, dn, owned.to_bytes())
    assert {each.dn for each in of(audited(snapshot_file), "debris-owner")} == {f"CN=Team Blue,{OU}", USER}
    name = "Group_5a3c1c5e-6d0f-4b8e-9a51-0c0ffee0000a"
    edit_entry(
        snapshot_file,
        f"CN=Team Blue,{OU}",
        lambda record: record["attributes"].update(adminDescription=[name]),
    )
    (found,) = of(audited(snapshot_file), "debris-owner")
    assert found.dn == USER
    domain_admins = f"{SID.rpartition('-')[0]}-512"
    assert found.mend == f"Set-ADSyncObjectOwner -ADobjectDN '{USER}' -Owner {domain_admins}"


def test_group_writeback_on_a_domain_alone_creates_no_groups(snapshot_file: Path) -> None:
    granted(snapshot_file, "set_adsync_unified_group_writeback_permissions", force=True)
    (found,) = of(audited(snapshot_file), "missing-group-creation")
    assert found.dn == DOMAIN
    assert found.mend is None  # nothing tells which OU is meant
    name = "Group_5a3c1c5e-6d0f-4b8e-9a51-0c0ffee0000a"
    edit_entry(
        snapshot_file,
        f"CN=Team Blue,{OU}",
        lambda record: record["attributes"].update(adminDescription=[name]),
    )
    (found,) = of(audited(snapshot_file), "missing-group-creation")
    assert found.mend == (
        f"Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN {ACCOUNT} -ADobjectDN {OU} "
        "-LeastPrivilege"
    )
    granted(snapshot_file, "set_adsync_unified_group_writeback_permissions", ad_object_dn=OU)
    assert not of(audited(snapshot_file), "missing-group-creation")


def test_what_windows_marks_as_critical_and_the_connector_itself_are_not_synchronised(
    snapshot_file: Path,
) -> None:
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions")
    granted(snapshot_file, "set_adsync_restricted_permissions")
    closed = protect(descriptor_of(snapshot_file, USER), keep_inherited=False)
    for dn in (USER, f"CN=Guest,CN=Users,{DOMAIN}"):
        replace_descriptor(snapshot_file, dn, closed.to_bytes())
    critical = {"isCriticalSystemObject": ["TRUE"]}
    edit_entry(
        snapshot_file, f"CN=Guest,CN=Users,{DOMAIN}", lambda record: record["attributes"].update(critical)
    )
    found = {each.dn for each in of(audited(snapshot_file), "missing-inheritance-blocked")}
    assert USER in found
    assert not found & {f"CN=Guest,CN=Users,{DOMAIN}", ACCOUNT}


def test_a_search_base_takes_what_it_inherits_for_its_own_and_says_where_it_comes_from(
    snapshot_file: Path,
) -> None:
    granted(snapshot_file, "set_adsync_ms_ds_consistency_guid_permissions")
    add(snapshot_file, USERS, f"(OD;CIIO;WP;{ANCHOR};{USER_CLASS};{SID})")
    nested = f"OU=Nested,{OU}"
    report = audited(snapshot_file, search_base=nested)
    assert report.bases == (nested,)
    assert report.accounts[0].features == ("MsDsConsistencyGuid",)
    assert not of(report, "missing-grant")
    assert {place.dn for place in report.tree} == {nested}


def test_the_command_writes_a_new_file_for_its_owner_alone(snapshot_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "audit.json"
    line = [
        sys.executable,
        "-c",
        "from cli.main import adsyncconfig as a; a()",
        "Invoke-ADSyncPermissionsAudit",
    ]
    line += ["--snapshot", str(snapshot_file), "--format", "json", "--output", str(output)]
    first = subprocess.run(line, capture_output=True, text=True, check=False)
    assert first.returncode == 3, first.stderr
    assert output.stat().st_mode & 0o777 == 0o600
    assert json.loads(output.read_text())["read"] > 50
    again = subprocess.run(line, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "is there already: name a new file, or add -Force" in again.stderr
    assert subprocess.run([*line, "-Force"], capture_output=True, check=False).returncode == 3


def test_a_snapshot_is_audited_as_of_the_day_it_was_taken_and_what_it_lacks_is_not_taken_for_read(
    snapshot_file: Path,
) -> None:
    lines = snapshot_file.read_text(encoding="utf-8").splitlines()
    header = json.loads(lines[0]) | {"taken": "2026-03-01T12:00:00+00:00", "notRead": ["OU=Far: too far"]}
    snapshot_file.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n", encoding="utf-8")
    report = audited(snapshot_file)
    assert report.not_read == ("OU=Far: too far",)
    assert not report.is_complete
    assert any("a snapshot of 2026-03-01 12:00 UTC" in each for each in report.warnings)
