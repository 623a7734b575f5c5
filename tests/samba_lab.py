"""A real Active Directory on loopback: Samba domain controllers that a test run makes, starts and takes away.

Decided here: what the lab's domains are called and which identifiers they have (fixed, so that two runs give
the same SIDs), where they listen, when a controller counts as started, and how it ends. What the directories
contain is contoso_directory.py's business, and their certificates are lab_certificates.py's.

    with contoso_lab() as controller:      one domain, CONTOSO, on an address of 127.0.0.0/8 of its own
        connection = connect_as(controller, controller.administrator, controller.password)
    with forest_lab() as forest:           CONTOSO and its child EMEA, on two

Both labs can run side by side. `missing()` says what this machine lacks; nothing here asks for it by itself.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ldap3
from lab_certificates import Authority
from ldap3.core.exceptions import LDAPBindError, LDAPCommunicationError

PACKAGES = (
    "samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules"
    " winbind python3-samba ldap-utils krb5-user"
)
PASSWORD = "Lab-Passw0rd.2022"  # of every account; it meets the domain's default complexity rules

_TCP_PORTS = (88, 389, 464, 636, 3268, 3269)
_UDP_PORTS = (88, 389, 464)
_CLAIM_PORT = 1  # tcpmux, which nobody serves: bound by a lab as long as an address is its own
_SOCKET_PATH_LIMIT = 107  # sun_path holds 108 bytes with its final NUL
_LONGEST_SOCKET = "private/ldap_priv/ldapi"  # the longest of Samba's socket names below its folder
# Samba and its tools live in sbin folders that an ordinary PATH leaves out, and must not see our virtualenv.
_PATH = os.pathsep.join([os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin"])


class LabError(RuntimeError):
    """The lab could not be made or started; the text says why, with the tail of what Samba said."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain's names and fixed identifiers."""

    realm: str
    netbios: str
    sid: str
    guid: str

    @property
    def base_dn(self) -> str:
        return ",".join(f"DC={label}" for label in self.realm.split("."))


CONTOSO = Domain(
    realm="contoso.example",
    netbios="CONTOSO",
    sid="S-1-5-21-1004336348-1177238915-682003330",
    guid="5a3c1c5e-6d0f-4b8e-9a51-0c0ffee00001",
)
EMEA = Domain(
    realm="emea.contoso.example",
    netbios="EMEA",
    sid="S-1-5-21-2036547841-1801674531-725345543",
    guid="5a3c1c5e-6d0f-4b8e-9a51-0c0ffee00002",
)


@dataclass(frozen=True, slots=True)
class DomainController:
    """One Samba controller and its folder; `stop()` ends the process that `start` gave it."""

    domain: Domain
    host: str
    host_name: str
    folder: Path
    ca_file: Path
    password: str = PASSWORD
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def realm(self) -> str:
        return self.domain.realm

    @property
    def base_dn(self) -> str:
        return self.domain.base_dn

    @property
    def url(self) -> str:
        return f"ldaps://{self.host}"

    @property
    def administrator(self) -> str:
        return f"Administrator@{self.realm}"

    @property
    def certificate_file(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def key_file(self) -> Path:
        return self.folder / "key.pem"

    @property
    def log_file(self) -> Path:
        return self.folder / "samba.log"

    def stop(self, *, seconds: float = 10.0) -> None:
        """End this controller's own process and wait for it; after `seconds` it is killed."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


@dataclass(frozen=True, slots=True)
class Forest:
    """The forest's root domain, which knows of the child, and the child domain."""

    root: DomainController
    child: DomainController

    def stop(self) -> None:
        self.root.stop()
        self.child.stop()


# -- what the machine must have ------------------------------------------------------------------------------


@functools.cache
def missing() -> tuple[str, ...]:
    """What this machine lacks for the lab, each with what to do about it; empty when the lab can run."""
    lacks = [
        f"{program} is not installed (packages: {PACKAGES})"
        for program in ("samba", "samba-tool")
        if _which(program) is None
    ]
    interpreter = _samba_python()
    if interpreter is None:
        lacks.append("no Python can import samba (package: python3-samba)")
    else:
        ask = "import samba.param as p; print(p.setup_dir()); print(p.modules_dir())"
        setup, modules = _run([interpreter, "-I", "-c", ask]).splitlines()
        if not Path(setup, "ad-schema").is_dir():
            lacks.append("Samba's schema files are not installed (package: samba-ad-provision)")
        if not Path(modules, "ldb", "samba_dsdb.so").is_file():
            lacks.append("Samba's directory modules are not installed (package: samba-dsdb-modules)")
    try:
        _bind(socket.SOCK_STREAM, "127.0.0.1", 389)
    except PermissionError:
        lacks.append("port 389 may not be bound (run as root, or in a network namespace of one's own)")
    except OSError:
        pass  # taken: that is `start`'s to report, since it may be free by then
    return tuple(lacks)


def _which(program: str) -> str | None:
    return shutil.which(program, path=_PATH)


@functools.cache
def _samba_python() -> str | None:
    """An interpreter that can import samba: the one samba-tool itself runs with, or another of the system."""
    candidates = []
    if tool := _which("samba-tool"):
        shebang = Path(tool).read_bytes().split(b"\n", 1)[0].decode()
        candidates = shebang.removeprefix("#!").split()[:1]
    candidates += filter(None, [_which("python3"), sys.executable])
    for candidate in candidates:
        with contextlib.suppress(LabError):
            _run([candidate, "-I", "-c", "import ldb, samba.param"])
            return candidate
    return None


def _bind(kind: socket.SocketKind, address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:  # as Samba does, so that connections in TIME_WAIT are not in the way
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))


def _check_ports(address: str) -> None:
    kinds = ((socket.SOCK_STREAM, "TCP", _TCP_PORTS), (socket.SOCK_DGRAM, "UDP", _UDP_PORTS))
    for kind, name, ports in kinds:
        for port in ports:
            try:
                _bind(kind, address, port)
            except OSError as error:
                what = "is taken: is another lab running?" if error.errno == errno.EADDRINUSE else str(error)
                raise LabError(f"{name} port {port} of {address} {what}") from error


# -- controllers ---------------------------------------------------------------------------------------------


def short_folder() -> Path:
    """Make a folder whose name is short enough for Unix sockets below it, whatever TMPDIR says."""
    parent = min(("/tmp", tempfile.gettempdir()), key=len)
    return Path(tempfile.mkdtemp(prefix="dc-", dir=parent))


def provision(
    folder: Path,
    domain: Domain = CONTOSO,
    *,
    address: str = "127.0.0.1",
    host: str = "dc1",
    authority: Authority | None = None,
    strong_auth: str = "yes",
) -> DomainController:
    """Make a domain and its first controller, for `start` to run, in a folder that does not exist yet.

    `strong_auth` is smb.conf's "ldap server require strong auth", which is yes where nothing is said: Kerberos
    inside TLS, as Windows takes it, needs allow_sasl_over_tls.
    """
    if len(os.fsencode(folder / _LONGEST_SOCKET)) > _SOCKET_PATH_LIMIT:
        raise LabError(f"{folder} is too long a name for the Unix sockets below it")
    folder.mkdir()
    authority = authority or Authority.create("Lab authority")
    controller = DomainController(
        domain=domain,
        host=address,
        host_name=f"{host}.{domain.realm}",
        folder=folder,
        ca_file=authority.write(folder / "ca.pem"),
    )
    authority.issue(
        controller.host_name,
        address,
        certificate_file=controller.certificate_file,
        key_file=controller.key_file,
    )
    settings = {
        "interfaces": f"{address}/8",  # Samba takes /32 for no interface at all
        "bind interfaces only": "yes",
        "server services": "ldap, kdc, cldap",
        "posix:eadb": f"{folder}/private/eadb.tdb",  # sysvol's attributes, on any file system
        "pid directory": f"{folder}/run",
        "ncalrpc dir": f"{folder}/ncalrpc",
        "tls certfile": f"{controller.certificate_file}",
        "tls keyfile": f"{controller.key_file}",
        "tls cafile": f"{controller.ca_file}",
        "dsdb:schema update allowed": "yes",  # tests add what comes with Exchange
        "ldap server require strong auth": strong_auth,
    }
    _run(
        [
            *_samba_tool(),
            *("domain", "provision", "--quiet"),
            "--configfile=/dev/null",  # the distribution's smb.conf would be copied into ours
            f"--targetdir={folder}",
            f"--realm={domain.realm.upper()}",
            f"--domain={domain.netbios}",
            f"--domain-sid={domain.sid}",
            f"--domain-guid={domain.guid}",
            f"--ntds-guid={uuid.uuid5(uuid.UUID(domain.guid), 'ntds')}",
            f"--invocationid={uuid.uuid5(uuid.UUID(domain.guid), 'invocation')}",
            f"--adminpass={controller.password}",
            f"--host-name={host}",
            f"--host-ip={address}",
            *("--server-role=dc", "--dns-backend=NONE"),
            *(f"--option={name}={value}" for name, value in settings.items()),
        ]
    )
    return controller


def run_samba_tool(*arguments: str) -> None:
    """Run samba-tool on a controller's own files. Raises LabError with what it said."""
    _run([*_samba_tool(), *arguments])


def _samba_tool() -> list[str]:
    """The command samba-tool, which in a user namespace leaves the ACLs of sysvol out.

    To set those it changes its groups, which nobody may there. Files are not served by the lab.
    """
    groups = Path("/proc/self/setgroups")
    if (interpreter := _samba_python()) and groups.exists() and groups.read_text().strip() == "deny":
        return [interpreter, "-I", "-c", _SAMBA_TOOL_WITHOUT_SYSVOL]
    return [_which("samba-tool") or "samba-tool"]


_SAMBA_TOOL_WITHOUT_SYSVOL = """
import sys
import samba.provision
from samba.netcmd.main import cmd_sambatool

samba.provision.setsysvolacl = lambda *arguments, **options: None
command = cmd_sambatool()
try:
    code = command._run("samba-tool", *sys.argv[1:])
except Exception as error:
    command.show_command_error(error)
    code = 1
sys.exit(code)
"""


def start(*controllers: DomainController, seconds: float = 60.0) -> tuple[DomainController, ...]:
    """Run provisioned controllers side by side, until each one's administrator can log on.

    Raises:
        LabError: A port is taken, or one ended or did not answer in time; none is left running.
    """
    started: list[DomainController] = []
    try:
        for controller in controllers:
            _check_ports(controller.host)
            started.append(_launch(controller))
        for controller in started:
            _wait_until_answering(controller, seconds)
    except BaseException:
        for controller in started:
            controller.stop()
        raise
    return tuple(started)


def _launch(controller: DomainController) -> DomainController:
    command = [
        _which("samba") or "samba",
        *("--interactive", "--model=single", "--no-process-group"),
        f"--configfile={controller.folder}/etc/smb.conf",
    ]
    with controller.log_file.open("wb") as log:
        # An interactive Samba ends with its standard input, so it can't outlive a run that is killed.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=_environment()
        )
    return replace(controller, process=process)


def _wait_until_answering(controller: DomainController, seconds: float) -> None:
    assert controller.process is not None
    deadline = time.monotonic() + seconds
    while True:
        try:
            # Asked first, as ldap3 forgets to close a socket whose connection was refused.
            socket.create_connection((controller.host, 636), 5).close()
            connect_as(controller, controller.administrator, controller.password).unbind()
        except (OSError, LDAPBindError, LDAPCommunicationError) as error:
            log = _tail(controller.log_file.read_text(errors="replace"))
            if (code := controller.process.poll()) is not None:
                raise LabError(f"{controller.host_name} ended with code {code}:\n{log}") from error
            if time.monotonic() > deadline:
                text = f"{controller.host_name} did not answer within {seconds:g} s: {error}\n{log}"
                raise LabError(text) from error
            time.sleep(0.05)
        else:
            return


class VerifiedTls(ldap3.Tls):  # type: ignore[misc]
    """TLS with the chain and the name, IP addresses too, verified by OpenSSL.

    ldap3 2.9.1 turns that off and matches names itself, which from Python 3.12 on fails for addresses.
    """

    def __init__(self, ca_file: Path) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=ca_file)

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=connection.server.host, do_handshake_on_connect=do_handshake
        )


def connect_as(controller: DomainController, user: str, password: str = PASSWORD) -> Any:
    """Give a plain ldap3 connection over verified LDAPS, bound as `user` (a UPN or a DN).

    Refused operations give a result code and no exception; DNs go out as they are.

    Raises:
        LDAPCommunicationError: No connection, or a certificate that does not verify.
        LDAPBindError: The bind was refused.
    """
    server = ldap3.Server(
        controller.host,
        use_ssl=True,
        tls=VerifiedTls(controller.ca_file),
        get_info=ldap3.NONE,
        connect_timeout=5,
    )
    connection = ldap3.Connection(server, user, password, check_names=False, receive_timeout=30)
    if not connection.bind():
        connection.unbind()
        raise LDAPBindError(f"bind as {user} refused: {connection.result}")
    return connection


# -- the two labs --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def own_address() -> Iterator[str]:
    """Give an address of the loopback network that no other lab of this machine uses while this lasts."""
    last_parts = random.sample(range(20, 250), 230)
    for last in last_parts:
        address = f"127.0.0.{last}"
        with contextlib.ExitStack() as stack:
            claim = stack.enter_context(socket.socket())
            try:
                claim.bind((address, _CLAIM_PORT))
                _check_ports(address)
            except (OSError, LabError):
                continue
            yield address
            return
    raise LabError("no address from 127.0.0.20 on is free")


@contextlib.contextmanager
def contoso_lab(folder: Path | None = None, *, strong_auth: str = "yes") -> Iterator[DomainController]:
    """Run one domain, CONTOSO, in `folder` or one of its own, which is gone afterwards."""
    with own_address() as address, _temporary(folder or short_folder()) as home:
        (controller,) = start(provision(home / "dc1", address=address, strong_auth=strong_auth))
        try:
            yield controller
        finally:
            controller.stop()


@contextlib.contextmanager
def forest_lab(folder: Path | None = None) -> Iterator[Forest]:
    """Run a forest of two domains: the root lists the child; one authority signed both certificates.

    It is made in `folder` or one of its own, which is gone afterwards.
    Samba can't join a child domain: to replication and Kerberos the two are strangers. The root's crossRef of
    the child shows an empty nCName, since the root holds no such naming context; its dnsRoot is right.
    """
    authority = Authority.create("Lab authority")
    with (
        own_address() as root_address,
        own_address() as child_address,
        _temporary(folder or short_folder()) as home,
    ):
        with ThreadPoolExecutor() as pool:
            futures = [
                pool.submit(provision, home / host, domain, host=host, address=address, authority=authority)
                for domain, host, address in (
                    (CONTOSO, "dc1", root_address),
                    (EMEA, "dc2", child_address),
                )
            ]
        root, child = (future.result() for future in futures)
        _add_to_forest(root, child)
        forest = Forest(*start(root, child))
        try:
            yield forest
        finally:
            forest.stop()


def _add_to_forest(root: DomainController, child: DomainController) -> None:
    """Write the child's crossRef into the root's configuration partition, whose file no server has open."""
    interpreter = _samba_python()
    if interpreter is None:
        raise LabError("no Python can import samba (package: python3-samba)")
    partition = f"CN=Configuration,{root.base_dn}"
    database = root.folder / "private" / "sam.ldb.d" / f"{partition.upper()}.ldb"
    domain = child.domain
    values = [domain.netbios, domain.realm, domain.base_dn, domain.guid, domain.sid]
    _run([interpreter, "-I", "-c", _ADD_CROSS_REF, str(database), partition, root.domain.netbios, *values])


# Only the distribution's own interpreter has these modules, so this runs there and not in the virtualenv.
_ADD_CROSS_REF = """
import sys, uuid
import ldb
from samba.ndr import ndr_pack
from samba.dcerpc import misc

database, partition, parent, netbios, realm, base_dn, guid, sid = sys.argv[1:]
records = ldb.Ldb(database)
model = records.search(f"CN={parent},CN=Partitions,{partition}", ldb.SCOPE_BASE)[0]
record = ldb.Message(ldb.Dn(records, f"CN={netbios},CN=Partitions,{partition}"))
for name in model:
    if name not in ("dn", "distinguishedName"):
        record[name] = ldb.MessageElement(list(model[name]), ldb.FLAG_MOD_ADD, name)
identity = uuid.uuid5(uuid.UUID(guid), "crossRef")
for name, value in {
    "cn": netbios,
    "name": netbios,
    "nETBIOSName": netbios,
    "dnsRoot": realm,
    "nCName": f"<GUID={guid}>;<SID={sid}>;{base_dn}",
    "objectGUID": ndr_pack(misc.GUID(str(identity))),
}.items():
    record[name] = ldb.MessageElement(value, ldb.FLAG_MOD_ADD, name)
records.transaction_start()
records.add(record)
records.transaction_commit()
"""


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(command: Sequence[str]) -> str:
    """Run a tool to its end and give its standard output."""
    try:
        done = subprocess.run(command, capture_output=True, env=_environment(), timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        output = _tail((done.stdout + done.stderr).decode(errors="replace"))
        raise LabError(f"{Path(command[0]).name} ended with code {done.returncode}:\n{output}")
    return done.stdout.decode()


def _environment() -> dict[str, str]:
    return {"PATH": _PATH, "LC_ALL": "C.UTF-8"}


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])
