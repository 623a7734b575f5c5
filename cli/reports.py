"""The cmdlets that only read, as commands: Get-* and Show-*.

What a cmdlet finds goes to standard output, in the form of `--format`; what it could not look at goes to standard
error, and the exit code is then 3: a list with holes never passes for a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from .binding import printable
from .command import CmdletCommand, parameter, switch
from .connect import connection_parameters, open_directory
from .outcome import guard
from .running import Declaration, declared, form_of

if TYPE_CHECKING:
    from adsyncconfig import ConnectorAccounts, InheritanceSearch, ObjectPermissions

__all__ = [
    "get_adsync_ad_connector_account",
    "get_adsync_objects_with_inheritance_disabled",
    "show_adsync_ad_object_permissions",
]

INCOMPLETE = 3
#: How many objects a warning names.
_NAMED = 10
_CLASS_WIDTH = 24

_read_parameters = declared(
    switch("-Verbose", "--verbose", "-vb", help="Tell each step on standard error."),
    switch("--json", help="Print one JSON document, as --format json."),
    connection_parameters,
)


def _format(*forms: str) -> Declaration:
    return parameter(
        "--format",
        type=click.Choice(forms),
        help=f"How to print what is found; left out: {forms[0]}.",
    )


@click.command("Get-ADSyncADConnectorAccount", cls=CmdletCommand)
@_format("list", "table", "json")
@_read_parameters
@click.pass_context
def get_adsync_ad_connector_account(context: click.Context, /, **given: Any) -> None:
    """Find the connector accounts of the forest, and say how each was found.

    They are looked for in the directory itself: accounts named MSOL_ or AAD_, whose description tells the server
    and the tenant; group managed service accounts of Cloud Sync; and accounts, whatever they are called, that hold
    the replication rights on the root of a domain. Domains that cannot be reached are named, and the exit code is
    then 3.
    """

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        form = form_of(given, "list")
        with open_directory(context) as directory:
            found = adsyncconfig.get_adsync_ad_connector_account(directory)
        _warn(found.warnings)
        if form == "json":
            _print_json({"cmdlet": context.command.name, **_connectors_json(found)})
        else:
            for line in _connector_lines(found, as_table=form == "table"):
                click.echo(line)
            click.echo(f"{len(found.accounts)} found in {', '.join(found.searched)}.", err=True)
        return 0 if found.is_complete else INCOMPLETE

    guard(context, action)


def _connectors_json(found: ConnectorAccounts) -> dict[str, Any]:
    return {
        "accounts": [account.to_json() for account in found.accounts],
        "searched": list(found.searched),
        "unreachable": list(found.unreachable),
        "unreadable": list(found.unread),
        "warnings": list(found.warnings),
    }


def _connector_lines(found: ConnectorAccounts, *, as_table: bool) -> Iterator[str]:
    """PowerShell's Format-List of each account, or one table."""
    records = [
        {
            name: "; ".join(value) if isinstance(value, list) else value
            for name, value in each.to_json().items()
        }
        for each in found.accounts
    ]
    if as_table and records:
        columns = (
            "ADConnectorAccountName",
            "ADConnectorAccountDomain",
            "enabled",
            "server",
            "tenant",
            "foundBy",
        )
        yield from _table(columns, [[_text(record[name]) for name in columns] for record in records])
        return
    for number, record in enumerate(records):
        if number:
            yield ""
        width = max(map(len, record))
        yield from (f"{name:<{width}} : {_text(value)}".rstrip() for name, value in record.items())


@click.command(
    "Get-ADSyncObjectsWithInheritanceDisabled",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Get-ADSyncObjectsWithInheritanceDisabled -SearchBase contoso.example
  Get-ADSyncObjectsWithInheritanceDisabled -SearchBase 'OU=Sync Groups,DC=contoso,DC=example' -ObjectClass '*'
""",
)
@parameter(
    "-SearchBase",
    "--search-base",
    position=1,
    required=True,
    help="Where to look: the DN of an object, or a domain by its DNS or NetBIOS name. Quote it.",
)
@parameter(
    "-ObjectClass",
    "--object-class",
    position=2,
    help="Look at objects of this class only, or '*' for all; left out: organizationalUnit.",
)
@_format("table", "json")
@_read_parameters
@click.pass_context
def get_adsync_objects_with_inheritance_disabled(context: click.Context, /, **given: Any) -> None:
    """List the objects that take no permissions from their parent, at a search base and below it.

    What is granted further up does not reach them: the main silent cause of missing permissions. An object with
    adminCount is protected by AdminSDHolder, or once was. Objects whose permissions cannot be read are counted, and
    the exit code is then 3.
    """

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415

        from .running import tell  # noqa: PLC0415

        form = form_of(given, "table")
        with open_directory(context) as directory:
            search = adsyncconfig.get_adsync_objects_with_inheritance_disabled(
                directory,
                search_base=given["search_base"],
                object_class=given["object_class"] or "organizationalUnit",
                notify=tell if given["verbose"] else None,
            )
            if form == "json":
                objects = [each.to_json() for each in search]
                _print_json({"cmdlet": context.command.name, **_inheritance_json(search, objects)})
                count = len(objects)
            else:
                count = _print_protected(search)
        unreadable = len(search.unreadable)
        if unreadable:
            named = ", ".join(f"'{dn}'" for dn in search.unreadable[:_NAMED])
            more = f" and {unreadable - _NAMED} more" if unreadable > _NAMED else ""
            _warn(
                [f"{unreadable} objects could not be read, and may have inheritance disabled: {named}{more}"]
            )
        click.echo(
            f"{search.read} objects read, {count} with inheritance disabled, {unreadable} not readable.",
            err=True,
        )
        return INCOMPLETE if unreadable else 0

    guard(context, action)


def _inheritance_json(search: InheritanceSearch, objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "searchBase": search.search_base,
        "objectClass": search.object_class,
        "read": search.read,
        "objects": objects,
        "unreadable": list(search.unreadable),
    }


def _print_protected(search: InheritanceSearch) -> int:
    """Print each object when it is found, since a domain takes long; their number."""
    count = 0
    for count, each in enumerate(search, 1):
        if count == 1:
            click.echo(f"{'ObjectClass':<{_CLASS_WIDTH}} adminCount  DistinguishedName")
        mark = "1" if each.admin_count else ""
        name = printable(each.distinguished_name)
        click.echo(f"{printable(each.object_class):<{_CLASS_WIDTH}} {mark:<10}  {name}")
    return count


@click.command("Show-ADSyncADObjectPermissions", cls=CmdletCommand)
@parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    position=1,
    required=True,
    help="The object whose permissions are shown.",
)
@_format("dsacls", "table", "json")
@_read_parameters
@click.pass_context
def show_adsync_ad_object_permissions(context: click.Context, /, **given: Any) -> None:
    """Show the owner, the group and every permission of an object, as dsacls.exe does."""

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415

        form = form_of(given, "dsacls")
        with open_directory(context) as directory:
            shown = adsyncconfig.show_adsync_ad_object_permissions(
                directory, ad_object_dn=given["ad_object_dn"]
            )
        _warn(shown.warnings)
        if form == "json":
            _print_json({"cmdlet": context.command.name, **shown.to_json()})
        else:
            lines = _permission_table(shown) if form == "table" else map(printable, shown.to_dsacls())
            for line in lines:
                click.echo(line)
        return 0

    guard(context, action)


def _permission_table(shown: ObjectPermissions) -> Iterator[str]:
    from adsyncconfig.display import rights_in_letters  # noqa: PLC0415 - the other forms do without

    yield printable(shown.dn)
    for title, sid in (("Owner", shown.descriptor.owner), ("Group", shown.descriptor.group)):
        yield f"{title}: {'' if sid is None else printable(shown.names.trustee(sid))}"
    yield f"Inheritance: {'disabled' if shown.descriptor.dacl_is_protected else 'enabled'}"
    if shown.descriptor.dacl is None:
        yield "No access list: everyone has full control"
        return
    yield from _table(
        ("Type", "Trustee", "Rights", "On", "Applies to", "Inherited"),
        [
            [
                each.type,
                each.trustee,
                rights_in_letters(each.ace.mask),
                each.object_type or "",
                each.applies_to,
                "yes" if each.ace.is_inherited else "no",
            ]
            for each in shown.permissions
        ],
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what they hold, with a line under their names."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(len(column), *(len(row[at]) for row in cells)) if cells else len(column)
        for at, column in enumerate(columns)
    ]
    for row in (columns, ["-" * len(column) for column in columns], *cells):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _text(value: object) -> str:
    return "" if value is None else printable(str(value))


def _print_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"WARNING: {printable(warning)}", err=True)
