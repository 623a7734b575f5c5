"""The cmdlets that mend single objects, as an audit prints them."""

from __future__ import annotations

from typing import Any

import click

from .command import CmdletCommand, parameter, switch
from .running import run_change, run_parameters

__all__ = [
    "enable_adsync_inheritance",
    "remove_adsync_access_rule",
    "remove_adsync_group_member",
    "set_adsync_ad_connector_account_password",
    "set_adsync_object_owner",
]


@click.command(
    "Remove-ADSyncAccessRule",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Remove-ADSyncAccessRule -ADobjectDN "$ou" -Rule '(A;CI;CCDC;;;S-1-5-11)' -WhatIf
  Remove-ADSyncAccessRule "$ou" -Rule "$first" -Rule "$second"
""",
)
@parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    position=1,
    required=True,
    help="The object that loses the entries.",
)
@parameter(
    "-Rule",
    "--rule",
    multiple=True,
    required=True,
    help="An entry to take away, as SDDL: (type;flags;rights;object;inherited object;trustee). Repeat for others; "
    "one of several equal entries goes for each time.",
)
@switch(
    "-Partial",
    "--partial",
    help="Where an entry has other rights than those given, take just these out of it.",
)
@run_parameters
@click.pass_context
def remove_adsync_access_rule(context: click.Context, /, **given: Any) -> None:
    """Take single entries off one object, exactly as they are given; whoever they are for, and also denies.

    One that is not there is no error. One that is inherited is, and the error names the object that it comes from.
    An entry without which you or Domain Admins could not change the object's permissions any more is refused
    without -Force.
    """
    parameters = {
        "ad_object_dn": given["ad_object_dn"],
        "rule": given["rule"],
        "partial": bool(given["partial"]),
    }
    run_change(context, "remove_adsync_access_rule", parameters)


@click.command("Enable-ADSyncInheritance", cls=CmdletCommand)
@parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    position=1,
    required=True,
    help="The object that is to inherit permissions.",
)
@switch(
    "-ClearAdminCount",
    "--clear-admin-count",
    help="Take adminCount away too, which stays when an account leaves a protected group.",
)
@run_parameters
@click.pass_context
def enable_adsync_inheritance(context: click.Context, /, **given: Any) -> None:
    """Let one object inherit permissions from what it is in; its own entries stay.

    -WhatIf shows every entry that comes in. A member of a protected group, such as Domain Admins, is refused, since
    it would be blocked again within the hour; the error names the group.
    """
    parameters = {
        "ad_object_dn": given["ad_object_dn"],
        "clear_admin_count": bool(given["clear_admin_count"]),
    }
    run_change(context, "enable_adsync_inheritance", parameters)


@click.command(
    "Set-ADSyncObjectOwner",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Set-ADSyncObjectOwner -ADobjectDN "$group" -Owner 'CONTOSO\\Domain Admins'
  Set-ADSyncObjectOwner "$group" S-1-5-32-544 -WhatIf
""",
)
@parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    position=1,
    required=True,
    help="The object that gets another owner.",
)
@parameter(
    "-Owner",
    "--owner",
    position=2,
    required=True,
    help="Who is to own it: a SID, a DN, or DOMAIN\\name.",
)
@run_parameters
@click.pass_context
def set_adsync_object_owner(context: click.Context, /, **given: Any) -> None:
    """Give one object another owner, and write nothing else.

    An owner may change the permissions of what it owns. Controllers let you make yourself the owner, or a group of
    yours; for anybody else you need the right to restore files, which Domain Admins have.
    """
    parameters = {"ad_object_dn": given["ad_object_dn"], "owner": given["owner"]}
    run_change(context, "set_adsync_object_owner", parameters)


@click.command("Remove-ADSyncGroupMember", cls=CmdletCommand)
@parameter("-GroupDN", "--group-dn", position=1, required=True, help="The group.")
@parameter("-MemberDN", "--member-dn", position=2, required=True, help="The member that it loses.")
@run_parameters
@click.pass_context
def remove_adsync_group_member(context: click.Context, /, **given: Any) -> None:
    """Take one direct member out of a group.

    Who is no member is no error. Who is in it through another group, or because it is the primary group, is
    refused, and the error says which.
    """
    parameters = {"group_dn": given["group_dn"], "member_dn": given["member_dn"]}
    run_change(context, "remove_adsync_group_member", parameters)


@click.command("Set-ADSyncADConnectorAccountPassword", cls=CmdletCommand)
@parameter(
    "-ADConnectorAccountDN",
    "--ad-connector-account-dn",
    position=1,
    required=True,
    help="The connector account's DN.",
)
@parameter(
    "--new-password-file",
    type=click.Path(),
    help="A file whose first line is the new password. Left out: ADSYNCCONFIG_NEW_PASSWORD, or it is asked for.",
)
@run_parameters
@click.pass_context
def set_adsync_ad_connector_account_password(context: click.Context, /, **given: Any) -> None:
    """Give a connector account another password, inside TLS alone.

    It cannot be undone, and the password is in no journal and no output. Enter it in Synchronization Service
    Manager afterwards, or synchronisation stops. Accounts that are no connector's, such as administrators and your
    own, are refused without -Force; a managed service account has no password to set.
    """
    if given["plan_format"] or given["plan_out"]:
        raise click.UsageError(
            "a password is kept in no plan: leave --plan-out and --plan-format out", context
        )
    from .new_password import new_password  # noqa: PLC0415 - help and completion do without

    account = given["ad_connector_account_dn"]
    parameters = {
        "ad_connector_account_dn": account,
        "new_password": new_password(account, given["new_password_file"]),
    }
    run_change(context, "set_adsync_ad_connector_account_password", parameters)
