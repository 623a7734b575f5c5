"""The journal of a run: what is about to be written and what was, kept so that it can be undone.

JSON Lines, each with the digest of itself behind the digest of the line before it:

    line 1     {"format": "adsyncconfig-journal", "version": 1 or 2, "cmdlet", "started", "tool", "who": {"local",
                "directory"}, "forest": {"rootDomain", "sid"}, "controller", "account", "source", "changes":
                [{"number", "operation", "domain", "dn", "label", and what ``record.change_to_json`` makes of it}]}
    a step     {"change": number, "step": "writing", "time", "controller"}          before anything is sent
               {"change": number, "step": "written", "time", "guid"}                read back and compared
               {"change": number, "step": "failed", "time", "written": true, false or null, "error"}
    the last   {"step": "ended", "time"}                                            absent: it was interrupted

Rule 1: the first line holds every descriptor and value that the run may replace, and is on the disk before the
        first write; so is a change's "writing" before that change. No password is ever in it.
Rule 2: a last line that breaks off is a run that was killed there, and the rest counts. Anything else that
        does not fit its digest is refused as a whole.
Rule 3: when a line can't be written the journal takes no more, and says so in ``error``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from . import record
from .account import Principal
from .directory import Directory
from .errors import ADSyncConfigError, JournalError
from .plan import AnyChange
from .record import ForestIdentity

__all__ = ["FORMAT", "VERSION", "Journal", "RecordedChange", "RecordedRun", "default_journal", "read_journal"]

FORMAT: Final = "adsyncconfig-journal"
VERSION: Final = 2
_STEPS: Final = frozenset({"writing", "written", "failed", "ended"})


def default_journal(cmdlet: str) -> Path:
    """A file for the journal of a run that begins now, below the user's state folder.

    Names sort by time, and no two runs get the same. Raises JournalError where the user has no home.
    """
    stamp = record.now().replace("-", "").replace(":", "").replace("+0000", "Z")
    return _state_folder() / "adsyncconfig" / "journals" / f"{stamp}-{cmdlet}-{os.urandom(4).hex()}.jsonl"


def _state_folder() -> Path:
    """Where the platform keeps what programs remember of a user: XDG base directories, Apple's, Windows'."""
    try:
        home = Path.home()
    except RuntimeError as error:
        raise JournalError("you have no home folder to keep a journal in: give --journal FILE") from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    # The XDG specification has relative paths ignored.
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    return named if named.is_absolute() else home / ".local" / "state"


class Journal:
    """One run's journal, as ``apply`` writes it. The file is made with the first step, not before."""

    def __init__(
        self,
        path: str | Path,
        *,
        cmdlet: str,
        account: Principal | None,
        changes: Sequence[AnyChange],
        directory: Directory,
        source: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self.error: JournalError | None = None
        self._what = f"the journal '{self.path}'"
        self._numbers = {id(change): number for number, change in enumerate(changes, 1)}
        self._changes = tuple(changes)  # which keeps their ids theirs
        self._run = {
            "cmdlet": cmdlet,
            "who": {"local": _local_user(), "directory": directory.caller},
            "forest": ForestIdentity.of(directory).to_json(),
            "controller": directory.root.controller,
            "account": record.account_to_json(account),
            "source": None if source is None else dict(source),
        }
        self._handle: int | None = None
        self._digest = ""

    @property
    def is_begun(self) -> bool:
        """True when there is a file: something was about to be written."""
        return self._handle is not None

    def check(self) -> None:
        """Raise JournalError where the file could not be made: told before anybody is asked anything."""
        if os.path.lexists(self.path):
            raise JournalError(f"{self._what} exists already, and is never overwritten: name another file")
        folder = next((each for each in self.path.parents if each.exists()), self.path.parent)
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise JournalError(
                f"cannot create {self._what}: you may not write to '{folder}'; give --journal FILE"
            )

    def writing(self, change: AnyChange, controller: str) -> None:
        """Say that this change is about to be written there."""
        if self._handle is None:
            self._begin()
        self._append({"change": self._numbers[id(change)], "step": "writing", "controller": controller})

    def written(self, change: AnyChange, guid: UUID | None) -> None:
        """Say that this change is there, as read back, on the object with this objectGUID."""
        number = self._numbers[id(change)]
        self._append({"change": number, "step": "written", "guid": None if guid is None else str(guid)})

    def failed(self, change: AnyChange, error: ADSyncConfigError, *, written: bool | None) -> None:
        """Say that this change failed; ``written`` None where nobody knows what the controller did."""
        number = self._numbers[id(change)]
        self._append({"change": number, "step": "failed", "written": written, "error": str(error)})

    def end(self) -> None:
        """Say that the run came to its end."""
        if self._handle is not None and self.error is None:
            with suppress(JournalError):  # everything that counts is there
                self._append({"step": "ended"})

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)

    def _begin(self) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._broken(error, "create") from error
        try:
            self._handle = record.create_file(self.path, self._what, JournalError)
        except JournalError as error:
            self.error = error
            raise
        changes = [
            {"number": number, **record.change_to_json(change)}
            for number, change in enumerate(self._changes, 1)
        ]
        version = record.version_of(self._changes)
        head = {"format": FORMAT, "version": version, **self._run, "tool": record.tool(), "changes": changes}
        self._append(head, time="started")
        with suppress(OSError):  # a file system that can't is no reason to stop
            record.keep_name(folder)

    def _append(self, line: dict[str, Any], *, time: str = "time") -> None:
        if self.error is not None or self._handle is None:
            raise self.error or JournalError(f"{self._what} is not begun")
        stamped = {**line, time: record.now()}
        self._digest = stamped["digest"] = record.digest(stamped, after=self._digest)
        text = json.dumps(stamped, ensure_ascii=True) + "\n"
        try:
            record.write_all(self._handle, text.encode("ascii"))
        except OSError as error:
            raise self._broken(error, "write") from error

    def _broken(self, error: OSError, verb: str) -> JournalError:
        self.error = JournalError(
            f"cannot {verb} {self._what}: {error.strerror or error}; nothing more is written to the directory"
        )
        return self.error


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change of a run that was, and how far it came.

    ``begun``: it may have been written. ``guid``: the object's, where the run came to its end there.
    """

    change: AnyChange
    begun: bool = False
    guid: UUID | None = None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a journal says of its run; ``ended`` is False when it was interrupted."""

    path: Path
    cmdlet: str
    started: str
    forest: ForestIdentity
    changes: tuple[RecordedChange, ...]
    ended: bool
    digest: str


def read_journal(path: str | Path) -> RecordedRun:
    """The run that a journal tells of. Raises JournalError for a file that cannot be read or trusted."""
    path = Path(path)
    what = f"journal '{path}'"
    lines = record.read_file(path, what, JournalError).split(b"\n")
    # What follows the last line feed is a line that was being written when the run was killed, or nothing.
    whole = lines[:-1]
    if not whole:
        raise JournalError(f"the {what} breaks off in its first line: its run wrote nothing to the directory")
    previous = ""
    head: dict[str, Any] = {}
    steps: list[dict[str, Any]] = []
    for number, line in enumerate(whole, 1):
        where = f"line {number} of the {what}"
        try:
            content = json.loads(line)
            if number == 1:
                record.require_version(content, FORMAT, VERSION, f"the {what}", JournalError)
            fits = content["digest"] == record.digest(content, after=previous)
        except JournalError:
            raise
        except record.DAMAGE as error:
            raise JournalError(f"{where} is damaged: {error}") from error
        if not fits:
            raise JournalError(
                f"{where} does not fit its digest: the file was edited, or a part of it is missing"
            )
        previous = content["digest"]
        if number == 1:
            head = content
        else:
            steps.append(content)
    try:
        return _run(path, head, steps)
    except record.DAMAGE as error:
        raise JournalError(f"the {what} is damaged: {error}") from error


def _run(path: Path, head: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> RecordedRun:
    begun: set[int] = set()
    guids: dict[int, UUID] = {}
    ended = False
    for step in steps:
        kind = step["step"]
        if kind not in _STEPS:
            raise ValueError(f"there is no step '{kind}'")
        ended = ended or kind == "ended"
        if kind == "writing":
            begun.add(step["change"])
        elif kind == "written" and step["guid"] is not None:
            guids[step["change"]] = UUID(step["guid"])
        elif kind == "failed" and step["written"] is False:
            begun.discard(step["change"])
    changes = tuple(
        RecordedChange(
            record.change_from_json(each), begun=each["number"] in begun, guid=guids.get(each["number"])
        )
        for each in head["changes"]
    )
    forest = ForestIdentity.from_json(head["forest"])
    cmdlet, started, digest = (str(head[name]) for name in ("cmdlet", "started", "digest"))
    return RecordedRun(path, cmdlet, started, forest, changes, ended, digest)


def _local_user() -> str:
    import getpass  # noqa: PLC0415 - only for a run with a journal
    import platform  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a number that the system has no name for
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{user}@{platform.node()}"
