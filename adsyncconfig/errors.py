"""Everything that this package raises, and the exit code that a command gives for it.

    ADSyncConfigError                1
    ├── ParameterError               2   the caller's arguments
    ├── UnknownName                  1   an account, class or right that is not there, or there twice
    ├── UnsafePlan                   1   the change would weaken or drop what is there, or hand over too much
    ├── DirectoryError               1   the directory refused, failed or answered nonsense
    │   ├── NotFound                     no such object, or it may not be seen
    │   ├── AccessDenied                 the caller lacks a right there
    │   ├── AuthenticationFailed         the directory does not take these credentials
    │   ├── Busy                         the controller would not do it now; nothing was done
    │   ├── Unreachable                  no connection, or not a trusted one
    │   │   └── Unanswered               a change was asked for, and nobody knows whether it was made
    │   └── Conflict                     somebody else changed the object in between
    ├── SnapshotError                1   a snapshot file cannot be read or written
    ├── PlanFileError                1   a plan file cannot be read, trusted or written
    ├── JournalError                 1   a journal cannot be read, trusted or written
    ├── PolicyError                  1   a policy file cannot be read, or says what cannot be meant
    └── PartialApply                 4   some changes are written and some are not, or nobody knows of one

Messages are one line, name the thing and say what to do. ``acl.AclError`` stands beside this tree: it says
what is wrong with a descriptor; the directory layer turns it into a DirectoryError that names the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from acl import SecurityDescriptor

    from .result import SetResult

__all__ = [
    "ADSyncConfigError",
    "AccessDenied",
    "AuthenticationFailed",
    "Busy",
    "Conflict",
    "DirectoryError",
    "JournalError",
    "NotFound",
    "ParameterError",
    "PartialApply",
    "PlanFileError",
    "PolicyError",
    "SnapshotError",
    "Unanswered",
    "UnknownName",
    "Unreachable",
    "UnsafePlan",
]


class ADSyncConfigError(Exception):
    """The root of the tree; ``exit_code`` is what a command ends with.

    ``result`` says what became of each change, where the error came after some were tried.
    """

    exit_code: ClassVar[int] = 1
    result: SetResult | None = None


class ParameterError(ADSyncConfigError):
    """An argument is missing, empty, contradicts another or cannot be read."""

    exit_code = 2


class UnknownName(ADSyncConfigError):
    """``name`` stands for no ``kind`` of thing in this directory, or for more than one."""

    def __init__(self, name: str, kind: str, message: str | None = None) -> None:
        super().__init__(message or f"there is no {kind} named '{name}'")
        self.name = name
        self.kind = kind


class UnsafePlan(ADSyncConfigError):
    """The change to ``change`` would weaken or drop what is there, or hand over too much: ``why``."""

    def __init__(self, change: str, why: str) -> None:
        super().__init__(f"{change}: {why}")
        self.change = change
        self.why = why


class DirectoryError(ADSyncConfigError):
    """The directory refused or failed. ``dn`` is the object in question, or None."""

    def __init__(self, message: str, *, dn: str | None = None) -> None:
        super().__init__(message)
        self.dn = dn


class NotFound(DirectoryError):
    """No object has this DN, or the caller may not see it."""

    def __init__(self, dn: str) -> None:
        super().__init__(f"there is no object '{dn}', or you may not see it", dn=dn)


class AccessDenied(DirectoryError):
    """The caller lacks a right on the object."""


class AuthenticationFailed(DirectoryError):
    """The directory does not take these credentials."""


class Busy(DirectoryError):
    """The controller would not do it now, and did nothing: the same may be asked again later."""


class Unreachable(DirectoryError):
    """There is no connection to a controller, or none that can be trusted; ``is_late``: an answer did not come."""

    def __init__(self, message: str, *, dn: str | None = None, is_late: bool = False) -> None:
        super().__init__(message, dn=dn)
        self.is_late = is_late


class Unanswered(Unreachable):
    """A change was asked for and the answer did not come: nobody knows whether it was made. Read, then decide."""


class Conflict(DirectoryError):
    """The object is no longer as the plan was made from: ``before`` and ``now`` are its descriptors.

    None where it is about an attribute's values.
    """

    def __init__(
        self,
        dn: str,
        before: SecurityDescriptor | None,
        now: SecurityDescriptor | None,
        message: str | None = None,
    ) -> None:
        super().__init__(
            message
            or f"'{dn}' was changed by somebody else since it was read; nothing was written: run again",
            dn=dn,
        )
        self.before = before
        self.now = now


class SnapshotError(ADSyncConfigError):
    """A snapshot file is missing, damaged or cannot be written."""


class PlanFileError(ADSyncConfigError):
    """A plan file is missing, damaged, of another forest, or cannot be written."""


class JournalError(ADSyncConfigError):
    """A journal is missing, damaged, of another forest, or cannot be written."""


class PolicyError(ADSyncConfigError):
    """A policy file is missing, no TOML, or names what is not known; the message has the file and the line."""


class PartialApply(ADSyncConfigError):
    """Some changes are written, or may be, and some are not: ``result`` says which."""

    exit_code = 4

    def __init__(self, result: SetResult) -> None:
        failed = [change for change in result.changes if change.error is not None]
        done = sum(change.status == "applied" or change.written is True for change in result.changes)
        unknown = sum(change.written is None for change in result.changes)
        super().__init__(
            f"done in part: {done} of {len(result.changes)} changes written"
            + (f", and of {unknown} it is not known" if unknown else "")
            + "; failed: "
            + "; ".join(f"{change.dn}: {change.error}" for change in failed)
            + (f"; the journal is '{result.journal}'" if result.journal else "")
        )
