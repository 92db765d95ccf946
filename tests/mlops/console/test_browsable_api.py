"""The browsable API for people who are signed in on the console."""

import json

from mlops.accounts.models import User
from services.models import Service, Version
from tests.mlops.console.browser import signed_in

BODY = {"code": "x = 1", "runtimeType": "Python"}


def test_a_page_shows_for_a_browser(alice: User) -> None:
    response = signed_in("alice").get("/services", HTTP_ACCEPT="text/html,*/*;q=0.8")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")


def test_a_program_gets_json_on_the_same_session(alice: User) -> None:
    response = signed_in("alice").get("/services", HTTP_ACCEPT="application/json")
    assert json.loads(response.content) == []


def test_a_post_without_csrf_token_is_refused_and_changes_nothing(alice: User) -> None:
    browser = signed_in("alice")
    response = browser.post("/services/churn/1.0", BODY, content_type="application/json")
    assert response.status_code == 403
    assert "CSRF" in json.loads(response.content)["message"]
    assert not Service.objects.exists()


def test_a_post_with_a_wrong_csrf_token_is_refused_and_changes_nothing(alice: User) -> None:
    response = signed_in("alice").post(
        "/services/churn/1.0",
        BODY,
        content_type="application/json",
        HTTP_X_CSRFTOKEN="x" * 32,
    )
    assert response.status_code == 403
    assert not Service.objects.exists()


def test_a_post_with_its_csrf_token_is_done(alice: User) -> None:
    browser = signed_in("alice")
    response = browser.post(
        "/services/churn/1.0",
        BODY,
        content_type="application/json",
        HTTP_X_CSRFTOKEN=browser.cookies["csrftoken"].value,
    )
    assert response.status_code == 201
    assert Version.objects.get().published_by == "alice"


def test_a_reader_s_session_cannot_publish(rita: User) -> None:
    browser = signed_in("rita")
    response = browser.post(
        "/services/churn/1.0",
        BODY,
        content_type="application/json",
        HTTP_X_CSRFTOKEN=browser.cookies["csrftoken"].value,
    )
    assert response.status_code == 403
    assert not Service.objects.exists()


def test_the_documentation_page_opens_for_anybody(client: object, db: None) -> None:
    from django.test import Client

    response = Client().get("/docs", HTTP_ACCEPT="text/html")
    assert response.status_code == 200
    assert "//cdn" not in response.content.decode()
