"""People and roles: the list, the page of an account, and making one."""

import csv
import io

import pytest
from django.contrib.sessions.models import Session
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from mlops.accounts import tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.bearers import credentials_of
from mlops.accounts.break_glass import break_glass
from mlops.accounts.models import ApiKey, AuditEntry, SignInBudget, TokenFamily, User
from mlops.accounts.roles import Role, role_of
from mlops.accounts.service_accounts import create_service_account
from mlops.accounts.sign_in import status
from mlops.errors import DirectoryUnavailable, NotSignedIn
from tests.conftest import CONTRIBUTORS, PASSWORD, create_user
from tests.mlops.console.browser import open_browser, submit_sign_in
from tests.mlops.console.people import Person, key_in

PEOPLE = "/console/people/"
NEW = "Brand-New-7"
OWNERS = "chiefs"


@pytest.fixture
def olga(db: None, settings: Settings) -> Person:
    """An Owner by a group."""
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [CONTRIBUTORS], "Reader": []}
    create_user("olga", group=OWNERS)
    return Person("olga")


def page_of(user: User) -> str:
    return f"{PEOPLE}{user.pk}/"


class TestList:
    """/console/people/."""

    def test_it_says_who_has_which_role_and_why(self, olga: Person, alice: User) -> None:
        create_user("rob")
        page = olga.sees(PEOPLE)
        assert f"in group {CONTRIBUTORS}" in page
        assert "implicit: in none of the declared groups" in page
        assert "Everybody else who can sign in is a Reader, because" in page
        assert f'href="{page_of(alice)}"' in page

    def test_declared_groups_tell_how_many_are_in_them(self, olga: Person, alice: User) -> None:
        User.objects.create(
            username="dora", sign_in_method="ldap", directory_groups=[CONTRIBUTORS.upper()]
        )
        page = "".join(olga.sees(PEOPLE).split())
        assert f'{CONTRIBUTORS}</th><tdclass="nowrap">Contributor</td><tdclass="number">2' in page
        assert f'{OWNERS}</th><tdclass="nowrap">Owner</td><tdclass="number">1' in page

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"olga", "alice", "rob", "robot"}),
            ("?q=ali", {"alice"}),
            ("?role=Reader", {"rob"}),
            ("?role=Owner", {"olga", "robot"}),
            ("?role=No+role", set()),
            ("?method=service", {"robot"}),
            ("?state=deactivated", {"rob"}),
            ("?role=Contributor&state=active", {"alice"}),
        ],
    )
    def test_it_is_searched_and_filtered_and_taken_away_as_it_is_shown(
        self, olga: Person, alice: User, query: str, found: set[str]
    ) -> None:
        create_user("rob")
        create_service_account(
            user=User.objects.get(username="olga"), name="robot", role=Role.OWNER
        )
        User.objects.filter(username="rob").update(is_active=False)
        page = olga.sees(PEOPLE + query)
        for user in User.objects.all():
            assert (f'href="{page_of(user)}' in page) is (user.username in found)
        answer = olga.browser.get(f"/console/accounts/user/csv/{query}")
        rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
        assert {row["User"] for row in rows} == found

    def test_tokens_and_keys_that_count_are_counted(self, olga: Person, alice: User) -> None:
        for _ in range(3):
            tokens.issue(alice)
        TokenFamily.objects.filter(pk=TokenFamily.objects.earliest("created_at").pk).update(
            revoked_at="2026-01-01T00:00Z"
        )
        create_api_key(user=alice, name="a")
        answer = olga.browser.get("/console/accounts/user/csv/?q=alice")
        (row,) = csv.DictReader(io.StringIO(answer.getvalue().decode()))
        assert (row["Logins by token"], row["API keys"]) == ("2", "1")

    def test_more_people_are_no_more_queries(
        self, olga: Person, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for n in range(30):
            tokens.issue(create_user(f"user-{n}", group=f"group-{n % 7}"))
        with django_assert_max_num_queries(14):
            olga.sees(PEOPLE)

    @pytest.mark.parametrize(
        ("method", "words"), [("ldap", "LDAP or Active Directory"), ("local", "Local accounts")]
    )
    def test_the_method_in_force_is_told(
        self, admin: User, settings: Settings, method: str, words: str
    ) -> None:
        owner = Person("admin")
        if method != "local":
            settings.SIGN_IN_METHOD = method
            break_glass()
            owner.browser = open_browser()
            submit_sign_in(owner.browser, "admin")
        page = owner.sees(PEOPLE)
        assert f"Signing in: {words}" in page
        assert ("The glass is broken" in page) is (method != "local")
        assert ("New local account" in page) is (method == "local")

    def test_a_directory_that_is_away_is_red_with_its_reason(
        self, olga: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def check() -> None:
            raise DirectoryUnavailable("Nobody answers at ldap.example.")

        monkeypatch.setitem(status._COMPONENTS, "local", lambda: {"ldap": status._state(check, {})})
        page = olga.sees(f"{PEOPLE}sign-in/")
        assert "badge-danger" in page
        assert "Nobody answers at ldap.example." in page


class TestAccount:
    """The page of an account."""

    def test_it_says_everything_about_it(self, olga: Person, alice: User) -> None:
        tokens.issue(alice)
        create_api_key(user=alice, name="dash <b>")
        page = olga.sees(page_of(alice))
        for text in ("alice", f"in group {CONTRIBUTORS}", "Client with tokens", escape("dash <b>")):
            assert text in page

    def test_an_account_of_a_directory_is_not_changed_here(self, olga: Person) -> None:
        dora = User.objects.create(
            username="dora",
            sign_in_method="ldap",
            directory_id="cn=dora,dc=example",
            directory_groups=["Chiefs", "<x>"],
        )
        page = olga.sees(page_of(dora))
        for text in ("in group chiefs", "cn=dora,dc=example", "&lt;x&gt;", "cannot sign in"):
            assert text in page
        for form in ("set-groups", "reset-password", "deactivate", "create-key"):
            assert f'value="{form}"' not in page
        before = User.objects.filter(pk=dora.pk).values().get()
        passwords = {"password": NEW, "password_again": NEW, "confirmed": "yes", "name": "k"}
        for form in ("set-groups", "reset-password", "deactivate", "activate", "create-key"):
            assert olga.sends(page_of(dora), do=form, **passwords).status_code in (400, 403)
        assert User.objects.filter(pk=dora.pk).values().get() == before

    @pytest.mark.parametrize("address", ["0", "987654", str(2**63)])
    def test_there_is_no_page_of_nobody(self, olga: Person, address: str) -> None:
        assert olga.browser.get(f"{PEOPLE}{address}/").status_code == 404

    def test_a_reset_password_counts_at_once(self, olga: Person, alice: User) -> None:
        form = {"do": "reset-password", "password": NEW, "password_again": NEW}
        assert olga.sends(page_of(alice), **form).status_code == 302
        assert submit_sign_in(open_browser(), "alice", NEW).status_code == 302

    @pytest.mark.parametrize(
        ("password", "again", "reason"),
        [(NEW, "other", "The two passwords differ"), ("weak", "weak", "The password needs")],
    )
    def test_a_password_that_is_not_taken_is_explained_and_not_repeated(
        self, olga: Person, alice: User, password: str, again: str, reason: str
    ) -> None:
        form = {"do": "reset-password", "password": password, "password_again": again}
        answer = olga.sends(page_of(alice), **form)
        assert answer.status_code == 400
        assert reason in answer.content.decode()
        assert f'value="{password}"' not in answer.content.decode()
        assert submit_sign_in(open_browser(), "alice").status_code == 302

    def test_groups_change_the_role(self, olga: Person, alice: User) -> None:
        olga.sends(page_of(alice), do="set-groups", group=[OWNERS], other_groups="x, y")
        changed = User.objects.get(pk=alice.pk)
        assert role_of(changed) == Role.OWNER
        assert {each.name for each in changed.groups.all()} == {OWNERS, "x", "y"}

    def test_the_last_owner_is_told_why_she_stays_one(self, olga: Person) -> None:
        own = User.objects.get(username="olga")
        answer = olga.sends(page_of(own), do="set-groups", group=[])
        assert answer.status_code == 409
        assert "No Owner would be left" in answer.content.decode()
        assert olga.browser.get(PEOPLE).status_code == 200

    def test_deactivating_asks_first(self, olga: Person, alice: User) -> None:
        question = olga.sends(page_of(alice), do="deactivate")
        assert "Deactivate alice?" in question.content.decode()
        assert User.objects.get(pk=alice.pk).is_active
        olga.sends(page_of(alice), do="deactivate", confirmed="yes")
        assert not User.objects.get(pk=alice.pk).is_active
        assert "deactivated" in olga.sees(page_of(alice))
        olga.sends(page_of(alice), do="activate")
        assert User.objects.get(pk=alice.pk).is_active

    def test_her_own_account_stays_active(self, olga: Person) -> None:
        create_user("otto", group=OWNERS)
        own = User.objects.get(username="olga")
        answer = olga.sends(page_of(own), do="deactivate", confirmed="yes")
        assert answer.status_code == 409
        assert "ask another Owner" in answer.content.decode()

    def test_all_sign_ins_of_somebody_end(self, olga: Person, alice: User) -> None:
        token, browser = tokens.issue(alice).access_token, Person("alice").browser
        question = olga.sends(page_of(alice), do="end-all-sign-ins").content.decode()
        assert "1 of clients with tokens" in question
        assert "1 of browsers" in question
        olga.sends(page_of(alice), do="end-all-sign-ins", confirmed="yes")
        with pytest.raises(NotSignedIn):
            credentials_of(token)
        assert browser.get("/services").status_code == 401

    def test_who_is_held_back_is_let_try_again(self, olga: Person, alice: User) -> None:
        for _ in range(6):
            submit_sign_in(open_browser(), "alice", "wrong")
        assert "is held back for" in olga.sees(page_of(alice))
        assert "Held back after failed attempts" in olga.sees(PEOPLE)
        olga.sends(page_of(alice), do="unblock")
        assert submit_sign_in(open_browser(), "alice").status_code == 302

    def test_an_address_is_let_try_again(self, olga: Person, alice: User) -> None:
        SignInBudget.objects.create(
            user_key="", address="2001:db8::/64", restored_at="2036-01-01T00:00Z"
        )
        olga.sends(f"{PEOPLE}unblock/", username="", address="2001:db8::/64")
        assert "Held back after failed attempts" not in olga.sees(PEOPLE)

    def test_people_make_their_keys_themselves(self, olga: Person, alice: User) -> None:
        assert "Create an API key" not in olga.sees(page_of(alice))
        assert olga.sends(page_of(alice), do="create-key", name="k").status_code == 403
        assert not ApiKey.objects.exists()

    def test_a_form_that_is_not_there_is_refused(self, olga: Person, alice: User) -> None:
        assert olga.sends(page_of(alice), do="explode").status_code == 400


class TestNewAccounts:
    """Accounts that are made here."""

    def test_a_new_account_signs_in(self, olga: Person) -> None:
        form = {"name": "nina", "display_name": "Nina", "group": [CONTRIBUTORS]}
        passwords = {"password": NEW, "password_again": NEW}
        answer = olga.sends(f"{PEOPLE}new/", **form, **passwords)
        made = User.objects.get(username="nina")
        assert answer["Location"] == page_of(made)
        assert role_of(made) == Role.CONTRIBUTOR
        assert submit_sign_in(open_browser(), "nina", NEW).status_code == 302

    def test_what_is_wrong_is_said_and_what_was_typed_stays(self, olga: Person) -> None:
        form = {"name": "olga", "display_name": "Another O.", "group": [OWNERS]}
        answer = olga.sends(f"{PEOPLE}new/", **form, password=NEW, password_again=NEW)
        page = answer.content.decode()
        assert answer.status_code == 409
        assert "There is an account named olga already." in page
        assert 'value="Another O."' in page
        assert NEW not in page

    def test_a_service_account_gets_a_key_and_goes_with_it(self, olga: Person) -> None:
        olga.sends(f"{PEOPLE}new-service-account/", name="robot", role="Contributor")
        robot = User.objects.get(username="robot")
        key = key_in(olga.sends(page_of(robot), do="create-key", name="k").content.decode())
        assert credentials_of(key).user == robot
        answer = olga.sends(page_of(robot), do="remove", confirmed="yes", typed_name="rob")
        assert answer.status_code == 400
        assert credentials_of(key).user == robot
        olga.sends(page_of(robot), do="remove", confirmed="yes", typed_name="robot")
        with pytest.raises(NotSignedIn):
            credentials_of(key)

    @pytest.mark.parametrize("role", ["", "Emperor"])
    def test_a_service_account_needs_a_role(self, olga: Person, role: str) -> None:
        answer = olga.sends(f"{PEOPLE}new-service-account/", name="robot", role=role)
        assert answer.status_code == 400
        assert not User.objects.filter(username="robot").exists()

    def test_people_are_not_removed(self, olga: Person, alice: User) -> None:
        form = {"do": "remove", "confirmed": "yes", "typed_name": "alice"}
        assert olga.sends(page_of(alice), **form).status_code == 400
        assert User.objects.filter(username="alice").exists()


def test_no_secret_is_kept_anywhere(olga: Person, alice: User) -> None:
    passwords = {"password": NEW, "password_again": NEW}
    olga.sends(f"{PEOPLE}new/", name="nina", **passwords)
    olga.sends(page_of(alice), do="reset-password", **passwords)
    kept = [*AuditEntry.objects.values_list(), *Session.objects.values_list()]
    assert NEW not in str(kept)
    assert PASSWORD not in str(kept)
