"""What an entry is said to give, beside what the account can do when it tries, on a real controller.

Each case puts one entry, or two, on an object of a stage; then the account tries everything that can be tried on
each of them. What goes must be what is said, and what is refused must not be. Three things cannot be tried: no LDAP
request replicates secrets, this controller's schema has no key credentials, and it lets nobody write
msDS-AllowedToActOnBehalfOfOtherIdentity over LDAP ("can only be modified as system").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import differential
import ldap3
import pytest
import trying
from conftest import ConnectAs
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from ldap3.protocol.microsoft import security_descriptor_control
from samba_lab import PASSWORD, DomainController
from trying import REFUSED, SUCCESS

from acl import SecurityDescriptor, Sid
from acl.sddl import ace_from_sddl
from acl.token import Token
from adsyncconfig.expected import NAMES
from adsyncconfig.live import LiveDirectory
from adsyncconfig.powers import Powers
from adsyncconfig.schema import Kind, Schema, bundled

DOMAIN: Final = "DC=contoso,DC=example"
STAGE: Final = f"OU=Powers,{DOMAIN}"
UNIT: Final = f"OU=Unit,{STAGE}"
USER, GROUP, COMPUTER = f"CN=Target User,{UNIT}", f"CN=Target Group,{UNIT}", f"CN=TARGET,{UNIT}"
EMPTY: Final = f"OU=Empty,{STAGE}"
CLASSES: Final = {
    UNIT: "organizationalUnit",
    EMPTY: "organizationalUnit",
    USER: "user",
    GROUP: "group",
    COMPUTER: "computer",
}
CLASS, ATTRIBUTE, RIGHT = bundled(Kind.CLASS), bundled(Kind.ATTRIBUTE), bundled(Kind.RIGHT)
NOBODY: Final = Sid.from_string(f"{CONNECTOR_SID.rpartition('-')[0]}-9999")
WHOLE: Final = "CCDCLCSWRPWPDTLOCRSDRCWDWO"


@dataclass(frozen=True)
class Case:
    """Entries of the account, {ME}, on one object, and what they give there and on others."""

    name: str
    dn: str
    aces: str
    given: dict[str, set[str]]


#: What goes on an object with an entry for everything: what is tried here of each class.
ON_UNIT: Final = {
    "write-permissions", "write-owner", "write-everything", "link-group-policy", "create-everything",
    "delete-everything",
}  # fmt: skip
ON_EMPTY: Final = {"write-permissions", "write-owner", "write-everything", "link-group-policy", "delete"}
WRITES_USER: Final = {
    "write-logon-script", "write-service-names", "write-account-control", "write-source-anchor",
    "write-certificate-mapping", "write-everything",
}  # fmt: skip
WRITES_COMPUTER: Final = {"write-service-names", "write-everything"}

CASES: Final = [
    Case("nothing", UNIT, "(A;;GR;;;{ME})", {}),
    Case(
        "full control of an OU alone", UNIT, f"(A;;{WHOLE};;;{{ME}})", {UNIT: ON_UNIT}
    ),
    Case(
        "full control of an OU and what is in it",
        UNIT,
        f"(A;CI;{WHOLE};;;{{ME}})",
        {
            UNIT: ON_UNIT,
            USER: WRITES_USER | {"reset-password", "write-permissions", "write-owner"},
            GROUP: {"write-members", "write-permissions", "write-everything", "write-owner"},
            COMPUTER: WRITES_COMPUTER | {"reset-password", "write-permissions", "write-owner"},
        },
    ),
    Case("full control that waits", UNIT, f"(OA;CIIO;{WHOLE};;{CLASS['contact']};{{ME}})", {}),
    Case("permissions", UNIT, "(A;;WD;;;{ME})", {UNIT: {"write-permissions"}}),
    Case("ownership", EMPTY, "(A;;WO;;;{ME})", {EMPTY: {"write-owner"}}),
    Case("deleting it", EMPTY, "(A;;SD;;;{ME})", {EMPTY: {"delete"}}),
    Case("every attribute of the OU", UNIT, "(A;;WP;;;{ME})", {UNIT: {"write-everything", "link-group-policy"}}),
    Case("gPLink", UNIT, f"(OA;;WP;{ATTRIBUTE['gPLink']};;{{ME}})", {UNIT: {"link-group-policy"}}),
    Case("children of every class", UNIT, "(A;;CC;;;{ME})", {UNIT: {"create-everything"}}),
    Case("children of one class", UNIT, f"(OA;;CC;{CLASS['contact']};;{{ME}})", {}),
    Case(
        "group writeback as Microsoft grants it",
        UNIT,
        f"(OA;CI;CCDCLCSWRPWPDTLOSDRC;;{CLASS['group']};{{ME}})",
        {UNIT: ON_UNIT - {"write-permissions", "write-owner"}, GROUP: {"write-members", "write-everything"}},
    ),
    Case(
        "group writeback with least privilege",
        UNIT,
        f"(OA;CI;CCDC;{CLASS['group']};;{{ME}})(OA;CIIO;LCRPWPLOSDRC;;{CLASS['group']};{{ME}})",
        {GROUP: {"write-members", "write-everything"}},
    ),
    Case(
        "resetting passwords of users",
        UNIT,
        f"(OA;CIIO;CR;{RIGHT['User-Force-Change-Password']};{CLASS['user']};{{ME}})",
        {USER: {"reset-password"}},
    ),
    Case("every extended right", USER, "(A;;CR;;;{ME})", {USER: {"reset-password"}}),
    Case(
        "every attribute of users", UNIT, f"(OA;CIIO;RPWP;;{CLASS['user']};{{ME}})", {USER: WRITES_USER}
    ),
    Case(
        "a property set",
        USER,
        f"(OA;;WP;{RIGHT['User-Account-Restrictions']};;{{ME}})",
        {USER: {"write-account-control"}},
    ),
    Case(
        "public information of a user",
        USER,
        f"(OA;;WP;{RIGHT['Public-Information']};;{{ME}})",
        {USER: {"write-service-names", "write-certificate-mapping"}},
    ),
    Case("the logon script", USER, f"(OA;;WP;{ATTRIBUTE['scriptPath']};;{{ME}})", {USER: {"write-logon-script"}}),
    Case("members", GROUP, f"(OA;;WP;{ATTRIBUTE['member']};;{{ME}})", {GROUP: {"write-members"}}),
    Case("the set of members", GROUP, f"(OA;;WP;{RIGHT['Membership']};;{{ME}})", {GROUP: {"write-members"}}),
    Case(
        "what is denied in front",
        USER,
        f"(OD;;WP;{RIGHT['Public-Information']};;{{ME}})(A;;WP;;;{{ME}})",
        {USER: WRITES_USER - {"write-service-names", "write-certificate-mapping"}},
    ),
    Case("a denial for everybody", UNIT, "(D;;WD;;;WD)(A;;WDWO;;;{ME})", {UNIT: {"write-owner"}}),
]  # fmt: skip


class Attempts:
    """What can be tried on each object, by ability; each says the server's answer and puts back what it changed."""

    def __init__(self, connector: Any, administrator: Any) -> None:
        self._connector = connector
        self._administrator = administrator
        anywhere = {"write-permissions": self._permissions, "write-owner": self._ownership}
        units = anywhere | {
            "link-group-policy": self._writing(
                "gPLink", f"[LDAP://cn={{0}},cn=policies,cn=system,{DOMAIN};0]"
            ),
            "write-everything": self._writing("adminDisplayName", "tried"),
        }
        logons = anywhere | {
            "write-service-names": self._name,
            "write-everything": self._writing("adminDisplayName", "tried"),
            "reset-password": self._reset,
        }
        self.table: dict[str, dict[str, Callable[[str], str]]] = {
            UNIT: units | {"create-everything": self._create, "delete-everything": self._delete_child},
            EMPTY: units | {"delete": self._delete},
            USER: logons
            | {
                "write-logon-script": self._writing("scriptPath", "tried.cmd"),
                "write-account-control": self._writing("userAccountControl", "66048"),
                "write-source-anchor": self._writing("mS-DS-ConsistencyGuid", "tried"),
                "write-certificate-mapping": self._writing("altSecurityIdentities", "X509:<I>tried"),
            },
            GROUP: anywhere
            | {"write-members": self._member, "write-everything": self._writing("adminDisplayName", "tried")},
            COMPUTER: logons,
        }

    def go(self, dn: str) -> set[str]:
        """The abilities that go on the object."""
        found = set()
        for ability, attempt in self.table[dn].items():
            said = attempt(dn)
            assert said in (SUCCESS, REFUSED), (dn, ability, self._connector.result)
            if said == SUCCESS:
                found.add(ability)
        return found

    def _said(self) -> str:
        return str(self._connector.result["description"])

    def _writing(self, attribute: str, value: str) -> Callable[[str], str]:
        def attempt(dn: str) -> str:
            return trying.write(self._connector, dn, attribute, value)

        return attempt

    def _permissions(self, dn: str) -> str:
        stored = trying.read_descriptor(self._administrator, dn)
        return trying.write_dacl(self._connector, dn, stored)

    def _ownership(self, dn: str) -> str:
        return self._own(self._connector, dn, CONNECTOR_SID)

    def _own(self, connection: Any, dn: str, sid: str) -> str:
        owner = SecurityDescriptor(owner=Sid.from_string(sid)).to_bytes()
        before = SecurityDescriptor.from_bytes(trying.read_descriptor(self._administrator, dn, flags=1)).owner
        control = security_descriptor_control(sdflags=1)
        connection.modify(dn, {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [owner])]}, controls=control)
        said = str(connection.result["description"])
        if said == SUCCESS and connection is self._connector:
            assert self._own(self._administrator, dn, str(before)) == SUCCESS
        return said

    def _create(self, dn: str) -> str:
        new = f"OU=Made,{dn}"
        said = trying.create(self._connector, new, "organizationalUnit")
        if said == SUCCESS:
            assert trying.delete(self._administrator, new) == SUCCESS
        return said

    def _delete_child(self, dn: str) -> str:
        """Delete an object in it that gives nothing by itself: it inherits nothing, and somebody else owns it."""
        child = f"OU=Shut,{dn}"
        assert trying.create(self._administrator, child, "organizationalUnit") == SUCCESS
        shut = SecurityDescriptor.from_sddl("D:P(A;;GA;;;BA)")
        assert trying.write_dacl(self._administrator, child, shut.to_bytes()) == SUCCESS
        said = trying.delete(self._connector, child)
        if said != SUCCESS:
            assert trying.delete(self._administrator, child) == SUCCESS
        return said

    def _delete(self, dn: str) -> str:
        return trying.delete(self._connector, dn)  # the last thing that is tried on it

    def _reset(self, dn: str) -> str:
        value = '"Another-Passw0rd.42"'.encode("utf-16-le")
        self._connector.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [value])]})
        return self._said()

    def _member(self, dn: str) -> str:
        said = trying.add_member(self._connector, dn, USER)
        if said == SUCCESS:
            self._administrator.modify(dn, {"member": [(ldap3.MODIFY_DELETE, [USER])]})
        return said

    def _name(self, dn: str) -> str:
        """A name of its own, since a forest has each once."""
        return trying.write(self._connector, dn, "servicePrincipalName", f"tried/{CLASSES[dn]}")


@pytest.fixture
def stage(administrator: Any) -> Iterator[None]:
    with differential.container(administrator, DOMAIN, "Powers"):
        for dn in (UNIT, EMPTY):
            assert trying.create(administrator, dn, "organizationalUnit") == SUCCESS
        password = f'"{PASSWORD}"'.encode("utf-16-le")
        user = {"sAMAccountName": "target-user", "userAccountControl": "512", "unicodePwd": password}
        assert administrator.add(USER, "user", user), administrator.result
        assert administrator.add(GROUP, "group", {"sAMAccountName": "target-group"}), administrator.result
        computer = {"sAMAccountName": "TARGET$", "userAccountControl": "4096"}
        assert administrator.add(COMPUTER, "computer", computer), administrator.result
        yield


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.usefixtures("stage")
def test_what_is_said_is_what_the_account_can_do(
    directory: LiveDirectory, contoso: DomainController, connect_as: ConnectAs, administrator: Any, case: Case
) -> None:
    before = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, case.dn))
    front = [ace_from_sddl(f"({each}") for each in case.aces.format(ME=CONNECTOR_SID).split("(")[1:]]
    assert (
        trying.write_dacl(administrator, case.dn, before.with_dacl((*front, *(before.dacl or ()))).to_bytes())
        == SUCCESS
    )

    schema = Schema(directory)
    names: dict[Kind, list[str]] = {}
    for kind, name in NAMES:
        names.setdefault(kind, []).append(name)
    powers = Powers(schema.all_known(names), schema.property_sets)
    entry = directory.get(CONNECTOR_DN, ["tokenGroups"])
    token = Token.for_account(
        Sid.from_string(CONNECTOR_SID), map(Sid.from_bytes, entry.attributes.get("tokengroups", ()))
    )
    attempts = Attempts(connect_as(contoso, CONNECTOR), administrator)

    said: dict[str, set[str]] = {}
    for dn, object_class in CLASSES.items():
        stored = directory.get(dn, ["nTSecurityDescriptor"]).security_descriptor()
        held = {each.ability.id for each in powers.held(stored, token, object_class)}
        said[dn] = held & set(attempts.table[dn])
    assert {dn: abilities for dn, abilities in said.items() if abilities} == case.given
    assert {dn: attempts.go(dn) for dn in CLASSES} == said


def test_everything_is_tried_with_and_without_success() -> None:
    tried = {(dn, ability) for dn, table in Attempts(None, None).table.items() for ability in table}
    given = {(dn, ability) for case in CASES for dn, abilities in case.given.items() for ability in abilities}
    assert tried - given <= {
        (EMPTY, "write-permissions"),
        (EMPTY, "link-group-policy"),
        (EMPTY, "write-everything"),
    }
