"""What holds for every operation, whatever it does: leniency, methods, addresses, error objects."""

import codecs
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from tests.contract.asking import address, content_type_of
from tests.contract.operations import DOCUMENTED, ERROR, FORM, JSON, Operation
from tests.nodes.web import WebNode

# Nothing is there under these addresses, so that asking changes nothing.
READS = [row for row in DOCUMENTED if row.method == "GET"]
WITHOUT_BODY = [row for row in DOCUMENTED if row.request is None]
OF_JSON = [row for row in DOCUMENTED if row.request is not None and row.takes == JSON]
METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE"}
ADDRESSES = {
    address(row): {other.method for other in DOCUMENTED if address(other) == address(row)}
    for row in DOCUMENTED
}


@pytest.fixture
def client(admin: User, client_for: Callable[[User], APIClient]) -> APIClient:
    return client_for(admin)


def assert_error(response: Any, status: int) -> None:
    """The one error object, in compact JSON."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == JSON
    body = json.loads(response.content)
    assert list(body) == list(ERROR)
    assert (body["code"], body["link"]) == (status, "")
    assert body["message"]


@pytest.mark.parametrize("row", WITHOUT_BODY, ids=str)
def test_without_a_body_the_content_type_does_not_matter(client: APIClient, row: Operation) -> None:
    plain = client.generic(row.method, address(row), b"", content_type="")
    for content_type in (JSON, "application/xml", FORM):
        response = client.generic(row.method, address(row), b"", content_type=content_type)
        assert (response.status_code, response.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize("row", DOCUMENTED, ids=str)
def test_no_accept_header_is_refused(client: APIClient, row: Operation) -> None:
    taken = content_type_of(row)
    plain = client.generic(row.method, address(row), b"", content_type=taken)
    for accept in (JSON, "image/png", "application/json;q=0", "nonsense"):
        response = client.generic(
            row.method, address(row), b"", content_type=taken, headers={"Accept": accept}
        )
        assert (response.status_code, response.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize("row", OF_JSON, ids=str)
@pytest.mark.parametrize(
    "body",
    [b"{}", codecs.BOM_UTF8 + b" {}", b'{"another":NaN,"one":[-Infinity,Infinity]}'],
    ids=["nothing-in-it", "byte-order-mark", "unknown-members"],
)
def test_an_object_of_nothing_known_is_taken_for_no_body(
    client: APIClient, row: Operation, body: bytes
) -> None:
    empty = client.generic(row.method, address(row), b"", content_type=JSON)
    response = client.generic(row.method, address(row), body, content_type=JSON)
    assert (response.status_code, response.content) == (empty.status_code, empty.content)


@pytest.mark.parametrize("row", READS, ids=str)
def test_head_answers_as_get_does_without_the_body(client: APIClient, row: Operation) -> None:
    full = client.get(address(row))
    bare = client.head(address(row))
    assert (bare.status_code, bare["Content-Type"]) == (full.status_code, full["Content-Type"])
    assert bare.content == b""


@pytest.mark.parametrize(("path", "methods"), ADDRESSES.items(), ids=ADDRESSES)
def test_other_methods_are_405_and_the_answer_names_the_right_ones(
    client: APIClient, path: str, methods: set[str]
) -> None:
    for method in METHODS - methods:
        response = client.generic(method, path, b"", content_type=JSON)
        assert_error(response, 405)
        allowed = set(response["Allow"].split(", "))
        assert allowed - {"OPTIONS", "HEAD"} == methods


@pytest.mark.parametrize("path", ADDRESSES)
def test_options_are_for_callers_with_a_token(client: APIClient, path: str) -> None:
    assert client.options(path).status_code == 200
    if not path.startswith("/login"):
        assert_error(APIClient().options(path), 401)


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_trailing_slash_leads_nowhere(client: APIClient, path: str) -> None:
    for method in ADDRESSES[path]:
        response = client.generic(method, f"{path}/", b"", content_type=JSON)
        if path.startswith("/login/refreshToken/"):
            assert_error(response, 401)  # a token may have slashes
        else:
            assert_error(response, 404 if response.status_code == 404 else 400)


# -- names, on a real web node with the lane before it -------------------------------------------

NAMES = ["größe & Maß", "a+b;c=d", "~A~", "日本", "a b", "..."]


@pytest.mark.parametrize("name", NAMES)
def test_a_percent_encoded_name_is_the_name(web_node: WebNode, name: str) -> None:
    body = {"runtimeType": "Python", "code": "answer = 1"}
    path = f"{quote(name, safe='')}/{quote(name + ' 1.0', safe='')}"
    with web_node.sign_in() as client:
        assert client.post(f"/services/{path}", json=body).json() == f"{name} 1.0"
        try:
            (described,) = client.get(f"/services/{path}").json()
            assert (described["name"], described["version"]) == (name, f"{name} 1.0")
            assert f"/api/{path}" in client.get(f"/api/{path}/swagger.json").json()["paths"]
            assert client.post(f"/api/{path}", json={}).json()["success"] is True
        finally:
            assert client.delete(f"/services/{path}").status_code == 200
