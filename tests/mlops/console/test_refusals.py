"""What the console answers when something is not there, not allowed or not well."""

import pytest
from django.db import OperationalError
from django.test import Client

from mlops.accounts.models import User
from mlops.console import pages, refusals
from tests.mlops.console.browser import open_browser, signed_in


def test_an_unknown_page_says_so_within_the_console(admin: User) -> None:
    answer = signed_in("admin").get("/console/signed-in/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


def test_an_unknown_address_of_the_api_has_the_error_object(db: None) -> None:
    assert Client().get("/nowhere").json()["exceptionType"] == "NotFound"


def test_a_form_with_a_stale_token_is_refused_in_words(admin: User) -> None:
    answer = open_browser().post("/console/login/", {"username": "admin"})
    assert answer.status_code == 403
    assert "nothing was changed" in answer.content.decode()
    assert "Load the page again" in answer.content.decode()


def test_who_may_not_see_a_page_is_told_within_the_console(rita: User) -> None:
    answer = signed_in("rita").get("/console/people/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "This needs the Owner role." in page
    assert "Go to the dashboard" in page
    assert 'id="nav-sidebar' in page


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [(OperationalError("down"), 503, "database"), (RuntimeError("secret"), 500, "server failed")],
)
def test_a_fault_is_told_without_its_details(
    admin: User,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    status: int,
    text: str,
) -> None:
    def break_down(*args: object, **named: object) -> None:
        raise fault

    browser = signed_in("admin")
    browser.raise_request_exception = False
    monkeypatch.setattr(pages, "render", break_down)
    monkeypatch.setattr(refusals, "current_id", lambda: "an-id")
    answer = browser.get("/console/signed-in/")
    page = answer.content.decode()
    assert answer.status_code == status
    assert text in page
    assert "secret" not in page
    assert "id <code>an-id</code>" in page
    assert "Load the page again" in page


def test_live_parts_do_not_keep_a_session_alive(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in("admin")

    def seen_after(headers: dict[str, str]) -> int:
        session = browser.session
        session["seen_at"] = 1
        session.save()
        browser.get("/console/signed-in/", headers=headers)
        return int(browser.session["seen_at"])

    assert seen_after({"X-Live": "1", "HX-Request": "true"}) == 1
    assert seen_after({}) > 1
