"""One run of a cmdlet that grants a feature, or with ``revoke`` takes it away.

parameters -> account -> names -> targets -> entries -> changes -> apply -> result. Everything that can be
refused is refused before the first write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from acl import Ace, Acl
from acl.edit import contains

from .account import AccountNames, Principal, account_of
from .below import DEFAULT_LIMIT
from .catalogue import FEATURES, Edition, Feature, Grant, TargetKind
from .directory import Directory
from .dn import DistinguishedName
from .errors import ADSyncConfigError, ParameterError, UnsafePlan
from .grants import Wanted, hands_over, names_of, selected, wanted_entries
from .operations import Operation, Place, names_of_operations, operations_of
from .plan import Target, plan_grants, plan_revocations
from .prospects import Prospects
from .result import SetResult
from .running import RunParameters, finish
from .schema import Kind, Schema
from .targets import targets

__all__ = [
    "AccountParameters",
    "GrantParameters",
    "grant_feature",
    "known_names",
    "objects_to_look_at",
    "wanted_on_targets",
]


class AccountParameters(RunParameters, AccountNames, total=False):
    """The connector account, and how to run."""


class GrantParameters(AccountParameters, total=False):
    """The parameters that every feature cmdlet takes; each may be left out.

    ``ad_object_dn`` is the OU, container, domain root or single object to grant on; left out, every domain of
    the forest. ``include_admin_sd_holders`` grants on AdminSDHolder of each domain too, and needs ``force``
    where that hands over protected accounts. ``skip_admin_sd_holders`` matters with ``compat="1.x"`` alone.
    ``least_privilege`` grants only what the feature does, where that is known; ``revoke`` takes away what the
    same call without it would grant. ``compat`` is "1.x" or "2.x" for what that build of Microsoft's writes.
    ``look_below`` is how many objects to read at and below each target, to say where the grant stops short of
    them; None means 1,000.
    """

    ad_object_dn: str | None
    include_admin_sd_holders: bool
    skip_admin_sd_holders: bool
    least_privilege: bool
    revoke: bool
    compat: str | None
    look_below: int | None


def grant_feature(feature: Feature, directory: Directory, given: GrantParameters) -> SetResult:
    """Grant or revoke the feature as the parameters say.

    Raises ParameterError, UnknownName and UnsafePlan before anything is written, DirectoryError when nothing
    could be written, PartialApply when some changes were and some were not.
    """
    edition = _edition(given)
    object_dn = given.get("ad_object_dn")
    if object_dn is not None:
        DistinguishedName.parse(object_dn, what="-ADobjectDN")
        if not feature.takes_object:
            raise ParameterError(f"{feature.cmdlet} grants on whole domains: leave -ADobjectDN out")
    include_holders, warnings = _holders(given, edition)
    least = given.get("least_privilege", False)
    grants = selected(feature, edition, least_privilege=least)
    account = account_of(directory, given)
    schema = Schema(directory)
    operations = operations_of(feature)
    names = known_names(schema, grants, operations)
    revoke = given.get("revoke", False)
    prospects = Prospects(
        directory,
        account,
        operations,
        schema,
        warns=not revoke,
        creates_nothing=feature.forest_wide_warning is not None,
    )
    changes = []
    for target, wanted in wanted_on_targets(
        feature,
        directory,
        object_dn,
        account=account,
        names=names,
        edition=edition,
        least_privilege=least,
        include_holders=include_holders,
        force=given.get("force", False) or revoke,
        look_below=objects_to_look_at(operations, given.get("look_below")),
    ):
        if revoke:
            keep = _needed_by_others(
                feature, target, wanted.aces, account=account, schema=schema, edition=edition
            )
            change, found = plan_revocations(feature.revoking, target, wanted.aces, keep=keep)
        else:
            change, found = plan_grants(feature.operation, target, wanted.aces)
            found = (*wanted.notices, *found)
            if target.kind is TargetKind.DOMAIN and feature.forest_wide_warning:
                found = (*found, f"{target.label}: {feature.forest_wide_warning}")
            if least and feature.least_leaves:
                found = (*found, f"{target.label}: {feature.least_leaves}")
        changes.append(change)
        prospects.add(target)
        warnings += found
    if object_dn is not None and include_holders and len(changes) == 1:
        warnings.append(
            "-IncludeAdminSdHolders has no effect: it belongs to whole domains, and one object is named"
        )
    return finish(
        feature.cmdlet,
        account,
        changes,
        warnings=warnings,
        directory=directory,
        run=given,
        prospects=prospects,
    )


def wanted_on_targets(
    feature: Feature,
    directory: Directory,
    object_dn: str | None,
    *,
    account: Principal,
    names: Mapping[tuple[Kind, str], UUID],
    edition: Edition = Edition.MENDED,
    least_privilege: bool = False,
    include_holders: bool = False,
    force: bool = False,
    look_below: int = 0,
) -> Iterator[tuple[Target, Wanted]]:
    """Each object that the feature is to be granted on, as read, with the entries that it becomes there.

    ``names`` are those of the grants (``known_names``). Raises ParameterError where a narrower grant is for other
    kinds of target, UnsafePlan for AdminSDHolder where ``force`` is not given, and as ``targets`` does.
    """
    grants = selected(feature, edition, least_privilege=least_privilege)
    for target in targets(
        directory, object_dn, include_holders=include_holders, account=account, look_below=look_below
    ):
        if least_privilege and target.kind not in feature.least_on:
            kinds = ", ".join(sorted(kind.value for kind in feature.least_on))
            raise ParameterError(
                f"'{target.dn}' is a {target.kind.value}, and the narrower grant of {feature.name} is for: {kinds}"
            )
        if target.kind is TargetKind.ADMIN_SD_HOLDER and not force:
            _refuse_to_hand_over(target, account, grants, edition)
        yield target, wanted_entries(feature, grants, target, sid=account.sid, names=names, edition=edition)


def objects_to_look_at(operations: Iterable[Operation], asked: int | None) -> int:
    """How many objects to read at and below a target: none where the feature is about the domain's root alone."""
    if all(each.place is Place.DOMAIN_ROOT for each in operations):
        return 0
    return DEFAULT_LIMIT if asked is None else asked


def known_names(
    schema: Schema, grants: Iterable[Grant], operations: Iterable[Operation] = ()
) -> Mapping[tuple[Kind, str], UUID]:
    """The GUIDs of the names that grants and operations use, as far as this forest has them."""
    of_grants, of_operations = names_of(grants), names_of_operations(operations)
    return schema.all_known({kind: [*of_grants.get(kind, ()), *of_operations.get(kind, ())] for kind in Kind})


def _edition(given: GrantParameters) -> Edition:
    compat = given.get("compat")
    try:
        return Edition(compat) if compat else Edition.MENDED
    except ValueError:
        raise ParameterError(f"there is no build '{compat}' to be compatible with: give 1.x or 2.x") from None


def _holders(given: GrantParameters, edition: Edition) -> tuple[bool, list[str]]:
    """Whether to grant on AdminSDHolder, and a notice where a switch does nothing."""
    include = given.get("include_admin_sd_holders", False)
    skip = given.get("skip_admin_sd_holders", False)
    if include and skip:
        raise ParameterError("-IncludeAdminSdHolders and -SkipAdminSdHolders contradict each other: give one")
    if edition is Edition.BUILD_1:
        return not skip, []
    if skip:
        return False, [
            "-SkipAdminSdHolders has no effect: AdminSDHolder is left alone without -IncludeAdminSdHolders"
        ]
    return include, []


def _refuse_to_hand_over(
    target: Target, account: Principal, grants: Iterable[Grant], edition: Edition
) -> None:
    """Raise UnsafePlan for a grant that would take effect on every protected account and be dangerous there."""
    if edition is not Edition.MENDED:
        return  # inherit-only, so without effect
    able = dict.fromkeys(text for grant in grants if (text := hands_over(grant)))
    if able:
        raise UnsafePlan(
            target.dn,
            f"its permissions are copied onto every protected account and group, so {account.name} could do this "
            f"to any member of Domain Admins: {'; '.join(able)}; nothing was changed; leave "
            "-IncludeAdminSdHolders out, or add -Force if that is meant",
        )


def _needed_by_others(
    feature: Feature,
    target: Target,
    own: Iterable[Ace],
    *,
    account: Principal,
    schema: Schema,
    edition: Edition,
) -> list[Ace]:
    """The entries of every other feature that the account was granted in full on this target.

    One whose entries are all among the feature's own does not count: nothing shows that it was granted too.
    """
    covered = Acl(tuple(own))
    keep: list[Ace] = []
    for other in FEATURES.values():
        if other.name == feature.name:
            continue
        grants = selected(other, edition)
        try:
            names = known_names(schema, grants)
            theirs = wanted_entries(other, grants, target, sid=account.sid, names=names, edition=edition)
        except ADSyncConfigError:
            continue  # not for a target of this kind, or not in this forest
        dacl = target.descriptor.dacl
        granted = dacl is not None and all(contains(dacl, ace) for ace in theirs.aces)
        if granted and not all(contains(covered, ace) for ace in theirs.aces):
            keep += theirs.aces
    return keep
