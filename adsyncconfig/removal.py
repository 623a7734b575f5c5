"""Taking every permission of one account away: of a connector that was replaced, or a SID that nobody has.

Rule 1: every explicit entry of the trustee goes, whether it allows or denies, on the search base and below it.
        Inherited ones go with the entry that they come from.
Rule 2: the whole of it is read and planned before the first write. An object whose permissions cannot be read
        is reported, never taken for one that holds nothing.
Rule 3: only an account's entries are taken away. SIDs of Windows itself, groups, what Windows marks as critical,
        and the caller's own are refused, always: a slip there would close a domain, not tidy it up.
Rule 4: what the account owns stays its own; the result names it, since an owner may rewrite the permissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from acl import AclError, SecurityDescriptor, Sid
from acl.edit import revoke_trustee

from .account import Principal, resolve
from .apply import Notify
from .bearers import Bearer, Bearers
from .directory import Directory, Entry
from .dn import DistinguishedName
from .errors import ADSyncConfigError, ParameterError, UnsafePlan
from .filters import Equals
from .forest import domain_of, domains
from .granting import AccountParameters
from .plan import Change
from .principals import why_not_an_account, why_system
from .result import SetResult, extended
from .running import finish
from .search_base import SearchBase, everywhere, named_base

__all__ = ["RemovalParameters", "RemovalResult", "counted", "remove_permissions"]

CMDLET: Final = "Remove-ADSyncPermissions"
OPERATION: Final = "Remove permissions"
_ENTRY: Final = (
    "objectClass",
    "sAMAccountName",
    "name",
    "objectSid",
    "isCriticalSystemObject",
    "userAccountControl",
)
#: How many objects a message names.
_NAMED: Final = 10


class RemovalParameters(AccountParameters, total=False):
    """The account, or ``sid`` (S-1-5-21-..., with or without an account), and ``search_base``.

    ``search_base`` is a DN, or the DNS or NetBIOS name of a domain; left out: every domain of the forest, and its
    configuration and schema.
    """

    sid: str | None
    search_base: str | None


@dataclass(frozen=True, slots=True)
class RemovalResult(SetResult):
    """What was taken away; ``read`` objects were looked at.

    ``unreadable`` are the DNs of objects that may hold more, ``owned`` of those that the account owns.
    """

    read: int = 0
    unreadable: tuple[str, ...] = ()
    owned: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0; where something could not be read 3, or 4 when something else was changed."""
        if not self.unreadable:
            return 0
        return 4 if any(change.status == "applied" for change in self.changes) else 3

    @property
    def details(self) -> tuple[str, ...]:
        """How many objects were read."""
        found = len(self.changes)
        return (
            f"{self.read} objects read, {found} with explicit entries, {len(self.unreadable)} not readable.",
        )

    def to_json(self) -> dict[str, Any]:
        """The run, with what was read, what could not be, and what the account owns."""
        more = {"read": self.read, "unreadable": list(self.unreadable), "owned": list(self.owned)}
        return SetResult.to_json(self) | more


@dataclass(slots=True)
class _Survey:
    """What reading below the search bases found."""

    changes: list[Change] = field(default_factory=list)
    owned: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    read: int = 0


def remove_permissions(directory: Directory, given: RemovalParameters) -> RemovalResult:
    """Take away every explicit entry of an account below a search base.

    Raises ParameterError, UnknownName and UnsafePlan before anything is written, DirectoryError when nothing
    could be written, PartialApply when some changes were and some were not.
    """
    account, warnings = _trustee(directory, given)
    search_base = given.get("search_base")
    bases = everywhere(directory) if search_base is None else (named_base(directory, search_base),)
    survey = _read(bases, account.sid, given.get("notify"))
    for dns, what in (
        (
            survey.owned,
            f"owned by {account.name}, and an owner may rewrite permissions; owners are left as they are",
        ),
        (survey.unreadable, f"not readable, and may hold permissions of {account.name}"),
    ):
        if dns:
            warnings.append(counted(dns, what))
    more = {"read": survey.read, "unreadable": tuple(survey.unreadable), "owned": tuple(survey.owned)}
    try:
        result = finish(CMDLET, account, survey.changes, warnings=warnings, directory=directory, run=given)
    except ADSyncConfigError as error:
        if error.result is not None:
            error.result = extended(error.result, RemovalResult, **more)
        raise
    return extended(result, RemovalResult, **more)


def _trustee(directory: Directory, given: RemovalParameters) -> tuple[Principal, list[str]]:
    """Whose entries go, once it is known to be an ordinary account or nobody's SID; and warnings."""
    name, domain, dn = (
        given.get("ad_connector_account_name"),
        given.get("ad_connector_account_domain"),
        given.get("ad_connector_account_dn"),
    )
    text = given.get("sid")
    warnings: list[str] = []
    if text is None:
        account = resolve(directory, name=name, domain=domain, dn=dn)
        local = domain_of(directory, DistinguishedName.parse(account.dn))
        entry: Entry | None = local.get(account.dn, _ENTRY)
    elif (name, domain, dn) != (None, None, None):
        raise ParameterError(
            "give either -Sid, or the account by -ADConnectorAccountDN or by its name and domain"
        )
    else:
        try:
            sid = Sid.from_string(text.strip())
        except AclError:
            raise ParameterError(f"-Sid '{text}' is no SID: write it like S-1-5-21-1-2-3-1104") from None
        _refuse(f"{sid}", why_system(sid))
        entry = _account_of(directory, sid, warnings)
        account = Principal(f"<SID={sid}>", sid, str(sid)) if entry is None else _principal(entry, sid)
    _refuse(account.name, why_system(account.sid))
    if entry is not None:
        _refuse(account.name, why_not_an_account(entry))
    if account.sid in (directory.caller_sids() or ()):
        _refuse(account.name, "it is your own account, or a group of yours")
    return account, warnings


def _refuse(what: str, why: str | None) -> None:
    if why is not None:
        raise UnsafePlan(what, f"{why}; its permissions are never taken away as a whole; nothing was changed")


def _account_of(directory: Directory, sid: Sid, warnings: list[str]) -> Entry | None:
    """The object that has this SID, in whichever domain; warnings where someone else may still use it."""
    for domain in domains(directory):
        local = directory.for_domain(domain.dns_name)
        root = local.root.default_naming_context
        found = next(local.search(root, Equals("objectSid", str(sid)), _ENTRY), None)
        if found is not None and "foreignSecurityPrincipal" not in found.values("objectClass"):
            return found
        if found is not None:
            warnings.append(
                f"{sid} is of no domain of this forest: '{found.dn}' stands for it here, and it may belong to an "
                "account or a group of a trusted domain"
            )
        warnings += (
            f"'{heir.dn}' has {sid} in its sIDHistory, and so uses the permissions that are taken away"
            for heir in local.search(root, Equals("sIDHistory", str(sid)), ["name"])
        )
    return None


def _principal(entry: Entry, sid: Sid) -> Principal:
    return Principal(entry.dn, sid, entry.text("sAMAccountName") or entry.text("name") or entry.dn)


def _read(bases: Iterable[SearchBase], sid: Sid, notify: Notify | None) -> _Survey:
    """Every object below the bases, one after the other; only what bears the SID is kept."""
    survey = _Survey()
    bearers = Bearers(bases, [sid], notify=notify)
    # A controller answers in any order; parents come first here, so that a reader finds the way.
    for _, below in groupby(bearers, key=lambda each: each.base):
        changes = [change for each in below if (change := _look_at(each, sid, survey))]
        survey.changes += sorted(changes, key=lambda change: len(DistinguishedName.parse(change.dn).rdns))
    survey.read = bearers.read
    return survey


def _look_at(bearer: Bearer, sid: Sid, survey: _Survey) -> Change | None:
    """The change that takes the trustee's entries from one object, or None; the survey is kept up."""
    descriptor = bearer.descriptor
    if descriptor is None:
        survey.unreadable.append(bearer.dn)
        return None
    if descriptor.owner == sid:
        survey.owned.append(bearer.dn)
    after = _without(descriptor, sid)
    domain = bearer.base.directory.root.domain
    return None if after is descriptor else Change(OPERATION, domain, bearer.dn, bearer.dn, descriptor, after)


def _without(descriptor: SecurityDescriptor, sid: Sid) -> SecurityDescriptor:
    """The descriptor without the trustee's explicit entries; the same one when it has none."""
    if descriptor.dacl is None:
        return descriptor
    dacl = revoke_trustee(descriptor.dacl, sid, deny_too=True)
    return descriptor if dacl is descriptor.dacl else descriptor.with_dacl(dacl)


def counted(dns: Sequence[str], what: str) -> str:
    """``2 objects are owned by ...: 'CN=...', 'CN=...'``, the first ten of them by name."""
    are = "1 object is" if len(dns) == 1 else f"{len(dns)} objects are"
    rest = len(dns) - _NAMED
    first = ", ".join(f"'{dn}'" for dn in dns[:_NAMED])
    return f"{are} {what}: {first}" + (f" and {rest} more" if rest > 0 else "")
