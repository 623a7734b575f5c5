"""Scripts that complete the commands in bash, zsh, fish and PowerShell: `adsyncconfig --show-completion SHELL`.

They are the files in `shells`, where COMMANDS stands for the names of the commands.

Rule 1: click says what fits, through the variable `_ADSYNCCONFIG_COMPLETE`; a script only asks and shows.
Rule 2: a cmdlet called by its own name is asked about as `adsyncconfig <Cmdlet>`, so one function serves all.
Rule 3: the program that is asked is the one beside the command being completed, where that has a folder.

PowerShell is asked about as zsh is, three lines for each candidate, since click has no answer of its own for it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["SHELLS", "script"]

#: Each shell's script, and what stands between two names in it.
_SCRIPTS: Final = {
    "bash": ("completion.bash", " "),
    "zsh": ("completion.zsh", " "),
    "fish": ("completion.fish", " "),
    "powershell": ("completion.ps1", ", "),
}

SHELLS: Final = tuple(_SCRIPTS)


def script(shell: str, commands: Sequence[str]) -> str:
    """The script, to be sourced by `shell`, that completes every one of `commands`."""
    name, separator = _SCRIPTS[shell]
    text = (Path(__file__).parent / "shells" / name).read_text(encoding="utf-8")
    return text.replace("COMMANDS", separator.join(commands))
