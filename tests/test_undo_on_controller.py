"""Undo on a real domain controller: what a run changed is as it was, and what others changed is theirs."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from expectations import GROUP_WRITEBACK, expected_aces
from ldap_proxy import LdapProxy
from samba_lab import DomainController, Forest
from test_commands import NO_PROMPT, connection
from test_commands import run as run_command
from trying import REFUSED, SUCCESS

import adsyncconfig
from acl import Ace, SecurityDescriptor
from acl.sddl import ace_from_sddl, ace_to_sddl
from adsyncconfig import Conflict, DirectoryError, PartialApply, SetResult
from adsyncconfig.journal import read_journal
from adsyncconfig.live import LiveDirectory

DOMAIN = "DC=contoso,DC=example"
HOLDER = f"CN=AdminSDHolder,CN=System,{DOMAIN}"
OU = f"OU=Writeback,{DOMAIN}"
UNDO = "Undo-ADSyncPermissions"
THEM = "S-1-5-11"  # Authenticated Users: a trustee that is no account of the run

pytestmark = pytest.mark.usefixtures("permissions_restored")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def grant(directory: LiveDirectory, **parameters: Any) -> SetResult:
    return adsyncconfig.set_adsync_unified_group_writeback_permissions(
        directory, ad_connector_account_dn=CONNECTOR_DN, **parameters
    )


def undo(directory: LiveDirectory, path: Path, **parameters: Any) -> SetResult:
    return adsyncconfig.undo_adsync_permissions(directory, journal_path=path, **parameters)


def statuses(result: SetResult | None) -> list[str]:
    assert result is not None
    return [change.status for change in result.changes]


def edit(administrator: Any, dn: str, change: Callable[[tuple[Ace, ...]], tuple[Ace, ...]]) -> bytes:
    """Change the entries of an object as somebody else would; what the server has then."""
    descriptor = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, dn))
    assert descriptor.dacl is not None
    edited = descriptor.with_dacl(change(descriptor.dacl.aces)).to_bytes()
    assert trying.write_dacl(administrator, dn, edited) == SUCCESS
    return trying.read_descriptor(administrator, dn)


def explicit(administrator: Any, dn: str) -> list[str]:
    dacl = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, dn)).dacl
    return [ace_to_sddl(ace) for ace in dacl or () if not ace.is_inherited]


# -- nobody else was there -----------------------------------------------------------------------------------


def test_undo_puts_every_dacl_back_byte_for_byte_and_the_account_is_refused_again(
    directory: LiveDirectory,
    contoso: DomainController,
    administrator: Any,
    connect_as: ConnectAs,
    journal: Path,
) -> None:
    connector = connect_as(contoso, CONNECTOR)
    before = [trying.read_descriptor(administrator, dn) for dn in (DOMAIN, HOLDER, OU)]
    grant(directory, include_admin_sd_holders=True, force=True, journal=journal)
    ou_journal = journal.with_name("ou.jsonl")
    grant(directory, ad_object_dn=OU, journal=ou_journal)
    group = f"CN=Undone Group,{OU}"
    assert trying.create_group(connector, group) == SUCCESS
    assert trying.delete(connector, group) == SUCCESS

    assert statuses(undo(directory, ou_journal)) == ["applied"]
    assert statuses(undo(directory, journal)) == ["applied", "applied"]
    assert [trying.read_descriptor(administrator, dn) for dn in (DOMAIN, HOLDER, OU)] == before
    assert trying.create_group(connector, group) == REFUSED
    assert trying.write(connector, f"CN=Team Blue,{OU}", "description", "changed") == REFUSED


def test_undoing_twice_changes_nothing_and_an_undo_can_be_undone(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    grant(directory, ad_object_dn=OU, journal=journal)
    granted = trying.read_descriptor(administrator, OU)
    own = journal.with_name("undo.jsonl")
    undo(directory, journal, journal=own)
    restored = trying.read_descriptor(administrator, OU)
    again = undo(directory, journal)
    assert statuses(again) == ["unchanged"]
    assert trying.read_descriptor(administrator, OU) == restored
    assert statuses(undo(directory, own)) == ["applied"]
    assert trying.read_descriptor(administrator, OU) == granted


def test_what_if_and_a_refusal_at_the_prompt_restore_nothing(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    grant(directory, ad_object_dn=OU, journal=journal)
    granted = trying.read_descriptor(administrator, OU)
    planned = undo(directory, journal, what_if=True)
    assert statuses(planned) == ["planned"]
    assert [ace_to_sddl(ace) for ace in planned.changes[0].removed] == expected_aces(
        GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID
    )
    assert statuses(undo(directory, journal, confirm=lambda _: False)) == ["declined"]
    assert trying.read_descriptor(administrator, OU) == granted


def test_a_restricted_account_gets_its_old_permissions_back(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    before = trying.read_descriptor(administrator, CONNECTOR_DN)
    adsyncconfig.set_adsync_restricted_permissions(
        directory, ad_connector_account_dn=CONNECTOR_DN, journal=journal
    )
    assert SecurityDescriptor.from_bytes(
        trying.read_descriptor(administrator, CONNECTOR_DN)
    ).dacl_is_protected
    undo(directory, journal)
    assert trying.read_descriptor(administrator, CONNECTOR_DN) == before


def test_a_revocation_is_undone_as_a_grant_is(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    grant(directory, ad_object_dn=OU)
    granted = trying.read_descriptor(administrator, OU)
    grant(directory, ad_object_dn=OU, revoke=True, journal=journal)
    undo(directory, journal)
    assert trying.read_descriptor(administrator, OU) == granted


def test_the_journal_names_the_caller_and_holds_no_password(
    directory: LiveDirectory, contoso: DomainController, journal: Path
) -> None:
    grant(directory, ad_object_dn=OU, journal=journal)
    text = journal.read_text()
    head = json.loads(text.splitlines()[0])
    assert head["who"]["directory"] == contoso.administrator
    assert head["controller"] == contoso.host_name
    assert head["forest"] == {"rootDomain": contoso.realm, "sid": contoso.domain.sid}
    assert contoso.password not in text
    (change,) = read_journal(journal).changes
    assert change.guid == directory.get(OU, ["objectGUID"]).guid()


# -- somebody else was there ---------------------------------------------------------------------------------

THEIRS = f"(A;CI;CCDC;;;{THEM})"


def test_an_object_that_somebody_else_changed_is_refused_with_the_difference(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    grant(directory, ad_object_dn=OU, journal=journal)
    changed = edit(administrator, OU, lambda aces: (ace_from_sddl(THEIRS), *aces))
    with pytest.raises(
        Conflict, match=r"changed by somebody else since \(\+\(A;CI;CCDC;;;AU\)\).*-Force"
    ) as raised:
        undo(directory, journal)
    assert statuses(raised.value.result) == ["failed"]
    assert trying.read_descriptor(administrator, OU) == changed


def test_force_takes_out_just_what_the_run_added(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    before = explicit(administrator, OU)
    grant(directory, ad_object_dn=OU, journal=journal)
    edit(administrator, OU, lambda aces: (ace_from_sddl(THEIRS), *aces))
    own = journal.with_name("undo.jsonl")
    forced = trying.read_descriptor(administrator, OU)
    assert statuses(undo(directory, journal, force=True, journal=own)) == ["applied"]
    assert sorted(explicit(administrator, OU)) == sorted([*before, "(A;CI;CCDC;;;AU)"])
    assert statuses(undo(directory, journal, force=True)) == ["unchanged"]
    undo(directory, own)
    assert sorted(explicit(administrator, OU)) == sorted(
        ace_to_sddl(ace) for ace in SecurityDescriptor.from_bytes(forced).dacl or () if not ace.is_inherited
    )


def test_force_leaves_the_rights_that_were_there_in_an_entry_that_the_run_merged(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    (granted,) = expected_aces(GROUP_WRITEBACK, "organizationalUnit", CONNECTOR_SID)
    # The account could read groups before, and somebody lets it control access to them afterwards: both in the
    # entry that the run made wider.
    edit(
        administrator, OU, lambda aces: (*aces, ace_from_sddl(granted.replace("CCDCLCSWRPWPDTLOSDRC", "RP")))
    )
    grant(directory, ad_object_dn=OU, journal=journal)
    assert explicit(administrator, OU).count(granted) == 1
    wider = granted.replace("RC;", "RCCR;").replace("CCDCLCSWRPWPDTLOSDRCCR", "CCDCLCSWRPWPDTLOCRSDRC")
    edit(
        administrator,
        OU,
        lambda aces: tuple(ace_from_sddl(wider) if ace_to_sddl(ace) == granted else ace for ace in aces),
    )
    undo(directory, journal, force=True)
    left = [ace for ace in explicit(administrator, OU) if CONNECTOR_SID in ace]
    assert left == [granted.replace("CCDCLCSWRPWPDTLOSDRC", "RPCR")]


def test_force_puts_back_what_a_revocation_took_away(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    grant(directory, ad_object_dn=OU)
    granted = explicit(administrator, OU)
    grant(directory, ad_object_dn=OU, revoke=True, journal=journal)
    edit(administrator, OU, lambda aces: (ace_from_sddl(THEIRS), *aces))
    undo(directory, journal, force=True)
    assert sorted(explicit(administrator, OU)) == sorted([*granted, "(A;CI;CCDC;;;AU)"])


def test_a_change_further_up_that_is_inherited_is_nobody_elses_change(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    before = explicit(administrator, OU)
    grant(directory, ad_object_dn=OU, journal=journal)
    grant(directory)  # the OU inherits what the domain's root gains
    assert statuses(undo(directory, journal)) == ["applied"]
    assert explicit(administrator, OU) == before


@pytest.fixture
def spare_ou(administrator: Any) -> Iterator[str]:
    dn = f"OU=Spare Unit,{DOMAIN}"
    assert trying.create(administrator, dn, "organizationalUnit") == SUCCESS
    yield dn
    trying.delete(administrator, dn)


def test_an_object_that_is_gone_or_another_one_now_is_refused(
    directory: LiveDirectory, administrator: Any, journal: Path, spare_ou: str
) -> None:
    grant(directory, ad_object_dn=spare_ou, journal=journal)
    assert trying.delete(administrator, spare_ou) == SUCCESS
    with pytest.raises(DirectoryError, match="deleted, moved or renamed since"):
        undo(directory, journal)
    assert trying.create(administrator, spare_ou, "organizationalUnit") == SUCCESS
    grant(directory, ad_object_dn=spare_ou)
    theirs = trying.read_descriptor(administrator, spare_ou)
    with pytest.raises(DirectoryError, match="is another object now"):
        undo(directory, journal)
    assert trying.read_descriptor(administrator, spare_ou) == theirs


def test_what_can_be_restored_is_when_another_object_is_refused(
    directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    before = trying.read_descriptor(administrator, DOMAIN)
    grant(directory, include_admin_sd_holders=True, force=True, journal=journal)
    changed = edit(administrator, HOLDER, lambda aces: (ace_from_sddl(f"(A;;RP;;;{THEM})"), *aces))
    own = journal.with_name("undo.jsonl")
    with pytest.raises(
        PartialApply, match=r"1 of 2 changes written.*AdminSDHolder.*the journal is '.*undo\.jsonl'"
    ):
        undo(directory, journal, journal=own)
    assert trying.read_descriptor(administrator, DOMAIN) == before
    now = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, HOLDER))
    then = SecurityDescriptor.from_bytes(changed)
    assert [ace for ace in now.dacl or () if not ace.is_inherited] == [
        ace for ace in then.dacl or () if not ace.is_inherited
    ]


# -- something broke -----------------------------------------------------------------------------------------


class CutsAfterModify(LdapProxy):
    """Passes a modify request on, and ends the connection before its answer."""

    def forward(self, sink: ssl.SSLSocket, data: bytes, *, from_client: bool) -> None:
        if not from_client and "modifyRequest" in self.operations:
            raise ConnectionError
        super().forward(sink, data, from_client=from_client)


def test_a_write_whose_answer_got_lost_is_undone_too(
    contoso: DomainController, directory: LiveDirectory, administrator: Any, journal: Path
) -> None:
    before = trying.read_descriptor(administrator, OU)
    with CutsAfterModify(contoso) as proxy:
        cut = adsyncconfig.connect(
            proxy.url, user=contoso.administrator, password=contoso.password, ca_file=contoso.ca_file
        )
        with cut, pytest.raises(PartialApply, match="it is not known") as raised:
            grant(cut, ad_object_dn=OU, journal=journal)
    assert raised.value.result is not None
    assert raised.value.result.journal == str(journal)
    (change,) = read_journal(journal).changes
    assert change.begun
    # The server may still be at it.
    for _ in range(100):
        if trying.read_descriptor(administrator, OU) != before:
            break
    assert trying.read_descriptor(administrator, OU) != before
    assert statuses(undo(directory, journal)) == ["applied"]
    assert trying.read_descriptor(administrator, OU) == before


def test_a_refused_write_has_nothing_to_undo(contoso: DomainController, journal: Path) -> None:
    with live(contoso, f"helpdesk@{contoso.realm}") as directory:
        with pytest.raises(adsyncconfig.AccessDenied):
            grant(directory, ad_object_dn=OU, journal=journal)
        (change,) = read_journal(journal).changes
        assert not change.begun
        assert undo(directory, journal).changes == ()


@pytest.mark.usefixtures("forest_restored")
def test_a_domain_that_fails_does_not_stop_the_other_and_the_journal_is_named(
    forest: Forest, connect_as: ConnectAs, journal: Path
) -> None:
    root, child = (connect_as(each, each.administrator) for each in (forest.root, forest.child))
    before = (
        trying.read_descriptor(root, forest.root.base_dn),
        trying.read_descriptor(child, forest.child.base_dn),
    )
    with (
        LdapProxy(forest.child) as proxy,
        live(forest.root, servers={forest.child.realm: proxy.url}) as directory,
    ):

        def confirm(change: Any) -> bool:
            if change.domain == forest.child.realm:  # its controller dies once everything is planned
                proxy.stop()
            return True

        with pytest.raises(PartialApply) as raised:
            grant(directory, journal=journal, confirm=confirm)
    assert raised.value.exit_code == 4
    assert f"the journal is '{journal}'" in str(raised.value)
    assert forest.child.base_dn in str(raised.value)
    assert raised.value.result is not None
    assert [(c.dn, c.status, c.controller) for c in raised.value.result.changes] == [
        (forest.root.base_dn, "applied", forest.root.host_name),
        (forest.child.base_dn, "failed", forest.child.host_name),
    ]
    assert trying.read_descriptor(child, forest.child.base_dn) == before[1]

    with live(forest.root, servers={forest.child.realm: forest.child.url}) as directory:
        again = grant(directory)
        assert statuses(again) == ["unchanged", "applied"]
        grant(directory, ad_object_dn=forest.child.base_dn, revoke=True)
        undo(directory, journal)
    assert trying.read_descriptor(root, forest.root.base_dn) == before[0]


@pytest.mark.usefixtures("forest_restored")
def test_a_run_over_two_domains_is_undone_in_both(
    forest: Forest, connect_as: ConnectAs, journal: Path
) -> None:
    servers = {forest.child.realm: forest.child.url}
    connections = [connect_as(each, each.administrator) for each in (forest.root, forest.child)]
    dns = [forest.root.base_dn, forest.child.base_dn]
    before = [trying.read_descriptor(*each) for each in zip(connections, dns, strict=True)]
    with live(forest.root, servers=servers) as directory:
        grant(directory, journal=journal)
        assert [trying.read_descriptor(*each) for each in zip(connections, dns, strict=True)] != before
        result = undo(directory, journal)
    assert [(c.dn, c.controller) for c in result.changes] == [
        (forest.child.base_dn, forest.child.host_name),
        (forest.root.base_dn, forest.root.host_name),
    ]
    assert [trying.read_descriptor(*each) for each in zip(connections, dns, strict=True)] == before


# -- as commands ---------------------------------------------------------------------------------------------


def test_commands_keep_a_journal_and_undo_by_it(
    contoso: DomainController, administrator: Any, tmp_path: Path
) -> None:
    before = trying.read_descriptor(administrator, OU)
    env = connection(contoso, XDG_STATE_HOME=str(tmp_path))
    done = run_command("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, NO_PROMPT, env=env)
    assert done.returncode == 0, done.stderr
    (journal,) = tmp_path.rglob("*.jsonl")
    assert f"The journal is '{journal}'" in done.stdout

    undone = run_command("-JournalPath", str(journal), NO_PROMPT, "--json", cmdlet=UNDO, env=env)
    assert undone.returncode == 0, undone.stderr
    said = json.loads(undone.stdout)
    assert said["cmdlet"] == UNDO
    assert said["account"] is None
    assert said["journal"] != str(journal)
    assert Path(said["journal"]).parent == journal.parent
    assert trying.read_descriptor(administrator, OU) == before
    again = run_command(str(journal), NO_PROMPT, cmdlet=UNDO, env=env)
    assert again.returncode == 0
    assert "it is as it was before that run" in again.stdout


def test_a_conflict_is_one_line_and_exit_code_1(
    contoso: DomainController, administrator: Any, journal: Path
) -> None:
    env = connection(contoso)
    grant_arguments = ("-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", OU, NO_PROMPT)
    assert run_command(*grant_arguments, "--journal", str(journal), env=env).returncode == 0
    edit(administrator, OU, lambda aces: (ace_from_sddl(THEIRS), *aces))
    done = run_command(str(journal), NO_PROMPT, cmdlet=UNDO, env=env)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "+(A;CI;CCDC;;;AU)" in line
    forced = run_command(str(journal), NO_PROMPT, "-Force", cmdlet=UNDO, env=env)
    assert forced.returncode == 0, forced.stderr
