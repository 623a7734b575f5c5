"""The cmdlets as functions, one each.

Every function takes the directory and the cmdlet's parameters under their names in PEP 8 dress, and gives a
result that says what was done, or under ``what_if`` what would be. ``directory`` comes from ``connect`` or
``open_snapshot``; see ``GrantParameters`` for what the feature cmdlets take and ``grant_feature`` for what they
raise.
"""

from __future__ import annotations

from typing import Unpack

from . import catalogue
from .account import resolve
from .apply import Notify
from .connectors import ConnectorAccounts, find_connector_accounts
from .devices import DeviceParameters, grant_device_writeback
from .directory import Directory
from .display import ObjectPermissions, show_permissions
from .dn import DistinguishedName
from .errors import ParameterError
from .forest import domain_named, domain_of
from .granting import GrantParameters, grant_feature
from .inheritance import InheritanceSearch, search_protected
from .removal import RemovalParameters, RemovalResult, remove_permissions
from .repair import RepairResult, repair_order
from .restricted import plan_restriction
from .result import SetResult
from .running import RunParameters, finish
from .targets import read_target

__all__ = [
    "get_adsync_ad_connector_account",
    "get_adsync_objects_with_inheritance_disabled",
    "remove_adsync_permissions",
    "repair_adsync_dacl_order",
    "set_aad_cloud_sync_permissions",
    "set_aad_cloud_sync_restricted_permissions",
    "set_adsync_basic_read_permissions",
    "set_adsync_device_writeback_permissions",
    "set_adsync_exchange_hybrid_permissions",
    "set_adsync_exchange_mail_public_folder_permissions",
    "set_adsync_ms_ds_consistency_guid_permissions",
    "set_adsync_password_hash_sync_permissions",
    "set_adsync_password_writeback_permissions",
    "set_adsync_restricted_permissions",
    "set_adsync_unified_group_writeback_permissions",
    "show_adsync_ad_object_permissions",
]


def set_adsync_basic_read_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account what every synchronisation needs: to read what is synchronised."""
    return grant_feature(catalogue.BASIC_READ, directory, parameters)


def set_adsync_exchange_hybrid_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account what Exchange hybrid needs: to write attributes of Exchange Online back."""
    return grant_feature(catalogue.EXCHANGE_HYBRID, directory, parameters)


def set_adsync_exchange_mail_public_folder_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account what mail public folders need: to read them. Needs the Exchange schema."""
    return grant_feature(catalogue.EXCHANGE_MAIL_PUBLIC_FOLDER, directory, parameters)


def set_adsync_ms_ds_consistency_guid_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account to write mS-DS-ConsistencyGuid of users, the anchor of synchronisation."""
    return grant_feature(catalogue.MS_DS_CONSISTENCY_GUID, directory, parameters)


def set_adsync_password_hash_sync_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account to replicate password hashes, on the root of every domain. It takes no object."""
    return grant_feature(catalogue.PASSWORD_HASH_SYNC, directory, parameters)


def set_adsync_password_writeback_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account what password writeback needs: to reset and unlock, and to expire passwords."""
    return grant_feature(catalogue.PASSWORD_WRITEBACK, directory, parameters)


def set_adsync_unified_group_writeback_permissions(
    directory: Directory, **parameters: Unpack[GrantParameters]
) -> SetResult:
    """Grant a connector account what group writeback needs: to create, change and delete groups."""
    return grant_feature(catalogue.UNIFIED_GROUP_WRITEBACK, directory, parameters)


def set_adsync_device_writeback_permissions(
    directory: Directory, **parameters: Unpack[DeviceParameters]
) -> SetResult:
    """Grant a connector account what device writeback needs, on the containers of registered devices."""
    return grant_device_writeback(directory, parameters)


def set_adsync_restricted_permissions(
    directory: Directory, *, ad_connector_account_dn: str, **run: Unpack[RunParameters]
) -> SetResult:
    """Lock a connector account's object, so that only its administrators can take it over.

    Raises UnsafePlan, unless ``force`` is given, when the caller could not change it back.
    """
    return _restrict("Set-ADSyncRestrictedPermissions", directory, ad_connector_account_dn, run)


def set_aad_cloud_sync_permissions(
    directory: Directory,
    *,
    permission_type: str,
    target_domain: str | None = None,
    **parameters: Unpack[GrantParameters],
) -> SetResult:
    """Grant an account of Cloud Sync, a gMSA as a rule, one permission type, or All, on domains.

    ``permission_type`` is a name of ``catalogue.CLOUD_SYNC`` in any case; ``target_domain`` the DNS or NetBIOS name
    of the only domain to grant on, None for every domain of the forest.
    """
    known = {name.lower(): feature for name, feature in catalogue.CLOUD_SYNC.items()}
    feature = known.get(permission_type.lower())
    if feature is None:
        raise ParameterError(
            f"there is no permission type '{permission_type}': give one of {', '.join(catalogue.CLOUD_SYNC)}"
        )
    if target_domain is not None:
        if parameters.get("ad_object_dn") is not None:
            raise ParameterError("-TargetDomain and -ADobjectDN contradict each other: give one")
        parameters["ad_object_dn"] = domain_named(directory, target_domain).dn
    return grant_feature(feature, directory, parameters)


def set_aad_cloud_sync_restricted_permissions(
    directory: Directory, *, ad_connector_account_dn: str, **run: Unpack[RunParameters]
) -> SetResult:
    """Lock the object of an account of Cloud Sync, as ``set_adsync_restricted_permissions`` does."""
    return _restrict("Set-AADCloudSyncRestrictedPermissions", directory, ad_connector_account_dn, run)


def _restrict(cmdlet: str, directory: Directory, account_dn: str, run: RunParameters) -> SetResult:
    account = resolve(directory, dn=account_dn)
    local = domain_of(directory, DistinguishedName.parse(account.dn))
    target = read_target(local, account.dn)
    change = plan_restriction(local, target, account, force=run.get("force", False))
    return finish(cmdlet, account, [change], warnings=(), directory=directory, run=run)


def get_adsync_ad_connector_account(directory: Directory) -> ConnectorAccounts:
    """The connector accounts of every domain that can be reached, and how each was found."""
    return find_connector_accounts(directory)


def get_adsync_objects_with_inheritance_disabled(
    directory: Directory,
    *,
    search_base: str,
    object_class: str = "organizationalUnit",
    notify: Notify | None = None,
) -> InheritanceSearch:
    """The objects whose access control list is protected, as they are found: iterate over the result, once.

    ``search_base`` is a DN, or the DNS or NetBIOS name of a domain; ``object_class`` may be ``*``.
    """
    return search_protected(directory, search_base, object_class, notify=notify)


def show_adsync_ad_object_permissions(directory: Directory, *, ad_object_dn: str) -> ObjectPermissions:
    """An object's permissions with their names: as lines of dsacls (``to_dsacls``), as rows, and as JSON."""
    return show_permissions(directory, ad_object_dn)


def remove_adsync_permissions(directory: Directory, **parameters: Unpack[RemovalParameters]) -> RemovalResult:
    """Take away every explicit entry of one account, or of a SID that nobody has any more."""
    return remove_permissions(directory, parameters)


def repair_adsync_dacl_order(
    directory: Directory, *, ad_object_dn: str, **run: Unpack[RunParameters]
) -> RepairResult:
    """Put an object's access control list in canonical order."""
    return repair_order(directory, ad_object_dn, **run)
