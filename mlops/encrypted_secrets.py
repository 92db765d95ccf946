"""Secrets as the original server's tools encrypted them (administration section 9).

The text is Base64 of a JSON object: `t` is the SHA-1 thumbprint of a certificate, `s` the secret
encrypted with its RSA key, again in Base64.
"""

import base64
import json
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from django.core.exceptions import ImproperlyConfigured

from mlops.env import env_file

# In this order: the second one cannot tell a wrong key from nonsense that was encrypted, so the
# thumbprint has to be right before it is tried.
_PADDINGS: list[padding.AsymmetricPadding] = [
    padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303 - as it was made
    padding.PKCS1v15(),
]


def decrypted(text: str, *, setting: str) -> str:
    """The secret within `text`, the value of `setting`.

    The key is that of the certificate in the file MLOPS_CREDENTIALS_CERTIFICATE. Raises
    ImproperlyConfigured, which names the setting and says what to do, and never the secret.
    """
    certificate_file = env_file("MLOPS_CREDENTIALS_CERTIFICATE")
    if certificate_file is None:
        raise ImproperlyConfigured(
            f"{setting} is encrypted: name the file with the certificate and its private key in"
            " MLOPS_CREDENTIALS_CERTIFICATE."
        )
    thumbprint, cipher = _envelope(text, setting)
    key, certificate = _load(certificate_file, env_file("MLOPS_CREDENTIALS_PASSWORD_FILE"))
    own = certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - a name, not a proof
    if own != thumbprint.lower():
        raise ImproperlyConfigured(
            f"{setting} is encrypted for the certificate with thumbprint {thumbprint.upper()},"
            f" but {certificate_file} (MLOPS_CREDENTIALS_CERTIFICATE) holds {own.upper()}."
        )
    for scheme in _PADDINGS:
        try:
            return key.decrypt(cipher, scheme).decode()
        except ValueError:  # UnicodeDecodeError is one
            continue
    raise ImproperlyConfigured(f"{setting} cannot be decrypted with the key in {certificate_file}.")


def _envelope(text: str, setting: str) -> tuple[str, bytes]:
    """The thumbprint and what is encrypted."""
    try:
        envelope = json.loads(base64.b64decode("".join(text.split()), validate=True))
        return str(envelope["t"]), base64.b64decode(envelope["s"], validate=True)
    except (ValueError, KeyError, TypeError):
        raise ImproperlyConfigured(
            f"{setting} is not an encrypted secret: Base64 of an object with `t` and `s` is"
            " expected. Switch the encryption off if it is given as it is."
        ) from None


def _load(path: Path, password_file: Path | None) -> tuple[RSAPrivateKey, x509.Certificate]:
    """The key of a PEM or PFX file, and its certificate."""
    try:
        content = path.read_bytes()
        password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
    except OSError as error:
        raise ImproperlyConfigured(
            f"{error.filename} cannot be read: {error.strerror}. MLOPS_CREDENTIALS_CERTIFICATE and"
            " MLOPS_CREDENTIALS_PASSWORD_FILE name it."
        ) from None
    try:
        if b"-----BEGIN " in content:
            key: object = load_pem_private_key(content, password)
            certificate: x509.Certificate | None = x509.load_pem_x509_certificate(content)
        else:
            key, certificate, _ = pkcs12.load_key_and_certificates(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError is of the password
        key = certificate = None
    if not isinstance(key, RSAPrivateKey) or certificate is None:
        raise ImproperlyConfigured(
            f"{path} (MLOPS_CREDENTIALS_CERTIFICATE) must be PEM or PFX with a certificate and its"
            " RSA private key, whose password is in the file that MLOPS_CREDENTIALS_PASSWORD_FILE"
            " names."
        )
    if certificate.public_key() != key.public_key():
        raise ImproperlyConfigured(
            f"The private key in {path} (MLOPS_CREDENTIALS_CERTIFICATE) is not that of the"
            " certificate beside it."
        )
    return key, certificate
