"""Secrets encrypted as the original server's tools did it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from django.core.exceptions import ImproperlyConfigured

from mlops.encrypted_secrets import decrypted
from tests.certificates import Authority

SECRET = "Gëheim-1 \\"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303


def certificate_of(key: rsa.RSAPrivateKey) -> x509.Certificate:
    issued = Authority().issue("CN=credentials").certificate
    builder = x509.CertificateBuilder(
        issuer_name=issued.subject,
        subject_name=issued.subject,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=issued.not_valid_before_utc,
        not_valid_after=issued.not_valid_after_utc,
    )
    return builder.sign(key, hashes.SHA256())


CERTIFICATE = certificate_of(KEY)


def encrypted(scheme: Any = OAEP, *, thumbprint: str = "") -> str:
    own = CERTIFICATE.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303
    cipher = KEY.public_key().encrypt(SECRET.encode(), scheme)
    envelope = {"t": thumbprint or own, "s": base64.b64encode(cipher).decode()}
    return base64.b64encode(json.dumps(envelope).encode()).decode()


@pytest.fixture
def pem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with certificate and key, named in the settings."""
    path = tmp_path / "credentials.pem"
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(CERTIFICATE.public_bytes(Encoding.PEM) + key)
    monkeypatch.setenv("MLOPS_CREDENTIALS_CERTIFICATE", str(path))
    return path


@pytest.mark.parametrize("scheme", [OAEP, padding.PKCS1v15()])
def test_both_paddings_are_understood(pem: Path, scheme: Any) -> None:
    assert decrypted(encrypted(scheme), setting="SETTING") == SECRET


def test_a_pfx_file_with_a_password_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pfx, password = tmp_path / "credentials.pfx", tmp_path / "password"
    encryption = BestAvailableEncryption(b"of the file")
    pfx.write_bytes(pkcs12.serialize_key_and_certificates(b"", KEY, CERTIFICATE, None, encryption))
    password.write_text("of the file\n")
    monkeypatch.setenv("MLOPS_CREDENTIALS_CERTIFICATE", str(pfx))
    with pytest.raises(ImproperlyConfigured, match="MLOPS_CREDENTIALS_PASSWORD_FILE"):
        decrypted(encrypted(), setting="SETTING")
    monkeypatch.setenv("MLOPS_CREDENTIALS_PASSWORD_FILE", str(password))
    assert decrypted(encrypted(), setting="SETTING") == SECRET


def test_another_certificate_is_named(pem: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="thumbprint ABCD"):
        decrypted(encrypted(thumbprint="abcd"), setting="SETTING")


def test_a_key_that_is_not_the_certificates_is_refused(pem: Path) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(CERTIFICATE.public_bytes(Encoding.PEM) + key)
    with pytest.raises(ImproperlyConfigured, match="is not that of the certificate"):
        decrypted(encrypted(), setting="SETTING")


def test_a_key_without_its_certificate_is_refused(pem: Path) -> None:
    pem.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ImproperlyConfigured, match="with a certificate and its RSA private key"):
        decrypted(encrypted(), setting="SETTING")


def test_what_was_cut_short_cannot_be_decrypted(pem: Path) -> None:
    envelope = json.loads(base64.b64decode(encrypted()))
    envelope["s"] = base64.b64encode(base64.b64decode(envelope["s"])[:-1]).decode()
    with pytest.raises(ImproperlyConfigured, match="SETTING cannot be decrypted"):
        decrypted(base64.b64encode(json.dumps(envelope).encode()).decode(), setting="SETTING")


@pytest.mark.parametrize("text", ["", "plain", "{}", base64.b64encode(b'{"t": "a"}').decode()])
def test_what_is_not_encrypted_is_told_apart(pem: Path, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SETTING is not an encrypted secret"):
        decrypted(text, setting="SETTING")


def test_the_certificate_must_be_there(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem.unlink()
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        decrypted(encrypted(), setting="SETTING")
    monkeypatch.delenv("MLOPS_CREDENTIALS_CERTIFICATE")
    with pytest.raises(ImproperlyConfigured, match="MLOPS_CREDENTIALS_CERTIFICATE"):
        decrypted(encrypted(), setting="SETTING")
