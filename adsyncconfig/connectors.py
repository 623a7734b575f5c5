"""The connector accounts of a forest, found in the directory itself: no Connect server is asked.

An account is found by one sign or more, and each is named:

1. its name, MSOL_... or AAD_...: the accounts that the installers of Connect Sync make. The text of their
   description names the installation, the server and, for MSOL_, the tenant;
2. a group managed service account named pGMSA_... or provAgentgMSA: those of Cloud Sync;
3. both replication rights (Replicating Directory Changes, and All), or every extended right, on the root of a
   domain, given to the account itself, whatever it is called. What Windows itself gives them to, such as
   Domain Controllers, does not count.

A group or a SID that nobody has any more with these rights is no account, and is said as a warning.

Sources: the description as installers from 2013 to 2024 wrote it; MS-ADTS 5.1.3.2.1 (the rights).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from acl import AccessMask, SecurityDescriptor, Sid

from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import ADSyncConfigError, Unreachable
from .filters import AllOf, AnyOf, Equals, StartsWith
from .forest import domains
from .principals import FIRST_OWN_RID
from .schema import Kind, bundled

__all__ = ["ConnectorAccount", "ConnectorAccounts", "Installation", "find_connector_accounts"]

_ATTRIBUTES: Final = ("objectClass", "sAMAccountName", "objectSid", "description", "userAccountControl")
_INSTALLER_PREFIXES: Final = ("MSOL_", "AAD_")
_GMSA_CLASS: Final = "msDS-GroupManagedServiceAccount"
_GMSA_PREFIXES: Final = ("pGMSA_", "provAgentgMSA")
_ACCOUNT_DISABLED: Final = 0x2
_REPLICATION_RIGHTS: Final = ("DS-Replication-Get-Changes", "DS-Replication-Get-Changes-All")

# The wording changed between builds, the quotes around values came and went, and a sentence may end behind any.
_VALUE: Final = r"\s+['\"]?(?P<value>[^\s'\"]+?)['\"]?[.,;]?(?=\s|$)"
_IDENTIFIER: Final = re.compile(rf"\binstallation identifier{_VALUE}", re.IGNORECASE)
_SERVER: Final = re.compile(rf"\brunning on(?:\s+(?:computer|server))?{_VALUE}", re.IGNORECASE)
_TENANT: Final = re.compile(rf"\bsynchronize to tenant{_VALUE}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Installation:
    """What the description of an installer's account says; None for what it does not."""

    identifier: str | None = None
    server: str | None = None
    tenant: str | None = None

    @classmethod
    def parse(cls, description: str) -> Installation:
        """The installation that a description names; empty for a text in other words or another language."""
        found = (pattern.search(description) for pattern in (_IDENTIFIER, _SERVER, _TENANT))
        return cls(*(match["value"] if match else None for match in found))


@dataclass(frozen=True, slots=True)
class ConnectorAccount:
    """An account that Connect Sync or Cloud Sync uses, or could use, and by which signs it was found.

    ``connector`` and ``forest`` are the DNS name of the forest's root domain, by which Connect calls its
    connectors; ``domain`` is the account's own. ``enabled`` is None where it cannot be seen.
    """

    connector: str
    forest: str
    name: str
    domain: str
    sid: Sid
    dn: str
    found_by: tuple[str, ...]
    installation: Installation
    enabled: bool | None

    def to_json(self) -> dict[str, Any]:
        """The account under PowerShell's property names, and what those lack."""
        return {
            "ADConnectorName": self.connector,
            "ADConnectorForest": self.forest,
            "ADConnectorAccountName": self.name,
            "ADConnectorAccountDomain": self.domain,
            "sid": str(self.sid),
            "dn": self.dn,
            "foundBy": list(self.found_by),
            "server": self.installation.server,
            "tenant": self.installation.tenant,
            "installationIdentifier": self.installation.identifier,
            "enabled": self.enabled,
        }


@dataclass(frozen=True, slots=True)
class ConnectorAccounts:
    """The accounts found; ``unreachable`` names domains that were not searched, ``unread`` roots not readable."""

    accounts: tuple[ConnectorAccount, ...]
    searched: tuple[str, ...]
    unreachable: tuple[str, ...]
    unread: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """True when every domain was searched and the permissions of its root were read."""
        return not (self.unreachable or self.unread)


class _Finding:
    """What is known so far of one SID: its entry and domain, once seen, and the signs."""

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.domain = ""
        self.signs: dict[str, None] = {}


def find_connector_accounts(directory: Directory) -> ConnectorAccounts:
    """The connector accounts of every domain of the forest that can be reached. Raises DirectoryError."""
    warnings: dict[str, None] = {}
    unreachable: list[str] = []
    unread: list[str] = []
    reached: dict[str, Directory] = {}
    findings: dict[Sid, _Finding] = {}
    for domain in domains(directory):
        try:
            reached[domain.dns_name] = directory.for_domain(domain.dns_name)
        except Unreachable as error:
            unreachable.append(domain.dns_name)
            warnings[f"{domain.dns_name} was not searched: {error}"] = None
    # These two have the same GUIDs in every forest.
    rights = frozenset(bundled(Kind.RIGHT)[name] for name in _REPLICATION_RIGHTS)
    for local in reached.values():
        for sid, entry, sign in _by_name(local):
            finding = findings.setdefault(sid, _Finding())
            finding.entry, finding.domain = entry, local.root.domain
            finding.signs[sign] = None
        root = local.root.default_naming_context
        try:
            descriptor = local.get(root, ["nTSecurityDescriptor"]).security_descriptor()
        except ADSyncConfigError as error:
            unread.append(root)
            warnings[f"who holds the replication rights there is not known: {error}"] = None
            continue
        for sid, how in _by_rights(descriptor, rights):
            findings.setdefault(sid, _Finding()).signs[f"{how} on {root}"] = None
    for local in reached.values():
        for sid, finding in findings.items():
            if finding.entry is None:
                finding.entry, finding.domain = _entry_of(local, sid), local.root.domain
    forest = DistinguishedName.parse(directory.root.root_domain_naming_context).domain
    accounts = []
    for sid, finding in findings.items():
        account = _account(forest, sid, finding)
        if account is not None:
            accounts.append(account)
        else:
            warnings[_no_account(sid, finding)] = None
    accounts.sort(key=lambda account: (account.domain != forest, account.domain, account.name.lower()))
    return ConnectorAccounts(
        tuple(accounts), tuple(reached), tuple(unreachable), tuple(unread), tuple(warnings)
    )


def _by_name(local: Directory) -> Iterator[tuple[Sid, Entry, str]]:
    """The accounts whose name is an installer's, each with the sign, and one more for its description."""
    condition = AnyOf(
        (
            AllOf(
                (
                    Equals("objectClass", "user"),
                    AnyOf(tuple(StartsWith("sAMAccountName", each) for each in _INSTALLER_PREFIXES)),
                )
            ),
            AllOf(
                (
                    Equals("objectClass", _GMSA_CLASS),
                    AnyOf(
                        tuple(
                            StartsWith(attribute, each)
                            for attribute in ("sAMAccountName", "name")
                            for each in _GMSA_PREFIXES
                        )
                    ),
                )
            ),
        )
    )
    for entry in local.search(local.root.default_naming_context, condition, _ATTRIBUTES):
        sid, name = entry.sid(), entry.text("sAMAccountName")
        if sid is None or not name:
            continue
        prefix = next((each for each in _INSTALLER_PREFIXES if name.upper().startswith(each)), None)
        if prefix:
            yield sid, entry, f"a name that begins with {prefix}"
        else:
            yield sid, entry, "the name of a gMSA of Cloud Sync"
        if Installation.parse(entry.text("description") or "") != Installation():
            yield sid, entry, "the installation text of its description"


def _by_rights(descriptor: SecurityDescriptor, rights: frozenset[UUID]) -> Iterator[tuple[Sid, str]]:
    """The SIDs, but for those of Windows itself, that both rights are given to, and how."""
    held: dict[Sid, set[UUID | None]] = {}
    for ace in descriptor.dacl or ():
        if (
            ace.sid is not None
            and ace.is_allow
            and ace.is_effective
            and ace.mask & (AccessMask.DS_CONTROL_ACCESS | AccessMask.GENERIC_ALL)
            and ace.sid.domain is not None
            and (ace.sid.rid or 0) >= FIRST_OWN_RID
        ):
            held.setdefault(ace.sid, set()).add(ace.object_type)
    for sid, types in held.items():
        if None in types:
            yield sid, "every extended right"
        elif rights <= types:
            yield sid, "the replication rights"


def _entry_of(local: Directory, sid: Sid) -> Entry | None:
    root = local.root.default_naming_context
    found = local.search(root, Equals("objectSid", str(sid)), _ATTRIBUTES)
    return next(
        (entry for entry in found if "foreignSecurityPrincipal" not in entry.values("objectClass")), None
    )


def _account(forest: str, sid: Sid, finding: _Finding) -> ConnectorAccount | None:
    entry = finding.entry
    if entry is None or "group" in entry.values("objectClass"):
        return None
    control = entry.text("userAccountControl")
    return ConnectorAccount(
        connector=forest,
        forest=forest,
        name=entry.text("sAMAccountName") or entry.dn,
        domain=finding.domain,
        sid=sid,
        dn=entry.dn,
        found_by=tuple(finding.signs),
        installation=Installation.parse(entry.text("description") or ""),
        enabled=None if control is None else not int(control) & _ACCOUNT_DISABLED,
    )


def _no_account(sid: Sid, finding: _Finding) -> str:
    signs = ", ".join(finding.signs)
    if finding.entry is not None:
        return f"the group '{finding.entry.dn}' holds {signs}: each of its members can be a connector account"
    return (
        f"{sid} holds {signs}, and no account of the domains that were searched has it: if it is gone, "
        f"Remove-ADSyncPermissions -Sid {sid} takes its permissions away"
    )
