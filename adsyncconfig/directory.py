"""The directory that the cmdlets act on: what every implementation promises.

``live.LiveDirectory`` is a domain controller over LDAP; ``snapshot.SnapshotDirectory`` is a file. Both keep
these promises, and tests/test_directory.py holds them to it:

1. Names compare without regard to case; an entry's ``dn`` is the directory's own spelling.
2. Attribute values are bytes as the wire has them; ``Entry`` reads them as text, SID, GUID or descriptor.
3. A descriptor is read with owner, group and DACL (SD flags 7). A write of the DACL sends that alone (SD flags 4),
   and a write of the owner that alone (SD flags 1): group and SACL are never touched.
4. After a write of either the directory derives inherited entries again, on the object and below it.
5. What goes wrong is one of the DirectoryError classes, with the object's DN where there is one.
6. What is asked for again after a lost connection or by a busy controller is reading. A write is sent once:
   Busy and NotFound say that it was not made, and Unanswered that nobody knows.

Source: MS-ADTS 3.1.1.3.2 (rootDSE), 3.1.1.3.4.1.11 (SD flags).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, Self
from uuid import UUID

from acl import AclError, Control, SecurityDescriptor, Sid

from .dn import DistinguishedName
from .errors import AccessDenied, DirectoryError
from .filters import Filter

__all__ = ["PAUSES", "Directory", "Entry", "RootDse", "Scope", "dacl_alone"]

#: Seconds to wait before a controller that is busy is asked again, each time.
PAUSES: Final = (0.2, 0.6, 1.2)


class Scope(Enum):
    """How far a search goes below its base."""

    BASE = "the base itself"
    ONE_LEVEL = "one level"
    SUBTREE = "subtree"


@dataclass(frozen=True, slots=True)
class RootDse:
    """What a controller says about itself and its forest; the SID is None where it does not say it."""

    default_naming_context: str
    root_domain_naming_context: str
    configuration_naming_context: str
    schema_naming_context: str
    controller: str
    forest_root_sid: str | None = None

    @property
    def domain(self) -> str:
        """The DNS name of the controller's domain."""
        return DistinguishedName.parse(self.default_naming_context).domain


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as read: its DN, and the attributes asked for under their names in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def values(self, attribute: str) -> tuple[str, ...]:
        """Every value of the attribute as text; empty when there is none."""
        return tuple(value.decode("utf-8", "replace") for value in self.attributes.get(attribute.lower(), ()))

    def text(self, attribute: str) -> str | None:
        """The first value of the attribute as text, or None when there is none."""
        return next(iter(self.values(attribute)), None)

    def sid(self, attribute: str = "objectSid") -> Sid | None:
        """The attribute as a SID, or None when there is none; raises DirectoryError when it is malformed."""
        raw = self._raw(attribute)
        if raw is None:
            return None
        try:
            return Sid.from_bytes(raw)
        except AclError as error:
            raise DirectoryError(f"the {attribute} of '{self.dn}' is {error}", dn=self.dn) from error

    def guid(self, attribute: str = "objectGUID") -> UUID | None:
        """The attribute as a GUID, or None when there is none; raises DirectoryError when it is malformed."""
        raw = self._raw(attribute)
        if raw is None:
            return None
        if len(raw) != 16:
            raise DirectoryError(f"the {attribute} of '{self.dn}' has {len(raw)} bytes, not 16", dn=self.dn)
        return UUID(bytes_le=raw)

    def security_descriptor(self) -> SecurityDescriptor:
        """The object's descriptor: owner, group and DACL.

        Raises AccessDenied when the caller may not see it, DirectoryError when its bytes are malformed.
        """
        raw = self._raw("nTSecurityDescriptor")
        if raw is None:
            raise AccessDenied(
                f"you may not read the permissions of '{self.dn}': Read Permissions is needed there",
                dn=self.dn,
            )
        try:
            return SecurityDescriptor.from_bytes(raw)
        except AclError as error:
            raise DirectoryError(
                f"the security descriptor of '{self.dn}' is {error}; nothing was changed", dn=self.dn
            ) from error

    def _raw(self, attribute: str) -> bytes | None:
        return next(iter(self.attributes.get(attribute.lower(), ())), None)


def dacl_alone(descriptor: SecurityDescriptor) -> SecurityDescriptor:
    """What goes over the wire of a descriptor under SD flags 4, where the server looks at nothing else."""
    control = descriptor.control & (
        Control.DACL_PRESENT
        | Control.DACL_PROTECTED
        | Control.DACL_AUTO_INHERITED
        | Control.DACL_AUTO_INHERIT_REQ
    )
    return SecurityDescriptor(control, dacl=descriptor.dacl)


class Directory(Protocol):
    """A forest as seen from one domain of it."""

    @property
    def root(self) -> RootDse:
        """The naming contexts, and the controller that answers."""

    def get(self, dn: str, attributes: Sequence[str]) -> Entry:
        """The object with this DN. Raises NotFound, ParameterError for a DN that is none, DirectoryError."""

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

    def write_dacl(self, dn: str, descriptor: SecurityDescriptor) -> None:
        """Replace the object's DACL. Raises AccessDenied, NotFound, Busy, Unanswered, DirectoryError."""

    def write_owner(self, dn: str, owner: Sid) -> None:
        """Make this the object's owner. Raises AccessDenied, NotFound, DirectoryError.

        A controller takes the caller's own SID, a group of the caller's that may own, or with the right to restore
        files any (MS-ADTS 6.1.3.3).
        """

    def modify_values(
        self, dn: str, attribute: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add values to the object's attribute and remove others, in one request; the rest of them stay.

        Raises AccessDenied, NotFound, DirectoryError.
        """

    def set_password(self, dn: str, password: str) -> None:
        """Give the account this password, whatever it was before (MS-ADTS 3.1.1.3.1.5.1, unicodePwd).

        Raises ParameterError where it would go over the wire unencrypted, AccessDenied, NotFound, DirectoryError.
        """

    @property
    def caller(self) -> str | None:
        """Who is logged on here, as given; None where nobody is."""

    def caller_sids(self) -> tuple[Sid, ...] | None:
        """The SIDs of who is logged on here, groups included; None where nobody is and nothing is refused."""

    def for_domain(self, dns_name: str) -> Directory:
        """The same forest seen from another of its domains. Raises Unreachable, with what to do."""

    def close(self) -> None:
        """Let go of connections."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
