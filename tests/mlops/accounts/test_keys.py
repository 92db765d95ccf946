"""The key that signs access tokens."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from mlops.accounts import keys

SHORT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    settings.TOKEN_SIGNING_KEY_FILE = tmp_path / "secrets" / "key.pem"
    return settings.TOKEN_SIGNING_KEY_FILE


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_the_first_use_makes_a_key_of_3072_bits_for_its_owner_only(key_file: Path) -> None:
    assert keys.signing_key().private.key_size == 3072
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700


def test_later_uses_have_the_same_key(key_file: Path) -> None:
    first = pem(keys.signing_key().private)
    keys._read.cache_clear()
    assert pem(keys.signing_key().private) == first


def test_a_given_key_is_used(key_file: Path) -> None:
    given = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_file.parent.mkdir()
    key_file.write_bytes(pem(given))
    assert keys.signing_key().public == given.public_key()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nonsense", "unencrypted PEM"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RSA of at least 2048 bits"),
        (pem(SHORT_KEY), "RSA of at least 2048 bits"),
    ],
    ids=["nonsense", "elliptic curve", "too short"],
)
def test_a_key_that_cannot_sign_is_refused(key_file: Path, content: bytes, reason: str) -> None:
    key_file.parent.mkdir()
    key_file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=reason):
        keys.signing_key()
    assert key_file.read_bytes() == content
