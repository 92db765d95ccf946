"""Renewals and revocations that race, on real threads, processes and the real database."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.conf import settings
from django.db import connection

from mlops.accounts import bearers, tokens
from mlops.accounts.models import RefreshToken, TokenFamily, User
from mlops.accounts.tokens import TokenPair
from mlops.errors import NotSignedIn
from tests.database_option import shared_database

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 8

ASK = """
import sys, django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from mlops.accounts import bearers, tokens
from mlops.errors import NotSignedIn
for line in sys.stdin:
    try:
        print(bearers.credentials_of(line.strip()).user.username, flush=True)
    except NotSignedIn:
        print("refused", flush=True)
"""


def at_once(action: Callable[[], TokenPair | None]) -> list[TokenPair | NotSignedIn | None]:
    """What each of THREADS threads got from `action`, all let go at the same moment."""
    start = Barrier(THREADS)

    def run() -> TokenPair | NotSignedIn | None:
        try:
            start.wait()
            return action()
        except NotSignedIn as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return [one.result() for one in [pool.submit(run) for _ in range(THREADS)]]


def test_of_concurrent_renewals_exactly_one_wins(alice: User) -> None:
    pair = tokens.issue(alice)
    outcomes = at_once(lambda: tokens.renew(pair.refresh_token))
    winners = [outcome for outcome in outcomes if isinstance(outcome, TokenPair)]
    assert len(winners) == 1
    assert RefreshToken.objects.filter(used_at=None).count() == 1
    assert RefreshToken.objects.count() == 2
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(pair.access_token)


def test_renewals_of_different_logins_do_not_disturb_each_other(alice: User) -> None:
    pairs = [tokens.issue(alice) for _ in range(THREADS)]
    waiting = list(pairs)
    outcomes = at_once(lambda: tokens.renew(waiting.pop().refresh_token))
    for outcome in outcomes:
        assert isinstance(outcome, TokenPair)
        assert bearers.credentials_of(outcome.access_token).user == alice


def test_a_loser_that_looked_before_the_winner_leaves_the_family_alone(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a token that is already used when it comes in counts as stolen."""
    pair = tokens.issue(alice)
    both_looked = Barrier(2)
    real_usable = tokens._usable

    def look_together(*args: object) -> RefreshToken:
        row = real_usable(*args)  # type: ignore[arg-type]
        both_looked.wait()
        return row

    monkeypatch.setattr(tokens, "_usable", look_together)
    monkeypatch.setattr(sys.modules[__name__], "THREADS", 2)
    outcomes = at_once(lambda: tokens.renew(pair.refresh_token))
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, TokenPair)]
    assert bearers.credentials_of(winner.access_token).user == alice


def test_no_pair_survives_a_revocation_that_races_with_renewals(alice: User) -> None:
    pair = tokens.issue(alice)
    todo = [lambda: tokens.renew(pair.refresh_token)] * (THREADS - 1)
    todo.insert(THREADS // 2, lambda: tokens.revoke_all(alice))  # type: ignore[arg-type,return-value]
    outcomes = at_once(lambda: todo.pop()())
    assert TokenFamily.objects.get().revoked_at is not None
    for outcome in outcomes:
        if isinstance(outcome, TokenPair):
            with pytest.raises(NotSignedIn):
                bearers.credentials_of(outcome.access_token)


def test_another_process_sees_a_renewal_and_a_revocation_at_once(alice: User) -> None:
    pair = tokens.issue(alice)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "mlops.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", ASK, str(connection.settings_dict["NAME"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"MLOPS_DATA_DIR": str(settings.DATA_DIR)} | shared_database(),
        cwd=settings.BASE_DIR,
    ) as other:

        def ask(token: str) -> str:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(token + "\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        assert ask(pair.access_token) == "alice"
        newer = tokens.renew(pair.refresh_token)
        assert ask(pair.access_token) == "refused"
        assert ask(newer.access_token) == "alice"
        tokens.revoke(newer.refresh_token)
        assert ask(newer.access_token) == "refused"
