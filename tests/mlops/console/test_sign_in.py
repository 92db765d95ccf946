"""Getting into the console and out again."""

import pytest
from django.test import Client

from mlops.accounts.models import User
from tests.conftest import PASSWORD
from tests.mlops.console.browser import (
    SIGN_IN,
    csrf_token,
    open_browser,
    signed_in,
    submit_sign_in,
)

LIST = "/console/services/service/"
PAGES = [LIST, "/console/nodes/nodehealth/", "/console/nodes/nodeentry/"]


def is_signed_in(browser: Client) -> bool:
    return browser.get(LIST).status_code == 200


class TestRedirects:
    """Where addresses lead."""

    @pytest.mark.parametrize("address", ["/", "/console"])
    def test_the_root_leads_to_the_console(self, client: Client, address: str) -> None:
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"] == "/console/"

    def test_the_root_takes_nothing_but_reads(self, client: Client) -> None:
        assert client.post("/").status_code == 405

    @pytest.mark.parametrize("address", ["/console/", *PAGES])
    def test_every_page_asks_to_sign_in_first(self, client: Client, db: None, address: str) -> None:
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"] == f"{SIGN_IN}?next={address}"

    def test_the_console_begins_with_the_dashboard(self, alice: User) -> None:
        answer = signed_in("alice").get("/console/")
        assert answer.status_code == 200
        assert "Needs attention" in answer.content.decode()


class TestSignIn:
    """The sign-in page."""

    @pytest.mark.parametrize("name", ["admin", "alice", "rita"])
    def test_everybody_with_a_role_comes_in(
        self, admin: User, alice: User, rita: User, name: str
    ) -> None:
        browser = signed_in(name)
        for page in PAGES:
            assert browser.get(page).status_code == 200

    @pytest.mark.parametrize(
        ("username", "password"),
        [("alice", "wrong"), ("mallory", PASSWORD), ("alice", ""), ("", PASSWORD)],
    )
    def test_wrong_credentials_do_not(self, alice: User, username: str, password: str) -> None:
        browser = open_browser()
        response = submit_sign_in(browser, username, password)
        assert response.status_code == 200
        assert not is_signed_in(browser)

    def test_the_refusal_says_why_and_repeats_no_password(self, alice: User) -> None:
        page = submit_sign_in(open_browser(), "alice", "Wrong-Secret-9").content.decode()
        assert "The user name or the password is wrong." in page
        assert "staff" not in page
        assert "Wrong-Secret-9" not in page

    def test_an_inactive_user_looks_like_a_wrong_password(self, alice: User) -> None:
        User.objects.update(is_active=False)
        browser = open_browser()
        page = submit_sign_in(browser, "alice").content.decode()
        assert "The user name or the password is wrong." in page
        assert not is_signed_in(browser)

    def test_somebody_without_a_role_is_told_whom_to_ask(
        self, bob: User, declared_groups: None
    ) -> None:
        bob.groups.clear()
        browser = open_browser()
        page = submit_sign_in(browser, "bob").content.decode()
        assert "You have no role here: ask an administrator" in page
        assert not is_signed_in(browser)

    def test_staff_status_alone_opens_nothing(self, bob: User, declared_groups: None) -> None:
        bob.groups.clear()
        User.objects.update(is_staff=True)
        browser = open_browser()
        submit_sign_in(browser, "bob")
        assert not is_signed_in(browser)

    def test_without_its_csrf_token_it_is_refused(self, alice: User) -> None:
        browser = open_browser()
        response = browser.post(SIGN_IN, {"username": "alice", "password": PASSWORD})
        assert response.status_code == 403
        assert not is_signed_in(browser)

    def test_it_leads_back_to_where_one_wanted_to_go(self, alice: User) -> None:
        response = submit_sign_in(open_browser(), "alice", then=PAGES[1])
        assert response["Location"] == PAGES[1]

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "https://evil.example/",
            "//evil.example/",
            "http:///evil.example",
            "javascript:alert(1)",
            "\\\\evil.example",
            "/\\evil.example",
            "///evil.example",
            "////evil.example",
            "https:evil.example",
            "https:/evil.example",
            "HTTPS://evil.example",
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "\x00//evil.example",
            "\x08//evil.example",
            "java\nscript:alert('evil')",
            "data:text/html,evil",
            "//testserver@evil.example",
            "https://testserver:80@evil.example",
            "//evil.example%00testserver",
        ],
    )
    def test_it_leads_nowhere_else(self, alice: User, elsewhere: str) -> None:
        response = submit_sign_in(open_browser(), "alice", then=elsewhere)
        assert response.status_code == 302
        assert response["Location"].startswith("/")
        assert "evil" not in response["Location"]

    def test_the_session_changes_its_key(self, alice: User) -> None:
        browser = open_browser()
        browser.cookies["sessionid"] = "planted"
        submit_sign_in(browser, "alice")
        assert browser.cookies["sessionid"].value != "planted"


class TestEndOfSession:
    """What ends a session."""

    def test_signing_out_leads_to_the_sign_in_page(self, alice: User) -> None:
        browser = signed_in("alice")
        token = csrf_token(browser.get(LIST))
        response = browser.post("/console/logout/", {"csrfmiddlewaretoken": token})
        assert response["Location"] == SIGN_IN
        assert not is_signed_in(browser)

    def test_a_link_alone_signs_nobody_out(self, alice: User) -> None:
        browser = signed_in("alice")
        assert browser.get("/console/logout/").status_code == 405
        assert is_signed_in(browser)

    def test_losing_the_role_ends_it(self, rita: User) -> None:
        browser = signed_in("rita")
        rita.groups.clear()
        assert not is_signed_in(browser)

    def test_deactivation_ends_it(self, alice: User) -> None:
        browser = signed_in("alice")
        User.objects.update(is_active=False)
        assert not is_signed_in(browser)


class TestHeaders:
    """Cookies and headers of the pages."""

    def test_the_session_cookie_is_kept_from_scripts_and_other_sites(self, alice: User) -> None:
        browser = open_browser()
        cookie = submit_sign_in(browser, "alice").cookies["sessionid"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"

    def test_pages_cannot_be_framed_sniffed_or_leak_their_address(self, client: Client) -> None:
        response = client.get("/")
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"

    def test_pages_are_not_cached(self, alice: User) -> None:
        assert "no-store" in signed_in("alice").get(LIST)["Cache-Control"]

    def test_there_is_no_page_that_changes_a_password(self, alice: User) -> None:
        browser = signed_in("alice")
        assert browser.get("/console/password_change/").status_code == 404
        assert "password_change" not in browser.get(LIST).content.decode()


def test_without_a_place_to_go_on_to_the_console_begins(admin: User) -> None:
    assert submit_sign_in(open_browser(), "admin").url == "/console/"
