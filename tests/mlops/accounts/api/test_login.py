"""/login and /login/refreshToken (wire-api section 1)."""

import json
import logging
import time
from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from mlops.accounts.models import RefreshToken, TokenFamily, User
from tests.conftest import PASSWORD

HERS = {"username": "alice", "password": PASSWORD}
REFUSED_BODIES = {
    "no body": b"",
    "an empty object": b"{}",
    "no password": b'{"username": "alice"}',
    "no user name": f'{{"password": "{PASSWORD}"}}'.encode(),
    "an empty password": b'{"username": "alice", "password": ""}',
    "null": b'{"username": "alice", "password": null}',
    "a list as password": b'{"username": "alice", "password": ["x"]}',
    "the wrong password": b'{"username": "alice", "password": "wrong"}',
    "the password with a blank": f'{{"username": "alice", "password": "{PASSWORD} "}}'.encode(),
    "an unknown user": f'{{"username": "mallory", "password": "{PASSWORD}"}}'.encode(),
    "another case of the name": f'{{"username": "Alice", "password": "{PASSWORD}"}}'.encode(),
    "a null character": b'{"username": "ali\\u0000ce", "password": "x"}',
    "half a surrogate pair": b'{"username": "alice", "password": "\\ud800"}',
    "a very long password": b'{"username": "alice", "password": "%s"}' % (b"x" * 10_000),
    "a huge body": b'{"username": "alice", "password": "%s"}' % (b"x" * 1_000_000),
    "an array": b"[]",
    "a number": b"1",
    "broken JSON": b'{"username": "alice"',
    "no UTF-8": b'{"username": "\xff\xfe"}',
    "deep nesting": b"[" * 50_000,
}


@pytest.fixture
def anybody() -> APIClient:
    return APIClient()


def login(client: APIClient, **body: str) -> dict[str, str]:
    response = client.post("/login", body or HERS, format="json")
    assert response.status_code == 200
    return json.loads(response.content)


def status_with(access_token: str) -> int:
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {access_token}")
    return client.get("/services").status_code


class TestLogin:
    """POST /login."""

    def test_the_body_is_the_token_object_in_its_order(
        self, alice: User, anybody: APIClient
    ) -> None:
        before = int(time.time())
        response = anybody.post("/login", HERS, format="json")
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        assert response["Cache-Control"] == "no-store"
        body = json.loads(response.content)
        assert list(body) == [
            "token_type",
            "access_token",
            "expires_in",
            "expires_on",
            "refresh_token",
        ]
        assert body["token_type"] == "Bearer"
        assert body["expires_in"] == 3600
        assert before + 3600 <= body["expires_on"] <= int(time.time()) + 3600

    def test_the_published_pattern_finds_the_access_token(
        self, alice: User, anybody: APIClient
    ) -> None:
        response = anybody.post("/login", HERS, format="json")
        text = response.content.decode()
        found = text.split('access_token":"', 1)[1].split('",', 1)[0]
        assert found == json.loads(text)["access_token"]

    def test_the_token_opens_the_other_calls(self, alice: User, anybody: APIClient) -> None:
        assert status_with(login(anybody)["access_token"]) == 200

    def test_property_names_match_in_any_case(self, alice: User, anybody: APIClient) -> None:
        login(anybody, UserName="alice", PASSWORD=PASSWORD)

    def test_the_content_type_does_not_matter(self, alice: User, anybody: APIClient) -> None:
        response = anybody.post("/login", json.dumps(HERS), content_type="text/plain")
        assert response.status_code == 200

    def test_a_stale_bearer_token_does_not_hinder(self, alice: User) -> None:
        login(APIClient(HTTP_AUTHORIZATION="Bearer stale"))

    def test_a_console_session_without_csrf_token_does_not_hinder(self, alice: User) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(alice)
        response = browser.post("/login", HERS, content_type="application/json")
        assert response.status_code == 200

    @pytest.mark.parametrize("body", REFUSED_BODIES.values(), ids=REFUSED_BODIES.keys())
    def test_anything_bad_is_a_401_that_changes_nothing(
        self, alice: User, anybody: APIClient, body: bytes
    ) -> None:
        response = anybody.post("/login", body, content_type="application/json")
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        error = json.loads(response.content)
        assert list(error) == ["message", "link", "exceptionType", "code", "fields"]
        assert error["code"] == 401
        assert error["message"]
        assert TokenFamily.objects.count() == 0

    def test_an_unknown_user_and_a_wrong_password_look_the_same(
        self, alice: User, anybody: APIClient
    ) -> None:
        wrong = anybody.post("/login", HERS | {"password": "x"}, format="json")
        unknown = anybody.post("/login", HERS | {"username": "x"}, format="json")
        assert wrong.content == unknown.content

    def test_an_inactive_user_looks_like_a_wrong_password(
        self, alice: User, anybody: APIClient
    ) -> None:
        wrong = anybody.post("/login", HERS | {"password": "x"}, format="json")
        User.objects.update(is_active=False)
        inactive = anybody.post("/login", HERS, format="json")
        assert inactive.status_code == 401
        assert inactive.content == wrong.content
        assert TokenFamily.objects.count() == 0

    def test_an_unknown_user_costs_one_hash_like_a_known_one(
        self, alice: User, anybody: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.contrib.auth.hashers import MD5PasswordHasher

        hashed: list[str] = []
        real_encode = MD5PasswordHasher.encode

        def counting(hasher: MD5PasswordHasher, password: str, salt: str) -> str:
            hashed.append(password)
            return real_encode(hasher, password, salt)

        monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
        for username in ("alice", "mallory"):
            hashed.clear()
            anybody.post("/login", {"username": username, "password": "wrong"}, format="json")
            assert hashed == ["wrong"]

    def test_somebody_without_a_role_gets_a_token_that_opens_nothing(
        self, declared_groups: None, bob: User, anybody: APIClient
    ) -> None:
        bob.groups.clear()
        pair = login(anybody, username="bob", password=PASSWORD)
        assert status_with(pair["access_token"]) == 403


class TestRenew:
    """POST /login/refreshToken."""

    def test_the_new_pair_works_and_the_old_one_is_dead(
        self, alice: User, anybody: APIClient
    ) -> None:
        old = login(anybody)
        response = anybody.post(
            "/login/refreshToken", {"refreshToken": old["refresh_token"]}, format="json"
        )
        assert response.status_code == 200
        new = json.loads(response.content)
        assert list(new) == list(old)
        assert status_with(new["access_token"]) == 200
        assert status_with(old["access_token"]) == 401

    def test_property_names_match_in_any_case(self, alice: User, anybody: APIClient) -> None:
        old = login(anybody)
        response = anybody.post(
            "/login/refreshToken", {"REFRESHTOKEN": old["refresh_token"]}, format="json"
        )
        assert response.status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"{",
            b"[]",
            b'{"refreshToken": ""}',
            b'{"refreshToken": null}',
            b'{"refreshToken": "unknown"}',
            b'{"refreshToken": "a/b+c=="}',
        ],
    )
    def test_anything_bad_is_a_401_that_changes_nothing(
        self, alice: User, anybody: APIClient, body: bytes
    ) -> None:
        pair = login(anybody)
        response = anybody.post("/login/refreshToken", body, content_type="application/json")
        assert response.status_code == 401
        assert RefreshToken.objects.get().used_at is None
        assert status_with(pair["access_token"]) == 200


def revoke_by_query(client: APIClient, token: str) -> int:
    return client.delete(f"/login/refreshToken?refreshToken={token}").status_code


def revoke_by_path(client: APIClient, token: str) -> int:
    return client.delete(f"/login/refreshToken/{token}").status_code


@pytest.mark.parametrize("revoke", [revoke_by_query, revoke_by_path])
class TestRevoke:
    """DELETE /login/refreshToken in both forms."""

    def test_the_pair_is_dead_at_once(
        self, alice: User, anybody: APIClient, revoke: Callable[[APIClient, str], int]
    ) -> None:
        pair = login(anybody)
        assert revoke(anybody, pair["refresh_token"]) == 200
        assert status_with(pair["access_token"]) == 401
        assert revoke(anybody, pair["refresh_token"]) == 401

    @pytest.mark.parametrize("token", ["unknown", "a/b+c==", "%00", "%ff"])
    def test_an_unknown_token_is_a_401_that_changes_nothing(
        self,
        alice: User,
        anybody: APIClient,
        revoke: Callable[[APIClient, str], int],
        token: str,
    ) -> None:
        pair = login(anybody)
        assert revoke(anybody, token) == 401
        assert status_with(pair["access_token"]) == 200

    def test_no_log_shows_the_token(
        self,
        alice: User,
        anybody: APIClient,
        revoke: Callable[[APIClient, str], int],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        redact = next(one for handler in logging.getLogger().handlers for one in handler.filters)
        caplog.handler.addFilter(redact)
        caplog.set_level(logging.DEBUG)
        pair = login(anybody)
        revoke(anybody, pair["refresh_token"])
        revoke(anybody, pair["refresh_token"])
        assert pair["refresh_token"] not in caplog.text


def test_a_revocation_without_token_is_a_401(anybody: APIClient, db: None) -> None:
    assert anybody.delete("/login/refreshToken").status_code == 401


def test_the_revocation_answers_an_empty_object(alice: User, anybody: APIClient) -> None:
    token = login(anybody)["refresh_token"]
    response = anybody.delete(f"/login/refreshToken?RefreshToken={token}")
    assert response.content == b"{}"


@pytest.mark.parametrize("path", ["/login", "/login/refreshToken"])
def test_other_methods_are_a_405(anybody: APIClient, db: None, path: str) -> None:
    assert anybody.get(path).status_code == 405
