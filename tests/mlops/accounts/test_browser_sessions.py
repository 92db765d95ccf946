"""How long browsers stay signed in."""

import time

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import User
from tests.mlops.console.browser import csrf_token, open_browser, signed_in, submit_sign_in

LIST = "/console/services/service/"


class Clock:
    """The time of sessions, which passes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._passed = 0
        now, aware_now = time.time, timezone.now
        monkeypatch.setattr("time.time", lambda: now() + self._passed)
        later = lambda: aware_now() + timezone.timedelta(seconds=self._passed)  # noqa: E731
        monkeypatch.setattr("django.utils.timezone.now", later)

    def passes(self, *, hours: float) -> None:
        self._passed += int(hours * 3600)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def is_signed_in(browser: Client) -> bool:
    return browser.get(LIST).status_code == 200


def test_who_is_idle_for_long_is_signed_out(alice: User, clock: Clock) -> None:
    browser = signed_in("alice")
    clock.passes(hours=8.1)
    assert not is_signed_in(browser)


def test_who_is_not_idle_stays_signed_in(alice: User, clock: Clock) -> None:
    browser = signed_in("alice")
    for _ in range(3):
        clock.passes(hours=7)
        assert is_signed_in(browser)


def test_nobody_stays_signed_in_for_more_than_a_day(alice: User, clock: Clock) -> None:
    browser = signed_in("alice")
    for _ in range(4):
        clock.passes(hours=5.9)
        assert is_signed_in(browser)
    clock.passes(hours=0.5)
    assert not is_signed_in(browser)
    assert not Session.objects.exists()


def test_the_database_does_not_hold_the_key_of_the_cookie(alice: User) -> None:
    browser = signed_in("alice")
    stored = Session.objects.get().session_key
    assert browser.cookies["sessionid"].value != stored
    browser.cookies["sessionid"] = stored
    assert not is_signed_in(browser)


def test_the_cookie_ends_with_the_browser(alice: User) -> None:
    cookie = submit_sign_in(open_browser(), "alice").cookies["sessionid"]
    assert not cookie["max-age"]
    assert not cookie["expires"]


def test_scripts_of_pages_see_no_cookie(alice: User) -> None:
    cookies = submit_sign_in(open_browser(), "alice").cookies
    assert set(cookies) == {"sessionid", "csrftoken"}
    assert all(cookie["httponly"] and cookie["samesite"] == "Lax" for cookie in cookies.values())


def test_a_copied_cookie_is_dead_after_the_sign_out(alice: User) -> None:
    browser = signed_in("alice")
    thief = open_browser()
    thief.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert is_signed_in(thief)
    browser.post("/console/logout/", {"csrfmiddlewaretoken": csrf_token(browser.get(LIST))})
    assert not is_signed_in(thief)


def test_another_method_of_signing_in_ends_it(alice: User, settings: Settings) -> None:
    browser = signed_in("alice")
    settings.SIGN_IN_METHOD = "ldap"
    assert not is_signed_in(browser)


def test_a_new_password_ends_it(alice: User) -> None:
    browser = signed_in("alice")
    alice.set_password("Another-One-2")
    alice.save()
    assert not is_signed_in(browser)


def test_a_role_that_is_lost_counts_at_once(rita: User) -> None:
    browser = signed_in("rita")
    rita.groups.clear()
    assert browser.get("/services").status_code == 403
