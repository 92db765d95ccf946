"""The action and the command `set_password`."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from mlops.accounts import actions, bearers, tokens
from mlops.accounts.break_glass import break_glass
from mlops.accounts.models import User
from mlops.errors import Conflict, InvalidRequest, NotFound, NotSignedIn
from tests.conftest import PASSWORD

NEW = "Brand-New-7"


class TestAction:
    """mlops.accounts.actions.set_password."""

    def test_the_new_password_counts_and_the_old_one_does_not(self, alice: User) -> None:
        actions.set_password(username="alice", password=NEW)
        alice.refresh_from_db()
        assert alice.check_password(NEW)
        assert not alice.check_password(PASSWORD)

    def test_it_creates_the_local_administrator(self, db: None) -> None:
        actions.set_password(username="admin", password=NEW)
        admin = User.objects.get()
        assert admin.username == "admin"
        assert admin.is_superuser
        assert admin.is_active
        assert admin.check_password(NEW)

    def test_it_creates_nobody_else(self, db: None) -> None:
        with pytest.raises(NotFound, match="There is no user named 'mallory'"):
            actions.set_password(username="mallory", password=NEW)
        assert User.objects.count() == 0

    def test_it_makes_nobody_a_superuser(self, alice: User) -> None:
        actions.set_password(username="alice", password=NEW)
        assert not User.objects.get().is_superuser

    def test_it_does_not_wake_an_inactive_account(self, alice: User) -> None:
        User.objects.update(is_active=False)
        actions.set_password(username="alice", password=NEW)
        assert not User.objects.get().is_active

    def test_it_kills_that_user_s_tokens_only(self, alice: User, bob: User) -> None:
        hers, his = tokens.issue(alice), tokens.issue(bob)
        actions.set_password(username="alice", password=NEW)
        with pytest.raises(NotSignedIn):
            bearers.credentials_of(hers.access_token)
        with pytest.raises(NotSignedIn):
            tokens.renew(hers.refresh_token)
        assert bearers.credentials_of(his.access_token).user == bob

    def test_it_ends_browser_sessions(self, alice: User) -> None:
        browser = Client()
        browser.login(username="alice", password=PASSWORD)
        assert browser.get("/services").status_code == 200
        actions.set_password(username="alice", password=NEW)
        assert browser.get("/services").status_code == 401

    @pytest.mark.parametrize("password", ["short-1A"[:7], "", "Alice-99", "P@ssw0rd"])
    def test_a_bad_password_changes_nothing(self, alice: User, password: str) -> None:
        pair = tokens.issue(alice)
        User.objects.filter(pk=alice.pk).update(first_name="Alice-99")
        with pytest.raises(InvalidRequest) as refused:
            actions.set_password(username="alice", password=password)
        assert refused.value.fields == "password"
        assert not password or password not in refused.value.message
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD)
        assert bearers.credentials_of(pair.access_token).user == alice

    @pytest.mark.parametrize("method", ["ldap", "entra"])
    def test_it_is_refused_while_people_come_from_a_directory(
        self, admin: User, settings: Settings, method: str
    ) -> None:
        settings.SIGN_IN_METHOD = method
        with pytest.raises(Conflict, match=r"manage\.py break_glass"):
            actions.set_password(username="admin", password=NEW)
        assert User.objects.get().check_password(PASSWORD)

    def test_behind_the_broken_glass_it_sets_that_of_the_administrator_only(
        self, admin: User, alice: User, settings: Settings
    ) -> None:
        settings.SIGN_IN_METHOD = "ldap"
        break_glass()
        actions.set_password(username="admin", password=NEW)
        assert User.objects.get(username="admin").check_password(NEW)
        with pytest.raises(Conflict):
            actions.set_password(username="alice", password=NEW)
        assert User.objects.get(username="alice").check_password(PASSWORD)

    @pytest.mark.parametrize("method", ["ldap", "entra", "service"])
    def test_an_account_whose_password_is_not_kept_here_gets_none(
        self, alice: User, method: str
    ) -> None:
        User.objects.update(sign_in_method=method)
        before = User.objects.values().get()
        with pytest.raises(InvalidRequest, match="its password is not kept here"):
            actions.set_password(username="alice", password=NEW)
        assert User.objects.values().get() == before

    def test_a_bad_password_creates_no_administrator(self, db: None) -> None:
        with pytest.raises(InvalidRequest):
            actions.set_password(username="admin", password="x")
        assert User.objects.count() == 0


class TestCommand:
    """manage.py set_password."""

    def typed(self, monkeypatch: pytest.MonkeyPatch, *entries: str) -> None:
        left = list(entries)

        def type_next(prompt: str) -> str:
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr("getpass.getpass", type_next)

    def test_it_asks_for_the_old_one_and_twice_for_the_new_one(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.typed(monkeypatch, PASSWORD, NEW, NEW)
        out = StringIO()
        call_command("set_password", "alice", stdout=out)
        assert User.objects.get().check_password(NEW)
        assert NEW not in out.getvalue()

    def test_it_asks_for_no_old_one_where_there_is_none(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice.set_unusable_password()
        alice.save()
        self.typed(monkeypatch, NEW, NEW)
        call_command("set_password", "alice", stdout=StringIO())
        assert User.objects.get().check_password(NEW)

    def test_it_is_about_admin_unless_told_otherwise(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.typed(monkeypatch, NEW, NEW)
        call_command("set_password", stdout=StringIO())
        assert User.objects.get().username == "admin"

    def test_it_reads_the_first_line_of_standard_input(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", StringIO(f" {NEW} \nsecond line\n"))
        call_command("set_password", "alice", "--stdin", stdout=StringIO())
        assert User.objects.get().check_password(f" {NEW} ")

    @pytest.mark.parametrize(
        ("entries", "reason"),
        [
            ((NEW, NEW, NEW), "The old password is wrong"),
            ((PASSWORD, NEW, NEW + "x"), "The two entries differ"),
            ((PASSWORD, "x", "x"), "The password needs"),
            ((), "Nothing was entered"),
        ],
    )
    def test_a_refusal_says_why_and_changes_nothing(
        self,
        alice: User,
        monkeypatch: pytest.MonkeyPatch,
        entries: tuple[str, ...],
        reason: str,
    ) -> None:
        self.typed(monkeypatch, *entries)
        with pytest.raises(CommandError, match=reason) as refused:
            call_command("set_password", "alice")
        assert refused.value.returncode == 1
        assert User.objects.get().check_password(PASSWORD)

    def test_an_unknown_user_is_refused(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        self.typed(monkeypatch, NEW, NEW)
        with pytest.raises(CommandError, match="There is no user"):
            call_command("set_password", "mallory")
        assert User.objects.count() == 0

    @pytest.mark.parametrize(
        ("arguments", "password", "code"),
        [
            (["--stdin"], NEW, 0),
            (["--stdin"], "short", 1),
            (["--stdin", "mallory"], NEW, 1),
            (["--stdin", "admin", NEW], NEW, 2),
        ],
        ids=["set", "breaks the rule", "unknown user", "password as argument"],
    )
    def test_the_exit_codes_are_those_of_the_help(
        self, tmp_path: Path, arguments: list[str], password: str, code: int
    ) -> None:
        environment = {"MLOPS_DATA_DIR": str(tmp_path), "PATH": ""}

        def manage(*words: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [sys.executable, settings.BASE_DIR / "manage.py", *words],
                input=password + "\n",
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        assert manage("migrate", "--verbosity=0").returncode == 0
        answer = manage("set_password", *arguments)
        assert answer.returncode == code
        assert password not in answer.stdout
        assert code == 2 or password not in answer.stderr
