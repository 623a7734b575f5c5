"""What the help of each command says, as values: for man pages, for the documentation, and for nothing at run time.

Everything comes from the commands themselves, so a cmdlet that is added is described without a line here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click

from .command import CmdletCommand, CmdletGroup

__all__ = ["EXIT_CODES", "Block", "Page", "pages"]

#: What a shell gets to see, of every command (README.md has the same table).
EXIT_CODES = {
    0: "Done, nothing to do, or declined at the prompt.",
    1: "Failed; nothing was written.",
    2: "A wrong command line.",
    3: "The check found something, or could not read everything.",
    4: "Done in part, or it is not known whether: the message says which objects, and names the journal.",
    130: "Interrupted (^C); 143 and 129 where SIGTERM or SIGHUP ended it: the message names the journal.",
}

_KEPT = "\b"  # how click marks a paragraph whose lines are not to be filled


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph; one that is `kept` has lines that stay as they are."""

    text: str
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A command's help: `sections` pairs each heading with its (parameter, what it does)."""

    name: str
    synopsis: str
    usage: str
    description: tuple[Block, ...]
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    epilog: tuple[Block, ...]


def pages(group: CmdletGroup) -> Iterator[Page]:
    """The page of the group itself, then one for each cmdlet in the order of its table."""
    name = group.name or ""
    synopsis, _, rest = (group.help or "").partition("\n\n")
    usage = f"{name} {group.subcommand_metavar}"
    yield Page(name, synopsis, usage, _blocks(rest), _sections(group, name), ())
    for cmdlet, lazy in group.cmdlets.items():
        command = lazy.load()
        assert isinstance(command, CmdletCommand)
        context = click.Context(command, info_name=cmdlet)
        usage = f"{cmdlet} {' '.join(command.collect_usage_pieces(context))}"
        yield Page(
            cmdlet,
            lazy.synopsis,
            usage,
            _blocks(command.help or ""),
            _sections(command, cmdlet),
            _blocks(command.epilog or ""),
        )


def _blocks(text: str) -> tuple[Block, ...]:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return tuple(
        Block(inspect.cleandoc(each.removeprefix(f"{_KEPT}\n")), kept=True)
        if each.startswith(_KEPT)
        else Block(" ".join(each.split()))
        for each in paragraphs
        if each.strip()
    )


def _sections(command: click.Command, name: str) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    context = click.Context(command, info_name=name, **command.context_settings)
    sections: dict[str, list[tuple[str, str]]] = {}
    for option in command.get_params(context):
        if (record := option.get_help_record(context)) is not None:
            sections.setdefault(getattr(option, "section", None) or "Parameters", []).append(record)
    return tuple((heading, tuple(records)) for heading, records in sections.items())
