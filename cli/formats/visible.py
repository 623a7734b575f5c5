"""Names and commands of a hostile directory, made fit to be seen and to be pasted.

Rule 1: what steers a terminal, is invisible, or turns the direction of text is shown as an escape.
Rule 2: a command means the same after it. A word that cannot be shown as it is becomes ``$'...'``, which bash, zsh,
        ksh and the shell of POSIX 2024 read.
"""

from __future__ import annotations

import shlex

from ..binding import printable

__all__ = ["pasteable", "printable", "without_controls"]


def pasteable(command: str) -> str:
    """The command line with every word printable, and the same to a shell."""
    if command.isprintable():
        return command
    try:
        words = shlex.split(command)
    except ValueError:  # no command line after all; then at least it does no harm
        return printable(command)
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def without_controls(json: str) -> str:
    """JSON text with what is not printable inside its strings as JSON escapes; the document is the same."""
    return "".join(
        line if line.isprintable() else "".join(c if c.isprintable() else _json_escape(c) for c in line)
        for line in _kept_lines(json)
    )


def _kept_lines(text: str) -> list[str]:
    # Not splitlines: U+2028 and its like are no ends of lines here, but something to escape.
    lines = text.split("\n")
    return [part for line in lines for part in (line, "\n")][:-1]


def _json_escape(character: str) -> str:
    if character == "\n":
        return character
    if ord(character) > 0xFFFF:
        high, low = divmod(ord(character) - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{ord(character):04x}"


def _escaped(word: str) -> str:
    """``$'...'``, in which three octal digits are a byte whatever follows them."""
    shown = []
    for character in word:
        if character in "'\\":
            shown.append(f"\\{character}")
        elif character.isprintable():
            shown.append(character)
        else:
            # What was no UTF-8 came in as these, and goes out as the byte that it was.
            byte_as_it_was = "\udc80" <= character <= "\udcff"
            data = character.encode("utf-8", "surrogateescape" if byte_as_it_was else "surrogatepass")
            shown += (f"\\{byte:03o}" for byte in data)
    return "$'" + "".join(shown) + "'"
