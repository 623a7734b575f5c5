"""What the commands that change something share: how they are told to run, and how they end.

`account_parameters` and `run_parameters` declare; `run_change` asks for a terminal where it has to, opens the
directory, calls the function behind the command and ends as that ended.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .binding import printable
from .command import parameter, switch
from .connect import connection_parameters, open_directory
from .outcome import run

if TYPE_CHECKING:
    from adsyncconfig import SetResult

__all__ = [
    "Declaration",
    "account_parameters",
    "declared",
    "form_of",
    "progress",
    "run_change",
    "run_parameters",
    "tell",
]

F = TypeVar("F", bound=Callable[..., Any])
Declaration = Callable[[Any], Any]


def declared(*declarations: Declaration) -> Callable[[F], F]:
    """Declare several parameters at once, listed in this order in the help."""

    def declare(command: F) -> F:
        for declaration in reversed(declarations):
            command = declaration(command)
        return command

    return declare


account_parameters = declared(
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
)
#: What every cmdlet takes that changes something.
run_parameters = declared(
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
    parameter(
        "--plan-out",
        type=click.Path(),
        help="Keep the plan in this new file, for Invoke-ADSyncPlan. With -WhatIf nothing else is done.",
    ),
    parameter(
        "--plan-format",
        type=click.Choice(["dsacls", "ldif", "json"]),
        help="With -WhatIf: print the plan, and nothing else, as command lines of dsacls.exe, as LDIF, or as "
        "--plan-out keeps it.",
    ),
    switch("--exit-code", help="With -WhatIf: exit with 3 when something would change."),
    parameter(
        "--journal",
        type=click.Path(),
        help="Keep the journal, from which Undo-ADSyncPermissions restores what was, in this new file. Left out: a "
        "file of its own in your state folder.",
    ),
    connection_parameters,
)


def run_change(context: click.Context, function_name: str, parameters: Mapping[str, Any]) -> None:
    """Call the function of this name with these parameters and those of the run, and end as it ended."""
    given = context.params

    def cmdlet() -> SetResult:
        import adsyncconfig  # noqa: PLC0415 - help and completion do without

        from .confirm import Confirmation  # noqa: PLC0415

        what_if = bool(given["what_if"])
        if given["plan_format"] and (given["json"] or not what_if):
            raise adsyncconfig.ParameterError(
                "--plan-format prints a plan: give it with -WhatIf, without --json"
            )
        if given["exit_code"] and not what_if:
            raise adsyncconfig.ParameterError("--exit-code tells what would change: give it with -WhatIf")
        asks = not what_if and given["confirm"] is not False
        if asks and not sys.stdin.isatty():
            raise adsyncconfig.ParameterError(
                "there is no terminal to ask on, so nothing was done: add '-Confirm:$false' (in quotes) or "
                "--no-confirm to go on without asking, or -WhatIf to see what would be done"
            )
        with open_directory(context) as directory:
            result: SetResult = getattr(adsyncconfig, function_name)(
                directory,
                **parameters,
                what_if=what_if,
                confirm=Confirmation() if asks else None,
                force=bool(given["force"]),
                notify=tell if given["verbose"] else None,
                journal=None
                if what_if
                else given["journal"] or adsyncconfig.default_journal(str(context.command.name)),
                plan_out=given["plan_out"],
            )
        return result

    run(
        context,
        cmdlet,
        as_json=bool(given["json"]),
        plan_format=given["plan_format"],
        tells_drift=bool(given["exit_code"]),
    )


def tell(line: str) -> None:
    """Say a step on standard error, as -Verbose does in PowerShell."""
    click.echo(f"VERBOSE: {printable(line)}", err=True)


def form_of(given: Mapping[str, Any], default: str) -> str:
    """The form to print in, from --format and --json. Raises ParameterError where two are asked for."""
    from adsyncconfig import ParameterError  # noqa: PLC0415 - help and completion do without

    form: str | None = given["format"]
    if given["json"] and form not in (None, "json"):
        raise ParameterError(f"--json and --format {form} contradict each other: give one")
    return "json" if given["json"] else form or default


def progress(*, verbose: bool) -> Callable[[str], None] | None:
    """Tells progress: each line under -Verbose; on a terminal the last one, in its place."""
    if verbose:
        return tell
    if not sys.stderr.isatty():
        return None

    def show(line: str) -> None:
        click.echo(f"\r\x1b[K{printable(line)}", err=True, nl=False)

    return show
