"""What connector accounts hold beyond their features: each rule on lists by hand, nothing on what is expected."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from audit_facts import (
    ACCOUNT_DN,
    BOB,
    DOMAIN,
    DOMAIN_ADMINS,
    HELPERS,
    ME,
    ROOT,
    context,
    ids,
    same_entry,
    sddl,
    seen,
)

from acl import Ace, SecurityDescriptor, Sid
from acl.edit import remove, revoke
from acl.sddl import ace_from_sddl
from adsyncconfig.catalogue import (
    CLOUD_SYNC,
    DEVICE_REGISTRATION_CONFIGURATION,
    FEATURES,
    REGISTERED_DEVICES,
    Feature,
    TargetKind,
)
from adsyncconfig.expected import expected_on, kind_of
from adsyncconfig.facts import AuditContext, ObjectCheck, SeenObject
from adsyncconfig.findings import Finding, Severity
from adsyncconfig.grants import wanted_entries
from adsyncconfig.plan import Target
from adsyncconfig.rules_excess import CHECKS, RULES
from adsyncconfig.rules_groups import CHECKS as GROUP_CHECKS
from adsyncconfig.rules_holder import CHECKS as HOLDER_CHECKS

OU = f"OU=Stage,{ROOT}"


def look(known: AuditContext, subject: SeenObject) -> list[Finding]:
    found: list[Finding] = []
    for check in CHECKS:
        assert isinstance(check, ObjectCheck)
        assert check.concerns is not None
        findings = list(check.look(known, subject))
        # The survey asks only where this says so.
        assert not findings or check.concerns(known, subject)
        found += findings
    return found


def on_holder(known: AuditContext) -> list[Finding]:
    return [finding for check in HOLDER_CHECKS for finding in check.look(known)]


def on_ou(dacl: str, *features: str, **more: Any) -> list[Finding]:
    return look(context(*features, **more), seen(OU, dacl))


@pytest.mark.parametrize(
    ("dacl", "object_class", "rules"),
    [
        ("(A;;GA;;;ME)", "organizationalUnit", ["full-control"]),
        ("(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;ME)", "organizationalUnit", ["full-control"]),
        ("(A;;WD;;;ME)", "organizationalUnit", ["write-permissions"]),
        ("(A;CIIO;WDWO;;;ME)", "organizationalUnit", ["write-permissions"]),
        ("(A;;CC;;;ME)", "organizationalUnit", ["create-or-delete"]),
        ("(OA;;CCDC;[computer];;ME)", "organizationalUnit", ["create-or-delete"]),
        ("(A;;SDDT;;;ME)", "organizationalUnit", ["create-or-delete"]),
        ("(A;;WP;;;ME)", "organizationalUnit", ["write-container"]),
        ("(A;;WP;;;ME)", "domainDNS", ["write-container"]),
        ("(A;;WP;;;ME)", "user", ["write-everything"]),
        ("(OA;CIIO;WP;;[user];ME)", "organizationalUnit", ["write-everything"]),
        ("(OA;;WP;[gPLink];;ME)", "organizationalUnit", ["group-policy-link"]),
        ("(OA;;CR;[DS-Replication-Get-Changes-All];;ME)", "domainDNS", ["replication"]),
        ("(OA;;CR;[DS-Replication-Get-Changes-In-Filtered-Set];;ME)", "domainDNS", ["replication"]),
        ("(OA;;CR;[DS-Replication-Get-Changes];;ME)", "domainDNS", ["replicate-changes"]),
        (
            "(A;;CR;;;ME)", "domainDNS", ["every-extended-right", "replication"],
        ),
        ("(A;CIIO;CR;;;ME)", "organizationalUnit", ["every-extended-right"]),
        ("(OA;CIIO;CR;[User-Force-Change-Password];[user];ME)", "organizationalUnit", ["reset-password"]),
        ("(OA;CIIO;WP;[msDS-KeyCredentialLink];;ME)", "organizationalUnit", ["key-credentials"]),
        ("(OA;CIIO;SW;[DS-Validated-Write-Computer];[computer];ME)", "organizationalUnit", ["key-credentials"]),
        ("(OA;CIIO;WP;[msDS-AllowedToActOnBehalfOfOtherIdentity];[computer];ME)", "container", ["delegation"]),
        ("(OA;CIIO;WP;[User-Account-Restrictions];[computer];ME)", "container", ["account-control", "delegation"]),
        ("(OA;CIIO;WP;[altSecurityIdentities];[user];ME)", "organizationalUnit", ["certificate-mapping"]),
        ("(OA;CIIO;WP;[msDS-GroupMSAMembership];;ME)", "organizationalUnit", ["managed-password"]),
        ("(OA;CIIO;WP;[scriptPath];[user];ME)", "organizationalUnit", ["logon-script"]),
        ("(OA;CIIO;WP;[servicePrincipalName];[user];ME)", "organizationalUnit", ["service-principal-names"]),
        ("(OA;CIIO;SW;[Validated-SPN];[computer];ME)", "organizationalUnit", ["service-principal-names"]),
        ("(OA;CIIO;WP;[userAccountControl];[user];ME)", "organizationalUnit", ["account-control"]),
        ("(OA;CIIO;WP;[mS-DS-ConsistencyGuid];[user];ME)", "organizationalUnit", ["source-anchor"]),
        ("(OA;CIIO;WP;[member];[group];ME)", "organizationalUnit", ["group-members"]),
        ("(OA;CIIO;SW;[Self-Membership];[group];ME)", "organizationalUnit", ["group-members"]),
        ("(OA;CIIO;WP;[description];[user];ME)", "organizationalUnit", ["other-right"]),
        ("(OA;;CR;[Unexpire-Password];;ME)", "domainDNS", ["other-right"]),
        # What is no more than reading, not in effect, denied in front, or somebody else's.
        ("(A;CI;GR;;;ME)", "organizationalUnit", []),
        ("(A;CI;RPLCLORC;;;ME)", "organizationalUnit", []),
        ("(D;;WD;;;ME)(A;;WD;;;ME)", "organizationalUnit", []),
        ("(D;CIIO;WP;;;HELPERS)(OA;CIIO;WP;;[user];ME)", "organizationalUnit", []),
        ("(A;;GA;;;BOB)", "organizationalUnit", []),
        ("(A;CIID;GA;;;ME)", "organizationalUnit", []),
        ("(D;CI;GA;;;ME)", "organizationalUnit", []),
        ("(A;;GA;;;AU)", "organizationalUnit", []),
        # No group is there on which it could be in effect.
        ("(OA;CIIO;WP;[gPLink];[group];ME)", "organizationalUnit", ["other-right"]),
    ],
)  # fmt: skip
def test_each_right_that_no_feature_needs_is_found(dacl: str, object_class: str, rules: list[str]) -> None:
    dn = ROOT if object_class == "domainDNS" else OU
    found = look(context(groups=[HELPERS]), seen(dn, dacl, object_class))
    assert ids(found) == [f"excess-{each}" for each in rules]
    for finding in found:
        assert finding.account == "MSOL_0123456789ab"
        assert finding.dn == dn
        assert finding.mend is not None
        assert finding.mend.startswith(f"Remove-ADSyncAccessRule -ADobjectDN {dn} -Rule ")
        assert "holds what no feature needs on" in finding.message


EVERY_FEATURE = [*FEATURES.values(), *CLOUD_SYNC.values()]


@pytest.mark.parametrize("feature", EVERY_FEATURE, ids=lambda each: f"{each.cmdlet} {each.name}")
@pytest.mark.parametrize("object_class", ["domainDNS", "organizationalUnit", "group", "user"])
def test_what_a_feature_grants_is_no_excess_for_it(feature: Feature, object_class: str) -> None:
    dn = ROOT if object_class == "domainDNS" else OU
    known = context(feature)
    entries = [
        each.ace
        for each in expected_on([feature], dn, object_class, sid=ME, names=known.guids)
        if not each.wide
    ]
    subject = seen(dn, "", object_class)
    assert subject.descriptor is not None
    subject = SeenObject(dn, object_class, "contoso.example", subject.descriptor.with_dacl(entries))
    assert look(known, subject) == []
    if any(ace.mask & ~0x20094 for ace in entries) and feature.name != "ExchangeMailPublicFolder":
        # The same is too much for an account without the feature.
        assert look(context(), subject) != []


def granted(feature: Feature, kind: TargetKind, *, least: bool = False) -> list[Ace]:
    """What the cmdlet writes, worked out by the code that writes it."""
    target = Target(kind, "", OU, "", "organizationalUnit", seen(OU, "").descriptor)  # type: ignore[arg-type]
    grants = feature.least if least else feature.grants
    assert grants is not None
    return list(wanted_entries(feature, grants, target, sid=ME, names=context().guids).aces)


def test_the_full_form_of_group_writeback_hands_the_ou_over() -> None:
    (wide,) = granted(FEATURES["UnifiedGroupWriteback"], TargetKind.CONTAINER)
    subject = SeenObject(
        OU,
        "organizationalUnit",
        "contoso.example",
        seen(OU, "").descriptor.with_dacl([wide]),  # type: ignore[union-attr]
    )
    (finding,) = look(context("UnifiedGroupWriteback"), subject)
    assert finding.rule.id == "excess-group-writeback-wide"
    assert finding.mend is not None
    first, _, second = finding.mend.partition(" && ")
    assert first == (
        f"Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN {ACCOUNT_DN} -ADobjectDN {OU} "
        "-LeastPrivilege"
    )
    assert shlex.split(second) == [
        "Remove-ADSyncAccessRule",
        "-ADobjectDN",
        OU,
        "-Rule",
        finding.evidence[0].sddl,
    ]
    assert same_entry(finding.evidence[0].sddl, "(OA;CI;CCDCLCSWRPWPDTLOSDRC;;[group];ME)")


def test_the_narrower_form_of_group_writeback_is_clean() -> None:
    pair = granted(FEATURES["UnifiedGroupWriteback"], TargetKind.CONTAINER, least=True)
    descriptor = seen(OU, "").descriptor
    assert descriptor is not None
    subject = SeenObject(OU, "organizationalUnit", "contoso.example", descriptor.with_dacl(pair))
    assert look(context("UnifiedGroupWriteback"), subject) == []


def test_group_writeback_on_a_domain_is_told_once() -> None:
    found = look(
        context("UnifiedGroupWriteback"),
        seen(ROOT, "(OA;CIIO;CCDCLCSWRPWPDTLOSDRC;;[group];ME)", "domainDNS"),
    )
    (finding,) = found
    assert finding.rule.id == "excess-group-writeback-domain"
    assert finding.advice is not None
    assert "-LeastPrivilege" in finding.advice


def test_exchange_hybrid_in_full_is_one_finding_for_all_its_entries() -> None:
    dacl = "".join(f"(OA;CIIO;RPWP;;[{each}];ME)" for each in ("user", "inetOrgPerson", "group", "contact"))
    (finding,) = look(context("ExchangeHybrid"), seen(ROOT, dacl, "domainDNS"))
    assert finding.rule.id == "excess-exchange-hybrid-wide"
    assert finding.rule.severity is Severity.LOW
    assert len(finding.evidence) == 4
    assert finding.mend is not None
    assert finding.mend.startswith("Set-ADSyncExchangeHybridPermissions ")
    assert finding.mend.count(" -Rule ") == 4
    assert "-Partial" not in finding.mend


def test_what_another_feature_needs_of_an_entry_stays() -> None:
    # Basic read and Exchange hybrid share one entry, as Windows merges them.
    (finding,) = look(
        context("ExchangeHybrid", "BasicRead"), seen(ROOT, "(OA;CIIO;RPWP;;[user];ME)", "domainDNS")
    )
    assert finding.mend is not None
    words = shlex.split(finding.mend.partition(" && ")[2])
    assert words[-1] == "-Partial"
    assert same_entry(words[words.index("-Rule") + 1], "(OA;CIIO;WP;;[user];ME)")


def test_only_what_is_too_much_is_taken_out_of_an_entry() -> None:
    (finding,) = look(context("BasicRead"), seen(ROOT, "(OA;CIIO;RPWD;;[user];ME)", "domainDNS"))
    assert finding.rule.id == "excess-write-permissions"
    assert finding.mend is not None
    words = shlex.split(finding.mend)
    assert words[-1] == "-Partial"
    assert same_entry(words[words.index("-Rule") + 1], "(OA;CIIO;WD;;[user];ME)")


def test_what_is_needed_below_and_too_much_on_the_container_is_granted_again_first() -> None:
    # Password writeback with this object in place of subobjects alone: on the OU itself nobody needs it.
    found = on_ou("(OA;CI;WP;[pwdLastSet];[user];ME)", "PasswordWriteback")
    (finding,) = found
    assert finding.rule.id == "excess-other-right"
    assert finding.mend is not None
    first, _, second = finding.mend.partition(" && ")
    assert (
        first == f"Set-ADSyncPasswordWritebackPermissions -ADConnectorAccountDN {ACCOUNT_DN} -ADobjectDN {OU}"
    )
    assert same_entry(shlex.split(second)[-1], "(OA;CI;WP;[pwdLastSet];[user];ME)")


def test_where_a_policy_says_on_what_a_feature_is_granted_it_is_expected_there_alone() -> None:
    feature = FEATURES["MsDsConsistencyGuid"]
    scope = Target(
        TargetKind.CONTAINER, "contoso.example", OU, OU, "organizationalUnit", SecurityDescriptor()
    )
    known = context(feature, scopes={feature: (scope,)}, is_scoped=True)
    entry = "(OA;CIIO;RPWP;[mS-DS-ConsistencyGuid];[user];ME)"
    assert look(known, seen(OU, entry)) == []
    assert look(known, seen(f"OU=Child,{OU}", entry)) == []
    assert ids(look(known, seen("OU=Elsewhere", entry))) == ["excess-source-anchor"]
    assert look(context(feature, scopes={feature: (scope,)}), seen("OU=Elsewhere", entry)) == []


def test_device_writeback_is_expected_on_its_own_container_alone() -> None:
    known = context(REGISTERED_DEVICES, DEVICE_REGISTRATION_CONFIGURATION)
    entry = "(A;CI;CCDCLCSWRPWPDTLOSDRC;;;ME)"
    devices = seen(f"CN=RegisteredDevices,{ROOT}", entry, "msDS-DeviceContainer")
    assert look(known, devices) == []
    assert ids(look(known, seen(OU, entry))) == [
        "excess-create-or-delete", "excess-write-container", "excess-write-everything",
    ]  # fmt: skip


def test_what_a_group_holds_is_told_with_the_group_and_mended_by_leaving_it() -> None:
    (finding,) = on_ou("(A;CI;GA;;;HELPERS)", groups=[HELPERS])
    assert finding.trustee == "CONTOSO\\Helpers"
    assert "as a member of CONTOSO\\Helpers" in finding.message
    assert finding.mend == f"Remove-ADSyncGroupMember -GroupDN CN=Helpers,{ROOT} -MemberDN {ACCOUNT_DN}"
    assert on_ou("(A;CI;GA;;;HELPERS)") == []


def test_at_the_top_of_a_search_what_is_inherited_is_told_with_its_origin() -> None:
    ace = ace_from_sddl(sddl("(A;CIID;WD;;;ME)"))
    (finding,) = look(context(), seen(OU, "(A;CIID;WD;;;ME)", is_top=True, origins={ace: ROOT}))
    assert finding.evidence[0].origin == ROOT
    assert finding.mend is None
    assert finding.advice == f"take it away where it stands: at '{ROOT}'"


def test_copies_of_admin_sd_holders_entries_are_told_there() -> None:
    holder = seen(
        f"CN=AdminSDHolder,CN=System,{ROOT}", "(OA;;WP;[member];;ME)(OA;;WP;[mail];;ME)", "container"
    )
    known = context(holder=holder)
    assert look(known, seen(f"CN=Admins,{ROOT}", "(OA;;WP;[member];;ME)", "group", admin_count=True)) == []
    assert ids(look(known, seen(f"CN=Admins,{ROOT}", "(A;;WD;;;ME)", "group", admin_count=True))) == [
        "excess-write-permissions"
    ]
    assert look(known, holder) == []
    found = on_holder(known)
    assert ids(found) == ["excess-admin-sd-holder", "excess-admin-sd-holder-attributes"]
    assert "change its members" in found[0].message
    assert "write mail" in found[1].message


@pytest.mark.parametrize(
    "dacl", ["(OA;CIIO;RPWP;;[user];ME)", "(A;;GR;;;ME)", "(D;;WP;;;ME)(OA;;WP;[member];;ME)"]
)
def test_entries_of_admin_sd_holder_that_do_nothing_are_none(dacl: str) -> None:
    holder = seen(f"CN=AdminSDHolder,CN=System,{ROOT}", dacl, "container")
    assert [
        each for each in on_holder(context(holder=holder)) if each.rule.severity is Severity.CRITICAL
    ] == []


def test_what_a_feature_writes_to_administrators_is_expected_unless_it_hands_them_over() -> None:
    holder = seen(
        f"CN=AdminSDHolder,CN=System,{ROOT}",
        "(OA;;RPWP;[mS-DS-ConsistencyGuid];;ME)(OA;;CR;[User-Force-Change-Password];;ME)(OA;;WP;[pwdLastSet];;ME)",
        "container",
    )
    assert ids(on_holder(context("MsDsConsistencyGuid", "PasswordWriteback", holder=holder))) == [
        "excess-admin-sd-holder"
    ]
    assert len(on_holder(context(holder=holder))) == 3


def groups_of(*groups: Sid) -> list[Finding]:
    return [finding for check in GROUP_CHECKS for finding in check.look(context(groups=groups))]


def test_privileged_groups_are_found_through_the_token() -> None:
    found = groups_of(DOMAIN_ADMINS, Sid.BUILTIN_ADMINISTRATORS)
    (finding,) = found
    assert finding.trustee == "CONTOSO\\Domain Admins"
    assert finding.mend == (
        f"Remove-ADSyncGroupMember -GroupDN 'CN=Domain Admins,CN=Users,{ROOT}' -MemberDN {ACCOUNT_DN}"
    )
    (operators,) = groups_of(Sid.from_string("S-1-5-32-548"))
    assert operators.mend == (
        f"Remove-ADSyncGroupMember -GroupDN 'CN=Account Operators,CN=Builtin,{ROOT}' -MemberDN {ACCOUNT_DN}"
    )
    assert groups_of(HELPERS, DOMAIN.child(513), Sid.from_string("S-1-5-32-545")) == []


def test_a_rule_says_what_it_is_about_for_good() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.why.endswith(".") and rule.mending.endswith(".") for rule in RULES)
    assert BOB != ME


@pytest.mark.parametrize(
    ("entry", "features"),
    [
        ("(OA;CIIO;RPWPWD;;[user];ME)", ["BasicRead"]),
        ("(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;ME)", []),
        ("(OA;CIIO;CRWP;[User-Force-Change-Password];[user];ME)", ["PasswordWriteback"]),
    ],
)
def test_once_it_is_taken_away_nothing_is_left_to_find(entry: str, features: list[str]) -> None:
    subject = seen(OU, entry)
    descriptor = subject.descriptor
    assert descriptor is not None
    dacl = descriptor.dacl
    assert dacl is not None
    for finding in look(context(*features), subject):
        words = shlex.split(finding.mend or "")
        for place, word in enumerate(words):
            if word == "-Rule":
                rule = ace_from_sddl(words[place + 1])
                dacl = revoke(dacl, rule) if "-Partial" in words else remove(dacl, rule)
    after = SeenObject(OU, "organizationalUnit", "contoso.example", descriptor.with_dacl(dacl.aces))
    assert look(context(*features), after) == []
    assert kind_of(ROOT, "domainDNS") is TargetKind.DOMAIN
