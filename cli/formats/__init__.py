"""The forms in which a report is given: which module makes each, and where what it makes goes.

Rule 1: a form is one module with ``audit`` and ``comparison``, each a function from a value to pieces of text. It
        is imported when it is asked for.
Rule 2: what came from the directory is hostile. On its way out it is made visible (``visible``) and escaped as
        its form has it; only JSON carries it unchanged, in escapes.
Rule 3: a file is there whole or not at all, and is its owner's alone: a report says who can take what over.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from adsyncconfig.comparison import Comparison
    from adsyncconfig.findings import AuditReport

__all__ = ["FORMS", "audit", "comparison", "deliver"]

#: What ``--format`` takes, and the module that makes it; the first is the default.
FORMS: Final = {
    "text": "text",
    "json": "json_",
    "csv": "csv_",
    "sarif": "sarif",
    "markdown": "markdown",
    "html": "html",
}


def audit(report: AuditReport, form: str, *, on_terminal: bool = False) -> Iterable[str]:
    """The report in a form, piece by piece. ``on_terminal`` lets text take the terminal's width and colours."""
    return _made(form, "audit", report, on_terminal=on_terminal)


def comparison(found: Comparison, form: str, *, on_terminal: bool = False) -> Iterable[str]:
    """What changed between two snapshots, in a form, piece by piece."""
    return _made(form, "comparison", found, on_terminal=on_terminal)


def deliver(pieces: Iterable[str], output: Path | None, *, replace: bool = True) -> None:
    """Write a report to a file, which it replaces, or to standard output.

    Raises ADSyncConfigError where the file cannot be written; what was there is then still there.
    """
    from .output import to_file, to_standard_output  # noqa: PLC0415 - help does without

    if output is None:
        to_standard_output(pieces)
    else:
        to_file(pieces, output, replace=replace)


def _made(form: str, what: str, value: Any, *, on_terminal: bool) -> Iterable[str]:
    module = import_module(f".{FORMS[form]}", __name__)
    options = {"on_terminal": on_terminal} if form == "text" else {}
    made: Iterable[str] = getattr(module, what)(value, **options)
    return made
