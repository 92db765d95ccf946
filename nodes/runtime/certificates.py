"""Certificates with their keys from files: PEM, or PKCS#12 (PFX), whose password is in a file too.

Nothing is asked on a terminal, and no decrypted key gets to a disk.
"""

import contextlib
import logging
import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12PrivateKeyTypes

logger = logging.getLogger(__name__)

_PEM = b"-----BEGIN"


class TlsError(Exception):
    """A setting of TLS, or a file it names, cannot be used; the text says which, and what to do."""


@dataclass(frozen=True)
class Bundle:
    """A file of the certificates of authorities (CA), and the setting that names it."""

    setting: str
    path: Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """Has `context` trust these authorities; `TlsError`."""
        read_file(self.path, self.setting)
        try:
            context.load_verify_locations(self.path)
        except (OSError, ValueError):  # SSLError is an OSError
            raise TlsError(
                f"{self.setting}: {self.path} holds no certificates in PEM"
                " (-----BEGIN CERTIFICATE-----)."
            ) from None


@dataclass(frozen=True)
class IdentityFiles:
    """Where a certificate and its key are, and what the names of the three settings begin with."""

    prefix: str
    certificate: Path  # PEM with the chain, or PFX
    key: Path | None  # PEM; None for PFX
    password: Path | None  # of the key or the PFX

    @classmethod
    def of(
        cls, prefix: str, *, certificate: Path | None, key: Path | None, password: Path | None
    ) -> "IdentityFiles | None":
        """None when nothing is set; `TlsError` for a key or a password without certificate."""
        if certificate is not None:
            return cls(prefix, certificate, key, password)
        if key is not None or password is not None:
            lonely = "KEY" if key is not None else "PASSWORD_FILE"
            raise TlsError(
                f"{prefix}_{lonely} is set without {prefix}_CERTIFICATE:"
                " name the file with the certificate as well, or unset both."
            )
        return None

    @property
    def paths(self) -> list[Path]:
        """All the files."""
        return [path for path in (self.certificate, self.key, self.password) if path]

    def read(self) -> "Identity":
        """What the files hold now; `TlsError` unless it is a certificate and its own key."""
        content = read_file(self.certificate, f"{self.prefix}_CERTIFICATE")
        key, chain = self._read_pem(content) if _PEM in content else self._read_pfx(content)
        if not hasattr(key, "sign"):
            raise TlsError(f"{self.prefix}_CERTIFICATE: TLS has no use for this kind of key.")
        if _public(key) != _public(chain[0]):
            raise TlsError(
                f"{self.prefix}_CERTIFICATE: the private key does not belong to the first"
                f" certificate in {self.certificate}. The own certificate comes first, those of"
                " its authorities follow."
            )
        return Identity(cast(PKCS12PrivateKeyTypes, key), chain)

    def _read_pem(self, content: bytes) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
        if self.key is None:
            raise TlsError(
                f"{self.prefix}_CERTIFICATE is set without {self.prefix}_KEY:"
                " name the file with the private key, or a PFX file, which holds both."
            )
        setting = f"{self.prefix}_KEY"
        secret = read_file(self.key, setting)
        _warn_if_open(self.key, setting)
        password = self._read_password()
        try:
            chain = x509.load_pem_x509_certificates(content)
        except ValueError:
            raise TlsError(
                f"{self.prefix}_CERTIFICATE: {self.certificate} holds no certificate in PEM"
                " (-----BEGIN CERTIFICATE-----)."
            ) from None
        try:
            key = load_pem_private_key(secret, password)
        except TypeError:  # of the password
            what = "is encrypted" if password is None else "is not encrypted"
            then = "name a file with its password in" if password is None else "unset"
            raise TlsError(
                f"{setting}: {self.key} {what}; {then} {self.prefix}_PASSWORD_FILE."
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            hint = " with the password in the file given" if password else ""
            raise TlsError(
                f"{setting}: {self.key} cannot be read as a private key in PEM{hint}."
            ) from None
        return key, chain

    def _read_pfx(self, content: bytes) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
        setting = f"{self.prefix}_CERTIFICATE"
        if self.key is not None:
            raise TlsError(
                f"{self.prefix}_KEY is set, but {self.certificate} is not PEM;"
                f" unset {self.prefix}_KEY if it is a PFX file, which holds the key."
            )
        _warn_if_open(self.certificate, setting)
        password = self._read_password()
        try:
            key, certificate, others = pkcs12.load_key_and_certificates(content, password)
        except (ValueError, UnsupportedAlgorithm):
            hint = "the password in the file given" if password else "no password"
            raise TlsError(
                f"{setting}: {self.certificate} cannot be read as PEM, nor as PFX with {hint};"
                f" {self.prefix}_PASSWORD_FILE names the file with its password."
            ) from None
        if key is None or certificate is None:
            raise TlsError(f"{setting}: {self.certificate} lacks a certificate with its key.")
        return key, [certificate, *others]

    def _read_password(self) -> bytes | None:
        if self.password is None:
            return None
        setting = f"{self.prefix}_PASSWORD_FILE"
        password = read_file(self.password, setting).rstrip(b"\r\n")
        if not password:
            raise TlsError(f"{setting}: {self.password} is empty; unset it where no password is.")
        _warn_if_open(self.password, setting)
        return password


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and the certificates of its authorities."""

    key: PKCS12PrivateKeyTypes
    chain: list[x509.Certificate]

    @property
    def certificate(self) -> x509.Certificate:
        """The own one."""
        return self.chain[0]

    def load_into(self, context: ssl.SSLContext) -> None:
        """Has `context` prove itself by it; `TlsError` when TLS has no use for it.

        `ssl` reads files only: this one is in memory, and gone with its descriptor.
        """
        texts = [self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
        texts += [each.public_bytes(Encoding.PEM) for each in self.chain]
        descriptor = os.memfd_create("identity")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(b"".join(texts))
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        except ssl.SSLError as error:
            subject = self.certificate.subject.rfc4514_string()
            raise TlsError(
                f"The certificate of {subject} cannot be used: {spoken(error)}."
            ) from None
        finally:
            os.close(descriptor)


def read_file(path: Path, setting: str) -> bytes:
    """The file's bytes; `TlsError` with the name of the setting when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{setting}: {path} cannot be read: {error.strerror}.") from None


def spoken(error: ssl.SSLError) -> str:
    """Why TLS failed, in the words of OpenSSL, without where in its source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    return (error.reason or str(error)).lower().replace("_", " ")


def _public(one: PrivateKeyTypes | x509.Certificate) -> bytes:
    return one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _warn_if_open(path: Path, setting: str) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_mode & stat.S_IROTH:
            logger.warning(
                "%s: every account of this machine can read %s; run chmod o-r on it.", setting, path
            )
