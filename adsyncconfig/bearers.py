"""The objects below search bases whose permissions name one of a few SIDs, found in one pass over everything there.

Most descriptors bear none of the SIDs, which their bytes say faster than their entries: only those that do are
taken apart. An object whose permissions may not or cannot be read is handed out too, as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from acl import SecurityDescriptor, Sid

from .apply import Notify
from .errors import DirectoryError
from .filters import EVERYTHING
from .search_base import SearchBase

__all__ = ["Bearer", "Bearers"]

_DESCRIPTOR: Final = "nTSecurityDescriptor"
_PROGRESS: Final = 10_000


class Bearer(NamedTuple):
    """An object whose permissions name one of the SIDs; ``descriptor`` is None where it could not be read."""

    base: SearchBase
    dn: str
    descriptor: SecurityDescriptor | None
    admin_count: bool


class Bearers:
    """Iterate over it, once. ``read`` counts the objects whose permissions could be looked at so far.

    Raises DirectoryError while it goes.
    """

    def __init__(
        self, bases: Iterable[SearchBase], sids: Iterable[Sid], *, notify: Notify | None = None
    ) -> None:
        self._bases = tuple(bases)
        self._sids = tuple(sid.to_bytes() for sid in sids)
        self._tell = notify or (lambda _: None)
        self.read = 0

    def __iter__(self) -> Iterator[Bearer]:
        seen = 0
        for base in self._bases:
            for entry in base.directory.search(base.dn, EVERYTHING, [_DESCRIPTOR, "adminCount"]):
                seen += 1
                if seen % _PROGRESS == 0:
                    self._tell(f"{seen} objects looked at, the last one below '{base.dn}'.")
                raw = next(iter(entry.attributes.get(_DESCRIPTOR.lower(), ())), None)
                if raw is not None and not any(sid in bytes(raw) for sid in self._sids):
                    self.read += 1
                    continue
                descriptor: SecurityDescriptor | None = None
                try:
                    descriptor = entry.security_descriptor()
                    self.read += 1
                except DirectoryError:
                    pass
                yield Bearer(base, entry.dn, descriptor, entry.text("adminCount") == "1")
