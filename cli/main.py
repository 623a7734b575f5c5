"""The command ``adsyncconfig``: every cmdlet by its name, imported when it is called."""

from __future__ import annotations

import click

from .command import CmdletGroup, LazyCmdlet

__all__ = ["adsyncconfig"]

adsyncconfig = CmdletGroup(
    "adsyncconfig",
    help="""Plan, grant and prove what Microsoft Entra Connect's connector account may do in Active Directory.

The cmdlets and their parameters are those of Microsoft's PowerShell module ADSyncConfig. Each is also a
command of its own name. 'adsyncconfig <Cmdlet> -?' tells more.""",
    cmdlets={
        "Set-ADSyncUnifiedGroupWritebackPermissions": LazyCmdlet(
            "cli.cmdlets:set_adsync_unified_group_writeback_permissions",
            "Let a connector account write Microsoft 365 groups back.",
        ),
    },
)
click.version_option(package_name="adsyncconfig", message="%(prog)s %(version)s")(adsyncconfig)
