"""A domain controller over LDAP: what is asked of it once somebody is logged on (logon.py, transport.py).

Rule 1: referrals are never followed: the server of another domain is named by the caller.
Rule 2: every operation states its SD flags: 7 to read (owner, group, DACL), 4 or 1 to write (DACL or owner
        alone).
Rule 3: what the server says of an operation is turned into this package's errors, in ``_check``.
Rule 4: everything is asked through a ``Session``, which knows what to do when the connection is lost.

Sources: RFC 4511; MS-ADTS 3.1.1.3.4.1.11 (LDAP_SERVER_SD_FLAGS_OID), 3.1.1.3.1.1 (AD's own result codes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import ldap3
from ldap3.core.exceptions import LDAPException

from acl import SecurityDescriptor, Sid

from .answers import RESULT_MEANINGS
from .credential import Credential, TlsOptions
from .directory import Entry, RootDse, Scope, dacl_alone
from .dn import DistinguishedName
from .errors import (
    AccessDenied,
    DirectoryError,
    NotFound,
    ParameterError,
    Unreachable,
)
from .filters import EVERYTHING, Filter
from .logon import Notify, log_on
from .ranges import whole
from .session import Answer, Session
from .transport import endpoint, shortened, unreachable
from .wire import Overdue, cut_off

if TYPE_CHECKING:
    from .connections import ForestConnections

__all__ = ["LiveDirectory"]

PAGED_RESULTS_OID: Final = "1.2.840.113556.1.4.319"
SD_FLAGS_OID: Final = "1.2.840.113556.1.4.801"
# The control's value is a BER sequence of one integer.
SD_FLAGS_READ: Final = (SD_FLAGS_OID, True, b"\x30\x03\x02\x01\x07")  # owner, group, DACL
SD_FLAGS_WRITE: Final = (SD_FLAGS_OID, True, b"\x30\x03\x02\x01\x04")  # DACL
SD_FLAGS_OWNER: Final = (SD_FLAGS_OID, True, b"\x30\x03\x02\x01\x01")  # owner
# DNs as <GUID=...>;<SID=S-1-...>;DN (MS-ADTS 3.1.1.3.4.1.5): the SID of the forest's root comes without a request
# of its own. Not critical: a server that knows it not answers as ever.
EXTENDED_DN: Final = ("1.2.840.113556.1.4.529", False, b"\x30\x03\x02\x01\x01")
PAGE_SIZE: Final = 500
LARGEST_PAGE: Final = 1000  # MaxPageSize of Active Directory (MS-ADTS 3.1.1.3.4.6)
MOST_ENTRIES: Final = 5_000_000  # of one search
MOST_EMPTY_PAGES: Final = (
    1000  # one after the other: a page may be empty where the controller's time for it ran out
)

_EXTENDED: Final = re.compile(r"^(?:<[A-Z]+=[^<>]*>;)+")
_EXTENDED_SID: Final = re.compile(r"^(?:<GUID=[^<>]*>;)?<SID=(S-1-[0-9-]+)>;")
_SCOPES: Final = {Scope.BASE: ldap3.BASE, Scope.ONE_LEVEL: ldap3.LEVEL, Scope.SUBTREE: ldap3.SUBTREE}
#: What a controller says of an owner that its rules forbid (MS-ADTS 6.1.3.3): ERROR_INVALID_OWNER.
_OWNER_MEANINGS: Final = {
    "constraintViolation": "you may make only yourself or a group of yours its owner, unless you hold the right to "
    "restore files"
}
#: Windows says so by the one code, Samba by the other (ERROR_PASSWORD_RESTRICTION, 52D).
_PASSWORD_MEANINGS: Final = dict.fromkeys(
    ("constraintViolation", "unwillingToPerform"),
    "the domain's rules for passwords (length, complexity, history) do not allow this one",
)
_ROOT_DSE: Final = {
    "default_naming_context": "defaultNamingContext",
    "root_domain_naming_context": "rootDomainNamingContext",
    "configuration_naming_context": "configurationNamingContext",
    "schema_naming_context": "schemaNamingContext",
    "controller": "dnsHostName",
}


class LiveDirectory:
    """A domain controller: see ``directory.Directory`` for what its methods promise.

    Open one with ``LiveDirectory.connect``; ``forest`` knows the other domains and how to reach them.
    """

    def __init__(
        self,
        connection: Any,
        root: RootDse,
        *,
        url: str,
        log_on_again: Callable[[], Any],
        forest: ForestConnections | None = None,
        encrypted: bool = True,
    ) -> None:
        self._encrypted = encrypted
        self._session = Session(connection, log_on_again, failure=partial(unreachable, url))
        self._root = root
        self._url = url
        self._forest = forest
        self._caller: str | None = connection.user or None

    @classmethod
    def connect(
        cls,
        url: str,
        credential: Credential,
        options: TlsOptions,
        *,
        forest: ForestConnections | None = None,
        notify: Notify | None = None,
    ) -> LiveDirectory:
        """A connection to the controller at ``url``, logged on. Raises as ``logon.log_on``."""
        connection = log_on(url, credential, options, notify)
        root = _root_dse(connection, url)

        def log_on_again() -> Any:
            again = log_on(url, credential, options, notify)
            now = _root_dse(again, url).controller
            if now.lower() != root.controller.lower():
                again.unbind()
                raise Unreachable(
                    f"the connection to {root.controller} was lost, and '{url}' is {now} now, which may not know "
                    "yet what was written: name one controller as -Server, and run again"
                )
            return again

        encrypted = endpoint(url, starttls=options.starttls).encrypted
        return cls(connection, root, url=url, log_on_again=log_on_again, forest=forest, encrypted=encrypted)

    def __repr__(self) -> str:
        return f"LiveDirectory({self._url!r})"

    @property
    def root(self) -> RootDse:
        """The naming contexts, and the controller that answers."""
        return self._root

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        """The object with this DN. Raises NotFound, ParameterError for a DN that is none, DirectoryError."""
        DistinguishedName.parse(dn)
        entries = self._entries(self._search(dn, EVERYTHING, ldap3.BASE, attributes), most=1)
        if not entries:
            raise NotFound(dn)
        return entries[0]

    def search(
        self,
        base: str,
        condition: Filter,
        attributes: Sequence[str],
        *,
        scope: Scope = Scope.SUBTREE,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """The objects below the base that meet the condition, page by page. Raises as ``get``.

        A subtree holds its base. No more than ``limit`` come, and no page beyond them is asked for.
        """
        DistinguishedName.parse(base)
        left = limit
        cookie: bytes | None = None
        connection: int | None = None  # a cookie is for the connection that it came on
        found = empty = 0
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(left, LARGEST_PAGE)
            answer = self._search(
                base, condition, _SCOPES[scope], attributes, page=(size, cookie), on=connection
            )
            connection = self._session.number
            # References to other domains' partitions are no entries, and are not followed (rule 1).
            entries = self._entries(answer, most=size)
            cookie = _cookie(answer)
            found += len(entries)
            if found > MOST_ENTRIES:
                raise DirectoryError(
                    f"'{self._url}' has more than {MOST_ENTRIES} objects below '{base}'", dn=base
                )
            empty = 0 if entries else empty + 1
            if empty >= MOST_EMPTY_PAGES:
                raise DirectoryError(
                    f"'{self._url}' gave {empty} pages below '{base}' with nothing on them", dn=base
                )
            yield from entries
            if left is not None:
                left -= len(entries)
            if not cookie:
                return

    def write_dacl(self, dn: str, descriptor: SecurityDescriptor) -> None:
        """Replace the object's DACL. Raises AccessDenied, NotFound, Busy, Unanswered, DirectoryError."""
        self._modify(
            dn,
            {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [dacl_alone(descriptor).to_bytes()])]},
            "write the permissions of",
            control=SD_FLAGS_WRITE,
        )

    def write_owner(self, dn: str, owner: Sid) -> None:
        """Make this the object's owner. Raises AccessDenied, NotFound, Busy, Unanswered, DirectoryError."""
        data = SecurityDescriptor(owner=owner).to_bytes()
        self._modify(
            dn,
            {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [data])]},
            "write the owner of",
            control=SD_FLAGS_OWNER,
            meanings=_OWNER_MEANINGS,
        )

    def modify_values(
        self, dn: str, attribute: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add values to the object's attribute and remove others, in one request. Raises as ``write_dacl``."""
        changes = [(ldap3.MODIFY_DELETE, list(remove)), (ldap3.MODIFY_ADD, list(add))]
        self._modify(dn, {attribute: [each for each in changes if each[1]]}, f"write {attribute} of")

    def set_password(self, dn: str, password: str) -> None:
        """Give the account this password. Raises ParameterError outside TLS, else as ``write_dacl``."""
        if not self._encrypted:
            raise ParameterError(
                f"'{self._url}' is not encrypted by TLS, and a password is set inside TLS alone: use ldaps:// or "
                "--starttls"
            )
        self._modify(
            dn,
            {"unicodePwd": [(ldap3.MODIFY_REPLACE, [f'"{password}"'.encode("utf-16-le")])]},
            "set the password of",
            meanings=_PASSWORD_MEANINGS,
        )

    @property
    def caller(self) -> str | None:
        """Who is logged on here, as given."""
        return self._caller

    def caller_sids(self) -> tuple[Sid, ...]:
        """The SIDs of who is logged on here, groups included (rootDSE's tokenGroups, MS-ADTS 3.1.1.3.2)."""
        entries = self._entries(self._search("", EVERYTHING, ldap3.BASE, ["tokenGroups"]), most=1)
        values = [value for each in entries for value in each.attributes.get("tokengroups", ())]
        return tuple(Sid.from_bytes(value) for value in values)

    def for_domain(self, dns_name: str) -> LiveDirectory:
        """The same forest seen from another of its domains. Raises Unreachable, with what to do."""
        name = dns_name.lower()
        if name == self._root.domain:
            return self
        if self._forest is None:
            raise Unreachable(f"this connection is to {self._root.domain} alone: name a server of {name}")
        return self._forest.domain(name)

    def close(self) -> None:
        """Let go of this connection, and of those to other domains that were made for it."""
        if self._forest is None:
            self.disconnect()
        else:
            self._forest.close()

    def disconnect(self) -> None:
        """Let go of this connection alone."""
        with suppress(LDAPException, OSError, Overdue):  # it may be gone already, which is what is wanted
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _modify(
        self,
        dn: str,
        changes: Mapping[str, Any],
        action: str,
        *,
        control: tuple[str, bool, bytes] | None = None,
        meanings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """One modify request; ``meanings`` say what result codes stand for that mean more here than elsewhere."""
        controls = None if control is None else [control]
        answer = self._session.write(
            lambda connection: connection.modify(dn, changes, controls=controls), "modifyResponse", dn
        )
        _check(answer.result, dn, action, meanings)

    def _search(
        self,
        base: str,
        condition: Filter,
        scope: str,
        attributes: Sequence[str],
        *,
        page: tuple[int, bytes | None] | None = None,
        on: int | None = None,
    ) -> Answer:
        wants_descriptor = any(name.lower() == "ntsecuritydescriptor" for name in attributes)
        answer = self._session.read(
            lambda connection: connection.search(
                base,
                condition.to_ldap(),
                search_scope=scope,
                attributes=list(attributes),
                controls=[SD_FLAGS_READ] if wants_descriptor else None,
                paged_size=page[0] if page else None,
                paged_cookie=page[1] if page else None,
            ),
            "searchResDone",
            on=on,
        )
        _check(answer.result, base, "read")
        return answer

    def _entries(self, answer: Answer, *, most: int) -> list[Entry]:
        """The objects in an answer. Raises DirectoryError where there are more than were asked for."""
        entries = [_entry(each) for each in answer.messages if each["type"] == "searchResEntry"]
        if len(entries) > most:
            raise DirectoryError(
                f"'{self._url}' answered nonsense: {len(entries)} objects where {most} were asked for"
            )
        return [whole(each, partial(self._values, each.dn)) for each in entries]

    def _values(self, dn: str, attribute: str) -> Mapping[str, Sequence[bytes]]:
        """An attribute of one object, under the names that the controller gives it."""
        answer = self._search(dn, EVERYTHING, ldap3.BASE, [attribute])
        found = [_entry(each) for each in answer.messages if each["type"] == "searchResEntry"]
        return found[0].attributes if found else {}


def _root_dse(connection: Any, url: str) -> RootDse:
    try:
        connection.search(
            "",
            EVERYTHING.to_ldap(),
            search_scope=ldap3.BASE,
            attributes=[*_ROOT_DSE.values()],
            controls=[EXTENDED_DN],
        )
    except Exception as error:
        if connection.socket is not None:
            cut_off(connection.socket)
        raise unreachable(url, error) from error
    found = [_entry(each) for each in connection.response or [] if each["type"] == "searchResEntry"]
    said = {field: found[0].text(name) if found else None for field, name in _ROOT_DSE.items()}
    values = {field: value and _EXTENDED.sub("", value) for field, value in said.items()}
    absent = [_ROOT_DSE[field] for field, value in values.items() if not value]
    if absent:
        connection.unbind()
        raise DirectoryError(
            f"'{url}' is no Active Directory domain controller: it has no {', '.join(absent)}"
        )
    sid = _EXTENDED_SID.search(said["root_domain_naming_context"] or "")
    return RootDse(
        **{field: value or "" for field, value in values.items()}, forest_root_sid=sid[1] if sid else None
    )


def _cookie(answer: Answer) -> bytes | None:
    """What the next page is asked for with, or None where there is none."""
    control = (answer.result.get("controls") or {}).get(PAGED_RESULTS_OID)
    return (control and control["value"]["cookie"]) or None


def _entry(response: Mapping[str, Any]) -> Entry:
    return Entry(
        response["dn"], {name.lower(): values for name, values in response["raw_attributes"].items()}
    )


def _check(
    result: Mapping[str, Any], dn: str, action: str, meanings: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Raise the error that an operation's result stands for."""
    code = result["description"]
    if code == "success":
        return
    if code == "noSuchObject":
        raise NotFound(dn)
    if code == "invalidDNSyntax":
        raise ParameterError(f"'{dn}' is no distinguished name that the controller understands")
    said = shortened((result["message"] or "").split("\x00")[0])
    if code == "insufficientAccessRights":
        raise AccessDenied(f"you may not {action} '{dn}' (insufficientAccessRights)", dn=dn)
    meaning = meanings.get(code) or RESULT_MEANINGS.get(code, code)
    raise DirectoryError(f"cannot {action} '{dn}': {meaning} ({code}{': ' if said else ''}{said})", dn=dn)
