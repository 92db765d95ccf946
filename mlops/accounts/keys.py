"""The RSA keys of access tokens: one signs, and while it is replaced others verify too.

They are files beside each other: `settings.TOKEN_SIGNING_KEY_FILE` signs, the same name with
`.next` behind it is to sign later, and with `.former` has signed until lately. They are looked at
each time, so that a change counts at once and without a restart (wire-api section 9).
"""

import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
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
# How far the clocks of two web nodes may differ.
LEEWAY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key, and the id by which tokens name it: a digest of its public half."""

    private: RSAPrivateKey
    public: RSAPublicKey
    id: str


def signing_key() -> TokenKey:
    """The key that signs; made on first use.

    Web nodes that share a database need the same key, or each refuses the others' tokens.
    """
    path: Path = settings.TOKEN_SIGNING_KEY_FILE
    if not path.exists():
        read_or_create_secret(path, new_pem)
    return _load(path)


def verification_key(key_id: str) -> RSAPublicKey | None:
    """The public half of the key of this id; None when tokens of no such key count here."""
    return next((key.public for key in accepted_keys() if key.id == key_id), None)


def accepted_keys() -> list[TokenKey]:
    """The keys whose tokens count: the former one for as long as one of its tokens may live."""
    keys = [signing_key()]
    if next_file().exists():
        keys.append(_load(next_file()))
    if former_counts_for() > 0:
        keys.append(_load(former_file()))
    return keys


def next_file() -> Path:
    """Where the key is that is to sign later."""
    return _beside("next")


def former_file() -> Path:
    """Where the key is that has signed until this file was last modified."""
    return _beside("former")


def former_counts_for() -> float:
    """For how many seconds tokens of the former key still count; 0 without one."""
    try:
        replaced_at = former_file().stat().st_mtime
    except FileNotFoundError:
        return 0
    return max(0.0, replaced_at + settings.ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS - time.time())


def new_pem() -> str:
    """A new RSA private key as unencrypted PKCS #8 text."""
    key = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _beside(suffix: str) -> Path:
    path: Path = settings.TOKEN_SIGNING_KEY_FILE
    return path.with_name(f"{path.name}.{suffix}")


def _load(path: Path) -> TokenKey:
    """The key in the file, read again once the file is another."""
    stat = path.stat()
    return _read(path, (stat.st_mtime_ns, stat.st_ino, stat.st_size))


@lru_cache(maxsize=16)
def _read(path: Path, stamp: tuple[int, ...]) -> TokenKey:  # noqa: ARG001 - a part of the cache's key
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise ImproperlyConfigured(
            f"{path} must be an unencrypted PEM file with an RSA private key"
        ) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_KEY_BITS:
        raise ImproperlyConfigured(
            f"The key in {path} must be RSA of at least {SMALLEST_KEY_BITS} bits"
        )
    public = key.public_key()
    encoded = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return TokenKey(key, public, hashlib.sha256(encoded).hexdigest()[:16])
