"""What Kerberos says of a failure, as one line that names the thing and says what to do: a table.

The library's error codes are those of RFC 4120 section 7.5.9 over a base, and of its own list (krb5_err.et). What
is not in the table is told in the library's own words.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .errors import AuthenticationFailed, DirectoryError, Unreachable

__all__ = ["Attempt", "Explanation", "explained"]

_BASE: Final = -1765328384  # ERROR_TABLE_BASE_krb5
_TICKET_EXPIRED: Final = _BASE + 32
_NO_KEY: Final = _BASE + 181  # KRB5_KT_NOTFOUND
_NO_TICKET: Final = frozenset({_BASE + 141, _BASE + 195})  # KRB5_CC_NOTFOUND, KRB5_FCC_NOFILE
_CREDENTIALS_EXPIRED: Final = (
    11 << 16
)  # GSS_S_CREDENTIALS_EXPIRED (RFC 2744), with no error of Kerberos below it


class Attempt(NamedTuple):
    """Who tried to log on where, for the message."""

    principal: str | None = None
    host: str | None = None
    keytab: str | None = None

    @property
    def realm(self) -> str:
        """The principal's realm."""
        return self.principal.rpartition("@")[2] if self.principal else "the default realm"


class Explanation(NamedTuple):
    """Why, in a clause; and the error to raise."""

    reason: str
    error: DirectoryError


class _Meaning(NamedTuple):
    kind: type[DirectoryError]
    reason: str
    remedy: str


_REALM: Final = (
    "a realm is its domain's DNS name in capitals; where DNS names no KDC, krb5.conf does ([realms], kdc =)"
)
_CLOCK: Final = "set this machine's clock by the domain's (a difference of 5 minutes is the most)"
_MEANINGS: Final[dict[int, _Meaning]] = {
    _BASE + 1: _Meaning(AuthenticationFailed, "the account {who} has expired", "have it extended"),
    _BASE + 6: _Meaning(
        AuthenticationFailed,
        "realm {realm} knows no user {who}",
        "write the name as user@domain, with the domain that the account is in",
    ),
    _BASE + 7: _Meaning(
        AuthenticationFailed,
        "realm {realm} knows no service ldap/{host}",
        "name the controller by its full DNS name, as dc1.contoso.example; a krb5.conf with rdns = false keeps it",
    ),
    _BASE + 12: _Meaning(
        AuthenticationFailed, "{who} may not log on now, or not from here", "see the account's logon hours"
    ),
    _BASE + 14: _Meaning(
        AuthenticationFailed,
        "{who} has no key of an encryption type that both sides take",
        "make a new keytab, or reset the password so that AES keys are made",
    ),
    _BASE + 18: _Meaning(
        AuthenticationFailed,
        "the account {who} is locked out or disabled",
        "have it unlocked or enabled, or wait until the lockout ends",
    ),
    _BASE + 23: _Meaning(
        AuthenticationFailed,
        "the password of {who} has expired",
        "change it first, with kpasswd or on Windows",
    ),
    _BASE + 24: _Meaning(
        AuthenticationFailed, "the password{keytab} of {who} is wrong", "give the right one"
    ),
    _BASE + 31: _Meaning(
        AuthenticationFailed,
        "what came back for {who} cannot be decrypted: the password{keytab} is wrong",
        "give the right one",
    ),
    _TICKET_EXPIRED: _Meaning(
        AuthenticationFailed, "the ticket of {who} has expired", "get a new one with kinit"
    ),
    _BASE + 33: _Meaning(AuthenticationFailed, "the ticket of {who} is not valid yet", _CLOCK),
    _BASE + 37: _Meaning(
        AuthenticationFailed, "this machine's clock differs too much from the controller's", _CLOCK
    ),
    _BASE + 68: _Meaning(AuthenticationFailed, "{who} is in another realm than {realm}", _REALM),
    _BASE + 136: _Meaning(  # KRB5_CONFIG_BADFORMAT
        AuthenticationFailed, "krb5.conf cannot be understood", "see KRB5_CONFIG, or /etc/krb5.conf"
    ),
    _BASE + 154: _Meaning(Unreachable, "no KDC of realm {realm} is known", _REALM),  # KRB5_REALM_UNKNOWN
    _BASE + 156: _Meaning(  # KRB5_KDC_UNREACH
        Unreachable, "no KDC of realm {realm} answers", "see that port 88 of its controllers can be reached"
    ),
    _NO_KEY: _Meaning(
        AuthenticationFailed,
        "there is no key of {who}{keytab}",
        "list it with klist -k, and write the user as it stands there",
    ),
    _BASE + 220: _Meaning(  # KRB5_REALM_CANT_RESOLVE
        Unreachable, "the KDC of realm {realm} has a name that cannot be resolved", _REALM
    ),
    **dict.fromkeys(
        _NO_TICKET,
        _Meaning(
            AuthenticationFailed,
            "there is no ticket{of}",
            "get one with kinit, or give --keytab, or -Credential with a password",
        ),
    ),
}


def explained(error: Any, attempt: Attempt) -> Explanation:
    """What an error of gssapi means: why, and what to raise."""
    code = int(error.min_code)
    code -= 0x1_0000_0000 if code > 0x7FFF_FFFF else 0
    if int(error.maj_code) == _CREDENTIALS_EXPIRED:
        code = _TICKET_EXPIRED
    elif attempt.keytab and code in _NO_TICKET:
        code = _NO_KEY  # the library looks for a ticket where the keytab has no key
    meaning = _MEANINGS.get(code)
    who = attempt.principal or "the ticket cache"
    if meaning is None:
        reason = " ".join(str(error.gen_message()).split())
        what = f"Kerberos does not log on {who}: {reason}"
        return Explanation(reason, AuthenticationFailed(what))
    reason = meaning.reason.format(
        who=who,
        realm=attempt.realm,
        host=attempt.host,
        of=f" of {attempt.principal}" if attempt.principal else "",
        keytab=f" in the keytab '{attempt.keytab}'" if attempt.keytab else "",
    )
    return Explanation(reason, meaning.kind(f"Kerberos does not log on {who}: {reason}; {meaning.remedy}"))
