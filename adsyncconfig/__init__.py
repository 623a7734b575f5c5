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

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acl import (
    AccessMask,
    Ace,
    AceFlag,
    AceType,
    Acl,
    AclError,
    MalformedError,
    SddlError,
    SecurityDescriptor,
    Sid,
)
from acl.sddl import ace_to_sddl

from .account import Principal
from .cmdlets import (
    compare_adsync_snapshot,
    enable_adsync_inheritance,
    export_adsync_snapshot,
    get_adsync_ad_connector_account,
    get_adsync_objects_with_inheritance_disabled,
    invoke_adsync_permissions_audit,
    invoke_adsync_policy,
    remove_adsync_access_rule,
    remove_adsync_group_member,
    remove_adsync_permissions,
    repair_adsync_dacl_order,
    set_aad_cloud_sync_permissions,
    set_aad_cloud_sync_restricted_permissions,
    set_adsync_ad_connector_account_password,
    set_adsync_basic_read_permissions,
    set_adsync_device_writeback_permissions,
    set_adsync_exchange_hybrid_permissions,
    set_adsync_exchange_mail_public_folder_permissions,
    set_adsync_ms_ds_consistency_guid_permissions,
    set_adsync_object_owner,
    set_adsync_password_hash_sync_permissions,
    set_adsync_password_writeback_permissions,
    set_adsync_restricted_permissions,
    set_adsync_unified_group_writeback_permissions,
    show_adsync_ad_object_permissions,
    test_adsync_permissions,
)
from .directory import Directory, Entry, RootDse
from .errors import (
    AccessDenied,
    ADSyncConfigError,
    AuthenticationFailed,
    Busy,
    Conflict,
    DirectoryError,
    JournalError,
    NotFound,
    ParameterError,
    PartialApply,
    PlanFileError,
    PolicyError,
    SnapshotError,
    Unanswered,
    UnknownName,
    Unreachable,
    UnsafePlan,
)
from .journal import default_journal
from .result import ChangeResult, SetResult

if TYPE_CHECKING:
    from .account_password import PasswordResult
    from .comparison import Comparison
    from .connectors import ConnectorAccount, ConnectorAccounts
    from .credential import Method
    from .diagnosis import Diagnosis, DiagnosisResult
    from .display import ObjectPermissions
    from .export import ExportResult
    from .findings import AuditReport
    from .inheritance import InheritanceSearch, ProtectedObject
    from .live import LiveDirectory
    from .owner import OwnerResult
    from .plan_file import Plan, read_plan
    from .planned import invoke_adsync_plan
    from .removal import RemovalResult
    from .repair import RepairResult
    from .snapshot import SnapshotDirectory
    from .undo import undo_adsync_permissions

__version__ = "0.1.0"

#: Names that are imported when they are asked for, by the module that has them: most processes need none.
_LATE = {
    "AuditReport": "findings",
    "Comparison": "comparison",
    "ExportResult": "export",
    "ConnectorAccount": "connectors",
    "ConnectorAccounts": "connectors",
    "Diagnosis": "diagnosis",
    "DiagnosisResult": "diagnosis",
    "InheritanceSearch": "inheritance",
    "ObjectPermissions": "display",
    "OwnerResult": "owner",
    "PasswordResult": "account_password",
    "Plan": "plan_file",
    "ProtectedObject": "inheritance",
    "RemovalResult": "removal",
    "RepairResult": "repair",
    "invoke_adsync_plan": "planned",
    "read_plan": "plan_file",
    "undo_adsync_permissions": "undo",
}

__all__ = [
    "ADSyncConfigError",
    "AccessDenied",
    "AccessMask",
    "Ace",
    "AceFlag",
    "AceType",
    "Acl",
    "AclError",
    "AuditReport",
    "AuthenticationFailed",
    "Busy",
    "ChangeResult",
    "Comparison",
    "Conflict",
    "ConnectorAccount",
    "ConnectorAccounts",
    "Diagnosis",
    "DiagnosisResult",
    "Directory",
    "DirectoryError",
    "Entry",
    "ExportResult",
    "InheritanceSearch",
    "JournalError",
    "MalformedError",
    "NotFound",
    "ObjectPermissions",
    "OwnerResult",
    "ParameterError",
    "PartialApply",
    "PasswordResult",
    "Plan",
    "PlanFileError",
    "PolicyError",
    "Principal",
    "ProtectedObject",
    "RemovalResult",
    "RepairResult",
    "RootDse",
    "SddlError",
    "SecurityDescriptor",
    "SetResult",
    "Sid",
    "SnapshotError",
    "Unanswered",
    "UnknownName",
    "Unreachable",
    "UnsafePlan",
    "ace_to_sddl",
    "compare_adsync_snapshot",
    "connect",
    "default_journal",
    "enable_adsync_inheritance",
    "export_adsync_snapshot",
    "get_adsync_ad_connector_account",
    "get_adsync_objects_with_inheritance_disabled",
    "invoke_adsync_permissions_audit",
    "invoke_adsync_plan",
    "invoke_adsync_policy",
    "open_snapshot",
    "read_plan",
    "remove_adsync_access_rule",
    "remove_adsync_group_member",
    "remove_adsync_permissions",
    "repair_adsync_dacl_order",
    "set_aad_cloud_sync_permissions",
    "set_aad_cloud_sync_restricted_permissions",
    "set_adsync_ad_connector_account_password",
    "set_adsync_basic_read_permissions",
    "set_adsync_device_writeback_permissions",
    "set_adsync_exchange_hybrid_permissions",
    "set_adsync_exchange_mail_public_folder_permissions",
    "set_adsync_ms_ds_consistency_guid_permissions",
    "set_adsync_object_owner",
    "set_adsync_password_hash_sync_permissions",
    "set_adsync_password_writeback_permissions",
    "set_adsync_restricted_permissions",
    "set_adsync_unified_group_writeback_permissions",
    "show_adsync_ad_object_permissions",
    "test_adsync_permissions",
    "undo_adsync_permissions",
]


def __getattr__(name: str) -> Any:
    """One of the names of ``_LATE``, from its module."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATE[name]}", __name__), name)


def connect(
    server: str | None = None,
    *,
    user: str | None = None,
    password: str | Callable[[], str] | None = None,
    auth: Method = "auto",
    keytab: str | Path | None = None,
    client_cert: str | Path | None = None,
    client_key: str | Path | None = None,
    ca_file: str | Path | None = None,
    starttls: bool = False,
    verify: bool = True,
    timeout: int = 30,
    servers: Mapping[str, str] | None = None,
    credentials: Mapping[str, tuple[str, str | Callable[[], str]]] | None = None,
    notify: Callable[[str], None] | None = None,
) -> LiveDirectory:
    """A connection to a domain controller, logged on as ``user``, encrypted and verified.

    ``server`` is a host name, a domain's DNS name, or ``ldap[s]://host[:port]``; left out, a controller of the
    domain in ``user@domain``, or in the Kerberos ticket, is found through DNS. ``auth`` is ``auto`` (Kerberos
    where there is a ticket, else the password inside TLS), ``kerberos`` (a ticket, a ``keytab`` or the password),
    ``ntlm``, ``simple`` or ``certificate``. A ``password`` may be what asks for one, called when it is needed.
    ``servers`` maps the DNS names of the forest's other domains to theirs, ``credentials`` to a user and a password
    of their own. ``timeout`` is in seconds; ``notify`` is told how each logon is done. Raises ParameterError,
    Unreachable and AuthenticationFailed.
    """
    # ldap3 takes 80 ms to import, and a snapshot needs none.
    from .connections import ForestConnections  # noqa: PLC0415
    from .credential import Credential, TlsOptions  # noqa: PLC0415

    options = TlsOptions(None if ca_file is None else str(ca_file), starttls, verify, timeout)
    files = [None if each is None else str(each) for each in (keytab, client_cert, client_key)]
    first = Credential(user, password, auth, *files)
    own = {name: first.another(*pair) for name, pair in (credentials or {}).items()}
    forest = ForestConnections(first, options, servers=servers, credentials=own, notify=notify)
    return forest.first(server)


def open_snapshot(path: str | Path) -> SnapshotDirectory:
    """The directory kept in a snapshot file. Raises SnapshotError."""
    from .snapshot import SnapshotDirectory  # noqa: PLC0415 - a live run reads no file

    return SnapshotDirectory.open(path)
