"""The connector account: named by DN, or by name and domain, and known from then on by its SID.

Names never enter an ACE. A name that fits two objects is refused, since the grant would go to one of them by
chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from acl import Sid

from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import NotFound, ParameterError, UnknownName
from .filters import AnyOf, Equals
from .forest import domain_named, domain_of

__all__ = ["Principal", "resolve"]

_ATTRIBUTES: Final = ("objectSid", "sAMAccountName", "name")


@dataclass(frozen=True, slots=True)
class Principal:
    """An account: its DN as the directory spells it, its SID, and its sAMAccountName or name."""

    dn: str
    sid: Sid
    name: str


def resolve(
    directory: Directory, *, name: str | None = None, domain: str | None = None, dn: str | None = None
) -> Principal:
    """The account that a cmdlet's parameters name: either ``dn``, or ``name`` and ``domain``.

    Raises ParameterError for another combination, UnknownName where no object, more than one, or one without
    a SID is meant.
    """
    if dn is not None:
        if name is not None or domain is not None:
            raise ParameterError(
                "give either -ADConnectorAccountDN, or -ADConnectorAccountName and -ADConnectorAccountDomain"
            )
        return _by_dn(directory, dn)
    if name is None or domain is None:
        raise ParameterError(
            "name the account: -ADConnectorAccountDN, or -ADConnectorAccountName and "
            "-ADConnectorAccountDomain"
        )
    return _by_name(directory, name, domain)


def _by_dn(directory: Directory, dn: str) -> Principal:
    parsed = DistinguishedName.parse(dn, what="-ADConnectorAccountDN")
    try:
        entry = domain_of(directory, parsed).get(dn, _ATTRIBUTES)
    except NotFound:
        raise UnknownName(dn, "account", f"there is no account '{dn}', or you may not see it") from None
    principal = _principal(entry)
    if principal is None:
        raise UnknownName(dn, "account", f"'{entry.dn}' has no SID: it is no account")
    return principal


def _by_name(directory: Directory, name: str, domain: str) -> Principal:
    if not name.strip():
        raise ParameterError("-ADConnectorAccountName is empty")
    there = domain_named(directory, domain)
    local = directory.for_domain(there.dns_name)
    condition = AnyOf((Equals("name", name), Equals("sAMAccountName", name)))
    entries = local.search(local.root.default_naming_context, condition, _ATTRIBUTES)
    # Contacts and OUs may bear the same name; only what has a SID can be granted anything.
    found = [principal for entry in entries if (principal := _principal(entry))]
    if not found:
        raise UnknownName(name, "account", f"there is no account '{name}' in {there.dns_name}")
    if len(found) > 1:
        names = "; ".join(f"'{each.dn}'" for each in found)
        raise UnknownName(
            name,
            "account",
            f"'{name}' names {len(found)} accounts in {there.dns_name}: {names}; give -ADConnectorAccountDN",
        )
    return found[0]


def _principal(entry: Entry) -> Principal | None:
    sid = entry.sid()
    if sid is None:
        return None
    return Principal(entry.dn, sid, entry.text("sAMAccountName") or entry.text("name") or entry.dn)
