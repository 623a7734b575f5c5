"""Who logs on and how, and how connections are encrypted: values, with no secret in their ``repr``.

Rule 1: a password is a text, or something that asks for one: it is asked when a password is needed, and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from .errors import ParameterError

__all__ = ["DEFAULT_TIMEOUT", "METHODS", "Credential", "Method", "Password", "TlsOptions"]

Method = Literal["auto", "kerberos", "ntlm", "simple", "certificate"]
METHODS: Final[tuple[Method, ...]] = ("auto", "kerberos", "ntlm", "simple", "certificate")
DEFAULT_TIMEOUT: Final = 30

Password = str | Callable[[], str]


@dataclass(frozen=True, slots=True)
class Credential:
    """Who logs on, and by what: a password, a Kerberos ticket, a keytab, or a certificate with its key.

    ``user`` is ``user@domain``, ``DOMAIN\\user`` or a DN, or None where a ticket or a certificate says who. The
    password is left out of ``repr``. ``method`` auto is Kerberos where there is a ticket, and simple otherwise.
    """

    user: str | None = None
    password: Password | None = field(default=None, repr=False)
    method: Method = "auto"
    keytab: str | None = None
    client_cert: str | None = None
    client_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ParameterError(f"there is no way to log on named '{self.method}': {', '.join(METHODS)}")
        for given, name, methods in (
            (self.keytab, "--keytab", ("auto", "kerberos")),
            (self.client_cert, "--client-cert", ("auto", "certificate")),
            (self.client_key, "--client-key", ("auto", "certificate")),
        ):
            if given is not None and self.method not in methods:
                raise ParameterError(f"{name} goes with --auth {methods[-1]}, not with {self.method}")

    @property
    def domain(self) -> str | None:
        """The domain that the user's own name ends with."""
        return self.user.rpartition("@")[2] or None if self.user and "@" in self.user else None

    def another(self, user: str, password: Password | None) -> Credential:
        """Another user's credential, of another domain, that logs on in the same way if it can.

        A keytab and a certificate are this user's own.
        """
        method: Method = "auto" if self.method == "certificate" else self.method
        return Credential(user, password, method)

    def secret(self) -> str | None:
        """The password, asked for where it is to be; None when there is none."""
        return self.password() if callable(self.password) else self.password


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How connections are encrypted and how long to wait, in seconds."""

    ca_file: str | None = None
    starttls: bool = False
    verify: bool = True
    timeout: int = DEFAULT_TIMEOUT
