"""The cmdlets as commands: their parameters, their help, and the call of the function behind each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .binding import printable
from .command import CmdletCommand, parameter, switch
from .connect import connection_parameters, open_directory
from .outcome import run

if TYPE_CHECKING:
    from adsyncconfig import SetResult

__all__ = ["set_adsync_unified_group_writeback_permissions"]

F = TypeVar("F", bound=Callable[..., Any])


def _feature_parameters(command: F) -> F:
    """Declare what every cmdlet that grants a feature takes, in the order of Microsoft's documentation."""
    for declare in reversed(
        (
            parameter(
                "-ADConnectorAccountName",
                "--ad-connector-account-name",
                help="The connector account's name or sAMAccountName, with -ADConnectorAccountDomain.",
            ),
            parameter(
                "-ADConnectorAccountDomain",
                "--ad-connector-account-domain",
                help="The domain of the connector account, by its DNS or NetBIOS name.",
            ),
            parameter(
                "-ADConnectorAccountDN",
                "--ad-connector-account-dn",
                help="The connector account's DN, instead of its name and domain.",
            ),
            parameter(
                "-ADobjectDN",
                "--ad-object-dn",
                help="Grant on this OU, container, domain root or object only. Left out: on every domain of "
                "the forest.",
            ),
            switch(
                "-IncludeAdminSdHolders",
                "--include-admin-sd-holders",
                help="Grant on AdminSDHolder too, and so on every protected account. Not recommended; needs "
                "-Force where it hands these accounts over.",
            ),
            switch(
                "-SkipAdminSdHolders",
                "--skip-admin-sd-holders",
                help="Accepted for old scripts: AdminSDHolder is left alone anyway.",
            ),
            switch("-WhatIf", "--what-if", "-wi", help="Say what would be done, and do nothing."),
            switch(
                "-Confirm",
                "--confirm",
                "-cf",
                help="Ask before each change. This is the default; '-Confirm:$false' does not ask.",
            ),
            switch("-Force", "--force", help="Do what is refused as unsafe otherwise. It still asks."),
            switch("-Verbose", "--verbose", "-vb", help="Tell each step on standard error."),
            switch("--json", help="Print one JSON document."),
            connection_parameters,
        )
    ):
        command = declare(command)
    return command


def _grant(context: click.Context, function_name: str) -> None:
    """Call the feature's function with the context's parameters, and end as it ended."""
    given = context.params

    def cmdlet() -> SetResult:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        from .confirm import Confirmation  # noqa: PLC0415

        what_if = bool(given["what_if"])
        asks = not what_if and given["confirm"] is not False
        if asks and not sys.stdin.isatty():
            raise adsyncconfig.ParameterError(
                "there is no terminal to ask on, so nothing was done: add '-Confirm:$false' (in quotes) or "
                "--no-confirm to go on without asking, or -WhatIf to see what would be done"
            )
        notify = (
            (lambda line: click.echo(f"VERBOSE: {printable(line)}", err=True)) if given["verbose"] else None
        )
        with open_directory(context) as directory:
            result: SetResult = getattr(adsyncconfig, function_name)(
                directory,
                ad_connector_account_name=given["ad_connector_account_name"],
                ad_connector_account_domain=given["ad_connector_account_domain"],
                ad_connector_account_dn=given["ad_connector_account_dn"],
                ad_object_dn=given["ad_object_dn"],
                include_admin_sd_holders=bool(given["include_admin_sd_holders"]),
                skip_admin_sd_holders=bool(given["skip_admin_sd_holders"]),
                what_if=what_if,
                confirm=Confirmation() if asks else None,
                force=bool(given["force"]),
                notify=notify,
            )
        return result

    run(context, cmdlet, as_json=bool(given["json"]))


@click.command(
    "Set-ADSyncUnifiedGroupWritebackPermissions",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN "$account" -ADObjectDN "$ou" -WhatIf
  Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountName MSOL_0123456789ab
      -ADConnectorAccountDomain contoso.example '-Confirm:$false'
""",
)
@_feature_parameters
@click.pass_context
def set_adsync_unified_group_writeback_permissions(context: click.Context, /, **_: Any) -> None:
    """Let a connector account write Microsoft 365 groups back to Active Directory.

    With -ADobjectDN, an OU for these groups: the account may create, change and delete groups there, and, as
    Microsoft's cmdlet grants it, whatever else the OU can hold, and the OU itself.

    Without, on the root of every domain of the forest: the account may change and delete every group that
    inherits permissions, but create none.
    """
    _grant(context, "set_adsync_unified_group_writeback_permissions")
