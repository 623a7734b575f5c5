"""Device writeback: the containers that the wizard's script grants on, in the forest that has them."""

from __future__ import annotations

from .account import Principal, account_of
from .catalogue import DEVICE_REGISTRATION_CONFIGURATION, REGISTERED_DEVICES, Edition, Feature
from .directory import Directory
from .errors import UnknownName
from .forest import domains
from .granting import AccountParameters
from .grants import wanted_entries
from .operations import operations_of
from .plan import Change, Target, plan_grants, plan_revocations
from .prospects import Prospects
from .result import SetResult
from .running import finish
from .schema import Schema
from .targets import read_target

__all__ = ["device_containers", "grant_device_writeback"]


class DeviceParameters(AccountParameters, total=False):
    """The account, how to run, and ``revoke`` to take away what the same call without it would grant."""

    revoke: bool


def grant_device_writeback(directory: Directory, given: DeviceParameters) -> SetResult:
    """Grant or revoke device writeback. Raises UnknownName where the forest has none of its containers."""
    account = account_of(directory, given)
    changes = []
    warnings: list[str] = []
    revoke = given.get("revoke", False)
    features = (REGISTERED_DEVICES, DEVICE_REGISTRATION_CONFIGURATION)
    operations = [operation for feature in features for operation in operations_of(feature)]
    prospects = Prospects(directory, account, operations, Schema(directory), warns=not revoke)
    for feature, target in device_containers(directory, warnings):
        change, found = _change(feature, target, account, revoke=revoke)
        changes.append(change)
        prospects.add(target, operations_of(feature))
        warnings += found
    if not changes:
        raise UnknownName(
            "CN=RegisteredDevices",
            "object",
            "no domain of this forest has CN=RegisteredDevices, and the configuration no CN=Device Registration "
            "Configuration,CN=Services: enable device writeback in Entra Connect's wizard first",
        )
    return finish(
        REGISTERED_DEVICES.cmdlet,
        account,
        changes,
        warnings=warnings,
        directory=directory,
        run=given,
        prospects=prospects,
    )


def device_containers(directory: Directory, warnings: list[str]) -> list[tuple[Feature, Target]]:
    """The containers that are there; for the one of the configuration a warning where it is not."""
    found = []
    for domain in domains(directory):
        local = directory.for_domain(domain.dns_name)
        try:
            dn = f"CN=RegisteredDevices,{local.root.default_naming_context}"
            found.append((REGISTERED_DEVICES, read_target(local, dn)))
        except UnknownName:
            continue  # most domains have none: devices are registered in one
    services = (
        f"CN=Device Registration Configuration,CN=Services,{directory.root.configuration_naming_context}"
    )
    try:
        found.append((DEVICE_REGISTRATION_CONFIGURATION, read_target(directory, services)))
    except UnknownName as error:
        warnings.append(str(error))
    return found


def _change(
    feature: Feature, target: Target, account: Principal, *, revoke: bool
) -> tuple[Change, tuple[str, ...]]:
    wanted = wanted_entries(
        feature, feature.grants, target, sid=account.sid, names={}, edition=Edition.MENDED
    )
    if revoke:
        return plan_revocations(feature.revoking, target, wanted.aces)
    return plan_grants(feature.operation, target, wanted.aces)
