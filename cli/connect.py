"""From connection options to a Directory: which one is meant, and where its credentials come from.

Rule 1: what stands on the command line wins over the environment, and that over the configuration file.
Rule 2: a server and a snapshot named in the same place contradict each other, which is an error.
Rule 3: a password comes from a file, the environment or a prompt, never from an argument, which every user of
        the machine could read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from .binding import printable
from .command import parameter, switch

if TYPE_CHECKING:
    from adsyncconfig import Directory

__all__ = ["connection_parameters", "open_directory"]

F = TypeVar("F", bound=Callable[..., Any])

SECTION: Final = "Connection"
PASSWORD_VARIABLE: Final = "ADSYNCCONFIG_PASSWORD"  # noqa: S105 - the name of the variable
CONFIGURATION_FILE: Final = "config.toml"
#: adsyncconfig.credential.METHODS, which help and completion do without importing.
METHODS: Final = ("auto", "kerberos", "ntlm", "simple", "certificate")
DEFAULT_TIMEOUT: Final = 30

#: Keys of the configuration file, and the type of each.
_CONFIGURATION: Final[dict[str, type]] = {
    "server": list,
    "user": list,
    "password_file": list,
    "auth": str,
    "keytab": str,
    "client_cert": str,
    "client_key": str,
    "ca_file": str,
    "starttls": bool,
    "timeout": int,
    "snapshot": str,
}
_RANKS: Final = {ParameterSource.COMMANDLINE: 3, ParameterSource.ENVIRONMENT: 2}
_CONFIGURED: Final = 1


class _WholeValue(click.types.StringParamType):
    """Text that is one value in the environment too, where click would split it at its spaces."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [rv]


def connection_parameters(command: F) -> F:
    """Declare the connection options, the same on every cmdlet."""
    for declare in reversed(
        (
            parameter(
                "-Server",
                "--server",
                multiple=True,
                section=SECTION,
                envvar="ADSYNCCONFIG_SERVER",
                show_envvar=True,
                help="A controller, or a domain: host, domain, or ldap[s]://host[:port]. Repeat as domain=url "
                "for the forest's other domains. Left out: found through DNS.",
            ),
            parameter(
                "-Credential",
                "--user",
                type=_WholeValue(),
                multiple=True,
                section=SECTION,
                envvar="ADSYNCCONFIG_USER",
                show_envvar=True,
                help="Who to log on as: user@domain, DOMAIN\\user or a DN; repeat as domain=user. The password "
                f"is asked for, or comes from --password-file or {PASSWORD_VARIABLE}. Left out: whose Kerberos "
                "ticket there is.",
            ),
            parameter(
                "--password-file",
                type=_WholeValue(),
                multiple=True,
                section=SECTION,
                help="A file whose first line is the password. Repeat as domain=file, like -Credential.",
            ),
            parameter(
                "--auth",
                type=click.Choice(METHODS),
                section=SECTION,
                envvar="ADSYNCCONFIG_AUTH",
                show_envvar=True,
                help="How to log on. auto: Kerberos where there is a ticket, else the password inside TLS "
                "(simple).",
            ),
            parameter(
                "--keytab",
                type=click.Path(),
                section=SECTION,
                envvar="ADSYNCCONFIG_KEYTAB",
                show_envvar=True,
                help="Log on by Kerberos as -Credential, with the key in this keytab.",
            ),
            parameter(
                "--client-cert",
                type=click.Path(),
                section=SECTION,
                envvar="ADSYNCCONFIG_CLIENT_CERT",
                show_envvar=True,
                help="Log on by this certificate (PEM).",
            ),
            parameter(
                "--client-key",
                type=click.Path(),
                section=SECTION,
                envvar="ADSYNCCONFIG_CLIENT_KEY",
                show_envvar=True,
                help="The certificate's key (PEM), where it is in a file of its own.",
            ),
            parameter(
                "--ca-file",
                type=click.Path(),
                section=SECTION,
                envvar="ADSYNCCONFIG_CA_FILE",
                show_envvar=True,
                help="The certificate (PEM) of the authority that signed the controller's; left out: the "
                "system's authorities.",
            ),
            switch("--starttls", section=SECTION, help="Encrypt a connection to port 389 by StartTLS."),
            parameter(
                "--timeout",
                type=click.IntRange(1, 3600),
                section=SECTION,
                help=f"Seconds to wait for a connection and for each answer; left out: {DEFAULT_TIMEOUT}.",
            ),
            switch(
                "--insecure-skip-verify",
                section=SECTION,
                help="Accept any certificate. Whoever is in between then learns the password.",
            ),
            parameter(
                "--snapshot",
                type=click.Path(),
                section=SECTION,
                envvar="ADSYNCCONFIG_SNAPSHOT",
                show_envvar=True,
                help="No server: read and write the directory kept in this file.",
            ),
        )
    ):
        command = declare(command)
    return command


def open_directory(context: click.Context) -> Directory:
    """The directory that the context's connection options, the environment and the configuration file name.

    Raises ParameterError where they name none or two, and whatever opening it raises.
    """
    import adsyncconfig  # noqa: PLC0415 - help and completion do without
    from adsyncconfig import ParameterError  # noqa: PLC0415

    options = _options(context, _configuration())
    _dropped(context, options)
    servers, snapshot = options["server"], options["snapshot"]
    if servers and snapshot:
        ranks = {name: _rank(context, name) for name in ("server", "snapshot")}
        if ranks["server"] == ranks["snapshot"]:
            raise ParameterError(
                "a server and a snapshot are both named: give -Server or --snapshot, not both"
            )
        if ranks["server"] > ranks["snapshot"]:
            snapshot = None
    if snapshot:
        return adsyncconfig.open_snapshot(snapshot)
    users = _by_domain("-Credential", options["user"] or ())
    user = users.pop("", None)
    if not servers and user is None and not _has_ticket(options["auth"] or "auto"):
        raise ParameterError(
            "name the directory: -Server ldaps://dc1.contoso.example with -Credential, or --snapshot FILE"
        )
    others = _by_domain("-Server", servers or ())
    first = others.pop("", None) or next(iter(others.values()), None)
    verify = not options["insecure_skip_verify"]
    if not verify:
        click.echo(
            "WARNING: certificates are not verified; whoever is in between learns the password", err=True
        )
    files = _by_domain("--password-file", options["password_file"] or ())
    return adsyncconfig.connect(
        first,
        user=user,
        password=_password(user or str(options["client_key"] or options["client_cert"]), files.get("")),
        auth=options["auth"] or "auto",
        keytab=options["keytab"],
        client_cert=options["client_cert"],
        client_key=options["client_key"],
        ca_file=options["ca_file"],
        starttls=bool(options["starttls"]),
        verify=verify,
        timeout=options["timeout"] or DEFAULT_TIMEOUT,
        servers=others,
        credentials={
            domain: (name, _password(name, files.get(domain), common=False)) for domain, name in users.items()
        },
        notify=_tell if context.params.get("verbose") else None,
    )


def _has_ticket(auth: str) -> bool:
    """Whether Kerberos may say who logs on, and so which domain is meant."""
    from adsyncconfig.kerberos import ticket  # noqa: PLC0415 - help and completion do without

    return auth == "kerberos" or (auth == "auto" and ticket().principal is not None)


def _tell(line: str) -> None:
    click.echo(f"VERBOSE: {printable(line)}", err=True)


def _options(context: click.Context, configuration: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(context.params)
    for name in (*_CONFIGURATION, "insecure_skip_verify"):
        value = options.get(name)
        if isinstance(value, str) and not value.strip():
            options[name] = value = None
        if value in (None, ()):
            options[name] = configuration.get(name)
    return options


def _dropped(context: click.Context, options: dict[str, Any]) -> None:
    """Leave out what another way to log on goes with, where the way is said in a place that wins (rule 1)."""
    auth = options["auth"]
    for name, way in (("keytab", "kerberos"), ("client_cert", "certificate"), ("client_key", "certificate")):
        if auth not in (None, "auto", way) and _rank(context, "auth") > _rank(context, name):
            options[name] = None


def _rank(context: click.Context, name: str) -> int:
    source = context.get_parameter_source(name)
    return _RANKS.get(source, _CONFIGURED) if source else _CONFIGURED


def _configuration() -> dict[str, Any]:
    """What the configuration file says. Raises ParameterError, naming the file, for what it may not say."""
    from adsyncconfig import ParameterError  # noqa: PLC0415

    path = Path(click.get_app_dir("adsyncconfig")) / CONFIGURATION_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"cannot read the configuration file '{path}': {error}") from error
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"'{path}' is not TOML: {error}") from error
    for name, value in given.items():
        wanted = _CONFIGURATION.get(name)
        if wanted is None:
            raise ParameterError(
                f"'{path}' has the unknown key '{name}'; known are {', '.join(_CONFIGURATION)}"
            )
        if wanted is list and isinstance(value, str):
            given[name] = [value]
        elif not isinstance(value, wanted):
            raise ParameterError(f"'{name}' in '{path}' must be of type {wanted.__name__}, not {value!r}")
    return given


def _by_domain(what: str, given: Iterable[str]) -> dict[str, str]:
    """Values by the domain they are for, "" for the common one, from ``value`` and ``domain=value``.

    A domain's name has dots and no comma, which tells it from the first part of a DN.
    """
    from adsyncconfig import ParameterError  # noqa: PLC0415

    values: dict[str, str] = {}
    for each in given:
        left, separator, right = each.partition("=")
        domain = left.strip().lower().rstrip(".")
        named = bool(separator) and "." in domain and not {",", "/", "@", "\\"} & set(domain)
        key, value = (domain, right.strip()) if named else ("", each.strip())
        if not value:
            raise ParameterError(f"{what} '{each}' names nothing: write a value, or domain=value")
        if key in values:
            meant = f"twice for {key}" if key else f"as {values[key]} and as {value}"
            raise ParameterError(f"{what} is given {meant}: write those of other domains as domain=value")
        values[key] = value
    return values


def _password(user: str | None, password_file: str | None, *, common: bool = True) -> str | Callable[[], str]:
    """The user's password, or what asks for it, once, when it is needed; the environment's is for the common user.

    Where a certificate logs on, ``user`` is the file of its key, and the password its pass phrase.
    """
    import os  # noqa: PLC0415

    from adsyncconfig import ParameterError  # noqa: PLC0415

    if password_file:
        try:
            lines = Path(password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f"cannot read the password file '{password_file}': {error}") from error
        if not lines or not lines[0]:
            raise ParameterError(f"the password file '{password_file}' is empty")
        return lines[0]
    password = os.environ.get(PASSWORD_VARIABLE)
    if password and common:
        return password
    asked: list[str] = []  # by way of this, so that no other connection of the run asks again

    def ask() -> str:
        if not sys.stdin.isatty():
            raise ParameterError(
                f"there is no terminal to ask for the password of '{user}' on: give --password-file or "
                f"{PASSWORD_VARIABLE}"
            )
        if not asked:
            asked.append(click.prompt(f"Password for {user}", hide_input=True, err=True))
        return asked[0]

    return ask
