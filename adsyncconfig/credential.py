"""Who logs on and how, and how connections are encrypted: values, with no secret in their ``repr``.

Rule 1: a password is a text or something that asks for one, which is asked when a password is needed and once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["DEFAULT_TIMEOUT", "METHODS", "Credential", "Method", "TlsOptions"]

Method = Literal["auto", "kerberos", "ntlm", "simple", "certificate"]
METHODS: Final[tuple[Method, ...]] = ("auto", "kerberos", "ntlm", "simple", "certificate")
DEFAULT_TIMEOUT: Final = 30


@dataclass(frozen=True, slots=True)
class Credential:
    """Who to log on as: ``user@domain``, ``DOMAIN\\user`` or a DN, and the password, which ``repr`` leaves out."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How connections are encrypted and how long to wait, in seconds."""

    ca_file: str | None = None
    starttls: bool = False
    verify: bool = True
    timeout: int = DEFAULT_TIMEOUT
