"""Man pages in roff's man macros, one for `adsyncconfig` and one for each cmdlet, made when the wheel is built.

Rule 1: no line of text begins with a control character, and no backslash is left to roff: `_text` sees to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .command import CmdletGroup
from .reference import EXIT_CODES, Block, Page, pages

__all__ = ["man_pages"]

_RULES = (
    "Names may be written in any case, and -Names be shortened. A switch is turned off with '-Name:$false' "
    "(in quotes) or --no-name. The exit codes, the environment and the files are described in adsyncconfig(1)."
)
_ENVIRONMENT = {
    "ADSYNCCONFIG_PASSWORD": "The password, where no --password-file is given.",
}
_FILES = {
    "config.toml": (
        "Connection options, in the folder adsyncconfig of the user's configuration folder; on Linux "
        "~/.config/adsyncconfig/config.toml."
    ),
    "journals": "What each run changed, in the user's state folder; on Linux ~/.local/state/adsyncconfig/journals.",
}
_VARIABLE = re.compile(r"\s*\[env var: (\w+)\]")


def man_pages(group: CmdletGroup, version: str, date: str) -> Iterator[tuple[str, str]]:
    """Give each page's file name and its text; `date` is an ISO date, the same for the same build."""
    main, *cmdlets = pages(group)
    yield f"{main.name}.1", _page(main, version, date, list(_about_all(cmdlets)))
    for page in cmdlets:
        see = [".SH SEE ALSO", f".BR {_word(main.name)} (1)"]
        yield f"{page.name}.1", _page(page, version, date, [".SH NOTES", *_lines(_RULES), *see])


def _page(page: Page, version: str, date: str, more: list[str]) -> str:
    name, _, rest = page.usage.partition(" ")
    lines = [
        f'.TH {_word(page.name.upper())} 1 "{date}" "adsyncconfig {version}" "User Commands"',
        *(".nh", ".ad l"),  # a command's name is not to be divided, nor set apart
        ".SH NAME",
        rf"{_text(page.name)} \- {_text(_unpunctuated(page.synopsis))}",
        ".SH SYNOPSIS",
        f".B {_text(name)}",
        *_lines(rest),
    ]
    if page.description:
        lines += [".SH DESCRIPTION", *_blocks(page.description)]
    for heading, entries in page.sections:
        lines += [f'.SH "{heading.upper()}"', *_entries(dict(entries))]
    lines += _blocks(page.epilog)
    return "\n".join([*lines, *more]) + "\n"


def _about_all(cmdlets: list[Page]) -> Iterator[str]:
    yield ".SH CMDLETS"
    yield from _entries({page.name: page.synopsis for page in cmdlets})
    yield '.SH "EXIT STATUS"'
    yield from _entries({str(code): text for code, text in EXIT_CODES.items()})
    yield ".SH ENVIRONMENT"
    entries = [entry for page in cmdlets for _, entries in page.sections for entry in entries]
    named = {
        found[1]: f"The same as {term.partition(',')[0]}."
        for term, text in entries
        if (found := _VARIABLE.search(text))
    }
    yield from _entries(named | _ENVIRONMENT)
    yield ".SH FILES"
    yield from _entries(_FILES)
    yield '.SH "SEE ALSO"'
    *others, last = (page.name for page in cmdlets)
    yield from (f".BR {_word(name)} (1)," for name in others)
    yield f".BR {_word(last)} (1)"


def _entries(entries: dict[str, str]) -> Iterator[str]:
    for term, text in entries.items():
        yield ".TP"
        yield f".B {_text(term)}"
        yield from _lines(text)


def _blocks(blocks: tuple[Block, ...]) -> Iterator[str]:
    headed = True  # the first paragraph after a heading needs no macro of its own
    for block in blocks:
        if block.text.endswith(":") and " " not in block.text:
            yield f'.SH "{block.text[:-1].upper()}"'
            headed = True
            continue
        if not headed:
            yield ".PP"
        headed = False
        if block.kept:
            yield from (".nf", *(_text(line) for line in block.text.splitlines()), ".fi")
        else:
            yield from _lines(block.text)


def _lines(text: str) -> list[str]:
    """One sentence a line, as roff wants it: it then sets the space between them itself."""
    return [_text(line) for line in re.split(r"(?<=[.:;]) (?=\S)", " ".join(text.split())) if line]


def _text(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("^", r"\(ha").replace("~", r"\(ti")
    escaped = escaped.replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{escaped}" if escaped.startswith((".", "\\(aq")) or not escaped else escaped


def _word(text: str) -> str:
    return _text(text).replace('"', r"\(dq")


def _unpunctuated(synopsis: str) -> str:
    return synopsis.rstrip(".")
