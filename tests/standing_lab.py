"""The lab for people: a directory that stays when the shell that started it has gone (script/lab).

Rule 1: one process, the keeper, holds a lock for as long as the lab is there. Whether the lock is free is the
        only question that decides whether a lab runs: process ids in files can lie, a lock can't.
Rule 2: the controllers end with their keeper, even where that was killed; what a killed keeper left is in the
        folder named in its state, and `down` and the next `up` remove it.
Rule 3: nothing outside build/lab and one temporary folder is changed: no /etc/hosts, no service, no user.
Rule 4: who may not use port 389 gets user, network and mount namespaces in which that is allowed. The lab can be
        seen only inside them, so `shell` enters them.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

import samba_lab
from contoso_directory import CONNECTOR_DN, populate
from samba_lab import CONTOSO, PASSWORD, DomainController, LabError

ROOT: Final = Path(__file__).parent.parent
HOME: Final = Path(os.environ.get("LAB_HOME", ROOT / "build" / "lab"))
RUNS, FAILED, ABSENT = 0, 1, 3  # exit codes of `status`: those of service scripts (LSB)

_READY_SECONDS = 180.0
_END_SECONDS = 30.0
_NAMESPACES = ("--user", "--net", "--mount")
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, net/if.h
_UNSEEN = "these addresses are seen only in the lab's own network, which `script/lab shell` enters"


@dataclass(frozen=True, slots=True)
class State:
    """What the keeper says of itself: written when it starts, and again when the controllers answer."""

    keeper: int
    folder: str
    forest: bool
    namespaces: bool
    servers: dict[str, str]  # by realm; empty until they answer

    @property
    def enter(self) -> list[str]:
        """What stands before a command that is to see the lab."""
        if not self.namespaces:
            return []
        return ["nsenter", "--preserve-credentials", *_NAMESPACES, f"--target={self.keeper}"]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that bring the commands to this lab, without the password."""
        first, *others = self.servers.items()
        return {
            "ADSYNCCONFIG_SERVER": " ".join([first[1], *(f"{realm}={url}" for realm, url in others)]),
            "ADSYNCCONFIG_USER": f"Administrator@{CONTOSO.realm}",
            "ADSYNCCONFIG_CA_FILE": str(HOME / "ca.pem"),
        }


def up(*, forest: bool) -> int:
    """Start the lab unless it runs, and print what to type."""
    if _held():
        state = _wait_until_ready(None)
        if state.forest != forest:
            kind = "a forest of two" if state.forest else "one domain"
            raise LabError(f"a lab of {kind} runs already: script/lab down, then up again")
    else:
        _remove_leftovers()
        state = _wait_until_ready(_launch(forest=forest))
    print(_instructions(state))
    return RUNS


def status() -> int:
    """Say what runs, after asking the controllers themselves."""
    if not _held():
        if not HOME.exists():
            print("no lab runs here: script/lab up")
            return ABSENT
        print(f"the lab ended by itself; {_log()}\nscript/lab up starts it again, script/lab down removes it")
        return FAILED
    state = _state()
    if state is None or not state.servers:
        print("the lab is starting")
        return ABSENT
    for realm, url in state.servers.items():
        print(f"{realm}: {url}")
    asked = subprocess.run(
        [*state.enter, sys.executable, __file__, "ask", *state.servers.values()], check=False
    )
    if asked.returncode:
        print("the lab runs, but does not answer as it should: script/lab down, then up again")
        return FAILED
    print(f"runs since {time.ctime((HOME / 'state.json').stat().st_mtime)}, kept by process {state.keeper}")
    if state.namespaces:
        print(_UNSEEN)
    return RUNS


def down() -> int:
    """End the lab, if it runs, and remove what it made, also what a crash left."""
    _wait_for(lambda: not _held() or _state() is not None, _END_SECONDS)
    if _held() and (state := _state()) is not None:
        os.kill(state.keeper, signal.SIGTERM)
        if not _wait_for(lambda: not _held(), _END_SECONDS):
            os.kill(state.keeper, signal.SIGKILL)  # the controllers end with their standard input
            _wait_for(lambda: not _held(), _END_SECONDS)
    _remove_leftovers()
    return RUNS


def shell(command_line: Sequence[str]) -> int:
    """Run a command, or the user's shell, where the lab is seen and with its environment."""
    state = _state()
    if not _held() or state is None or not state.servers:
        raise LabError("no lab runs here: script/lab up")
    environment = os.environ | state.environment | {"ADSYNCCONFIG_PASSWORD": PASSWORD}
    environment["PATH"] = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ.get("PATH", os.defpath)])
    words = [*state.enter, *(command_line or [os.environ.get("SHELL", "/bin/sh")])]
    return subprocess.run(words, env=environment, check=False).returncode


def ask(urls: Sequence[str]) -> int:
    """Log on to each server as its administrator; called where the lab is seen."""
    for url in urls:
        host = url.removeprefix("ldaps://")
        controller = DomainController(CONTOSO, host, host, HOME, HOME / "ca.pem")
        try:
            samba_lab.connect_as(controller, controller.administrator).unbind()
        except Exception as error:
            print(f"{url}: {error}")
            return FAILED
    return RUNS


# -- the keeper ----------------------------------------------------------------------------------------------


def keep(*, forest: bool, namespaces: bool) -> int:
    """Run the lab until SIGTERM, or until one of its controllers ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if namespaces:
        _loopback_up()
    with _lock() as taken, ExitStack() as stack:
        if not taken:
            return RUNS  # another `up` was quicker; ours waits for its lab
        folder = samba_lab.short_folder()
        _write_state(State(os.getpid(), str(folder), forest, namespaces, {}))
        controllers: tuple[DomainController, ...]
        if forest:
            both = stack.enter_context(samba_lab.forest_lab(folder))
            controllers = (both.root, both.child)
        else:
            controllers = (stack.enter_context(samba_lab.contoso_lab(folder)),)
        for each in controllers:
            populate(each)
        shutil.copy(controllers[0].ca_file, HOME / "ca.pem")
        _private(HOME / "password", PASSWORD)
        servers = {each.realm: each.url for each in controllers}
        _write_state(State(os.getpid(), str(folder), forest, namespaces, servers))
        return _watch(controllers)


def _watch(controllers: Sequence[DomainController]) -> int:
    waited_for = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    while True:  # asked first: a controller may have ended before the signals were blocked
        for each in controllers:
            if each.process is not None and (code := each.process.poll()) is not None:
                log = each.log_file.read_text(errors="replace")
                print(f"{each.host_name} ended with code {code}:\n{log}", flush=True)
                return FAILED
        if signal.sigwait(waited_for) == signal.SIGTERM:
            return RUNS


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        _, flags = struct.unpack_from("16sh", answer)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


# -- between the keeper and the commands ---------------------------------------------------------------------


def _launch(*, forest: bool) -> subprocess.Popen[bytes]:
    missing = samba_lab.missing()
    namespaces = any(lack.startswith("port ") for lack in missing)
    if lacks := [lack for lack in missing if not lack.startswith("port ")]:
        raise LabError("\n".join(["the lab can't run here:", *lacks]))
    command = [sys.executable, __file__, "keep", *(["--forest"] if forest else [])]
    if namespaces:
        command = [*_new_namespaces(), *command, "--namespaces"]
    HOME.mkdir(parents=True)
    with (HOME / "log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )


def _new_namespaces() -> list[str]:
    """The command that runs another where port 389 may be bound, once it was tried."""
    words = ["unshare", "--map-root-user", *_NAMESPACES]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise LabError(
            "port 389 may not be bound here, and no namespaces in which it may be can be made:\n"
            f"  {said}\n"
            "Run script/lab as root, or ask for one of these settings (sysctl):\n"
            "  kernel.unprivileged_userns_clone=1                (Debian)\n"
            "  kernel.apparmor_restrict_unprivileged_userns=0    (Ubuntu 24.04 and later)\n"
            "  net.ipv4.ip_unprivileged_port_start=88            (anywhere: needs no namespaces)"
        ) from error
    return words


def _wait_until_ready(keeper: subprocess.Popen[bytes] | None) -> State:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        state = _state()
        if state is not None and state.servers and _held():
            return state
        ended = keeper is not None and keeper.poll() is not None
        if ended and not _held():
            raise LabError(f"the lab did not start; {_log()}")
        time.sleep(0.1)
    raise LabError(f"the lab did not answer within {_READY_SECONDS:g} s; {_log()}")


def _instructions(state: State) -> str:
    writeback = f"OU=Writeback,{CONTOSO.base_dn}"
    cmdlet = "Set-ADSyncUnifiedGroupWritebackPermissions"
    lines = [f"{realm} answers on {url}" for realm, url in state.servers.items()]
    if state.namespaces:
        lines += ["", f"Without root, {_UNSEEN}.", "It sets all of this:"]
    else:
        lines += ["", "In your shell (or let `script/lab shell` do it):"]
    lines += ["", f'  export PATH={shlex.quote(str(ROOT / ".venv" / "bin"))}:"$PATH"']
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in state.environment.items()]
    lines += [
        f'  export ADSYNCCONFIG_PASSWORD="$(cat {shlex.quote(str(HOME / "password"))})"',
        *("", "Then try:", ""),
        "  Get-ADSyncADConnectorAccount",
        f"  {cmdlet} -ADConnectorAccountDN '{CONNECTOR_DN}' -ADObjectDN '{writeback}' -LeastPrivilege -WhatIf",
        *("", "script/lab down takes it away."),
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def _lock() -> Iterator[bool]:
    """Try to take the keeper's lock; tell whether that worked."""
    with (HOME / "lock").open("ab") as file:
        yield _taken(file, fcntl.LOCK_EX)


def _held() -> bool:
    """Whether a keeper lives."""
    try:
        with (HOME / "lock").open("rb") as file:
            return not _taken(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _taken(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _state() -> State | None:
    try:
        return State(**json.loads((HOME / "state.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _write_state(state: State) -> None:
    new = HOME / "state.new"
    _private(new, json.dumps(asdict(state)))
    new.replace(HOME / "state.json")


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _log() -> str:
    log = HOME / "log"
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return "its log says:\n" + "\n".join(text.splitlines()[-25:]) if text else "it left no word in its log"


def _remove_leftovers() -> None:
    state = _state()
    if state is not None:
        folder = Path(state.folder)
        # What a file says is not enough to remove a folder for: it is one that short_folder made, and ours.
        if folder.name.startswith("dc-") and folder.is_dir() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder)
    if HOME.exists():
        shutil.rmtree(HOME)
    with contextlib.suppress(OSError):  # others keep things in build
        HOME.parent.rmdir()


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return done


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says and give the exit code."""
    parser = argparse.ArgumentParser(prog="script/lab", description="A Samba AD to try things on.")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start it and print what to type")
    starting.add_argument("--forest", action="store_true", help="two domains: contoso.example and its child")
    commands.add_parser("status", help="what runs (exit code 0 runs, 3 does not, 1 ended by itself)")
    entering = commands.add_parser("shell", help="a shell, or one command, with the environment set")
    entering.add_argument("command_line", nargs=argparse.REMAINDER, metavar="COMMAND")
    commands.add_parser("down", help="end it and remove everything that it made")
    keeping = commands.add_parser("keep")
    keeping.add_argument("--forest", action="store_true")
    keeping.add_argument("--namespaces", action="store_true")
    commands.add_parser("ask").add_argument("urls", nargs="+")
    given = vars(parser.parse_args(arguments))
    try:
        return _COMMANDS[given.pop("command")](**given)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return FAILED


_COMMANDS: Final[dict[str, Callable[..., int]]] = {
    "up": up,
    "status": status,
    "shell": shell,
    "down": down,
    "keep": keep,
    "ask": ask,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
