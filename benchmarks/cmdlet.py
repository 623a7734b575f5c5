"""What the main job costs as a whole process, beside a bare ldap3 script: the same bind, reads and write.

Needs the lab (a Samba AD DC, as root). Prints medians of processor time (user and system) and their ratio,
the requests that a proxy before the controller counted, and the start-up of --help beside click's alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import samba_lab  # noqa: E402
import trying  # noqa: E402
from contoso_directory import CONNECTOR_DN, populate  # noqa: E402
from ldap_proxy import LdapProxy  # noqa: E402

RUNS = 25
SCRIPTS = Path(sys.executable).parent
CMDLET = "Set-ADSyncUnifiedGroupWritebackPermissions"

# As little as ldap3 allows: no schema, no paging, a ready-made entry appended to the DACL by its bytes.
BARE = """
import os, ssl, struct, sys
import ldap3
from ldap3.protocol.microsoft import security_descriptor_control

account, ou = sys.argv[1:]
tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=os.environ["ADSYNCCONFIG_CA_FILE"])
host = os.environ["ADSYNCCONFIG_SERVER"].removeprefix("ldaps://")
host, _, port = host.partition(":")
server = ldap3.Server(host, port=int(port or 636), use_ssl=True, tls=tls, get_info=ldap3.NONE)
connection = ldap3.Connection(
    server, os.environ["ADSYNCCONFIG_USER"], os.environ["ADSYNCCONFIG_PASSWORD"], check_names=False
)
assert connection.bind(), connection.result


def read(base, attributes, where="(objectClass=*)", scope=ldap3.BASE, controls=None):
    assert connection.search(base, where, scope, attributes=attributes, controls=controls), connection.result
    return connection.response[0]["raw_attributes"]


root = read("", ["defaultNamingContext", "schemaNamingContext"])
sid = read(account, ["objectSid"])["objectSid"][0]
schema = root["schemaNamingContext"][0].decode()
group = read(schema, ["schemaIDGUID"], "(lDAPDisplayName=group)", ldap3.LEVEL)["schemaIDGUID"][0]
before = read(ou, ["nTSecurityDescriptor"], controls=security_descriptor_control(sdflags=7))
read(ou, ["nTSecurityDescriptor"], controls=security_descriptor_control(sdflags=7))
data = before["nTSecurityDescriptor"][0]
(at,) = struct.unpack_from("<I", data, 16)
_, size, count = struct.unpack_from("<HHH", data, at)
entry = struct.pack("<BBHII", 5, 2, 28 + len(sid), 0x300FF, 2) + group + sid
dacl = struct.pack("<BBHHH", 4, 0, size + len(entry), count + 1, 0) + entry + data[at + 8 : at + size]
descriptor = struct.pack("<BBHIIII", 1, 0, 0x8404, 0, 0, 0, 20) + dacl
connection.modify(
    ou, {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [descriptor])]},
    controls=security_descriptor_control(sdflags=4),
)
assert connection.result["result"] == 0, connection.result
read(ou, ["nTSecurityDescriptor"], controls=security_descriptor_control(sdflags=7))
connection.unbind()
"""


def main() -> None:
    """Start a controller, measure both, and print the table."""
    with samba_lab.contoso_lab() as controller:
        populate(controller)
        administrator = samba_lab.connect_as(controller, controller.administrator)
        ou = f"OU=Writeback,{controller.base_dn}"
        start = trying.read_descriptor(administrator, ou)
        environment = {
            **os.environ,
            "ADSYNCCONFIG_SERVER": controller.url,
            "ADSYNCCONFIG_USER": controller.administrator,
            "ADSYNCCONFIG_PASSWORD": controller.password,
            "ADSYNCCONFIG_CA_FILE": str(controller.ca_file),
        }
        ours = [
            str(SCRIPTS / CMDLET), "-ADConnectorAccountDN", CONNECTOR_DN, "-ADobjectDN", ou,
            "-Confirm:$false", "--json",
        ]  # fmt: skip
        bare = [sys.executable, "-c", BARE, CONNECTOR_DN, ou]

        def restore() -> None:
            assert trying.write_dacl(administrator, ou, start) == trying.SUCCESS

        times = interleaved({"bare ldap3 script": bare, CMDLET: ours}, environment, before_each=restore)
        table("The whole job on an OU over LDAPS, processor time", times)
        with LdapProxy(controller) as proxy:
            restore()
            subprocess.run(
                ours, env=environment | {"ADSYNCCONFIG_SERVER": proxy.url}, check=True, capture_output=True
            )
        answered = [operation for operation in proxy.operations if operation != "unbindRequest"]
        print(f"\nrequests, counted in a proxy: {len(answered)} ({', '.join(answered)}), and the unbind")
        restore()
        administrator.unbind()

    helps = {
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "adsyncconfig --help": [str(SCRIPTS / "adsyncconfig"), "--help"],
        f"{CMDLET} --help": [str(SCRIPTS / CMDLET), "--help"],
    }
    table("Start-up, processor time", interleaved(helps, dict(os.environ)))


def interleaved(
    commands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    *,
    before_each: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Seconds of processor time of each command, run in turn so that the machine's moods meet all alike."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    compiled = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as cache:
        compiled["PYTHONPYCACHEPREFIX"] = cache
        for turn in range(RUNS + 1):
            for name, command in commands.items():
                before_each()
                seconds = processor_time(command, compiled)
                if turn:  # the first compiles the modules, as an installation does
                    times[name].append(seconds)
    return times


def processor_time(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds of processor time, user and system, of one run of a command that must succeed."""
    child = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def table(title: str, times: Mapping[str, Sequence[float]]) -> None:
    """Print medians, and each as a multiple of the first."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    print(f"\n{title} (median of {RUNS})")
    for name, median in medians.items():
        print(f"  {name:<46} {median * 1000:7.1f} ms   {median / first:5.2f}")


if __name__ == "__main__":
    main()
