"""What a controller's certificate says of itself: for channel binding, and for a message on why it is not trusted.

Rule 1: nothing here decides whether a certificate is trusted: OpenSSL did (transport.py). This only explains.
Rule 2: an explanation is one line with the subject, the issuer, the dates, and what to do.

Sources: RFC 5929 section 4.1 (tls-server-end-point), X509_V_ERR_... of OpenSSL's x509_vfy.h.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["described", "explanation", "tls_server_end_point"]

_GIVE_ISSUER: Final = "give the certificate of its issuer as --ca-file"
_RENEW: Final = "it has to be renewed on the controller"
_CLOCKS: Final = "compare the clocks"
_NAME: Final = "name the server as its certificate does"
#: By OpenSSL's code, where the certificate could not be looked at.
_REMEDIES: Final = {9: _CLOCKS, 10: _RENEW, 62: _NAME, 64: _NAME}


def tls_server_end_point(certificate: bytes) -> bytes | None:
    """What a logon inside TLS is bound to: the hash of the server's certificate (DER) by its signature's algorithm.

    MD5 and SHA-1 are replaced by SHA-256. None for a signature that has no such hash (Ed25519), where the standard
    defines no binding.
    """
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - 40 ms that only Kerberos over TLS needs

    algorithm = _loaded(certificate).signature_hash_algorithm
    if algorithm is None:
        return None
    if algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(certificate)
    return b"tls-server-end-point:" + digest.finalize()


def explanation(code: int, reason: str, host: str, chain: Sequence[bytes]) -> str:
    """Why OpenSSL refused the certificate with this code and reason, and what to do.

    ``chain`` is what the server presented (DER), its own certificate first; empty when it could not be fetched.
    """
    try:
        certificates = [_loaded(each) for each in chain]
    except ValueError:
        return f"{reason}, and it is malformed; have it replaced on the controller"
    if not certificates:
        return f"{reason}; {_REMEDIES.get(code, _GIVE_ISSUER)}"
    explain = _EXPLAINED.get(code)
    if explain is not None:
        return explain(certificates, host)
    return f"{reason} ({described(certificates[0])}); {_GIVE_ISSUER}"


def _out_of_time(certificates: Sequence[Certificate], _: str, *, expired: bool) -> str:
    """It may be one of its issuers that is out of its time: name the one that is meant."""
    now = datetime.now(UTC)

    def wrong(each: Certificate) -> bool:
        return each.not_valid_after_utc < now if expired else now < each.not_valid_before_utc

    meant = next(filter(wrong, certificates), certificates[0])
    what, remedy = ("has expired", _RENEW) if expired else ("is not valid yet", _CLOCKS)
    return f"it {what} ({described(meant)}); {remedy}"


def _wrong_name(certificates: Sequence[Certificate], host: str) -> str:
    names = ", ".join(_names(certificates[0])) or "no name at all"
    return f"it is for {names}, not for {host} ({described(certificates[0])}); {_NAME}"


def _self_signed(certificates: Sequence[Certificate], _: str) -> str:
    return (
        f"it is self-signed ({described(certificates[0])}); if you have it from the controller by another way, "
        "give it as --ca-file, or have it replaced by one of your authority"
    )


def _unknown_authority(certificates: Sequence[Certificate], _: str) -> str:
    authority = certificates[-1].subject.rfc4514_string()
    return (
        f"its authority {authority} is not among the trusted ones ({described(certificates[0])}); "
        "give that authority's certificate as --ca-file"
    )


def _no_issuer(certificates: Sequence[Certificate], _: str) -> str:
    return (
        f"its issuer {certificates[-1].issuer.rfc4514_string()} is neither trusted nor sent along "
        f"({described(certificates[0])}); {_GIVE_ISSUER}, or, if your authority is further up, have the controller "
        "send the certificates in between"
    )


def described(certificate: Certificate) -> str:
    """Subject, issuer and dates, for a message."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (
        f"subject {certificate.subject.rfc4514_string()}, issuer {certificate.issuer.rfc4514_string()}, "
        f"valid {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    )


def _loaded(certificate: bytes) -> Certificate:
    """The certificate, read without remarks on oddities such as a serial number of 0, which Samba's own has."""
    import warnings  # noqa: PLC0415

    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415 - only where one is looked at

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_der_x509_certificate(certificate)


def _names(certificate: Certificate) -> list[str]:
    from cryptography import x509  # noqa: PLC0415

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


_EXPLAINED: Final[dict[int, Callable[[Sequence[Certificate], str], str]]] = {
    2: _no_issuer,  # UNABLE_TO_GET_ISSUER_CERT
    9: partial(_out_of_time, expired=False),  # CERT_NOT_YET_VALID
    10: partial(_out_of_time, expired=True),  # CERT_HAS_EXPIRED
    18: _self_signed,  # DEPTH_ZERO_SELF_SIGNED_CERT
    19: _unknown_authority,  # SELF_SIGNED_CERT_IN_CHAIN
    20: _no_issuer,  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: _no_issuer,  # UNABLE_TO_VERIFY_LEAF_SIGNATURE
    62: _wrong_name,  # HOSTNAME_MISMATCH
    64: _wrong_name,  # IP_ADDRESS_MISMATCH
}
