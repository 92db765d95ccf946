"""Groups of a directory, read again in use: through the API, the lane's memory and the console."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts import bearers, token_cache, tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.models import AuditEntry, TokenFamily, User
from mlops.accounts.roles import Role
from mlops.accounts.sign_in import refreshing
from mlops.accounts.sign_in.directory import remember
from mlops.errors import DirectoryUnavailable, NotSignedIn
from tests.mlops.accounts.sign_in import scripted
from tests.mlops.accounts.sign_in.scripted import ScriptedDirectory
from tests.nodes.runtime.running import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/console/services/service/"
caller_of = async_to_sync(token_cache.caller_of)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[ScriptedDirectory]:
    """A directory in which Dora is a data scientist; groups of both lower roles are declared."""
    own = ScriptedDirectory({"dora": {"Scientists"}})
    monkeypatch.setattr(scripted, "directory", own)
    monkeypatch.setitem(refreshing._LOOK_UPS, "ldap", f"{scripted.__name__}.look_up")
    monkeypatch.setattr(refreshing, "_ask_again_at", {})
    settings.SIGN_IN_METHOD = "ldap"
    settings.ROLE_GROUPS = {"Owner": [], "Contributor": ["scientists"], "Reader": ["readers"]}
    yield own
    own.may_answer.set()


@pytest.fixture
def dora(directory: ScriptedDirectory) -> User:
    """Dora, who signed in just now."""
    return remember("ldap", directory.entry("dora"))


def let_pass(*, minutes: float = 61) -> None:
    """What the directory said was said so long ago."""
    read_at = timezone.now() - timedelta(minutes=minutes)
    User.objects.update(directory_read_at=read_at)


def api(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(user).access_token}")
    return client


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


class TestWithinTheLifetime:
    """While the row is young."""

    def test_nobody_asks_the_directory(self, dora: User, directory: ScriptedDirectory) -> None:
        directory.groups["dora"] = {"readers"}
        let_pass(minutes=59)
        assert caller_of(tokens.issue(dora).access_token).role is Role.CONTRIBUTOR
        assert api(dora).get("/services").status_code == 200
        assert browser_of(dora).get(LIST).status_code == 200
        assert directory.asked_for == []

    def test_local_accounts_are_never_asked_for(self, alice: User) -> None:
        assert refreshing.up_to_date(alice) is alice

    def test_the_lifetime_is_a_setting(
        self, dora: User, directory: ScriptedDirectory, settings: Settings
    ) -> None:
        settings.ROLE_CACHE_SECONDS = 120
        let_pass(minutes=3)
        api(dora).get("/services")
        assert directory.asked_for == ["dora"]


class TestAfterTheLifetime:
    """The next use, without a sign-in."""

    def test_the_first_call_of_the_api_has_the_new_groups(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        client = api(dora)
        assert client.get("/services").status_code == 200
        directory.groups["dora"] = set()
        let_pass()
        assert client.get("/services").status_code == 403

    def test_the_first_call_of_the_lane_has_the_new_groups(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        directory.groups["dora"] = {"READERS"}
        let_pass()
        caller = caller_of(tokens.issue(dora).access_token)
        assert (caller.role, caller.groups) == (Role.READER, {"readers"})

    def test_what_the_lane_remembers_ends_with_the_lifetime_and_not_a_second_later(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        token = tokens.issue(dora).access_token
        directory.groups["dora"] = {"readers"}
        let_pass(minutes=60 - 0.2 / 60)

        async def roles() -> list[Role | None]:
            end = time.monotonic() + 0.3
            found = [(await token_cache.caller_of(token)).role]
            while time.monotonic() < end:
                await asyncio.sleep(0.01)
            return [*found, (await token_cache.caller_of(token)).role]

        assert async_to_sync(roles)() == [Role.CONTRIBUTOR, Role.READER]

    def test_the_first_page_of_the_console_has_the_new_groups(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        browser = browser_of(dora)
        assert browser.get(LIST).status_code == 200
        directory.groups["dora"] = set()
        let_pass()
        assert browser.get(LIST).status_code == 302

    def test_the_row_is_read_once_for_every_web_node(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        stale = User.objects.get()
        stale.directory_read_at = timezone.now() - timedelta(hours=2)  # another node was first
        found = refreshing.up_to_date(stale)
        assert found is not None
        assert found.directory_groups == ["Scientists"]
        assert directory.asked_for == []

    def test_all_who_wait_share_one_look_up(self, dora: User, directory: ScriptedDirectory) -> None:
        token = tokens.issue(dora).access_token
        directory.groups["dora"] = {"readers"}
        directory.may_answer.clear()
        let_pass()

        async def many() -> list[Role | None]:
            calls = [asyncio.create_task(token_cache.caller_of(token)) for _ in range(20)]
            await sync_to_async(wait_until, thread_sensitive=False)(lambda: directory.asked_for)
            calls[0].cancel()  # the others wait on
            await asyncio.sleep(0)
            directory.may_answer.set()
            return [(await call).role for call in calls[1:]]

        assert async_to_sync(many)() == [Role.READER] * 19
        assert directory.asked_for == ["dora"]

    def test_a_look_up_holds_up_nobody_else(
        self, dora: User, bob: User, directory: ScriptedDirectory
    ) -> None:
        directory.groups["bruno"] = {"scientists"}
        bruno = remember("ldap", directory.entry("bruno"))
        slow, quick = tokens.issue(dora).access_token, tokens.issue(bruno).access_token
        let_pass()
        User.objects.filter(pk=bruno.pk).update(directory_read_at=timezone.now())
        directory.may_answer.clear()

        async def main() -> None:
            waiting = asyncio.create_task(token_cache.caller_of(slow))
            await sync_to_async(wait_until, thread_sensitive=False)(lambda: directory.asked_for)
            async with asyncio.timeout(20):
                assert (await token_cache.caller_of(quick)).username == "bruno"
            assert not waiting.done()
            directory.may_answer.set()
            assert (await waiting).username == "dora"

        async_to_sync(main)()

    def test_who_waits_for_the_same_look_up_keeps_to_what_they_came_by(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        key = create_api_key(user=dora, name="a key", services=["digits"]).text
        token = tokens.issue(dora).access_token
        directory.may_answer.clear()
        let_pass()
        with ThreadPoolExecutor(2) as callers:
            by_key = callers.submit(_credentials_of, key)
            wait_until(lambda: directory.asked_for)
            by_token = callers.submit(_credentials_of, token)
            directory.may_answer.set()
            assert by_key.result().user.only_services == {"digits"}
            assert by_token.result().user.only_services is None
            assert by_key.result().user is not by_token.result().user


def _credentials_of(text: str) -> bearers.Credentials:
    try:
        return bearers.credentials_of(text)
    finally:
        connection.close()


class TestGone:
    """Somebody whom the directory no longer has."""

    def test_every_token_is_dead(self, dora: User, directory: ScriptedDirectory) -> None:
        client, pair = api(dora), tokens.issue(dora)
        del directory.groups["dora"]
        let_pass()
        assert client.get("/services").status_code == 401
        with pytest.raises(NotSignedIn):
            caller_of(pair.access_token)
        with pytest.raises(NotSignedIn):
            tokens.renew(pair.refresh_token)
        assert not TokenFamily.objects.filter(revoked_at=None).exists()

    def test_a_call_of_the_lane_notices_it_too(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        token = tokens.issue(dora).access_token
        caller_of(token)
        del directory.groups["dora"]
        let_pass()
        token_cache._entries.clear()
        with pytest.raises(NotSignedIn):
            caller_of(token)
        assert not User.objects.get().is_active

    def test_the_browser_is_signed_out(self, dora: User, directory: ScriptedDirectory) -> None:
        browser = browser_of(dora)
        del directory.groups["dora"]
        let_pass()
        assert browser.get(LIST)["Location"].startswith("/console/login/")
        assert "_auth_user_id" not in browser.session

    def test_no_browser_session_comes_back_with_the_account(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        entry, browser = directory.entry("dora"), browser_of(dora)
        del directory.groups["dora"]
        let_pass()
        assert refreshing.up_to_date(User.objects.get()) is None
        remember("ldap", entry)
        assert browser.get(LIST).status_code == 302
        assert browser_of(User.objects.get()).get(LIST).status_code == 200

    def test_the_audit_trail_says_so(self, dora: User, directory: ScriptedDirectory) -> None:
        del directory.groups["dora"]
        let_pass()
        api(dora).get("/services")
        entry = AuditEntry.objects.get(action="end account")
        assert entry.object == "dora"

    def test_who_signs_in_again_later_is_back(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        entry = directory.entry("dora")
        del directory.groups["dora"]
        let_pass()
        assert refreshing.up_to_date(User.objects.get()) is None
        assert remember("ldap", entry).pk == dora.pk
        assert User.objects.get().is_active


class TestOutage:
    """A directory that does not answer."""

    def test_what_it_said_last_counts_for_a_day(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        directory.is_silent = True
        let_pass(minutes=24 * 60 - 1)
        token = tokens.issue(dora).access_token
        assert caller_of(token).role is Role.CONTRIBUTOR
        assert api(dora).get("/services").status_code == 200
        assert browser_of(dora).get(LIST).status_code == 200

    def test_it_is_not_asked_by_every_call(self, dora: User, directory: ScriptedDirectory) -> None:
        directory.is_silent = True
        let_pass()
        for _ in range(3):
            assert api(dora).get("/services").status_code == 200
        assert directory.asked_for == ["dora"]

    def test_after_a_day_calls_may_be_repeated_and_are_no_refusals(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        directory.is_silent = True
        let_pass(minutes=24 * 60 + 1)
        response = api(dora).get("/services")
        assert response.status_code == 503
        assert response["Retry-After"]
        assert "directory cannot be reached" in json.loads(response.content)["message"]
        with pytest.raises(DirectoryUnavailable):
            caller_of(tokens.issue(dora).access_token)
        assert User.objects.get().is_active

    def test_after_a_day_the_console_still_shows_its_sign_in_page(
        self, dora: User, directory: ScriptedDirectory
    ) -> None:
        directory.is_silent = True
        let_pass(minutes=24 * 60 + 1)
        browser = browser_of(dora)
        response = browser.get(LIST)
        assert response.status_code == 503
        assert response["Retry-After"]
        assert "The directory cannot be reached" in response.content.decode()
        assert response["Content-Type"].startswith("text/html")
        assert browser.get("/console/login/").status_code == 200

    def test_once_it_is_back_its_word_counts(
        self, dora: User, directory: ScriptedDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refreshing, "RETRY_SECONDS", 0.0)
        directory.is_silent = True
        directory.groups["dora"] = {"readers"}
        let_pass(minutes=24 * 60 + 1)
        token = tokens.issue(dora).access_token
        with pytest.raises(DirectoryUnavailable):
            caller_of(token)
        directory.is_silent = False
        assert caller_of(token).role is Role.READER
