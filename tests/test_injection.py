"""Names that are not what they look like, through every parameter of every cmdlet, on a real controller.

Each value means exactly itself, or is refused in one clear line: no filter has another shape for it, nothing that
was not named is found, and nothing is written. The parameters are read off the declarations of the commands, so a
new cmdlet is tried without a word here, unless it needs a value that `GOOD` does not know, which fails a test.

A parameter's first cmdlet is tried with every value, the others that share it with a third of them each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from conftest import live
from contoso_directory import CONNECTOR, CONNECTOR_DN, CONNECTOR_SID
from samba_lab import CONTOSO, DomainController

import adsyncconfig
from adsyncconfig import Entry
from adsyncconfig.directory import Scope
from adsyncconfig.dn import same_name
from adsyncconfig.filters import EVERYTHING, AnyOf, Equals, Filter
from adsyncconfig.live import LiveDirectory
from cli.command import CmdletOption
from cli.connect import SECTION
from cli.main import adsyncconfig as program

DOMAIN = CONTOSO.base_dn
OU = f"OU=Writeback,{DOMAIN}"
GROUP = f"CN=Team Blue,{OU}"
#: A value for each parameter that a cmdlet cannot do without, by the parameter's name.
GOOD = {
    "ad_connector_account_name": CONNECTOR,
    "ad_connector_account_domain": CONTOSO.realm,
    "ad_connector_account_dn": CONNECTOR_DN,
    "ad_object_dn": OU,
    "search_base": OU,
    "object_class": "organizationalUnit",
    "feature": "UnifiedGroupWriteback",
    "permission_type": "PasswordHashSync",
    "target_domain": CONTOSO.realm,
    "sid": CONNECTOR_SID,
    "owner": CONNECTOR_SID,
    "rule": f"(A;;GR;;;{CONNECTOR_SID})",
    "group_dn": GROUP,
    "member_dn": CONNECTOR_DN,
}
ACCOUNT_NAME = ("ad_connector_account_name", "ad_connector_account_domain")

#: What is tried everywhere. ``{}`` is the parameter's good value.
VALUES = {
    "a star": "*",
    "a star behind": "{}*",
    "a filter behind": "{})(objectClass=*",
    "a filter closed": "*)(objectClass=*))(|(cn=*",
    "an or": "x)(|(cn=*",
    "an escaped star": r"\2a",
    "a backslash at the end": "{}\\",
    "a NUL behind": "{}\0",
    "a NUL and more": "{}\0,CN=x",
    "quotes": '"{}"',
    "a quote within": '{}"',
    "a plus": "{}+CN=x",
    "a number sign": "#04024869",
    "a number sign in a DN": f"CN=#04024869,{DOMAIN}",
    "spaces in front": "  {}x",
    "semicolons": "{};CN=x",
    "a line feed": "{}\nx",
    "an escape sequence": "{}\x1b[2J",
    "a direction mark": "{}\u202e",
    "a zero-width space": "{}\u200b",
    "Cyrillic": "{}\u0430",
    "full width": "\uff2f\uff35\uff1d\uff37,{}",
    "half a surrogate pair": "{}\ud800",
    "a GUID for a DN": "<GUID=a9d1ca15768811d1aded00c04fd8d5cd>",
    "a SID for a DN": "<SID=S-1-5-32-544>",
    "a well-known GUID for a DN": f"<WKGUID=a9d1ca15768811d1aded00c04fd8d5cd,{DOMAIN}>",
    "a SID and a DN": f"<SID=S-1-5-32-544>;{DOMAIN}",
    "an URL": f"ldap://127.0.0.1:1/{DOMAIN}??sub?(objectClass=*)",
    "another's name below": f"CN=Administrator,CN=Users,{DOMAIN},{{}}",
    "SQL": "' OR 1=1 --",
    "a shell": "$(touch /tmp/x)`id`",
    "a format": "%s%n{{0}}{}",
    "a long name": "x" * 70_000,
}


# -- the cmdlets and their parameters, as declared -----------------------------------------------------------


def texts(command: click.Command) -> list[CmdletOption]:
    """The parameters of a cmdlet that take a text, those of the connection aside."""
    return [
        option
        for option in command.params
        if isinstance(option, CmdletOption)
        and not option.is_flag
        and option.section != SECTION
        and isinstance(option.type, click.types.StringParamType)
    ]


def cmdlets() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        yield name, command


TRIED = [(name, option.name or "") for name, command in cmdlets() for option in texts(command)]


def values_for(name: str, tried: str) -> dict[str, str]:
    """Every value for the first cmdlet with this parameter, a third of them for each other, in turns."""
    turn = [other for other, parameter in TRIED if parameter == tried].index(name)
    return dict(list(VALUES.items()) if turn == 0 else list(VALUES.items())[turn % 3 :: 3])


def line_of(name: str, tried: str, value: str, folder: Path) -> list[str]:
    """A command line with this value, and good ones for what it needs beside it."""
    command = dict(cmdlets())[name]
    options = {option.name: option for option in command.params if isinstance(option, CmdletOption)}
    given = {each.name: GOOD[each.name or ""] for each in texts(command) if each.required}
    if tried in ACCOUNT_NAME:
        given |= {each: GOOD[each] for each in ACCOUNT_NAME}
    elif "ad_connector_account_dn" in options:
        given["ad_connector_account_dn"] = CONNECTOR_DN
    if "search_base" in options:
        given["search_base"] = OU
    given[tried] = value
    line = [name, *(f"{options[each].opts[-1]}={text}" for each, text in given.items())]
    if "confirm" in options:
        line += ["--no-confirm", f"--journal={folder / 'journal.jsonl'}"]
    return line


# -- a directory that writes down what is asked, and lets nothing be written ----------------------------------


@dataclass
class Watched:
    """The live directory; ``searched`` are the conditions with what they found, ``written`` the attempts."""

    inner: LiveDirectory
    searched: list[tuple[str, Filter, Entry]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        """The connection is for every row."""

    def for_domain(self, dns_name: str) -> Watched:
        assert self.inner.for_domain(dns_name) is self.inner
        return self

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        self.asked.append(dn)
        return self.inner.get(dn, attributes)

    def search(
        self, base: str, condition: Filter, attributes: Sequence[str], *, scope: Scope = Scope.SUBTREE,
        limit: int | None = None,
    ) -> Iterator[Entry]:  # fmt: skip
        self.asked.append(base)
        # What is compared by name is asked for as well, so that the test can tell what was found by it.
        more = [*attributes, *(each.attribute for each in equalities(condition))]
        for entry in self.inner.search(base, condition, more, scope=scope, limit=limit):
            self.searched.append((base, condition, entry))
            yield entry

    def write_dacl(self, dn: str, *_: object, **__: object) -> None:
        self.written.append(dn)
        raise adsyncconfig.AccessDenied(f"the test lets nothing be written, '{dn}' neither", dn=dn)

    write_owner = modify_values = write_dacl


def equalities(condition: Filter) -> Iterator[Equals]:
    for each in getattr(condition, "conditions", (condition,)):
        if isinstance(each, Equals):
            yield each
        elif each is not condition:
            yield from equalities(each)


@pytest.fixture(scope="module")
def connected(contoso: DomainController) -> Iterator[LiveDirectory]:
    with live(contoso) as directory:
        yield directory


@pytest.fixture
def watched(connected: LiveDirectory, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watching = Watched(connected)
    monkeypatch.setattr(adsyncconfig, "connect", lambda *_, **__: watching)
    for name, value in {
        "SERVER": "ldaps://dc1.contoso.example", "USER": "admin@contoso.example", "PASSWORD": "unused",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"ADSYNCCONFIG_{name}", value)
    return watching


# -- the rows ------------------------------------------------------------------------------------------------


def test_every_parameter_that_a_cmdlet_needs_has_a_good_value() -> None:
    needed = {option.name for _, command in cmdlets() for option in texts(command)}
    assert needed <= set(GOOD), "say in GOOD what a good value is"
    assert len(TRIED) > 50


@pytest.mark.parametrize(("name", "tried"), TRIED, ids=[f"{name} {tried}" for name, tried in TRIED])
def test_a_value_means_itself_or_is_refused_in_one_line(
    name: str, tried: str, watched: Watched, tmp_path: Path
) -> None:
    for what, template in values_for(name, tried).items():
        value = template.replace("{}", GOOD[tried])
        watched.searched.clear()
        watched.asked.clear()
        result = CliRunner().invoke(program, line_of(name, tried, value, tmp_path))
        assert isinstance(result.exception, SystemExit | None), (what, result.exception)
        assert watched.written == [], what
        assert result.exit_code in (0, 1, 2, 3), (what, result.output)
        if result.exit_code in (1, 2):
            errors = [line for line in result.stderr.splitlines() if line.startswith(f"{name}: ")]
            assert len(errors) == 1, (what, result.stderr)
            assert errors[0].isprintable(), what
            assert result.stdout == "", what
        else:
            assert tried in MEANS, (what, "was taken", result.output)
            assert re.fullmatch(MEANS[tried], value), (what, "was taken", result.output)
        for _, condition, entry in watched.searched:
            for each in equalities(condition):
                if value == each.value and "\0" not in value and not isinstance(condition, AnyOf):
                    found = [text.lower() for text in entry.values(each.attribute)]
                    assert each.value.lower() in found, (what, "found something else", entry.dn)
        # What is asked for is a DN that was given or that the directory said; never one with the value inside.
        for dn in watched.asked:
            assert value not in dn or dn == value, (what, dn)


#: Values of ours that some parameters take, and rightly: what they name is there, or is no name at all.
MEANS = {
    "object_class": r"\*",  # every class, as documented
}


@pytest.mark.parametrize(
    "owner",
    [
        "{}\\{}\0",
        "{}\\*",
        "{}\\{}*",
        "{}\\{})(objectClass=*",
        "{}\\{}\u200b",
        "*\\{}",
        "{})(cn=*\\{}",
        "{}\0\\{}",
    ],
)
def test_an_owner_by_name_is_that_name(owner: str, watched: Watched) -> None:
    with pytest.raises(adsyncconfig.ADSyncConfigError):
        adsyncconfig.set_adsync_object_owner(
            watched,
            ad_object_dn=OU,
            owner=owner.replace("{}", CONTOSO.netbios, 1).replace("{}", CONNECTOR),
            force=True,
        )
    assert watched.written == []


def test_the_filters_that_names_make_have_one_shape(connected: LiveDirectory) -> None:
    for what, template in VALUES.items():
        value = template.replace("{}", CONNECTOR)
        if what == "half a surrogate pair" or not value:
            continue
        condition = Equals("sAMAccountName", value)
        text = condition.to_ldap()
        assert re.fullmatch(r"\(sAMAccountName=(?:[^()*\\\x00]|\\[0-9a-f]{2})+\)", text), what
        for entry in connected.search(DOMAIN, condition, ["name"]):
            assert what.startswith("a NUL"), (
                what
            )  # where this controller ends a text, so that we compare again
            assert not same_name(value, entry.text("name") or "")
    assert list(connected.search(DOMAIN, EVERYTHING, ["name"], limit=1))
