"""The live directory against a real controller: encryption, certificates, and what its refusals turn into."""

from __future__ import annotations

import gc
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trying
from conftest import ConnectAs, live
from contoso_directory import CONNECTOR_DN
from lab_certificates import unrelated_ca_file
from ldap_proxy import LdapProxy
from pytest_mock import MockerFixture
from samba_lab import DomainController
from sockets import Listener, forwarder, silent_listener

import adsyncconfig
from adsyncconfig import (
    AccessDenied,
    AuthenticationFailed,
    DirectoryError,
    NotFound,
    ParameterError,
    Unreachable,
)
from adsyncconfig import live as live_module
from adsyncconfig.filters import EVERYTHING
from adsyncconfig.live import LiveDirectory
from adsyncconfig.session import Answer
from adsyncconfig.transport import unreachable

SECRET = "Planted-Secret.42"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with silent_listener() as listening:
        yield listening


def connect(controller: DomainController, url: str, **options: Any) -> LiveDirectory:
    given: dict[str, Any] = {
        "user": controller.administrator,
        "password": controller.password,
        "ca_file": controller.ca_file,
        "timeout": 10,
    }
    return adsyncconfig.connect(url, **(given | options))


def test_starttls_encrypts_a_connection_to_port_389(contoso: DomainController) -> None:
    with connect(contoso, f"ldap://{contoso.host}", starttls=True) as directory:
        assert directory.root.default_naming_context == contoso.base_dn


def test_a_bare_host_name_means_ldaps(contoso: DomainController) -> None:
    with connect(contoso, contoso.host) as directory:
        assert directory.root.domain == contoso.realm


def test_an_unencrypted_connection_is_refused_before_anything_is_sent(listener: Listener) -> None:
    with pytest.raises(ParameterError, match=r"not encrypted, and a password never goes over it.*--starttls"):
        adsyncconfig.connect(
            f"ldap://127.0.0.1:{listener.port}", user="admin@contoso.example", password=SECRET
        )
    assert listener.received == b""


def test_a_server_that_does_not_answer_starttls_gets_no_password(listener: Listener) -> None:
    with pytest.raises(DirectoryError):
        adsyncconfig.connect(
            f"ldap://127.0.0.1:{listener.port}",
            user="admin@contoso.example",
            password=SECRET,
            starttls=True,
            timeout=1,
        )
    assert b"1.3.6.1.4.1.1466.20037" in listener.received
    assert SECRET.encode() not in listener.received


def test_a_certificate_of_an_unknown_issuer_is_refused(contoso: DomainController, tmp_path: Path) -> None:
    other = unrelated_ca_file(tmp_path / "other.pem")
    with pytest.raises(Unreachable, match=r"certificate of .* is not trusted: .*--ca-file"):
        connect(contoso, contoso.url, ca_file=other)


def test_without_a_ca_file_the_systems_authorities_decide(contoso: DomainController) -> None:
    with pytest.raises(Unreachable, match="is not trusted"):
        connect(contoso, contoso.url, ca_file=None)


@pytest.mark.parametrize(("scheme", "port"), [("ldaps", 636), ("ldap", 389)])
def test_a_certificate_for_another_name_is_refused(contoso: DomainController, scheme: str, port: int) -> None:
    with (
        forwarder("127.0.0.9", (contoso.host, port)) as forwarded,
        pytest.raises(
            Unreachable,
            match=r"not trusted: it is for dc1\.contoso\.example, .*not for 127\.0\.0\.9 .*; name the",
        ),
    ):
        connect(contoso, f"{scheme}://127.0.0.9:{forwarded}", starttls=scheme == "ldap")


def test_verification_is_left_out_only_when_asked(contoso: DomainController) -> None:
    with (
        forwarder("127.0.0.9", (contoso.host, 636)) as port,
        connect(contoso, f"ldaps://127.0.0.9:{port}", ca_file=None, verify=False) as directory,
    ):
        assert directory.root.default_naming_context == contoso.base_dn


def test_a_ca_file_that_is_missing_or_none_is_named(contoso: DomainController, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"cannot read the CA file '.*gone\.pem': No such file"):
        connect(contoso, contoso.url, ca_file=tmp_path / "gone.pem")
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    with pytest.raises(ParameterError, match=r"cannot read the CA file '.*empty\.pem'.*PEM"):
        connect(contoso, contoso.url, ca_file=empty)


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(
        Unreachable, match=rf"^cannot reach 'ldaps://127\.0\.0\.1:{port}': Connection refused$"
    ):
        adsyncconfig.connect(f"ldaps://127.0.0.1:{port}", user="a@contoso.example", password=SECRET)


def test_a_host_whose_first_address_refuses_is_reached_by_the_next(
    contoso: DomainController, mocker: MockerFixture
) -> None:
    """As localhost is, where it is ::1 first. The socket that failed is closed: a forgotten one is a warning."""
    refusing = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))
    there = socket.getaddrinfo(contoso.host, 636, type=socket.SOCK_STREAM)
    mocker.patch("ldap3.core.server.socket.getaddrinfo", return_value=[refusing, *there])
    with connect(contoso, contoso.url) as directory:
        assert directory.root.default_naming_context == contoso.base_dn
    gc.collect()


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"^cannot reach 'ldaps://dc1\.invalid': [^\[\]()]+$"):
        adsyncconfig.connect("ldaps://dc1.invalid", user="a@contoso.example", password=SECRET)


def test_a_server_that_never_answers_is_given_up_after_the_time_out(listener: Listener) -> None:
    with pytest.raises(Unreachable, match="timed out"):
        adsyncconfig.connect(
            f"ldaps://127.0.0.1:{listener.port}", user="a@contoso.example", password=SECRET, timeout=1
        )


def test_a_server_that_speaks_no_tls_is_named(contoso: DomainController) -> None:
    with pytest.raises(Unreachable, match=rf"ldaps://{contoso.host}:389"):
        connect(contoso, f"ldaps://{contoso.host}:389", timeout=3)


@pytest.mark.parametrize(
    "url",
    ["", "http://dc1.contoso.example", "ldaps://", "ldaps://dc1:none", "ldaps://dc1/path", "ldaps://a@dc1"],
)
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ParameterError, match="is no server"):
        adsyncconfig.connect(url, user="a@contoso.example", password=SECRET)


def test_a_wrong_password_is_told_from_an_unknown_server(contoso: DomainController) -> None:
    with pytest.raises(AuthenticationFailed, match="the user name or the password is wrong") as raised:
        connect(contoso, contoso.url, password=SECRET)
    assert SECRET not in str(raised.value)


def test_an_empty_password_is_refused_since_a_server_would_take_it_for_anonymous(
    contoso: DomainController,
) -> None:
    with pytest.raises(ParameterError, match="needs a user and a password"):
        connect(contoso, contoso.url, password="")


def test_a_missing_object_is_not_found_and_a_bad_dn_is_no_dn(
    directory: LiveDirectory, contoso: DomainController
) -> None:
    with pytest.raises(NotFound, match=r"there is no object 'OU=Gone"):
        directory.get(f"OU=Gone,{contoso.base_dn}", ["name"])
    with pytest.raises(ParameterError, match="is no distinguished name"):
        directory.get("Writeback", ["name"])


def test_a_dn_that_only_the_server_finds_wrong_is_told_as_such(directory: LiveDirectory) -> None:
    with pytest.raises((ParameterError, DirectoryError), match=r"1\.2\.3=x"):
        directory.get("1.2.3=x,DC=contoso,DC=example", ["name"])


def test_a_search_reads_every_page(
    directory: LiveDirectory, contoso: DomainController, mocker: MockerFixture
) -> None:
    whole = sorted(entry.dn for entry in directory.search(contoso.base_dn, EVERYTHING, ["name"]))
    mocker.patch.object(live_module, "PAGE_SIZE", 7)
    paged = sorted(entry.dn for entry in directory.search(contoso.base_dn, EVERYTHING, ["name"]))
    assert len(whole) > 100
    assert paged == whole


def test_a_descriptor_is_read_without_the_sacl_and_by_an_ordinary_account(
    contoso: DomainController,
) -> None:
    ou = f"OU=Writeback,{contoso.base_dn}"
    with live(contoso, f"helpdesk@{contoso.realm}") as directory:
        descriptor = directory.get(ou, ["nTSecurityDescriptor"]).security_descriptor()
    assert descriptor.owner is not None
    assert descriptor.group is not None
    assert descriptor.dacl is not None
    assert descriptor.sacl is None


def test_a_descriptor_that_may_not_be_read_is_access_denied(
    contoso: DomainController, connect_as: ConnectAs, administrator: Any
) -> None:
    dn = f"OU=Hidden,OU=Writeback,{contoso.base_dn}"
    assert trying.create(administrator, dn, "organizationalUnit") == trying.SUCCESS
    try:
        # Everybody may read the object's attributes, and nobody but its administrators its permissions.
        descriptor = adsyncconfig.SecurityDescriptor.from_sddl("D:P(A;;0xF01FF;;;BA)(A;;LCRPLO;;;AU)")
        assert trying.write_dacl(administrator, dn, descriptor.to_bytes()) == trying.SUCCESS
        with live(contoso, f"helpdesk@{contoso.realm}") as directory:
            entry = directory.get(dn, ["name", "nTSecurityDescriptor"])
            assert entry.text("name") == "Hidden"
            with pytest.raises(AccessDenied, match=r"may not read the permissions of 'OU=Hidden"):
                entry.security_descriptor()
    finally:
        assert trying.delete(administrator, dn) == trying.SUCCESS


def test_a_refused_write_names_the_object_and_the_right(contoso: DomainController) -> None:
    ou = f"OU=Writeback,{contoso.base_dn}"
    with live(contoso, f"helpdesk@{contoso.realm}") as directory:
        descriptor = directory.get(ou, ["nTSecurityDescriptor"]).security_descriptor()
        with pytest.raises(AccessDenied, match="insufficientAccessRights") as raised:
            directory.write_dacl(ou, descriptor)
    assert raised.value.dn == ou


def test_a_connection_that_breaks_is_unreachable_and_not_a_traceback(contoso: DomainController) -> None:
    with LdapProxy(contoso) as proxy:
        directory = connect(contoso, proxy.url)
    with pytest.raises(Unreachable):
        directory.get(contoso.base_dn, ["name"])
    directory.close()


class CutsTheNext(LdapProxy):
    """Ends the connection instead of passing an answer on, when it is told to."""

    cuts = 0

    def forward(self, sink: ssl.SSLSocket, data: bytes, *, from_client: bool) -> None:
        if not from_client and self.cuts:
            self.cuts -= 1
            raise ConnectionError
        super().forward(sink, data, from_client=from_client)


def test_a_question_is_asked_again_on_a_new_connection(contoso: DomainController) -> None:
    with CutsTheNext(contoso) as proxy, connect(contoso, proxy.url) as directory:
        proxy.clear()
        proxy.cuts = 1
        assert directory.get(contoso.base_dn, ["name"]).dn == contoso.base_dn
        assert proxy.operations == ["searchRequest", "bindRequest", "searchRequest", "searchRequest"]


def test_after_unreachable_the_next_operation_connects_again(contoso: DomainController) -> None:
    with CutsTheNext(contoso) as proxy, connect(contoso, proxy.url) as directory:
        proxy.cuts = 2
        with pytest.raises(Unreachable):
            directory.get(contoso.base_dn, ["name"])
        assert directory.get(contoso.base_dn, ["name"]).dn == contoso.base_dn
        assert directory.caller == contoso.administrator


@pytest.mark.usefixtures("permissions_restored")
def test_the_whole_job_on_an_ou_is_eight_requests(contoso: DomainController) -> None:
    with LdapProxy(contoso) as proxy, connect(contoso, proxy.url) as directory:
        adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory,
            ad_connector_account_dn=CONNECTOR_DN,
            ad_object_dn=f"OU=Writeback,{contoso.base_dn}",
        )
    assert proxy.operations == [
        "bindRequest",
        "searchRequest",  # rootDSE
        "searchRequest",  # the account
        "searchRequest",  # the class in the schema
        "searchRequest",  # the OU
        "searchRequest",  # the OU once more, just before writing
        "modifyRequest",
        "searchRequest",  # read back
        "unbindRequest",  # which has no answer, and ends the connection
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("busy", "try again"),
        ("unavailable", "try again"),
        ("adminLimitExceeded", "limit"),
        ("other", "other"),
    ],
)
def test_what_a_controller_refuses_for_other_reasons_is_one_line(
    directory: LiveDirectory, contoso: DomainController, mocker: MockerFixture, code: str, said: str
) -> None:
    # A controller can't be made busy on purpose: ldap3's answer is put in its place.
    result = {"description": code, "message": "00002024: LdapErr: DSID-0C0907E1,\n comment", "result": 51}
    answered = Answer({**result, "type": "searchResDone"}, ())
    mocker.patch.object(directory._session, "read", autospec=True, return_value=answered)
    with pytest.raises(DirectoryError, match=said) as raised:
        directory.get(contoso.base_dn, ["name"])
    assert "\n" not in str(raised.value)
    assert code in str(raised.value)


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_an_end_in_the_handshake_is_told_alike_whatever_openssl_calls_it(kind: type[ssl.SSLError]) -> None:
    """Which of the two it is depends on the build of OpenSSL, and no machine has both."""
    told = unreachable("ldaps://dc1.contoso.example", OSError(), kind(8, "closed (EOF)"))
    assert str(told) == "'ldaps://dc1.contoso.example' ended the connection before TLS was begun"
