"""The features of an account where nobody names them: those that its entries tell, at an object and all above it.

Without an object the roots of the domains are looked at. What an entry tells is ``inference``'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable

from .account import Principal
from .catalogue import CLOUD_SYNC, FEATURES, Feature
from .directory import Directory
from .dn import DistinguishedName
from .errors import DirectoryError, ParameterError
from .forest import domain_of, domains
from .grants import names_of
from .inference import DEVICE_FEATURES, features_told, is_of_cloud_sync
from .schema import Kind, Schema

__all__ = ["every_grant_name", "told_features"]


def every_grant_name() -> dict[Kind, list[str]]:
    """Every name that a grant of any feature uses, by kind: what to look up before entries can tell features."""
    features = (*FEATURES.values(), *CLOUD_SYNC.values(), *DEVICE_FEATURES)
    return names_of(grant for feature in features for grant in (*feature.grants, *(feature.least or ())))


def told_features(directory: Directory, account: Principal, object_dn: str | None) -> list[Feature]:
    """The features that the account's entries tell. Raises ParameterError where they tell none."""
    guids = Schema(directory).all_known(every_grant_name())
    entry = domain_of(directory, DistinguishedName.parse(account.dn)).get(account.dn, ["objectClass"])
    cloud = is_of_cloud_sync((entry.values("objectClass") or ("user",))[-1])
    told: dict[Feature, None] = {}
    for local, dn in _looked_at(directory, object_dn):
        is_root = dn == local.root.default_naming_context
        try:
            dacl = local.get(dn, ["nTSecurityDescriptor"]).security_descriptor().dacl
        except DirectoryError:
            continue  # what is not readable tells nothing
        told.update(
            dict.fromkeys(features_told(account.sid, dacl or (), guids, is_root=is_root, cloud=cloud))
        )
    if not told:
        where = "the domains" if object_dn is None else f"'{object_dn}' and what it is in"
        raise ParameterError(
            f"the permissions of {account.name} on {where} tell no feature: name what to test with -Feature"
        )
    return list(told)


def _looked_at(directory: Directory, object_dn: str | None) -> Iterable[tuple[Directory, str]]:
    if object_dn is None:
        for domain in domains(directory):
            local = directory.for_domain(domain.dns_name)
            yield local, local.root.default_naming_context
        return
    name = DistinguishedName.parse(object_dn, what="-ADobjectDN")
    local = domain_of(directory, name)
    root = DistinguishedName.parse(local.root.default_naming_context)
    above = [object_dn]
    while name.is_below(root):
        name = DistinguishedName.parse(name.parent)
        above.append(local.root.default_naming_context if name == root else name.text)
    yield from ((local, dn) for dn in reversed(above))
