"""click commands that read PowerShell command lines: everything that joins `binding` and click is here.

`parameter` and `switch` declare options, as `click.option` does. From those declarations, the one source of
truth, `CmdletCommand` derives the table for `binding`, has the line rewritten and gives click the result.
click keeps what it does well: types, defaults, environment variables, help and shell completion.

Rule 1: click never sees a value apart from its option, so click never decides what is a value.
Rule 2: a wrong command line is one line on standard error, one on how to get help, and exit code 2.
Rule 3: `CmdletGroup` lists its cmdlets without importing them, and never guesses which one was meant.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from textwrap import fill
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from .binding import BindingError, Parameter, is_parameter, plain_dashes, printable, rewrite

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "CmdletCommand",
    "CmdletGroup",
    "CmdletOption",
    "CommandLineError",
    "LazyCmdlet",
    "parameter",
    "switch",
]

F = TypeVar("F", bound=Callable[..., Any] | click.Command)

_HELP_NAMES = ("-Help", "--help", "-?")
# click's name of a type -> the name that Get-Help shows; others are shown in title case.
_TYPE_NAMES = {
    "text": "String",
    "integer": "Int32",
    "integer range": "Int32",
    "float": "Double",
    "float range": "Double",
    "filename": "Path",
    "file": "Path",
    "directory": "Path",
}
# Get-Help puts a parameter's text under its name: so narrow a first column that it never holds one.
_NAME_COLUMN = 4


class CommandLineError(click.UsageError):
    """A wrong command line, shown as PowerShell shows it: the cmdlet's name, what is wrong, what to type."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print two lines: the error, and how to get help."""
        message = printable(re.sub(r"\s*[\r\n]\s*", " ", self.format_message()))
        if self.ctx is None:
            click.echo(message, file=file, err=True)
            return
        name = self.ctx.command.name or self.ctx.info_name
        click.echo(f"{name}: {message}", file=file, err=True)
        click.echo(f"For help: {self.ctx.command_path} -? (or --help)", file=file, err=True)


class CmdletOption(click.Option):
    """A click option that knows its PowerShell name, its position, and its section of the help."""

    def __init__(
        self, *args: Any, position: int | None = None, section: str | None = None, **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        self.position = position
        self.section = section
        self.binding = _binding(self, position)
        if self.metavar is None and not self.is_flag:
            self.metavar = _type_name(self)

    def get_error_hint(self, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Name the parameter in click's own errors as PowerShell users know it."""
        return f"'-{self.binding.name}'"

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return this parameter in the notation of Get-Help: brackets around what may be left out."""
        if self.hidden:
            return []
        name = f"-{self.binding.name}" if self.position is None else f"[-{self.binding.name}]"
        piece = name if self.is_flag else f"{name} {self.metavar}"
        return [piece if self.required else f"[{piece}]"]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return `-Name, --posix-name <Type>` and its help; further spellings follow the help."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        first = (f"-{self.binding.name}", self.binding.option)
        aliases = [spelling for spelling in self.opts if spelling not in first]
        shown = ", ".join(first) if self.is_flag else f"{', '.join(first)} {self.metavar}"
        return shown, record[1] + (f"  [alias: {', '.join(aliases)}]" if aliases else "")


def parameter(*spellings: str, **attributes: Any) -> Callable[[F], F]:
    """Declare a parameter with a value: `@parameter("-ADobjectDN", "--ad-object-dn", help=...)`.

    The first `-Name` is the PowerShell name, the first `--name` the POSIX one (and the Python argument); the
    others are aliases. Without a PowerShell name, `--plan-out` is also `-PlanOut`. This takes what
    `click.option` takes, and `position` (int: the value may stand without a name) and `section` (str: its
    heading in the help).
    """
    if not any(spelling.startswith("--") for spelling in spellings):
        raise TypeError(f"{spellings} has no POSIX spelling")
    if all(spelling.startswith("--") for spelling in spellings):
        spellings = (f"-{_powershell_name(spellings[0])}", *spellings)
    return click.option(*spellings, cls=CmdletOption, **attributes)


def switch(*spellings: str, **attributes: Any) -> Callable[[F], F]:
    """Declare a switch, `@switch("-WhatIf", "--what-if", "-wi", help=...)`: True, False, or None if absent.

    False is `-WhatIf:$false` or `--no-what-if`, which is declared here and left out of the help.
    """
    option = next((spelling for spelling in spellings if spelling.startswith("--")), "")
    declared = [f"{s}/--no-{s[2:]}" if s == option else s for s in spellings]
    return parameter(*declared, **{"default": None, **attributes})


class _PowerShellLine(click.Command):
    """What a cmdlet and a group of them share: binding, `-?`, and errors of one line."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.context_settings = {"help_option_names": list(_HELP_NAMES), **self.context_settings}

    def bind(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        try:
            return rewrite(args, [o.binding if isinstance(o, CmdletOption) else _binding(o) for o in options])
        except BindingError as error:
            # Completion asks about lines that are not finished: click makes of them what it can.
            if ctx.resilient_parsing:
                return list(args)
            raise CommandLineError(str(error), ctx) from None

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _errors_of_one_line():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_of_one_line():
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(option, "section", None) or "Parameters", []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records, col_max=_NAME_COLUMN)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        # Command's, not Group's, which would import every cmdlet for its line of help. click compares case.
        names = click.Command.shell_complete(self, ctx, incomplete[:1])
        return [name for name in names if name.value.lower().startswith(incomplete.lower())]


class CmdletCommand(_PowerShellLine):
    """A cmdlet: `@click.command("Get-Name", cls=CmdletCommand)` over `@parameter` and `@switch`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bind the line by PowerShell's rules, then let click parse what is left to parse."""
        return super().parse_args(ctx, self.bind(ctx, args))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the syntax as Get-Help gives it; a section of common parameters is one `[<Section>]`."""
        options = [option for option in self.params if isinstance(option, CmdletOption)]
        own = [piece for option in options if not option.section for piece in option.get_usage_pieces(ctx)]
        return [*own, *dict.fromkeys(f"[<{option.section}>]" for option in options if option.section)]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the syntax without breaking a line inside brackets, under a name that may fill a line."""
        pieces = (piece.replace(" ", "\xa0") for piece in self.collect_usage_pieces(ctx))
        syntax = fill(
            f"Usage: {ctx.command_path} {' '.join(pieces)}",
            formatter.width,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        formatter.write(syntax.replace("\xa0", " ") + "\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the rules that hold for every parameter, then the epilog."""
        formatter.write_paragraph()
        formatter.write_text(
            "Names may be written in any case, and -Names be shortened. A switch is turned off with "
            "'-Name:$false' (in quotes) or --no-name."
        )
        super().format_epilog(ctx, formatter)


@dataclass(frozen=True, slots=True)
class LazyCmdlet:
    """A cmdlet imported when it is called: `target` is "module:attribute", `synopsis` its line of help."""

    target: str
    synopsis: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is no click command")
        return command


class CmdletGroup(_PowerShellLine, click.Group):
    """Cmdlets under one command, by name in any case but in full: many differ only in their last word."""

    def __init__(
        self, *args: Any, cmdlets: Mapping[str, LazyCmdlet] | None = None, **attributes: Any
    ) -> None:
        attributes.setdefault("options_metavar", "")
        attributes.setdefault("subcommand_metavar", "<Cmdlet> [<Parameters>]")
        super().__init__(*args, **attributes)
        self.cmdlets = dict(cmdlets or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bind what stands before the cmdlet's name; the cmdlet binds the rest."""
        head = self._before_the_cmdlet(ctx, args)
        try:
            bound = self.bind(ctx, head)
        except CommandLineError as error:
            raise CommandLineError(f"{error.message} A cmdlet's parameters follow its name.", ctx) from None
        return super().parse_args(ctx, [*bound, *args[len(head) :]])

    def _before_the_cmdlet(self, ctx: click.Context, args: list[str]) -> list[str]:
        valued = {
            spelling.lower()
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not option.is_flag
            for spelling in option.opts
        }
        end = 0
        while end < len(args) and is_parameter(args[end]):
            has_value = plain_dashes(args[end]).lower() in valued and not any(
                map(is_parameter, args[end + 1 :][:1])
            )
            end += 2 if has_value else 1
        return args[:end]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order they were declared in."""
        return [*self.cmdlets, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the cmdlet of that name in any case, importing it if need be; None if there is none."""
        name = self._declared(ctx, cmd_name)
        if name is None:
            return None
        return self.cmdlets[name].load() if name in self.cmdlets else self.commands[name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the cmdlet under the name it was declared with, or say which ones come near."""
        name = self._declared(ctx, args[0])
        if name is None and not ctx.resilient_parsing:
            raise CommandLineError(self._unknown(ctx, args[0]), ctx)
        return name, self.get_command(ctx, name) if name else None, args[1:]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the cmdlets, which most readers look for, before the group's own options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write each cmdlet with its synopsis."""
        with formatter.section("Cmdlets"):
            formatter.write_dl(list(self._synopses()), col_max=_NAME_COLUMN)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Complete cmdlet names in any case, and the group's own options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  (only completion pays for it)

        found = [
            CompletionItem(name, help=synopsis)
            for name, synopsis in self._synopses()
            if name.lower().startswith(incomplete.lower())
        ]
        return [*found, *super().shell_complete(ctx, incomplete)]

    def _synopses(self) -> Iterator[tuple[str, str]]:
        for name, cmdlet in self.cmdlets.items():
            yield name, cmdlet.synopsis
        for name, command in self.commands.items():
            if not command.hidden:
                yield name, command.get_short_help_str(limit=200)

    def _declared(self, ctx: click.Context, name: str) -> str | None:
        wanted = plain_dashes(name).lower()
        return next((known for known in self.list_commands(ctx) if known.lower() == wanted), None)

    def _unknown(self, ctx: click.Context, name: str) -> str:
        message = f"The term '{printable(name)}' is not recognized as the name of a cmdlet."
        wanted = plain_dashes(name).lower()
        known = {command.lower(): command for command in self.list_commands(ctx)}
        if wanted and (begun := [command for lower, command in known.items() if lower.startswith(wanted)]):
            return f"{message} Write the name in full: {', '.join(begun)}."
        from difflib import get_close_matches  # noqa: PLC0415  (only a wrong line pays for it)

        close = get_close_matches(wanted, known, n=1)
        return f"{message} Did you mean {known[close[0]]}?" if close else message


@contextmanager
def _errors_of_one_line() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        # click's answer to no arguments at all is an error that shows the help: leave that to it.
        if type(error).show is not click.UsageError.show:
            raise
        raise CommandLineError(error.format_message(), error.ctx) from error


def _binding(option: click.Option, position: int | None = None) -> Parameter:
    names = [spelling[1:] for spelling in option.opts if not spelling.startswith("--")]
    posix = [spelling for spelling in option.opts if spelling.startswith("--")]
    names = names or [_powershell_name(posix[0])]
    return Parameter(
        name=names[0],
        option=posix[0],
        aliases=(*names[1:], *posix[1:]),
        switch=option.is_flag,
        negative=option.secondary_opts[0] if option.secondary_opts else None,
        # Help asked for twice is still help.
        repeatable=option.multiple or names[0] == _HELP_NAMES[0][1:],
        position=position,
    )


def _powershell_name(option: str) -> str:
    """Name an option that PowerShell does not have: "--plan-out" or "--plan-out/--no-…" is "PlanOut"."""
    return option.partition("/")[0].strip("-").title().replace("-", "")


def _type_name(option: click.Option) -> str:
    """Return the type as Get-Help shows it: `<String>`, `<String[]>`, `{one | other}`."""
    if isinstance(option.type, click.Choice):
        return f"{{{' | '.join(map(str, option.type.choices))}}}"
    name = _TYPE_NAMES.get(option.type.name, option.type.name.title())
    return f"<{name}[]>" if option.multiple else f"<{name}>"
