"""What goes wrong between a command and its controller, and at which moment: each as a row, on a real controller.

After each row: one clear line and the exit code that the row names; each object is as it was before the run or as
the run was to leave it, byte for byte; what the journal says of it is true; undo takes the run back, and the same
command run again completes it.

docs/reliability.md has the table as these tests saw it. WRITE_RELIABILITY=1 writes it anew:

    WRITE_RELIABILITY=1 script/test tests/test_faults.py
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import samba_lab
import trying
from conftest import live
from contoso_directory import CONNECTOR_DN
from expectations import GROUP_WRITEBACK
from fault_proxy import (
    ANSWER,
    BIND,
    CONNECT,
    MODIFY,
    SEARCH,
    UNBIND,
    Fault,
    FaultProxy,
    Lasting,
    Moment,
    black_hole,
    disconnect,
    drip,
    garbage,
    malformed,
    notice_of_disconnection,
    refused,
    reset,
    result,
    send_signal,
    truncate,
    wrong_id,
)
from samba_lab import CONTOSO, DomainController
from test_commands import NO_PROMPT, SCRIPTS, connection

import adsyncconfig

DOCUMENT = Path(__file__).parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"
DOMAIN = CONTOSO.base_dn
OU = f"OU=Writeback,{DOMAIN}"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
SCHEMA = f"CN=Schema,CN=Configuration,{DOMAIN}"
TIMEOUT = 10  # seconds, of the commands under test
SHORT = 1  # where the row waits for it
GRANTING = ("-ADConnectorAccountDN", CONNECTOR_DN)
GRANT: dict[str, Any] = {"ad_connector_account_dn": CONNECTOR_DN}
BOTH: dict[str, Any] = {**GRANT, "include_admin_sd_holders": True, "force": True}


# -- what is run ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A command, the same from Python, and what it changes. ``granted``: it begins with the two granted."""

    command: tuple[str, ...]
    function: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    granted: bool = False


_GRANT = "set_adsync_unified_group_writeback_permissions"
JOBS = {
    "grant on an OU": Job(
        (GROUP_WRITEBACK, *GRANTING, "-ADobjectDN", OU),
        _GRANT,
        {**GRANT, "ad_object_dn": OU},
        (OU,),
    ),
    "grant on the domain and AdminSDHolder": Job(
        (GROUP_WRITEBACK, *GRANTING, "-IncludeAdminSdHolders", "-Force"),
        _GRANT,
        BOTH,
        (DOMAIN, HOLDER),
    ),
    "undo": Job(
        ("Undo-ADSyncPermissions", "-JournalPath", "{undone}"),
        "undo_adsync_permissions",
        {"journal_path": "{undone}"},
        (DOMAIN, HOLDER),
        granted=True,
    ),
    "remove": Job(
        ("Remove-ADSyncPermissions", *GRANTING, "-SearchBase", DOMAIN),
        "remove_adsync_permissions",
        {**GRANT, "search_base": DOMAIN},
        (DOMAIN, HOLDER),
        granted=True,
    ),
    "read": Job(
        ("Get-ADSyncObjectsWithInheritanceDisabled", "-SearchBase", SCHEMA, "-ObjectClass", "*"),
    ),
}

MOMENTS = {
    "connecting": Moment(CONNECT),
    "logging on": Moment(BIND),
    "the answer to logging on": Moment(BIND, side=ANSWER),
    "the first question": Moment(SEARCH),
    "planning": Moment(SEARCH, 4),
    "planning, its answer": Moment(SEARCH, 4, ANSWER),
    "reading": Moment(SEARCH, 2),
    "reading again before the write": Moment(SEARCH, 4),
    "a page": Moment(SEARCH, 3),
    "100 entries into a page": Moment(SEARCH, 3, ANSWER, entries=100),
    "the second page": Moment(SEARCH, 4),
    "100 entries into the second page": Moment(SEARCH, 4, ANSWER, entries=100),
    "before the write arrives": Moment(MODIFY),
    "after the write, before its answer": Moment(MODIFY, side=ANSWER),
    "reading back": Moment(SEARCH, after=MODIFY),
    "before the second write arrives": Moment(MODIFY, 2),
    "after the second write, before its answer": Moment(MODIFY, 2, ANSWER),
    "taking leave": Moment(UNBIND),
}

#: A name that must never be asked for: nothing is ever told to it, and the tests look.
ELSEWHERE = "{elsewhere}"
CAUSES: dict[str, Fault] = {
    "connection refused": refused,
    "reset (RST)": reset,
    "disconnected (FIN)": disconnect,
    "black hole": black_hole,
    "a byte now and then": drip,
    "cut in the middle of a message": truncate,
    "malformed BER": malformed,
    "no LDAP": garbage,
    "another message's id": wrong_id,
    "notice of disconnection": notice_of_disconnection,
    "operationsError (1)": result(1),
    "timeLimitExceeded (3)": result(3),
    "sizeLimitExceeded (4)": result(4),
    "referral (10)": result(10, referral=ELSEWHERE),
    "adminLimitExceeded (11)": result(11),
    "busy (51)": result(51),
    "unavailable (52)": result(52),
    "SIGINT": send_signal(signal.SIGINT),
    "SIGTERM": send_signal(signal.SIGTERM),
}
WAITING = {"black hole", "a byte now and then"}
ONCE, FOR_GOOD, GONE = Lasting.ONCE, Lasting.FOR_GOOD, Lasting.GONE
BEFORE, AFTER, PART, UNTOUCHED = "as before", "as after", "in part", "-"
NONE, WRITTEN, NOT_WRITTEN, UNKNOWN, BEGUN = "none", "written", "not written", "unknown", "begun"


class Case(NamedTuple):
    """What goes wrong, when and for how long; then what has to come of it."""

    job: str
    moment: str
    cause: str
    lasting: Lasting
    code: int
    directory: str = BEFORE
    journal: str = NONE

    @property
    def id(self) -> str:
        return f"{self.job}: {self.moment}: {self.cause} {self.lasting.value}"


OU_JOB, TWO, UNDO, REMOVE, READ = JOBS
CASES = [
    # Before anything is asked: nobody was reached, nothing was done.
    Case(OU_JOB, "connecting", "connection refused", FOR_GOOD, 1),
    Case(OU_JOB, "connecting", "reset (RST)", FOR_GOOD, 1),
    Case(OU_JOB, "connecting", "disconnected (FIN)", FOR_GOOD, 1),
    Case(OU_JOB, "connecting", "black hole", FOR_GOOD, 1),
    Case(OU_JOB, "connecting", "a byte now and then", FOR_GOOD, 1),
    Case(OU_JOB, "connecting", "no LDAP", FOR_GOOD, 1),
    Case(OU_JOB, "connecting", "SIGTERM", ONCE, 143),
    Case(OU_JOB, "logging on", "reset (RST)", ONCE, 1),
    Case(OU_JOB, "logging on", "black hole", ONCE, 1),
    Case(OU_JOB, "logging on", "busy (51)", ONCE, 1),
    Case(OU_JOB, "logging on", "unavailable (52)", ONCE, 1),
    Case(OU_JOB, "logging on", "referral (10)", ONCE, 1),
    Case(OU_JOB, "logging on", "malformed BER", ONCE, 1),
    Case(OU_JOB, "the answer to logging on", "disconnected (FIN)", ONCE, 1),
    Case(OU_JOB, "the answer to logging on", "a byte now and then", ONCE, 1),
    Case(OU_JOB, "the answer to logging on", "cut in the middle of a message", ONCE, 1),
    # While it reads and plans: questions are asked again, where that may help.
    Case(OU_JOB, "the first question", "black hole", ONCE, 1),
    Case(OU_JOB, "the first question", "notice of disconnection", ONCE, 1),
    Case(OU_JOB, "planning", "reset (RST)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "planning", "disconnected (FIN)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "planning", "notice of disconnection", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "planning", "reset (RST)", GONE, 1),
    Case(OU_JOB, "planning", "black hole", ONCE, 1),
    Case(OU_JOB, "planning", "busy (51)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "planning", "busy (51)", FOR_GOOD, 1),
    Case(OU_JOB, "planning", "unavailable (52)", FOR_GOOD, 1),
    Case(OU_JOB, "planning", "referral (10)", ONCE, 1),
    Case(OU_JOB, "planning", "operationsError (1)", ONCE, 1),
    Case(OU_JOB, "planning", "timeLimitExceeded (3)", ONCE, 1),
    Case(OU_JOB, "planning", "sizeLimitExceeded (4)", ONCE, 1),
    Case(OU_JOB, "planning", "adminLimitExceeded (11)", ONCE, 1),
    Case(OU_JOB, "planning", "malformed BER", ONCE, 1),
    Case(OU_JOB, "planning", "no LDAP", ONCE, 1),
    Case(OU_JOB, "planning", "another message's id", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "planning", "SIGINT", ONCE, 130),
    Case(OU_JOB, "planning", "SIGTERM", ONCE, 143),
    Case(OU_JOB, "planning, its answer", "cut in the middle of a message", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "planning, its answer", "a byte now and then", ONCE, 1),
    # The write never arrived.
    Case(OU_JOB, "before the write arrives", "reset (RST)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "before the write arrives", "reset (RST)", FOR_GOOD, 1, BEFORE, NOT_WRITTEN),
    Case(OU_JOB, "before the write arrives", "reset (RST)", GONE, 4, BEFORE, UNKNOWN),
    Case(OU_JOB, "before the write arrives", "disconnected (FIN)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "before the write arrives", "black hole", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "before the write arrives", "black hole", FOR_GOOD, 4, BEFORE, UNKNOWN),
    Case(OU_JOB, "before the write arrives", "busy (51)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "before the write arrives", "busy (51)", FOR_GOOD, 1, BEFORE, NOT_WRITTEN),
    Case(OU_JOB, "before the write arrives", "unavailable (52)", FOR_GOOD, 1, BEFORE, NOT_WRITTEN),
    Case(OU_JOB, "before the write arrives", "referral (10)", ONCE, 1, BEFORE, NOT_WRITTEN),
    Case(OU_JOB, "before the write arrives", "operationsError (1)", ONCE, 1, BEFORE, NOT_WRITTEN),
    Case(OU_JOB, "before the write arrives", "adminLimitExceeded (11)", ONCE, 1, BEFORE, NOT_WRITTEN),
    Case(OU_JOB, "before the write arrives", "malformed BER", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "before the write arrives", "SIGINT", ONCE, 130, BEFORE, BEGUN),
    Case(OU_JOB, "before the write arrives", "SIGTERM", ONCE, 143, BEFORE, BEGUN),
    # The write was done, and nobody said so.
    Case(OU_JOB, "after the write, before its answer", "reset (RST)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "after the write, before its answer", "reset (RST)", GONE, 4, AFTER, UNKNOWN),
    Case(OU_JOB, "after the write, before its answer", "disconnected (FIN)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "after the write, before its answer", "black hole", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "after the write, before its answer", "a byte now and then", ONCE, 0, AFTER, WRITTEN),
    Case(
        OU_JOB,
        "after the write, before its answer",
        "cut in the middle of a message",
        ONCE,
        0,
        AFTER,
        WRITTEN,
    ),
    Case(OU_JOB, "after the write, before its answer", "malformed BER", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "after the write, before its answer", "another message's id", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "after the write, before its answer", "unavailable (52)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "after the write, before its answer", "SIGINT", ONCE, 130, AFTER, BEGUN),
    Case(OU_JOB, "after the write, before its answer", "SIGTERM", ONCE, 143, AFTER, BEGUN),
    Case(OU_JOB, "reading back", "reset (RST)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "reading back", "reset (RST)", GONE, 4, AFTER, WRITTEN),
    Case(OU_JOB, "reading back", "busy (51)", FOR_GOOD, 4, AFTER, WRITTEN),
    Case(OU_JOB, "reading back", "black hole", ONCE, 4, AFTER, WRITTEN),
    Case(OU_JOB, "reading back", "SIGTERM", ONCE, 143, AFTER, BEGUN),
    Case(OU_JOB, "taking leave", "reset (RST)", ONCE, 0, AFTER, WRITTEN),
    Case(OU_JOB, "taking leave", "black hole", ONCE, 0, AFTER, WRITTEN),
    # Two objects: what was done stays done, what was not is named, and one does not stop the other.
    Case(TWO, "before the second write arrives", "reset (RST)", ONCE, 0, AFTER, f"{WRITTEN}, {WRITTEN}"),
    Case(TWO, "before the second write arrives", "reset (RST)", GONE, 4, PART, f"{WRITTEN}, {UNKNOWN}"),
    Case(TWO, "before the second write arrives", "busy (51)", FOR_GOOD, 4, PART, f"{WRITTEN}, {NOT_WRITTEN}"),
    Case(TWO, "before the second write arrives", "SIGTERM", ONCE, 143, PART, f"{WRITTEN}, {BEGUN}"),
    Case(
        TWO,
        "after the second write, before its answer",
        "reset (RST)",
        GONE,
        4,
        AFTER,
        f"{WRITTEN}, {UNKNOWN}",
    ),
    Case(TWO, "after the second write, before its answer", "SIGINT", ONCE, 130, AFTER, f"{WRITTEN}, {BEGUN}"),
    Case(TWO, "before the write arrives", "operationsError (1)", ONCE, 4, PART, f"{NOT_WRITTEN}, {WRITTEN}"),
    Case(TWO, "before the write arrives", "SIGINT", ONCE, 130, BEFORE, f"{BEGUN}, {NONE}"),
    Case(UNDO, "reading", "reset (RST)", GONE, 1),
    Case(
        UNDO,
        "reading again before the write",
        "reset (RST)",
        GONE,
        1,
        BEFORE,
        f"{NOT_WRITTEN}, {NOT_WRITTEN}",
    ),
    Case(UNDO, "before the write arrives", "disconnected (FIN)", ONCE, 0, AFTER, f"{WRITTEN}, {WRITTEN}"),
    Case(UNDO, "after the write, before its answer", "reset (RST)", ONCE, 0, AFTER, f"{WRITTEN}, {WRITTEN}"),
    Case(UNDO, "before the second write arrives", "reset (RST)", GONE, 4, PART, f"{WRITTEN}, {UNKNOWN}"),
    Case(UNDO, "before the second write arrives", "SIGTERM", ONCE, 143, PART, f"{WRITTEN}, {BEGUN}"),
    Case(REMOVE, "planning", "busy (51)", ONCE, 0, AFTER, f"{WRITTEN}, {WRITTEN}"),
    Case(REMOVE, "before the write arrives", "black hole", ONCE, 0, AFTER, f"{WRITTEN}, {WRITTEN}"),
    Case(
        REMOVE, "after the write, before its answer", "malformed BER", ONCE, 0, AFTER, f"{WRITTEN}, {WRITTEN}"
    ),
    Case(REMOVE, "before the second write arrives", "SIGINT", ONCE, 130, PART, f"{WRITTEN}, {BEGUN}"),
    # Reading: all of it or an error, never a part for the whole.
    Case(READ, "a page", "reset (RST)", ONCE, 0, UNTOUCHED),
    Case(READ, "a page", "adminLimitExceeded (11)", ONCE, 1, UNTOUCHED),
    Case(READ, "a page", "sizeLimitExceeded (4)", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into a page", "reset (RST)", ONCE, 0, UNTOUCHED),
    Case(READ, "100 entries into a page", "black hole", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into a page", "a byte now and then", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into a page", "sizeLimitExceeded (4)", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into a page", "timeLimitExceeded (3)", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into a page", "malformed BER", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into a page", "SIGINT", ONCE, 130, UNTOUCHED),
    Case(READ, "the second page", "busy (51)", ONCE, 0, UNTOUCHED),
    Case(READ, "100 entries into the second page", "disconnected (FIN)", ONCE, 1, UNTOUCHED),
    Case(READ, "100 entries into the second page", "cut in the middle of a message", ONCE, 1, UNTOUCHED),
]


# -- the directory, put back for each row ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def administrator(contoso: DomainController) -> Iterator[Any]:
    connected = samba_lab.connect_as(contoso, contoso.administrator)
    yield connected
    connected.unbind()


def read(administrator: Any, dns: tuple[str, ...]) -> list[bytes]:
    return [trying.read_descriptor(administrator, dn) for dn in dns]


def put_back(administrator: Any, dns: tuple[str, ...], states: list[bytes]) -> None:
    for dn, state in zip(dns, states, strict=True):
        if trying.read_descriptor(administrator, dn) != state:
            assert trying.write_dacl(administrator, dn, state) == trying.SUCCESS


class States(NamedTuple):
    """A job's objects as bytes, by which of its changes were made; and the journal of the run that undo undoes.

    What the domain's root has is inherited by the other object, so that one's bytes are of both changes.
    """

    by_changed: dict[frozenset[str], list[bytes]]
    undone: Path

    @property
    def start(self) -> list[bytes]:
        return self.by_changed[frozenset()]

    def changed(self, now: list[bytes]) -> frozenset[str]:
        """Which changes these bytes have; a test fails where they are those of none."""
        found = [changed for changed, state in self.by_changed.items() if state == now]
        assert found, "in between"
        return found[0]


@pytest.fixture(scope="module")
def states(
    contoso: DomainController, administrator: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, States]]:
    """What each job leaves when all of its changes are made, or some."""
    folder = tmp_path_factory.mktemp("undone")
    everything = (OU, DOMAIN, HOLDER)
    clean = read(administrator, everything)
    found: dict[str, States] = {}
    with live(contoso) as directory:
        for number, (name, job) in enumerate(JOBS.items()):
            undone = folder / f"{number}.jsonl"
            if job.granted:
                getattr(adsyncconfig, _GRANT)(directory, **BOTH, journal=undone)
            start = read(administrator, job.targets)
            by_changed = {}
            for size in range(len(job.targets) + 1):
                for some in combinations(job.targets, size):
                    if some:
                        getattr(adsyncconfig, job.function)(
                            directory,
                            **filled(job.parameters, undone),
                            confirm=lambda change, some=some: change.dn in some,
                        )
                    by_changed[frozenset(some)] = read(administrator, job.targets)
                    put_back(administrator, job.targets, start)
            found[name] = States(by_changed, undone)
            put_back(administrator, everything, clean)
    yield found
    put_back(administrator, everything, clean)


def filled(parameters: dict[str, Any], undone: Path) -> dict[str, Any]:
    return {name: undone if value == "{undone}" else value for name, value in parameters.items()}


class Lab(NamedTuple):
    """What each row needs. ``elsewhere`` is the host that a referral names: nobody may ever come."""

    controller: DomainController
    administrator: Any
    states: dict[str, States]
    elsewhere: socket.socket


@pytest.fixture(scope="module")
def lab(contoso: DomainController, administrator: Any, states: dict[str, States]) -> Iterator[Lab]:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        yield Lab(contoso, administrator, states, elsewhere)


# -- the rows -------------------------------------------------------------------------------------------------

SEEN: dict[Case, str] = {}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_whatever_goes_wrong_the_directory_is_as_before_or_as_after(
    case: Case, lab: Lab, tmp_path: Path
) -> None:
    contoso, administrator, states, elsewhere = lab
    job, state, journal = JOBS[case.job], states[case.job], tmp_path / "journal.jsonl"
    put_back(administrator, job.targets, state.start)
    fault = CAUSES[case.cause]
    if case.cause == "referral (10)":
        fault = result(10, referral=f"ldap://127.0.0.1:{elsewhere.getsockname()[1]}/{DOMAIN}??base")
    changing = (NO_PROMPT, "--journal", str(journal)) if job.targets else ()
    command = [each.format(undone=state.undone) for each in (*job.command, *changing)]

    with FaultProxy(contoso, MOMENTS[case.moment], fault, case.lasting) as proxy:
        began = time.monotonic()
        done = run(proxy, contoso, [*command, "--timeout", str(SHORT if case.cause in WAITING else TIMEOUT)])
        took = time.monotonic() - began
        assert proxy.fired, "the moment never came"

    now = read(administrator, job.targets)
    changed = state.changed(now)
    seen = (done.returncode, directory_is(changed, job), journal_says(journal, len(job.targets)))
    assert seen == (case.code, case.directory, case.journal), done.stderr
    assert "Traceback" not in done.stderr
    assert took < TIMEOUT, "the time-out was not honoured"
    errors = what_is_said(done.stderr, command[0], proxy.url, tmp_path)
    assert len(errors) == (1 if case.code else 0), done.stderr
    with pytest.raises(BlockingIOError):  # no referral was followed
        elsewhere.accept()
    journal_is_true(journal, changed)

    with live(contoso) as directory:
        if journal.exists():
            adsyncconfig.undo_adsync_permissions(directory, journal_path=journal)
            assert read(administrator, job.targets) == state.start
        if job.function:
            getattr(adsyncconfig, job.function)(directory, **filled(job.parameters, state.undone))
            assert state.changed(read(administrator, job.targets)) == frozenset(job.targets)
    put_back(administrator, job.targets, state.start)
    SEEN[case] = "; ".join(errors)


def run(
    proxy: FaultProxy, controller: DomainController, command: list[str]
) -> subprocess.CompletedProcess[str]:
    """Run a command through the proxy, and tell the proxy which process it is."""
    env = {**connection(controller), "ADSYNCCONFIG_SERVER": proxy.url}
    with subprocess.Popen(
        [SCRIPTS / "adsyncconfig", *command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where a run is started in the background, it ignores ^C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads in the child
    ) as process:
        proxy.tell(process.pid)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def directory_is(changed: frozenset[str], job: Job) -> str:
    if not job.targets:
        return UNTOUCHED
    if not changed:
        return BEFORE
    return AFTER if changed == frozenset(job.targets) else PART


def steps(journal: Path) -> dict[int, dict[str, Any]]:
    """The last step of each change that the journal tells of."""
    if not journal.exists():
        return {}
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return {step["change"]: step for step in lines[1:] if "change" in step}


def journal_says(journal: Path, changes: int) -> str:
    if not journal.exists():
        return NONE
    said = steps(journal)
    return ", ".join(what_became(said.get(number)) for number in range(1, changes + 1))


def what_became(step: dict[str, Any] | None) -> str:
    if step is None:
        return NONE
    if step["step"] == "failed":
        return {True: WRITTEN, False: NOT_WRITTEN, None: UNKNOWN}[step["written"]]
    return {"writing": BEGUN, "written": WRITTEN}[step["step"]]


def journal_is_true(journal: Path, changed: frozenset[str]) -> None:
    for number, step in steps(journal).items():
        dn = json.loads(journal.read_text().splitlines()[0])["changes"][number - 1]["dn"]
        became = what_became(step)
        assert became != WRITTEN or dn in changed
        assert became != NOT_WRITTEN or dn not in changed


def what_is_said(text: str, cmdlet: str, url: str, folder: Path) -> list[str]:
    """The error lines, without what differs from one machine and one run to the next."""
    text = text.replace(url, "ldaps://dc1.contoso.example").replace(f"{folder}{os.sep}", "")
    text = re.sub(r"after \d+ seconds", "after N seconds", text)
    text = re.sub(r"\d+ bytes into", "N bytes into", text)
    beginning = f"{cmdlet}: "
    return [line.removeprefix(beginning) for line in text.splitlines() if line.startswith(beginning)]


# -- the document ---------------------------------------------------------------------------------------------


def row(case: Case) -> str:
    said = SEEN[case].replace("|", "\\|") or "nothing: it is done"
    times = "" if case.lasting is Lasting.ONCE else f", {case.lasting.value}"
    cells = (
        case.job,
        case.moment,
        f"{case.cause}{times}",
        said,
        str(case.code),
        case.directory,
        case.journal,
    )
    return f"| {' | '.join(cells)} |\n"


def table() -> str:
    pairs = {(case.moment, case.cause) for case in CASES}
    head = (
        f"{len(CASES)} rows, {len(pairs)} distinct pairs of cause and moment.\n\n"
        "| Run | Moment | Cause | What the user sees | Exit | Directory | Journal |\n"
        f"|{'---|' * 7}\n"
    )
    return head + "".join(map(row, CASES))


def test_there_are_at_least_forty_pairs_of_cause_and_moment() -> None:
    assert len({(case.moment, case.cause) for case in CASES}) >= 40
    assert len(set(CASES)) == len(CASES)


def test_the_document_says_what_was_seen() -> None:
    if len(SEEN) < len(CASES):
        pytest.skip("not every row was run")
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    committed, after = rest.split(END)
    if os.environ.get("WRITE_RELIABILITY"):
        DOCUMENT.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")
        committed = table()
    assert committed == table(), "WRITE_RELIABILITY=1 script/test tests/test_faults.py writes it anew"
