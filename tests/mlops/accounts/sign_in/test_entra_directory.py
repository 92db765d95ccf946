"""What the directory of a tenant says of its users, asked behind their backs."""

import pytest
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.accounts.sign_in.directory import DirectoryEntry
from mlops.accounts.sign_in.entra.graph import look_up
from mlops.errors import DirectoryUnavailable
from tests.openid.running import OWNERS, PEOPLE, SCIENTISTS, TWINS, OpenIdProvider


def account(name: str) -> User:
    directory_id = PEOPLE[name]["claims"]["oid"] if name in PEOPLE else name
    return User(username=name, sign_in_method="entra", directory_id=directory_id)


def test_it_knows_their_names_and_all_their_groups(
    openid: OpenIdProvider, settings: Settings
) -> None:
    settings.ROLE_GROUPS = {"Owner": ["Owners of mlops"], "Contributor": [], "Reader": []}
    user = account("many")
    assert look_up(user) == DirectoryEntry(
        username="many@example.com",
        directory_id=user.directory_id,
        display_name="Many",
        email="many@mail.example.com",
        groups=frozenset({SCIENTISTS, OWNERS, *TWINS, "owners of mlops"}),
    )


@pytest.mark.parametrize("name", ["somebody", "../groups", "a?b"])
def test_somebody_who_is_not_there_is_gone(openid: OpenIdProvider, name: str) -> None:
    assert look_up(account(name)) is None


def test_somebody_who_is_disabled_is_gone(openid: OpenIdProvider) -> None:
    openid.configure(people=PEOPLE | {"carol": PEOPLE["carol"] | {"enabled": False}})
    assert look_up(account("carol")) is None


def test_an_outage_says_nothing_about_them(openid: OpenIdProvider) -> None:
    openid.configure(is_out=True)
    with pytest.raises(DirectoryUnavailable):
        look_up(account("carol"))


def test_without_a_key_it_cannot_be_asked(openid: OpenIdProvider, settings: Settings) -> None:
    settings.ENTRA = openid.tenant(key="")
    with pytest.raises(DirectoryUnavailable):
        look_up(account("carol"))
