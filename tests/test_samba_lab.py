"""The lab is what the other tests take it for: verified TLS, real access checks, a forest, an exact count."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import contoso_directory as directory
import ldap3
import pytest
import samba_lab
from conftest import ConnectAs
from hypothesis import given
from hypothesis import strategies as st
from lab_certificates import unrelated_ca_file
from ldap3.core.exceptions import LDAPSocketOpenError
from ldap_proxy import LdapProxy, MessageReader, Request
from samba_lab import DomainController, Forest, LabError, VerifiedTls

STRONGER_AUTH_REQUIRED = 8
INSUFFICIENT_ACCESS_RIGHTS = 50


def test_ldaps_answers_with_a_certificate_that_verifies(
    contoso: DomainController, connect_as: ConnectAs
) -> None:
    connection = connect_as(contoso, contoso.administrator)
    connection.search("", "(objectClass=*)", "BASE", attributes=["dnsHostName", "defaultNamingContext"])
    (root_dse,) = connection.response
    assert root_dse["raw_attributes"]["dnsHostName"] == [contoso.host_name.encode()]
    assert root_dse["raw_attributes"]["defaultNamingContext"] == [contoso.base_dn.encode()]


def test_another_authority_does_not_verify_it(contoso: DomainController, tmp_path: Path) -> None:
    tls = VerifiedTls(unrelated_ca_file(tmp_path / "ca.pem"))
    server = ldap3.Server(contoso.host, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    with pytest.raises(LDAPSocketOpenError, match="CERTIFICATE_VERIFY_FAILED"):
        ldap3.Connection(server).open()


def test_only_its_own_names_verify(contoso: DomainController) -> None:
    context = ssl.create_default_context(cafile=contoso.ca_file)
    for name in (contoso.host_name, "localhost", contoso.host):
        with socket.create_connection((contoso.host, 636), 5) as plain:
            context.wrap_socket(plain, server_hostname=name).close()
    with (
        socket.create_connection((contoso.host, 636), 5) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"),
    ):
        context.wrap_socket(plain, server_hostname="dc9.contoso.example")


def test_a_simple_bind_in_clear_is_refused(contoso: DomainController) -> None:
    server = ldap3.Server(contoso.host, use_ssl=False, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, contoso.administrator, contoso.password)
    assert not connection.bind()
    assert connection.result["result"] == STRONGER_AUTH_REQUIRED
    connection.unbind()


def test_the_connector_has_its_sid_and_may_create_nothing(
    contoso: DomainController, connect_as: ConnectAs
) -> None:
    connection = connect_as(contoso, directory.CONNECTOR)
    connection.search(directory.CONNECTOR_DN, "(objectClass=*)", "BASE", attributes=["objectSid"])
    assert connection.response[0]["raw_attributes"]["objectSid"] == [_sid_bytes(directory.CONNECTOR_SID)]
    for name, object_class in (("CN=New", "group"), ("CN=New", "user"), ("OU=New", "organizationalUnit")):
        assert not connection.add(f"{name},OU=Writeback,{contoso.base_dn}", object_class)
        assert connection.result["result"] == INSUFFICIENT_ACCESS_RIGHTS


@pytest.mark.parametrize("dn", [*directory.HOSTILE_OUS, directory.HOSTILE_ACCOUNT_DN])
def test_a_hostile_name_comes_back_as_it_was_given(
    contoso: DomainController, connect_as: ConnectAs, dn: str
) -> None:
    connection = connect_as(contoso, directory.HELPDESK)
    assert connection.search(dn, "(objectClass=*)", "BASE")
    assert connection.response[0]["raw_dn"].decode() == dn


def test_the_forest_root_lists_both_domains(forest: Forest, connect_as: ConnectAs) -> None:
    connection = connect_as(forest.root, forest.root.administrator)
    partitions = f"CN=Partitions,CN=Configuration,{forest.root.base_dn}"
    # systemFlags bit 2, FLAG_CR_NTDS_DOMAIN, by the bitwise-and matching rule
    connection.search(partitions, "(systemFlags:1.2.840.113556.1.4.803:=2)", attributes=["dnsRoot"])
    roots = [entry["raw_attributes"]["dnsRoot"] for entry in connection.response]
    assert sorted(roots) == [[b"contoso.example"], [b"emea.contoso.example"]]
    child = connect_as(forest.child, forest.child.administrator)
    assert child.search(f"CN=Team Emea,OU=Writeback,{forest.child.base_dn}", "(objectClass=group)")


def test_one_ca_file_verifies_the_whole_forest(forest: Forest) -> None:
    assert forest.root.ca_file.read_bytes() == forest.child.ca_file.read_bytes()


def test_the_proxy_counts_exactly(contoso: DomainController) -> None:
    with LdapProxy(contoso) as proxy:
        server = ldap3.Server(proxy.url, tls=VerifiedTls(contoso.ca_file), get_info=ldap3.NONE)
        connection = ldap3.Connection(server, contoso.administrator, contoso.password)
        assert connection.bind()
        # several megabytes of answer, so that both directions cross many TLS records
        assert connection.search(
            f"CN=Schema,CN=Configuration,{contoso.base_dn}", "(objectClass=*)", attributes=["*"]
        )
        assert proxy.operations == ["bindRequest", "searchRequest"]
        proxy.clear()
        connection.modify(f"CN=Absent,{contoso.base_dn}", {"description": [(ldap3.MODIFY_REPLACE, ["-"])]})
        connection.unbind()
    assert proxy.operations == ["modifyRequest", "unbindRequest"]


@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 70000)), max_size=5), st.data())
def test_the_proxy_reads_messages_however_they_are_cut(
    messages: list[tuple[int, int]], data: st.DataObject
) -> None:
    stream = b"".join(_search_request(number, size) for number, size in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = MessageReader()
    found: list[Request] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert found == [Request(number, "searchRequest") for number, _ in messages]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    folder = samba_lab.short_folder()
    yield folder
    shutil.rmtree(folder)


def test_an_address_that_is_taken_is_named(contoso: DomainController) -> None:
    with pytest.raises(LabError, match=rf"port 88 of {contoso.host} is taken"):
        samba_lab.start(replace(contoso, process=None))


def test_a_controller_that_ends_at_once_shows_its_log(contoso: DomainController, short_folder: Path) -> None:
    broken = replace(contoso, host="127.0.0.9", folder=short_folder)
    with pytest.raises(LabError, match=r"dc1\.contoso\.example ended with code \d+:\n(?s:.*)smb\.conf"):
        samba_lab.start(broken)


def test_stop_kills_what_does_not_end(contoso: DomainController) -> None:
    command = ["/bin/sh", "-c", "trap '' TERM; echo ready; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        replace(contoso, process=process).stop(seconds=0.1)
        assert process.returncode == -signal.SIGKILL


def _search_request(message_id: int, size: int) -> bytes:
    number = message_id.to_bytes((message_id.bit_length() + 8) // 8)
    body = b"\x02" + _length(len(number)) + number + b"\x63" + _length(size) + bytes(size)
    return b"\x30" + _length(len(body)) + body


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    # four bytes even where fewer would do: BER allows it, and Microsoft's clients write so
    return b"\x84" + size.to_bytes(4)


def _sid_bytes(text: str) -> bytes:
    revision, authority, *parts = (int(part) for part in text.removeprefix("S-").split("-"))
    return struct.pack(f"<BB6s{len(parts)}I", revision, len(parts), authority.to_bytes(6), *parts)
