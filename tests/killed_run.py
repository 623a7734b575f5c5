"""A run over several objects that kills itself at its N-th step; test_killed.py starts it as a process.

    python killed_run.py N FUNCTION PARAMETERS          the last as JSON, the connection's options among them

A step is the beginning or the end of everything that reads or writes the directory or a file of the run. SIGKILL
leaves no time to tidy up. A run that ends before its N-th step exits with 0.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import adsyncconfig
from adsyncconfig import record
from adsyncconfig.live import LiveDirectory

_steps = 0


def step() -> None:
    global _steps  # noqa: PLW0603 - one counter for everything that is watched
    _steps += 1
    if _steps == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)


def watched(function: Callable[..., Any]) -> Callable[..., Any]:
    def watching(*arguments: Any, **named: Any) -> Any:
        step()
        result = function(*arguments, **named)
        step()
        return result

    return watching


def half_written(handle: int, data: bytes) -> None:
    """Write a line in two halves, with a step in between."""
    step()
    os.write(handle, data[: len(data) // 2])
    step()
    os.write(handle, data[len(data) // 2 :])
    os.fsync(handle)
    step()


def main() -> None:
    options = json.loads(sys.argv[3])
    with adsyncconfig.connect(**options.pop("connection")) as directory:
        LiveDirectory.get = watched(LiveDirectory.get)  # type: ignore[method-assign]
        LiveDirectory.write_dacl = watched(LiveDirectory.write_dacl)  # type: ignore[method-assign]
        record.create_file = watched(record.create_file)
        record.write_all = half_written
        getattr(adsyncconfig, sys.argv[2])(directory, **options)


if __name__ == "__main__":
    main()
