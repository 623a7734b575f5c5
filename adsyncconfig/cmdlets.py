"""The cmdlets as functions, one each.

Every function takes the directory and the cmdlet's parameters under their names in PEP 8 dress, and gives a
result that says what was done, or under ``what_if`` what would be. ``directory`` comes from ``connect`` or
``open_snapshot``; see ``GrantParameters`` for what the feature cmdlets take and ``grant_feature`` for what they
raise.
"""

from __future__ import annotations

from typing import Unpack

from . import catalogue
from .directory import Directory
from .granting import GrantParameters, grant_feature
from .result import SetResult

__all__ = [
    "set_adsync_basic_read_permissions",
    "set_adsync_exchange_hybrid_permissions",
    "set_adsync_exchange_mail_public_folder_permissions",
    "set_adsync_ms_ds_consistency_guid_permissions",
    "set_adsync_password_hash_sync_permissions",
    "set_adsync_password_writeback_permissions",
    "set_adsync_unified_group_writeback_permissions",
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
