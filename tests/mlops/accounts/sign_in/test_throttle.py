"""Holding back who guesses passwords."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from mlops.accounts.models import AuditEntry, SignInBudget, User
from mlops.accounts.sign_in import passwords, throttle
from mlops.accounts.sign_in.passwords import BAD_CREDENTIALS, sign_in
from mlops.accounts.sign_in.throttle import Limit
from mlops.errors import DirectoryUnavailable, NotSignedIn, TooManySignIns
from tests.conftest import PASSWORD
from tests.mlops.console.browser import open_browser, submit_sign_in

pytestmark = pytest.mark.django_db

HOME, OFFICE, STRANGER = "192.0.2.1", "192.0.2.2", "203.0.113.9"
WRONG = "Wrong-1"
N_OWN = throttle.USER_AT_ADDRESS.n_attempts


class Clock:
    """The time, which passes when a test says so."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=timezone.get_default_timezone())

    def passes(self, time: timedelta) -> None:
        self.time += time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throttle.timezone, "now", lambda: clock.time)
    return clock


@pytest.fixture
def n_hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each password that is hashed."""
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append("")
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return hashed


def attempt(username: str = "alice", password: str = WRONG, *, at: str = HOME) -> User:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = at
    return sign_in(request, username=username, password=password)


def fail(n_times: int, username: str = "alice", *, at: str = HOME) -> None:
    for _ in range(n_times):
        with pytest.raises(NotSignedIn):
            attempt(username, at=at)


def is_held_back(username: str = "alice", *, at: str = HOME) -> bool:
    try:
        attempt(username, PASSWORD, at=at)
    except TooManySignIns:
        return True
    return False


# Who guesses.


def test_after_some_wrong_passwords_even_the_right_one_is_not_looked_at(
    alice: User, n_hashes: list[str]
) -> None:
    fail(N_OWN)
    n_hashes.clear()
    with pytest.raises(TooManySignIns) as refusal:
        attempt(password=PASSWORD)
    assert n_hashes == []
    assert 0 < refusal.value.retry_after <= throttle.USER_AT_ADDRESS.every.total_seconds()


def test_one_more_attempt_comes_back_with_time(alice: User, clock: Clock) -> None:
    fail(N_OWN)
    with pytest.raises(TooManySignIns) as refusal:
        attempt()
    clock.passes(timedelta(seconds=refusal.value.retry_after))
    fail(1)
    assert is_held_back()


def test_unknown_names_are_held_back_like_known_ones(alice: User) -> None:
    fail(N_OWN, "nobody")
    assert is_held_back("nobody")


@pytest.mark.parametrize("spelling", ["ALICE", " alice ", "\uff41lice", "al\xadice", "\xe0lic\xe9"])
def test_other_spellings_of_a_name_give_no_further_attempts(alice: User, spelling: str) -> None:
    fail(N_OWN, spelling)
    assert is_held_back()


def test_a_subnet_of_ipv6_is_one_address(alice: User) -> None:
    for number in range(N_OWN):
        fail(1, at=f"2001:db8::{number + 1}")
    assert is_held_back(at="2001:db8::ffff:1%eth0")
    assert not is_held_back(at="2001:db8:0:1::1")


def test_who_tries_many_names_from_one_address_is_held_back(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "ADDRESS", Limit(6, timedelta(minutes=1)))
    for number in range(6):
        fail(1, f"user{number}", at=STRANGER)
    assert is_held_back(at=STRANGER)
    assert not is_held_back(at=HOME)


def test_who_tries_one_name_from_many_addresses_is_held_back(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "USER", Limit(6, timedelta(minutes=1)))
    for number in range(6):
        fail(1, at=f"203.0.113.{number}")
    assert is_held_back(at=STRANGER)
    assert not is_held_back("bob", at=STRANGER)


def test_signing_in_oneself_gives_no_further_attempts_for_other_names(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "ADDRESS", Limit(6, timedelta(minutes=1)))
    for number in range(6):
        fail(1, f"user{number}", at=STRANGER)
        if number < 3:
            attempt("bob", PASSWORD, at=STRANGER)
    assert is_held_back(at=STRANGER)


@pytest.mark.django_db(transaction=True)
def test_many_attempts_at_once_learn_no_more_than_one_after_the_other(alice: User) -> None:
    def outcome(number: int) -> str:
        try:
            attempt("alice", PASSWORD if number == 30 else f"Wrong-{number}")
        except (NotSignedIn, TooManySignIns) as refusal:
            return type(refusal).__name__
        finally:
            connection.close()
        return "signed in"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(outcome, range(40)))
    assert outcomes.count("NotSignedIn") == N_OWN
    assert outcomes.count("TooManySignIns") == 40 - N_OWN


# The innocent.


def test_wrong_passwords_elsewhere_keep_nobody_out(alice: User, clock: Clock) -> None:
    for _ in range(200):
        with pytest.raises((NotSignedIn, TooManySignIns)):
            attempt(at=STRANGER)
        clock.passes(timedelta(seconds=20))
    assert not is_held_back(at=HOME)


def test_one_name_held_back_leaves_others_at_the_same_address_alone(alice: User, bob: User) -> None:
    fail(N_OWN, "alice", at=OFFICE)
    for _ in range(300):
        assert is_held_back("alice", at=OFFICE)
    assert not is_held_back("bob", at=OFFICE)


def test_who_signed_in_there_before_is_not_affected_by_strangers(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(password=PASSWORD, at=OFFICE)
    monkeypatch.setattr(throttle, "ADDRESS", Limit(2, timedelta(days=1)))
    monkeypatch.setattr(throttle, "USER", Limit(2, timedelta(days=1)))
    fail(2, "nobody", at=OFFICE)
    fail(2, "alice", at=STRANGER)
    assert is_held_back("bob", at=OFFICE)
    assert is_held_back("alice", at=HOME)
    assert not is_held_back("alice", at=OFFICE)


def test_a_familiar_address_is_familiar_for_a_time(alice: User, clock: Clock) -> None:
    attempt(password=PASSWORD)
    clock.passes(throttle.FAMILIAR_FOR)
    throttle.forget(clock.time)
    assert not SignInBudget.objects.exists()


def test_success_forgives_what_failed_there_before(alice: User) -> None:
    fail(N_OWN - 1)
    attempt(password=PASSWORD)
    fail(N_OWN - 1)
    assert not is_held_back()


def test_right_passwords_are_never_too_many(alice: User) -> None:
    for _ in range(3 * N_OWN):
        attempt(password=PASSWORD)


@pytest.fixture
def directory_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def away(*args: object, **kwargs: object) -> None:
        raise DirectoryUnavailable("The directory does not answer.")

    monkeypatch.setattr(passwords, "authenticate", away)
    yield
    monkeypatch.undo()


def test_a_directory_that_is_away_counts_as_no_failure(alice: User, directory_away: None) -> None:
    for _ in range(3 * N_OWN):
        with pytest.raises(DirectoryUnavailable):
            attempt()
    assert not SignInBudget.objects.exists()


# What is kept.


def test_no_name_is_stored(alice: User) -> None:
    fail(1, "Typed-Password-1")
    rows = str(list(SignInBudget.objects.values()) + list(AuditEntry.objects.values()))
    assert "Typed-Password-1".lower() not in rows.lower()


def test_what_counts_no_more_is_forgotten(alice: User, clock: Clock) -> None:
    fail(2)
    attempt(password=PASSWORD, at=OFFICE)
    assert SignInBudget.objects.count() == 4
    clock.passes(2 * throttle.USER_AT_ADDRESS.every + timedelta(seconds=1))
    assert throttle.forget(clock.time) == 3
    assert SignInBudget.objects.get().address == OFFICE


def test_a_flood_is_bounded_and_leaves_the_familiar(
    alice: User, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    attempt(password=PASSWORD)
    monkeypatch.setattr(throttle, "MAX_ROWS", 5)
    for number in range(5):
        fail(1, f"user{number}", at=f"203.0.113.{number}")
    throttle.forget(clock.time)
    assert SignInBudget.objects.count() == 5
    assert SignInBudget.objects.exclude(familiar_until=None).get().address == HOME


def test_the_trail_has_each_outcome_but_not_those_held_back(alice: User) -> None:
    attempt(password=PASSWORD)
    fail(N_OWN)
    for _ in range(10):
        assert is_held_back()
    refusals = AuditEntry.objects.filter(action="sign in", username="alice", outcome="refused")
    assert [entry.reason for entry in refusals.order_by("pk")] == [
        *[BAD_CREDENTIALS] * (N_OWN - 1),
        f"{BAD_CREDENTIALS} Further attempts are held back.",
    ]
    assert AuditEntry.objects.filter(outcome="success").count() == 1


# What callers see.


def test_the_api_answers_429_and_says_when_to_try_again(alice: User, client: Client) -> None:
    body = {"username": "alice", "password": "Wrong-1"}
    for _ in range(N_OWN):
        answer = client.post("/login", body, content_type="application/json")
        assert answer.status_code == 401
    body["password"] = PASSWORD
    answer = client.post("/login", body, content_type="application/json")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 180
    assert answer.json()["message"].startswith(
        "Too many attempts to sign in have failed: try again in"
    )


def test_the_console_says_so_in_its_form(alice: User) -> None:
    browser = open_browser()
    for _ in range(N_OWN):
        submit_sign_in(browser, "alice", "Wrong-1")
    page = submit_sign_in(browser, "alice").content.decode()
    assert "Too many attempts to sign in have failed: try again in 3 minutes." in page
    assert "The user name or the password is wrong" not in page


def test_the_console_and_the_api_count_together(alice: User, client: Client) -> None:
    for _ in range(N_OWN):
        submit_sign_in(open_browser(), "alice", "Wrong-1")
    body = {"username": "alice", "password": PASSWORD}
    assert client.post("/login", body, content_type="application/json").status_code == 429


# The time it takes tells nothing.


@pytest.mark.parametrize("case", ["wrong", "unknown", "inactive", "of a directory", "unusable"])
def test_every_refusal_hashes_once(alice: User, n_hashes: list[str], case: str) -> None:
    if case == "inactive":
        User.objects.update(is_active=False)
    if case == "of a directory":
        User.objects.update(sign_in_method="ldap")
    if case in ("of a directory", "unusable"):
        alice.refresh_from_db()
        alice.set_unusable_password()
        alice.save()
    name = "nobody" if case == "unknown" else "alice"
    password = "Wrong-1" if case == "wrong" else PASSWORD
    n_hashes.clear()
    with pytest.raises(NotSignedIn, match=BAD_CREDENTIALS):
        attempt(name, password)
    assert len(n_hashes) == 1
