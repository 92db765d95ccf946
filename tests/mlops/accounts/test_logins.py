"""The sign-ins of a user that last, and their end."""

import pytest
from django.test import Client

from mlops.accounts import logins, tokens
from mlops.accounts.bearers import credentials_of
from mlops.accounts.models import AuditEntry, TokenFamily, User
from mlops.errors import Forbidden, NotFound, NotSignedIn
from tests.conftest import PASSWORD
from tests.mlops.console.browser import signed_in

CREDENTIALS = {"username": "alice", "password": PASSWORD}


def token_login(client: Client) -> tuple[str, str]:
    """An access token, and the LoginSessionId of its sign-in."""
    answer = client.post("/login", CREDENTIALS, content_type="application/json").json()
    return answer["access_token"], TokenFamily.objects.latest("created_at").login_session_id


def test_tokens_and_browser_sessions_are_listed_with_where_they_came_from(
    alice: User, client: Client
) -> None:
    token_login(client)
    signed_in("alice")
    found = logins.logins_of(alice)
    assert {each.kind for each in found} == {"browser", "tokens"}
    assert {each.address for each in found} == {"127.0.0.1"}
    assert all(each.began_at < each.ends_at for each in found)


def test_what_has_ended_or_is_another_s_is_not_listed(alice: User, bob: User) -> None:
    tokens.issue(bob)
    tokens.issue(alice)
    tokens.revoke_all(alice)
    signed_in("bob")
    assert logins.logins_of(alice) == []


def test_the_list_asks_the_same_few_questions_however_long_it_is(
    alice: User, django_assert_max_num_queries: object
) -> None:
    for _ in range(5):
        tokens.issue(alice)
        signed_in("alice")
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        assert len(logins.logins_of(alice)) == 10


def test_one_sign_in_ends_and_the_others_last(alice: User, client: Client) -> None:
    token, login = token_login(client)
    other, _ = token_login(client)
    browser = signed_in("alice")
    logins.end_login(user=alice, username="alice", login_session_id=login)
    with pytest.raises(NotSignedIn):
        credentials_of(token)
    assert credentials_of(other).user == alice
    assert browser.get("/services").status_code == 200
    entry = AuditEntry.objects.get(action="end sign-in")
    assert entry.before == {"loginSessionId": login}


def test_a_browser_session_ends(alice: User) -> None:
    browser = signed_in("alice")
    (login,) = logins.logins_of(alice)
    logins.end_login(user=alice, username="alice", login_session_id=login.id)
    assert browser.get("/services").status_code == 401


@pytest.mark.parametrize("login", ["", "0" * 128, "a\0b"])
def test_an_unknown_sign_in_is_not_found(alice: User, login: str) -> None:
    tokens.issue(alice)
    with pytest.raises(NotFound):
        logins.end_login(user=alice, username="alice", login_session_id=login)
    assert len(logins.logins_of(alice)) == 1


def test_an_owner_ends_everything_of_somebody(alice: User, admin: User, client: Client) -> None:
    token, _ = token_login(client)
    browser = signed_in("alice")
    logins.end_all_logins(user=admin, username="alice")
    with pytest.raises(NotSignedIn):
        credentials_of(token)
    assert browser.get("/services").status_code == 401
    assert AuditEntry.objects.get(action="end all sign-ins").object == "alice"


def test_nobody_else_ends_anything(alice: User, bob: User, client: Client) -> None:
    token, login = token_login(client)
    with pytest.raises(Forbidden):
        logins.end_login(user=bob, username="alice", login_session_id=login)
    with pytest.raises(Forbidden):
        logins.end_all_logins(user=bob, username="alice")
    # Nor can a Contributor name another's sign-in as one of their own.
    with pytest.raises(NotFound):
        logins.end_login(user=bob, username="bob", login_session_id=login)
    assert credentials_of(token).user == alice


def test_the_last_sign_in_is_noted_however_it_was(alice: User, client: Client) -> None:
    assert alice.last_login is None
    token_login(client)
    alice.refresh_from_db()
    assert alice.last_login is not None
