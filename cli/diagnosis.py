"""Test-ADSyncPermissions as a command: a line for each operation, and where it does not go the reason and the mend.

Exit code 0 when everything goes, 3 when something does not, or cannot be known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from .binding import printable
from .command import CmdletCommand, parameter, switch
from .connect import connection_parameters, open_directory
from .outcome import guard
from .running import account_parameters

if TYPE_CHECKING:
    from adsyncconfig import Diagnosis, DiagnosisResult

__all__ = ["test_adsync_permissions"]

FOUND = 3
_ANSWERS = {True: "yes", False: "NO", None: "?"}
#: How many objects are shown of those that share feature, operation, reason and mend.
_SHOWN = 10


@click.command(
    "Test-ADSyncPermissions",
    cls=CmdletCommand,
    epilog="""\
Examples:

\b
  Test-ADSyncPermissions -Feature PasswordWriteback,BasicRead -ADConnectorAccountDN "$account"
  Test-ADSyncPermissions -Feature UnifiedGroupWriteback -ADConnectorAccountDN "$account" -ADobjectDN "$ou"
  Test-ADSyncPermissions -ADConnectorAccountDN "$account" -ADobjectDN "$user"
""",
)
@parameter(
    "-Feature",
    "--feature",
    multiple=True,
    help="What to test, with commas between: BasicRead, ExchangeHybrid, ExchangeMailPublicFolder, "
    "MsDsConsistencyGuid, PasswordHashSync, PasswordWriteback, UnifiedGroupWriteback, DeviceWriteback, or a "
    "permission type of Cloud Sync. Left out: the features that the account's permissions tell.",
)
@account_parameters
@parameter(
    "-ADobjectDN",
    "--ad-object-dn",
    help="The object to test on: an OU with what is below it, or any single object, such as one that export "
    "fails for with error 8344. Left out: every domain of the forest.",
)
@parameter(
    "-LookBelow",
    "--look-below",
    type=click.IntRange(min=0),
    help="How many objects to read at and below each target. Left out: 1000; 0: none but the target.",
)
@switch("--json", help="Print one JSON document.")
@connection_parameters
@click.pass_context
def test_adsync_permissions(context: click.Context, /, **given: Any) -> None:
    """Tell whether a connector account can do what its features need, without granting anything.

    For each operation: whether it goes, which entry decides, and where that entry comes from. Where it does not go,
    the reason, and the command that mends it. The exit code is 3 when anything does not go or cannot be known.
    """

    def action() -> int:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        names = [name for value in given["feature"] for name in value.split(",") if name.strip()]
        if given["feature"] and not names:
            raise adsyncconfig.ParameterError("-Feature is empty: name what to test, or leave it out")
        with open_directory(context) as directory:
            result = adsyncconfig.test_adsync_permissions(
                directory,
                feature=names,
                ad_connector_account_name=given["ad_connector_account_name"],
                ad_connector_account_domain=given["ad_connector_account_domain"],
                ad_connector_account_dn=given["ad_connector_account_dn"],
                ad_object_dn=given["ad_object_dn"],
                look_below=given["look_below"],
            )
        if result.inferred:
            told = ", ".join(result.features)
            click.echo(f"No -Feature was given; the account's permissions tell: {printable(told)}.", err=True)
        for warning in result.warnings:
            click.echo(f"WARNING: {printable(warning)}", err=True)
        if given["json"]:
            click.echo(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
        else:
            for line in _lines(result):
                click.echo(printable(line))
        return 0 if result.works else FOUND

    guard(context, action)


def _lines(result: DiagnosisResult) -> Iterator[str]:
    """Lines for a terminal, a paragraph for each feature and object; those that share a mend together."""
    for (feature, mended), group in groupby(result.diagnoses, key=_paragraph):
        found = list(group)
        objects = list(dict.fromkeys(each.dn for each in found))
        yield f"{feature} at {objects[0]}:" if len(objects) == 1 else f"{feature} at {len(objects)} objects:"
        if len(objects) > 1:
            yield from (f"    {dn}" for dn in objects[:_SHOWN])
            if len(objects) > _SHOWN:
                yield f"    and {len(objects) - _SHOWN} more"
        seen: dict[str, None] = {}
        for each in found:
            seen[f"  {_ANSWERS[each.allowed]:<3}  {each.operation}: {each.reason}"] = None
        yield from seen
        if mended:
            yield f"  mend: {mended}"
    goes = sum(each.allowed is True for each in result.diagnoses)
    yield (f"{result.account.name} ({result.account.sid}): {goes} of {len(result.diagnoses)} operations go.")


def _paragraph(each: Diagnosis) -> tuple[str, str | None]:
    return each.feature, each.mend


# A command, not a test, though pytest goes by the name.
test_adsync_permissions.__test__ = False  # type: ignore[attr-defined]
