"""Hourly work on accounts."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from mlops.accounts import bearers, tokens
from mlops.accounts.models import TokenFamily, User
from mlops.accounts.tasks import remove_dead_tokens, remove_expired_sessions


def test_dead_token_families_go_and_living_ones_stay(alice: User) -> None:
    tokens.revoke(tokens.issue(alice).refresh_token)
    living = tokens.issue(alice)
    assert remove_dead_tokens() == 1
    assert TokenFamily.objects.count() == 1
    assert bearers.credentials_of(living.access_token).user == alice


def test_expired_browser_sessions_go_and_living_ones_stay(db: None) -> None:
    now = timezone.now()
    Session.objects.create(session_key="old", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="new", expire_date=now + timedelta(hours=1))
    assert remove_expired_sessions() == 1
    assert Session.objects.get().session_key == "new"
