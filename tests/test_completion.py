"""Completion, asked for with the tabulator in the shells themselves.

PowerShell is not among Debian's packages: what its script sends to the program, and what it makes of the answer,
is tried with the program alone.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from cli.completion import SHELLS, script
from cli.main import adsyncconfig as commands

SCRIPTS = Path(sys.executable).parent
NAMES = ["adsyncconfig", *commands.cmdlets]
GROUP_WRITEBACK = "Set-ADSyncUnifiedGroupWritebackPermissions"
ENVIRONMENT = {
    "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
    "TERM": "dumb",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
}

# How each shell is started with nothing of the user's, and told to complete.
INTERACTIVE = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(adsyncconfig --show-completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i", "+o", "prompt_sp"],
        'autoload -Uz compinit; compinit -D -u; eval "$(adsyncconfig --show-completion zsh)"',
    ),
}


def require(program: str) -> None:
    if shutil.which(program) is None:
        text = f"{program} is not installed: script/install-shells"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)


def completed(shell: str, *lines: str) -> list[list[str]]:
    """The words of each line after the tabulator was pressed at its end, in the shell on a terminal."""
    require(shell)
    command, set_up = INTERACTIVE[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**ENVIRONMENT, "PS1": "> "})
    termios.tcsetwinsize(terminal, (24, 1000))  # wide, so that no line is broken
    try:
        os.write(terminal, f"{set_up}; echo re''ady\n".encode())
        shown_until(terminal, "ready")
        words = []
        for line in lines:
            # After the completion to the line's beginning, so that it prints its own words when it is run.
            os.write(terminal, f"{line}\t\x01printf '<%s>' \x05; echo e''nd\n".encode())
            shown = shown_until(terminal, ">end")
            words.append(re.findall("<(.*?)>", shown.rpartition("e''nd")[2]))
        return words
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)


def shown_until(terminal: int, text: str) -> str:
    shown = b""
    while text.encode() not in shown:
        assert select.select([terminal], [], [], 30)[0], shown.decode()
        shown += os.read(terminal, 65536)
    return shown.decode()


@pytest.mark.parametrize("shell", INTERACTIVE)
def test_a_cmdlet_its_parameters_and_their_values_are_completed(shell: str) -> None:
    path = f"{SCRIPTS}/{GROUP_WRITEBACK}"
    quoted = r"'OU=Sparse\, Inc,DC=contoso'"
    assert completed(
        shell,
        "adsyncconfig set-adsyncunif",  # in any case, as the name may be typed
        f"adsyncconfig {GROUP_WRITEBACK} -inclu",
        f"{GROUP_WRITEBACK} -inclu",
        f"{path} -ADobjectDN {quoted} --least",
        f"{GROUP_WRITEBACK} --auth sim",
    ) == [
        ["adsyncconfig", GROUP_WRITEBACK],
        ["adsyncconfig", GROUP_WRITEBACK, "-IncludeAdminSdHolders"],
        [GROUP_WRITEBACK, "-IncludeAdminSdHolders"],
        [path, "-ADobjectDN", quoted.strip("'"), "--least-privilege"],
        [GROUP_WRITEBACK, "--auth", "simple"],
    ]


def completed_by_fish(line: str, home: Path) -> list[str]:
    require("fish")
    done = subprocess.run(
        [
            "fish",
            "--no-config",
            "-c",
            'adsyncconfig --show-completion fish | source; complete -C "$argv"',
            line,
        ],
        env={**ENVIRONMENT, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_fish_completes_them_with_their_help(tmp_path: Path) -> None:
    def fish(line: str) -> list[str]:
        return completed_by_fish(line, tmp_path)

    (cmdlet,) = fish("adsyncconfig set-adsyncunif")
    assert cmdlet.split("\t") == [GROUP_WRITEBACK, commands.cmdlets[GROUP_WRITEBACK].synopsis]
    for line in (f"adsyncconfig {GROUP_WRITEBACK} -inclu", f"{GROUP_WRITEBACK} -inclu"):
        (parameter,) = fish(line)
        assert parameter.startswith("-IncludeAdminSdHolders\t")
    assert "simple" in [value.partition("\t")[0] for value in fish(f"{GROUP_WRITEBACK} --auth ")]
    quoted = f"{GROUP_WRITEBACK} -ADobjectDN 'OU=Sparse\\, Inc,DC=contoso' -inclu"
    assert [value.partition("\t")[0] for value in fish(quoted)] == ["-IncludeAdminSdHolders"]


def test_every_command_is_completed_in_every_shell() -> None:
    for shell in SHELLS:
        text = script(shell, NAMES)
        assert [name for name in NAMES if not re.search(rf"[ ']{re.escape(name)}\b", text)] == [], shell
        assert "COMMANDS" not in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_has_no_error_of_syntax(shell: str, tmp_path: Path) -> None:
    require(shell)
    file = tmp_path / "script"
    file.write_text(script(shell, NAMES))
    done = subprocess.run([shell, "-n", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_powershell_asks_is_answered_in_threes() -> None:
    # As completion.ps1 puts it: every word in single quotes, and the index of the one being typed.
    words = ["adsyncconfig", GROUP_WRITEBACK, "-ADobjectDN", r"OU=O'Brien\, Inc,DC=contoso", "-inclu"]
    quoted = " ".join("'" + word.replace("'", r"'\''") + "'" for word in words)
    asked = {"COMP_WORDS": quoted, "COMP_CWORD": "4", "_ADSYNCCONFIG_COMPLETE": "zsh_complete"}
    done = subprocess.run(
        ["adsyncconfig"], env={**ENVIRONMENT, **asked}, capture_output=True, text=True, timeout=60, check=True
    )
    kind, value, text = done.stdout.splitlines()
    assert (kind, value) == ("plain", "-IncludeAdminSdHolders")
    assert text != "_"


def test_no_help_has_a_line_break_which_would_count_as_an_answer() -> None:
    for name, cmdlet in commands.cmdlets.items():
        for option in cmdlet.load().params:
            assert "\n" not in (getattr(option, "help", None) or ""), (name, option.name)


def test_the_option_stays_out_of_the_cmdlets_own_help() -> None:
    done = subprocess.run(
        [SCRIPTS / "adsyncconfig", GROUP_WRITEBACK, "-?"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == f"Usage: adsyncconfig {GROUP_WRITEBACK}"
