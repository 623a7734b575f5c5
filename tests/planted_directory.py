"""A directory with one instance of every finding of an audit, and the same directory before that.

`Garden` makes both on a controller that was just provisioned: first what is as it should be, then, by the table
`PLANTS` here and that of `planted_power`, one instance of each rule's finding, each on objects of its own.

Samba never runs SDProp: what AdminSDHolder's list is to bring to a protected object, `as_sdprop_would` copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import ldap3
import trying
from conftest import live
from contoso_directory import GLOBAL_SECURITY, UNIVERSAL_DISTRIBUTION
from exchange import add_key_credentials
from ldap3.protocol.microsoft import security_descriptor_control
from samba_lab import CONTOSO, PASSWORD, DomainController, connect_as

import adsyncconfig
from acl import SecurityDescriptor, Sid
from acl.edit import protect
from acl.sddl import ace_from_sddl
from adsyncconfig.live import LiveDirectory

DOMAIN: Final = CONTOSO.base_dn
HOLDER: Final = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
SERVICES: Final = f"OU=Services,{DOMAIN}"
SYNCED: Final = f"OU=Synced,{DOMAIN}"
WRITEBACK: Final = f"OU=Writeback,{DOMAIN}"
PLANTED: Final = f"OU=Planted,{DOMAIN}"

#: The connector of the clean directory, the one that findings are planted for, and one that is granted too widely.
CONNECTOR: Final = f"CN=MSOL_0000000000a1,{SERVICES}"
SUSPECT: Final = f"CN=MSOL_0000000000b2,{SERVICES}"
FOREST_WIDE: Final = f"CN=MSOL_0000000000c3,{SERVICES}"
#: Who reads permissions and is no administrator.
AUDITOR: Final = f"CN=auditor,{SERVICES}"
NOBODY: Final = f"{CONTOSO.sid}-9999"

_DESCRIPTION: Final = (
    "Account created by Microsoft Azure Active Directory Connect with installation identifier {} running on "
    "computer SYNC1 configured to synchronize to tenant contoso.example."
)
_USER: Final = "bf967aba-0de6-11d0-a285-00aa003049e2"
_GROUP: Final = "bf967a9c-0de6-11d0-a285-00aa003049e2"
_ANCHOR: Final = "23773dc2-b63a-11d2-90e1-00c04fd91ab1"  # mS-DS-ConsistencyGuid
_LOCKOUT_TIME: Final = "28630ebf-41d5-11d1-a9c1-0000f80367c1"


class Garden:
    """The directory, as its administrator."""

    def __init__(self, controller: DomainController) -> None:
        self.controller = controller
        self.administrator = connect_as(controller, controller.administrator)
        self.sids: dict[str, str] = {}

    def close(self) -> None:
        self.administrator.unbind()

    def directory(self, user: str | None = None) -> LiveDirectory:
        return live(self.controller, user)

    def add(self, dn: str, object_class: str, attributes: dict[str, Any] | None = None) -> str:
        """Make an object; its DN."""
        self.administrator.add(dn, object_class, attributes or {})
        assert self.administrator.result["description"] == "success", (dn, self.administrator.result)
        return dn

    def ou(self, name: str, parent: str = PLANTED) -> str:
        return self.add(f"OU={name},{parent}", "organizationalUnit")

    def user(self, name: str, parent: str, **attributes: Any) -> str:
        password = f'"{PASSWORD}"'.encode("utf-16-le")
        account = {"sAMAccountName": name, "userAccountControl": "512", "unicodePwd": password, **attributes}
        dn = self.add(f"CN={name},{parent}", "user", account)
        self.sids[dn] = self._sid(dn)
        return dn

    def group(self, name: str, parent: str, **attributes: Any) -> str:
        account = {"sAMAccountName": name, "groupType": str(GLOBAL_SECURITY), **attributes}
        dn = self.add(f"CN={name},{parent}", "group", account)
        self.sids[dn] = self._sid(dn)
        return dn

    def connector(self, dn: str) -> str:
        """A connector account as the installer makes it, locked."""
        name = dn.partition(",")[0].removeprefix("CN=")
        self.user(
            name, dn.partition(",")[2], description=_DESCRIPTION.format(name.removeprefix("MSOL_") + "0" * 20)
        )
        with self.directory() as directory:
            adsyncconfig.set_adsync_restricted_permissions(directory, ad_connector_account_dn=dn)
        return dn

    def grant(self, feature: str, account: str, dn: str | None = None, **parameters: Any) -> None:
        """Run a feature's cmdlet."""
        function = getattr(adsyncconfig, f"set_adsync_{feature}_permissions")
        if dn is not None:
            parameters["ad_object_dn"] = dn
        with self.directory() as directory:
            function(directory, ad_connector_account_dn=account, **parameters)

    def set(self, dn: str, **attributes: str) -> None:
        self.administrator.modify(
            dn, {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in attributes.items()}
        )
        assert self.administrator.result["description"] == "success", (dn, self.administrator.result)

    def join(self, group: str, member: str) -> None:
        assert trying.add_member(self.administrator, group, member) == trying.SUCCESS

    def descriptor(self, dn: str) -> SecurityDescriptor:
        return SecurityDescriptor.from_bytes(trying.read_descriptor(self.administrator, dn))

    def write(self, dn: str, descriptor: SecurityDescriptor) -> None:
        assert trying.write_dacl(self.administrator, dn, descriptor.to_bytes()) == trying.SUCCESS

    def entries(self, dn: str, *rules: str) -> None:
        """Put entries in front of those that are there, in this order."""
        before = self.descriptor(dn)
        new = [ace_from_sddl(rule) for rule in rules]
        self.write(dn, before.with_dacl((*new, *(before.dacl or ()))))

    def without(self, dn: str, fragment: str) -> None:
        """Take the explicit entries away whose text holds this."""
        before = self.descriptor(dn)
        kept = [
            ace
            for ace in before.dacl or ()
            if ace.is_inherited or fragment not in adsyncconfig.ace_to_sddl(ace)
        ]
        self.write(dn, before.with_dacl(kept))

    def close_off(self, dn: str) -> None:
        """Let the object inherit nothing, and keep nothing of it."""
        self.write(dn, protect(self.descriptor(dn), keep_inherited=False))

    def own(self, dn: str, sid: str) -> None:
        """Give the object to another owner."""
        owner = SecurityDescriptor(owner=Sid.from_string(sid)).to_bytes()
        self.administrator.modify(
            dn,
            {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [owner])]},
            controls=security_descriptor_control(sdflags=1),
        )
        assert self.administrator.result["description"] == "success", self.administrator.result

    def as_sdprop_would(self, dn: str) -> None:
        """Mark the object as protected, with AdminSDHolder's own entries, which inherits nothing on Windows."""
        self.set(dn, adminCount="1")
        self.write(dn, protect(self.descriptor(HOLDER), keep_inherited=False))

    def sow(self) -> None:
        """The clean directory: a connector with every feature, locked, and somebody to synchronise."""
        add_key_credentials(self.administrator, f"CN=Schema,CN=Configuration,{DOMAIN}")
        for name in ("Services", "Synced", "Writeback", "Planted"):
            self.ou(name, DOMAIN)
        self.connector(CONNECTOR)
        self.user("auditor", SERVICES)
        self.user("one", SYNCED)
        self.group("staff", SYNCED)
        self.grant("basic_read", CONNECTOR)
        self.grant("password_hash_sync", CONNECTOR)
        self.grant("password_writeback", CONNECTOR)
        self.grant("ms_ds_consistency_guid", CONNECTOR)
        self.grant("exchange_hybrid", CONNECTOR, least_privilege=True)
        self.grant("unified_group_writeback", CONNECTOR, WRITEBACK, least_privilege=True)
        name = "Group_5a3c1c5e-6d0f-4b8e-9a51-0c0ffee0000a"
        connection = connect_as(self.controller, CONNECTOR)
        connection.add(
            f"CN={name},{WRITEBACK}",
            "group",
            {"sAMAccountName": name[:20], "adminDescription": name, "groupType": str(UNIVERSAL_DISTRIBUTION)},
        )
        assert connection.result["description"] == "success", connection.result
        connection.unbind()

    def plant(self, plants: Iterable[Plant]) -> None:
        """One instance of each rule's finding."""
        self.connector(SUSPECT)
        for each in plants:
            each.plant(self)

    def _sid(self, dn: str) -> str:
        self.administrator.search(dn, "(objectClass=*)", ldap3.BASE, attributes=["objectSid"])
        return str(Sid.from_bytes(self.administrator.response[0]["raw_attributes"]["objectSid"][0]))


@dataclass(frozen=True, slots=True)
class Plant:
    """One instance of a rule's finding.

    `dn` is the object that the audit is to name, and `sddl` a part of an entry that it is to show; `{...}` there is
    the SID of an object of the garden. `account` is the connector that it is planted for, where others are found
    there too. `afterwards` is what happens by itself on a controller of Windows. `by` is
    who audits, where the finding is about the reader; then nothing mends it but another reader.
    """

    rule: str
    dn: str
    plant: Callable[[Garden], None]
    sddl: str | None = None
    account: str | None = None
    afterwards: Callable[[Garden], None] | None = None
    by: str | None = None


def at(name: str) -> str:
    """An OU among what is planted."""
    return f"OU={name},{PLANTED}"


def _missing_grant(garden: Garden) -> None:
    ou = garden.ou("Incomplete")
    garden.grant("password_writeback", SUSPECT, ou)
    garden.without(ou, _LOCKOUT_TIME)


def _inherit_only(garden: Garden) -> None:
    ou = garden.ou("Inherit Only")
    garden.entries(ou, f"(OA;CIIO;CCDCLCSWRPWPDTLOSDRC;;{_GROUP};{garden.sids[SUSPECT]})")


def _anchored(garden: Garden, name: str) -> str:
    """An OU on which the account may write the anchor of users."""
    ou = garden.ou(name)
    garden.grant("ms_ds_consistency_guid", SUSPECT, ou)
    return ou


def _blocked(garden: Garden) -> None:
    ou = _anchored(garden, "Blocked")
    closed = garden.ou("Closed", ou)
    garden.user("shut", closed)
    garden.close_off(closed)


def _protected(garden: Garden) -> None:
    user = garden.user("operator", _anchored(garden, "Protected"))
    garden.join(f"CN=Print Operators,CN=Builtin,{DOMAIN}", user)
    garden.as_sdprop_would(user)


def _orphaned(garden: Garden) -> None:
    user = garden.user("retired", _anchored(garden, "Orphaned"))
    garden.as_sdprop_would(user)


def _group_creation(garden: Garden) -> None:
    garden.connector(FOREST_WIDE)
    garden.grant("unified_group_writeback", FOREST_WIDE, force=True)


def _denied(garden: Garden) -> None:
    garden.entries(_anchored(garden, "Denied"), f"(OD;CIIO;WP;{_ANCHOR};{_USER};{garden.sids[SUSPECT]})")


def _out_of_order(garden: Garden) -> None:
    ou = _anchored(garden, "Disordered")
    garden.entries(ou, f"(A;;LC;;;{garden.sids[SUSPECT]})", f"(D;;LO;;;{garden.sids[SUSPECT]})")


def _unknown_sid(garden: Garden) -> None:
    garden.entries(garden.ou("Left Over"), f"(A;CI;RPWP;;;{NOBODY})")


def _duplicate(garden: Garden) -> None:
    garden.entries(_anchored(garden, "Twice"), f"(OA;CIIO;RP;{_ANCHOR};{_USER};{garden.sids[SUSPECT]})")


def _inherited_already(garden: Garden) -> None:
    child = garden.ou("Child", _anchored(garden, "Again"))
    garden.entries(child, f"(OA;CIIO;RPWP;{_ANCHOR};{_USER};{garden.sids[SUSPECT]})")


def _owned(garden: Garden) -> None:
    user = garden.user("owned", garden.ou("Owned"))
    garden.own(user, garden.sids[SUSPECT])


def _unreadable(garden: Garden) -> None:
    garden.entries(garden.ou("Hidden"), f"(D;;RC;;;{garden.sids[AUDITOR]})")


PLANTS: Final[tuple[Plant, ...]] = (
    Plant("missing-grant", at("Incomplete"), _missing_grant, f"WP;{_LOCKOUT_TIME};{_USER};{{{SUSPECT}}}"),
    Plant("missing-inherit-only", at("Inherit Only"), _inherit_only, f"CIIO;CCDCLCSWRPWPDTLOSDRC;;{_GROUP}"),
    Plant("missing-inheritance-blocked", f"OU=Closed,{at('Blocked')}", _blocked, f"{_ANCHOR};{_USER}"),
    Plant(
        "missing-protected-object",
        f"CN=operator,{at('Protected')}",
        _protected,
        f"{_ANCHOR};{_USER}",
        account="MSOL_0000000000b2",
        afterwards=lambda garden: garden.as_sdprop_would(f"CN=operator,{at('Protected')}"),
    ),
    Plant("missing-orphaned-protection", f"CN=retired,{at('Orphaned')}", _orphaned, f"{_ANCHOR};{_USER}"),
    Plant(
        "missing-group-creation",
        DOMAIN,
        _group_creation,
        f"CIIO;CCDCLCSWRPWPDTLOSDRC;;{_GROUP};{{{FOREST_WIDE}}}",
    ),
    Plant("ineffective-deny", at("Denied"), _denied, f"OD;CIIO;WP;{_ANCHOR};{_USER};{{{SUSPECT}}}"),
    Plant("ineffective-order", at("Disordered"), _out_of_order, f"D;;LO;;;{{{SUSPECT}}}"),
    Plant("debris-unknown-sid", at("Left Over"), _unknown_sid, f"A;CI;RPWP;;;{NOBODY}"),
    Plant("debris-duplicate", at("Twice"), _duplicate, f"OA;CIIO;RP;{_ANCHOR};{_USER};{{{SUSPECT}}}"),
    Plant(
        "debris-inherited-already",
        f"OU=Child,{at('Again')}",
        _inherited_already,
        f"OA;CIIO;RPWP;{_ANCHOR};{_USER};{{{SUSPECT}}}",
    ),
    Plant("debris-owner", f"CN=owned,{at('Owned')}", _owned),
    Plant("unreadable-permissions", at("Hidden"), _unreadable, by="auditor@contoso.example"),
)
