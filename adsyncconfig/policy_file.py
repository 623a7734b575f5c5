"""A policy file: what the connector accounts of a forest are to have, and which findings are put up with.

    version = 1

    [audit]                                  # all of it may be left out
    password_days = 90                       # how old a connector's password may be
    unused_days = 90                         # after how many days without a logon a connector counts as unused
    tier0 = ["CONTOSO\\\\Identity Admins"]     # groups and accounts that may control everything: name, DN or SID

    [[accounts]]
    dn = "CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example"    # or name and domain
    restricted = true                        # locked, as Set-ADSyncRestrictedPermissions does

      [[accounts.grants]]
      feature = "UnifiedGroupWriteback"
      scope = "OU=Writeback,DC=contoso,DC=example"    # a DN, or a domain; left out: every domain of the forest
      least_privilege = true
      include_admin_sd_holders = false

    [[accepted]]                             # findings of an audit that are put up with
    rule = "old-password"
    object = "CN=..."                        # or below = "OU=...", which holds its base; left out: anywhere
    account = "MSOL_0123456789ab"            # left out: any
    trustee = "CONTOSO\\\\Helpdesk"            # left out: any
    reason = "rotated by hand in March"
    until = 2027-03-31                       # the last day, UTC; left out: for good

Rule 1: what is not known is an error, with the file, the line and the nearest name that is: a misspelt key in a
        file that grants nothing would pass for one that grants what was meant.
Rule 2: an acceptance needs a reason.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

from .account import AccountNames
from .dn import DistinguishedName
from .errors import ParameterError, PolicyError
from .feature_names import feature_named, nearest
from .policy import AcceptedFinding, Policy, PolicyAccount, PolicyGrant
from .toml_lines import Path, line_of, lines_of_keys

__all__ = ["parse_policy", "read_policy"]

VERSION: Final = 1
#: The largest file that is read, in bytes: a policy is written by hand.
LARGEST: Final = 1_000_000

T = TypeVar("T")


def read_policy(path: str | FilePath, *, rules: Collection[str]) -> Policy:
    """The policy that the file holds. ``rules`` are the ids that an acceptance may name. Raises PolicyError."""
    try:
        with FilePath(path).open("rb") as stream:
            data = stream.read(LARGEST + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise PolicyError(f"there is no policy file '{path}'") from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise PolicyError(f"cannot read the policy file '{path}': {reason}") from error
    if len(data) > LARGEST:
        raise PolicyError(f"the policy file '{path}' is larger than {LARGEST:,} bytes: it is no policy")
    return parse_policy(text, path=str(path), rules=rules)


def parse_policy(text: str, *, path: str, rules: Collection[str]) -> Policy:
    """The policy that the text says. Raises PolicyError with ``path``, the line, and the nearest known name."""
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"{path} is not TOML: {error}") from error
    table = _Table(path, lines_of_keys(text), (), values)
    table.only("version", "audit", "accounts", "accepted")
    version = table.take("version", int, VERSION)
    if version != VERSION:
        raise table.error("version", f"version {version} is not known: this program reads {VERSION}")
    audit = table.table("audit")
    audit.only("password_days", "unused_days", "tier0")
    return Policy(
        path,
        tuple(map(_account, table.tables("accounts"))),
        tuple(_accepted(each, rules) for each in table.tables("accepted")),
        tier0=audit.texts("tier0"),
        password_days=audit.days("password_days"),
        unused_days=audit.days("unused_days"),
        tier0_line=audit.line("tier0"),
    )


def _account(table: _Table) -> PolicyAccount:
    table.only("dn", "name", "domain", "restricted", "grants")
    names: AccountNames = {
        "ad_connector_account_dn": table.dn("dn"),
        "ad_connector_account_name": table.text("name"),
        "ad_connector_account_domain": table.text("domain"),
    }
    dn, name, domain = names.values()
    if (dn is None) == (name is None) or (name is None) != (domain is None):
        raise table.error(None, "name the account by 'dn', or by 'name' and 'domain'")
    return PolicyAccount(
        names,
        tuple(map(_grant, table.tables("grants"))),
        restricted=table.take("restricted", bool, default=False),
        line=table.line(None),
    )


def _grant(table: _Table) -> PolicyGrant:
    table.only("feature", "scope", "least_privilege", "include_admin_sd_holders")
    name = table.required("feature")
    try:
        features = feature_named(name)
    except ParameterError as error:
        raise table.error("feature", str(error)) from None
    scope = table.text("scope")
    if scope is not None and "=" in scope:
        table.dn("scope")
    least = table.take("least_privilege", bool, default=False)
    holders = table.take("include_admin_sd_holders", bool, default=False)
    for key, given, fits in (
        ("scope", scope is not None, all(each.takes_object for each in features)),
        ("least_privilege", least, all(each.least is not None for each in features)),
        ("include_admin_sd_holders", holders, all(each.takes_object for each in features)),
    ):
        if given and not fits:
            raise table.error(key, f"{name} has no '{key}': leave it out")
    return PolicyGrant(name, features, scope, least, holders, table.line("feature"))


def _accepted(table: _Table, rules: Collection[str]) -> AcceptedFinding:
    table.only("rule", "object", "below", "account", "trustee", "reason", "until")
    rule = table.required("rule")
    if rule not in rules:
        raise table.error("rule", f"there is no rule '{rule}'{nearest(rule, rules)}")
    object_dn, below = table.dn("object"), table.dn("below")
    return AcceptedFinding(
        rule,
        table.required("reason"),
        table.date("until"),
        None if object_dn is None else DistinguishedName.parse(object_dn),
        None if below is None else DistinguishedName.parse(below),
        table.text("account"),
        table.text("trustee"),
        table.line(None),
    )


_TYPES: Final[dict[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text in quotes",
    list: "a list",
    dict: "a table",
}


class _Table:
    """A table of the file: its values by key and type, and errors that name their line."""

    def __init__(self, file: str, lines: Mapping[Path, int], path: Path, values: Mapping[str, Any]) -> None:
        self._file = file
        self._lines = lines
        self._path = path
        self._values = values

    def only(self, *known: str) -> None:
        """Refuse what stands here under another key (rule 1)."""
        for key in self._values:
            if key not in known:
                there = f"known are {', '.join(known)}{nearest(key, known)}"
                raise self.error(key, f"there is no key '{key}' here: {there}")

    def line(self, key: str | None) -> int:
        return line_of(self._lines, self._path if key is None else (*self._path, key))

    def error(self, key: str | None, message: str) -> PolicyError:
        return PolicyError(f"{self._file}, line {self.line(key)}: {message}")

    def take(self, key: str, kind: type[T], default: T) -> T:
        value: T = self._values.get(key, default)
        # bool is an int in Python, and is none here.
        if key in self._values and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise self.error(key, f"'{key}' must be {_TYPES[kind]}")
        return value

    def text(self, key: str) -> str | None:
        value = self.take(key, str, "")
        if key in self._values and not value.strip():
            raise self.error(key, f"'{key}' is empty: leave it out, or give it a value")
        return value or None

    def required(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.error(None, f"'{key}' is missing here")
        return value

    def dn(self, key: str) -> str | None:
        value = self.text(key)
        try:
            return value and str(DistinguishedName.parse(value, what=f"'{key}'").text)
        except ParameterError as error:
            raise self.error(key, str(error)) from None

    def date(self, key: str) -> date | None:
        value = self._values.get(key)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            raise self.error(key, f"'{key}' must be a date without quotes, such as 2027-03-31")
        return value

    def days(self, key: str) -> int | None:
        value = self.take(key, int, 0)
        if key in self._values and value < 1:
            raise self.error(key, f"'{key}' must be a number of days, 1 or more")
        return value or None

    def texts(self, key: str) -> tuple[str, ...]:
        values: list[Any] = self.take(key, list, [])
        if not all(isinstance(each, str) and each.strip() for each in values):
            raise self.error(key, f"'{key}' must be a list of texts in quotes")
        return tuple(values)

    def table(self, key: str) -> _Table:
        return _Table(self._file, self._lines, (*self._path, key), self.take(key, dict, {}))

    def tables(self, key: str) -> Iterator[_Table]:
        values: list[Any] = self.take(key, list, [])
        if not all(isinstance(each, dict) for each in values):
            raise self.error(key, f"'{key}' must be tables: write each under a header [[...{key}]]")
        for number, each in enumerate(values):
            yield _Table(self._file, self._lines, (*self._path, key, number), each)
