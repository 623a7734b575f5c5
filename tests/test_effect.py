"""What a grant comes to, worked out without a controller: against fixtures/effect.json and hand-made lists."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID
from expectations import CONTOSO_SNAPSHOT, FIXTURES, GROUP_WRITEBACK, expected_aces
from snapshot_edits import edit_entry

import adsyncconfig
from acl import Ace, SecurityDescriptor, Sid
from acl.edit import protect
from acl.sddl import ace_to_sddl
from adsyncconfig import Directory, Principal, SetResult
from adsyncconfig.account import resolve
from adsyncconfig.below import Below, Child, read_with_below
from adsyncconfig.catalogue import CLOUD_SYNC, FEATURES, TargetKind
from adsyncconfig.directory import Entry, RootDse
from adsyncconfig.effect import Answer, Examiner, effects, known_operations, token_in
from adsyncconfig.operations import (
    CLOUD_SYNC_OPERATIONS,
    OPERATIONS,
    Operation,
    names_of_operations,
    operations_of,
)
from adsyncconfig.plan import Target
from adsyncconfig.schema import Kind, bundled, bundled_property_sets
from adsyncconfig.shortfalls import Cause, described, shortfalls
from adsyncconfig.snapshot import write_snapshot

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
ME = Sid.from_string(CONNECTOR_SID)
ANY_GROUP = Sid.from_string("S-1-5-21-1-2-3-1500")
GROUP = bundled(Kind.CLASS)["group"]
MEMBER = bundled(Kind.ATTRIBUTE)["member"]
MEMBERSHIP = bundled_property_sets()["member"]
ACCOUNT = Principal(CONNECTOR_DN, ME, "MSOL", (ANY_GROUP,))
WHOLE = f"(OA;CI;CCDCLCSWRPWPDTLOSDRC;;{GROUP};{ME})"


def examiner(account: Principal = ACCOUNT, **names: Any) -> Examiner:
    every = [each for table in (OPERATIONS, CLOUD_SYNC_OPERATIONS) for ops in table.values() for each in ops]
    known = {
        (kind, name): bundled(kind)[name]
        for kind, wanted in names_of_operations(every).items()
        for name in wanted
        if name in bundled(kind)
    }
    token = token_in(account, "contoso.example", account_domain="contoso.example")
    return Examiner(account, token, known, bundled_property_sets())


def target(
    dacl: str, *children: Child, kind: TargetKind = TargetKind.CONTAINER, stopped: bool = False
) -> Target:
    return Target(
        kind,
        "contoso.example",
        OU,
        "Writeback",
        "organizationalUnit",
        SecurityDescriptor.from_sddl(f"D:{dacl}"),
        Below(children, stopped),
    )


def child(name: str, dacl: str, *, object_class: str = "group", admin_count: bool = False) -> Child:
    rdn = "OU" if object_class == "organizationalUnit" else "CN"
    descriptor = SecurityDescriptor.from_sddl(f"D:{dacl}")
    return Child(f"{rdn}={name},{OU}", object_class, descriptor, admin_count)


def answers(
    dacl: str, *, kind: TargetKind = TargetKind.CONTAINER, account: Principal = ACCOUNT
) -> dict[str, Answer]:
    """What each operation of group writeback comes to with this list on the target."""
    here = target(dacl, kind=kind)
    found = effects(OPERATIONS["UnifiedGroupWriteback"], here, here.descriptor, examiner(account))
    return {each.operation.name: each.after for each in found}


def allowed(dacl: str, **more: Any) -> set[str]:
    return {name for name, answer in answers(dacl, **more).items() if answer.allowed}


EVERYTHING = {
    "create a group", "write the attributes of a group", "change the members of a group", "rename a group",
    "delete a group",
}  # fmt: skip


# -- the whole run, on the bundled directory -----------------------------------------------------------------


def expected() -> list[tuple[str, str, dict[str, list[bool]]]]:
    fixture = json.loads((FIXTURES / "effect.json").read_text(encoding="utf-8"))["effect"]
    return [(cmdlet, dn, rows) for cmdlet, by_dn in fixture.items() for dn, rows in by_dn.items()]


@pytest.mark.parametrize(("cmdlet", "dn", "rows"), expected())
@pytest.mark.parametrize("what_if", [True, False])
def test_each_run_says_what_it_comes_to(
    snapshot_file: Path, cmdlet: str, dn: str, rows: dict[str, list[bool]], *, what_if: bool
) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = run(directory, cmdlet, dn, what_if=what_if)
        said = {each["operation"]: [each["before"], each["after"]] for each in result.to_json()["effect"]}
        assert said == rows
        if not what_if:
            again = {each.operation.name: each.before.allowed for each in run(directory, cmdlet, dn).effect}
            assert again == {name: after for name, (_, after) in rows.items()}


def run(directory: Directory, cmdlet: str, dn: str, **more: Any) -> SetResult:
    where = {"ad_object_dn": dn} if dn else {}
    result: SetResult = getattr(adsyncconfig, cmdlet)(
        directory, ad_connector_account_dn=CONNECTOR_DN, **where, **more
    )
    return result


def test_revoking_shows_what_goes_no_more_and_warns_of_nothing(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, "set_adsync_unified_group_writeback_permissions", OU)
        result = run(directory, "set_adsync_unified_group_writeback_permissions", OU, revoke=True)
    assert [(each.before.allowed, each.after.allowed) for each in result.effect] == [(True, False)] * 5
    assert result.warnings == ()


def test_what_was_declined_is_as_it_was(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = run(
            directory, "set_adsync_unified_group_writeback_permissions", OU, confirm=lambda change: False
        )
    assert {each.after.allowed for each in result.effect} == {False}
    assert result.warnings == ()


def test_every_feature_has_its_operations() -> None:
    for feature in (*FEATURES.values(), *CLOUD_SYNC.values()):
        assert operations_of(feature), feature.name
    assert "replicate changes" in {each.name for each in operations_of(FEATURES["BasicRead"])}
    assert "replicate changes" not in {each.name for each in operations_of(CLOUD_SYNC["BasicRead"])}


# -- answers -------------------------------------------------------------------------------------------------


def test_the_entry_that_decides_is_the_one_on_the_target() -> None:
    assert {ace_to_sddl(answer.decided_by) for answer in answers(WHOLE).values() if answer.decided_by} == {
        WHOLE
    }
    assert allowed(WHOLE) == EVERYTHING


@pytest.mark.parametrize(
    ("deny", "refused"),
    [
        (f"(D;;CC;;;{ME})", {"create a group"}),
        (f"(OD;;CC;{GROUP};;{ANY_GROUP})", {"create a group"}),
        (f"(OD;CIIO;WP;{MEMBER};;WD)", {"change the members of a group"}),
        (f"(OD;CIIO;WP;{MEMBERSHIP};;AU)", {"change the members of a group"}),
        (f"(D;CIIO;WP;;;{ME})", EVERYTHING - {"create a group", "delete a group"}),
        (f"(D;CI;SD;;;{ME})", set()),  # the container's Delete Child is enough
        (f"(D;CI;DCSD;;;{ME})", {"delete a group"}),
        ("(D;CI;WPCC;;;S-1-5-21-1-2-3-1501)", set()),  # somebody else's group
    ],
)  # fmt: skip
def test_a_deny_in_front_decides(deny: str, refused: set[str]) -> None:
    found = answers(deny + WHOLE)
    assert {name for name, answer in found.items() if not answer.allowed} == refused
    for name in refused:
        ace = found[name].decided_by
        assert ace is not None
        assert ace_to_sddl(ace) == deny


def test_a_property_set_or_an_attribute_is_enough_for_what_needs_it_alone() -> None:
    for object_type in (MEMBER, MEMBERSHIP):
        assert allowed(f"(OA;CIIO;WP;{object_type};{GROUP};{ME})") == {"change the members of a group"}
    assert (
        allowed(f"(OA;CIIO;WP;{bundled(Kind.ATTRIBUTE)['cn']};{GROUP};{ME})") == set()
    )  # name is needed too


def test_a_grant_to_a_group_of_the_account_counts_and_to_another_does_not() -> None:
    assert allowed(WHOLE.replace(str(ME), str(ANY_GROUP))) == EVERYTHING
    assert allowed(WHOLE.replace(str(ME), "S-1-5-21-1-2-3-1501")) == set()
    assert allowed(WHOLE.replace(str(ME), "AU")) == EVERYTHING


def test_inherit_only_for_groups_creates_none_in_a_container_nor_below_a_domain() -> None:
    inherit_only = WHOLE.replace(";CI;", ";CIIO;")
    assert allowed(inherit_only) == EVERYTHING - {"create a group"}
    assert allowed(inherit_only, kind=TargetKind.DOMAIN) == EVERYTHING - {"create a group"}
    assert allowed(f"(OA;CI;CC;{GROUP};;{ME})", kind=TargetKind.DOMAIN) == {"create a group"}
    # What is effective on the root alone lets nothing be created in an OU.
    assert allowed(f"(OA;;CC;{GROUP};;{ME})", kind=TargetKind.DOMAIN) == set()


def test_on_admin_sd_holder_only_what_is_effective_counts() -> None:
    assert allowed(WHOLE.replace(";CI;", ";CIIO;"), kind=TargetKind.ADMIN_SD_HOLDER) == set()
    assert allowed(f"(A;;RPWPSD;;;{ME})", kind=TargetKind.ADMIN_SD_HOLDER) == EVERYTHING - {"create a group"}


def test_without_the_accounts_groups_nothing_is_known() -> None:
    unknown = replace(ACCOUNT, token_sids=None)
    assert {answer.allowed for answer in answers(WHOLE, account=unknown).values()} == {None}


def test_a_container_that_was_not_read_leaves_deleting_unknown_unless_the_object_grants_it() -> None:
    (delete,) = (each for each in OPERATIONS["UnifiedGroupWriteback"] if each.name == "delete a group")
    empty, grants = SecurityDescriptor.from_sddl("D:"), SecurityDescriptor.from_sddl(f"D:(A;;SD;;;{ME})")
    assert examiner().answer(delete, empty, None).allowed is None
    assert examiner().answer(delete, grants, None).allowed is True
    assert examiner().answer(delete, empty, empty).allowed is False


def test_reading_needs_the_object_to_be_seen() -> None:
    read = next(each for each in OPERATIONS["BasicRead"] if each.object_class == "group")
    readable, listed = (
        SecurityDescriptor.from_sddl("D:(A;;RP;;;AU)"),
        SecurityDescriptor.from_sddl("D:(A;;LC;;;AU)"),
    )
    assert examiner().answer(read, readable, listed).allowed
    hidden = examiner().answer(read, readable, SecurityDescriptor.from_sddl("D:"))
    assert (hidden.allowed, hidden.on_container) == (False, True)


def test_self_is_the_account_on_its_own_object_alone() -> None:
    reset = OPERATIONS["PasswordWriteback"][0]
    own = SecurityDescriptor.from_sddl("D:(A;;CR;;;PS)")
    assert examiner().answer(reset, own, None, is_account=True).allowed is True
    assert examiner().answer(reset, own, None).allowed is False


def test_what_the_schema_lacks_is_done_without() -> None:
    user = next(each for each in OPERATIONS["ExchangeHybrid"] if each.object_class == "user")
    names = {(Kind.CLASS, "user"): GROUP, (Kind.ATTRIBUTE, "proxyAddresses"): MEMBER}
    (known,) = known_operations(OPERATIONS["ExchangeHybrid"], names)
    assert known.name == user.name
    assert [need.on for way in known.ways for need in way] == [(Kind.ATTRIBUTE, "proxyAddresses")]
    folders: tuple[Operation, ...] = OPERATIONS["ExchangeMailPublicFolder"]
    assert known_operations(folders, {(Kind.CLASS, "publicFolder"): GROUP}) == ()


# -- the token -----------------------------------------------------------------------------------------------


def test_builtin_groups_speak_for_an_account_in_its_own_domain_alone() -> None:
    account = replace(ACCOUNT, token_sids=(ANY_GROUP, Sid.BUILTIN_ADMINISTRATORS))
    here = token_in(account, "contoso.example", account_domain="contoso.example")
    there = token_in(account, "emea.contoso.example", account_domain="contoso.example", more=[Sid.EVERYONE])
    assert here is not None
    assert there is not None
    assert here.sids - there.sids == {Sid.BUILTIN_ADMINISTRATORS}
    assert {ME, ANY_GROUP, Sid.EVERYONE, Sid.AUTHENTICATED_USERS} <= there.sids


def entry(name: str, number: int, **attributes: str | list[str]) -> Entry:
    dn = name if "=" in name else f"CN={name},{DOMAIN}"
    sid = Sid.from_string(f"S-1-5-21-1-2-3-{number}").to_bytes()
    given = {key.lower(): [value] if isinstance(value, str) else value for key, value in attributes.items()}
    raw = {key: tuple(each.encode() for each in values) for key, values in given.items()}
    return Entry(dn, {**raw, "objectsid": (sid,)})


def groups_of(folder: Path, name: str, *entries: Entry) -> set[int | None]:
    """What a snapshot of these entries works out as the token groups of one of them."""
    configuration = f"CN=Configuration,{DOMAIN}"
    root = RootDse(DOMAIN, DOMAIN, configuration, f"CN=Schema,{configuration}", "dc1.contoso.example")
    write_snapshot(folder / "groups.jsonl", root, entries)
    with adsyncconfig.open_snapshot(folder / "groups.jsonl") as directory:
        found = directory.get(f"CN={name},{DOMAIN}", ["tokenGroups"]).attributes["tokengroups"]
    return {Sid.from_bytes(value).rid for value in found}


GLOBAL, LOCAL, DISTRIBUTION = str(2 - 2**31), str(4 - 2**31), "8"


def test_groups_count_through_others_and_the_primary_group_through_its_number(tmp_path: Path) -> None:
    found = groups_of(
        tmp_path,
        "me",
        entry("me", 1, primaryGroupID="513"),
        entry("users", 513, groupType=GLOBAL),
        entry("inner", 20, groupType=GLOBAL, member=f"cn=ME,{DOMAIN}"),
        entry("outer", 21, groupType=LOCAL, member=[f"CN=inner,{DOMAIN}", f"CN=users,{DOMAIN}"]),
        entry("loop", 22, groupType=GLOBAL, member=[f"CN=outer,{DOMAIN}", f"CN=loop,{DOMAIN}"]),
        entry("other", 23, groupType=GLOBAL, member=f"CN=somebody,{DOMAIN}"),
    )
    assert found == {513, 20, 21, 22}


def test_distribution_groups_do_not_count_and_nothing_passes_through_them(tmp_path: Path) -> None:
    found = groups_of(
        tmp_path,
        "me",
        entry("me", 1),
        entry("list", 20, groupType=DISTRIBUTION, member=f"CN=me,{DOMAIN}"),
        entry("behind", 21, groupType=GLOBAL, member=f"CN=list,{DOMAIN}"),
    )
    assert found == set()


def test_domain_local_groups_of_another_domain_do_not_count(tmp_path: Path) -> None:
    found = groups_of(
        tmp_path,
        "me",
        entry("me", 1),
        entry("CN=local,DC=emea,DC=contoso,DC=example", 20, groupType=LOCAL, member=f"CN=me,{DOMAIN}"),
        entry("CN=global,DC=emea,DC=contoso,DC=example", 21, groupType=GLOBAL, member=f"CN=me,{DOMAIN}"),
    )
    assert found == {21}


def test_a_snapshot_works_token_groups_out_when_it_is_asked_for_one_object(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        account = resolve(directory, name="user2", domain="CONTOSO")
        assert account.token_sids is not None
        engineers = directory.get(f"CN=Engineers,OU=Groups,{DOMAIN}", ["objectSid"]).sid()
        # Domain Users is the primary group, and a member of Users.
        assert set(account.token_sids) == {
            engineers, ME.domain and ME.domain.child(513), Sid.from_string("S-1-5-32-545"),
        }  # fmt: skip
        assert directory.get(CONNECTOR_DN, ["objectSid"]).attributes.keys() == {"objectsid"}


# -- below the target ----------------------------------------------------------------------------------------


def found_below(
    *children: Child, after: str = WHOLE, stopped: bool = False, **more: Any
) -> list[tuple[str, str, Cause]]:
    here = target("", *children, stopped=stopped, **more)
    granted = SecurityDescriptor.from_sddl(f"D:{after}")
    operations = [
        each for each in OPERATIONS["UnifiedGroupWriteback"] if each.name.startswith(("change", "create"))
    ]
    return [(each.dn, each.at, each.cause) for each in shortfalls(here, granted, operations, examiner())]


def test_what_inherits_has_no_shortfall() -> None:
    assert found_below(child("Team", ""), child("Nested", "", object_class="organizationalUnit")) == []


def test_blocked_inheritance_is_found_at_the_object_and_at_what_is_above_it() -> None:
    blocked = child("Blocked", "P", object_class="organizationalUnit")
    within = Child(f"CN=Team,{blocked.dn}", "group", SecurityDescriptor.from_sddl("D:"), admin_count=False)
    own = child("Own", "P")
    assert found_below(within, blocked, own) == [
        (blocked.dn, blocked.dn, Cause.BLOCKED),
        (own.dn, own.dn, Cause.BLOCKED),
        (within.dn, blocked.dn, Cause.BLOCKED),
    ]


def test_what_is_blocked_and_granted_there_already_is_no_shortfall() -> None:
    assert found_below(child("Blocked", f"P{WHOLE}", object_class="organizationalUnit")) == []


def test_a_deny_of_its_own_is_found_with_its_entry() -> None:
    denied = child("Denied", f"(D;;WP;;;{ME})")
    assert found_below(denied) == [(denied.dn, denied.dn, Cause.DENIED)]


def test_admin_count_counts_though_it_inherits_for_now() -> None:
    keeper = child("Keepers", "", admin_count=True)
    assert found_below(keeper) == [(keeper.dn, keeper.dn, Cause.PROTECTED)]


def test_warnings_count_the_objects_and_name_the_first_few() -> None:
    many = [child(f"Team {number}", "P") for number in range(5)]
    unreadable = Child(f"CN=Secret,{OU}", "group", None, admin_count=False)
    here = target("", *many, unreadable, stopped=True)
    after = SecurityDescriptor.from_sddl(f"D:{WHOLE}")
    lines = list(
        described("MSOL", here, shortfalls(here, after, OPERATIONS["UnifiedGroupWriteback"], examiner()))
    )
    assert len(lines) == 3
    assert "'CN=Team 0," in lines[0]
    assert lines[0].count("'CN=Team") == 3
    assert "and 2 more" in lines[0]
    assert "'CN=Secret," in lines[1]
    assert "first 7 objects" in lines[2]
    assert "-LookBelow" in lines[2]


def test_no_more_is_read_than_the_limit_and_the_base_is_among_it(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        base, below = read_with_below(
            directory, OU.lower(), ("objectClass", "nTSecurityDescriptor"), limit=1000
        )
        assert (base.dn, len(below.children), below.stopped) == (OU, 4, False)
        base, below = read_with_below(directory, OU, ("objectClass", "nTSecurityDescriptor"), limit=3)
        assert (base.dn, len(below.children), below.stopped) == (OU, 2, True)
        base, below = read_with_below(directory, OU, ("objectClass",), limit=0)
        assert (base.dn, below) == (OU, Below())


def test_a_run_says_where_it_stopped_looking(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        few = run(directory, "set_adsync_unified_group_writeback_permissions", OU, look_below=2, what_if=True)
        none = run(
            directory, "set_adsync_unified_group_writeback_permissions", OU, look_below=0, what_if=True
        )
    assert any("first 2 objects" in warning for warning in few.warnings)
    assert none.warnings == ()


def test_a_whole_domain_is_warned_of_with_blocked_and_protected_objects(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = run(directory, "set_adsync_unified_group_writeback_permissions", "", what_if=True)
    text = "\n".join(result.warnings)
    assert "create none" in text
    assert f"'OU=Blocked,{DOMAIN}' (with 2 in it)" in text
    assert "(adminCount=1)" in text
    assert "cannot create a group" not in text  # said once, by the first


# -- Test-ADSyncPermissions ----------------------------------------------------------------------------------


def diagnose(directory: Directory, feature: str, dn: str | None = None) -> adsyncconfig.DiagnosisResult:
    return adsyncconfig.test_adsync_permissions(
        directory, feature=feature.split(","), ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=dn
    )


def rewrite(directory: Directory, dn: str, *aces: Ace, closed: bool = False) -> None:
    """Put entries in front of the object's list, or close it to what is above and keep these alone."""
    descriptor = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()
    if closed:
        descriptor = protect(descriptor, keep_inherited=False).with_dacl(())
    directory.write_dacl(dn, descriptor.with_dacl((*aces, *(descriptor.dacl or ()))))


def test_a_grant_is_found_to_work_and_its_origin_told(snapshot_file: Path) -> None:
    group = f"CN=Team Deep,OU=Nested,{OU}"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        before = diagnose(directory, "UnifiedGroupWriteback", group)
        assert {each.allowed for each in before.diagnoses} == {False}
        run(directory, "set_adsync_unified_group_writeback_permissions", OU)
        after = diagnose(directory, "unifiedgroupwriteback", group)
    assert after.works
    origins = {each.origin for each in after.diagnoses}
    assert len(origins) == 1
    (origin,) = origins
    assert origin is not None
    assert (origin.kind.value, origin.dn, ace_to_sddl(origin.entry)) == ("inherited", OU, WHOLE)


def test_without_a_feature_those_are_tried_that_the_account_s_entries_tell(snapshot_file: Path) -> None:
    user = f"CN=User One,OU=Users Synced,{DOMAIN}"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(
            adsyncconfig.ParameterError, match="tell no feature: name what to test with -Feature"
        ):
            adsyncconfig.test_adsync_permissions(
                directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=user
            )
        run(directory, "set_adsync_password_writeback_permissions", "")
        run(directory, "set_adsync_unified_group_writeback_permissions", OU)
        of_user = adsyncconfig.test_adsync_permissions(
            directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=user
        )
        of_group = adsyncconfig.test_adsync_permissions(
            directory, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=f"CN=Team Deep,OU=Nested,{OU}"
        )
    assert of_user.inferred
    assert of_user.features == ("PasswordWriteback",)
    assert {each.feature for each in of_user.diagnoses} == {"PasswordWriteback"}
    assert of_user.works
    assert set(of_group.features) == {"PasswordWriteback", "UnifiedGroupWriteback"}
    # What is told and does nothing to a group is not in the way.
    assert {each.feature for each in of_group.diagnoses} == {"UnifiedGroupWriteback"}
    assert of_group.works


def test_a_deny_is_named_with_the_object_that_it_stands_on(snapshot_file: Path) -> None:
    deny = Ace.deny(Sid.AUTHENTICATED_USERS, 0x20, flags=2, object_type=MEMBER)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, "set_adsync_unified_group_writeback_permissions", OU)
        rewrite(directory, f"OU=Nested,{OU}", deny)
        result = diagnose(directory, "UnifiedGroupWriteback", f"CN=Team Deep,OU=Nested,{OU}")
        above = diagnose(directory, "UnifiedGroupWriteback", OU)
    (refused,) = (each for each in result.diagnoses if not each.allowed)
    assert refused.operation == "change the members of a group"
    assert refused.origin is not None
    assert (refused.origin.dn, refused.origin.entry) == (f"OU=Nested,{OU}", deny)
    assert refused.mend == (
        f"take {ace_to_sddl(deny)} off 'OU=Nested,{OU}', or MSOL_0123456789ab out of what S-1-5-11 stands for"
    )
    # Seen from the OU above, the group below it is the one that is refused.
    assert [each.dn for each in above.diagnoses if not each.allowed] == [f"CN=Team Deep,OU=Nested,{OU}"]


def test_for_one_object_it_is_told_what_keeps_from_it_that_which_is_granted_above(
    snapshot_file: Path,
) -> None:
    """What an administrator has who was told of error 8344: one object, and a grant on its domain."""
    keeper = "CN=Domain Keeper,OU=Users Synced,DC=contoso,DC=example"
    shielded, blocked = (
        "CN=Shielded User,OU=Blocked,DC=contoso,DC=example",
        "OU=Blocked,DC=contoso,DC=example",
    )
    edit_entry(snapshot_file, keeper, lambda record: record["attributes"].update(adminCount=["1"]))
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, "set_adsync_ms_ds_consistency_guid_permissions", "")
        rewrite(directory, keeper, closed=True)
        reasons = {
            dn: [each.reason for each in diagnose(directory, "MsDsConsistencyGuid", dn).diagnoses]
            for dn in (keeper, shielded)
        }
    nothing = "nothing grants it: write mS-DS-ConsistencyGuid"
    assert reasons == {
        keeper: [f"{nothing}; AdminSDHolder's permissions replace its own (adminCount=1)"],
        shielded: [f"{nothing}; '{blocked}' inherits nothing"],
    }


def test_blocked_inheritance_is_named_and_the_mend_is_a_grant_there(snapshot_file: Path) -> None:
    blocked = f"OU=Nested,{OU}"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        run(directory, "set_adsync_unified_group_writeback_permissions", OU)
        rewrite(directory, blocked, closed=True)
        result = diagnose(directory, "UnifiedGroupWriteback", OU)
        refused = [each for each in result.diagnoses if not each.allowed]
        assert {each.dn for each in refused} == {blocked, f"CN=Team Deep,{blocked}"}
        assert all(f"'{blocked}' inherits nothing" in each.reason for each in refused)
        assert {each.mend for each in refused} == {
            f"{GROUP_WRITEBACK} -ADConnectorAccountDN {CONNECTOR_DN} -ADobjectDN {blocked} -LeastPrivilege"
        }
        run(directory, "set_adsync_unified_group_writeback_permissions", blocked, least_privilege=True)
        assert diagnose(directory, "UnifiedGroupWriteback", OU).works


def test_an_object_of_admin_sd_holder_is_not_mended_by_a_grant_above_it(snapshot_file: Path) -> None:
    administrator = f"CN=Administrator,CN=Users,{DOMAIN}"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        guid = diagnose(directory, "MsDsConsistencyGuid", administrator)
        password = diagnose(directory, "PasswordWriteback", administrator)
    (refused,) = guid.diagnoses
    assert refused.mend == (
        f"Set-ADSyncMsDsConsistencyGuidPermissions -ADConnectorAccountDN {CONNECTOR_DN} -ADobjectDN {DOMAIN} "
        "-IncludeAdminSdHolders"
    )
    mends = {each.mend for each in password.diagnoses if not each.allowed}
    assert len(mends) == 1
    (sweeping,) = mends
    assert sweeping is not None
    assert sweeping.startswith(f"leave '{administrator}' out of the scope")
    assert sweeping.endswith("-IncludeAdminSdHolders -Force")


def test_rights_of_the_domain_root_are_looked_for_there(snapshot_file: Path) -> None:
    user = f"CN=User One,OU=Users Synced,{DOMAIN}"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = diagnose(directory, "PasswordWriteback", user)
    rows = {each.operation: (each.dn, each.allowed) for each in result.diagnoses}
    assert rows["reset the password of a user"] == (user, False)
    assert rows["restore an expired password"] == (DOMAIN, True)


def test_what_every_object_grants_by_itself_counts(snapshot_file: Path) -> None:
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = diagnose(directory, "BasicRead")
    rows = {each.operation: each for each in result.diagnoses}
    assert rows["read the attributes of a contact"].allowed
    assert "entries of their own" in rows["read the attributes of a contact"].reason
    assert rows["read the attributes of a device"].allowed is False  # there is none


@pytest.mark.parametrize(
    ("feature", "dn", "said"),
    [
        ("PasswordWriteback", f"CN=Team Blue,{OU}", "does nothing to"),
        ("PasswordWritebak", OU, "no feature 'PasswordWritebak'.*did you mean PasswordWriteback"),
        ("", OU, "no feature ''"),
        ("BasicRead", "Writeback", "no distinguished name"),
    ],
)
def test_bad_input_is_named(snapshot_file: Path, feature: str, dn: str, said: str) -> None:
    with (
        adsyncconfig.open_snapshot(snapshot_file) as directory,
        pytest.raises(adsyncconfig.ParameterError, match=said),
    ):
        diagnose(directory, feature, dn)


# -- the command ---------------------------------------------------------------------------------------------


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ADSYNCCONFIG_")}
    return subprocess.run(
        [
            Path(sys.executable).parent / "Test-ADSyncPermissions",
            "-ADConnectorAccountDN",
            CONNECTOR_DN,
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, "XDG_CONFIG_HOME": "/nonexistent"},
    )


def test_the_command_ends_with_0_when_all_goes_and_with_3_when_not(snapshot_file: Path) -> None:
    arguments = ("-Feature", "UnifiedGroupWriteback", "-ADobjectDN", OU, "--snapshot", str(snapshot_file))
    refused = command(*arguments)
    assert (refused.returncode, refused.stderr) == (3, "")
    assert "  NO   create a group: nothing grants it: create group objects" in refused.stdout
    assert "0 of 5 operations go." in refused.stdout
    # The mend that it prints is run as it is printed.
    (mend,) = (line.removeprefix("  mend: ") for line in refused.stdout.splitlines() if "mend:" in line)
    done = subprocess.run(
        ["bash", "-c", f"{mend} --no-confirm --snapshot '{snapshot_file}'"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"},
    )
    assert done.returncode == 0, done.stderr
    works = command(*arguments, "--json")
    assert works.returncode == 0
    said = json.loads(works.stdout)
    assert said["works"] is True
    creating = expected_aces(GROUP_WRITEBACK, "least organizationalUnit", CONNECTOR_SID)[0]
    assert said["operations"][0] == {
        "feature": "UnifiedGroupWriteback",
        "dn": OU,
        "operation": "create a group",
        "allowed": True,
        "decidedBy": creating,
        "origin": {"kind": "explicit", "dn": OU, "entry": creating},
        "reason": f"{creating} allows it, explicit on '{OU}'",
        "mend": None,
    }


def test_several_features_are_given_with_commas_and_wrong_ones_named(snapshot_file: Path) -> None:
    both = command("-Feature", "BasicRead,PasswordWriteback", "--snapshot", str(snapshot_file), "--json")
    assert {each["feature"] for each in json.loads(both.stdout)["operations"]} == {
        "BasicRead",
        "PasswordWriteback",
    }
    wrong = command("-Feature", "Basic", "--snapshot", str(snapshot_file))
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert command("--snapshot", str(snapshot_file)).returncode == 2


def test_the_text_of_a_run_has_a_line_for_each_operation() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ADSYNCCONFIG_")}
    done = subprocess.run(
        [
            Path(sys.executable).parent / "Set-ADSyncUnifiedGroupWritebackPermissions",
            "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf",
            "--snapshot", str(CONTOSO_SNAPSHOT),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**clean, "XDG_CONFIG_HOME": "/nonexistent"},
    )  # fmt: skip
    assert f"What MSOL_0123456789ab can do at {OU}:" in done.stdout
    assert f"  rename a group                   no  -> yes  {WHOLE}" in done.stdout
