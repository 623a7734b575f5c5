"""What a policy comes to in one directory: which entries of which accounts each object is to hold.

Rule 1: accounts, scopes and names are looked up before anything is planned. What is not there is an error that
        names the policy's line, with the nearest connector account where an account is misspelt.
Rule 2: an object that several grants are for is read once, and keeps every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from acl import Ace

from .account import Principal, account_of
from .catalogue import REGISTERED_DEVICES, Edition, Feature, TargetKind
from .connectors import find_connector_accounts
from .devices import device_containers
from .directory import Directory
from .dn import DistinguishedName, Rdns
from .errors import ParameterError, UnknownName, UnsafePlan
from .feature_names import nearest
from .forest import domain_named
from .granting import known_names, objects_to_look_at, wanted_on_targets
from .grants import Wanted, selected, wanted_entries
from .operations import operations_of
from .plan import Target
from .policy import Policy, PolicyAccount, PolicyGrant
from .schema import Schema

__all__ = ["WantedOnObject", "WantedState", "wanted_state"]


@dataclass(frozen=True, slots=True)
class WantedOnObject:
    """An object, as read, and what it is to hold: for each account the feature and its entries."""

    target: Target
    wanted: tuple[tuple[Principal, Feature, tuple[Ace, ...]], ...]

    @property
    def aces(self) -> Iterator[Ace]:
        """Every entry that the object is to hold."""
        for _, _, aces in self.wanted:
            yield from aces


@dataclass(frozen=True, slots=True)
class WantedState:
    """The accounts of a policy as the directory has them, and the objects that it says something of."""

    accounts: tuple[tuple[PolicyAccount, Principal], ...]
    objects: tuple[WantedOnObject, ...]
    warnings: tuple[str, ...] = ()


def wanted_state(directory: Directory, policy: Policy, *, force: bool = False) -> WantedState:
    """What the policy comes to here. Raises PolicyError with the line, and DirectoryError.

    ``force`` allows what would hand over protected accounts.
    """
    accounts = tuple((each, _account(directory, policy, each)) for each in policy.accounts)
    seen: dict[Principal, PolicyAccount] = {}
    for given, account in accounts:
        if account in seen:
            raise policy.error(
                given.line,
                f"'{account.dn}' stands in line {seen[account].line} already: put its grants together",
            )
        seen[account] = given
    schema = Schema(directory)
    targets: dict[Rdns, Target] = {}
    wanted: dict[Rdns, list[tuple[Principal, Feature, tuple[Ace, ...]]]] = {}
    warnings: dict[str, None] = {}
    for given, account in accounts:
        for grant in given.grants:
            with _told_at(policy, grant.line):
                for feature, target, entries in _granted(directory, account, grant, schema, force=force):
                    name = DistinguishedName.parse(target.dn).rdns
                    targets.setdefault(name, target)
                    wanted.setdefault(name, []).append((account, feature, entries.aces))
                    if grant.scope is not None or target.kind is TargetKind.ADMIN_SD_HOLDER:
                        warnings.update(dict.fromkeys(entries.notices))
    objects = tuple(WantedOnObject(targets[name], tuple(each)) for name, each in wanted.items())
    return WantedState(accounts, objects, tuple(warnings))


def _account(directory: Directory, policy: Policy, given: PolicyAccount) -> Principal:
    with _told_at(policy, given.line):
        try:
            return account_of(directory, given.names)
        except UnknownName as error:
            there = find_connector_accounts(directory).accounts
            by_dn = given.names["ad_connector_account_dn"] is not None
            known = [each.dn if by_dn else each.name for each in there]
            raise UnknownName(error.name, error.kind, f"{error}{nearest(error.name, known)}") from None


def _granted(
    directory: Directory, account: Principal, grant: PolicyGrant, schema: Schema, *, force: bool
) -> Iterator[tuple[Feature, Target, Wanted]]:
    """Each feature of the grant on each of its targets."""
    if REGISTERED_DEVICES in grant.features:
        there = device_containers(directory, [])
        if not there:
            raise ParameterError("no domain has the containers of registered devices")
        for feature, target in there:
            yield feature, target, wanted_entries(feature, feature.grants, target, sid=account.sid, names={})
        return
    object_dn = grant.scope
    if object_dn is not None and "=" not in object_dn:
        object_dn = domain_named(directory, object_dn).dn
    for feature in grant.features:
        operations = operations_of(feature)
        grants = selected(feature, Edition.MENDED, least_privilege=grant.least_privilege)
        for target, entries in wanted_on_targets(
            feature,
            directory,
            object_dn,
            account=account,
            names=known_names(schema, grants, operations),
            least_privilege=grant.least_privilege,
            include_holders=grant.include_admin_sd_holders,
            force=force,
            look_below=objects_to_look_at(operations, None),
        ):
            yield feature, target, entries


@contextmanager
def _told_at(policy: Policy, line: int) -> Iterator[None]:
    """What goes wrong with the policy's own words is told with their line."""
    try:
        yield
    except (ParameterError, UnknownName, UnsafePlan) as error:
        raise policy.error(line, str(error)) from error
