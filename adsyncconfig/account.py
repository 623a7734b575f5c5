"""The connector account: named by DN, or by name and domain, and known from then on by its SID.

Names never enter an ACE. A name that fits two objects is refused, since the grant would go to one of them by
chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, TypedDict

from acl import AclError, Sid
from acl.token import NETWORK_LOGON_SIDS

from .directory import Directory, Entry
from .dn import DistinguishedName, same_name
from .errors import DirectoryError, NotFound, ParameterError, UnknownName
from .filters import AnyOf, Equals
from .forest import domain_named, domain_of

__all__ = ["AccountNames", "Principal", "account_of", "implied_groups", "resolve"]

_ATTRIBUTES: Final = ("objectSid", "sAMAccountName", "name")
_GROUPS: Final = "tokenGroups"


@dataclass(frozen=True, slots=True)
class Principal:
    """An account: its DN as the directory spells it, its SID, and its sAMAccountName or name.

    ``token_sids`` are the groups that it is in, through others too (tokenGroups); None where they may not be read.
    """

    dn: str
    sid: Sid
    name: str
    token_sids: tuple[Sid, ...] | None = field(default=None, repr=False, compare=False)


class AccountNames(TypedDict, total=False):
    """How every cmdlet names the connector account.

    By ``ad_connector_account_dn``, or by ``ad_connector_account_name`` (its name or sAMAccountName) and
    ``ad_connector_account_domain`` (DNS or NetBIOS name).
    """

    ad_connector_account_name: str | None
    ad_connector_account_domain: str | None
    ad_connector_account_dn: str | None


def account_of(directory: Directory, given: AccountNames) -> Principal:
    """The account that a cmdlet's parameters name. Raises as ``resolve``."""
    return resolve(
        directory,
        name=given.get("ad_connector_account_name"),
        domain=given.get("ad_connector_account_domain"),
        dn=given.get("ad_connector_account_dn"),
    )


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
        entry = domain_of(directory, parsed).get(dn, (*_ATTRIBUTES, _GROUPS))
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
    found = [
        principal
        for entry in entries
        if _is_named(entry, name) and (principal := _principal(entry)) is not None
    ]
    if not found:
        raise UnknownName(name, "account", f"there is no account '{name}' in {there.dns_name}")
    if len(found) > 1:
        names = "; ".join(f"'{each.dn}'" for each in found)
        raise UnknownName(
            name,
            "account",
            f"'{name}' names {len(found)} accounts in {there.dns_name}: {names}; give -ADConnectorAccountDN",
        )
    # A controller works tokenGroups out for a search of one object alone, and fails any other that asks for it.
    return replace(found[0], token_sids=_groups(local.get(found[0].dn, (_GROUPS,))))


def _is_named(entry: Entry, name: str) -> bool:
    return any(same_name(name, each) for each in (*entry.values("name"), *entry.values("sAMAccountName")))


def _principal(entry: Entry) -> Principal | None:
    sid = entry.sid()
    if sid is None:
        return None
    return Principal(
        entry.dn, sid, entry.text("sAMAccountName") or entry.text("name") or entry.dn, _groups(entry)
    )


def _groups(entry: Entry) -> tuple[Sid, ...] | None:
    """The entry's tokenGroups; None where they did not come, since every account is in a primary group."""
    try:
        return tuple(map(Sid.from_bytes, entry.attributes.get(_GROUPS.lower(), ()))) or None
    except AclError as error:
        raise DirectoryError(f"the {_GROUPS} of '{entry.dn}' is {error}", dn=entry.dn) from error


def implied_groups(directory: Directory) -> tuple[Sid, ...]:
    """The groups of the directory's domain that everybody who logs on is a member of, in no tokenGroups listed.

    Such as Pre-Windows 2000 Compatible Access, where Authenticated Users is in it: MS-ADTS 6.1.1.6.
    """
    domain = directory.root.default_naming_context
    members = tuple(
        Equals("member", f"CN={sid},CN=ForeignSecurityPrincipals,{domain}") for sid in NETWORK_LOGON_SIDS
    )
    found = directory.search(domain, AnyOf(members), ("objectSid",))
    return tuple(sid for entry in found if (sid := entry.sid()) is not None)
