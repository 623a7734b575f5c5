"""The commands in the documentation, taken out of the pages and run as a reader would run them.

A page is one session of bash on a terminal, so that what one block sets the next can use, and questions are asked
and answered as of a person. Where it runs is said in the page's first lines, `runs: offline | lab | forest`:

- offline: in an empty folder with contoso.jsonl, a copy of the bundled directory
- lab, forest: against the controllers of the tests; the names that the pages use stand for theirs

Rule 1: a `sh` block is run; in a `console` block every `$ ` line is, and the lines below it are what it must
        print, where `...` stands for anything. Each ends with code 0.
Rule 2: a comment before a block says otherwise: `<!-- exit code: 3 -->`, `<!-- in the repository -->`, or
        `<!-- not run: reason -->`.
Rule 3: a block of any other language needs such a reason too, but for `python`, `text` and `mermaid`.
"""

from __future__ import annotations

import doctest
import os
import pty
import re
import select
import shlex
import signal
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_FENCE: Final = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT: Final = re.compile(
    r"<!-- (?P<what>not run|exit code|in the repository)(?:: (?P<value>[^>]+?))? -->\n+\Z"
)
_RUNS: Final = re.compile(r"\A---\nruns: (\w+)\n---\n")
RUN_LANGUAGES: Final = frozenset({"console", "sh"})
QUIET_LANGUAGES: Final = frozenset({"python", "text", "mermaid"})
_QUESTION: Final = '(default is "Y"): '
_BEGIN, _END = "\x1d", "\x1e"  # no command prints these
_MARKED: Final = re.compile(rf"{_BEGIN}(\d+){_BEGIN}(.*?){_END}(\d+){_END}", re.DOTALL)
#: What is another at every run: when a journal was begun, and when an audit was taken.
_CHANGING: Final = re.compile(
    r"\d{8}T\d{6}\.\d+Z(?=-)|(?<=-)[0-9a-f]{8}(?=\.jsonl)|\d{4}-\d\d-\d\d \d\d:\d\d UTC"
)
COLUMNS: Final = 100


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, and what it must print; None where the page shows no output."""

    line: int
    text: str
    expected: str | None = None
    exit_code: int = 0
    in_repository: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command that was run."""

    command: Command
    output: str
    exit_code: int

    @property
    def as_documented(self) -> bool:
        expected = self.command.expected
        if expected is not None and expected.endswith("\n...\n"):
            expected = expected.removesuffix("\n...\n") + "..."  # the last line may stand for nothing at all
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        return self.exit_code == self.command.exit_code and (
            expected is None or doctest.OutputChecker().check_output(expected, self.output, flags)
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A page: where its commands run, and which they are; `unexplained` are blocks that break rule 3."""

    path: Path
    runs: str | None
    commands: tuple[Command, ...]
    unexplained: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, path: Path) -> Document:
        text = path.read_text(encoding="utf-8")
        runs = _RUNS.match(text)
        commands: list[Command] = []
        unexplained = []
        for block in _FENCE.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            language = block["language"]
            comments = dict(_comments(text[: block.start()]))
            if language not in RUN_LANGUAGES | QUIET_LANGUAGES and not comments.get("not run"):
                unexplained.append(f"{path.name}:{line} ({language or 'no language'})")
            if language in RUN_LANGUAGES and "not run" not in comments:
                code = int(comments.get("exit code") or 0)
                take = _transcript if language == "console" else _script
                commands += take(block["text"], line + 1, code, in_repository="in the repository" in comments)
        return cls(path, runs[1] if runs else None, tuple(commands), tuple(unexplained))


def _comments(before: str) -> Iterator[tuple[str, str]]:
    while comment := _COMMENT.search(before):
        yield comment["what"], comment["value"] or ""
        before = before[: comment.start()]


def _script(text: str, line: int, code: int, *, in_repository: bool) -> list[Command]:
    return [Command(line, text, None, code, in_repository)]


def _transcript(text: str, line: int, code: int, *, in_repository: bool) -> list[Command]:
    commands: list[Command] = []
    for part in re.split(r"^(?=\$ )", text, flags=re.MULTILINE):
        if part.startswith("$ "):
            command = re.match(r"\$ (.*\n(?:> .*\n)*)", part)
            assert command is not None
            words = re.sub(r"^> ", "", command[1], flags=re.MULTILINE)
            commands.append(Command(line, words, part[command.end() :] or None, 0, in_repository))
        line += part.count("\n")
    if commands:  # a block's exit code is that of its last command
        last = commands[-1]
        commands[-1] = Command(last.line, last.text, last.expected, code, in_repository)
    return commands


def run(
    document: Document,
    folder: Path,
    *,
    repository: Path,
    environment: Mapping[str, str],
    meant: Mapping[str, str],
    answer: str = "Y",
) -> list[Outcome]:
    """Run a page's commands in `folder`. `meant` gives what the names on the pages stand for."""
    script = "".join(_wrapped(number, each, repository) for number, each in enumerate(document.commands))
    for name, value in meant.items():
        script = script.replace(name, value)
    shown = _on_a_terminal(["bash", "--norc", "--noprofile", "-c", script], folder, environment, answer)
    for name, value in meant.items():
        shown = shown.replace(value, name)
    found = {int(number): (output, int(code)) for number, output, code in _MARKED.findall(shown)}
    return [
        Outcome(command, *found.get(number, (f"the session ended here:\n{shown[-2000:]}", -1)))
        for number, command in enumerate(document.commands)
    ]


def _wrapped(number: int, command: Command, repository: Path) -> str:
    there = f"cd {shlex.quote(str(repository))}; " if command.in_repository else ""
    back = 'cd "$OLDPWD"\n' if command.in_repository else ""
    begin, end = (f"printf '{mark}%s{mark}'" for mark in (_BEGIN, _END))
    return f"{there}{begin} {number}\n{command.text}\n{end} $?\n{back}"


def _on_a_terminal(command: Sequence[str], folder: Path, environment: Mapping[str, str], answer: str) -> str:
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(folder)
        os.execvpe(command[0], list(command), dict(environment))
    termios.tcsetwinsize(terminal, (50, COLUMNS))
    shown, asked, deadline = b"", 0, time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                read = os.read(terminal, 65536)
            except OSError:  # the session has ended
                break
            if not read:
                break
            shown += read
            if shown.count(_QUESTION.encode()) > asked:
                asked += 1
                os.write(terminal, f"{answer}\n".encode())
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", shown.decode(errors="replace"))


def with_outputs(text: str, outcomes: Sequence[Outcome]) -> str:
    """The page's text with what its commands printed, where it has nothing yet or something else."""
    lines = text.splitlines(keepends=True)
    for outcome in reversed(outcomes):
        expected = outcome.command.expected
        if expected is None or (outcome.as_documented and expected != "...\n"):
            continue
        start = outcome.command.line - 1 + outcome.command.text.count("\n")
        lines[start : start + expected.count("\n")] = [_CHANGING.sub("...", outcome.output)]
    return "".join(lines)
