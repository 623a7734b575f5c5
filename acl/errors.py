"""What can be wrong with a security descriptor, in bytes or in text.

    AclError(ValueError)          the data is wrong, or an edit would make it so
    ├── MalformedError            bytes that no rule of MS-DTYP 2.4 can read; says at which offset
    └── SddlError                 text that no rule of MS-DTYP 2.5.1 can read; says which span, and marks it

Every function of this package raises one of these or nothing.
"""

from __future__ import annotations

__all__ = ["AclError", "MalformedError", "SddlError"]


class AclError(ValueError):
    """The data is wrong: the root of everything that this package raises."""


class MalformedError(AclError):
    """Bytes that are no security descriptor, access control list, entry or SID.

    ``offset`` counts bytes from the start of the buffer that the caller gave; ``reason`` is a short sentence.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"malformed at byte {self.offset}: {self.reason}"


class SddlError(AclError):
    """Text that is no SDDL. ``span`` is the half-open range of ``source`` that cannot be read.

    ``str()`` is one line; ``marked()`` draws the source with a marker under the span.
    """

    def __init__(self, source: str, span: tuple[int, int], reason: str) -> None:
        super().__init__(source, span, reason)
        self.source = source
        self.span = span
        self.reason = reason

    def __str__(self) -> str:
        start, end = self.span
        found = self.source[start:end]
        shown = f" ({found[:40]!r})" if found else ""
        return f"SDDL is wrong at character {start}: {self.reason}{shown}"

    def marked(self) -> str:
        """The source on one line, and under it a marker that spans what is wrong."""
        start, end = self.span
        line = self.source.replace("\n", " ").replace("\r", " ").replace("\t", " ")
        return f"{line}\n{' ' * start}{'~' * max(end - start, 0)}^ {self.reason}"
