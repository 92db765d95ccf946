"""One's own account on the console."""

import logging

import pytest
from pytest_django import Settings

from mlops.accounts import logins, tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.bearers import credentials_of
from mlops.accounts.models import ApiKey, AuditEntry, User
from mlops.errors import NotSignedIn
from tests.conftest import PASSWORD
from tests.mlops.console.browser import open_browser, submit_sign_in
from tests.mlops.console.people import Person, key_in

ACCOUNT = "/console/account/"
NEW = "Brand-New-7"


@pytest.mark.parametrize(
    ("name", "role", "why"),
    [
        ("rita", "Reader", "in group dashboards"),
        ("alice", "Contributor", "in group data-scientists"),
        ("admin", "Owner", "the local administrator is an Owner"),
    ],
)
def test_everybody_sees_their_role_and_why(
    rita: User, alice: User, admin: User, name: str, role: str, why: str
) -> None:
    page = Person(name).sees(ACCOUNT)
    assert f">{role}</span>" in page
    assert why in page


class TestKeys:
    """API keys of one's own."""

    def test_a_new_key_is_shown_once_and_works(
        self, rita: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        reader = Person("rita")
        form = {"name": "dash", "days": "30", "services": "iris, churn\nx"}
        answer = reader.sends(ACCOUNT, do="create-key", **form)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        key = key_in(answer.content.decode())
        assert credentials_of(key).user == rita
        stored = ApiKey.objects.get()
        assert stored.services == ["churn", "iris", "x"]
        assert (stored.expires_at - stored.created_at).days == 30
        page = reader.sees(ACCOUNT)
        assert stored.pk in page
        assert key not in page
        assert key not in caplog.text
        assert key not in str([*AuditEntry.objects.values_list(), *ApiKey.objects.values_list()])

    @pytest.mark.parametrize(
        ("form", "reason"),
        [
            ({"name": ""}, "1 to 128 printable characters"),
            ({"name": "k", "days": "0"}, "1 to 730 days"),
            ({"name": "k", "days": "soon"}, "must be a number"),
            ({"name": "k", "days": "²"}, "must be a number"),
            ({"name": "k", "services": "s" * 200}, "is no name of a service"),
        ],
    )
    def test_a_key_that_cannot_be_made_is_explained(
        self, rita: User, form: dict[str, str], reason: str
    ) -> None:
        answer = Person("rita").sends(ACCOUNT, do="create-key", **form)
        assert answer.status_code == 400
        assert reason in answer.content.decode()
        assert not ApiKey.objects.exists()

    def test_revoking_asks_first(self, rita: User) -> None:
        made, reader = create_api_key(user=rita, name="dash"), Person("rita")
        question = reader.sends(ACCOUNT, do="revoke-key", key=made.key.pk)
        assert "Revoke the API key “dash” of rita?" in question.content.decode()
        assert credentials_of(made.text).user == rita
        reader.sends(ACCOUNT, do="revoke-key", key=made.key.pk, confirmed="yes")
        with pytest.raises(NotSignedIn):
            credentials_of(made.text)

    @pytest.mark.parametrize("name", ["rita", "admin"])
    def test_a_key_of_somebody_else_is_not_there(
        self, rita: User, alice: User, admin: User, name: str
    ) -> None:
        made = create_api_key(user=alice, name="hers")
        for key in (made.key.pk, "nope", "a\0b"):
            answer = Person(name).sends(ACCOUNT, do="revoke-key", key=key, confirmed="yes")
            assert answer.status_code == 404
        assert credentials_of(made.text).user == alice


class TestSignIns:
    """One's own sign-ins."""

    def test_one_of_them_ends(self, rita: User) -> None:
        pair, reader = tokens.issue(rita), Person("rita")
        reader.sends(ACCOUNT, do="end-sign-in", login=pair.login_session_id)
        with pytest.raises(NotSignedIn):
            credentials_of(pair.access_token)
        assert "this one" in reader.sees(ACCOUNT)

    def test_that_of_this_browser_leads_to_the_sign_in_page(self, rita: User) -> None:
        reader = Person("rita")
        (login,) = logins.logins_of(rita)
        answer = reader.sends(ACCOUNT, do="end-sign-in", login=login.id)
        assert answer.status_code == 302
        assert reader.browser.get(ACCOUNT).status_code == 302

    def test_all_of_them_end(self, rita: User) -> None:
        token, reader, other = tokens.issue(rita).access_token, Person("rita"), Person("rita")
        assert "Your" not in reader.sends(ACCOUNT, do="end-all-sign-ins").content.decode()
        reader.sends(ACCOUNT, do="end-all-sign-ins", confirmed="yes")
        with pytest.raises(NotSignedIn):
            credentials_of(token)
        for browser in (reader.browser, other.browser):
            assert browser.get(ACCOUNT).status_code == 302

    def test_that_of_somebody_else_is_not_there(self, rita: User, alice: User) -> None:
        pair = tokens.issue(alice)
        answer = Person("rita").sends(ACCOUNT, do="end-sign-in", login=pair.login_session_id)
        assert answer.status_code == 404
        assert credentials_of(pair.access_token).user == alice


class TestPassword:
    """Changing one's own password."""

    def test_who_knows_the_old_one_changes_it_and_stays_signed_in(self, alice: User) -> None:
        token, her, other = tokens.issue(alice).access_token, Person("alice"), Person("alice")
        passwords = {"old_password": PASSWORD, "password": NEW, "password_again": NEW}
        assert her.sends(ACCOUNT, do="change-password", **passwords).status_code == 302
        assert her.browser.get(ACCOUNT).status_code == 200
        assert other.browser.get(ACCOUNT).status_code == 302
        with pytest.raises(NotSignedIn):
            credentials_of(token)
        assert submit_sign_in(open_browser(), "alice", NEW).status_code == 302
        assert AuditEntry.objects.get(action="set password").username == "alice"

    def test_who_does_not_changes_nothing_and_cannot_guess(self, alice: User) -> None:
        her = Person("alice")
        passwords = {"old_password": "wrong", "password": NEW, "password_again": NEW}
        statuses = [
            her.sends(ACCOUNT, do="change-password", **passwords).status_code for _ in range(7)
        ]
        assert statuses[:4] == [400] * 4
        assert statuses[-1] == 429
        assert User.objects.get().check_password(PASSWORD)

    def test_the_password_of_a_directory_is_not_changed_here(
        self, alice: User, settings: Settings
    ) -> None:
        her = Person("alice")
        settings.SIGN_IN_METHOD = "ldap"
        User.objects.update(sign_in_method="ldap", directory_read_at="2036-01-01T00:00Z")
        assert "Change my password" not in her.sees(ACCOUNT)
