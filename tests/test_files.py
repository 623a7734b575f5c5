"""Files that commands make, where something waits in their place: one clear line, and the directory as it was.

Every kind of file is tried against every obstacle; a command that makes a file and is in no row fails a test.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from contoso_directory import CONNECTOR_DN
from expectations import GROUP_WRITEBACK
from test_commands import NO_PROMPT, OU, SCRIPTS, environment

from adsyncconfig.whole_file import whole_file
from cli.main import adsyncconfig as program

GRANT = (GROUP_WRITEBACK, "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU)


class Maker(NamedTuple):
    """A command that makes a file: {out}; ``codes`` it ends with when all goes well."""

    command: tuple[str, ...]
    codes: tuple[int, ...] = (0,)
    replaces: bool = False


MAKERS = {
    "journal": Maker((*GRANT, NO_PROMPT, "--journal", "{out}")),
    "plan": Maker((*GRANT, "-WhatIf", "--plan-out", "{out}")),
    "report": Maker(("Invoke-ADSyncPermissionsAudit", "--format", "json", "--output", "{out}"), (0, 3)),
    "report with -Force": Maker(
        ("Invoke-ADSyncPermissionsAudit", "--format", "json", "-Force", "--output", "{out}"),
        (0, 3),
        replaces=True,
    ),
    "snapshot": Maker(("Export-ADSyncSnapshot", "-Path", "{out}"), (0, 3)),
    "comparison": Maker(
        (
            "Compare-ADSyncSnapshot",
            "-ReferencePath",
            "{snapshot}",
            "-DifferencePath",
            "{snapshot}",
            "--format",
            "json",
            "--output",
            "{out}",
        )
    ),
}
KINDS = list(MAKERS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def run(
    kind: str, out: Path | str, snapshot: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    filled = {"{out}": str(out), "{snapshot}": str(snapshot)}
    command = [filled.get(each, each) for each in MAKERS[kind].command]
    where = () if kind == "comparison" else ("--snapshot", str(snapshot))
    return subprocess.run(
        [SCRIPTS / "adsyncconfig", *command, *where],
        env=environment(XDG_STATE_HOME=str(snapshot.parent / "state")),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=before,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    assert done.returncode in (1, 2), (done.stdout, done.stderr)
    errors = [line for line in done.stderr.splitlines() if not line.startswith(("WARNING: ", "For help: "))]
    # A count of what was read may stand before the error.
    assert len([line for line in errors if line.startswith(done.args[1])]) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert errors[-1].isprintable()
    for each in says:
        assert each in errors[-1]


def a_file(place: Path, target: Path) -> None:
    place.write_text("precious")


def a_link_to_a_file(place: Path, target: Path) -> None:
    target.write_text("precious")
    place.symlink_to(target)


def a_dangling_link(place: Path, target: Path) -> None:
    place.symlink_to(target)


def a_link_to_a_folder(place: Path, target: Path) -> None:
    target.mkdir()
    place.symlink_to(target)


def a_link_to_itself(place: Path, target: Path) -> None:
    place.symlink_to(place)


def a_hard_link(place: Path, target: Path) -> None:
    target.write_text("precious")
    place.hardlink_to(target)


def a_folder(place: Path, target: Path) -> None:
    place.mkdir()


def a_pipe(place: Path, target: Path) -> None:
    os.mkfifo(place)


def a_link_to_a_device(place: Path, target: Path) -> None:
    place.symlink_to("/dev/full")


OBSTACLES = (
    a_file, a_link_to_a_file, a_dangling_link, a_link_to_a_folder, a_link_to_itself, a_hard_link, a_folder, a_pipe,
    a_link_to_a_device,
)  # fmt: skip


def there(folder: Path) -> dict[str, tuple[str, str]]:
    """What is in a folder and how: the kind of each name, and its content or where it leads."""
    found = {}
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        kind = stat.filemode(status.st_mode)
        content = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[path.name] = (kind, content)
    return found


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda each: str(each.__name__))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not MAKERS[kind].replaces])
def test_what_waits_in_the_place_is_left_alone_and_not_followed(
    kind: str, obstacle: Callable[[Path, Path], None], folder: Path, snapshot_file: Path
) -> None:
    place, target = folder / "made", folder / "target"
    obstacle(place, target)
    before, directory = there(folder), snapshot_file.read_bytes()
    done = run(kind, place, snapshot_file)
    assert_refused(done, "made")
    assert there(folder) == before
    assert snapshot_file.read_bytes() == directory


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda each: str(each.__name__))
def test_what_is_to_be_replaced_is_and_what_it_leads_to_is_not(
    obstacle: Callable[[Path, Path], None], folder: Path, snapshot_file: Path
) -> None:
    place, target = folder / "made", folder / "target"
    obstacle(place, target)
    before = there(folder)
    done = run("report with -Force", place, snapshot_file)
    if done.returncode in MAKERS["report with -Force"].codes:
        assert place.is_file()
        assert not place.is_symlink()
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    else:
        assert_refused(done, "is no file")
        assert there(folder)["made"] == before["made"]
    after = there(folder)
    assert {name: after[name] for name in after if name != "made"} == {
        name: before[name] for name in before if name != "made"
    }


def any_mask() -> None:
    os.umask(0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_its_owners_alone_from_the_beginning(kind: str, folder: Path, snapshot_file: Path) -> None:
    done = run(kind, folder / "made", snapshot_file, before=any_mask)
    assert done.returncode in MAKERS[kind].codes, done.stderr
    assert [path.name for path in folder.iterdir()] == ["made"]
    assert stat.S_IMODE((folder / "made").stat().st_mode) == 0o600


def test_the_folder_of_journals_is_its_owners_alone(tmp_path: Path, snapshot_file: Path) -> None:
    done = run("journal", tmp_path / "new" / "folder" / "made", snapshot_file, before=any_mask)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((tmp_path / "new" / "folder").stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_is_one_line_and_nothing_is_changed(
    kind: str, room: int, folder: Path, snapshot_file: Path
) -> None:
    directory = snapshot_file.read_bytes()

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    done = run(kind, folder / "made", snapshot_file, before=little_room)
    # Where not a byte can be written, Python finds no folder for a snapshot's temporary files.
    assert_refused(
        done, "made", "No usable temporary" if (kind, room) == ("snapshot", 0) else "File too large"
    )
    assert snapshot_file.read_bytes() == directory
    # A journal that broke off in its first line says that its run wrote nothing; of the others there is nothing.
    assert [path.name for path in folder.iterdir()] == (["made"] if kind == "journal" else [])


PLACES = {
    "a file for a folder": "file/made",
    "no such folder": "gone/there/made",
    "a dangling link for a folder": "dangling/made",
    "a folder that takes none": "/proc/made",
    "too long a name": "x" * 300,
    "a name that begins with a dash": "-made",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_place_where_no_file_can_be_is_one_line(
    kind: str, place: str, folder: Path, snapshot_file: Path
) -> None:
    (folder / "file").touch()
    (folder / "dangling").symlink_to(folder / "nowhere")
    before, directory = there(folder), snapshot_file.read_bytes()
    if place.startswith("-"):
        done = run(kind, place, snapshot_file)
        assert done.returncode == 2, done.stderr  # a parameter, and no value of another
    elif kind == "journal" and place == PLACES["no such folder"]:
        # A journal makes its folder, for its owner alone: without one nobody could go on.
        assert run(kind, folder / place, snapshot_file).returncode == 0
        return
    else:
        done = run(kind, folder / place, snapshot_file)
        assert_refused(done)
    assert there(folder) == before
    assert snapshot_file.read_bytes() == directory


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_reached_through_a_link_is_the_one_that_was_named(
    kind: str, folder: Path, snapshot_file: Path
) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    done = run(kind, folder / "link" / "made", snapshot_file)
    assert done.returncode in MAKERS[kind].codes, done.stderr
    assert [path.name for path in (folder / "real").iterdir()] == ["made"]


# -- races: what comes between looking and making ------------------------------------------------------------


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda each: str(each.__name__))
def test_what_comes_while_it_is_written_is_left_alone(
    obstacle: Callable[[Path, Path], None], folder: Path
) -> None:
    place, target = folder / "made", folder / "target"
    writing = whole_file(place, replace=False)
    writing.__enter__().write(b"new")
    obstacle(place, target)
    before = there(folder)
    with pytest.raises(FileExistsError):
        writing.__exit__(None, None, None)
    after = there(folder)
    assert after == {name: before[name] for name in after}
    assert "made" in after


def test_where_the_file_system_has_no_hard_links_it_is_left_alone_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    with whole_file(folder / "made", replace=False) as stream:
        stream.write(b"new")
    assert there(folder) == {"made": ("-rw-------", "new")}
    writing = whole_file(folder / "other", replace=False)
    writing.__enter__()
    a_dangling_link(folder / "other", folder / "target")
    with pytest.raises(FileExistsError):
        writing.__exit__(None, None, None)
    assert set(there(folder)) == {"made", "other"}


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt(), SystemExit(1)])
def test_whatever_goes_wrong_nothing_is_left_behind(error: BaseException, folder: Path) -> None:
    a_file(folder / "made", folder)

    def write() -> None:
        with whole_file(folder / "made", replace=True) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert there(folder) == {"made": ("-rw-r--r--", "precious")}


def test_stopped_while_a_file_is_written_nothing_is_left_behind(folder: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from adsyncconfig.whole_file import whole_file
from cli.outcome import guard
import click
def action():
    with whole_file(Path({str(folder / "made")!r}), replace=False) as stream:
        stream.write(b"half")
        os.kill(os.getpid(), signal.SIGTERM)
    return 0
command = click.Command("Example", callback=click.pass_context(lambda context: guard(context, action)))
command()
"""
    done = subprocess.run(
        [SCRIPTS / "python", "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "Example: stopped by SIGTERM\n")
    assert list(folder.iterdir()) == []


# -- every command that makes a file is in a row -------------------------------------------------------------


#: Parameters that name a file that is made, and the kind of row that tries it.
MADE = {
    "journal": "journal",
    "plan_out": "plan",
    "Invoke-ADSyncPermissionsAudit output": "report",
    "Export-ADSyncSnapshot path": "snapshot",
    "Compare-ADSyncSnapshot output": "comparison",
}
#: Those that name a file that is read.
READ = {
    "journal_path", "path", "policy", "ca_file", "snapshot", "client_cert", "client_key", "keytab",
    "reference_path", "difference_path", "new_password_file",
}  # fmt: skip


def test_every_parameter_that_names_a_file_is_known_here() -> None:
    context = click.Context(program)
    unknown = {
        f"{name} {parameter.name}"
        for name in program.list_commands(context)
        if (command := program.get_command(context, name)) is not None
        for parameter in command.params
        if isinstance(parameter.type, click.Path)
        and parameter.name not in {*READ, *MADE}
        and f"{name} {parameter.name}" not in MADE
    }
    assert not unknown, "say whether it is made, and which row tries it"
    assert set(MADE.values()) <= set(MAKERS)
