"""Web nodes behind a proxy that speaks TLS, and whom they take for the caller."""

from collections.abc import Iterator

import httpx
import pytest

from mlops.accounts.sign_in.throttle import USER_AT_ADDRESS
from tests.nodes.web import PASSWORD, WebNode, set_up_web_node
from tests.ports import free_port

PAGE = "/console/login/"
WRONG = {"username": "admin", "password": "Wrong-1"}
N_OWN = USER_AT_ADDRESS.n_attempts


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebNode]:
    """A web node that believes a proxy on this machine."""
    node = set_up_web_node(
        tmp_path_factory.mktemp("behind"),
        MLOPS_TRUSTED_PROXIES="127.0.0.1",
        MLOPS_HTTPS_ONLY="true",
    )
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def second(behind: WebNode) -> Iterator[WebNode]:
    """Another one with the same database, which believes nobody."""
    environment = {**behind.environment, "MLOPS_TRUSTED_PROXIES": "192.0.2.1"}
    node = WebNode(behind.data_dir, free_port(), environment)
    node.start()
    yield node
    node.stop()


def get(node: WebNode, address: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{node.url}{address}", headers=headers)


def sign_in(node: WebNode, body: dict[str, str], caller: str) -> int:
    """The status for a caller whose address the proxy, or whoever poses as one, passes on."""
    headers = {"X-Forwarded-For": caller}
    return httpx.post(f"{node.url}/login", json=body, headers=headers).status_code


def test_pages_that_came_by_tls_have_cookies_for_tls_only(behind: WebNode) -> None:
    answer = get(behind, PAGE, **{"X-Forwarded-Proto": "https"})
    assert answer.status_code == 200
    assert answer.headers["Set-Cookie"].startswith("__Host-csrftoken=")
    assert "; Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("address", ["/", PAGE, "/console/services/service/", "/docs"])
def test_pages_in_the_clear_lead_to_tls(behind: WebNode, address: str) -> None:
    answer = get(behind, address, Host="mlops.example.com", **{"X-Forwarded-Proto": "http"})
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"https://mlops.example.com{address}"


@pytest.mark.parametrize(("address", "status"), [("/ping", 200), ("/services", 401)])
def test_calls_are_answered_where_they_are(behind: WebNode, address: str, status: int) -> None:
    assert get(behind, address).status_code == status


def test_callers_behind_a_proxy_are_told_apart(behind: WebNode) -> None:
    for _ in range(N_OWN):
        assert sign_in(behind, WRONG, "203.0.113.1") == 401
    assert sign_in(behind, WRONG, "203.0.113.1") == 429
    assert sign_in(behind, {**WRONG, "password": PASSWORD}, "203.0.113.2") == 200


def test_what_has_failed_on_one_node_counts_on_all(behind: WebNode, second: WebNode) -> None:
    for number in range(N_OWN):
        assert sign_in(second, WRONG, f"203.0.113.{number + 10}") == 401
    assert sign_in(second, WRONG, "203.0.113.20") == 429  # nobody asked it to believe that
    assert sign_in(behind, WRONG, "127.0.0.1") == 429
