"""What plan files and journals have in common: how a run is written down, and read back with suspicion.

Rule 1: a digest goes over the content of each record, so that one cut off or edited is noticed. It guards
        against accidents and careless edits; whoever may write the file can also make a new digest, so files
        are their owner's alone.
Rule 2: a descriptor stands there twice, as base64 of its bytes and as SDDL for readers. The bytes count, and
        a record whose two forms differ is refused.
Rule 3: a forest is known by its root domain's name and SID: a laboratory may bear the same names, not the SID.
Rule 4: a file is made new: what exists under its name, a symbolic link too, is never touched.
Rule 5: a file says the lowest version that can hold its changes, so that an older program reads what it can do,
        and refuses the rest. Version 1 holds changes of a DACL, version 2 also those of an owner and of values,
        and that a password was set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from acl import AclError, SecurityDescriptor, Sid

from .account import Principal
from .directory import Directory
from .dn import DistinguishedName
from .errors import ADSyncConfigError
from .plan import AnyChange, Change, PasswordChange, ValueChange

__all__ = [
    "ForestIdentity",
    "account_from_json",
    "account_to_json",
    "change_from_json",
    "change_to_json",
    "create_file",
    "digest",
    "now",
    "read_file",
    "require_version",
    "tool",
    "version_of",
]

#: Errors of values that a record holds under the wrong type, or not at all.
DAMAGE: Final = (KeyError, TypeError, ValueError, AttributeError, RecursionError, ADSyncConfigError)


@dataclass(frozen=True, slots=True)
class ForestIdentity:
    """A forest: the DNS name of its root domain, and that domain's SID where the directory showed it."""

    name: str
    sid: Sid | None

    @classmethod
    def of(cls, directory: Directory) -> ForestIdentity:
        """The forest of this directory; no request is made."""
        root = directory.root
        name = DistinguishedName.parse(root.root_domain_naming_context).domain
        sid = root.forest_root_sid
        return cls(name, None if sid is None else Sid.from_string(str(sid)))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ForestIdentity:
        """What ``to_json`` gave. Raises the errors of DAMAGE."""
        sid = record["sid"]
        return cls(_text(record, "rootDomain"), None if sid is None else Sid.from_string(sid))

    def to_json(self) -> dict[str, Any]:
        """The forest as a record has it."""
        return {"rootDomain": self.name, "sid": None if self.sid is None else str(self.sid)}

    def is_same(self, other: ForestIdentity) -> bool:
        """True when nothing tells the two apart: one SID may be unknown, the names are not."""
        unknown = self.sid is None or other.sid is None
        return self.name == other.name and (unknown or self.sid == other.sid)

    def __str__(self) -> str:
        return self.name if self.sid is None else f"{self.name} ({self.sid})"


def digest(record: Mapping[str, Any], *, after: str = "") -> str:
    """The SHA-256, in hexadecimal, of a record without its own digest, behind the digest of the one before it."""
    content = {name: value for name, value in record.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{after}\n{text}".encode("ascii")).hexdigest()


def now() -> str:
    """The time in UTC, ISO 8601, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def tool() -> str:
    """This program and its version."""
    from . import __version__  # noqa: PLC0415 - the package imports this module

    return f"adsyncconfig {__version__}"


def account_to_json(account: Principal | None) -> dict[str, str] | None:
    """An account as a record has it."""
    return None if account is None else {"dn": account.dn, "sid": str(account.sid), "name": account.name}


def account_from_json(record: Mapping[str, Any] | None) -> Principal | None:
    """What ``account_to_json`` gave. Raises the errors of DAMAGE."""
    if record is None:
        return None
    return Principal(_text(record, "dn"), Sid.from_string(record["sid"]), _text(record, "name"))


#: What a record says of a change of another kind than that of a DACL alone, which version 1 knows.
_OWNER: Final = "owner"
_VALUES: Final = "values"
_PASSWORD: Final = "password"  # noqa: S105 - what is written, never the password itself


def version_of(changes: Iterable[AnyChange]) -> int:
    """The first version of plan files and journals that can hold these changes."""
    dacls = all(isinstance(change, Change) and not change.writes_owner for change in changes)
    return 1 if dacls else 2


def change_to_json(change: AnyChange) -> dict[str, Any]:
    """A change as a record has it: with both descriptors, or with the values that come and go."""
    place = {
        "operation": change.operation,
        "domain": change.domain,
        "dn": change.dn,
        "label": change.label,
    }
    if isinstance(change, PasswordChange):
        return {**place, "writes": _PASSWORD, "since": change.since, "canBeUndone": False}
    if isinstance(change, ValueChange):
        values = {"attribute": change.attribute, "add": list(change.add), "remove": list(change.remove)}
        return {**place, "writes": _VALUES, **values}
    writes = {"writes": _OWNER} if change.writes_owner else {}
    descriptors = {
        "before": _descriptor_to_json(change.before),
        "after": _descriptor_to_json(change.after),
    }
    return {**place, **writes, **descriptors}


def change_from_json(record: Mapping[str, Any]) -> AnyChange:
    """What ``change_to_json`` gave. Raises the errors of DAMAGE."""
    dn = _text(record, "dn")
    DistinguishedName.parse(dn)
    writes = record.get("writes")
    if writes not in (None, _OWNER, _VALUES, _PASSWORD):
        raise ValueError(f"a change of '{dn}' writes '{writes}', which nothing here does")
    place = (_text(record, "operation"), _text(record, "domain"), dn, _text(record, "label"))
    if writes == _PASSWORD:
        return PasswordChange(*place, since=str(record["since"]))
    if writes == _VALUES:
        added, removed = (tuple(map(_whole_text, record[name])) for name in ("add", "remove"))
        return ValueChange(*place, _text(record, "attribute"), added, removed)
    before, after = (_descriptor_from_json(record[name]) for name in ("before", "after"))
    if before.dacl is None or after.dacl is None:
        raise ValueError(f"a descriptor of '{dn}' has no access control list")
    change = Change(*place, before, after)
    if change.writes_owner != (writes == _OWNER):
        raise ValueError(f"the owners of '{dn}' do not fit what its change writes")
    return change


def require_version(record: Any, name: str, version: int, what: str, error: type[ADSyncConfigError]) -> None:
    """Raise ``error`` unless the record says that it has this format, in the version that is read here."""
    if not isinstance(record, dict) or record.get("format") != name:
        raise error(f"{what} is none: it does not say that its format is {name}")
    there = record.get("version")
    if not isinstance(there, int) or there < 1:
        raise error(f"{what} is damaged: it has no version")
    if there > version:
        raise error(f"{what} has version {there}, and this program reads {version}: use a newer adsyncconfig")


def read_file(path: Path, what: str, error: type[ADSyncConfigError]) -> bytes:
    """The content of an ordinary file. Raises ``error``, with one line, for anything else."""
    try:
        # Opening a pipe would wait for a writer, and a device may have no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise error(f"cannot read {what}: it is no file")
        data = path.read_bytes()
    except FileNotFoundError:
        raise error(f"there is no {what}") from None
    except (OSError, ValueError) as failure:  # ValueError: a name with a NUL
        raise error(f"cannot read {what}: {getattr(failure, 'strerror', None) or failure}") from failure
    if not data:
        raise error(f"{what} is empty")
    return data


def create_file(path: Path, what: str, error: type[ADSyncConfigError]) -> int:
    """A descriptor of a new file, to append to, readable and writable by its owner alone.

    Raises ``error`` where there is something already, or no such file may be made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    # Windows has neither of the first two; it alone has the third.
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        raise error(f"{what} exists already, and is never overwritten: name another file") from None
    except (OSError, ValueError) as failure:
        raise error(
            f"cannot create {what}: {getattr(failure, 'strerror', None) or failure}; name another file"
        ) from failure


def write_all(handle: int, data: bytes) -> None:
    """Write every byte, and wait until the disk has them. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


def keep_name(folder: Path) -> None:
    """Wait until the disk has the folder's new names, where the system can tell."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is no text")
    return value


def _whole_text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a value is no text")
    return value


def _descriptor_to_json(descriptor: SecurityDescriptor) -> dict[str, str | None]:
    return {
        "base64": base64.b64encode(descriptor.to_bytes()).decode("ascii"),
        "sddl": _sddl(descriptor),
    }


def _descriptor_from_json(record: Mapping[str, Any]) -> SecurityDescriptor:
    descriptor = SecurityDescriptor.from_bytes(base64.b64decode(record["base64"], validate=True))
    said, text = record["sddl"], _sddl(descriptor)
    # Spelled anew, since a later version may write the same in another way.
    if said is None or text is None or _sddl(SecurityDescriptor.from_sddl(said)) != text:
        if said is None and text is None:
            return descriptor
        raise ValueError("the base64 and the SDDL of a descriptor differ")
    return descriptor


def _sddl(descriptor: SecurityDescriptor) -> str | None:
    """The descriptor as SDDL, or None for what text cannot hold."""
    try:
        return descriptor.to_sddl()
    except AclError:
        return None
