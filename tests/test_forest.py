"""A forest of several domains and controllers: found through DNS, reached with the right credentials."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
import trying
from conftest import ConnectAs
from contoso_directory import CONNECTOR_DN, CONNECTOR_SID
from expectations import GROUP_WRITEBACK, expected_aces
from samba_lab import PASSWORD, DomainController, Forest
from sockets import forwarder

import adsyncconfig
from acl import SecurityDescriptor
from acl.sddl import ace_to_sddl
from adsyncconfig import AuthenticationFailed, ParameterError, Unreachable
from adsyncconfig.connections import ForestConnections
from adsyncconfig.credential import Credential, TlsOptions
from adsyncconfig.locate import controllers

Records = dict[str, list[str]]


@contextlib.contextmanager
def name_server(records: Records) -> Iterator[dns.resolver.Resolver]:
    """A name server of SRV records ("priority weight port target") on loopback, and a resolver that asks it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    data, peer = server.recvfrom(4096)
                    if not data:  # shut down
                        return
                    query = dns.message.from_wire(data)
                    name = query.question[0].name.to_text().lower()
                    answer = dns.message.make_response(query)
                    answer.flags |= dns.flags.AA
                    if name in records:
                        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *records[name]))
                    else:
                        answer.set_rcode(dns.rcode.NXDOMAIN)
                    server.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        try:
            yield resolver
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(5)


def srv(domain: str) -> str:
    return f"_ldap._tcp.dc._msdcs.{domain}."


def test_controllers_come_in_the_order_of_their_priority() -> None:
    records = {
        srv("contoso.example"): [
            "10 100 389 dc3.contoso.example.",
            "0 100 389 dc1.contoso.example.",
            "0 0 389 dc2.contoso.example.",
        ]
    }
    with name_server(records) as resolver:
        found = controllers("contoso.example", resolver=resolver)
        assert controllers("fabrikam.example", resolver=resolver) == ()
    assert set(found[:2]) == {"dc1.contoso.example", "dc2.contoso.example"}
    assert found[2] == "dc3.contoso.example"


def test_name_servers_that_do_not_answer_are_named_as_the_trouble() -> None:
    resolver = dns.resolver.Resolver(configure=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver.nameservers, resolver.port = ["127.0.0.1"], silent.getsockname()[1]
        resolver.timeout = resolver.lifetime = 0.2
        with pytest.raises(Unreachable, match=r"where the controllers of 'contoso\.example' are"):
            controllers("contoso.example", resolver=resolver, seconds=0.5)


def connections(controller: DomainController, resolver: dns.resolver.Resolver) -> ForestConnections:
    credential = Credential(controller.administrator, PASSWORD)
    return ForestConnections(credential, TlsOptions(str(controller.ca_file), timeout=10), resolver=resolver)


def test_without_a_server_a_controller_of_the_users_domain_is_found(contoso: DomainController) -> None:
    # The first is nobody; the second's certificate names the address.
    records = {srv("contoso.example"): ["0 0 389 dc9.invalid.", f"10 0 389 {contoso.host}."]}
    with name_server(records) as resolver:
        forest = connections(contoso, resolver)
        assert forest.first(None).root.controller == contoso.host_name
        forest.close()
        assert forest.first("contoso.example").root.domain == "contoso.example"
        forest.close()


def test_without_a_server_and_without_a_domain_it_says_what_to_name() -> None:
    with name_server({}) as resolver:
        for user, said in (
            ("admin@contoso.example", "DNS knows no controllers of"),
            ("CONTOSO\\admin", "log on as"),
        ):
            forest = ForestConnections(Credential(user, PASSWORD), TlsOptions(), resolver=resolver)
            with pytest.raises(ParameterError, match=said):
                forest.first(None)


def test_a_refused_password_is_not_tried_on_the_next_controller(contoso: DomainController) -> None:
    with (
        forwarder("127.0.0.1", (contoso.host, 636)),
        name_server(
            {srv("contoso.example"): [f"0 0 389 {contoso.host}.", "10 0 389 dc9.invalid."]}
        ) as resolver,
    ):
        forest = ForestConnections(
            Credential(contoso.administrator, "Wrong-Passw0rd"),
            TlsOptions(str(contoso.ca_file), timeout=10),
            resolver=resolver,
        )
        with pytest.raises(AuthenticationFailed) as raised:
            forest.first(None)
        assert "dc9" not in str(raised.value)


@pytest.mark.usefixtures("forest_restored")
def test_both_domains_are_found_through_dns_and_granted(forest: Forest, connect_as: ConnectAs) -> None:
    records = {
        srv(forest.root.realm): [f"0 0 389 {forest.root.host}."],
        srv(forest.child.realm): [f"0 0 389 {forest.child.host}."],
    }
    with name_server(records) as resolver, connections(forest.root, resolver).first(None) as directory:
        result = adsyncconfig.set_adsync_unified_group_writeback_permissions(
            directory, ad_connector_account_dn=CONNECTOR_DN
        )
    assert [change.controller for change in result.changes] == [forest.root.host_name, forest.child.host_name]
    expected = expected_aces(GROUP_WRITEBACK, "domain root", CONNECTOR_SID)
    for controller in (forest.root, forest.child):
        administrator = connect_as(controller, controller.administrator)
        dacl = SecurityDescriptor.from_bytes(trying.read_descriptor(administrator, controller.base_dn)).dacl
        assert [ace_to_sddl(ace) for ace in dacl or () if str(ace.sid) == CONNECTOR_SID] == expected


def test_a_domain_can_have_credentials_of_its_own(forest: Forest) -> None:
    with adsyncconfig.connect(
        forest.root.url,
        user=forest.root.administrator,
        password=PASSWORD,
        ca_file=forest.root.ca_file,
        servers={forest.child.realm: forest.child.url},
        credentials={forest.child.realm: (f"user-emea@{forest.child.realm}", PASSWORD)},
    ) as directory:
        child = directory.for_domain(forest.child.realm)
        sids = child.caller_sids()
        entry = child.get(f"CN=User Emea,CN=Users,{forest.child.base_dn}", ["objectSid"])
        assert sids is not None
        assert entry.sid() in sids


def test_an_account_of_another_domain_is_granted_by_its_sid(forest: Forest) -> None:
    with adsyncconfig.connect(
        forest.root.url,
        user=forest.root.administrator,
        password=PASSWORD,
        ca_file=forest.root.ca_file,
        servers={forest.child.realm: forest.child.url},
    ) as directory:
        for account in (
            {"ad_connector_account_dn": f"CN=User Emea,CN=Users,{forest.child.base_dn}"},
            {"ad_connector_account_name": "user-emea", "ad_connector_account_domain": "EMEA"},
        ):
            result = adsyncconfig.set_adsync_unified_group_writeback_permissions(
                directory,
                ad_object_dn=f"OU=Writeback,{forest.root.base_dn}",
                what_if=True,
                **account,  # type: ignore[arg-type]  # one of the two ways to name it
            )
            (change,) = result.changes
            assert str(change.added[0].sid).startswith(forest.child.domain.sid)
