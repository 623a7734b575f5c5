"""Who is meant by a SID, a DN, or DOMAIN\\name: any account or group of the forest, and what Windows itself has."""

from __future__ import annotations

from typing import Final, NamedTuple

from acl import AclError, Sid

from .directory import Directory
from .dn import DistinguishedName, same_name
from .errors import NotFound, ParameterError, UnknownName
from .filters import Equals
from .forest import domain_named, domain_of
from .names import Names
from .well_known import WELL_KNOWN_NAMES

__all__ = ["SID", "NamedTrustee", "trustee_named"]

#: What an UnknownName is of whose SID nobody has.
SID: Final = "SID"


class NamedTrustee(NamedTuple):
    """A SID, and a name for messages."""

    sid: Sid
    name: str


def trustee_named(directory: Directory, text: str, *, what: str, nobody_too: bool = False) -> NamedTrustee:
    """Who is meant. ``what`` names the parameter in errors; ``nobody_too`` takes a SID that nobody has.

    Raises ParameterError for a text that is none of the three, UnknownName.
    """
    given = text.strip()
    if not given:
        raise ParameterError(f"{what} is empty: give a SID, a DN or DOMAIN\\name")
    if given[:4].upper() == "S-1-":
        return _by_sid(directory, given, what, nobody_too=nobody_too)
    if "=" in given:
        return _by_dn(directory, given, what)
    if "\\" in given:
        return _by_name(directory, given)
    raise ParameterError(f"{what} '{text}' is neither a SID, nor a DN, nor DOMAIN\\name")


def _by_sid(directory: Directory, text: str, what: str, *, nobody_too: bool) -> NamedTrustee:
    try:
        sid = Sid.from_string(text)
    except AclError:
        raise ParameterError(f"{what} '{text}' is no SID: write it like S-1-5-21-1-2-3-1104") from None
    name = Names(directory).trustees([sid]).get(sid)
    if name is None and not nobody_too:
        raise UnknownName(text, SID, f"nobody in this forest has the SID {sid}")
    return NamedTrustee(sid, name or str(sid))


def _by_dn(directory: Directory, text: str, what: str) -> NamedTrustee:
    parsed = DistinguishedName.parse(text, what=what)
    try:
        entry = domain_of(directory, parsed).get(text, ["objectSid", "sAMAccountName"])
    except NotFound:
        raise UnknownName(text, "account", f"there is no object '{text}', or you may not see it") from None
    sid = entry.sid()
    if sid is None:
        raise UnknownName(text, "account", f"'{entry.dn}' has no SID: it is no account or group")
    return NamedTrustee(sid, entry.text("sAMAccountName") or entry.dn)


def _by_name(directory: Directory, text: str) -> NamedTrustee:
    for known, name in WELL_KNOWN_NAMES.items():
        if name.lower() == text.lower():
            return NamedTrustee(known, name)
    domain, _, account = text.partition("\\")
    local = directory.for_domain(domain_named(directory, domain).dns_name)
    root = local.root.default_naming_context
    entries = local.search(root, Equals("sAMAccountName", account), ["objectSid", "sAMAccountName"], limit=2)
    named = (entry for entry in entries if same_name(account, entry.text("sAMAccountName") or ""))
    sid = next((sid for entry in named if (sid := entry.sid()) is not None), None)
    if sid is None:
        raise UnknownName(text, "account", f"there is no account or group '{text}'")
    return NamedTrustee(sid, text)
