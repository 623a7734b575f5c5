"""What a command loads before it does anything: asking for help must cost no more than reading it.

The lists are what may be loaded. A module that is missing in one is a question first: can it wait until it is used?
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cli.main import adsyncconfig as commands

#: Our own modules that any cmdlet may load for its help, beside the one that defines it.
OURS = {
    "cli",
    "cli.binding",
    "cli.command",
    "cli.completion",
    "cli.connect",
    "cli.formats",
    "cli.main",
    "cli.new_password",
    "cli.outcome",
    "cli.running",
}
#: What they load of Python's beyond what click loads for any command's help, by the first part of its name.
PYTHONS = {
    "__future__",
    "copy",
    "dataclasses",
    "fnmatch",
    "gc",
    "glob",
    "grp",
    "ipaddress",
    "math",
    "ntpath",
    "pathlib",
    "pwd",
    "signal",
    "urllib",
}

_SHOW = """
import json, os, sys
import click
from importlib import import_module

def help_of(command):
    try:
        command.main(["--help"], prog_name="command")
    except SystemExit as ended:
        assert ended.code == 0, ended.code

sys.stdout = open(os.devnull, "w")
help_of(click.Command("any", params=[click.Option(["--file"], type=click.Path())], help="Any."))
had = {*sys.modules}
module, _, name = sys.argv[1].partition(":")
help_of(getattr(import_module(module), name))
sys.__stdout__.write(json.dumps(sorted({*sys.modules} - had)))
"""

#: One cmdlet of each module: the others load what it does.
MODULES = {lazy.target.partition(":")[0]: lazy.target for lazy in commands.cmdlets.values()}


def loaded(target: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _SHOW, target], capture_output=True, text=True, check=True
    )
    names: list[str] = json.loads(done.stdout)
    return names


@pytest.mark.parametrize("target", ["cli.main:adsyncconfig", *MODULES.values()])
def test_help_loads_nothing_that_only_the_work_needs(target: str) -> None:
    names = loaded(target)
    ours = {name for name in names if name.partition(".")[0] in {"acl", "adsyncconfig", "cli"}}
    assert ours - OURS == {target.partition(":")[0]} - OURS
    assert {name.partition(".")[0] for name in names} - PYTHONS - {"cli"} == set()


def test_the_list_of_cmdlets_is_shown_without_loading_one() -> None:
    assert {name for name in loaded("cli.main:adsyncconfig") if name.startswith("cli.")} == {
        "cli.binding", "cli.command", "cli.completion", "cli.main",
    }  # fmt: skip
