"""Calls from pages of other origins, against a web node that allows two of them."""

from collections.abc import Iterator

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured

from mlops.cors import checked_origins, with_cors
from tests.mlops.layers import get, handed_in
from tests.nodes.web import WebNode, start_web_node

pytestmark = pytest.mark.any_database

ORIGIN = "https://app.example.com"
OTHER = "http://localhost:3000"
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebNode]:
    web_node = start_web_node(
        tmp_path_factory.mktemp("web-node"), MLOPS_CORS_ORIGINS=f"{ORIGIN}, {OTHER}"
    )
    yield web_node
    web_node.stop()


def preflight(
    node: WebNode, origin: str, method: str = "POST", path: str = "/services/a"
) -> httpx.Response:
    return node.http.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,accept",
        },
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/services/a", "/api/a/v1"])
def test_a_preflight_is_answered_without_a_token(node: WebNode, method: str, path: str) -> None:
    answer = preflight(node, ORIGIN, method, path)
    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == ORIGIN
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert {"authorization", "content-type", "accept"} <= set(allowed.split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["correlationid"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com:444",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com.evil.org",
        "https://example.com",
        "null",
    ],
)
def test_an_origin_that_is_not_exactly_one_of_the_list_is_not_allowed(
    node: WebNode, origin: str
) -> None:
    assert ALLOWED not in preflight(node, origin).headers
    answer = node.http.get("/ping", headers={"Origin": origin})
    assert answer.status_code == 200
    assert ALLOWED not in answer.headers


def assert_readable(answer: httpx.Response, status: int, origin: str) -> None:
    """A page of `origin` may read the answer and its id."""
    assert answer.status_code == status
    assert answer.headers[ALLOWED] == origin
    assert "origin" in answer.headers["vary"].lower()
    assert answer.headers["access-control-expose-headers"] == "CorrelationId"


@pytest.mark.parametrize("origin", [ORIGIN, OTHER])
def test_answers_and_refusals_can_be_read_by_pages_of_the_list(node: WebNode, origin: str) -> None:
    headers = {"Origin": origin}
    forged = {**headers, "Authorization": "Bearer x"}
    call = node.http.request
    with node.sign_in() as client:
        assert_readable(client.get("/services", headers=headers), 200, origin)
        assert_readable(client.post("/api/no/v1", headers=headers), 404, origin)
    assert_readable(call("GET", "/services", headers=headers), 401, origin)
    assert_readable(call("POST", "/api/no/v1", headers=forged), 401, origin)  # the lane
    too_much = bytes(1024**2 + 1)
    assert_readable(call("POST", "/services/a", content=too_much, headers=headers), 401, origin)
    assert_readable(call("GET", "/no/such/path", headers=headers), 404, origin)


def test_by_default_no_origin_is_allowed(web_node: WebNode) -> None:
    answer = web_node.http.get("/ping", headers={"Origin": ORIGIN})
    assert ALLOWED not in answer.headers
    assert "vary" not in answer.headers or "Origin" not in answer.headers["vary"]
    assert preflight(web_node, ORIGIN).status_code == 401


def test_a_star_allows_every_origin_without_credentials() -> None:
    answer = get(with_cors(handed_in, ["*"]), headers={"Origin": "https://any.example.org"})
    assert answer.headers[ALLOWED] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["app.example.com", "https://app.example.com/", "https://*", "ftp://x", "null"]
)
def test_what_no_browser_sends_as_origin_stops_the_start(origin: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="MLOPS_CORS_ORIGINS"):
        checked_origins([ORIGIN, origin])
