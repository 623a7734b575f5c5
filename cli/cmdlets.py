"""The cmdlets that grant, as commands: their parameters and their help.

Each is made from its row in `_CMDLETS` when it is asked for, by the name of the function that it calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from .command import CmdletCommand, parameter, switch
from .running import Declaration, account_parameters, declared, run_change, run_parameters

_OBJECT = parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    help="Grant on this OU, container, domain root or object only. Left out: on every domain of the forest.",
)
_HOLDERS = declared(
    switch(
        "-IncludeAdminSdHolders",
        "--include-admin-sd-holders",
        help="Grant on AdminSDHolder too, and so on every protected account. Not recommended; needs -Force "
        "where it hands these accounts over.",
    ),
    switch(
        "-SkipAdminSdHolders",
        "--skip-admin-sd-holders",
        help="Accepted for old scripts: AdminSDHolder is left alone anyway, but with --compat 1.x.",
    ),
)
_LEAST = switch(
    "-LeastPrivilege", "--least-privilege", help="Grant only what the feature does, where that is known."
)
_REVOKE = switch(
    "-Revoke", "--revoke", help="Take away what the same command without -Revoke would grant, and no more."
)
_COMPAT = parameter(
    "--compat",
    type=click.Choice(["1.x", "2.x"]),
    help="Write to the letter what this build of Microsoft's writes.",
)
_LOOK_BELOW = parameter(
    "-LookBelow",
    "--look-below",
    type=click.IntRange(min=0),
    help="How many objects to read at and below each target, to say where the grant does not reach. Left out: "
    "1000; 0: none but the target.",
)
#: What every cmdlet takes that grants a feature.
_FEATURE = (account_parameters, _OBJECT, _HOLDERS, _LEAST, _REVOKE, _COMPAT, _LOOK_BELOW)
_RESTRICTED_ACCOUNT = parameter(
    "-ADConnectorAccountDN",
    "--ad-connector-account-dn",
    position=1,
    required=True,
    help="The DN of the account whose object is locked.",
)
_NO_VALIDATION = switch(
    "-DisableCredentialValidation",
    "--disable-credential-validation",
    expose_value=False,
    help="Accepted for old scripts: logging on validates the credentials.",
)
_RESTRICTED_TEXT = """Lock {whose} object, so that only its administrators can take it over.

    Inheritance is turned off; of the entries there only SELF's stay; SYSTEM, Enterprise Admins, Domain Admins and
    Administrators get full control, Enterprise Domain Controllers and Authenticated Users may read. Refused when
    you could not change it back yourself.
    """


@dataclass(frozen=True, slots=True)
class _Cmdlet:
    """What makes one command: its name, its help, and the parameters of its own."""

    name: str
    text: str
    declarations: tuple[Declaration, ...]
    examples: str = ""


def _command(function_name: str, cmdlet: _Cmdlet) -> click.Command:
    """The command whose parameters, but for those of the run, are the function's, under the same names."""
    own = declared(*cmdlet.declarations)
    bare = click.command()(own(lambda: None))
    # A switch that is absent is off for a function; a value that is absent is None.
    switches = {
        option.name: bool(getattr(option, "is_flag", False)) for option in bare.params if option.expose_value
    }

    @click.pass_context
    def callback(context: click.Context, /, **given: Any) -> None:
        parameters = {
            name: bool(given[name]) if is_switch else given[name]
            for name, is_switch in switches.items()
            if name
        }
        run_change(context, function_name, parameters)

    callback.__doc__ = cmdlet.text
    epilog = f"Examples:\n\n\b\n{cmdlet.examples}" if cmdlet.examples else None
    command: click.Command = click.command(cmdlet.name, cls=CmdletCommand, epilog=epilog)(
        own(run_parameters(callback))
    )
    return command


def __getattr__(name: str) -> click.Command:
    """The command behind a function's name, made when it is asked for: a process runs one of them."""
    if name not in _CMDLETS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _command(name, _CMDLETS[name])


_CMDLETS: dict[str, _Cmdlet] = {
    "set_adsync_unified_group_writeback_permissions": _Cmdlet(
        "Set-ADSyncUnifiedGroupWritebackPermissions",
        """Let a connector account write Microsoft 365 groups back to Active Directory.

    With -ADobjectDN, an OU for these groups: the account may create, change and delete groups there, and, as
    Microsoft's cmdlet grants it, whatever else the OU can hold, and the OU itself. -LeastPrivilege grants just
    the groups.

    Without, on the root of every domain of the forest: the account may change and delete every group that
    inherits permissions, but create none.
    """,
        _FEATURE,
        examples="""\
  Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN "$account" -ADObjectDN "$ou" -WhatIf
  Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN "$account" -ADObjectDN "$ou" -LeastPrivilege
  Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountName MSOL_0123456789ab
      -ADConnectorAccountDomain contoso.example '-Confirm:$false'
""",
    ),
    "set_adsync_basic_read_permissions": _Cmdlet(
        "Set-ADSyncBasicReadPermissions",
        """Let a connector account read what is synchronised.

    It may read every attribute of computers, devices, foreign security principals, users, inetOrgPersons, groups
    and contacts, and, on the root of each domain, replicate changes (no secrets).
    """,
        _FEATURE,
    ),
    "set_adsync_exchange_hybrid_permissions": _Cmdlet(
        "Set-ADSyncExchangeHybridPermissions",
        """Let a connector account write the attributes of Exchange Online back.

    As Microsoft's cmdlet grants it: read and write every attribute of users, inetOrgPersons, groups and
    contacts, the members of groups and the key credentials of users included. -LeastPrivilege grants just the
    attributes that are documented to be written back.
    """,
        _FEATURE,
    ),
    "set_adsync_exchange_mail_public_folder_permissions": _Cmdlet(
        "Set-ADSyncExchangeMailPublicFolderPermissions",
        """Let a connector account read mail public folders. Needs the Exchange schema.""",
        _FEATURE,
    ),
    "set_adsync_ms_ds_consistency_guid_permissions": _Cmdlet(
        "Set-ADSyncMsDsConsistencyGuidPermissions",
        """Let a connector account write mS-DS-ConsistencyGuid of users, the anchor of synchronisation.""",
        _FEATURE,
    ),
    "set_adsync_password_writeback_permissions": _Cmdlet(
        "Set-ADSyncPasswordWritebackPermissions",
        """Let a connector account reset passwords and unlock users.

    The right Unexpire Password goes onto the root of each domain; with -ADobjectDN it is left out, which is said.
    """,
        _FEATURE,
    ),
    "set_adsync_password_hash_sync_permissions": _Cmdlet(
        "Set-ADSyncPasswordHashSyncPermissions",
        """Let a connector account replicate password hashes, on the root of every domain.

    Whoever holds these rights can read the secrets of every account of the domain.
    """,
        (
            account_parameters,
            _REVOKE,
            _COMPAT,
        ),
    ),
    "set_adsync_device_writeback_permissions": _Cmdlet(
        "Set-ADSyncDeviceWritebackPermissions",
        """Let a connector account write devices back.

    On CN=RegisteredDevices of each domain that has it, and on CN=Device Registration Configuration of the
    forest: what the wizard's script grants. Microsoft has no such cmdlet.
    """,
        (
            account_parameters,
            _REVOKE,
        ),
    ),
    "set_adsync_restricted_permissions": _Cmdlet(
        "Set-ADSyncRestrictedPermissions",
        _RESTRICTED_TEXT.format(whose="a connector account's"),
        (
            _RESTRICTED_ACCOUNT,
            _NO_VALIDATION,
        ),
    ),
    "set_aad_cloud_sync_restricted_permissions": _Cmdlet(
        "Set-AADCloudSyncRestrictedPermissions",
        _RESTRICTED_TEXT.format(whose="a Cloud Sync account's"),
        (_RESTRICTED_ACCOUNT,),
    ),
    "set_aad_cloud_sync_permissions": _Cmdlet(
        "Set-AADCloudSyncPermissions",
        """Let an account of Microsoft Entra Cloud Sync, a gMSA as a rule, do what a permission type stands for.

    A gMSA's sAMAccountName ends in $: quote it, 'pGMSA_0123456$'.
    """,
        (
            parameter(
                "-PermissionType",
                "--permission-type",
                required=True,
                help="BasicRead, PasswordHashSync, PasswordWriteBack, HybridExchangePermissions, "
                "ExchangeMailPublicFolderPermissions, UserGroupCreateDelete or All.",
            ),
            parameter(
                "-TargetDomain",
                "--target-domain",
                help="The only domain to grant on, by its DNS or NetBIOS name. Left out: every domain of the "
                "forest.",
            ),
            account_parameters,
            _REVOKE,
            _LOOK_BELOW,
        ),
    ),
}
