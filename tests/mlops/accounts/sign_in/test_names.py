"""Whether two spellings are one user's name."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.accounts.sign_in import directory, methods
from mlops.accounts.sign_in.directory import DirectoryEntry, remember

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("one", "other"),
    [("dora", "DORA"), ("dora", "dorah"), ("strasse", "stra\xdfe"), ("kim", "\u212aim")],
)
def test_a_directory_s_names_are_one_user_s_when_they_are_one_account(
    one: str, other: str, settings: Settings
) -> None:
    settings.SIGN_IN_METHOD = methods.LDAP
    first, second = (
        remember(methods.LDAP, DirectoryEntry(name, f"cn={name}", "", "", frozenset()))
        for name in (one, other)
    )
    assert methods.is_same_name(one, other) == (first.pk == second.pk)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_first_sign_ins_at_once_get_one_account(monkeypatch: pytest.MonkeyPatch) -> None:
    known, both = directory._known, threading.Barrier(2)

    def known_to_neither(username: str) -> User | None:
        found = known(username)
        if found is None:
            both.wait(20)
        return found

    def sign_in(groups: set[str]) -> int:
        entry = DirectoryEntry("dora", "cn=dora", "", "", frozenset(groups))
        try:
            return remember(methods.LDAP, entry).pk
        finally:
            connection.close()

    monkeypatch.setattr(directory, "_known", known_to_neither)
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(sign_in, [{"a"}, {"b"}])
    assert first == second == User.objects.get().pk
