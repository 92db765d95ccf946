"""manage.py service_accounts and manage.py api_keys."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mlops.accounts import bearers
from mlops.accounts.models import ApiKey, User
from mlops.errors import NotSignedIn


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def robot(admin: User) -> None:
    said("service_accounts", "add", "robot", "--role", "contributor", "--description", "nightly")


def test_service_accounts_are_made_listed_and_removed(robot: None) -> None:
    assert said("service_accounts", "list") == "robot  Contributor  nightly\n"
    assert json.loads(said("service_accounts", "list", "--json"))[0]["role"] == "Contributor"
    said("service_accounts", "remove", "robot")
    assert said("service_accounts", "list") == ""


def test_the_key_alone_is_printed_on_standard_output(robot: None) -> None:
    key = said("api_keys", "add", "robot", "cron", "--service", "a", "--service", "b")
    assert key.endswith("\n")
    user = bearers.credentials_of(key.strip()).user
    assert user.username == "robot"
    assert user.only_services == {"a", "b"}


def test_keys_are_listed_without_their_texts_and_revoked(robot: None) -> None:
    key = said("api_keys", "add", "robot", "cron", "--days", "7").strip()
    row = ApiKey.objects.get()
    listed = said("api_keys", "list")
    expiry = f"{row.expires_at:%Y-%m-%d}"
    assert listed == f"{row.pk}  robot  cron  (all services)  until {expiry}, last used never\n"
    assert key not in said("api_keys", "list", "--json")
    said("api_keys", "revoke", row.pk)
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(key)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("service_accounts", "add", "robot"), "There is an account named robot already"),
        (("service_accounts", "remove", "admin"), "There is no service account"),
        (("service_accounts", "add", "x", "--user", "alice"), "This needs the Owner role"),
        (("api_keys", "add", "nobody", "x"), "There is no account"),
        (("api_keys", "add", "robot", "x", "--days", "9999"), "1 to 730 days"),
        (("api_keys", "revoke", "0" * 16), "There is no such API key"),
        (("api_keys", "list", "--user", "nobody"), "There is no user nobody"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(
    robot: None, alice: User, words: tuple[str, ...], reason: str
) -> None:
    before = [*User.objects.values(), *ApiKey.objects.values()]
    with pytest.raises(CommandError, match=reason):
        said(*words)
    assert [*User.objects.values(), *ApiKey.objects.values()] == before
