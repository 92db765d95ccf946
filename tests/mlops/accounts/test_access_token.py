"""Forged and expired access tokens at every door: the API, the lane's memory, the reader."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rest_framework.test import APIClient

from mlops.accounts import bearers, token_cache, tokens
from mlops.accounts.keys import signing_key, verification_key
from mlops.accounts.models import RefreshToken, TokenFamily, User
from mlops.errors import NotSignedIn

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DOORS: dict[str, Callable[[str], Any]] = {
    "reader": bearers.credentials_of,
    "cache": async_to_sync(token_cache.caller_of),
}

Claims = dict[str, Any]


def claims_of(token: str) -> Claims:
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: Claims, *, key: Any = None, algorithm: str = "RS512") -> str:
    return jwt.encode(claims, key or signing_key(), algorithm=algorithm)


def with_claims(**changes: object) -> Callable[[str], str]:
    return lambda token: signed(claims_of(token) | changes)


def without_claim(name: str) -> Callable[[str], str]:
    return lambda token: signed({k: v for k, v in claims_of(token).items() if k != name})


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def alg_in_capitals(token: str) -> str:
    header = base64url(b'{"alg":"NONE","typ":"JWT"}')
    return f"{header}.{token.split('.')[1]}."


def alg_none(token: str) -> str:
    return jwt.encode(claims_of(token), None, algorithm="none")


def hs512_with_the_public_key(token: str) -> str:
    """Signed by hand: the library refuses to use a public key as a shared secret."""
    pem = verification_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64url(json.dumps({"alg": "HS512", "typ": "JWT"}).encode())
    signing_input = f"{header}.{token.split('.')[1]}"
    signature = hmac.new(pem, signing_input.encode(), hashlib.sha512).digest()
    return f"{signing_input}.{base64url(signature)}"


def tampered(token: str) -> str:
    header, _, signature = token.split(".")
    body = json.dumps(claims_of(token) | {"sub": "admin"}).encode()
    return f"{header}.{base64url(body)}.{signature}"


def with_another_signature(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def with_the_key_inside(token: str) -> str:
    """The header names the attacker's own key."""
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key()))
    return jwt.encode(claims_of(token), OTHER_KEY, algorithm="RS512", headers={"jwk": jwk})


FORGERIES: dict[str, Callable[[str], str]] = {
    "alg none": alg_none,
    "alg none in capitals": alg_in_capitals,
    "HS512 with the public key": hs512_with_the_public_key,
    "RS256 with the right key": lambda token: signed(claims_of(token), algorithm="RS256"),
    "PS512 with the right key": lambda token: signed(claims_of(token), algorithm="PS512"),
    "another key": lambda token: signed(claims_of(token), key=OTHER_KEY),
    "a key of its own inside": with_the_key_inside,
    "tampered claims": tampered,
    "another signature": with_another_signature,
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "expired": with_claims(exp=int(time.time()) - 60),
    "not valid yet": with_claims(nbf=int(time.time()) + 600),
    "issued in the future": with_claims(iat=int(time.time()) + 600),
    "wrong audience": with_claims(aud="somebody-else"),
    "wrong issuer": with_claims(iss="somebody-else"),
    "no expiry": without_claim("exp"),
    "no audience": without_claim("aud"),
    "no issuer": without_claim("iss"),
    "no id": without_claim("jti"),
    "no login session": without_claim("sid"),
    "an id of no family": with_claims(jti="00000000-0000-4000-8000-000000000000"),
    "an id that is none": with_claims(jti="x"),
    "a login session of another": with_claims(sid="0" * 128),
    "a number as expiry text": with_claims(exp="soon"),
    "empty": lambda token: "",
    "no token at all": lambda token: "abc",
    "only dots": lambda token: "..",
    "control characters": lambda token: token + "\x00",
    "not ASCII": lambda token: "é" + token,
    "ten thousand characters": lambda token: "a" * 10_000,
    "the refresh token": lambda token: "Zm9vYmFy" * 10,
}


def rows() -> list[tuple[object, ...]]:
    return [*TokenFamily.objects.values_list(), *RefreshToken.objects.values_list()]


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_is_refused_and_changes_nothing(
    alice: User, forge: Callable[[str], str], door: Callable[[str], Any]
) -> None:
    genuine = tokens.issue(alice).access_token
    before = rows()
    with pytest.raises(NotSignedIn):
        door(forge(genuine))
    assert rows() == before
    door(genuine)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_the_api_answers_a_forged_token_with_the_error_object(
    alice: User, forge: Callable[[str], str]
) -> None:
    forged = forge(tokens.issue(alice).access_token)
    response = APIClient().get("/services", HTTP_AUTHORIZATION=f"Bearer {forged}")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    error = json.loads(response.content)
    assert list(error) == ["message", "link", "exceptionType", "code", "fields"]
    assert error["code"] == 401


def test_a_call_without_a_token_is_a_401(db: None) -> None:
    response = APIClient().get("/services")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Basic", "Token", "JWT"])
def test_another_scheme_is_a_401(alice: User, scheme: str) -> None:
    token = tokens.issue(alice).access_token
    response = APIClient().get("/services", HTTP_AUTHORIZATION=f"{scheme} {token}")
    assert response.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_matches_in_any_case(alice: User, scheme: str) -> None:
    token = tokens.issue(alice).access_token
    response = APIClient().get("/services", HTTP_AUTHORIZATION=f"{scheme} {token}")
    assert response.status_code == 200


def test_a_bad_token_is_refused_even_beside_a_console_session(alice: User) -> None:
    client = APIClient()
    client.force_login(alice)
    assert client.get("/services").status_code == 200
    assert client.get("/services", HTTP_AUTHORIZATION="Bearer bad").status_code == 401


def test_an_expired_token_says_how_to_go_on(alice: User) -> None:
    expired = FORGERIES["expired"](tokens.issue(alice).access_token)
    with pytest.raises(NotSignedIn, match="has expired: renew it"):
        bearers.credentials_of(expired)


def test_the_clocks_of_two_web_nodes_may_differ_a_little(alice: User) -> None:
    token = tokens.issue(alice).access_token
    ahead = int(time.time()) + 3
    assert bearers.credentials_of(with_claims(iat=ahead, nbf=ahead)(token)).user == alice
