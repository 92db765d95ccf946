"""Authorities and certificates of tests, and their files."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

LOOPBACK = ("127.0.0.1", "localhost")


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and its authority's certificate."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    authority: x509.Certificate

    @property
    def pem(self) -> bytes:
        """The certificate, then its authority's."""
        return b"".join(
            one.public_bytes(Encoding.PEM) for one in (self.certificate, self.authority)
        )

    def key_pem(self, password: bytes = b"") -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(password))

    def pfx(self, password: bytes = b"") -> bytes:
        return pkcs12.serialize_key_and_certificates(
            b"name", self.key, self.certificate, [self.authority], _encryption(password)
        )

    def write(self, folder: Path, name: str) -> "Files":
        """Its two files in PEM, in place of former ones."""
        files = Files(folder / f"{name}.pem", folder / f"{name}.key")
        files.certificate.write_bytes(self.pem)
        files.key.touch(mode=0o600)
        files.key.write_bytes(self.key_pem())
        return files


@dataclass(frozen=True)
class Files:
    """Where a certificate and its key are."""

    certificate: Path
    key: Path

    def settings(self, prefix: str) -> dict[str, str]:
        """The variables that name them."""
        return {f"{prefix}_CERTIFICATE": str(self.certificate), f"{prefix}_KEY": str(self.key)}


@dataclass
class Authority:
    """A certificate authority with this name."""

    name: str = "CN=Authority of the tests"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        name = x509.Name.from_rfc4514_string(self.name)
        builder = _builder(name, name, self.key.public_key(), timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        self.certificate = builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, folder: Path, name: str = "ca") -> Path:
        path = folder / f"{name}.pem"
        path.write_bytes(self.pem)
        return path

    def issue(
        self,
        subject: str = "CN=node",
        *,
        hosts: Sequence[str] = LOOPBACK,
        lifetime: timedelta = timedelta(days=90),
    ) -> Issued:
        """A certificate for these hosts; a negative lifetime has ended so long ago."""
        key = new_key()
        names = [_host(host) for host in hosts]
        name = x509.Name.from_rfc4514_string(subject)
        builder = _builder(name, self.certificate.subject, key.public_key(), lifetime)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Issued(builder.sign(self.key, hashes.SHA256()), key, self.certificate)

    def trusting(self, client: Files | None = None) -> ssl.SSLContext:
        """What a client has that trusts this authority alone."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if client:
            context.load_cert_chain(client.certificate, client.key)
        return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + lifetime)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _encryption(password: bytes) -> KeySerializationEncryption:
    return BestAvailableEncryption(password) if password else NoEncryption()
