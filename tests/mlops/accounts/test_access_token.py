"""Forged and expired access tokens at every door: the API, the lane's memory, the reader."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from rest_framework.test import APIClient

from mlops.accounts import bearers, token_cache, tokens
from mlops.accounts.keys import LEEWAY_SECONDS, signing_key
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


def signed(claims: Claims, *, key: Any = None, algorithm: str = "RS512", **headers: object) -> str:
    """A token whose header is right unless `headers` say otherwise, so that the rest is judged."""
    own = signing_key()
    return jwt.encode(claims, key or own.private, algorithm, headers={"kid": own.id, **headers})


def with_claims(**changes: object) -> Callable[[str], str]:
    return lambda token: signed(claims_of(token) | changes)


def without_claim(name: str) -> Callable[[str], str]:
    return lambda token: signed({k: v for k, v in claims_of(token).items() if k != name})


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_header(token: str, **changes: object) -> str:
    """The token with another header, whatever that makes of its signature."""
    _, claims, signature = token.split(".")
    header = json.dumps(jwt.get_unverified_header(token) | changes).encode()
    return f"{base64url(header)}.{claims}.{signature}"


def unsigned(token: str, algorithm: str) -> str:
    return with_header(token, alg=algorithm).rpartition(".")[0] + "."


def with_signed_header(header: str) -> Callable[[str], str]:
    """The genuine claims under a header written by hand, signed with the right key."""

    def forge(token: str) -> str:
        own = header.replace("{kid}", signing_key().id)
        signing_input = f"{base64url(own.encode())}.{token.split('.')[1]}"
        key = signing_key().private
        signature = key.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA512())
        return f"{signing_input}.{base64url(signature)}"

    return forge


def of_another_login(token: str) -> str:
    """The id of somebody else's living access token under one's own login session."""
    bob = User.objects.get_or_create(username="bob")[0]
    return signed(claims_of(token) | {"jti": claims_of(tokens.issue(bob).access_token)["jti"]})


def hs512_with_the_public_key(token: str) -> str:
    """Signed by hand: the library refuses to use a public key as a shared secret."""
    pem = signing_key().public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing_input = with_header(token, alg="HS512").rpartition(".")[0]
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
    return signed(claims_of(token), key=OTHER_KEY, jwk=jwk)


def with_other_key(**headers: object) -> Callable[[str], str]:
    return lambda token: signed(claims_of(token), key=OTHER_KEY, **headers)


FORGERIES: dict[str, Callable[[str], str]] = {
    "alg none": lambda token: unsigned(token, "none"),
    "alg none in capitals": lambda token: unsigned(token, "NONE"),
    "alg none with the signature": lambda token: with_header(token, alg="none"),
    "HS512 with the public key": hs512_with_the_public_key,
    "RS256 with the right key": lambda token: signed(claims_of(token), algorithm="RS256"),
    "PS512 with the right key": lambda token: signed(claims_of(token), algorithm="PS512"),
    "another key": with_other_key(),
    "a key of its own inside": with_the_key_inside,
    "an address of keys": with_other_key(jku="http://127.0.0.1:9/keys.json"),
    "an address of a certificate": with_other_key(x5u="http://127.0.0.1:9/key.pem"),
    "a key id that is a path": with_other_key(kid="../../../../dev/null"),
    "a key id that is SQL": with_other_key(kid="x' UNION SELECT 'key' --"),
    "a key id of nobody": lambda token: signed(claims_of(token), kid="0" * 16),
    "a key id that is no text": with_signed_header('{"alg":"RS512","kid":["x"],"typ":"JWT"}'),
    "a key id that is null": with_signed_header('{"alg":"RS512","kid":null,"typ":"JWT"}'),
    "no key id": with_signed_header('{"alg":"RS512","typ":"JWT"}'),
    "a header twice, the other key last": with_signed_header(
        '{"alg":"RS512","kid":"{kid}","kid":"x","typ":"JWT"}'
    ),
    "an algorithm twice": with_signed_header('{"alg":"RS512","alg":"none","kid":"{kid}"}'),
    "a header that is a list": with_signed_header('["RS512"]'),
    "an extension that must be understood": lambda token: signed(
        claims_of(token), crit=["urn:x"], **{"urn:x": True}
    ),
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
    "the id of another's token": of_another_login,
    "a number as expiry text": with_claims(exp="soon"),
    "empty": lambda token: "",
    "no token at all": lambda token: "abc",
    "only dots": lambda token: "..",
    "control characters": lambda token: token + "\x00",
    "not ASCII": lambda token: "é" + token,
    "ten thousand characters": lambda token: "a" * 10_000,
    "the refresh token": lambda token: "Zm9vYmFy" * 10,
}


def rows(user: User) -> list[tuple[object, ...]]:
    families = TokenFamily.objects.filter(user=user)
    return [
        *families.values_list(),
        *RefreshToken.objects.filter(family__in=families).values_list(),
    ]


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_is_refused_and_changes_nothing(
    alice: User, forge: Callable[[str], str], door: Callable[[str], Any]
) -> None:
    genuine = tokens.issue(alice).access_token
    before = rows(alice)
    with pytest.raises(NotSignedIn):
        door(forge(genuine))
    assert rows(alice) == before
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


class TestClocksThatDiffer:
    """A token of a web node whose clock is ahead, or behind, at both ends of its life."""

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """The time of the reader, which stands still."""
        moment = datetime.now(UTC).replace(microsecond=0)

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return moment

        monkeypatch.setattr("jwt.api_jwt.datetime", Clock)
        return int(moment.timestamp())

    @pytest.mark.parametrize("claim", ["nbf", "iat"])
    def test_ahead_by_the_leeway_counts(self, alice: User, now: int, claim: str) -> None:
        token = with_claims(**{claim: now + LEEWAY_SECONDS})(tokens.issue(alice).access_token)
        assert bearers.credentials_of(token).user == alice

    @pytest.mark.parametrize("claim", ["nbf", "iat"])
    def test_further_ahead_is_refused(self, alice: User, now: int, claim: str) -> None:
        token = with_claims(**{claim: now + LEEWAY_SECONDS + 1})(tokens.issue(alice).access_token)
        with pytest.raises(NotSignedIn):
            bearers.credentials_of(token)

    def test_expired_for_less_than_the_leeway_counts(self, alice: User, now: int) -> None:
        token = with_claims(exp=now - LEEWAY_SECONDS + 1)(tokens.issue(alice).access_token)
        assert bearers.credentials_of(token).user == alice

    def test_expired_for_the_leeway_is_refused(self, alice: User, now: int) -> None:
        token = with_claims(exp=now - LEEWAY_SECONDS)(tokens.issue(alice).access_token)
        with pytest.raises(NotSignedIn):
            bearers.credentials_of(token)
