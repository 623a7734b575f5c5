"""JSON for programs: one document, exactly what the value says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .visible import without_controls

if TYPE_CHECKING:
    from adsyncconfig.comparison import Comparison
    from adsyncconfig.findings import AuditReport

__all__ = ["audit", "comparison"]


def audit(report: AuditReport) -> Iterator[str]:
    """The document of an audit."""
    yield _json(report.to_json()) + "\n"


def comparison(found: Comparison) -> Iterator[str]:
    """The document of a comparison, one difference at a time: there may be a million."""
    yield _json(found.summary_json()).removesuffix("\n}") + ',\n  "differences": ['
    separator = "\n"
    for each in found.differences:
        yield separator + _json(each.to_json())
        separator = ",\n"
    yield "\n  ]\n}\n"


def _json(value: dict[str, Any]) -> str:
    # A control character may be printed to a terminal as well: it leaves as an escape, which is the same to JSON.
    return without_controls(json.dumps(value, indent=2, ensure_ascii=False))
