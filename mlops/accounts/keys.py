"""The RSA key that signs access tokens (wire-api section 9)."""

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mlops.secrets import read_or_create_secret

KEY_BITS = 3072
SMALLEST_KEY_BITS = 2048


def signing_key() -> RSAPrivateKey:
    """The private key; made on first use in `settings.TOKEN_SIGNING_KEY_FILE`.

    Web nodes that share a database need the same file, or each refuses the others' tokens.
    """
    return _load(settings.TOKEN_SIGNING_KEY_FILE)


def verification_key() -> RSAPublicKey:
    """The public half of `signing_key`."""
    return _load_public(settings.TOKEN_SIGNING_KEY_FILE)


@cache
def _load(path: Path) -> RSAPrivateKey:
    pem = read_or_create_secret(path, _new_pem)
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ImproperlyConfigured(
            f"{path} must be an unencrypted PEM file with an RSA private key"
        ) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_KEY_BITS:
        raise ImproperlyConfigured(
            f"The key in {path} must be RSA of at least {SMALLEST_KEY_BITS} bits"
        )
    return key


@cache
def _load_public(path: Path) -> RSAPublicKey:
    return _load(path).public_key()


def _new_pem() -> str:
    """A new RSA private key as unencrypted PKCS #8 text."""
    key = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
