"""The effect that a run says, beside what the connector account can really do when it tries, on a real controller.

Each case lays entries on an OU of its own, makes a run, and tries every operation as the connector before it and
after it. The controller's own allowedAttributesEffective and allowedChildClassesEffective are compared too.

Not tried, since this controller has no such thing: restoring an expired password by Unexpire-Password; replicating
password hashes, which no LDAP request does (the access check alone says that).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import differential
import ldap3
import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from expectations import CONTOSO_SNAPSHOT
from ldap_proxy import LdapProxy
from samba_lab import PASSWORD, DomainController, Forest
from trying import REFUSED, SUCCESS

import adsyncconfig
from acl import SecurityDescriptor, Sid
from acl.edit import protect
from adsyncconfig import SetResult
from adsyncconfig.account import implied_groups, resolve
from adsyncconfig.directory import Entry
from adsyncconfig.filters import EVERYTHING, Equals
from adsyncconfig.live import LiveDirectory
from adsyncconfig.operations import OPERATIONS
from adsyncconfig.schema import Kind, bundled

pytestmark = pytest.mark.usefixtures("permissions_restored")

DOMAIN = "DC=contoso,DC=example"
STAGE = f"OU=Effect,{DOMAIN}"
GROUP, USER, CONTACT = f"CN=Stage Group,{STAGE}", f"CN=Stage User,{STAGE}", f"CN=Stage Contact,{STAGE}"
HELPERS = f"CN=Stage Helpers,OU=Groups,{DOMAIN}"
MEMBER = bundled(Kind.ATTRIBUTE)["member"]
CLASS = bundled(Kind.CLASS)
ATTRIBUTES = {
    "group": ["adminDescription", "description", "displayName", "mail", "proxyAddresses", "sAMAccountName"],
    "user": ["displayName", "mail", "sAMAccountName"],
}


@dataclass(frozen=True)
class Case:
    """A cmdlet's function with its parameters, and entries that are there before; {H} is a group of the account."""

    name: str
    function: str
    parameters: dict[str, Any]
    aces: str = ""
    through_group: bool = False
    #: Operations that still do not go after the run.
    refused: frozenset[str] = frozenset()


GROUPS = "set_adsync_unified_group_writeback_permissions"
HYBRID = "set_adsync_exchange_hybrid_permissions"
CREATE, CHANGE, MEMBERS, RENAME, DELETE = (each.name for each in OPERATIONS["UnifiedGroupWriteback"])
HERE = {"ad_object_dn": STAGE}
CASES = [
    Case("groups in an OU", GROUPS, HERE),
    Case("groups in an OU with least privilege", GROUPS, {**HERE, "least_privilege": True}),
    Case("groups in a domain", GROUPS, {}, refused=frozenset({CREATE})),
    Case("one group", GROUPS, {"ad_object_dn": GROUP}),
    Case("a deny for the account in front", GROUPS, HERE, "(D;CI;CC;;;{ME})", refused=frozenset({CREATE})),
    Case(
        "a deny of one attribute for a group of the account",
        GROUPS,
        HERE,
        f"(OD;CIIO;WP;{MEMBER};{CLASS['group']};{{H}})",
        through_group=True,
        refused=frozenset({MEMBERS}),
    ),
    Case(
        "a deny of writing and deleting for everybody",
        GROUPS,
        HERE,
        f"(D;CI;DC;;;WD)(OD;CIIO;WPSD;;{CLASS['group']};WD)",
        refused=frozenset({CHANGE, MEMBERS, RENAME, DELETE}),
    ),
    Case(
        "half of it through a group of the account",
        GROUPS,
        {**HERE, "least_privilege": True},
        f"(OA;CI;CC;{CLASS['group']};;{{H}})(OA;CIIO;WP;{MEMBER};{CLASS['group']};{{H}})",
        through_group=True,
    ),
    Case("passwords in an OU", "set_adsync_password_writeback_permissions", HERE),
    Case("passwords in a domain", "set_adsync_password_writeback_permissions", {}),
    Case(
        "passwords where a property set is denied",
        "set_adsync_password_writeback_permissions",
        HERE,
        "(OD;CIIO;WP;4c164200-20c0-11d0-a768-00aa006e0529;;AU)",
        refused=frozenset({"expire the password of a user (write pwdLastSet)"}),
    ),
    Case("the anchor of one user", "set_adsync_ms_ds_consistency_guid_permissions", {"ad_object_dn": USER}),
    Case("the anchor in an OU", "set_adsync_ms_ds_consistency_guid_permissions", HERE),
    Case("Exchange in an OU", HYBRID, HERE),
    Case("Exchange with least privilege", HYBRID, {**HERE, "least_privilege": True}),
    Case("replication", "set_adsync_password_hash_sync_permissions", {}),
    Case(
        "users and groups of Cloud Sync",
        "set_aad_cloud_sync_permissions",
        {"permission_type": "UserGroupCreateDelete"},
    ),
]


@pytest.fixture
def stage(administrator: Any) -> Iterator[str]:
    """An OU with a group, a user and a contact, and elsewhere a group for the account to be in."""
    with differential.container(administrator, DOMAIN, "Effect"):
        for dn in (GROUP, USER, CONTACT):
            _make(administrator, dn)
        assert trying.delete(administrator, HELPERS) in (SUCCESS, "noSuchObject")
        differential.add(administrator, HELPERS, "group", sAMAccountName="stage-helpers")
        yield STAGE
    trying.delete(administrator, HELPERS)


def _make(administrator: Any, dn: str) -> None:
    if dn == CONTACT:
        differential.add(administrator, dn, "contact")
    elif dn == GROUP:
        differential.add(
            administrator,
            dn,
            "group",
            sAMAccountName="stage-group",
            displayName="x",
            mail="a@contoso.example",
        )
    else:
        password = f'"{PASSWORD}"'.encode("utf-16-le")
        values = {"sAMAccountName": "stage-user", "userAccountControl": "512", "unicodePwd": password}
        assert administrator.add(dn, "user", values), administrator.result


class Attempts:
    """Each operation by its name, tried as the connector; what succeeds is undone as the administrator."""

    def __init__(self, connector: Any, administrator: Any) -> None:
        self._connector = connector
        self._administrator = administrator
        self._table: dict[str, Callable[[], list[str]]] = {
            CREATE: lambda: self._create(f"CN=Stage New,{STAGE}"),
            CHANGE: lambda: self._write(GROUP, *ATTRIBUTES["group"]),
            MEMBERS: self._member,
            RENAME: self._rename,
            DELETE: lambda: self._delete(GROUP),
            "reset the password of a user": self._reset,
            "unlock a user (write lockoutTime)": lambda: self._write(USER, "lockoutTime", value="0"),
            "expire the password of a user (write pwdLastSet)": lambda: self._write(
                USER, "pwdLastSet", value="0"
            ),
            "write mS-DS-ConsistencyGuid of a user": lambda: self._write(USER, "mS-DS-ConsistencyGuid"),
            "write the Exchange attributes of a user": lambda: self._write(USER, "proxyAddresses"),
            "write the Exchange attributes of a group": lambda: self._write(GROUP, "proxyAddresses"),
            "write the Exchange attributes of a contact": lambda: self._write(CONTACT, "proxyAddresses"),
            "replicate changes": self._replicate,
            "create a user": lambda: self._create(f"CN=Stage Newcomer,{STAGE}", "user"),
            "write the attributes of a user": lambda: self._write(USER, *ATTRIBUTES["user"]),
            "delete a user": lambda: self._delete(USER),
        }

    def go(self, operation: str) -> bool | None:
        """Whether the operation goes; None for one that cannot be tried."""
        if operation not in self._table:
            return None
        said = self._table[operation]()
        assert set(said) <= {SUCCESS, REFUSED}, (operation, said, self._connector.result)
        return set(said) == {SUCCESS}

    def _create(self, dn: str, object_class: str = "group") -> list[str]:
        values = {"sAMAccountName": dn.split(",", 1)[0][3:].replace(" ", "-").lower()}
        self._connector.add(dn, object_class, values)
        said = str(self._connector.result["description"])
        if said == SUCCESS:
            assert trying.delete(self._administrator, dn) == SUCCESS
        return [said]

    def _write(self, dn: str, *names: str, value: str | None = None) -> list[str]:
        suffix = "group" if dn == GROUP else "user"
        return [
            trying.write(self._connector, dn, name, value or f"stage-{suffix}")
            if name != "proxyAddresses"
            else trying.write(self._connector, dn, name, f"smtp:{suffix}@contoso.example")
            for name in names
        ]

    def _member(self) -> list[str]:
        said = trying.add_member(self._connector, GROUP, USER)
        if said == SUCCESS:
            self._administrator.modify(GROUP, {"member": [(ldap3.MODIFY_DELETE, [USER])]})
        return [said]

    def _rename(self) -> list[str]:
        said = trying.rename(self._connector, GROUP, "CN=Stage Renamed")
        if said == SUCCESS:
            back = trying.rename(self._administrator, f"CN=Stage Renamed,{STAGE}", "CN=Stage Group")
            assert back == SUCCESS
        return [said]

    def _delete(self, dn: str) -> list[str]:
        """Delete it; a new one in its place would inherit, and not keep what was granted on itself: so last."""
        said = trying.delete(self._connector, dn)
        if said == SUCCESS:
            _make(self._administrator, dn)
        return [said]

    def _reset(self) -> list[str]:
        value = '"Another-Passw0rd.42"'.encode("utf-16-le")
        self._connector.modify(USER, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [value])]})
        return [str(self._connector.result["description"])]

    def _replicate(self) -> list[str]:
        control = ldap3.protocol.microsoft.dir_sync_control(
            criticality=True,
            object_security=False,
            ancestors_first=False,
            public_data_only=False,
            incremental_values=False,
            max_length=2147483647,
            cookie=b"",
        )
        self._connector.search(
            DOMAIN, "(objectClass=domainDNS)", ldap3.SUBTREE, attributes=["name"], controls=[control]
        )
        return [str(self._connector.result["description"])]


def prepared(administrator: Any, case: Case) -> None:
    """Lay the case's entries on the OU, and put the account in the group that they are for."""
    if case.through_group:
        assert trying.add_member(administrator, HELPERS, CONNECTOR_DN) == SUCCESS
    raw = differential.read(administrator, HELPERS, "objectSid")["objectSid"][0]
    text = case.aces.format(ME=CONNECTOR_SID, H=Sid.from_bytes(raw))
    front = SecurityDescriptor.from_sddl(f"D:{text}").dacl or ()
    start = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, STAGE))
    written = start.with_dacl((*front, *(start.dacl or ())))
    assert trying.write_dacl(administrator, STAGE, written.to_bytes()) == SUCCESS


def run(directory: LiveDirectory, case: Case, **more: Any) -> SetResult:
    result: SetResult = getattr(adsyncconfig, case.function)(
        directory, ad_connector_account_dn=CONNECTOR_DN, **case.parameters, **more
    )
    return result


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_a_run_says_is_what_the_account_can_do(
    directory: LiveDirectory,
    contoso: DomainController,
    connect_as: ConnectAs,
    administrator: Any,
    *,
    stage: str,
    case: Case,
) -> None:
    prepared(administrator, case)
    connector = connect_as(contoso, CONNECTOR)  # whose token has the group by now
    attempts = Attempts(connector, administrator)

    planned = run(directory, case, what_if=True)
    before = {each.operation.name: each.before.allowed for each in planned.effect}
    assert_as_the_controller_computes(connector, before)
    assert before == {name: tried(attempts, name, said) for name, said in before.items()}

    done = run(directory, case)
    after = {each.operation.name: each.after.allowed for each in done.effect}
    assert after == {each.operation.name: each.after.allowed for each in planned.effect}
    assert_as_the_controller_computes(connector, after)
    assert after == {name: tried(attempts, name, said) for name, said in after.items()}
    assert {name for name, said in after.items() if not said} == case.refused
    assert all(any(name in warning for warning in done.warnings) for name in case.refused - {CREATE})


def tried(attempts: Attempts, operation: str, said: bool | None) -> bool | None:
    went = attempts.go(operation)
    return said if went is None else went


def assert_as_the_controller_computes(connector: Any, said: dict[str, bool | None]) -> None:
    """The controller's own lists of what may be written and created agree."""
    group = differential.read(connector, GROUP, "allowedAttributesEffective")["allowedAttributesEffective"]
    children = differential.read(connector, STAGE, "allowedChildClassesEffective")[
        "allowedChildClassesEffective"
    ]
    for name, needed in ((CHANGE, ATTRIBUTES["group"]), (MEMBERS, ["member"])):
        if name in said:
            assert ({each.encode() for each in needed} <= set(group)) is said[name], name
    if CREATE in said and len(said) > 1:
        assert (b"group" in children) is said[CREATE]


def test_the_cases_make_enough_comparisons() -> None:
    kinds = {
        GROUPS: 5,
        "set_adsync_password_writeback_permissions": 3,
        "set_adsync_ms_ds_consistency_guid_permissions": 1,
        HYBRID: 3,
        "set_adsync_password_hash_sync_permissions": 1,
        "set_aad_cloud_sync_permissions": 7,
    }
    # Twice each: before and after.
    assert sum(2 * kinds[case.function] for case in CASES) >= 100


def test_what_blocks_inheritance_below_is_refused_and_warned_of(
    directory: LiveDirectory, contoso: DomainController, connect_as: ConnectAs, administrator: Any, stage: str
) -> None:
    unit, inner = f"OU=Closed,{STAGE}", f"CN=Closed Group,OU=Closed,{STAGE}"
    assert trying.create(administrator, unit, "organizationalUnit") == SUCCESS
    assert trying.create_group(administrator, inner) == SUCCESS
    closed = protect(differential.stored(administrator, unit), keep_inherited=True)
    assert trying.write_dacl(administrator, unit, closed.to_bytes()) == SUCCESS

    result = run(directory, CASES[0])
    assert any(f"'{unit}' (with 1 in it)" in warning for warning in result.warnings)
    connector = connect_as(contoso, CONNECTOR)
    assert trying.write(connector, inner, "description", "x") == REFUSED
    assert trying.write(connector, GROUP, "description", "x") == SUCCESS

    found = diagnose(directory, "UnifiedGroupWriteback", STAGE)
    refused = {each.dn for each in found.diagnoses if not each.allowed}
    assert refused == {unit, inner}
    run(directory, Case("", GROUPS, {"ad_object_dn": unit}))
    assert diagnose(directory, "UnifiedGroupWriteback", STAGE).works
    assert trying.write(connector, inner, "description", "x") == SUCCESS


def diagnose(directory: LiveDirectory, feature: str, dn: str) -> adsyncconfig.DiagnosisResult:
    return adsyncconfig.test_adsync_permissions(
        directory, feature=feature, ad_connector_account_dn=CONNECTOR_DN, ad_object_dn=dn
    )


def test_reading_is_tried_where_ordinary_accounts_may_not(
    directory: LiveDirectory, contoso: DomainController, connect_as: ConnectAs, administrator: Any, stage: str
) -> None:
    """A group that nobody may read, in an OU whose children nobody may list, then one thing after the other."""
    connector = connect_as(contoso, CONNECTOR)
    bare = SecurityDescriptor.from_sddl("D:P(A;CI;0xF01FF;;;BA)")
    listed = SecurityDescriptor.from_sddl("D:P(A;CI;0xF01FF;;;BA)(A;;LC;;;AU)")
    own = SecurityDescriptor.from_sddl("D:AI")
    read = "read the attributes of a group"

    def both() -> tuple[bool | None, bool]:
        found = diagnose(directory, "BasicRead", GROUP)
        computed = next(each.allowed for each in found.diagnoses if each.operation == read)
        names = ["cn", "displayName", "groupType", "mail", "sAMAccountName"]
        seen = connector.search(GROUP, "(objectClass=*)", ldap3.BASE, attributes=names)
        entries = [each for each in connector.response if each["type"] == "searchResEntry"] if seen else []
        return computed, bool(entries) and all(entries[0]["raw_attributes"].get(name) for name in names)

    for unit, granted, expected in (
        (bare, False, False), (bare, True, False), (listed, False, False), (listed, True, True),
    ):  # fmt: skip
        assert trying.write_dacl(administrator, STAGE, unit.to_bytes()) == SUCCESS
        assert trying.write_dacl(administrator, GROUP, own.to_bytes()) == SUCCESS
        if granted:
            run(directory, Case("", "set_adsync_basic_read_permissions", HERE))
        assert both() == (expected, expected), (unit.to_sddl(), granted)


def test_each_diagnosis_of_an_object_is_what_the_account_can_do_to_it(
    directory: LiveDirectory, contoso: DomainController, connect_as: ConnectAs, administrator: Any, stage: str
) -> None:
    run(directory, CASES[0])
    deny = SecurityDescriptor.from_sddl(f"D:(OD;;WP;{MEMBER};;{CONNECTOR_SID})").dacl
    current = differential.stored(administrator, GROUP)
    fronted = current.with_dacl((*(deny or ()), *(current.dacl or ())))
    assert trying.write_dacl(administrator, GROUP, fronted.to_bytes()) == SUCCESS

    found = diagnose(directory, "UnifiedGroupWriteback", GROUP)
    attempts = Attempts(connect_as(contoso, CONNECTOR), administrator)
    rows = {each.operation: each for each in found.diagnoses}
    assert {name: row.allowed for name, row in rows.items()} == {name: attempts.go(name) for name in rows}
    refused = rows[MEMBERS]
    assert refused.origin is not None
    assert (refused.allowed, refused.origin.kind.value, refused.origin.dn) == (False, "explicit", GROUP)
    granted = rows[CHANGE].origin
    assert granted is not None
    assert (granted.kind.value, granted.dn) == ("inherited", STAGE)


def test_a_list_that_was_copied_from_admin_sd_holder_is_recognised(
    directory: LiveDirectory, contoso: DomainController, connect_as: ConnectAs, administrator: Any, stage: str
) -> None:
    """This controller has no SDProp: the copy is made as it makes it."""
    holder = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
    guid = {"ad_object_dn": DOMAIN, "include_admin_sd_holders": True}
    run(directory, Case("", "set_adsync_ms_ds_consistency_guid_permissions", guid))
    assert trying.write(administrator, USER, "adminCount", "1") == SUCCESS
    copy = trying.read_descriptor(administrator, holder)
    assert trying.write_dacl(administrator, USER, copy) == SUCCESS

    (row,) = diagnose(directory, "MsDsConsistencyGuid", USER).diagnoses
    assert row.allowed
    assert row.origin is not None
    assert (row.origin.kind.value, row.origin.dn) == ("AdminSDHolder", holder)
    connector = connect_as(contoso, CONNECTOR)
    assert trying.write(connector, USER, "mS-DS-ConsistencyGuid", "0123456789abcdef") == SUCCESS


# -- the token -----------------------------------------------------------------------------------------------


def test_a_snapshot_works_out_the_same_groups_as_the_controller(contoso: DomainController) -> None:
    def groups(entry: Entry) -> set[Sid]:
        return {Sid.from_bytes(value) for value in entry.attributes.get("tokengroups", ())}

    with live(contoso) as directory, adsyncconfig.open_snapshot(CONTOSO_SNAPSHOT) as snapshot:
        compared = 0
        for each in snapshot.search(DOMAIN, Equals("objectClass", "user"), ["name"]):
            there = directory.get(each.dn, ["tokenGroups"])
            assert groups(snapshot.get(each.dn, ["tokenGroups"])) == groups(there), each.dn
            compared += 1
        assert compared >= 10
        # Users and Pre-Windows 2000 Compatible Access, which Authenticated Users is a member of.
        implied = {Sid.from_string("S-1-5-32-545"), Sid.from_string("S-1-5-32-554")}
        assert set(implied_groups(snapshot)) == set(implied_groups(directory)) == implied
        account, kept = (resolve(one, dn=CONNECTOR_DN) for one in (directory, snapshot))
        assert set(account.token_sids or ()) == set(kept.token_sids or ())
        assert {Sid.from_string("S-1-5-32-545")} < set(account.token_sids or ())


def test_looking_below_stops_without_another_request(contoso: DomainController) -> None:
    with LdapProxy(contoso) as proxy:
        directory = adsyncconfig.connect(
            proxy.url, user=contoso.administrator, password=contoso.password, ca_file=contoso.ca_file
        )
        with directory:
            proxy.clear()
            result = run(directory, Case("", GROUPS, {"look_below": 3}), what_if=True)
            # Domains, account, schema, three objects; and the domain itself, when it is not among these three.
            assert len(proxy.operations) in (4, 5)
            assert any("objects at and below" in warning for warning in result.warnings)
            proxy.clear()
            entries = list(directory.search(DOMAIN, EVERYTHING, ["name"], limit=1005))
            assert len(proxy.operations) == 1  # the domain has fewer
            assert len(entries) < 1000
            proxy.clear()
            assert len(list(directory.search(DOMAIN, EVERYTHING, ["name"], limit=7))) == 7
            assert len(proxy.operations) == 1


@pytest.mark.usefixtures("forest_restored")
def test_an_account_of_another_domain_has_its_effect_there(forest: Forest) -> None:
    """Tried by the computed effect alone: the lab's two domains do not trust each other's logons."""
    ou = f"OU=Writeback,{forest.child.base_dn}"
    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        done = run(directory, Case("", GROUPS, {"ad_object_dn": ou}))
    assert [(each.before.allowed, each.after.allowed) for each in done.effect] == [(False, True)] * 5
    assert {each.dn for each in done.effect} == {ou}


def test_an_account_found_by_name_has_the_same_groups_as_by_its_dn(directory: LiveDirectory) -> None:
    by_name = resolve(directory, name=CONNECTOR, domain="CONTOSO")
    by_dn = resolve(directory, dn=CONNECTOR_DN)
    assert by_name.token_sids == by_dn.token_sids
    assert by_dn.token_sids


def test_the_names_of_operations_are_tried_or_said_not_to_be() -> None:
    not_tried = {"restore an expired password", "replicate password hashes"}
    known = set(Attempts(None, None)._table)
    features = ("UnifiedGroupWriteback", "PasswordWriteback", "PasswordHashSync", "MsDsConsistencyGuid")
    named = {each.name for each in chain.from_iterable(OPERATIONS[name] for name in features)}
    assert named - known == not_tried
