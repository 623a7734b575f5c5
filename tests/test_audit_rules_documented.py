"""docs/audit-rules.md: every rule of the audit is there, as it is."""

from __future__ import annotations

import re
from pathlib import Path

from adsyncconfig.audit import RULES
from adsyncconfig.findings import Category, Rule

PAGE = Path(__file__).parent.parent / "docs" / "audit-rules.md"


def documented(rule: Rule) -> str:
    """A rule as the page has it."""
    return f"### {rule.id}\n\n**{rule.severity.value}.** {rule.title}.\n\n{rule.why} *{rule.mending}*\n"


def test_the_page_has_every_rule_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == [
        rule.id for category in Category for rule in RULES if rule.category is category
    ]
    flowing = " ".join(text.split())
    for rule in RULES:
        assert " ".join(documented(rule).split()) in flowing
