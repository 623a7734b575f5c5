"""Export-ADSyncSnapshot: what it writes and never writes, and that commands run on the file as on the directory."""

from __future__ import annotations

import gzip
import json
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from contoso_directory import CONNECTOR_DN, HOSTILE_OUS
from expectations import GROUP_WRITEBACK
from samba_lab import DomainController, Forest
from snapshot_edits import add_entry, edit_entry
from test_commands import assert_one_line_error, connection, run

import adsyncconfig
from adsyncconfig import DirectoryError, ParameterError
from adsyncconfig.directory import Entry, Scope
from adsyncconfig.export import ATTRIBUTES
from adsyncconfig.filters import EVERYTHING, Filter
from adsyncconfig.snapshot import SnapshotDirectory

DOMAIN = "DC=contoso,DC=example"
OU = f"OU=Writeback,{DOMAIN}"
EXPORT = "Export-ADSyncSnapshot"
#: Attributes that hold passwords, hashes of them or keys: MS-ADA1 to MS-ADA3, Windows LAPS, BitLocker.
SECRETS = (
    "unicodePwd", "dBCSPwd", "ntPwdHistory", "lmPwdHistory", "userPassword", "supplementalCredentials",
    "unixUserPassword", "msSFU30Password", "ms-Mcs-AdmPwd", "msLAPS-Password", "msLAPS-EncryptedPassword",
    "msLAPS-EncryptedPasswordHistory", "msLAPS-EncryptedDSRMPassword", "msDS-ManagedPassword",
    "msFVE-RecoveryPassword", "msFVE-KeyPackage", "msTPM-OwnerInformation", "trustAuthIncoming",
    "trustAuthOutgoing", "initialAuthIncoming", "initialAuthOutgoing", "currentValue", "priorValue",
    "msPKI-CredentialRoamingTokens", "msPKIAccountCredentials", "msPKIDPAPIMasterKeys", "msKds-RootKeyData",
    "pekList", "msDS-ExecuteScriptPassword", "msDS-KeyCredentialLink",
)  # fmt: skip


class Talkative(SnapshotDirectory):
    """A server that answers more than it is asked for."""

    def search(
        self,
        base: str,
        condition: Filter,
        attributes: Sequence[str],
        *,
        scope: Scope = Scope.SUBTREE,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        return super().search(base, condition, (*attributes, *SECRETS), scope=scope, limit=limit)

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        return super().get(dn, (*attributes, *SECRETS))


class Failing(SnapshotDirectory):
    """A server that fails in the middle of its answer with the whole domain."""

    def search(self, base: str, condition: Filter, *more: Any, **options: Any) -> Iterator[Entry]:
        found = list(super().search(base, condition, *more, **options))
        if base != DOMAIN or condition != EVERYTHING:
            return iter(found)
        return self._half(found)

    def _half(self, found: list[Entry]) -> Iterator[Entry]:
        yield from found[: len(found) // 2]
        raise DirectoryError("the controller's time limit was reached")


def everything(path: Path) -> list[tuple[str, dict[str, Any]]]:
    with adsyncconfig.open_snapshot(path) as directory:
        root = directory.root
        bases = (DOMAIN, root.configuration_naming_context, root.schema_naming_context)
        found = [each for base in bases for each in directory.search(base, EVERYTHING, sorted(ATTRIBUTES))]
        return [(each.dn, dict(each.attributes)) for each in found]


@pytest.mark.parametrize("name", ["export.jsonl", "export.jsonl.gz"])
def test_an_export_holds_what_the_directory_does_and_says_where_from(
    snapshot_file: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        result = adsyncconfig.export_adsync_snapshot(directory, path=path)
    assert everything(path) == everything(snapshot_file)
    raw = path.read_bytes()
    header = json.loads((gzip.decompress(raw) if name.endswith(".gz") else raw).splitlines()[0])
    assert header["bases"] == [DOMAIN, f"CN=Configuration,{DOMAIN}", f"CN=Schema,CN=Configuration,{DOMAIN}"]
    assert header["notRead"] == []
    assert "no passwords, hashes or keys" in header["holds"]
    assert (result.objects, header["entries"]) == (208, 208)
    assert result.unreadable == 126  # the capture keeps no descriptors of the schema and of rights
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_attribute_that_may_be_written_can_hold_a_password() -> None:
    assert not ATTRIBUTES & {name.lower() for name in SECRETS}
    telling = re.compile(r"pass|pwd|secret|credential|key|hash|token|auth", re.IGNORECASE)
    assert [name for name in ATTRIBUTES if telling.search(name)] == ["pwdlastset"]


@pytest.mark.parametrize("base", [None, OU])
def test_what_a_server_says_beyond_what_it_is_asked_is_not_written(
    snapshot_file: Path, tmp_path: Path, base: str | None
) -> None:
    planted = {name: [f"planted-{name}"] for name in SECRETS}
    for dn in (CONNECTOR_DN, OU, DOMAIN):
        edit_entry(snapshot_file, dn, lambda record: record["attributes"].update(planted))
    path = tmp_path / "export.jsonl"
    with Talkative.open(snapshot_file) as directory:
        assert directory.get(OU, ["cn"]).text("unicodePwd") == "planted-unicodePwd"
        adsyncconfig.export_adsync_snapshot(directory, path=path, search_base=base)
    text = path.read_text(encoding="utf-8").lower()
    assert "planted" not in text
    assert not [name for name in SECRETS if f'"{name.lower()}"' in text.replace('["', "")]


def test_what_could_not_be_read_stands_in_the_file_and_an_audit_of_it_says_so(
    snapshot_file: Path, tmp_path: Path
) -> None:
    partitions = f"CN=Partitions,CN=Configuration,{DOMAIN}"
    emea = {"objectClass": ["top", "crossRef"], "dnsRoot": ["emea.contoso.example"], "systemFlags": ["3"]}
    add_entry(snapshot_file, f"CN=EMEA,{partitions}", emea)
    edit_entry(snapshot_file, OU, lambda record: record.update(descriptor=None))
    path = tmp_path / "export.jsonl"
    done = run("-Path", str(path), "--snapshot", str(snapshot_file), "--json", cmdlet=EXPORT)
    assert done.returncode == 3
    assert "holds names, classes, SIDs" in done.stderr
    assert "WARNING: not read: the domain emea.contoso.example: the snapshot " in done.stderr
    (line,) = json.loads(done.stdout)["notRead"]
    with adsyncconfig.open_snapshot(path) as directory:
        assert directory.not_read == (line,)
        report = adsyncconfig.invoke_adsync_permissions_audit(directory)
    assert line in report.not_read
    assert OU in [each.dn for each in report.findings if each.rule.category.value == "unreadable"]


def test_a_search_that_fails_midway_is_said_in_the_file(snapshot_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    with Failing.open(snapshot_file) as directory:
        result = adsyncconfig.export_adsync_snapshot(directory, path=path)
    (line,) = adsyncconfig.open_snapshot(path).not_read
    assert re.fullmatch(rf"'{DOMAIN}': \d+ objects were read and the rest was not: .*time limit.*", line)
    assert result.not_read == (line,)
    assert result.exit_code == 3


def test_a_run_that_breaks_off_leaves_nothing(snapshot_file: Path, tmp_path: Path) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "export.jsonl"
    with adsyncconfig.open_snapshot(snapshot_file) as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adsyncconfig.export._PROGRESS", 50)
        with pytest.raises(KeyboardInterrupt):
            adsyncconfig.export_adsync_snapshot(directory, path=path, notify=interrupted)
    assert [each.name for each in tmp_path.iterdir()] == [snapshot_file.name]


def test_an_export_of_a_part_has_what_commands_there_need(snapshot_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    done = run("-Path", str(path), "-SearchBase", OU, "--snapshot", str(snapshot_file), cmdlet=EXPORT)
    assert done.returncode == 3
    assert f"WARNING: not read: everything but '{OU}' and what belongs to it" in done.stderr
    names = [dn for dn, _ in everything(path)]
    assert len(names) < 200
    assert {DOMAIN, OU, f"CN=Team Deep,OU=Nested,{OU}", CONNECTOR_DN} <= set(names)
    assert f"OU=Blocked,{DOMAIN}" not in names
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf", "--json")
    whole, part = (run(*arguments, "--snapshot", str(each)) for each in (snapshot_file, path))
    assert (part.returncode, part.stdout) == (0, whole.stdout)


def test_a_file_that_is_there_is_left_alone_without_force(snapshot_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text("mine", encoding="utf-8")
    arguments = ("-Path", str(path), "--snapshot", str(snapshot_file))
    refused = run(*arguments, cmdlet=EXPORT)
    assert_one_line_error(refused, 2, "is there already: name a new file, or add -Force")
    assert path.read_text(encoding="utf-8") == "mine"
    assert run(*arguments, "-Force", cmdlet=EXPORT).returncode == 3
    assert len(adsyncconfig.open_snapshot(path)) == 208


@pytest.mark.parametrize("target", ["target.jsonl", "nowhere/target.jsonl"])
def test_no_link_is_followed(snapshot_file: Path, tmp_path: Path, target: str) -> None:
    link = tmp_path / "export.jsonl"
    link.symlink_to(tmp_path / target)
    if "/" not in target:
        (tmp_path / target).write_text("mine", encoding="utf-8")
    with adsyncconfig.open_snapshot(snapshot_file) as directory:
        with pytest.raises(ParameterError, match="is there already"):
            adsyncconfig.export_adsync_snapshot(directory, path=link)
        adsyncconfig.export_adsync_snapshot(directory, path=link, force=True)
    assert not link.is_symlink()
    if "/" not in target:
        assert (tmp_path / target).read_text(encoding="utf-8") == "mine"


def test_a_file_that_appears_meanwhile_is_not_replaced(snapshot_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"

    class Slow(SnapshotDirectory):
        def search(self, *arguments: Any, **options: Any) -> Iterator[Entry]:
            path.write_text("theirs", encoding="utf-8")
            return super().search(*arguments, **options)

    with Slow.open(snapshot_file) as directory, pytest.raises(adsyncconfig.SnapshotError, match="-Force"):
        adsyncconfig.export_adsync_snapshot(directory, path=path)
    assert path.read_text(encoding="utf-8") == "theirs"
    assert {each.name for each in tmp_path.iterdir()} == {path.name, snapshot_file.name}


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        (["-Path", "{new}/x.jsonl"], 2, "there is no folder '.*new.jsonl'"),
        (["-Path", "/tmp"], 2, "is there already"),
        (["-Path", "{new}", "-SearchBase", "nowhere"], 1, "there is no domain 'nowhere'"),
        (["-Path", "{new}", "-SearchBase", f"OU=Gone,{DOMAIN}"], 1, "there is no object"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(
    snapshot_file: Path, tmp_path: Path, arguments: list[str], code: int, pattern: str
) -> None:
    new = tmp_path / "new.jsonl"
    given = [each.format(new=new) for each in arguments]
    assert_one_line_error(run(*given, "--snapshot", str(snapshot_file), cmdlet=EXPORT), code, pattern)
    assert [each.name for each in tmp_path.iterdir()] == [snapshot_file.name]


# -- on a controller -----------------------------------------------------------------------------------------

COMMANDS: dict[str, Sequence[str]] = {
    "Get-ADSyncADConnectorAccount": ["--json"],
    "Get-ADSyncObjectsWithInheritanceDisabled": [DOMAIN, "-ObjectClass", "*", "--json"],
    "Test-ADSyncPermissions": ["-Feature", "BasicRead", "-ADConnectorAccountDN", CONNECTOR_DN, "--json"],
    "Remove-ADSyncPermissions": ["-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", "--json"],
    "Set-ADSyncBasicReadPermissions": ["-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", "--json"],
    "Set-ADSyncPasswordHashSyncPermissions": ["-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", "--json"],
    GROUP_WRITEBACK: ["-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, "-WhatIf", "--json"],
    "Show-ADSyncADObjectPermissions": [HOSTILE_OUS[0]],
}


@pytest.fixture(scope="module")
def exported(contoso: DomainController, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "contoso.jsonl.gz"
    done = run("-Path", str(path), cmdlet=EXPORT, env=connection(contoso))
    assert done.returncode == 0, done.stderr
    assert contoso.password not in gzip.decompress(path.read_bytes()).decode()
    return path


@pytest.mark.parametrize("cmdlet", COMMANDS)
def test_a_command_says_the_same_of_an_export_as_of_the_controller(
    contoso: DomainController, exported: Path, cmdlet: str
) -> None:
    live = run(*COMMANDS[cmdlet], cmdlet=cmdlet, env=connection(contoso))
    kept = run(*COMMANDS[cmdlet], "--snapshot", str(exported), cmdlet=cmdlet)
    assert live.returncode in (0, 3), live.stderr
    assert (kept.returncode, kept.stdout) == (live.returncode, live.stdout)


def test_an_audit_finds_the_same_in_an_export_as_on_the_controller(
    contoso: DomainController, exported: Path
) -> None:
    live = run("--json", cmdlet="Invoke-ADSyncPermissionsAudit", env=connection(contoso))
    kept = run("--json", "--snapshot", str(exported), cmdlet="Invoke-ADSyncPermissionsAudit")
    said, again = json.loads(live.stdout), json.loads(kept.stdout)
    assert said["read"] > 2000
    for each in (said, again):
        del each["taken"]
    (day,) = again.pop("warnings")
    assert day.startswith("this is a snapshot of 20")
    assert said.pop("warnings") == []
    assert again == said
    assert kept.returncode == live.returncode


def test_an_export_of_a_forest_holds_its_domains(forest: Forest, tmp_path: Path) -> None:
    path = tmp_path / "forest.jsonl.gz"
    servers = ("-Server", forest.root.url, "-Server", f"{forest.child.realm}={forest.child.url}")
    env = connection(forest.root)
    done = run("-Path", str(path), *servers, cmdlet=EXPORT, env=env)
    assert done.returncode == 0, done.stderr
    with adsyncconfig.open_snapshot(path) as directory:
        child = directory.for_domain(forest.child.realm)
        assert child.root.default_naming_context == forest.child.base_dn
        assert child.get(f"CN=User Emea,CN=Users,{forest.child.base_dn}", ["objectSid"]).sid()
    arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-WhatIf", "--json")
    live = run(*arguments, *servers, env=env)
    kept = run(*arguments, "--snapshot", str(path))
    assert (kept.returncode, kept.stdout) == (live.returncode, live.stdout)
