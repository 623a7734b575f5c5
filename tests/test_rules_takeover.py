"""Who could take a connector over: each rule on lists by hand, and what a default domain gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_facts import (
    ACCOUNT_DN,
    BOB,
    DOMAIN,
    DOMAIN_ADMINS,
    NOW,
    ROOT,
    context,
    ids,
    same_entry,
    seen,
    trustee,
)
from snapshot_edits import replace_descriptor

import adsyncconfig
from acl import SecurityDescriptor, Sid
from acl.sddl import ace_from_sddl
from adsyncconfig import AuditReport
from adsyncconfig.facts import AuditContext, SeenObject, Trustee, WatchedAs
from adsyncconfig.findings import Finding
from adsyncconfig.rules_account import CHECKS as ACCOUNT_CHECKS
from adsyncconfig.rules_takeover import CHECKS

# What Set-ADSyncRestrictedPermissions writes (cmdlets of Microsoft's, section Restricted).
LOCKED = "O:DAD:P(A;;GA;;;SY)(A;;GA;;;EA)(A;;GA;;;DA)(A;;GA;;;BA)(A;;GR;;;ED)(A;;GR;;;AU)"
# The defaults of the class organizationalUnit, owner and all (MS-ADSC, class organizationalUnit).
DEFAULT_OU = (
    "O:DAD:AI(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;SY)(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;DA)(OA;;CCDC;[user];;AO)"
    "(OA;;CCDC;[group];;AO)(OA;;CCDC;[printQueue];;PO)(A;;RPLCLORC;;;AU)(A;;LCRPLORC;;;ED)"
    "(OA;;CCDC;[inetOrgPerson];;AO)(OA;;CCDC;[computer];;AO)(OA;CIID;RPWP;[msDS-KeyCredentialLink];;KA)"
    "(OA;CIIOID;SW;[DS-Validated-Write-Computer];[computer];PS)(A;CIID;LC;;;RU)"
)
OU = f"OU=Stage,{ROOT}"
HOLDER = f"CN=AdminSDHolder,CN=System,{ROOT}"


def account(dacl: str, object_class: str = "user") -> SeenObject:
    return seen(ACCOUNT_DN, dacl, object_class)


def look(known: AuditContext, checks: Iterable[Any] = CHECKS) -> list[Finding]:
    return [finding for check in checks for finding in check.look(known)]


def on_account(dacl: str, **more: Any) -> list[Finding]:
    return look(context(account=account(dacl), **more))


def test_a_locked_account_in_a_default_domain_gives_nothing() -> None:
    above = seen(f"CN=Users,{ROOT}", DEFAULT_OU, "container")
    known = context(
        account=account(LOCKED),
        watched=[
            (above, WatchedAs.ABOVE_ACCOUNT, ACCOUNT_DN),
            (seen(OU, DEFAULT_OU), WatchedAs.WRITEBACK, OU),
        ],
        holder=seen(
            HOLDER, "O:DAD:P(A;;RPWPCRCCDCLCLORCWOWDSW;;;DA)(A;;GR;;;AU)(OA;;CR;[User-Change-Password];;WD)"
        ),
    )
    assert look(known) == []
    assert look(known, ACCOUNT_CHECKS) == []


@pytest.mark.parametrize(
    ("entry", "trustee", "words"),
    [
        ("(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;AO)", "BUILTIN\\Account Operators", "do everything with it"),
        ("(OA;;CR;[User-Force-Change-Password];;HELPDESK)", "CONTOSO\\Helpdesk", "reset its password"),
        ("(A;;CR;;;HELPDESK)", "CONTOSO\\Helpdesk", "use every extended right on it"),
        ("(A;;WD;;;BOB)", "CONTOSO\\bob", "change its permissions"),
        ("(A;;WO;;;BOB)", "CONTOSO\\bob", "take ownership of it"),
        ("(A;CIID;WP;;;BOB)", "CONTOSO\\bob", "write every attribute of it"),
        ("(OA;;WP;[msDS-KeyCredentialLink];;BOB)", "CONTOSO\\bob", "log on as it with a new key"),
        ("(OA;;WP;[altSecurityIdentities];;BOB)", "CONTOSO\\bob", "log on as it with a certificate"),
        ("(OA;;WP;[servicePrincipalName];;BOB)", "CONTOSO\\bob", "guessed offline"),
        ("(OA;;WP;[User-Account-Restrictions];;BOB)", "CONTOSO\\bob", "weaken how it logs on"),
        ("(A;;WD;;;WD)", "Everyone", "change its permissions"),
        ("(A;;GA;;;AU)", "NT AUTHORITY\\Authenticated Users", "do everything with it"),
        ("(A;;WD;;;S-1-5-21-9-9-9-1000)", "S-1-5-21-9-9-9-1000", "change its permissions"),
        ("(A;;GW;;;S-1-5-21-9-9-9-512)", "S-1-5-21-9-9-9-512", "write every attribute of it"),
    ],
)  # fmt: skip
def test_who_controls_an_account_is_found(entry: str, trustee: str, words: str) -> None:
    (finding,) = on_account(LOCKED + entry)
    assert finding.rule.id == "takeover-account"
    assert finding.trustee == trustee
    assert finding.account == "MSOL_0123456789ab"
    assert words in finding.message
    assert [same_entry(each.sddl, entry) or entry.count("WD;;;WD") for each in finding.evidence]
    assert finding.mend == f"Set-ADSyncRestrictedPermissions -ADConnectorAccountDN {ACCOUNT_DN}"


@pytest.mark.parametrize(
    "entry",
    [
        "(A;;GR;;;BOB)",  # reading
        "(A;CIIO;GA;;;BOB)",  # not in effect
        "(A;;GA;;;ADMIN)",  # a member of Domain Admins
        "(A;;GA;;;S-1-5-21-1-2-3-526)",  # Key Admins
        "(A;;GA;;;ME)",  # itself: another rule's
        "(A;;GA;;;PS)",
        "(A;;GA;;;CO)",
        "(A;;GA;;;GONE)",  # nobody has it
        "(OA;;WP;[description];;BOB)",
        "(OA;;CR;[User-Change-Password];;WD)",  # takes the old password
        "(A;;SDDCDT;;;BOB)",  # deleting it takes nothing over
        "(OA;;WP;[member];;BOB)",  # a user has no members
    ],
)
def test_who_does_not_is_not(entry: str) -> None:
    assert on_account(LOCKED + entry) == []


def test_who_may_only_read_is_not_looked_up() -> None:
    asked: list[Sid] = []

    def ask(sid: Sid) -> Trustee:
        asked.append(sid)
        return trustee(sid)

    readers = "".join(
        f"(A;;GR;;;{DOMAIN.child(rid)})(OA;;WP;[mail];;{DOMAIN.child(rid)})" for rid in range(2000, 2100)
    )
    known = replace(context(account=account(LOCKED + readers + "(A;;WD;;;BOB)")), trustee=ask)
    assert ids(look(known)) == ["takeover-account"]
    assert set(asked) == {BOB}


def test_a_denial_in_front_counts_for_whom_it_is() -> None:
    deny = "O:DAD:P(D;;WD;;;HELPDESK)(A;;WD;;;BOB)"
    assert on_account(deny) == []  # bob is in Helpdesk
    assert ids(on_account(deny.replace("BOB", "HELPERS"))) == ["takeover-account"]


def test_an_owner_outside_tier_0_is_found_and_given_to_domain_admins() -> None:
    (finding,) = on_account(LOCKED.replace("O:DA", "O:BOB"))
    assert finding.rule.id == "takeover-owner"
    assert finding.trustee == "CONTOSO\\bob"
    assert finding.mend == f"Set-ADSyncObjectOwner -ADobjectDN {ACCOUNT_DN} -Owner {DOMAIN_ADMINS}"
    assert on_account(LOCKED.replace("O:DA", "O:BA")) == []
    # An entry for OWNER RIGHTS decides what an owner may do.
    assert on_account(LOCKED.replace("O:DA", "O:BOB") + "(A;;RC;;;OW)") == []
    assert ids(on_account(LOCKED.replace("O:DA", "O:BOB") + "(A;;WDRC;;;OW)")) == ["takeover-account"]


def test_owners_of_managed_accounts_count_unless_the_forest_blocks_them() -> None:
    owned = account(LOCKED.replace("O:DA", "O:BOB"), "msDS-GroupManagedServiceAccount")
    known = context(account=owned, object_class="msDS-GroupManagedServiceAccount")
    (finding,) = look(known)
    assert finding.rule.id == "takeover-owner"
    assert look(replace(known, heuristics="00000000010000000002000000001")) == []


def test_a_managed_account_is_taken_over_by_who_says_who_reads_its_password() -> None:
    entry = "(OA;;WP;[msDS-GroupMSAMembership];;BOB)"
    gmsa = "msDS-GroupManagedServiceAccount"
    (finding,) = look(context(account=account(LOCKED + entry, gmsa), object_class=gmsa))
    assert finding.rule.id == "takeover-account"
    assert finding.mend == f"Set-AADCloudSyncRestrictedPermissions -ADConnectorAccountDN {ACCOUNT_DN}"


def test_of_a_group_it_is_said_that_its_members_are_meant() -> None:
    (group,) = on_account(LOCKED + "(A;;WD;;;HELPDESK)")
    assert group.message.startswith("Everybody in CONTOSO\\Helpdesk can ")
    assert group.advice is not None
    assert "CONTOSO\\Helpdesk" in group.advice
    (person,) = on_account(LOCKED + "(A;;WD;;;BOB)")
    assert person.message.startswith("CONTOSO\\bob can ")
    assert person.advice is None


def above(dacl: str, role: WatchedAs, target: str, *, dn: str = OU, locked: str = LOCKED) -> list[Finding]:
    object_class = "domainDNS" if dn == ROOT else "organizationalUnit"
    subject = seen(dn, dacl, object_class)
    return look(context(account=account(locked), watched=[(subject, role, target)]))


OPEN = "O:DAD:AI(A;;GA;;;DA)"


@pytest.mark.parametrize(
    ("role", "dn", "locked", "rule"),
    [
        (WatchedAs.WRITEBACK, OU, LOCKED, "takeover-writeback-container"),
        (WatchedAs.ABOVE_WRITEBACK, OU, LOCKED, "takeover-above"),
        (WatchedAs.ABOVE_ACCOUNT, OU, OPEN, "takeover-above"),
        (WatchedAs.ABOVE_ACCOUNT, OU, LOCKED, "takeover-above-blocked"),
        (WatchedAs.ABOVE_ACCOUNT, ROOT, LOCKED, "takeover-domain"),
        (WatchedAs.ABOVE_WRITEBACK, ROOT, LOCKED, "takeover-domain"),
    ],
)
@pytest.mark.parametrize(
    "entry", ["(A;CI;GA;;;HELPDESK)", "(A;;WD;;;HELPDESK)", "(OA;;WP;[gPLink];;HELPDESK)"]
)
def test_who_controls_a_container_is_found_where_the_entry_stands(
    role: WatchedAs, dn: str, locked: str, rule: str, entry: str
) -> None:
    target = ACCOUNT_DN if role is WatchedAs.ABOVE_ACCOUNT else f"OU=Groups,{OU}"
    (finding,) = above(DEFAULT_OU + entry, role, target, dn=dn, locked=locked)
    assert finding.rule.id == rule
    assert finding.dn == dn
    assert finding.mend is not None
    assert finding.mend.startswith(f"Remove-ADSyncAccessRule -ADobjectDN {dn} -Rule ")
    # The same entry, inherited, is told where it comes from.
    inherited = entry.replace(";CI;", ";;").replace("A;;", "A;CIID;", 1)
    assert above(DEFAULT_OU + inherited, role, target, dn=dn, locked=locked) == []


@pytest.mark.parametrize(
    "entry",
    [
        "(OA;;CCDC;[user];;HELPDESK)",
        "(A;;CCDC;;;HELPDESK)",
        "(A;CIIO;GA;;;HELPDESK)",
        "(OA;CIIO;CR;[User-Force-Change-Password];[user];HELPDESK)",
        "(OA;;WP;[description];;HELPDESK)",
    ],
)
def test_what_gives_no_control_of_the_container_itself_is_left_alone(entry: str) -> None:
    assert above(DEFAULT_OU + entry, WatchedAs.WRITEBACK, OU) == []


def test_replication_rights_of_somebody_are_control_of_the_domain() -> None:
    found = above(
        DEFAULT_OU + "(OA;;CR;[DS-Replication-Get-Changes-All];;BOB)",
        WatchedAs.ABOVE_ACCOUNT,
        ACCOUNT_DN,
        dn=ROOT,
    )
    assert ids(found) == ["takeover-domain"]
    assert "password hashes" in found[0].message
    of_the_connector = DEFAULT_OU + "(OA;;CR;[DS-Replication-Get-Changes-All];;ME)"
    assert above(of_the_connector, WatchedAs.ABOVE_ACCOUNT, ACCOUNT_DN, dn=ROOT) == []


def test_blocked_inheritance_in_between_is_looked_at() -> None:
    upper, middle = seen(OU, DEFAULT_OU + "(A;CI;WD;;;BOB)"), f"OU=Middle,{OU}"
    target = f"OU=Groups,{middle}"
    for dacl, rule in (("O:DAD:P(A;;GA;;;DA)", "takeover-above-blocked"), (OPEN, "takeover-above")):
        known = context(
            account=account(LOCKED),
            watched=[
                (upper, WatchedAs.ABOVE_WRITEBACK, target),
                (seen(middle, dacl), WatchedAs.ABOVE_WRITEBACK, target),
                (seen(target, OPEN), WatchedAs.WRITEBACK, target),
            ],
        )
        assert ids(look(known)) == [rule]


@pytest.mark.parametrize(
    "entry",
    [
        "(A;;WD;;;BOB)",
        "(OA;;WP;[member];;BOB)",
        "(OA;;CR;[User-Force-Change-Password];;BOB)",
        "(OA;;WP;[msDS-KeyCredentialLink];;BOB)",
    ],
)
def test_who_controls_admin_sd_holder_is_found(entry: str) -> None:
    (finding,) = look(context(account=account(LOCKED), holder=seen(HOLDER, f"O:DAD:P{entry}", "container")))
    assert finding.rule.id == "takeover-admin-sd-holder"
    waits = entry.replace("A;;", "A;CIIO;")
    assert look(context(account=account(LOCKED), holder=seen(HOLDER, f"O:DAD:P{waits}", "container"))) == []


# -- the accounts themselves ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dacl", "why"),
    [
        (LOCKED, None),
        (LOCKED + "(OA;;RPWP;[Personal-Information];;PS)(OA;;CR;[User-Change-Password];;PS)", None),
        (LOCKED.replace("(A;;GR;;;AU)", ""), None),  # tighter still
        (LOCKED + "(A;;GR;;;HELPDESK)", None),
        (LOCKED.replace("D:P", "D:AI"), "it inherits"),
        (LOCKED + "(OA;;WP;[description];;HELPDESK)", "CONTOSO\\Helpdesk has more there than to read"),
    ],
)
def test_an_account_is_locked_or_it_is_told(dacl: str, why: str | None) -> None:
    found = look(context(account=account(dacl)), ACCOUNT_CHECKS)
    if why is None:
        assert found == []
    else:
        (finding,) = found
        assert finding.rule.id == "takeover-account-not-restricted"
        assert why in finding.message
        assert finding.mend == f"Set-ADSyncRestrictedPermissions -ADConnectorAccountDN {ACCOUNT_DN}"


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        ({"password_set": NOW - 90 * DAY}, []),
        ({"password_set": NOW - 91 * DAY}, ["takeover-old-password"]),
        ({"password_set": NOW - 91 * DAY, "object_class": "msDS-GroupManagedServiceAccount"}, []),
        ({"password_set": None}, []),
        ({"enabled": False}, ["takeover-unused-account"]),
        ({"enabled": False, "password_set": NOW - 900 * DAY}, ["takeover-unused-account"]),
        ({"last_logon": NOW - 91 * DAY}, ["takeover-unused-account"]),
        ({"last_logon": NOW - 90 * DAY, "created": NOW - 900 * DAY}, []),
        ({"created": NOW - 91 * DAY}, ["takeover-unused-account"]),
        ({"created": NOW - 89 * DAY}, []),
    ],
)
def test_old_passwords_and_unused_accounts_are_counted_in_days(
    facts: dict[str, Any], rules: list[str]
) -> None:
    assert ids(look(context("BasicRead", account=account(LOCKED), **facts), ACCOUNT_CHECKS)) == rules


def test_an_unused_account_without_rights_is_left_alone() -> None:
    root = seen(ROOT, "O:BAD:(A;;GR;;;AU)", "domainDNS")
    assert look(context(account=account(LOCKED), enabled=False, root=root), ACCOUNT_CHECKS) == []
    with_rights = seen(ROOT, "O:BAD:(OA;;CR;[DS-Replication-Get-Changes];;ME)", "domainDNS")
    (finding,) = look(context(account=account(LOCKED), enabled=False, root=with_rights), ACCOUNT_CHECKS)
    assert finding.mend == f"Remove-ADSyncPermissions -ADConnectorAccountDN {ACCOUNT_DN}"
    assert DOMAIN != Sid.EVERYONE


# -- a whole domain -----------------------------------------------------------------------------------------

CONTOSO = "DC=contoso,DC=example"
CONNECTOR = f"CN=MSOL_0123456789ab,CN=Users,{CONTOSO}"
WRITEBACK = f"OU=Writeback,{CONTOSO}"


def audited(path: Path) -> AuditReport:
    with adsyncconfig.open_snapshot(path) as directory:
        return adsyncconfig.invoke_adsync_permissions_audit(directory, ad_connector_account_dn=CONNECTOR)


def set_up(path: Path, *, least: bool) -> None:
    """A domain in which every feature is granted, and the account is locked."""
    with adsyncconfig.open_snapshot(path) as directory:
        narrow: dict[str, Any] = {"least_privilege": True} if least else {}
        account: dict[str, Any] = {"ad_connector_account_dn": CONNECTOR}
        adsyncconfig.set_adsync_basic_read_permissions(directory, **account)
        adsyncconfig.set_adsync_password_hash_sync_permissions(directory, **account)
        adsyncconfig.set_adsync_password_writeback_permissions(directory, **account)
        adsyncconfig.set_adsync_ms_ds_consistency_guid_permissions(directory, **account)
        adsyncconfig.set_adsync_exchange_hybrid_permissions(directory, **account, **narrow)
        adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory, ad_object_dn=WRITEBACK, **account, **narrow
        )
        adsyncconfig.set_adsync_restricted_permissions(directory, **account, force=True)


def excess_and_takeover(report: AuditReport) -> list[str]:
    return ids(each for each in report.findings if each.rule.category.value in ("excess", "takeover"))


def test_a_domain_set_up_with_least_privilege_is_clean(snapshot_file: Path) -> None:
    set_up(snapshot_file, least=True)
    assert excess_and_takeover(audited(snapshot_file)) == []


def test_a_domain_set_up_as_microsofts_module_does_is_told_what_is_wide(snapshot_file: Path) -> None:
    set_up(snapshot_file, least=False)
    assert excess_and_takeover(audited(snapshot_file)) == [
        "excess-exchange-hybrid-wide", "excess-group-writeback-wide",
    ]  # fmt: skip


def test_what_is_granted_and_not_named_is_too_much(snapshot_file: Path) -> None:
    set_up(snapshot_file, least=True)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        report = adsyncconfig.invoke_adsync_permissions_audit(
            directory, ad_connector_account_dn=CONNECTOR, feature=["BasicRead", "ExchangeHybrid"]
        )
    assert set(excess_and_takeover(report)) == {
        "excess-create-or-delete", "excess-exchange-hybrid-wide", "excess-other-right", "excess-replication",
        "excess-reset-password", "excess-source-anchor",
    }  # fmt: skip


def test_a_domain_as_it_is_made_warns_of_account_operators_alone(snapshot_file: Path) -> None:
    found = [each for each in audited(snapshot_file).findings if each.rule.category.value == "takeover"]
    assert ids(found) == ["takeover-account", "takeover-account-not-restricted"]
    assert {each.trustee for each in found} == {"BUILTIN\\Account Operators", None}


def test_where_an_entry_on_the_account_comes_from_is_said(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        before = directory.get(CONNECTOR, ["nTSecurityDescriptor"]).security_descriptor()
        parent = f"CN=Users,{CONTOSO}"
        above = directory.get(parent, ["nTSecurityDescriptor"]).security_descriptor()
    helpdesk = "S-1-5-21-1004336348-1177238915-682003330-1117"
    add(snapshot_file, parent, above, f"(A;CI;WD;;;{helpdesk})")
    add(snapshot_file, CONNECTOR, before, f"(A;CIID;WD;;;{helpdesk})")
    found = [each for each in audited(snapshot_file).findings if "WD;;;S-1" in str(each.evidence)]
    assert ids(found) == ["takeover-above", "takeover-account"]
    by_rule = {each.rule.id: each for each in found}
    assert by_rule["takeover-account"].evidence[0].origin == parent
    assert by_rule["takeover-above"].evidence[0].origin is None


def add(path: Path, dn: str, before: SecurityDescriptor, text: str) -> None:
    aces = before.dacl.aces if before.dacl else ()
    replace_descriptor(path, dn, before.with_dacl((*aces, ace_from_sddl(text))).to_bytes())


def test_an_audit_by_a_policy_tells_what_is_granted_elsewhere(snapshot_file: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f'[[accounts]]\ndn = "{CONNECTOR}"\n  [[accounts.grants]]\n  feature = "UnifiedGroupWriteback"\n'
        f'  scope = "{WRITEBACK}"\n  least_privilege = true\n',
        encoding="utf-8",
    )
    elsewhere = f"OU=Groups,{CONTOSO}"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        for dn in (WRITEBACK, elsewhere):
            adsyncconfig.set_adsync_unified_group_writeback_permissions(
                directory, ad_connector_account_dn=CONNECTOR, ad_object_dn=dn, least_privilege=True
            )
        adsyncconfig.set_adsync_restricted_permissions(
            directory, ad_connector_account_dn=CONNECTOR, force=True
        )
        report = adsyncconfig.invoke_adsync_permissions_audit(directory, policy=policy)
    found = [each for each in report.findings if each.rule.category.value in ("excess", "takeover")]
    assert {each.dn for each in found} == {elsewhere}
    assert ids(found) == ["excess-create-or-delete", "excess-create-or-delete", "excess-write-everything"]
