"""Plan files: kept, applied as they are, or refused; and the same plan for other tools."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID, HOSTILE_OUS
from expectations import GROUP_WRITEBACK, expected_aces
from ldap_proxy import LdapProxy
from samba_lab import CONTOSO, DomainController
from test_commands import NO_PROMPT, assert_one_line_error
from test_commands import run as run_command
from test_journal import replaced
from trying import SUCCESS

import adsyncconfig
from acl import AccessMask, Ace, AceFlag, AceType, Acl, SecurityDescriptor, Sid
from acl.edit import protect
from adsyncconfig import Conflict, Plan, PlanFileError, SetResult, UnknownName, record
from adsyncconfig.granting import GrantParameters
from adsyncconfig.live import LiveDirectory
from adsyncconfig.plan import Change
from adsyncconfig.plan_file import read_plan, write_plan
from adsyncconfig.plan_formats import as_dsacls, as_ldif
from adsyncconfig.record import ForestIdentity
from adsyncconfig.schema import Kind, bundled

DOMAIN = "DC=contoso,DC=example"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
OU = f"OU=Writeback,{DOMAIN}"
INVOKE = "Invoke-ADSyncPlan"
GROUP = bundled(Kind.CLASS)["group"]


def plan_on(directory: Any, path: Path, *, what_if: bool = True, **parameters: Any) -> SetResult:
    return adsyncconfig.set_adsync_unified_group_writeback_permissions(
        directory, ad_connector_account_dn=CONNECTOR_DN, what_if=what_if, plan_out=path, **parameters
    )


@pytest.fixture
def plan_file(snapshot_file: Path, tmp_path: Path) -> Path:
    """The plan of a grant on the OU of the snapshot."""
    path = tmp_path / "plan.json"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        plan_on(directory, path, ad_object_dn=OU)
    return path


def invoke(snapshot: Path, plan: Path, **parameters: Any) -> SetResult:
    with adsyncconfig.open_snapshot(snapshot) as directory:
        return adsyncconfig.invoke_adsync_plan(directory, path=plan, **parameters)


def rewrite(path: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Edit a plan file and give it a digest that fits."""
    content = edit(json.loads(path.read_text()))
    path.write_text(json.dumps({**content, "digest": record.digest(content)}))


# -- the file ------------------------------------------------------------------------------------------------


def test_a_plan_file_says_what_for_whom_where_and_from_what(plan_file: Path, snapshot_file: Path) -> None:
    content = json.loads(plan_file.read_text())
    assert content["format"] == "adsyncconfig-plan"
    assert content["version"] == 1
    assert content["cmdlet"] == GROUP_WRITEBACK
    assert content["tool"].startswith("adsyncconfig ")
    assert content["created"].endswith("+00:00")
    assert content["account"] == {"dn": CONNECTOR_DN, "sid": CONNECTOR_SID, "name": CONNECTOR}
    assert content["forest"] == {"rootDomain": "contoso.example", "sid": CONTOSO.sid}
    (change,) = content["changes"]
    assert (change["dn"], change["domain"], change["label"]) == (OU, "contoso.example", "Writeback")
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        now = directory.get(OU, ["nTSecurityDescriptor"]).security_descriptor()
    assert base64.b64decode(change["before"]["base64"]) == now.to_bytes()
    assert change["before"]["sddl"] == now.to_sddl()
    (ace,) = expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    assert ace in change["after"]["sddl"]
    assert ace not in change["before"]["sddl"]


def test_a_plan_file_is_its_owners_alone_and_nothing_is_left_beside_it(plan_file: Path) -> None:
    assert stat.S_IMODE(plan_file.stat().st_mode) == 0o600
    assert sorted(path.name for path in plan_file.parent.iterdir()) == ["contoso.jsonl", "plan.json"]


def test_what_is_written_is_read_again(plan_file: Path, tmp_path: Path) -> None:
    plan = read_plan(plan_file)
    write_plan(tmp_path / "copy.json", plan)
    assert read_plan(tmp_path / "copy.json") == plan
    assert (tmp_path / "copy.json").read_bytes() == plan_file.read_bytes()


@pytest.mark.parametrize("make", ["file", "link", "folder"])
def test_no_file_is_overwritten_and_no_link_followed(snapshot_file: Path, tmp_path: Path, make: str) -> None:
    path = tmp_path / "plan.json"
    if make == "file":
        path.write_text("precious")
    elif make == "link":
        path.symlink_to(tmp_path / "target")
    else:
        path.mkdir()
    before = snapshot_file.read_bytes()
    with (
        adsyncconfig.open_snapshot(snapshot_file) as directory,
        pytest.raises(PlanFileError, match="exists already, and is never overwritten"),
    ):
        plan_on(directory, path, ad_object_dn=OU, what_if=False)
    assert snapshot_file.read_bytes() == before
    assert not (tmp_path / "target").exists()
    if make == "file":
        assert path.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named_and_nothing_written(snapshot_file: Path, tmp_path: Path) -> None:
    before = snapshot_file.read_bytes()
    with (
        adsyncconfig.open_snapshot(snapshot_file) as directory,
        pytest.raises(PlanFileError, match=r"cannot write the plan file '.*gone/plan\.json': No such file"),
    ):
        plan_on(directory, tmp_path / "gone" / "plan.json", ad_object_dn=OU, what_if=False)
    assert snapshot_file.read_bytes() == before


def test_every_byte_that_changes_or_is_missing_is_noticed(plan_file: Path) -> None:
    data = plan_file.read_bytes()
    for end in [*range(0, len(data) - 3, 97), len(data) - 3]:
        plan_file.write_bytes(data[:end])
        with pytest.raises(PlanFileError, match=r"is empty|is cut off or no JSON"):
            read_plan(plan_file)
    for at in range(0, len(data) - 2, 41):
        edited = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        plan_file.write_bytes(edited)
        with pytest.raises(PlanFileError):
            read_plan(plan_file)


def change_of(content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**content, "changes": [{**content["changes"][0], **fields}]}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda c: {**c, "version": 7}, "has version 7, and this program reads 2: use a newer"),
        (lambda c: {**c, "format": "adsyncconfig-snapshot"}, "is none"),
        (lambda c: {name: value for name, value in c.items() if name != "forest"}, "is damaged: 'forest'"),
        (lambda c: {**c, "account": {"dn": "x", "name": "y", "sid": "S-1-x"}}, "is damaged"),
        (lambda c: change_of(c, dn="Writeback"), "no distinguished name"),
        (lambda c: change_of(c, dn=7), "dn is no text"),
        (lambda c: change_of(c, after={"base64": "AAAA", "sddl": None}), "malformed"),
        (
            lambda c: change_of(c, after={**c["changes"][0]["after"], "sddl": "D:P(A;;GA;;;WD)"}),
            "base64 and the SDDL of a descriptor differ",
        ),
        (lambda c: {**c, "forest": {"rootDomain": "fabrikam.example", "sid": None}}, "is for the forest fabrikam"),
        (
            lambda c: {**c, "forest": {"rootDomain": "contoso.example", "sid": "S-1-5-21-1-2-3"}},
            r"is for the forest contoso\.example \(S-1-5-21-1-2-3\)",
        ),
    ],
)  # fmt: skip
def test_digests_that_fit_do_not_make_nonsense_right(
    snapshot_file: Path, plan_file: Path, edit: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    rewrite(plan_file, edit)
    before = snapshot_file.read_bytes()
    with pytest.raises(PlanFileError, match=said) as raised:
        invoke(snapshot_file, plan_file)
    assert "\n" not in str(raised.value)
    assert snapshot_file.read_bytes() == before


def test_no_value_in_a_plan_file_makes_more_than_one_line(snapshot_file: Path, plan_file: Path) -> None:
    content = json.loads(plan_file.read_text())
    del content["digest"]
    said: list[str] = []
    for other in replaced(content):
        sealed = {**other, "digest": record.digest(other)} if isinstance(other, dict) else other
        plan_file.write_text(json.dumps(sealed))
        try:
            invoke(snapshot_file, plan_file, what_if=True)
        except adsyncconfig.ADSyncConfigError as error:
            said.append(str(error))
    assert len(said) > 100
    assert not [text for text in said if "\n" in text]


def test_bad_plan_files_are_one_line_on_the_command_line(
    snapshot_file: Path, plan_file: Path, tmp_path: Path
) -> None:
    empty, cut, pipe = tmp_path / "empty", tmp_path / "cut", tmp_path / "pipe"
    empty.touch()
    cut.write_bytes(plan_file.read_bytes()[:-200])
    os.mkfifo(pipe)
    before = snapshot_file.read_bytes()
    for path, said in (
        (tmp_path / "gone", "there is no plan file"),
        (tmp_path, "it is no file"),
        (pipe, "it is no file"),
        (empty, "is empty"),
        (cut, "is cut off or no JSON"),
    ):
        done = run_command(str(path), NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=INVOKE)
        assert_one_line_error(done, 1, said)
    done = run_command("-Path", "", NO_PROMPT, "--snapshot", str(snapshot_file), cmdlet=INVOKE)
    assert_one_line_error(done, 2, "'Path'.*empty", lines=2)
    assert snapshot_file.read_bytes() == before


# -- applied -------------------------------------------------------------------------------------------------


def test_a_plan_is_applied_once_and_then_there_is_nothing_to_do(snapshot_file: Path, plan_file: Path) -> None:
    asked: list[Change] = []
    journal = plan_file.with_name("journal.jsonl")

    def confirm(change: Change) -> bool:
        asked.append(change)
        return True

    first = invoke(snapshot_file, plan_file, journal=journal, confirm=confirm)
    second = invoke(snapshot_file, plan_file)

    assert [change.dn for change in asked] == [OU]
    assert first.cmdlet == INVOKE
    assert first.account == read_plan(plan_file).account
    assert [change.status for change in first.changes] == ["applied"]
    assert [change.status for change in second.changes] == ["unchanged"]
    source = json.loads(journal.read_text().splitlines()[0])["source"]
    assert source["cmdlet"] == GROUP_WRITEBACK
    assert source["digest"] == json.loads(plan_file.read_text())["digest"]


def test_what_if_and_a_refusal_at_the_prompt_write_nothing(snapshot_file: Path, plan_file: Path) -> None:
    before = snapshot_file.read_bytes()
    assert [c.status for c in invoke(snapshot_file, plan_file, what_if=True).changes] == ["planned"]
    assert [c.status for c in invoke(snapshot_file, plan_file, confirm=lambda _: False).changes] == [
        "declined"
    ]
    assert snapshot_file.read_bytes() == before


def test_nothing_is_written_when_one_of_the_objects_was_changed_since(
    snapshot_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        plan_on(directory, path, include_admin_sd_holders=True, force=True)
        holder = directory.get(HOLDER, ["nTSecurityDescriptor"]).security_descriptor()
        theirs = Ace.allow(Sid.from_string("S-1-1-0"), 0x10)
        directory.write_dacl(HOLDER, holder.with_dacl((*(holder.dacl or ()), theirs)))
    before = snapshot_file.read_bytes()
    with pytest.raises(
        Conflict, match=r"AdminSDHolder.*was changed since.*\(\+\(A;;RP;;;WD\)\).*make a new plan"
    ):
        invoke(snapshot_file, path)
    assert snapshot_file.read_bytes() == before


def test_an_object_that_is_gone_stops_the_plan_before_anything_is_written(
    snapshot_file: Path, plan_file: Path
) -> None:
    text = snapshot_file.read_text()
    snapshot_file.write_text(text.replace(f'"{OU}"', f'"OU=Renamed,{DOMAIN}"'))
    before = snapshot_file.read_bytes()
    with pytest.raises(UnknownName, match=f"no object '{OU}' any more"):
        invoke(snapshot_file, plan_file)
    assert snapshot_file.read_bytes() == before


def test_a_plan_without_changes_is_a_plan(snapshot_file: Path, plan_file: Path, tmp_path: Path) -> None:
    invoke(snapshot_file, plan_file)
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        plan_on(directory, tmp_path / "nothing.json", ad_object_dn=OU)
    assert read_plan(tmp_path / "nothing.json").changes == ()
    assert invoke(snapshot_file, tmp_path / "nothing.json").changes == ()


@pytest.mark.usefixtures("permissions_restored")
def test_a_plan_of_the_controller_is_applied_there_and_refused_after_a_change(
    directory: LiveDirectory, administrator: Any, tmp_path: Path
) -> None:
    before = trying.read_descriptor(administrator, OU)
    path = tmp_path / "plan.json"
    plan_on(directory, path, ad_object_dn=OU)
    assert read_plan(path).forest == ForestIdentity("contoso.example", Sid.from_string(CONTOSO.sid))
    assert trying.read_descriptor(administrator, OU) == before

    descriptor = SecurityDescriptor.from_bytes(before)
    theirs = Ace.deny(Sid.from_string("S-1-1-0"), 0x40000)
    changed = descriptor.with_dacl((theirs, *(descriptor.dacl or ()))).to_bytes()
    assert trying.write_dacl(administrator, OU, changed) == SUCCESS
    with pytest.raises(Conflict, match=r"\+\(D;;WD;;;WD\)"):
        adsyncconfig.invoke_adsync_plan(directory, path=path)
    assert trying.read_descriptor(administrator, OU) == changed

    assert trying.write_dacl(administrator, OU, before) == SUCCESS
    result = adsyncconfig.invoke_adsync_plan(directory, path=path)
    assert [change.status for change in result.changes] == ["applied"]
    stored = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, OU))
    (change,) = read_plan(path).changes
    assert isinstance(change, Change)
    assert stored.dacl == change.after.dacl


@pytest.mark.usefixtures("permissions_restored")
def test_a_plan_and_a_journal_cost_no_request(contoso: DomainController, tmp_path: Path) -> None:
    counts = []
    grant: GrantParameters = {"ad_connector_account_dn": CONNECTOR_DN, "ad_object_dn": OU}
    with_files: GrantParameters = {
        **grant, "plan_out": tmp_path / "plan.json", "journal": tmp_path / "journal.jsonl",
    }  # fmt: skip
    revocation: GrantParameters = {**grant, "revoke": True}
    for parameters in (grant, with_files):
        with LdapProxy(contoso) as proxy:
            server = adsyncconfig.connect(
                proxy.url, user=contoso.administrator, password=contoso.password, ca_file=contoso.ca_file
            )
            with server as directory:
                result = adsyncconfig.set_adsync_unified_group_writeback_permissions(directory, **parameters)
                assert [change.status for change in result.changes] == ["applied"]
        counts.append(proxy.operations)
        with live(contoso) as directory:
            adsyncconfig.set_adsync_unified_group_writeback_permissions(directory, **revocation)
    assert counts[0] == counts[1]


# -- printed for other tools ---------------------------------------------------------------------------------


def a_plan(*changes: Change) -> Plan:
    forest = ForestIdentity("contoso.example", Sid.from_string(CONTOSO.sid))
    return Plan("Set-X", "2026-01-31T10:00:00.000000+00:00", forest, None, changes, tool="adsyncconfig 1")


def a_change(before: str, after: str, dn: str = OU) -> Change:
    one, other = SecurityDescriptor.from_sddl(before), SecurityDescriptor.from_sddl(after)
    return Change("Grant", "contoso.example", dn, "Writeback", one, other)


def dsacls(before: str, after: str, dn: str = OU) -> list[str]:
    """The lines for one change: commands, and comments on what is not expressed."""
    lines = as_dsacls(a_plan(a_change(before, after, dn))).splitlines()
    return [line for line in lines[lines.index("") + 2 :] if line.startswith(("dsacls", "rem not"))]


SID = "S-1-5-21-1004336348-1177238915-682003330-1102"
RESET = "00299570-246d-11d0-a768-00aa006e0529"
LOCKOUT = "28630ebf-41d5-11d1-a9c1-0000f80367c1"
#: What Microsoft's cmdlets hand to dsacls, from the documentation of each: the entry, and the line for it.
EXPRESSED = [
    (f"(A;;RP;;;{SID})", f'/G "{SID}:RP"'),
    (f"(OA;CIIO;RPWP;;{GROUP};{SID})", f'/I:S /G "{SID}:WPRP;;group"'),
    (f"(OA;CI;CCDC;{GROUP};;{SID})", f'/I:T /G "{SID}:CCDC;group"'),
    (f"(OA;CINP;RP;;{GROUP};{SID})", f'/I:P /G "{SID}:RP;;group"'),
    (f"(OA;CIIO;CR;{RESET};{bundled(Kind.CLASS)['user']};{SID})", f'/I:S /G "{SID}:CA;Reset Password;user"'),
    (f"(OA;CIIO;WP;{LOCKOUT};{bundled(Kind.CLASS)['user']};{SID})", f'/I:S /G "{SID}:WP;lockoutTime;user"'),
    (f"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;{SID})", f'/G "{SID}:CA;Replicating Directory Changes"'),
    (f"(OA;;CR;1131f6ad-9c07-11d1-f79f-00c04fc2dcd2;;{SID})", f'/G "{SID}:CA;Replicating Directory Changes All"'),
    (f"(A;;GA;;;{SID})".replace("GA", "0xf01ff"), f'/G "{SID}:GA"'),
    (f"(D;;WD;;;{SID})", f'/D "{SID}:WD"'),
    (f"(OA;;RP;c7407360-20bf-11d0-a768-00aa006e0529;;{SID})", f'/G "{SID}:RP;Domain Password & Lockout Policies"'),
    (f"(OA;;SW;bf9679c0-0de6-11d0-a285-00aa003049e2;;{SID})", f'/G "{SID}:WS;Add/Remove self as member"'),
]  # fmt: skip


@pytest.mark.parametrize(("ace", "line"), EXPRESSED)
def test_an_entry_as_dsacls_takes_it(ace: str, line: str) -> None:
    assert dsacls("D:(A;;RC;;;AU)", f"D:{ace}(A;;RC;;;AU)") == [f'dsacls "{OU}" {line}']


@pytest.mark.parametrize(
    "ace",
    [
        f"(A;OICI;RP;;;{SID})",  # an object-inherit flag
        f"(A;CINPIO;RP;;;{SID})",
        f"(A;;0x2000000;;;{SID})",
        f"(OA;;RP;11111111-2222-3333-4444-555555555555;;{SID})",  # a GUID that nobody knows
        f'(XA;;RP;;;{SID};(@User.Title == "x"))',
    ],
)
def test_what_dsacls_cannot_express_is_said_and_not_approximated(ace: str) -> None:
    (line,) = dsacls("D:", f"D:{ace}")
    assert line.startswith("rem not expressed: add (")


def test_only_what_is_new_of_a_merged_entry_is_granted() -> None:
    assert dsacls(f"D:(A;;RP;;;{SID})", f"D:(A;;RPWP;;;{SID})") == [f'dsacls "{OU}" /G "{SID}:WP"']


def test_an_account_that_keeps_nothing_is_removed_and_another_only_named() -> None:
    assert dsacls(f"D:(A;;RP;;;{SID})(A;;RC;;;AU)", "D:(A;;RC;;;AU)") == [f'dsacls "{OU}" /R "{SID}"']
    (line,) = dsacls(f"D:(A;;RP;;;{SID})(A;CI;RC;;;{SID})", f"D:(A;;RP;;;{SID})")
    assert line.startswith(f"rem not expressed: take away (A;CI;RC;;;{SID})")


def test_blocked_inheritance_comes_first_and_an_order_cannot_be_expressed() -> None:
    closed = protect(SecurityDescriptor.from_sddl("D:(A;;RC;;;AU)"), keep_inherited=False).to_sddl()
    assert dsacls("D:(A;;RC;;;AU)", closed) == [f'dsacls "{OU}" /P:Y']
    assert dsacls(closed, "D:(A;;RC;;;AU)") == [f'dsacls "{OU}" /P:N']
    (line,) = dsacls("D:(A;;RC;;;AU)(D;;WD;;;WD)", "D:(D;;WD;;;WD)(A;;RC;;;AU)")
    assert "in order alone" in line


@pytest.mark.parametrize(
    ("dn", "quoted"),
    [
        (r"OU=The \"Quoted\" Unit,DC=x", r'"OU=The \22Quoted\22 Unit,DC=x"'),
        (r"OU=100%PATH%,DC=x", r'"OU=100\25PATH\25,DC=x"'),
        (r"OU=a & b | c > d < e ^ f,DC=x", r'"OU=a & b | c > d < e ^ f,DC=x"'),
        (r"OU=Back\\slash,DC=x", r'"OU=Back\\slash,DC=x"'),
        (r"OU=Back\\%,DC=x", r'"OU=Back\\\25,DC=x"'),
        (r"OU=Ends\\", r'"OU=Ends\5C"'),
        ("OU=line\nbreak,DC=x", r'"OU=line\0Abreak,DC=x"'),
    ],
)
def test_a_dn_cannot_leave_its_quotes(dn: str, quoted: str) -> None:
    change = a_change("D:", f"D:(A;;RP;;;{SID})", dn)
    text = as_dsacls(a_plan(change))
    assert text.splitlines()[-1] == f'dsacls {quoted} /G "{SID}:RP"'
    comments = [line for line in text.splitlines() if line.startswith("rem ")]
    assert not any(set(line) & set('%&|<>^"') for line in comments)


def test_a_file_with_letters_beyond_ascii_says_in_which_encoding_it_is() -> None:
    plain, other = (a_plan(a_change("D:", f"D:(A;;RP;;;{SID})", f"OU={name},DC=x")) for name in ("a", "å"))
    assert "chcp" not in as_dsacls(plain)
    assert as_dsacls(other).splitlines()[1] == "chcp 65001 >nul"


def test_a_plan_is_printed_alone_on_standard_output(snapshot_file: Path, plan_file: Path) -> None:
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "--snapshot", str(snapshot_file))
    printed = {
        form: run_command(*arguments, "-WhatIf", "--plan-format", form) for form in ("dsacls", "ldif", "json")
    }
    assert {done.returncode for done in printed.values()} == {0}
    (change,) = json.loads(printed["json"].stdout)["changes"]
    assert change == json.loads(plan_file.read_text())["changes"][0]
    assert printed["dsacls"].stdout.startswith("@echo off\n")
    rights = "SDDTRCLCCCDCWSWPRPLO"  # GRGWCCDCSDDT, each right by itself
    assert printed["dsacls"].stdout.endswith(f'\ndsacls "{OU}" /I:T /G "{CONNECTOR_SID}:{rights};;group"\n')
    assert printed["ldif"].stdout.startswith("version: 1\n")

    assert_one_line_error(run_command(*arguments, NO_PROMPT, "--plan-format", "ldif"), 2, "with -WhatIf")
    assert_one_line_error(
        run_command(*arguments, "-WhatIf", "--json", "--plan-format", "ldif"), 2, "without --json"
    )


def test_ldif_lines_are_folded_and_names_beyond_ascii_encoded() -> None:
    text = as_ldif(a_plan(a_change("D:", f"D:{'(A;;RP;;;WD)' * 30}", r"OU=Grupper\, Återskrivning,DC=x")))
    value = base64.b64encode(r"OU=Grupper\, Återskrivning,DC=x".encode()).decode()
    unfolded = text.replace("\n ", "")
    assert f"\ndn:: {value}\n" in unfolded
    assert "\ncontrol: 1.2.840.113556.1.4.801 true:: MAMCAQQ=\nchangetype: modify\n" in text
    assert all(len(line) <= 76 for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.usefixtures("permissions_restored")
@pytest.mark.parametrize("dn", [OU, HOSTILE_OUS[0], HOSTILE_OUS[2], HOSTILE_OUS[3]])
def test_the_ldif_does_on_the_controller_what_the_plan_says(
    directory: LiveDirectory, contoso: DomainController, administrator: Any, tmp_path: Path, dn: str
) -> None:
    owner_group_sacl = 0x1 | 0x2 | 0x8
    others = trying.read_descriptor(administrator, dn, flags=owner_group_sacl)
    result = plan_on(directory, tmp_path / "plan.json", ad_object_dn=dn)
    assert result.plan is not None
    ldif = tmp_path / "plan.ldif"
    ldif.write_text(as_ldif(result.plan))

    subprocess.run(
        ["ldapmodify", "-x", "-H", f"ldaps://{contoso.host}", "-D", contoso.administrator, "-y", "/dev/stdin",
         "-f", ldif],
        input=contoso.password.encode(), check=True, capture_output=True,
        env={**os.environ, "LDAPTLS_CACERT": str(contoso.ca_file)},
    )  # fmt: skip
    (change,) = result.plan.changes
    assert isinstance(change, Change)
    assert SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, dn)).dacl == change.after.dacl
    assert trying.read_descriptor(administrator, dn, flags=owner_group_sacl) == others


def test_an_entry_of_an_unknown_type_is_said_too() -> None:
    unknown = Ace(AceType.ACCESS_ALLOWED_COMPOUND, AceFlag(0), AccessMask(0), None, data=bytes(8))
    empty = SecurityDescriptor.from_sddl("D:")
    change = Change("Grant", "contoso.example", OU, "W", empty, empty.with_dacl(Acl((unknown,))))
    assert "rem not expressed: add (type 4" in as_dsacls(a_plan(change))
