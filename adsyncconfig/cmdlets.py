"""The cmdlets as functions, one each.

Every function takes the directory and the cmdlet's parameters under their names in PEP 8 dress, and gives a
result that says what was done, or under ``what_if`` what would be. ``directory`` comes from ``connect`` or
``open_snapshot``; see ``GrantParameters`` for what the feature cmdlets take and ``grant_feature`` for what they
raise.

A process runs one cmdlet as a rule: what only one of them needs is imported in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from . import catalogue
from .errors import ParameterError
from .forest import domain_named
from .granting import GrantParameters, grant_feature

if TYPE_CHECKING:
    from pathlib import Path

    from .account_password import PasswordResult
    from .apply import Notify
    from .audit_context import AuditParameters
    from .comparison import Comparison
    from .connectors import ConnectorAccounts
    from .devices import DeviceParameters
    from .diagnosis import DiagnosisParameters, DiagnosisResult
    from .directory import Directory
    from .display import ObjectPermissions
    from .export import ExportResult
    from .findings import AuditReport
    from .inheritance import InheritanceSearch
    from .owner import OwnerResult
    from .policy_run import PolicyParameters, PolicyResult
    from .removal import RemovalParameters, RemovalResult
    from .repair import RepairResult
    from .result import SetResult
    from .running import RunParameters
    from .snapshot import SnapshotDirectory

__all__ = [
    "compare_adsync_snapshot",
    "enable_adsync_inheritance",
    "export_adsync_snapshot",
    "get_adsync_ad_connector_account",
    "get_adsync_objects_with_inheritance_disabled",
    "invoke_adsync_permissions_audit",
    "invoke_adsync_policy",
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
    from .devices import grant_device_writeback  # noqa: PLC0415

    return grant_device_writeback(directory, parameters)


def set_adsync_restricted_permissions(
    directory: Directory, *, ad_connector_account_dn: str, **run: Unpack[RunParameters]
) -> SetResult:
    """Lock a connector account's object, so that only its administrators can take it over.

    Raises UnsafePlan, unless ``force`` is given, when the caller could not change it back.
    """
    from .restricted import restrict  # noqa: PLC0415

    return restrict("Set-ADSyncRestrictedPermissions", directory, ad_connector_account_dn, run)


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
    from .restricted import restrict  # noqa: PLC0415

    return restrict("Set-AADCloudSyncRestrictedPermissions", directory, ad_connector_account_dn, run)


def get_adsync_ad_connector_account(directory: Directory) -> ConnectorAccounts:
    """The connector accounts of every domain that can be reached, and how each was found."""
    from .connectors import find_connector_accounts  # noqa: PLC0415

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
    from .inheritance import search_protected  # noqa: PLC0415

    return search_protected(directory, search_base, object_class, notify=notify)


def compare_adsync_snapshot(reference: SnapshotDirectory, difference: SnapshotDirectory) -> Comparison:
    """Whose permissions changed between two snapshots, entry by entry; what came, went and was renamed.

    The differences are read from both files when they are iterated over.
    """
    from .comparing import compare_snapshots  # noqa: PLC0415

    return compare_snapshots(reference, difference)


def export_adsync_snapshot(
    directory: Directory,
    *,
    path: str | Path,
    search_base: str | None = None,
    force: bool = False,
    notify: Notify | None = None,
) -> ExportResult:
    """Write the forest, or what is below ``search_base``, to a snapshot file that every cmdlet runs on."""
    from .export import export_snapshot  # noqa: PLC0415

    return export_snapshot(directory, path, search_base=search_base, force=force, notify=notify)


def show_adsync_ad_object_permissions(directory: Directory, *, ad_object_dn: str) -> ObjectPermissions:
    """An object's permissions with their names: as lines of dsacls (``to_dsacls``), as rows, and as JSON."""
    from .display import show_permissions  # noqa: PLC0415

    return show_permissions(directory, ad_object_dn)


def enable_adsync_inheritance(
    directory: Directory, *, ad_object_dn: str, clear_admin_count: bool = False, **run: Unpack[RunParameters]
) -> SetResult:
    """Let an object inherit permissions again; ``clear_admin_count`` takes its adminCount away too.

    See ``enable_inheritance`` for what it raises.
    """
    from .enabling import enable_inheritance  # noqa: PLC0415

    return enable_inheritance(directory, ad_object_dn, clear_admin_count=clear_admin_count, **run)


def remove_adsync_access_rule(
    directory: Directory,
    *,
    ad_object_dn: str,
    rule: str | Sequence[str],
    partial: bool = False,
    **run: Unpack[RunParameters],
) -> SetResult:
    """Take single entries off an object: ``rule`` is the SDDL of one, such as ``(A;CI;RP;;;S-1-5-11)``, or several.

    ``partial`` takes just the rights given out of an entry that has more. See ``remove_access_rules`` for what it
    raises.
    """
    from .access_rules import remove_access_rules  # noqa: PLC0415

    rules = [rule] if isinstance(rule, str) else rule
    return remove_access_rules(directory, ad_object_dn, rules, partial=partial, **run)


def invoke_adsync_permissions_audit(
    directory: Directory, *, policy: str | Path | None = None, **parameters: Unpack[AuditParameters]
) -> AuditReport:
    """Tell what connector accounts may do, what they lack, and who can take them over; nothing is written.

    See ``AuditParameters`` for what may be given: nothing at all audits the accounts that the directory shows.
    ``policy`` is a policy file, which names accounts and features itself.
    """
    from .audit import audit  # noqa: PLC0415

    if policy is not None:
        from .policy_audit import audit_by_policy  # noqa: PLC0415

        return audit_by_policy(directory, policy, parameters)
    return audit(directory, parameters)


def invoke_adsync_policy(
    directory: Directory, *, path: str | Path, **parameters: Unpack[PolicyParameters]
) -> PolicyResult:
    """Bring the directory to what a policy file says; see ``PolicyParameters`` and ``bring_to_policy``."""
    from .audit import RULES  # noqa: PLC0415
    from .policy_file import read_policy  # noqa: PLC0415
    from .policy_run import bring_to_policy  # noqa: PLC0415

    policy = read_policy(path, rules=[rule.id for rule in RULES])
    return bring_to_policy(directory, policy, **parameters)


def remove_adsync_group_member(
    directory: Directory, *, group_dn: str, member_dn: str, **run: Unpack[RunParameters]
) -> SetResult:
    """Take one direct member out of a group; see ``remove_member`` for what it raises."""
    from .members import remove_member  # noqa: PLC0415

    return remove_member(directory, group_dn, member_dn, **run)


def remove_adsync_permissions(directory: Directory, **parameters: Unpack[RemovalParameters]) -> RemovalResult:
    """Take away every explicit entry of one account, or of a SID that nobody has any more."""
    from .removal import remove_permissions  # noqa: PLC0415

    return remove_permissions(directory, parameters)


def repair_adsync_dacl_order(
    directory: Directory, *, ad_object_dn: str, **run: Unpack[RunParameters]
) -> RepairResult:
    """Put an object's access control list in canonical order."""
    from .repair import repair_order  # noqa: PLC0415

    return repair_order(directory, ad_object_dn, **run)


def set_adsync_ad_connector_account_password(
    directory: Directory,
    *,
    ad_connector_account_dn: str,
    new_password: str | Callable[[], str],
    **run: Unpack[RunParameters],
) -> PasswordResult:
    """Give a connector account another password, or what a function gives that is called for it.

    That cannot be undone. See ``set_account_password`` for what it raises.
    """
    from .account_password import set_account_password  # noqa: PLC0415

    return set_account_password(directory, ad_connector_account_dn, new_password, **run)


def set_adsync_object_owner(
    directory: Directory, *, ad_object_dn: str, owner: str, **run: Unpack[RunParameters]
) -> OwnerResult:
    """Give an object another owner, named by SID, DN or ``DOMAIN\\name``; see ``set_owner`` for what it raises."""
    from .owner import set_owner  # noqa: PLC0415

    return set_owner(directory, ad_object_dn, owner, **run)


def test_adsync_permissions(
    directory: Directory,
    *,
    feature: str | Sequence[str] = (),  # noqa: PT028 - no test, though it is called so
    **parameters: Unpack[DiagnosisParameters],
) -> DiagnosisResult:
    """Tell whether a connector account can do what features need, and where not, why and what mends it.

    ``feature`` are names of ``catalogue.FEATURES``, DeviceWriteback or types of Cloud Sync, in any case; left out,
    those that the account's permissions tell. See ``DiagnosisParameters`` for the others and ``diagnose`` for what
    it raises.
    """
    from .diagnosis import diagnose  # noqa: PLC0415

    return diagnose(directory, [feature] if isinstance(feature, str) else feature, parameters)


test_adsync_permissions.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test of its own
