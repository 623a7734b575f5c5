"""The cmdlets that tidy up, as commands: Remove-* and Repair-*."""

from __future__ import annotations

from typing import Any

import click

from .command import CmdletCommand, parameter
from .running import account_parameters, run_change, run_parameters

__all__ = ["remove_adsync_permissions", "repair_adsync_dacl_order"]

_REMOVAL = (
    "ad_connector_account_name",
    "ad_connector_account_domain",
    "ad_connector_account_dn",
    "sid",
    "search_base",
)


@click.command(
    "Remove-ADSyncPermissions",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Remove-ADSyncPermissions -ADConnectorAccountDN "$account" -WhatIf
  Remove-ADSyncPermissions -Sid S-1-5-21-1004336348-1177238915-682003330-1104 -SearchBase contoso.example
""",
)
@account_parameters
@parameter(
    "-Sid",
    "--sid",
    help="The SID whose permissions go, S-1-5-21-..., instead of the account: for one that was deleted.",
)
@parameter(
    "-SearchBase",
    "--search-base",
    help="Only at this object and below it: its DN, or a domain by its DNS or NetBIOS name. Left out: every domain "
    "of the forest, its configuration and its schema.",
)
@run_parameters
@click.pass_context
def remove_adsync_permissions(context: click.Context, /, **given: Any) -> None:
    """Take away every permission that was given to one account itself, such as a connector that was replaced.

    Every explicit entry of the account goes, whether it allows or denies. Everything is read before the first
    change, and each object is asked about. Groups, accounts of Windows itself and your own account are refused,
    also with -Force. What the account owns is named and left as it is. Where an object could not be read, the exit
    code is 3, or 4 when others were changed.
    """
    run_change(context, "remove_adsync_permissions", {name: given[name] for name in _REMOVAL})


@click.command("Repair-ADSyncDaclOrder", cls=CmdletCommand)
@parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    position=1,
    required=True,
    help="The object whose entries are put in order.",
)
@run_parameters
@click.pass_context
def repair_adsync_dacl_order(context: click.Context, /, **given: Any) -> None:
    """Put the permissions of one object in canonical order: denies, allows, then what is inherited.

    No entry is added, changed or dropped, and no other cmdlet moves any. What is denied then wins over what is
    allowed, so that somebody may lose access: -WhatIf shows which entries move.
    """
    run_change(context, "repair_adsync_dacl_order", {"ad_object_dn": given["ad_object_dn"]})
