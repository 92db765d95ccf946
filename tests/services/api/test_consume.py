from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.schema import Parameter
from tests.conftest import create_user
from tests.nodes.runtime.running import RunningNode
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_snapshot, create_version

# The node's answer is fetched on another thread, which must see what the test has saved.
pytestmark = pytest.mark.django_db(transaction=True)

ClientFor = Callable[[User], APIClient]

PATH = "/api/churn/v1"
OPERATION = "consumeWebService"


@pytest.fixture
def version(alice: User, declared_node: RunningNode) -> None:
    create_version(
        alice,
        code="print('adding')\nanswer = x + 1",
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("answer", "numeric")],
    )


@pytest.fixture
def browser(bob: User) -> Client:
    """Somebody signed in to the console, with a CSRF token to send along."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    client.cookies["csrftoken"] = "c" * 32
    return client


def send(browser: Client, body: Any, **extra: Any) -> Any:
    headers = {"X-CSRFToken": "c" * 32, **extra.pop("headers", {})}
    return browser.generic("POST", PATH, body, headers=headers, **extra)


def test_a_token_gets_the_result(version: None, bob: User, client_for: ClientFor) -> None:
    response = client_for(bob).post(PATH, {"x": 1.5}, format="json")
    result = body_of(response, 200, OPERATION)
    assert list(result) == [
        "success",
        "errorMessage",
        "consoleOutput",
        "changedFiles",
        "outputParameters",
        "outputFiles",
    ]
    assert result == {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "adding\n",
        "changedFiles": [],
        "outputParameters": {"answer": 2.5},
        "outputFiles": {},
    }


def test_code_that_fails_is_a_result(version: None, alice: User, client_for: ClientFor) -> None:
    create_version(alice, version="broken", code="1 / 0")
    response = client_for(alice).post("/api/churn/broken", {}, format="json")
    result = body_of(response, 200, OPERATION)
    assert result["success"] is False
    assert "ZeroDivisionError" in result["errorMessage"]


def test_the_files_of_the_snapshot_are_there(
    version: None, alice: User, client_for: ClientFor
) -> None:
    # More than one chunk of the stored blob, so that it comes in pieces.
    snapshot = create_snapshot(alice, files={"model.bin": b"\x01" * 3_000_000})
    create_version(
        alice,
        version="files",
        code="answer = sum(open('model.bin', 'rb').read())",
        outputs=[Parameter("answer", "integer")],
        snapshot_id=str(snapshot.pk),
    )
    response = client_for(alice).post("/api/churn/files", {}, format="json")
    assert body_of(response, 200, OPERATION)["outputParameters"] == {"answer": 3_000_000}


def test_a_browser_session_with_its_csrf_token_gets_the_result(
    version: None, browser: Client
) -> None:
    response = send(browser, b'{"x":NaN}', content_type="application/json")
    assert body_of(response, 200, OPERATION)["outputParameters"] == {"answer": None}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
def test_the_content_type_of_a_session_does_not_matter(
    version: None, browser: Client, content_type: str
) -> None:
    response = send(browser, b'{"x":1}', content_type=content_type)
    assert body_of(response, 200, OPERATION)["outputParameters"] == {"answer": 2}


def test_a_browser_session_may_send_and_get_csv(
    alice: User, declared_node: RunningNode, browser: Client
) -> None:
    table = [Parameter("table", "data.frame")]
    create_version(alice, code="pass", inputs=table, outputs=table)
    csv = {"Accept": "text/csv"}
    response = send(browser, b"a\n1\n", content_type="text/csv", headers=csv)
    assert response.status_code == 200, response.content
    assert response.content == b"a\n1\n"
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    error_of(send(browser, b"a\n1\n", content_type="text/csv;charset=x"), 415, OPERATION)


def test_a_browser_session_without_its_csrf_token_is_403(version: None, browser: Client) -> None:
    response = browser.post(PATH, {"x": 1}, content_type="application/json")
    assert "CSRF" in error_of(response, 403, OPERATION)["message"]


def test_a_browser_that_wants_a_page_gets_the_result_on_one(version: None, browser: Client) -> None:
    response = send(
        browser, b'{"x":1}', content_type="application/json", headers={"Accept": "text/html"}
    )
    assert response["Content-Type"].startswith("text/html")
    assert b"outputParameters" in response.content


@pytest.mark.parametrize(
    ("body", "named"),
    [(b"{", ""), (b"[]", ""), (b"", ""), (b"{}", "x"), (b'{"x":"text"}', "x")],
    ids=ascii,
)
def test_a_body_that_does_not_fit_is_400(
    version: None, bob: User, client_for: ClientFor, body: bytes, named: str
) -> None:
    response = client_for(bob).generic("POST", PATH, body, content_type="application/json")
    error = error_of(response, 400, OPERATION)
    assert named in error["fields"]
    assert named in error["message"]


@pytest.mark.parametrize("path", ["churn/v2", "other/v1", "%00/v1", "x" * 10_000 + "/v1"])
def test_an_unknown_version_is_404(
    version: None, bob: User, client_for: ClientFor, path: str
) -> None:
    error_of(client_for(bob).post(f"/api/{path}", {}, format="json"), 404, OPERATION)


def test_without_a_token_it_is_401(version: None) -> None:
    error_of(APIClient().post(PATH, {"x": 1}, format="json"), 401, OPERATION)


def test_without_a_role_it_is_403(
    version: None, declared_groups: None, client_for: ClientFor
) -> None:
    response = client_for(create_user("mallory")).post(PATH, {"x": 1}, format="json")
    error_of(response, 403, OPERATION)


def test_without_a_node_it_is_503(alice: User, client_for: ClientFor) -> None:
    create_version(alice)
    response = client_for(alice).post(PATH, {}, format="json")
    error_of(response, 503, OPERATION)
    assert response["Retry-After"] == "1"


def test_another_method_is_405(bob: User, client_for: ClientFor) -> None:
    assert client_for(bob).get(PATH).status_code == 405
