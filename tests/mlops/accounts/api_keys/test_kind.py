"""API keys where tokens go, on both readers: that of REST and that of the scoring lane."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from mlops.accounts import bearers, token_cache, tokens
from mlops.accounts.api_keys import text, uses
from mlops.accounts.api_keys.actions import MadeKey, create_api_key, revoke_api_key
from mlops.accounts.models import ApiKey, User
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import create_service_account, remove_service_account
from mlops.errors import NotSignedIn

caller_of = async_to_sync(token_cache.caller_of)
DOORS: dict[str, Callable[[str], Any]] = {"reader": bearers.credentials_of, "cache": caller_of}
each_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())


@pytest.fixture
def robot(admin: User) -> User:
    return create_service_account(user=admin, name="robot", role=Role.READER)


@pytest.fixture
def made(admin: User, robot: User) -> MadeKey:
    return create_api_key(user=admin, account="robot", name="nightly", services=["churn"])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on everything in memory counts as older than its second."""
    monkeypatch.setattr(token_cache, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(token_cache, "AGEING_SECONDS", 0.0)


def test_the_lane_knows_account_role_bounds_and_key(made: MadeKey, robot: User) -> None:
    caller = caller_of(made.text)
    assert (caller.user_id, caller.username, caller.role) == (robot.pk, "robot", Role.READER)
    assert caller.services == {"churn"}
    assert caller.login_session_id == made.key.pk


def test_rest_knows_account_bounds_and_key(made: MadeKey, robot: User) -> None:
    credentials = bearers.credentials_of(made.text)
    assert credentials.user == robot
    assert credentials.user.only_services == {"churn"}
    assert credentials.claims.login_session_id == made.key.pk


def test_a_key_without_bounds_has_none(admin: User) -> None:
    key = create_api_key(user=admin, name="own").text
    assert caller_of(key).services is None
    assert caller_of(key).role is Role.OWNER
    assert bearers.credentials_of(key).user.only_services is None


def test_two_keys_of_one_account_keep_their_own_bounds(admin: User, made: MadeKey) -> None:
    other = create_api_key(user=admin, account="robot", name="other", services=["iris"]).text
    token_cache._entries.clear()
    assert [caller_of(key).services for key in (made.text, other)] == [{"churn"}, {"iris"}]


def test_a_token_of_the_same_person_has_no_bounds(alice: User) -> None:
    key = create_api_key(user=alice, name="own", services=["churn"]).text
    token = tokens.issue(alice).access_token
    assert [caller_of(one).services for one in (key, token)] == [{"churn"}, None]


def forged(key: str) -> dict[str, str]:
    return {
        "another secret": text.new_key().text[:23].replace(text.new_key().text[6:22], key[6:22]),
        "the id alone": key[:22],
        "without check": key[:-8],
        "a new key": text.new_key().text,
        "in capitals": key.upper(),
        "with a blank": f"{key} x",
    }


@each_door
def test_other_texts_are_refused(made: MadeKey, door: Callable[[str], Any]) -> None:
    before = list(ApiKey.objects.values())
    for forgery in forged(made.text).values():
        with pytest.raises(NotSignedIn):
            door(forgery)
    assert list(ApiKey.objects.values()) == before
    door(made.text)


@each_door
def test_another_secret_under_a_living_id_is_refused(
    made: MadeKey, door: Callable[[str], Any]
) -> None:
    stem = f"mlops_{made.key.pk}_{'0' * 64}"
    with pytest.raises(NotSignedIn, match="The API key is not valid"):
        door(stem + text._check(stem))
    assert ApiKey.objects.get().last_used_at is None


def expire(made: MadeKey, admin: User) -> None:
    ApiKey.objects.update(expires_at=timezone.now())


def revoke(made: MadeKey, admin: User) -> None:
    ApiKey.objects.all().delete()  # as another web node does


def deactivate(made: MadeKey, admin: User) -> None:
    User.objects.filter(username="robot").update(is_active=False)


def remove(made: MadeKey, admin: User) -> None:
    remove_service_account(user=admin, name="robot")


ENDS = [expire, revoke, deactivate, remove]


@each_door
@pytest.mark.parametrize("end", ENDS)
def test_a_key_dies(
    made: MadeKey,
    admin: User,
    later: None,
    door: Callable[[str], Any],
    end: Callable[[MadeKey, User], None],
) -> None:
    door(made.text)
    end(made, admin)
    with pytest.raises(NotSignedIn):
        door(made.text)


@pytest.mark.django_db(transaction=True)
def test_a_revocation_here_counts_with_the_next_call(admin: User, made: MadeKey) -> None:
    caller_of(made.text)
    revoke_api_key(user=admin, key_id=made.key.pk)
    with pytest.raises(NotSignedIn):
        caller_of(made.text)


def test_keys_of_service_accounts_count_whatever_people_sign_in_by(
    made: MadeKey, settings: Settings
) -> None:
    settings.SIGN_IN_METHOD = "ldap"
    assert caller_of(made.text).username == "robot"
    assert bearers.credentials_of(made.text).user.username == "robot"


def test_the_second_call_reads_nothing(
    made: MadeKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    caller_of(made.text)
    with django_assert_num_queries(0):
        caller_of(made.text)


class TestLastUse:
    """When a key was last used."""

    @pytest.fixture(autouse=True)
    def fresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uses, "_noted_at", {})

    @each_door
    def test_it_is_noted(self, made: MadeKey, door: Callable[[str], Any]) -> None:
        before = timezone.now()
        door(made.text)
        used = ApiKey.objects.get().last_used_at
        assert used is not None
        assert used >= before

    def test_it_is_noted_once_a_minute(
        self, made: MadeKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bearers.credentials_of(made.text)
        long_ago = timezone.now() - timedelta(days=1)
        ApiKey.objects.update(last_used_at=long_ago)
        bearers.credentials_of(made.text)
        assert ApiKey.objects.get().last_used_at == long_ago
        monkeypatch.setattr(uses, "EVERY_SECONDS", 0)
        bearers.credentials_of(made.text)
        assert ApiKey.objects.get().last_used_at != long_ago
