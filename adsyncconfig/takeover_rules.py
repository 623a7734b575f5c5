"""The rules of who could take over a connector account, or what it writes to, as data: see ``rules_takeover``."""

from __future__ import annotations

from typing import Final

from .findings import Category, Rule, Severity

__all__ = [
    "ABOVE",
    "ABOVE_BLOCKED",
    "ACCOUNT",
    "ADMIN_SD_HOLDER",
    "DOMAIN",
    "OWNER",
    "WRITEBACK",
]

ACCOUNT: Final = Rule(
    "takeover-account",
    Category.TAKEOVER,
    Severity.CRITICAL,
    "Somebody outside tier 0 can take over a connector account",
    "Who resets the password of a connector account, writes its permissions or its keys, acts as the connector: "
    "reads password hashes, resets passwords, writes groups. Microsoft's advisory 4056318 is about just that.",
    "Lock the account's object with Set-ADSyncRestrictedPermissions.",
)
WRITEBACK: Final = Rule(
    "takeover-writeback-container",
    Category.TAKEOVER,
    Severity.HIGH,
    "Somebody outside tier 0 controls a container that a connector writes to",
    "Who controls the container decides over every object that is written back into it, and over what the "
    "connector may do there.",
    "Take the entry away, or count who holds it to tier 0 in the policy.",
)
ABOVE: Final = Rule(
    "takeover-above",
    Category.TAKEOVER,
    Severity.HIGH,
    "Somebody outside tier 0 controls what is above a connector account, or above what it writes to",
    "Permissions are inherited: who may write those of an OU gives itself control of what is below it.",
    "Take the entry away where it stands, or move the account to an OU that tier 0 alone controls.",
)
ABOVE_BLOCKED: Final = Rule(
    "takeover-above-blocked",
    Category.TAKEOVER,
    Severity.LOW,
    "Somebody outside tier 0 controls an OU above, from which nothing is inherited",
    "The account, or the container, inherits nothing from there as long as inheritance stays blocked in between. "
    "Who controls the OU gets it once inheritance is enabled again.",
    "Take the entry away where it stands, or move the account to an OU that tier 0 alone controls.",
)
DOMAIN: Final = Rule(
    "takeover-domain",
    Category.TAKEOVER,
    Severity.CRITICAL,
    "Somebody outside tier 0 controls the domain of a connector account",
    "Control of the domain's root is control of everything in it: the password hashes of all accounts can be read "
    "with replication rights, those of the connector account among them.",
    "Take the entry away at the domain's root.",
)
ADMIN_SD_HOLDER: Final = Rule(
    "takeover-admin-sd-holder",
    Category.TAKEOVER,
    Severity.CRITICAL,
    "Somebody outside tier 0 controls AdminSDHolder",
    "The permissions of AdminSDHolder are copied onto every administrator's account and group: an entry there is "
    "control of the domain.",
    "Take the entry away at AdminSDHolder.",
)
OWNER: Final = Rule(
    "takeover-owner",
    Category.TAKEOVER,
    Severity.HIGH,
    "Somebody outside tier 0 owns a connector account, or what is above it or its writeback",
    "An owner may change an object's permissions whatever they say. Objects made by delegated administrators are "
    "theirs for good.",
    "Give it to Domain Admins with Set-ADSyncObjectOwner.",
)
