"""The commands as a user runs them: whole processes, on a snapshot and on the real controller."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trying
from contoso_directory import AMBIGUOUS_NAME, CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, HOSTILE_OUS
from expectations import CONTOSO_SNAPSHOT, GROUP_WRITEBACK, expected_aces
from lab_certificates import unrelated_ca_file
from samba_lab import DomainController, Forest
from sockets import silent_listener

from acl import SecurityDescriptor
from acl.sddl import ace_to_sddl

OU = "OU=Writeback,DC=contoso,DC=example"
SYNCED = "OU=Users Synced,DC=contoso,DC=example"
#: Where the console scripts are: beside the interpreter that runs the tests.
SCRIPTS = Path(sys.executable).parent
NO_PROMPT = "-Confirm:$false"
EN_DASH = "\N{EN DASH}"


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ADSYNCCONFIG_")}
    return {
        **clean,
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', '')}",
        "XDG_CONFIG_HOME": "/nonexistent",
        **more,
    }


def connection(controller: DomainController, **more: str) -> dict[str, str]:
    return environment(
        ADSYNCCONFIG_SERVER=controller.url,
        ADSYNCCONFIG_USER=controller.administrator,
        ADSYNCCONFIG_PASSWORD=controller.password,
        ADSYNCCONFIG_CA_FILE=str(controller.ca_file),
        **more,
    )


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cmdlet: str = GROUP_WRITEBACK
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "adsyncconfig", cmdlet, *arguments],
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_line_error(
    done: subprocess.CompletedProcess[str], code: int, pattern: str, *, lines: int = 1
) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == lines, done.stderr
    assert re.search(pattern, done.stderr), done.stderr


# -- on a snapshot -------------------------------------------------------------------------------------------


def test_json_says_one_change_and_on_the_second_run_none(snapshot_file: Path) -> None:
    arguments = (
        "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, NO_PROMPT,
        "--snapshot", str(snapshot_file), "--json",
    )  # fmt: skip
    first, second = run(*arguments), run(*arguments)

    assert (first.returncode, first.stderr) == (0, "")
    said = json.loads(first.stdout)
    assert Path(said.pop("journal")).is_file()
    assert said == {
        "cmdlet": GROUP_WRITEBACK,
        "whatIf": False,
        "account": {"dn": CONNECTOR_DN, "sid": CONNECTOR_SID, "name": CONNECTOR},
        "changes": [
            {
                "dn": OU,
                "added": expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID),
                "removed": [],
                "status": "applied",
                "controller": "dc1.contoso.example",
                "error": None,
            }
        ],
        "effect": [
            {"dn": OU, "operation": operation, "before": False, "after": True, "decidedBy": ace}
            for ace in expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
            for operation in (
                "create a group",
                "write the attributes of a group",
                "change the members of a group",
                "rename a group",
                "delete a group",
            )
        ],
        "warnings": [],
    }
    assert second.returncode == 0
    (change,) = json.loads(second.stdout)["changes"]
    assert (change["status"], change["added"]) == ("unchanged", [])
    assert json.loads(second.stdout)["journal"] is None


def test_what_if_shows_the_entry_and_leaves_the_file_alone(snapshot_file: Path) -> None:
    before = snapshot_file.read_bytes()
    done = run(
        "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf", "--snapshot", str(snapshot_file)
    )
    assert done.returncode == 0
    expected = 'What if: Performing the operation "Grant Group Writeback permissions" on target "Writeback".'
    assert done.stdout.splitlines()[0] == expected
    (ace,) = expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    assert f"+ {ace}" in done.stdout
    assert snapshot_file.read_bytes() == before


def test_without_a_terminal_and_without_confirm_false_nothing_is_done(snapshot_file: Path) -> None:
    before = snapshot_file.read_bytes()
    done = run("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "--snapshot", str(snapshot_file))
    assert_one_line_error(done, 2, r"no terminal to ask on.*'-Confirm:\$false'")
    assert snapshot_file.read_bytes() == before


def test_a_parameter_never_swallows_another(snapshot_file: Path) -> None:
    before = snapshot_file.read_bytes()
    for spelling in ("-ADobjectDN", "--ad-object-dn", f"{EN_DASH}ADobjectDN"):
        done = run(
            "-ADConnectorAccountDN", CONNECTOR_DN, spelling, "-WhatIf", "--snapshot", str(snapshot_file)
        )
        assert_one_line_error(done, 2, "Missing an argument for parameter 'ADobjectDN'", lines=2)
    assert snapshot_file.read_bytes() == before


DN = "-ADConnectorAccountDN"
NAME, DOMAIN = "-ADConnectorAccountName", "-ADConnectorAccountDomain"
BAD_INPUT = [
    ([DN, CONNECTOR_DN, "-ADobjectDN", ""], 2, "'ADobjectDN'.*empty"),
    ([DN, "", "-ADobjectDN", OU], 2, "'ADConnectorAccountDN'.*empty"),
    ([DN, CONNECTOR_DN, "-Confirm:"], 2, r"'-Confirm:\$false'"),
    ([DN, CONNECTOR_DN, "-ADobjectDM", OU], 2, "ADobjectDM"),
    (["-ADobjectDN", OU], 2, "name the account"),
    ([NAME, "x"], 2, "name the account.*-ADConnectorAccountDomain"),
    ([DN, CONNECTOR_DN, NAME, "x"], 2, "either"),
    ([DN, CONNECTOR], 2, "no distinguished name"),
    ([DN, f"CN=Gone,{OU}"], 1, "no account 'CN=Gone"),
    ([DN, OU], 1, "has no SID: it is no account"),
    ([DN, CONNECTOR_DN, "-ADobjectDN", "Writeback"], 2, "-ADobjectDN 'Wr"),
    ([DN, CONNECTOR_DN, "-ADobjectDN", f"OU=Gone,{OU}"], 1, "no object 'OU=G"),
    ([DN, CONNECTOR_DN, "-ADobjectDN", "OU=X,DC=fabrikam,DC=example"], 1, "in no domain of this forest"),
    ([DN, CONNECTOR_DN, "-ADobjectDN", CONNECTOR_DN], 2, "account itself"),
    ([DN, CONNECTOR_DN, "-ADobjectDN", f"CN=User One,{SYNCED}"], 2, "of class user, on which"),
    ([NAME, "Gone", DOMAIN, "contoso.example"], 1, r"no account 'Gone' in contoso\.example"),
    (
        [NAME, AMBIGUOUS_NAME, DOMAIN, "CONTOSO"],
        1,
        "names 2 accounts.*CN=svc-sync.*CN=Sync Service.*AccountDN",
    ),
    ([NAME, CONNECTOR, DOMAIN, "fabrikam"], 1, r"no domain 'fabrikam'.*contoso\.example"),
    ([DN, CONNECTOR_DN, "-IncludeAdminSdHolders", "-SkipAdminSdHolders"], 2, "contradict each other"),
    ([DN, CONNECTOR_DN, "-IncludeAdminSdHolders"], 1, "Domain Admins.*-Force"),
]


@pytest.mark.parametrize(("arguments", "code", "pattern"), BAD_INPUT)
def test_bad_input_is_one_line_that_names_it_and_changes_nothing(
    snapshot_file: Path, arguments: list[str], code: int, pattern: str
) -> None:
    before = snapshot_file.read_bytes()
    no_prompt = [] if "-Confirm:" in arguments else [NO_PROMPT]
    done = run(*arguments, *no_prompt, "--snapshot", str(snapshot_file))
    # A wrong command line has a second line, on how to get help.
    assert_one_line_error(done, code, pattern, lines=len(done.stderr.splitlines()))
    assert len(done.stderr.splitlines()) <= 2
    assert snapshot_file.read_bytes() == before


def test_the_old_switch_is_accepted_with_a_notice(snapshot_file: Path) -> None:
    done = run(
        "-ADConnectorAccountDN",
        CONNECTOR_DN,
        "-SkipAdminSdHolders",
        "-WhatIf",
        "--snapshot",
        str(snapshot_file),
    )
    assert done.returncode == 0
    assert "-SkipAdminSdHolders has no effect" in done.stderr


def test_a_snapshot_that_is_missing_cut_off_or_malformed_is_named(tmp_path: Path) -> None:
    lines = CONTOSO_SNAPSHOT.read_bytes().splitlines(keepends=True)
    cut, none, wrong = tmp_path / "cut.jsonl", tmp_path / "none.jsonl", tmp_path / "wrong.jsonl"
    cut.write_bytes(b"".join(lines[:-3]))
    none.write_text("{}\n")
    # The first descriptor's second half is gone: its offsets point out of the buffer.
    first = json.loads(lines[1])
    first["base64"] = first["base64"][: len(first["base64"]) // 8 * 4]
    wrong.write_bytes(b"".join([lines[0], json.dumps(first).encode() + b"\n", *lines[2:]]))

    def result(path: Path) -> subprocess.CompletedProcess[str]:
        return run("-ADConnectorAccountDN", CONNECTOR_DN, NO_PROMPT, "--snapshot", str(path))

    assert_one_line_error(result(tmp_path / "gone.jsonl"), 1, r"there is no snapshot '.*gone\.jsonl'")
    assert_one_line_error(result(cut), 1, "was cut off")
    assert_one_line_error(result(none), 1, "is no snapshot")
    assert_one_line_error(
        result(wrong), 1, r"security descriptor of 'DC=contoso,DC=example' is malformed at byte \d+"
    )


def test_neither_a_server_nor_a_snapshot_is_an_error_that_says_how_to_name_one() -> None:
    done = run("-ADConnectorAccountDN", CONNECTOR_DN, NO_PROMPT)
    assert_one_line_error(done, 2, r"-Server ldaps://.*--snapshot FILE")


def test_a_snapshot_on_the_command_line_wins_over_a_server_in_the_environment(snapshot_file: Path) -> None:
    done = run(
        "-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", "--snapshot", str(snapshot_file),
        env=environment(ADSYNCCONFIG_SERVER="ldaps://dc1.invalid"),
    )  # fmt: skip
    assert done.returncode == 0
    both = environment(ADSYNCCONFIG_SERVER="ldaps://dc1.invalid", ADSYNCCONFIG_SNAPSHOT=str(snapshot_file))
    done = run("-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", env=both)
    assert_one_line_error(done, 2, "not both")


def test_a_configuration_file_names_the_directory(snapshot_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "adsyncconfig"
    folder.mkdir(parents=True)
    env = environment(XDG_CONFIG_HOME=str(folder.parent))
    configuration = folder / "config.toml"
    configuration.write_text(f"snapshot = {json.dumps(str(snapshot_file))}\n")
    assert run("-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", env=env).returncode == 0
    configuration.write_text('snapshots = "x"\n')
    done = run("-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", env=env)
    assert_one_line_error(done, 2, r"config\.toml' has the unknown key 'snapshots'")


def test_names_with_escape_sequences_do_not_reach_the_terminal(snapshot_file: Path) -> None:
    text = snapshot_file.read_text(encoding="utf-8")
    snapshot_file.write_text(text.replace('"name": ["Writeback"]', '"name": ["Write\\u001b[31mback"]'))
    done = run(
        "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf", "--snapshot", str(snapshot_file)
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


# -- help ----------------------------------------------------------------------------------------------------


def test_help_lists_the_cmdlets_and_each_has_its_own() -> None:
    for arguments in (["--help"], ["-?"]):
        done = subprocess.run(
            [SCRIPTS / "adsyncconfig", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        assert done.returncode == 0
        assert GROUP_WRITEBACK in done.stdout
    by_own_name = subprocess.run(
        [SCRIPTS / GROUP_WRITEBACK, "-?"], capture_output=True, text=True, check=False, env=environment()
    )
    assert by_own_name.returncode == 0
    for name in ("-ADConnectorAccountDN", "--ad-object-dn", "-WhatIf", "ADSYNCCONFIG_SERVER"):
        assert name in by_own_name.stdout


@pytest.mark.parametrize("arguments", [["--help"], [GROUP_WRITEBACK, "--help"]], ids=["all", "one"])
def test_help_imports_neither_ldap3_nor_the_package(arguments: list[str]) -> None:
    script = f"import sys; sys.argv = {['adsyncconfig', *arguments]!r}\n"
    script += "from cli.main import adsyncconfig\ntry:\n    adsyncconfig()\nexcept SystemExit:\n    pass\n"
    script += "print(sorted({'ldap3', 'cryptography', 'acl', 'adsyncconfig', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# -- on the real controller ----------------------------------------------------------------------------------


def on_a_terminal(line: str, answers: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Run a line in bash on a terminal, answer its questions in turn; its exit code and all that it wrote."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child becomes bash
        # A test run in the background has SIGINT ignored, which its children would inherit.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvpe("bash", ["bash", "-c", line], dict(env))
    written, asked, deadline = "", 0, time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 1)
            if not ready:
                continue
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # the other side has ended
                break
            if not chunk:
                break
            written += chunk.decode()
            if written.count('(default is "Y"): ') > asked and asked < len(answers):
                os.write(terminal, f"{answers[asked]}\n".encode())
                asked += 1
    finally:
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), written


# The two lines of Microsoft's documentation of group writeback, the dash of the second included.
DOCUMENTED = (
    "Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN $AzureADConnectSWritebackAccountDN",
    f"{GROUP_WRITEBACK} {EN_DASH}ADConnectorAccountDN $AzureADConnectSWritebackAccountDN"
    " -ADObjectDN $GroupWritebackOU",
)
QUOTED = 'Set-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN "$account" -ADObjectDN "$ou"'


@pytest.mark.usefixtures("permissions_restored")
def test_the_documented_lines_run_as_printed(contoso: DomainController, administrator: Any) -> None:
    env = connection(
        contoso,
        AzureADConnectSWritebackAccountDN=CONNECTOR_DN,
        GroupWritebackOU=OU,
        account=CONNECTOR_DN,
        ou=OU,
    )
    for line, dn, target in (
        (DOCUMENTED[0], contoso.base_dn, "domain root"),
        (DOCUMENTED[1], OU, "organizationalUnit"),
    ):
        code, written = on_a_terminal(line, ["Y"], env)
        assert code == 0, written
        assert "Are you sure you want to perform this action?" in written
        assert granted(administrator, dn) == expected_aces(GROUP_WRITEBACK, target, CONNECTOR_SID)
    code, written = on_a_terminal(QUOTED, [], env)
    assert code == 0
    assert "everything is there already" in written


@pytest.mark.usefixtures("permissions_restored")
@pytest.mark.parametrize(
    ("answers", "declined"), [(["N"], True), (["L"], True), (["?", "a"], False), ([""], False)]
)
def test_the_answer_decides(
    contoso: DomainController, administrator: Any, answers: list[str], *, declined: bool
) -> None:
    env = connection(contoso, account=CONNECTOR_DN, ou=OU)
    code, written = on_a_terminal(QUOTED, answers, env)
    assert code == 0, written
    assert ("Declined" in written) == declined
    assert (granted(administrator, OU) == []) == declined


@pytest.mark.usefixtures("permissions_restored")
def test_interrupted_at_the_prompt_nothing_is_written(contoso: DomainController, administrator: Any) -> None:
    code, written = on_a_terminal(QUOTED, ["\x03"], connection(contoso, account=CONNECTOR_DN, ou=OU))
    assert code == 130, written
    assert "Traceback" not in written
    assert granted(administrator, OU) == []


def granted(administrator: Any, dn: str) -> list[str]:
    dacl = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, dn)).dacl
    assert dacl is not None
    return [ace_to_sddl(ace) for ace in dacl if str(ace.sid) == CONNECTOR_SID and not ace.is_inherited]


@pytest.mark.usefixtures("permissions_restored")
@pytest.mark.parametrize("hostile", HOSTILE_OUS)
def test_names_that_need_quoting_pass_through_the_command_line(
    contoso: DomainController, administrator: Any, hostile: str
) -> None:
    done = run(
        "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", hostile, NO_PROMPT, env=connection(contoso)
    )
    assert done.returncode == 0, done.stderr
    assert granted(administrator, hostile) == expected_aces(
        GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID
    )


@pytest.mark.usefixtures("forest_restored")
def test_a_forest_is_granted_in_both_domains_with_a_server_for_each(forest: Forest) -> None:
    env = connection(forest.root)
    del env["ADSYNCCONFIG_SERVER"]
    done = run(
        NAME, CONNECTOR, DOMAIN, "contoso.example", NO_PROMPT, "--json",
        "-Server", forest.root.url, "-Server", f"{forest.child.realm}={forest.child.url}",
        env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    changes = json.loads(done.stdout)["changes"]
    assert [change["dn"] for change in changes] == [forest.root.base_dn, forest.child.base_dn]
    assert {change["status"] for change in changes} == {"applied"}
    assert [change["controller"] for change in changes] == [
        forest.root.host_name,
        forest.child.host_name,
    ]


def test_an_unprivileged_caller_is_told_which_right_is_missing(contoso: DomainController) -> None:
    env = connection(contoso) | {"ADSYNCCONFIG_USER": f"helpdesk@{contoso.realm}"}
    done = run("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, NO_PROMPT, "--json", env=env)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "insufficientAccessRights" in done.stderr
    (change,) = json.loads(done.stdout)["changes"]
    assert change["status"] == "failed"
    assert "may not write the permissions" in change["error"]


def test_connection_trouble_is_one_line(contoso: DomainController, tmp_path: Path) -> None:
    other = unrelated_ca_file(tmp_path / "other.pem")
    with silent_listener() as listener:
        for changed, pattern in (
            ({"ADSYNCCONFIG_PASSWORD": "Wrong-Passw0rd"}, "user name or the password is wrong"),
            ({"ADSYNCCONFIG_CA_FILE": str(other)}, "is not trusted.*--ca-file"),
            ({"ADSYNCCONFIG_CA_FILE": str(tmp_path / "gone.pem")}, "cannot read the CA file"),
            ({"ADSYNCCONFIG_SERVER": "ldaps://127.0.0.1:1"}, "cannot reach 'ldaps://127.0.0.1:1'"),
            ({"ADSYNCCONFIG_SERVER": "ldap://127.0.0.1:389"}, "not encrypted"),
            ({"ADSYNCCONFIG_SERVER": f"ldaps://127.0.0.1:{listener.port}"}, "timed out"),
        ):
            env = connection(contoso) | changed
            done = run("-ADConnectorAccountDN", CONNECTOR_DN, NO_PROMPT, "--timeout", "2", env=env)
            assert done.returncode in (1, 2)
            assert_one_line_error(done, done.returncode, pattern)
            assert contoso.password not in done.stderr
            assert "Wrong-Passw0rd" not in done.stderr


def test_the_password_may_come_from_a_file(contoso: DomainController, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{contoso.password}\n")
    env = connection(contoso)
    del env["ADSYNCCONFIG_PASSWORD"]
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf")
    assert run(*arguments, "--password-file", str(file), env=env).returncode == 0
    assert_one_line_error(run(*arguments, env=env), 2, "--password-file")
