"""Invoke-ADSyncPolicy: bring a directory to what a policy file says, and no further.

policy -> accounts, scopes, entries -> the change of each object -> apply -> result, as a cmdlet's run: planned,
asked about, written down and undone in the same way.

Rule 1: what is missing is granted. Nothing is taken away without ``remove_excess``.
Rule 2: with it, every explicit entry goes that allows one of the policy's accounts something the policy does not
        say, anywhere in the forest. Entries that deny stay: they were put there for a reason of their own. What an
        account owns, and what it has through groups, is named and left: no entry of its own gives it that.
Rule 3: what stands on a protected object as a copy of AdminSDHolder's list is AdminSDHolder's, and goes or stays
        with it.
Rule 4: everything is read and planned before the first write; where something could not be read, the exit code
        says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Unpack

from acl import Ace, SecurityDescriptor, Sid
from acl.edit import grant, revoke_trustee

from .account import Principal
from .bearers import Bearers
from .directory import Directory
from .dn import DistinguishedName, Rdns
from .effect import Effect
from .errors import ADSyncConfigError, NotFound, UnsafePlan
from .forest import domain_of, domains
from .operations import operations_of
from .origin import ADMIN_SD_HOLDER
from .plan import AnyChange, Change, same_permissions
from .policy import Policy
from .prospects import Prospects
from .removal import counted
from .restricted import plan_restriction
from .result import ChangeResult, SetResult, extended
from .running import RunParameters, finish
from .schema import Schema
from .search_base import everywhere
from .targets import read_target
from .wanted_state import WantedState, wanted_state

__all__ = ["CMDLET", "PolicyParameters", "PolicyResult", "bring_to_policy"]

CMDLET: Final = "Invoke-ADSyncPolicy"
OPERATION: Final = "Bring permissions to the policy"


class PolicyParameters(RunParameters, total=False):
    """How to run, and ``remove_excess`` to take away what the accounts hold beyond the policy."""

    remove_excess: bool


@dataclass(frozen=True, slots=True)
class PolicyResult(SetResult):
    """What a policy's run did; ``unreadable`` are the DNs of objects that may hold more than the policy says."""

    accounts: tuple[Principal, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0; where something could not be read 3, or 4 when something else was changed."""
        if not self.unreadable:
            return 0
        return 4 if any(change.status == "applied" for change in self.changes) else 3

    @property
    def trustees(self) -> Mapping[Sid, str]:
        """The accounts' names."""
        return {account.sid: account.name for account in self.accounts}

    def to_json(self) -> dict[str, Any]:
        """The run, with the policy's accounts and what could not be read."""
        accounts = [{"dn": each.dn, "sid": str(each.sid), "name": each.name} for each in self.accounts]
        return SetResult.to_json(self) | {"accounts": accounts, "unreadable": list(self.unreadable)}


def bring_to_policy(directory: Directory, policy: Policy, **given: Unpack[PolicyParameters]) -> PolicyResult:
    """Grant what the policy says and, with ``remove_excess``, take away what its accounts hold beyond it.

    Raises PolicyError and UnsafePlan before anything is written, DirectoryError when nothing could be written,
    PartialApply when some changes were and some were not.
    """
    force = given.get("force", False)
    state = wanted_state(directory, policy, force=force)
    accounts = tuple(account for _, account in state.accounts)
    plan = _Plan(state)
    warnings = list(state.warnings)
    unreadable: tuple[str, ...] = ()
    if given.get("remove_excess", False):
        unreadable = plan.remove_excess(directory, accounts, given)
        warnings += plan.warnings
    for wanted, account in state.accounts:
        if wanted.restricted:
            local = domain_of(directory, DistinguishedName.parse(account.dn))
            target = read_target(local, account.dn)
            plan.put(plan_restriction(local, target, account, force=force))
    if unreadable:
        warnings.append(counted(unreadable, "not readable, and may hold more than the policy says"))
    changes = plan.changes()
    more = {"accounts": accounts, "unreadable": unreadable}
    try:
        result = finish(
            CMDLET,
            accounts[0] if len(accounts) == 1 else None,
            changes,
            warnings=warnings,
            directory=directory,
            run=given,
            source={"policy": policy.path},
            prospects=_Outlook(directory, state),
        )
    except ADSyncConfigError as error:
        if error.result is not None:
            error.result = extended(error.result, PolicyResult, **more)
        raise
    return extended(result, PolicyResult, **more)


class _Plan:
    """The change of each object, in the order to make them: what is granted first, in the policy's order."""

    def __init__(self, state: WantedState) -> None:
        self._changes: dict[Rdns, Change] = {}
        self._wanted: dict[Rdns, tuple[Ace, ...]] = {}
        self.warnings: list[str] = []
        for each in state.objects:
            target, before = each.target, each.target.descriptor
            self._wanted[_name(target.dn)] = tuple(each.aces)
            after = _with(before, each.aces, target.dn)
            self.put(Change(OPERATION, target.domain, target.dn, target.label, before, after))

    def put(self, change: Change) -> None:
        """Take the change in place of what was planned for its object."""
        self._changes[_name(change.dn)] = change

    def changes(self) -> list[Change]:
        """Every change, needed or not."""
        return list(self._changes.values())

    def remove_excess(
        self, directory: Directory, accounts: Sequence[Principal], given: PolicyParameters
    ) -> tuple[str, ...]:
        """Plan to take away what the accounts hold beyond the policy; the DNs of what could not be read."""
        sids = [account.sid for account in accounts]
        holders = self._holders(directory, sids)
        unreadable: list[str] = []
        owned: list[str] = []
        found: list[Change] = []
        for each in Bearers(everywhere(directory), sids, notify=given.get("notify")):
            if each.descriptor is None:
                unreadable.append(each.dn)
                continue
            if each.descriptor.owner in sids:
                owned.append(each.dn)
            domain = each.base.directory.root.domain
            wanted = self._wanted.get(_name(each.dn), ())
            after = _without_excess(each.descriptor, sids, wanted, each.dn)
            if each.admin_count and (holder := holders.get(domain)) is not None:
                after = _as_copied(each.descriptor, after, holder, sids)
            known = self._changes.get(_name(each.dn))
            if known is not None:
                self.put(replace(known, before=each.descriptor, after=after))
            elif after is not each.descriptor:
                found.append(Change(OPERATION, domain, each.dn, each.dn, each.descriptor, after))
        for change in sorted(found, key=lambda change: len(_name(change.dn))):
            self.put(change)
        if owned:
            self.warnings.append(
                counted(owned, "owned by accounts of the policy, and owners are left as they are")
            )
        return tuple(unreadable)

    def _holders(self, directory: Directory, sids: Sequence[Sid]) -> dict[str, SecurityDescriptor]:
        """What AdminSDHolder of each domain will hold, which protected objects are copies of."""
        holders = {}
        for domain in domains(directory):
            local = directory.for_domain(domain.dns_name)
            dn = ADMIN_SD_HOLDER + local.root.default_naming_context
            try:
                descriptor = local.get(dn, ("nTSecurityDescriptor",)).security_descriptor()
            except NotFound:
                continue  # a snapshot of a search base may leave it out
            holders[domain.dns_name] = _without_excess(descriptor, sids, self._wanted.get(_name(dn), ()), dn)
        return holders


class _Outlook:
    """The effect of a policy's run: what each of its accounts can do where the policy grants it something."""

    def __init__(self, directory: Directory, state: WantedState) -> None:
        schema = Schema(directory)
        self._of: list[tuple[Principal, Prospects, list[str]]] = []
        for _, account in state.accounts:
            granted = [
                (each.target, feature)
                for each in state.objects
                for other, feature, _ in each.wanted
                if other == account
            ]
            operations = [each for _, feature in granted for each in operations_of(feature)]
            prospects = Prospects(directory, account, dict.fromkeys(operations), schema)
            for target, feature in granted:
                prospects.add(target, operations_of(feature))
            self._of.append((account, prospects, [target.dn for target, _ in granted]))

    def conclude(
        self, changes: Sequence[AnyChange], results: Sequence[ChangeResult]
    ) -> tuple[list[Effect], list[str]]:
        """The effect of each account on each of its targets, and what to warn of."""
        numbers = {change.dn: number for number, change in enumerate(changes)}
        found: list[Effect] = []
        warnings: list[str] = []
        for account, prospects, dns in self._of:
            own = [numbers[dn] for dn in dns]
            effects, said = prospects.conclude([changes[n] for n in own], [results[n] for n in own])
            found += (replace(each, account=account.name) for each in effects)
            warnings += said
        return list(dict.fromkeys(found)), warnings


def _name(dn: str) -> Rdns:
    return DistinguishedName.parse(dn).rdns


def _with(descriptor: SecurityDescriptor, aces: Iterable[Ace], dn: str) -> SecurityDescriptor:
    """The descriptor with these entries; the same one when it has them all."""
    if descriptor.dacl is None:
        raise UnsafePlan(
            dn, "it has no access control list, so that everybody has full control; mend that first"
        )
    dacl = descriptor.dacl
    for ace in aces:
        dacl = grant(dacl, ace)
    return descriptor if dacl is descriptor.dacl else descriptor.with_dacl(dacl)


def _without_excess(
    descriptor: SecurityDescriptor, sids: Iterable[Sid], wanted: Sequence[Ace], dn: str
) -> SecurityDescriptor:
    """The descriptor in which these SIDs are allowed what is wanted and no more, by entries of its own."""
    if descriptor.dacl is None:
        return _with(descriptor, wanted, dn) if wanted else descriptor
    dacl = descriptor.dacl
    for sid in sids:
        dacl = revoke_trustee(dacl, sid)
    after = _with(descriptor.with_dacl(dacl), wanted, dn)
    return descriptor if same_permissions(after, descriptor) else after


def _as_copied(
    before: SecurityDescriptor, after: SecurityDescriptor, holder: SecurityDescriptor, sids: Sequence[Sid]
) -> SecurityDescriptor:
    """The descriptor after the change with those entries of the SIDs that AdminSDHolder gives the object."""
    given = [
        ace
        for ace in before.dacl or ()
        if ace.sid in sids and ace.is_allow and not ace.is_inherited and ace in (holder.dacl or ())
    ]
    kept = _with(after, given, "") if after.dacl is not None else after
    return before if same_permissions(kept, before) else kept
