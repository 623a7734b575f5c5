"""JSON for programs: one document, exactly what the value says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .visible import without_controls

if TYPE_CHECKING:
    from adsyncconfig.findings import AuditReport

__all__ = ["audit", "comparison"]


def audit(report: AuditReport) -> Iterator[str]:
    """The document of an audit."""
    return _document(report)


def comparison(found: Any) -> Iterator[str]:
    """The document of a comparison."""
    return _document(found)


def _document(value: Any) -> Iterator[str]:
    # A control character may be printed to a terminal as well: it leaves as an escape, which is the same to JSON.
    yield without_controls(json.dumps(value.to_json(), indent=2, ensure_ascii=False)) + "\n"
