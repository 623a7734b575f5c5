"""The shell of a page: one file with its style and its script in it, and a policy that forbids it all else.

Rule 1: nothing is loaded: the policy (Content-Security-Policy) allows the one style and the one script by their
        hashes, and no image, font, frame, form or connection at all.
Rule 2: the page is whole without its script, which only sorts, filters, folds and copies.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from string import Template
from typing import Final

from .markup import Child, Markup, element, joined

__all__ = ["code_block", "facts", "page", "section", "severity_mark"]

#: Shapes that tell severities apart without colour.
SHAPES: Final = {"critical": "◆", "high": "▲", "medium": "●", "low": "▬", "information": "○"}


def page(title: str, *, header: Child, body: Child, footer: Child) -> str:
    """The whole page as text."""
    style, script = _resource("report.css"), _resource("report.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return Template(_resource("report.html")).substitute(
        policy=policy,
        title=element("title", Markup(joined(title))),
        style=style,
        script=script,
        header=joined(header),
        body=joined(body),
        footer=joined(footer),
    )


def section(identifier: str, heading: str, *children: Child, lead: Child = None) -> Markup:
    """A part of the page with its heading."""
    return element(
        "section",
        element("h2", heading, id=f"{identifier}-heading"),
        element("p", lead, class_="lead") if lead else None,
        *children,
        id=identifier,
        aria_labelledby=f"{identifier}-heading",
    )


def facts(*pairs: tuple[str, Child]) -> Markup:
    """Names and what they are, one under the other."""
    return element(
        "dl", (element("div", element("dt", k), element("dd", v)) for k, v in pairs), class_="facts"
    )


def code_block(text: str, label: str) -> Markup:
    """What is copied, with a button that does it; the button is there when the script is."""
    return element(
        "div",
        element("pre", element("code", text)),
        element("button", "Copy", type="button", class_="copy", aria_label=f"Copy {label}", hidden=True),
        class_="copied",
    )


def severity_mark(severity: str) -> Markup:
    """A severity as shape, word and colour."""
    return element(
        "span",
        element("span", SHAPES[severity], class_="shape", aria_hidden="true"),
        severity,
        class_=f"severity s-{severity}",
    )


def _resource(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _digest(text: str) -> str:
    """The hash of what stands between the tags, as a policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
