"""The cmdlets as functions: thin composition of account, schema, plan and apply.

Every function takes the directory and the cmdlet's parameters under their names in PEP 8 dress, and gives a
result that says what was done, or under ``what_if`` what would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypedDict, Unpack

from .account import Principal, resolve
from .apply import Confirm, Notify, apply
from .catalogue import UNIFIED_GROUP_WRITEBACK, Feature, TargetKind
from .directory import Directory
from .dn import DistinguishedName
from .errors import NotFound, ParameterError, PartialApply, UnknownName, UnsafePlan
from .forest import domain_of, domains
from .plan import Target, hands_over, plan_grants, wanted_aces
from .result import SetResult
from .schema import Kind, Schema

__all__ = ["GrantParameters", "set_adsync_unified_group_writeback_permissions"]

_TARGET_ATTRIBUTES: Final = ("objectClass", "name", "nTSecurityDescriptor")
#: The classes of object that the documentation calls "OU or container".
_CONTAINERS: Final = frozenset({"organizationalUnit", "container", "builtinDomain"})
_ADMIN_SD_HOLDER: Final = "CN=AdminSDHolder,CN=System,"


class GrantParameters(TypedDict, total=False):
    """The parameters that every feature cmdlet takes; each may be left out.

    The account is named by ``ad_connector_account_dn``, or by ``ad_connector_account_name`` (its name or
    sAMAccountName) and ``ad_connector_account_domain`` (DNS or NetBIOS name).

    ``ad_object_dn`` is the OU, container, domain root or single object to grant on; left out, every domain of
    the forest. ``include_admin_sd_holders`` grants on AdminSDHolder of each domain too, and needs ``force``
    where that hands over protected accounts. ``skip_admin_sd_holders`` does nothing: old scripts carry it.
    ``what_if`` plans only. ``confirm`` is asked before each change, None means yes. ``notify`` is told each
    step, a line at a time.
    """

    ad_connector_account_name: str | None
    ad_connector_account_domain: str | None
    ad_connector_account_dn: str | None
    ad_object_dn: str | None
    include_admin_sd_holders: bool
    skip_admin_sd_holders: bool
    what_if: bool
    confirm: Confirm | None
    force: bool
    notify: Notify | None


def set_adsync_unified_group_writeback_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account what group writeback needs, on one object or on every domain of the forest.

    ``directory`` comes from ``connect`` or ``open_snapshot``; see GrantParameters for the rest. Raises
    ParameterError, UnknownName and UnsafePlan before anything is written, DirectoryError when nothing could
    be written, PartialApply when some changes were and some were not.
    """
    return _grant(UNIFIED_GROUP_WRITEBACK, directory, parameters)


def _grant(feature: Feature, directory: Directory, given: GrantParameters) -> SetResult:
    object_dn = given.get("ad_object_dn")
    include_holders = given.get("include_admin_sd_holders", False)
    if object_dn is not None:
        DistinguishedName.parse(object_dn, what="-ADobjectDN")
    if include_holders and given.get("skip_admin_sd_holders"):
        raise ParameterError("-IncludeAdminSdHolders and -SkipAdminSdHolders contradict each other: give one")
    account = resolve(
        directory,
        name=given.get("ad_connector_account_name"),
        domain=given.get("ad_connector_account_domain"),
        dn=given.get("ad_connector_account_dn"),
    )
    classes = Schema(directory).guids(
        Kind.CLASS, (each.inherited_class for each in feature.grants if each.inherited_class)
    )
    what_if = given.get("what_if", False)
    warnings = []
    if given.get("skip_admin_sd_holders"):
        warnings.append(
            "-SkipAdminSdHolders has no effect: AdminSDHolder is left alone without -IncludeAdminSdHolders"
        )
    changes = []
    for target in _targets(directory, object_dn, include_holders=include_holders):
        _refuse_account_itself(target, account)
        aces = wanted_aces(feature, target, account.sid, classes)
        if target.kind is TargetKind.ADMIN_SD_HOLDER and not given.get("force"):
            for ace in aces:
                if able := hands_over(ace):
                    raise UnsafePlan(
                        target.dn,
                        "its permissions are copied onto every protected account and group, so "
                        f"{account.name} could do this to any member of Domain Admins: {able}; nothing was "
                        "changed; "
                        "leave -IncludeAdminSdHolders out, or add -Force if that is meant",
                    )
        change, found = plan_grants(feature.operation, target, aces)
        changes.append(change)
        warnings += found
        if target.kind is TargetKind.DOMAIN and feature.forest_wide_warning:
            warnings.append(f"{target.label}: {feature.forest_wide_warning}")
    if (
        object_dn is not None
        and include_holders
        and not any(c.dn.startswith(_ADMIN_SD_HOLDER) for c in changes)
    ):
        warnings.append(
            "-IncludeAdminSdHolders has no effect: it belongs to whole domains, and one object is named"
        )
    results, errors = apply(
        changes, directory, what_if=what_if, confirm=given.get("confirm"), notify=given.get("notify")
    )
    result = SetResult(feature.cmdlet, what_if, account, tuple(results), tuple(warnings))
    if errors:
        error = PartialApply(result) if any(each.status == "applied" for each in results) else errors[0]
        error.result = result
        raise error
    return result


@dataclass(frozen=True, slots=True)
class _Place:
    kind: TargetKind | None  # None: what its class says
    directory: Directory
    dn: str
    label: str | None  # None: its name


def _targets(directory: Directory, object_dn: str | None, *, include_holders: bool) -> Iterator[Target]:
    """What to grant on, as read: each domain with its AdminSDHolder, or the one object that is named."""
    places: list[_Place] = []
    if object_dn is None:
        locals_ = [directory.for_domain(domain.dns_name) for domain in domains(directory)]
    else:
        name = DistinguishedName.parse(object_dn)
        local = domain_of(directory, name)
        root = local.root.default_naming_context
        locals_ = [local] if name == DistinguishedName.parse(root) else []
        if not locals_:
            is_holder = name == DistinguishedName.parse(_ADMIN_SD_HOLDER + root)
            places.append(_Place(TargetKind.ADMIN_SD_HOLDER if is_holder else None, local, object_dn, None))
    for local in locals_:
        root = local.root.default_naming_context
        places.append(_Place(TargetKind.DOMAIN, local, root, local.root.domain))
        if include_holders:
            places.append(_Place(TargetKind.ADMIN_SD_HOLDER, local, _ADMIN_SD_HOLDER + root, None))
    for place in places:
        yield _read(place)


def _read(place: _Place) -> Target:
    try:
        entry = place.directory.get(place.dn, _TARGET_ATTRIBUTES)
    except NotFound:
        raise UnknownName(
            place.dn, "object", f"there is no object '{place.dn}', or you may not see it"
        ) from None
    # A directory lists an object's classes from top to the most specific one.
    object_class = (entry.values("objectClass") or ("top",))[-1]
    kind = place.kind or (TargetKind.CONTAINER if object_class in _CONTAINERS else TargetKind.OBJECT)
    label = place.label or entry.text("name") or entry.dn
    descriptor = entry.security_descriptor()
    return Target(kind, place.directory.root.domain, entry.dn, label, object_class, descriptor)


def _refuse_account_itself(target: Target, account: Principal) -> None:
    if DistinguishedName.parse(target.dn) == DistinguishedName.parse(account.dn):
        raise ParameterError(
            f"'{target.dn}' is the connector account itself: -ADobjectDN names what it may act on"
        )
