"""The rules of what connector accounts hold beyond their features, as data; ``rules_excess`` applies them."""

from __future__ import annotations

from typing import Final

from .abilities import ABILITIES
from .findings import Category, Rule, Severity

__all__ = ["BY_ABILITY", "OBJECT_RULES"]

_TAKE_AWAY: Final = "Take the entry away with Remove-ADSyncAccessRule, or name the feature that needs it."


def _rule(name: str, severity: Severity, title: str, why: str, mending: str = _TAKE_AWAY) -> Rule:
    return Rule(f"excess-{name}", Category.EXCESS, severity, title, why, mending)


FULL_CONTROL: Final = _rule(
    "full-control",
    Severity.HIGH,
    "A connector has full control",
    "No feature needs it. Whoever acts as the connector, by its password or on its server, rewrites permissions, "
    "resets passwords and deletes what is there.",
)
WRITE_PERMISSIONS: Final = _rule(
    "write-permissions",
    Severity.HIGH,
    "A connector can change permissions, or take ownership",
    "Who may change permissions or the owner gives itself every other right: it is full control in two steps.",
)
EVERY_EXTENDED_RIGHT: Final = _rule(
    "every-extended-right",
    Severity.HIGH,
    "A connector has every extended right",
    "Without naming one, the entry gives all extended rights: to reset passwords, and on a domain to replicate "
    "every password hash.",
)
RESET_PASSWORD: Final = _rule(
    "reset-password",
    Severity.HIGH,
    "A connector can reset passwords without password writeback",
    "Who resets a password logs on as that account.",
)
REPLICATION: Final = _rule(
    "replication",
    Severity.CRITICAL,
    "A connector can replicate secrets without password hash synchronisation",
    "Replicating Directory Changes All gives out the password hash of every account, administrators and krbtgt "
    "included (DCSync). Only password hash synchronisation needs it.",
)
REPLICATE_CHANGES: Final = _rule(
    "replicate-changes",
    Severity.LOW,
    "A connector can replicate changes, and no feature of it does",
    "The right gives out no secrets; but it is half of what password hashes take, and should be held by those "
    "alone that use it.",
)
KEY_CREDENTIALS: Final = _rule(
    "key-credentials",
    Severity.HIGH,
    "A connector can write key credentials",
    "Who adds a key to msDS-KeyCredentialLink logs on as that account with it, and leaves its password as it is "
    "(shadow credentials).",
)
DELEGATION: Final = _rule(
    "delegation",
    Severity.HIGH,
    "A connector can say who is trusted for delegation",
    "Who writes msDS-AllowedToActOnBehalfOfOtherIdentity of a computer logs on to it as anybody, administrators "
    "included (resource-based constrained delegation).",
)
CERTIFICATES: Final = _rule(
    "certificate-mapping",
    Severity.HIGH,
    "A connector can map certificates to accounts",
    "Who writes altSecurityIdentities logs on as that account with a certificate of its own.",
)
MANAGED_PASSWORD: Final = _rule(
    "managed-password",
    Severity.HIGH,
    "A connector can say who reads a managed password",
    "Who writes msDS-GroupMSAMembership of a managed account reads its password, and acts as the service.",
)
LOGON_SCRIPT: Final = _rule(
    "logon-script",
    Severity.HIGH,
    "A connector can set logon scripts",
    "The program that scriptPath names runs when the user logs on, with the user's rights.",
)
SERVICE_NAMES: Final = _rule(
    "service-principal-names",
    Severity.MEDIUM,
    "A connector can write service principal names",
    "An account with a service principal name can have its password guessed offline (Kerberoasting), and a name "
    "can be taken over from another service.",
)
ACCOUNT_CONTROL: Final = _rule(
    "account-control",
    Severity.MEDIUM,
    "A connector can write userAccountControl",
    "Who writes userAccountControl enables and disables accounts, and turns off what protects their logon, such as "
    "Kerberos pre-authentication.",
)
SOURCE_ANCHOR: Final = _rule(
    "source-anchor",
    Severity.MEDIUM,
    "A connector can write the source anchor",
    "Who writes mS-DS-ConsistencyGuid ties an account to another identity in Entra, and so takes that one over at "
    "the next synchronisation.",
)
MEMBERS: Final = _rule(
    "group-members",
    Severity.HIGH,
    "A connector can change the members of groups",
    "Who changes the members of a group has whatever the group has: shares, servers, applications.",
)
GROUP_POLICY: Final = _rule(
    "group-policy-link",
    Severity.HIGH,
    "A connector can link group policies",
    "A group policy runs programs on every computer in the OU, as SYSTEM.",
)
WRITE_CONTAINER: Final = _rule(
    "write-container",
    Severity.HIGH,
    "A connector can write the container itself",
    "Features write objects in a container, never its own attributes. On an OU or a domain gPLink is among them: a "
    "group policy that is linked there runs programs on every computer in it.",
)
WRITE_EVERYTHING: Final = _rule(
    "write-everything",
    Severity.HIGH,
    "A connector can write every attribute",
    "Features write a few attributes. All of them include key credentials, logon scripts, service principal names, "
    "and the members of groups.",
)
CREATE_OR_DELETE: Final = _rule(
    "create-or-delete",
    Severity.MEDIUM,
    "A connector can create or delete objects",
    "Who creates an object owns it. Computers and users that the connector makes can log on; what it deletes is "
    "gone with its memberships and permissions.",
)
ADMIN_SD_HOLDER: Final = _rule(
    "admin-sd-holder",
    Severity.CRITICAL,
    "A connector can take over administrators, through AdminSDHolder",
    "The permissions of AdminSDHolder are copied onto every protected account and group: with such an entry there "
    "the connector makes itself a domain administrator.",
)
ADMIN_SD_HOLDER_ATTRIBUTES: Final = _rule(
    "admin-sd-holder-attributes",
    Severity.LOW,
    "A connector can write to administrators, through AdminSDHolder",
    "Microsoft advises against synchronising administrators. An entry on AdminSDHolder lets the connector write to "
    "all of them.",
)
OTHER_RIGHT: Final = _rule(
    "other-right",
    Severity.INFORMATION,
    "A connector holds rights that its features do not need",
    "What no feature needs should not be held: it may be left over from a feature that was turned off, or belong "
    "to a rule of synchronisation of your own.",
)
GROUP_WRITEBACK_WIDE: Final = _rule(
    "group-writeback-wide",
    Severity.HIGH,
    "Group writeback is granted in its full form, which hands over the OU itself",
    "Microsoft's cmdlet grants it on this object and below: on the OU itself the class is not looked at, so that "
    "the connector creates users and computers in it, links group policies to it and deletes it whole.",
    "Grant it with -LeastPrivilege, then take the full form away.",
)
GROUP_WRITEBACK_DOMAIN: Final = _rule(
    "group-writeback-domain",
    Severity.MEDIUM,
    "Group writeback is granted on a whole domain",
    "It lets the connector change and delete every group of the domain that AdminSDHolder does not protect, and "
    "create none. Groups are written back to one OU.",
    "Grant it on the OU of the written-back groups with -LeastPrivilege, then take it away at the domain's root.",
)
EXCHANGE_WIDE: Final = _rule(
    "exchange-hybrid-wide",
    Severity.LOW,
    "Exchange hybrid is granted on every attribute",
    "Exchange hybrid writes back nine attributes. All of them include key credentials, logon scripts and the "
    "members of groups.",
    "Grant it with -LeastPrivilege, then take the full form away.",
)
PRIVILEGED_GROUP: Final = _rule(
    "privileged-group",
    Severity.CRITICAL,
    "A connector is a member of a privileged group",
    "A connector needs what its features need, and no group of administrators: whoever takes its server or its "
    "password has all that the group has.",
    "Take the account out of the group, and grant what its features need.",
)

_OF_ABILITIES: Final[dict[str, Rule]] = {
    "full-control": FULL_CONTROL,
    "write-permissions": WRITE_PERMISSIONS,
    "write-owner": WRITE_PERMISSIONS,
    "write-everything": WRITE_EVERYTHING,
    "every-extended-right": EVERY_EXTENDED_RIGHT,
    "reset-password": RESET_PASSWORD,
    "write-key-credentials": KEY_CREDENTIALS,
    "write-computer-key-credentials": KEY_CREDENTIALS,
    "write-delegation": DELEGATION,
    "write-certificate-mapping": CERTIFICATES,
    "read-managed-password": MANAGED_PASSWORD,
    "write-logon-script": LOGON_SCRIPT,
    "write-service-names": SERVICE_NAMES,
    "write-account-control": ACCOUNT_CONTROL,
    "write-source-anchor": SOURCE_ANCHOR,
    "write-members": MEMBERS,
    "link-group-policy": GROUP_POLICY,
    "replicate-secrets": REPLICATION,
    "replicate-filtered-set": REPLICATION,
    "replicate-changes": REPLICATE_CHANGES,
    "create-everything": CREATE_OR_DELETE,
    "delete-everything": CREATE_OR_DELETE,
    "delete-tree": CREATE_OR_DELETE,
    "delete": CREATE_OR_DELETE,
}
#: The rule that each ability falls under, where it is more than the features need.
BY_ABILITY: Final = {ability.id: _OF_ABILITIES[ability.id] for ability in ABILITIES}

#: The rules that are asked of each object.
OBJECT_RULES: Final = (
    *dict.fromkeys(BY_ABILITY.values()),
    WRITE_CONTAINER,
    OTHER_RIGHT,
    GROUP_WRITEBACK_WIDE,
    GROUP_WRITEBACK_DOMAIN,
    EXCHANGE_WIDE,
)
