"""Rules of an audit: what could not be looked at. It is never taken for clean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .facts import AuditContext, Check, ObjectCheck, SeenObject
from .findings import Category, Finding, Rule, Severity
from .schema import Kind

__all__ = ["CHECKS", "NAMES", "RULES"]

NAMES: Final[tuple[tuple[Kind, str], ...]] = ()

UNREADABLE: Final = Rule(
    "unreadable-permissions",
    Category.UNREADABLE,
    Severity.MEDIUM,
    "Permissions that could not be read",
    "What is not readable may hold anything. An object whose permissions the reader may not see, or whose "
    "descriptor no rule can read, is no clean object.",
    "Run the audit as an account that has Read Permissions there, such as a member of Domain Admins; write a "
    "malformed descriptor anew.",
)


def _unreadable(context: AuditContext, seen: SeenObject) -> Iterator[Finding]:  # noqa: ARG001 - a check takes both
    if seen.descriptor is None:
        yield Finding(
            UNREADABLE,
            seen.dn,
            f"the permissions of '{seen.dn}' are not known: {seen.unreadable}",
            advice="run the audit as somebody who has Read Permissions there",
        )


RULES: Final = (UNREADABLE,)
CHECKS: Final[tuple[Check, ...]] = (ObjectCheck((UNREADABLE,), _unreadable),)
