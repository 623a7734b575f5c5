"""The permissions of Microsoft Entra Connect's connector accounts: planned, granted and proven.

>>> import adsyncconfig
>>> with adsyncconfig.open_snapshot("fixtures/directories/contoso.jsonl") as directory:
...     result = adsyncconfig.set_adsync_unified_group_writeback_permissions(
...         directory,
...         ad_connector_account_dn="CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example",
...         ad_object_dn="OU=Writeback,DC=contoso,DC=example",
...         what_if=True,
...     )
>>> [change.status for change in result.changes]
['planned']
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from acl import AccessMask, Ace, AceFlag, AceType, Acl, SecurityDescriptor, Sid

from .account import Principal
from .cmdlets import (
    set_aad_cloud_sync_permissions,
    set_aad_cloud_sync_restricted_permissions,
    set_adsync_basic_read_permissions,
    set_adsync_device_writeback_permissions,
    set_adsync_exchange_hybrid_permissions,
    set_adsync_exchange_mail_public_folder_permissions,
    set_adsync_ms_ds_consistency_guid_permissions,
    set_adsync_password_hash_sync_permissions,
    set_adsync_password_writeback_permissions,
    set_adsync_restricted_permissions,
    set_adsync_unified_group_writeback_permissions,
)
from .directory import Directory, Entry, RootDse
from .errors import (
    AccessDenied,
    ADSyncConfigError,
    AuthenticationFailed,
    Conflict,
    DirectoryError,
    NotFound,
    ParameterError,
    PartialApply,
    SnapshotError,
    UnknownName,
    Unreachable,
    UnsafePlan,
)
from .result import ChangeResult, SetResult

if TYPE_CHECKING:
    from .live import LiveDirectory
    from .snapshot import SnapshotDirectory

__all__ = [
    "ADSyncConfigError",
    "AccessDenied",
    "AccessMask",
    "Ace",
    "AceFlag",
    "AceType",
    "Acl",
    "AuthenticationFailed",
    "ChangeResult",
    "Conflict",
    "Directory",
    "DirectoryError",
    "Entry",
    "NotFound",
    "ParameterError",
    "PartialApply",
    "Principal",
    "RootDse",
    "SecurityDescriptor",
    "SetResult",
    "Sid",
    "SnapshotError",
    "UnknownName",
    "Unreachable",
    "UnsafePlan",
    "connect",
    "open_snapshot",
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
]


def connect(
    server: str,
    *,
    user: str,
    password: str,
    ca_file: str | Path | None = None,
    starttls: bool = False,
    verify: bool = True,
    timeout: int = 30,
    servers: Mapping[str, str] | None = None,
) -> LiveDirectory:
    """A connection to a domain controller, bound as ``user`` over verified TLS.

    ``server`` is a host name or ``ldap[s]://host[:port]``; ``servers`` maps the DNS names of the forest's
    other domains to theirs; ``timeout`` is in seconds. Raises ParameterError, Unreachable and
    AuthenticationFailed.
    """
    from .live import LiveDirectory  # noqa: PLC0415 - ldap3 takes 80 ms to import, and a snapshot needs none

    return LiveDirectory.connect(
        server,
        user=user,
        password=password,
        ca_file=None if ca_file is None else str(ca_file),
        starttls=starttls,
        verify=verify,
        timeout=timeout,
        servers=servers,
    )


def open_snapshot(path: str | Path) -> SnapshotDirectory:
    """The directory kept in a snapshot file. Raises SnapshotError."""
    from .snapshot import SnapshotDirectory  # noqa: PLC0415 - a live run reads no file

    return SnapshotDirectory.open(path)
