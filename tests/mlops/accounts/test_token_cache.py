"""Callers from memory, as the scoring lane asks for them."""

import asyncio
import time

import jwt
import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mlops.accounts import changes, token_cache, tokens
from mlops.accounts.keys import LEEWAY_SECONDS, signing_key
from mlops.accounts.models import TokenFamily, User
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import NotSignedIn
from tests.conftest import CONTRIBUTORS

caller_of = async_to_sync(token_cache.caller_of)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on everything in memory counts as older than its second."""
    monkeypatch.setattr(token_cache, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(token_cache, "AGEING_SECONDS", 0.0)


def test_the_caller_has_id_name_role_and_groups(admin: User, alice: User) -> None:
    assert caller_of(tokens.issue(admin).access_token) == Caller(admin.pk, "admin", Role.OWNER)
    assert caller_of(tokens.issue(alice).access_token) == Caller(
        alice.pk, "alice", Role.CONTRIBUTOR, frozenset({CONTRIBUTORS})
    )


def test_the_second_call_reads_nothing(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = tokens.issue(alice).access_token
    first = caller_of(token)
    with django_assert_num_queries(0):
        assert caller_of(token) == first


def test_all_busy_tokens_are_read_again_together(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    busy = [tokens.issue(user).access_token for user in (alice, bob, alice)]
    callers = [caller_of(token) for token in busy]
    changes.note()
    with django_assert_num_queries(2):  # the families, and the groups of their users
        assert [caller_of(token) for token in busy] == callers


@pytest.mark.django_db(transaction=True)
def test_a_revocation_here_counts_with_the_next_call(alice: User) -> None:
    pair = tokens.issue(alice)
    caller_of(pair.access_token)
    tokens.revoke(pair.refresh_token)
    with pytest.raises(NotSignedIn):
        caller_of(pair.access_token)


@pytest.mark.django_db(transaction=True)
def test_a_renewal_here_counts_with_the_next_call(alice: User) -> None:
    old = tokens.issue(alice)
    caller_of(old.access_token)
    new = tokens.renew(old.refresh_token)
    with pytest.raises(NotSignedIn):
        caller_of(old.access_token)
    assert caller_of(new.access_token).user_id == alice.pk


@pytest.mark.django_db(transaction=True)
def test_a_reused_refresh_token_counts_with_the_next_call(alice: User) -> None:
    old = tokens.issue(alice)
    new = tokens.renew(old.refresh_token)
    caller_of(new.access_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(old.refresh_token)
    with pytest.raises(NotSignedIn):
        caller_of(new.access_token)


def test_a_revocation_elsewhere_counts_after_a_second(alice: User, later: None) -> None:
    token = tokens.issue(alice).access_token
    caller_of(token)
    TokenFamily.objects.update(revoked_at=timezone.now())
    with pytest.raises(NotSignedIn):
        caller_of(token)


def test_a_deactivated_user_is_refused_after_a_second(alice: User, later: None) -> None:
    token = tokens.issue(alice).access_token
    caller_of(token)
    User.objects.update(is_active=False)
    with pytest.raises(NotSignedIn):
        caller_of(token)


def test_a_deleted_user_is_refused_after_a_second(alice: User, later: None) -> None:
    token = tokens.issue(alice).access_token
    caller_of(token)
    alice.delete()
    with pytest.raises(NotSignedIn):
        caller_of(token)


def test_a_change_of_groups_counts_after_a_second(
    bob: User, declared_groups: None, later: None
) -> None:
    token = tokens.issue(bob).access_token
    assert caller_of(token).role is Role.CONTRIBUTOR
    bob.groups.remove(bob.groups.get(name=CONTRIBUTORS))
    assert caller_of(token).role is None


def test_a_dead_token_is_not_read_again_with_every_call(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = tokens.issue(alice).access_token
    TokenFamily.objects.update(revoked_at=timezone.now())
    with pytest.raises(NotSignedIn):
        caller_of(token)
    with django_assert_num_queries(0), pytest.raises(NotSignedIn):
        caller_of(token)


def test_a_token_dies_of_age_in_memory_too(alice: User) -> None:
    genuine = tokens.issue(alice).access_token
    claims = jwt.decode(genuine, options={"verify_signature": False})
    end = int(time.time()) + 1
    key = signing_key()
    token = jwt.encode(
        claims | {"exp": end - LEEWAY_SECONDS}, key.private, "RS512", headers={"kid": key.id}
    )
    caller_of(token)
    while time.time() < end:
        time.sleep(0.01)
    with pytest.raises(NotSignedIn):
        caller_of(token)
    assert token not in token_cache._entries


def test_memory_is_bounded(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "MAX_ENTRIES", 2)
    for _ in range(4):
        caller_of(tokens.issue(alice).access_token)
    assert len(token_cache._entries) == 2


def test_a_token_that_ages_serves_on_and_is_looked_up_meanwhile(
    bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tokens.issue(bob).access_token
    caller_of(token)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    monkeypatch.setattr(token_cache, "FRESH_SECONDS", 1000.0)
    monkeypatch.setattr(token_cache, "AGEING_SECONDS", 0.0)

    async def main() -> None:
        assert (await token_cache.caller_of(token)).username == "bob"
        async with asyncio.timeout(60):
            while (await token_cache.caller_of(token)) is not None:
                await asyncio.sleep(0.01)

    with pytest.raises(NotSignedIn):
        async_to_sync(main)()
