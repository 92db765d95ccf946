"""Whether two spellings are one user's name."""

import pytest
from pytest_django import Settings

from mlops.accounts.sign_in import methods
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
