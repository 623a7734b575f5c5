"""Certificates of the lab: authorities that live as long as a test run, and certificates good and bad.

    authority = Authority.create("Lab authority")
    authority.issue("dc1.contoso.example", "127.0.0.20", certificate_file=..., key_file=...)
    issuing = authority.subordinate("Issuing authority")     one in between, which a server should send along

A certificate is good unless `issue` is told otherwise: `start` and `end` are days from now, `address` None leaves
the IP address out, `for_client` makes one that a person logs on with.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR = 1 / 24


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority; `chain` is what a server sends along of it and of those above, but for the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def create(cls, common_name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _common_name(common_name)
        return cls(_authority(name, name, key).sign(key, hashes.SHA256()), key)

    def subordinate(self, common_name: str) -> Authority:
        """An authority that this one vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _authority(_common_name(common_name), self.certificate.subject, key)
        certificate = builder.add_extension(self._key_identifier(), critical=False).sign(
            self.key, hashes.SHA256()
        )
        return Authority(certificate, key, (certificate, *self.chain))

    def write(self, path: Path) -> Path:
        """Write the authority's certificate, which is what a client trusts."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(
        self,
        host_name: str,
        address: str | None,
        *,
        certificate_file: Path,
        key_file: Path,
        start: float = -_HOUR,
        end: float = 5,
        for_client: bool = False,
        pass_phrase: str | None = None,
        sends_chain: bool = True,
    ) -> None:
        """Write a certificate for a host's DNS name, localhost and its IP address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if for_client else ExtendedKeyUsageOID.SERVER_AUTH
        names: list[x509.GeneralName] = [x509.DNSName(host_name)]
        if address is not None:
            names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
        certificate = (
            _certificate(_common_name(host_name), self.certificate.subject, key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(self._key_identifier(), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        _write(
            certificate_file, key_file, [certificate, *(self.chain if sends_chain else ())], key, pass_phrase
        )

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())


def self_signed(host_name: str, address: str, *, certificate_file: Path, key_file: Path) -> None:
    """Write a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _common_name(host_name)
    names = [x509.DNSName(host_name), x509.IPAddress(ipaddress.ip_address(address))]
    certificate = (
        _certificate(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(certificate_file, key_file, [certificate], key)


def unrelated_ca_file(path: Path) -> Path:
    """Write the certificate of an authority that signed nothing in the lab."""
    return Authority.create("Another authority").write(path)


def _write(
    certificate_file: Path,
    key_file: Path,
    certificates: list[x509.Certificate],
    key: ec.EllipticCurvePrivateKey,
    pass_phrase: str | None = None,
) -> None:
    pem = [each.public_bytes(serialization.Encoding.PEM) for each in certificates]
    certificate_file.write_bytes(b"".join(pem))
    key_file.touch(mode=0o600)  # before the key is in it; Samba refuses a key that others can read
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if pass_phrase is not None:
        protection = serialization.BestAvailableEncryption(pass_phrase.encode())
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        _certificate(subject, issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    start: float = -_HOUR,
    end: float = 5,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=start))
        .not_valid_after(now + timedelta(days=end))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
