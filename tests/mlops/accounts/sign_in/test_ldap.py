"""Signing in by a real OpenLDAP server."""

import dataclasses
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import ldap
import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role, role_of
from mlops.accounts.sign_in.ldap import look_up
from mlops.accounts.sign_in.ldap_servers import explanation, try_out
from mlops.accounts.sign_in.passwords import BAD_CREDENTIALS
from mlops.errors import DirectoryUnavailable
from tests.certificates import Authority
from tests.mlops.accounts.sign_in.slapd import (
    PASSWORD,
    PEOPLE,
    QUERY_PASSWORD,
    SUFFIX,
    Slapd,
)
from tests.mlops.console.browser import open_browser, submit_sign_in
from tests.ports import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ldap_sign_in")]

ODD_PASSWORDS = [
    "*",
    ")(cn=*",
    "back\\slash",
    "with blanks ",
    " ",
    "pässwörd-密码-🔑",
    "%s%(user)s{0}",
]
ODD_NAMES = [
    "Doe, Jane",
    'She+"quoted"',
    "#hash",
    "Jürgen Groß",
    "back\\slash",
    "a*b",
    "(par)",
    "50%",
]


def change(settings: Settings, **changes: Any) -> None:
    settings.LDAP = dataclasses.replace(settings.LDAP, **changes)


def log_in(username: str, password: str = PASSWORD) -> Any:
    body = json.dumps({"username": username, "password": password})
    return APIClient().post("/login", body, content_type="application/json")


def signed_in(username: str, password: str = PASSWORD) -> User:
    response = log_in(username, password)
    assert response.status_code == 200, response.content
    return User.objects.get()


def is_refused(username: str, password: str = PASSWORD) -> bool:
    """Whether it looks like a wrong password, and left no account behind."""
    response = log_in(username, password)
    message = response.json()["message"] if response.status_code == 401 else ""
    return message == BAD_CREDENTIALS and not User.objects.exists()


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        yield port


class TestCredentials:
    """Names and passwords."""

    def test_the_account_is_what_the_directory_says(self, slapd: Slapd) -> None:
        dn = slapd.person("dora", displayName="Dora Döring", mail="dora@mail.example.org")
        slapd.group("Scientists", [dn])
        user = signed_in("dora")
        assert user.username == "dora@example.org"
        assert user.sign_in_method == "ldap"
        assert user.directory_id == dn
        assert user.get_full_name() == "Dora Döring"
        assert user.email == "dora@mail.example.org"
        assert user.directory_groups == ["Scientists"]
        assert user.directory_read_at is not None
        assert not user.has_usable_password()

    def test_whatever_one_types_it_is_one_account_with_its_first_spelling(
        self, slapd: Slapd
    ) -> None:
        dn = slapd.person("Dora")
        first = signed_in("Dora")
        slapd.replace(dn, "userPrincipalName", "DORA@example.org")
        assert signed_in("dORA@EXAMPLE.org").pk == first.pk
        assert signed_in(" dora ").username == "Dora@example.org"

    @pytest.mark.parametrize("password", ["wrong", PASSWORD.lower(), f"{PASSWORD} "])
    def test_a_wrong_password_is_refused(self, slapd: Slapd, password: str) -> None:
        slapd.person("dora")
        assert is_refused("dora", password)

    @pytest.mark.parametrize("name", ["nobody", "*", "do*", "dora)(cn=*", "cn=dora"])
    def test_an_unknown_name_looks_the_same(self, slapd: Slapd, name: str) -> None:
        slapd.person("dora")
        assert is_refused(name)

    def test_an_empty_password_binds_nobody(self, slapd: Slapd) -> None:
        slapd.person("dora")
        assert log_in("dora", "").status_code == 401
        assert submit_sign_in(open_browser(), "dora", "").status_code == 200
        assert not User.objects.exists()

    def test_who_has_no_password_is_refused(self, slapd: Slapd) -> None:
        slapd.person("dora", password=None)
        assert is_refused("dora")

    def test_a_name_of_two_people_is_nobodys(
        self, slapd: Slapd, caplog: pytest.LogCaptureFixture
    ) -> None:
        slapd.person("dora")
        slapd.person("other", cn="dora")
        assert is_refused("dora")
        assert "2 entries match a typed name" in caplog.text

    @pytest.mark.parametrize("password", ODD_PASSWORDS)
    def test_passwords_of_any_characters_work(self, slapd: Slapd, password: str) -> None:
        slapd.person("dora", password=password)
        assert is_refused("dora", f"{password}x")
        assert signed_in("dora", password)

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_names_of_any_characters_work(self, slapd: Slapd, name: str) -> None:
        dn = slapd.person(name)
        slapd.group("Scientists", [dn])
        user = signed_in(name)
        assert user.username == f"{name}@example.org"
        assert user.directory_groups == ["Scientists"]

    @pytest.mark.parametrize("text", ["cn={0}", "(cn={0})", "(&(cn={0})(objectClass=person))"])
    def test_the_filter_says_what_is_typed(
        self, slapd: Slapd, monkeypatch: pytest.MonkeyPatch, ldap_sign_in: Settings, text: str
    ) -> None:
        from mlops.accounts.sign_in import ldap_config

        change(ldap_sign_in, search_filter=ldap_config._filter(text))
        slapd.person("dora")
        assert signed_in("dora")
        assert log_in("dora@example.org").status_code == 401

    def test_the_filter_may_let_only_some_groups_sign_in(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        dn = slapd.person("dora")
        group = slapd.group("May sign in", [])
        change(ldap_sign_in, search_filter=f"(&(cn={{0}})(memberOf={group}))")
        assert is_refused("dora")
        slapd.join(group, dn)
        user = signed_in("dora")
        assert look_up(user)
        slapd.leave(group, dn)
        assert look_up(user) is None

    def test_a_name_that_a_local_account_has_is_not_taken_over(self, slapd: Slapd) -> None:
        local = User.objects.create_superuser("DORA@example.org", password=PASSWORD)
        slapd.person("dora")
        response = log_in("dora")
        assert response.status_code == 401
        assert "belongs to a Local account" in response.json()["message"]
        local.refresh_from_db()
        assert (local.sign_in_method, local.directory_id) == ("local", "")
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.outcome) == ("sign in", "refused")
        assert "belongs to a Local account" in entry.reason

    def test_local_accounts_are_off(self, slapd: Slapd) -> None:
        User.objects.create_superuser("admin", password=PASSWORD)
        assert log_in("admin").json()["message"] == BAD_CREDENTIALS

    def test_an_entry_without_a_unique_name_is_told_whom_to_ask(self, slapd: Slapd) -> None:
        dn = slapd.person("dora")
        for values in ([], ["dora@example.org", "dora@example.com"]):
            slapd.replace(dn, "userPrincipalName", *values)
            response = log_in("dora")
            assert response.status_code == 401
            assert "ask an administrator" in response.json()["message"]
        assert not User.objects.exists()

    def test_no_password_is_logged(self, slapd: Slapd, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        slapd.person("dora")
        signed_in("dora")
        log_in("dora", "Wrong-Secret-9")
        slapd.stop()
        log_in("dora")
        for secret in (PASSWORD, QUERY_PASSWORD, "Wrong-Secret-9"):
            assert secret not in caplog.text


class TestConsole:
    """The sign-in page."""

    def test_it_signs_in_by_the_directory(self, slapd: Slapd) -> None:
        slapd.person("dora", displayName="Dora Döring")
        browser = open_browser()
        assert submit_sign_in(browser, "dora").status_code == 302
        assert "Dora Döring" in browser.get("/console/services/service/").content.decode()

    def test_it_tells_an_outage_from_a_wrong_password(self, slapd: Slapd) -> None:
        slapd.person("dora")
        page = submit_sign_in(open_browser(), "dora", "wrong").content.decode()
        assert BAD_CREDENTIALS in page
        slapd.stop()
        page = submit_sign_in(open_browser(), "dora").content.decode()
        assert "The directory cannot be reached" in page
        assert BAD_CREDENTIALS not in page

    def test_a_session_ends_when_ldap_is_switched_off(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        slapd.person("dora")
        browser: Client = open_browser()
        submit_sign_in(browser, "dora")
        ldap_sign_in.SIGN_IN_METHOD = "local"
        assert browser.get("/console/services/service/").status_code == 302


OWNERS, CONTRIBUTORS, READERS = "Owners", "Contributors", "Readers"


class TestRoles:
    """The tables of the contract (wire-api section 10), with groups of the directory."""

    @pytest.mark.parametrize(
        ("declared", "role"),
        [
            ([], Role.CONTRIBUTOR),
            ([OWNERS], Role.CONTRIBUTOR),
            ([CONTRIBUTORS], Role.READER),
            ([CONTRIBUTORS, OWNERS], Role.READER),
            ([READERS], None),
            ([READERS, OWNERS], None),
            ([READERS, CONTRIBUTORS], None),
            ([READERS, CONTRIBUTORS, OWNERS], None),
        ],
    )
    def test_the_role_of_somebody_in_no_declared_group(
        self, slapd: Slapd, ldap_sign_in: Settings, declared: list[str], role: Role | None
    ) -> None:
        declare(ldap_sign_in, declared)
        dn = slapd.person("dora")
        slapd.group("stats", [dn])
        for name in declared:
            slapd.group(name, [])
        assert role_of(signed_in("dora")) == role

    @pytest.mark.parametrize(
        ("own", "role"),
        [
            ([OWNERS], Role.OWNER),
            ([CONTRIBUTORS], Role.CONTRIBUTOR),
            ([READERS], Role.READER),
            ([READERS, CONTRIBUTORS], Role.CONTRIBUTOR),
            ([READERS, OWNERS], Role.OWNER),
            ([CONTRIBUTORS, OWNERS], Role.OWNER),
            ([READERS, CONTRIBUTORS, OWNERS], Role.OWNER),
        ],
    )
    @pytest.mark.parametrize("is_unique", [False, True])
    def test_the_highest_role_of_several_groups_wins(
        self, slapd: Slapd, ldap_sign_in: Settings, own: list[str], role: Role, is_unique: bool
    ) -> None:
        declare(ldap_sign_in, [OWNERS, CONTRIBUTORS, READERS])
        dn = slapd.person("dora")
        for name in (OWNERS, CONTRIBUTORS, READERS):
            slapd.group(name.upper(), [dn] if name in own else [], is_unique=is_unique)
        assert role_of(signed_in("dora")) == role


def declare(settings: Settings, groups: list[str]) -> None:
    settings.ROLE_GROUPS = {
        role: [groups_of] if groups_of in groups else []
        for role, groups_of in (
            ("Owner", OWNERS),
            ("Contributor", CONTRIBUTORS),
            ("Reader", READERS),
        )
    }


class TestGroups:
    """Which groups somebody is in."""

    def test_names_of_groups_may_have_any_characters(self, slapd: Slapd) -> None:
        dn = slapd.person("dora")
        names = ["R&D, Köln", "a+b", "(all) *", "#1"]
        for name in names:
            slapd.group(name, [dn])
        assert signed_in("dora").directory_groups == sorted(names)

    def test_groups_within_groups_count_only_where_they_are_switched_on(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        dn = slapd.person("dora")
        inner = slapd.group("inner", [dn])
        middle = slapd.group("middle", [inner], is_unique=True)
        outer = slapd.group("outer", [middle])
        slapd.join(inner, outer)  # a circle
        assert signed_in("dora").directory_groups == ["inner"]
        change(ldap_sign_in, nested_groups=True)
        assert signed_in("dora").directory_groups == ["inner", "middle", "outer"]

    def test_a_name_of_two_groups_counts_for_nobody(
        self, slapd: Slapd, ldap_sign_in: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        declare(ldap_sign_in, [OWNERS, READERS])
        dn = slapd.person("dora")
        slapd.group("Readers", [dn])
        slapd.group("Owners", [dn])
        slapd.group("OWNERS", [], within=PEOPLE)
        user = signed_in("dora")
        assert user.directory_groups == ["Readers"]
        assert role_of(user) is Role.READER
        assert "The group name Owners is ignored, as it means several" in caplog.text

    def test_a_declared_group_that_is_missing_opens_nothing(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        declare(ldap_sign_in, [READERS])
        slapd.person("dora")
        user = signed_in("dora")
        assert role_of(user) is None

    def test_a_person_with_the_name_of_a_group_does_not_make_it_ambiguous(
        self, slapd: Slapd
    ) -> None:
        dn = slapd.person("dora")
        slapd.person("Scientists")
        slapd.group("Scientists", [dn])
        assert signed_in("dora").directory_groups == ["Scientists"]


class TestServers:
    """Connections."""

    @pytest.mark.parametrize("kind", ["ldaps", "start_tls"])
    def test_tls_to_a_trusted_server_works(
        self, slapd: Slapd, ldap_sign_in: Settings, kind: str
    ) -> None:
        slapd.person("dora")
        use_tls(ldap_sign_in, slapd, kind)
        assert signed_in("dora")

    @pytest.mark.parametrize("kind", ["ldaps", "start_tls"])
    def test_a_server_that_is_not_trusted_gets_no_password(
        self, slapd: Slapd, ldap_sign_in: Settings, tmp_path: Any, kind: str
    ) -> None:
        slapd.person("dora")
        use_tls(ldap_sign_in, slapd, kind)
        change(ldap_sign_in, ca=Authority("CN=Somebody else").write(tmp_path))
        is_unavailable("dora")

    @pytest.mark.parametrize("kind", ["ldaps", "start_tls"])
    def test_the_administrator_is_told_of_a_certificate_that_is_not_trusted(
        self, slapd: Slapd, ldap_sign_in: Settings, tmp_path: Any, kind: str
    ) -> None:
        use_tls(ldap_sign_in, slapd, kind)
        change(ldap_sign_in, ca=Authority("CN=Somebody else").write(tmp_path))
        with pytest.raises(ldap.LDAPError) as refusal:
            try_out(ldap_sign_in.LDAP, ldap_sign_in.LDAP.uris[0])
        assert "MLOPS_LDAP_CA" in explanation(refusal.value)

    def test_a_server_without_tls_is_not_spoken_to_where_tls_is_asked_for(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        slapd.person("dora")
        change(ldap_sign_in, use_ldaps=True, ca=slapd.ca)  # at the plain port
        is_unavailable("dora")

    def test_an_outage_is_no_wrong_password(self, slapd: Slapd) -> None:
        slapd.person("dora")
        slapd.stop()
        is_unavailable("dora")
        slapd.start()
        assert signed_in("dora")

    @pytest.mark.parametrize(
        "changes",
        [
            {"query_user_password": "wrong"},
            {"query_user_dn": f"cn=nobody,{SUFFIX}"},
            {"search_base": f"ou=Nowhere,{SUFFIX}"},
            {"search_filter": "(((cn={0})"},
            {"hosts": ("nowhere.invalid",)},
        ],
    )
    def test_a_fault_in_the_settings_is_no_wrong_password(
        self, slapd: Slapd, ldap_sign_in: Settings, changes: dict[str, Any]
    ) -> None:
        slapd.person("dora")
        change(ldap_sign_in, **changes)
        is_unavailable("dora")

    @pytest.mark.parametrize("kind", ["plain", "ldaps", "start_tls"])
    def test_a_server_that_never_answers_is_given_up(
        self, slapd: Slapd, ldap_sign_in: Settings, mute_port: int, kind: str
    ) -> None:
        use_tls(ldap_sign_in, slapd, kind)
        change(ldap_sign_in, port=mute_port, timeout_seconds=1)
        is_unavailable("dora")

    def test_a_server_that_falls_silent_after_it_agreed_to_tls_is_no_wrong_password(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        use_tls(ldap_sign_in, slapd, "start_tls")
        with socket.create_server(("127.0.0.1", 0)) as server:
            change(ldap_sign_in, port=server.getsockname()[1], timeout_seconds=1)
            agreeing = threading.Thread(target=agree_to_tls, args=[server])
            agreeing.start()
            is_unavailable("dora")
            agreeing.join()

    def test_when_the_first_server_is_down_the_second_one_answers(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        slapd.person("dora")
        change(ldap_sign_in, hosts=("127.0.0.2", "127.0.0.1"))
        user = signed_in("dora")
        assert look_up(user) is not None

    def test_a_mute_first_server_is_not_asked_again_first(
        self, slapd: Slapd, ldap_sign_in: Settings
    ) -> None:
        slapd.person("dora")
        change(ldap_sign_in, hosts=("127.0.0.3", "127.0.0.1"), timeout_seconds=1)
        with socket.create_server(("127.0.0.3", slapd.port)) as mute:
            mute.setblocking(False)
            user = signed_in("dora")
            asked(mute)
            assert look_up(user) is not None
            with pytest.raises(BlockingIOError):
                mute.accept()


def asked(server: socket.socket) -> None:
    """See that somebody connected, and forget it."""
    server.accept()[0].close()
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()


def use_tls(settings: Settings, slapd: Slapd, kind: str) -> None:
    if kind == "ldaps":
        change(settings, use_ldaps=True, port=slapd.tls_port, ca=slapd.ca)
    elif kind == "start_tls":
        change(settings, start_tls=True, ca=slapd.ca)


def agree_to_tls(server: socket.socket) -> None:
    """Take one connection, say that TLS may begin, and nothing more until the other side goes."""
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")
        while connection.recv(4096):
            pass


def is_unavailable(username: str) -> None:
    response = log_in(username)
    assert response.status_code == 503
    assert response["Retry-After"]
    assert "directory cannot be reached" in response.json()["message"]
    assert not User.objects.exists()


class TestLookUp:
    """What refreshing asks."""

    def test_it_has_the_groups_of_now(self, slapd: Slapd) -> None:
        dn = slapd.person("dora")
        user = signed_in("dora")
        slapd.group("Scientists", [dn])
        entry = look_up(user)
        assert entry is not None
        assert entry.groups == {"Scientists"}
        assert entry.username == "dora@example.org"

    def test_it_finds_an_entry_that_has_moved(self, slapd: Slapd) -> None:
        dn = slapd.person("dora")
        user = signed_in("dora")
        slapd.delete(dn)
        moved = slapd.person("doris", userPrincipalName="DORA@example.org")
        entry = look_up(user)
        assert entry is not None
        assert entry.directory_id == moved

    def test_who_was_deleted_is_gone(self, slapd: Slapd) -> None:
        dn = slapd.person("dora")
        user = signed_in("dora")
        slapd.delete(dn)
        assert look_up(user) is None

    @pytest.mark.parametrize(("control", "is_there"), [("512", True), ("514", False)])
    def test_who_is_disabled_is_gone(self, slapd: Slapd, control: str, is_there: bool) -> None:
        dn = slapd.person("dora")
        user = signed_in("dora")
        slapd.replace(dn, "userAccountControl", control)
        assert (look_up(user) is not None) is is_there

    def test_an_outage_does_not_look_like_an_end(self, slapd: Slapd) -> None:
        slapd.person("dora")
        user = signed_in("dora")
        slapd.stop()
        with pytest.raises(DirectoryUnavailable):
            look_up(user)
