"""The command ``adsyncconfig``: every cmdlet by its name, imported when it is called."""

from __future__ import annotations

import click

from .command import CmdletGroup, LazyCmdlet
from .completion import SHELLS, script

__all__ = ["adsyncconfig"]

adsyncconfig = CmdletGroup(
    "adsyncconfig",
    help="""Plan, grant and prove what Microsoft Entra Connect's connector account may do in Active Directory.

The cmdlets and their parameters are those of Microsoft's PowerShell module ADSyncConfig. Each is also a
command of its own name. 'adsyncconfig <Cmdlet> -?' tells more.""",
    cmdlets={
        "Set-ADSyncBasicReadPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_basic_read_permissions",
            "Let a connector account read what is synchronised.",
        ),
        "Set-ADSyncExchangeHybridPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_exchange_hybrid_permissions",
            "Let it write the attributes of Exchange Online back.",
        ),
        "Set-ADSyncExchangeMailPublicFolderPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_exchange_mail_public_folder_permissions",
            "Let it read mail public folders.",
        ),
        "Set-ADSyncMsDsConsistencyGuidPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_ms_ds_consistency_guid_permissions",
            "Let it write the anchor of synchronisation.",
        ),
        "Set-ADSyncPasswordHashSyncPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_password_hash_sync_permissions",
            "Let it replicate password hashes.",
        ),
        "Set-ADSyncPasswordWritebackPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_password_writeback_permissions",
            "Let it reset passwords and unlock users.",
        ),
        "Set-ADSyncUnifiedGroupWritebackPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_unified_group_writeback_permissions",
            "Let it write Microsoft 365 groups back.",
        ),
        "Set-ADSyncDeviceWritebackPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_device_writeback_permissions",
            "Let it write devices back.",
        ),
        "Set-ADSyncRestrictedPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_restricted_permissions",
            "Lock the account's own object.",
        ),
        "Set-AADCloudSyncPermissions": LazyCmdlet(
            "cli.cmdlets:set_aad_cloud_sync_permissions",
            "Grant an account of Cloud Sync a permission type.",
        ),
        "Set-AADCloudSyncRestrictedPermissions": LazyCmdlet(
            "cli.cmdlets:set_aad_cloud_sync_restricted_permissions",
            "Lock the object of an account of Cloud Sync.",
        ),
        "Test-ADSyncPermissions": LazyCmdlet(
            "cli.diagnosis:test_adsync_permissions",
            "Tell whether a connector account can do what its features need, and why not.",
        ),
        "Invoke-ADSyncPermissionsAudit": LazyCmdlet(
            "cli.audit:invoke_adsync_permissions_audit",
            "Tell what the connector accounts may do, and who can take them over.",
        ),
        "Export-ADSyncSnapshot": LazyCmdlet(
            "cli.snapshots:export_adsync_snapshot",
            "Write the directory to a file that every command runs on.",
        ),
        "Compare-ADSyncSnapshot": LazyCmdlet(
            "cli.snapshots:compare_adsync_snapshot",
            "Tell whose permissions changed between two such files.",
        ),
        "Get-ADSyncADConnectorAccount": LazyCmdlet(
            "cli.reports:get_adsync_ad_connector_account",
            "Find the connector accounts of the forest.",
        ),
        "Get-ADSyncObjectsWithInheritanceDisabled": LazyCmdlet(
            "cli.reports:get_adsync_objects_with_inheritance_disabled",
            "List the objects that inherit no permissions.",
        ),
        "Show-ADSyncADObjectPermissions": LazyCmdlet(
            "cli.reports:show_adsync_ad_object_permissions",
            "Show an object's permissions as dsacls does.",
        ),
        "Remove-ADSyncPermissions": LazyCmdlet(
            "cli.repairs:remove_adsync_permissions",
            "Take every permission of one account away.",
        ),
        "Remove-ADSyncAccessRule": LazyCmdlet(
            "cli.mends:remove_adsync_access_rule",
            "Take single entries off an object.",
        ),
        "Enable-ADSyncInheritance": LazyCmdlet(
            "cli.mends:enable_adsync_inheritance",
            "Let an object inherit permissions again.",
        ),
        "Set-ADSyncObjectOwner": LazyCmdlet(
            "cli.mends:set_adsync_object_owner",
            "Give an object another owner.",
        ),
        "Remove-ADSyncGroupMember": LazyCmdlet(
            "cli.mends:remove_adsync_group_member",
            "Take a direct member out of a group.",
        ),
        "Set-ADSyncADConnectorAccountPassword": LazyCmdlet(
            "cli.mends:set_adsync_ad_connector_account_password",
            "Give a connector account another password.",
        ),
        "Repair-ADSyncDaclOrder": LazyCmdlet(
            "cli.repairs:repair_adsync_dacl_order",
            "Put an object's permissions in canonical order.",
        ),
        "Invoke-ADSyncPolicy": LazyCmdlet(
            "cli.policy:invoke_adsync_policy",
            "Bring the directory to what a policy file says.",
        ),
        "Invoke-ADSyncPlan": LazyCmdlet(
            "cli.plans:invoke_adsync_plan",
            "Apply exactly the plan that -WhatIf --plan-out kept.",
        ),
        "Undo-ADSyncPermissions": LazyCmdlet(
            "cli.plans:undo_adsync_permissions",
            "Restore what a run changed, by its journal.",
        ),
    },
)
click.version_option(package_name="adsyncconfig", message="%(prog)s %(version)s")(adsyncconfig)


def _show_completion(context: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell and not context.resilient_parsing:
        click.echo(script(shell, ["adsyncconfig", *adsyncconfig.cmdlets]), nl=False)
        context.exit()


# Not `parameter`: click would name it in the path of every cmdlet.
click.option(
    "--show-completion",
    type=click.Choice(SHELLS),
    is_eager=True,
    expose_value=False,
    callback=_show_completion,
    help="Print the script that completes these commands in a shell.",
)(adsyncconfig)
