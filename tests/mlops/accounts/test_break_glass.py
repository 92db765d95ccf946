"""The local administrator while people come from a directory, with and without the glass broken."""

import logging
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts import bearers, token_cache, tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.break_glass import break_glass, broken_now, mend_glass
from mlops.accounts.models import AuditEntry, BrokenGlass, TokenFamily, User
from mlops.accounts.serving import operator
from mlops.accounts.sign_in.passwords import sign_in
from mlops.errors import Conflict, DirectoryUnavailable, InvalidRequest, NotSignedIn
from nodes import status
from tests.conftest import PASSWORD, create_user
from tests.mlops.accounts.sign_in.slapd import Slapd

caller_of = async_to_sync(token_cache.caller_of)


@pytest.fixture
def directory(admin: User, settings: Settings) -> None:
    """People come from a directory from now on, with an `admin` from the time before."""
    settings.SIGN_IN_METHOD = "ldap"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory counts as older than its second."""
    monkeypatch.setattr(token_cache, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(token_cache, "AGEING_SECONDS", 0.0)


def may_sign_in(username: str) -> bool:
    return authenticate(None, username=username, password=PASSWORD) is not None


def pass_time() -> None:
    """The time for which the glass is broken is over."""
    BrokenGlass.objects.update(closes_at=timezone.now())


ENDS: dict[str, Callable[[], object]] = {
    "mended": lambda: mend_glass(),
    "time is over": pass_time,
}


@pytest.mark.parametrize("method", ["ldap", "entra"])
def test_a_directory_shuts_local_accounts_out_with_all_they_came_by(
    admin: User, settings: Settings, later: None, method: str
) -> None:
    pair = tokens.issue(admin)
    key = create_api_key(user=admin, name="own").text
    browser = Client()
    browser.login(username="admin", password=PASSWORD)
    caller_of(pair.access_token)
    assert browser.get("/services").status_code == 200
    settings.SIGN_IN_METHOD = method
    assert not may_sign_in("admin")
    assert browser.get("/services").status_code == 401
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)
    for text in (pair.access_token, key):
        for door in (bearers.credentials_of, caller_of):
            with pytest.raises(NotSignedIn):
                door(text)


def test_the_broken_glass_lets_admin_in(directory: None, admin: User) -> None:
    break_glass()
    assert may_sign_in("admin")
    pair = tokens.issue(admin)
    assert bearers.credentials_of(pair.access_token).user == admin
    renewed = tokens.renew(pair.refresh_token)
    assert caller_of(renewed.access_token).username == "admin"
    browser = Client()
    browser.login(username="admin", password=PASSWORD)
    assert browser.get("/services").status_code == 200


def test_a_wrong_password_of_admin_is_one_while_the_directory_is_away(
    admin: User, ldap_sign_in: Settings, slapd: Slapd
) -> None:
    slapd.stop()
    break_glass()
    with pytest.raises(NotSignedIn, match="The user name or the password is wrong"):
        sign_in(None, username="admin", password="Wrong-one-1")
    with pytest.raises(DirectoryUnavailable):
        sign_in(None, username="dora", password="Wrong-one-1")


def test_a_wrong_password_of_admin_is_one_although_others_have_none(
    directory: None, settings: Settings
) -> None:
    settings.SIGN_IN_METHOD = "entra"
    break_glass()
    with pytest.raises(NotSignedIn, match="The user name or the password is wrong"):
        sign_in(None, username="admin", password="Wrong-one-1")


def test_it_lets_in_nobody_else(directory: None) -> None:
    other = User.objects.create_superuser("root", password=PASSWORD)
    create_user("alice")
    break_glass()
    assert not may_sign_in("root")
    assert not may_sign_in("alice")
    with pytest.raises(NotSignedIn):
        tokens.issue(other)


def test_an_admin_that_is_not_active_or_no_superuser_stays_out(directory: None) -> None:
    break_glass()
    for changes in ({"is_active": False}, {"is_active": True, "is_superuser": False}):
        User.objects.update(**changes)
        assert not may_sign_in("admin")


def test_an_api_key_of_admin_stays_dead(admin: User, settings: Settings) -> None:
    key = create_api_key(user=admin, name="own").text
    settings.SIGN_IN_METHOD = "ldap"
    break_glass()
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(key)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_at_its_end_everything_that_came_in_by_it_is_out(
    directory: None, admin: User, later: None, end: Callable[[], object]
) -> None:
    break_glass()
    pair = tokens.issue(admin)
    browser = Client()
    browser.login(username="admin", password=PASSWORD)
    caller_of(pair.access_token)
    end()
    assert not may_sign_in("admin")
    assert browser.get("/services").status_code == 401
    for door in (bearers.credentials_of, caller_of):
        with pytest.raises(NotSignedIn):
            door(pair.access_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)


def test_what_came_in_before_does_not_come_alive_when_it_is_broken_again(
    admin: User, settings: Settings
) -> None:
    before = tokens.issue(admin)
    settings.SIGN_IN_METHOD = "ldap"
    break_glass()
    between, browser = tokens.issue(admin), Client()
    browser.login(username="admin", password=PASSWORD)
    pass_time()
    break_glass()
    for pair in (before, between):
        with pytest.raises(NotSignedIn):
            bearers.credentials_of(pair.access_token)
    assert browser.get("/services").status_code == 401
    assert may_sign_in("admin")


def test_it_is_entered_into_the_audit_trail_and_logged_loudly(
    directory: None, caplog: pytest.LogCaptureFixture
) -> None:
    break_glass(minutes=5)
    mend_glass()
    assert [(each.action, each.username) for each in AuditEntry.objects.order_by("pk")] == [
        ("break glass", operator()),
        ("mend glass", operator()),
    ]
    assert [each.levelno for each in caplog.records] == [logging.CRITICAL] * 2


def test_the_status_warns_while_it_is_broken(admin: User, ldap_sign_in: Settings) -> None:
    assert status.report().components["authentication"].code == "pass"  # type: ignore[index]
    break_glass()
    shown = status.report().components["authentication"]  # type: ignore[index]
    assert shown.code == "warn"
    assert shown.details["reason"].startswith("The local administrator may sign in until")


def test_a_new_time_replaces_the_one_that_lasts(directory: None) -> None:
    break_glass(minutes=600)
    shorter = break_glass(minutes=1)
    assert BrokenGlass.objects.open().get() == shorter


@pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1])
def test_other_times_are_refused(directory: None, minutes: int) -> None:
    with pytest.raises(InvalidRequest, match="1 to 1440"):
        break_glass(minutes=minutes)
    assert not BrokenGlass.objects.exists()


def test_there_is_no_glass_while_local_accounts_are_on(admin: User) -> None:
    pair = tokens.issue(admin)
    with pytest.raises(Conflict):
        break_glass()
    assert not BrokenGlass.objects.exists()
    assert TokenFamily.objects.get().revoked_at is None
    assert bearers.credentials_of(pair.access_token).user == admin


class TestCommand:
    """manage.py break_glass."""

    def said(self, *words: str) -> str:
        out = StringIO()
        call_command("break_glass", *words, stdout=out)
        return out.getvalue()

    def test_it_breaks_the_glass_for_an_hour(self, directory: None) -> None:
        assert "admin may sign in until" in self.said()
        lasting = broken_now()
        assert lasting
        assert lasting.closes_at - lasting.opened_at == timedelta(hours=1)

    def test_it_tells_the_status_and_mends(self, directory: None) -> None:
        assert self.said("--status") == "The glass is not broken.\n"
        self.said("--minutes", "5")
        assert "The glass is broken" in self.said("--status")
        assert self.said("--end") == "The glass is mended.\n"
        assert self.said("--end") == "The glass was not broken.\n"

    def test_it_says_that_a_password_is_missing(self, directory: None) -> None:
        User.objects.all().delete()
        assert "manage.py set_password" in self.said()

    def test_a_refusal_says_why(self, db: None) -> None:
        with pytest.raises(CommandError, match="no glass to break"):
            self.said()
