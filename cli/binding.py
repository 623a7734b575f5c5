"""Which value belongs to which parameter: a PowerShell command line rewritten to POSIX options.

Rule 1: a parameter never swallows another parameter (`-ADobjectDN -WhatIf` is an error, not a DN).
Rule 2: nothing is guessed. An empty value, an ambiguous name, a value without a place is an error.
Rule 3: a name is `-Name` in any case, an alias, a prefix that one parameter alone has; or `--name` in full.
Rule 4: a switch is absent, true (`-Name`, `-Name:$true`) or false (`-Name:$false`, `--no-name`).
Rule 5: a parameter is given once, however it is spelled, unless it is repeatable.
Rule 6: what comes out is only `--name=value`, `--name` and `--no-name`: that leaves a parser no choice.

The grammar of names is that of the PowerShell language specification, 2.3.4 (a dash, then a letter, `_` or
`?`); errors begin as PowerShell words them, then say what to type. Pure: no I/O, no click.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

__all__ = ["BindingError", "Parameter", "is_parameter", "plain_dashes", "printable", "rewrite"]

# PowerShell takes the en dash, the em dash and the horizontal bar for a dash, since documents turn "-" into
# them. Web pages also leave the other hyphens and the minus sign, which no value means to begin with.
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_PLAIN_DASHES = str.maketrans(dict.fromkeys(_DASHES, "-"))
# White space may stand around a name: copied lines carry no-break spaces, and shells do not split there.
_NAMED = re.compile(
    rf"\s*(?P<dashes>[{_DASHES}]{{2}}|[{_DASHES}](?=[^\W\d]|\?))(?P<name>[^:=]*)(?:[:=](?P<value>.*))?",
    re.DOTALL,
)
_BOOLEANS = {"$true": True, "true": True, "1": True, "$false": False, "false": False, "0": False}
_LITERALS = frozenset({"$null", "$true", "$false"})


class BindingError(ValueError):
    """The command line cannot be bound; the message is one printable line: what is wrong, what to type."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a cmdlet, as far as binding needs to know it.

    `name` is PowerShell's, without the dash; `option` and `negative` are POSIX spellings with their dashes.
    An alias with dashes is one more POSIX spelling, without dashes a PowerShell alias. `position` orders the
    parameters that take a value without a name; None: the name is needed.
    """

    name: str
    option: str
    aliases: tuple[str, ...] = ()
    switch: bool = False
    negative: str | None = None
    repeatable: bool = False
    position: int | None = None


@dataclass(frozen=True, slots=True)
class _Spelling:
    """One way to write a parameter; `on` is what it says when the parameter is a switch."""

    text: str
    parameter: Parameter
    on: bool = True


def rewrite(arguments: Sequence[str], parameters: Sequence[Parameter]) -> list[str]:
    """Return `arguments` as `--name=value`, `--name` and `--no-name`, those with names first.

    A value after ':' or '=' arrives unchanged, whatever it holds. Rewriting the result gives the result.

    Raises:
        BindingError: the line breaks one of the rules above.
    """
    spellings = _spellings(parameters)
    tokens: list[str] = []
    written: dict[str, str] = {}
    unnamed: list[int] = []
    index = 0
    while index < len(arguments):
        named = _NAMED.fullmatch(arguments[index])
        if named is None:
            unnamed.append(index)
        else:
            spelling = _find(named, spellings)
            parameter, value = spelling.parameter, named["value"]
            _note(parameter, spelling.text, written)
            if parameter.switch:
                tokens.append(_switched(spelling, value, next(iter(arguments[index + 1 :]), "")))
            else:
                if value is None:
                    index += 1
                    value = _following(parameter, arguments, index)
                tokens.append(_valued(parameter, value))
        index += 1
    places = _places(parameters, written)
    for bare in unnamed:
        place = next(places, None)
        if place is None:
            raise BindingError(_unplaced(arguments, bare, spellings))
        tokens.append(_valued(place, arguments[bare]))
    return tokens


def is_parameter(argument: str) -> bool:
    """Whether `argument` is a parameter's name (known or not), and so never another parameter's value."""
    return _NAMED.fullmatch(argument) is not None


def plain_dashes(text: str) -> str:
    """Return `text` with each dash that PowerShell or a document may have put there as '-'."""
    return text.translate(_PLAIN_DASHES)


def printable(text: str) -> str:
    """Return `text` fit for one line of a terminal: control and invisible characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _spellings(parameters: Sequence[Parameter]) -> dict[str, _Spelling]:
    """Key every spelling by its lower case. Two parameters with one spelling are a defect: ValueError."""
    table: dict[str, _Spelling] = {}
    for parameter in parameters:
        positive = (parameter.name, parameter.option, *parameter.aliases)
        found = [_Spelling(text if text.startswith("-") else f"-{text}", parameter) for text in positive]
        if parameter.negative is not None:
            found.append(_Spelling(parameter.negative, parameter, on=False))
        for spelling in found:
            other = table.setdefault(spelling.text.lower(), spelling)
            if other.parameter is not parameter:
                raise ValueError(f"{spelling.text} names both {other.parameter.name} and {parameter.name}")
    return table


def _find(named: re.Match[str], spellings: Mapping[str, _Spelling]) -> _Spelling:
    name = named["name"].strip()
    word = ("-" * len(named["dashes"]) + name).lower()
    if word == "--":
        raise BindingError(
            "'--' is not taken: give every value by name, -Name:value, even if it begins with a dash."
        )
    if word in spellings:
        return spellings[word]
    # "-w" is no prefix of "--what-if": POSIX spellings, which scripts keep for years, are never shortened.
    begun = () if word.startswith("--") else [s for text, s in spellings.items() if text.startswith(word)]
    matches = {spelling.parameter.name: spelling for spelling in begun}
    if len(matches) == 1:
        return next(iter(matches.values()))
    if matches:
        raise BindingError(
            f"Parameter cannot be processed because the parameter name '{printable(name)}' is ambiguous. "
            f"Possible matches include: {' '.join(f'-{match}' for match in matches)}."
        )
    message = f"A parameter cannot be found that matches parameter name '{printable(name)}'."
    if nearest := _nearest(word, spellings):
        message += f" Did you mean {nearest}?"
    raise BindingError(message)


def _nearest(word: str, spellings: Mapping[str, _Spelling]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  (only a wrong line pays for it)

    close = get_close_matches(word, spellings, n=1)
    return spellings[close[0]].text if close else None


def _note(parameter: Parameter, text: str, written: dict[str, str]) -> None:
    if parameter.name in written and not parameter.repeatable:
        raise BindingError(
            f"Cannot bind parameter because parameter '{parameter.name}' is specified more than once "
            f"({written[parameter.name]}, {text}). Give it once."
        )
    written[parameter.name] = text


def _switched(spelling: _Spelling, value: str | None, following: str) -> str:
    parameter = spelling.parameter
    off = f"'-{parameter.name}:$false'"
    no = f" or write {parameter.negative}" if parameter.negative else ""
    if value is None:
        if following.lower() in _BOOLEANS:
            raise BindingError(
                f"'{following}' stands apart from switch parameter '{parameter.name}'. "
                f"Write '-{parameter.name}:{following}', with the quotes and without the space."
            )
        on = spelling.on
    elif not spelling.on:
        raise BindingError(
            f"{spelling.text} takes no value. Write {spelling.text} alone, or {off} with the quotes."
        )
    elif not value.strip():
        raise BindingError(
            f"Nothing follows the ':' or '=' of switch parameter '{parameter.name}': a shell turns $true and "
            f"$false into nothing. Quote it: {off}{no}."
        )
    elif value.lower() in _BOOLEANS:
        on = _BOOLEANS[value.lower()]
    else:
        raise BindingError(
            f"Cannot convert '{printable(value)}' for switch parameter '{parameter.name}': "
            f"it takes $true or $false, as in {off} with the quotes."
        )
    if on:
        return parameter.option
    if parameter.negative is None:
        raise BindingError(f"Parameter '{parameter.name}' cannot be false. Leave it out.")
    return parameter.negative


def _following(parameter: Parameter, arguments: Sequence[str], index: int) -> str:
    missing = f"Missing an argument for parameter '{parameter.name}'."
    if index == len(arguments):
        raise BindingError(
            f"{missing} Write -{parameter.name} VALUE; a shell variable that is not set leaves nothing there."
        )
    if is_parameter(arguments[index]):
        raise BindingError(
            f"{missing} What follows, '{printable(arguments[index])}', is a parameter itself; "
            f"a value that begins with a dash is written -{parameter.name}:-value."
        )
    return arguments[index]


def _valued(parameter: Parameter, value: str) -> str:
    if not value.strip():
        raise BindingError(
            f"Cannot bind argument to parameter '{parameter.name}' because it is an empty string. A shell "
            "variable that is not set gives this, and nothing can mean everything (no DN: every domain). "
            f"Set the variable, or leave out -{parameter.name}."
        )
    if value.lower() in _LITERALS:
        raise BindingError(
            f"Cannot bind '{value}' to parameter '{parameter.name}': PowerShell's variables have no value "
            f"here. Write the value itself, or leave out -{parameter.name}."
        )
    return f"{parameter.option}={value}"


def _places(parameters: Sequence[Parameter], written: Mapping[str, str]) -> Iterator[Parameter]:
    free = [(p.position, p) for p in parameters if p.position is not None and p.name not in written]
    return (parameter for _, parameter in sorted(free, key=lambda place: place[0]))


def _unplaced(arguments: Sequence[str], index: int, spellings: Mapping[str, _Spelling]) -> str:
    """Say that a value has no parameter; if it trails a named value, that value's quotes were forgotten."""
    message = f"A positional parameter cannot be found that accepts argument '{printable(arguments[index])}'."
    if not arguments[index].strip():
        return f"{message} A quoted shell variable that is not set gives this."
    start = index
    while start > 0 and not is_parameter(arguments[start - 1]):
        start -= 1
    named = _NAMED.fullmatch(arguments[start - 1]) if start > 0 else None
    parameter = _find(named, spellings).parameter if named else None
    if named is None or parameter is None or parameter.switch:
        return f"{message} Name the parameter it belongs to (-Name value), and quote a value with spaces."
    words = [] if named["value"] is None else [named["value"]]
    words += takewhile(lambda argument: not is_parameter(argument), arguments[start:])
    return f"{message} Quote a value with spaces: -{parameter.name} '{printable(' '.join(words))}'."
