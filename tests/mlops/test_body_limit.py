"""Bodies that are too large, against a web node that takes 2 MiB of JSON and 4 MiB of upload."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.nodes.web import WebNode, start_web_node

pytestmark = pytest.mark.any_database

MIB = 1024**2
UPLOADS = [
    "/sessions/x/workspace/y",
    "/sessions/x/files",
    "/realtime-services/a/b",
    "/console/uploads/x/",
]
OTHERS = ["/sessions", "/services/a", "/api/a/1/batch", "/sessions/x/snapshot", "/workspace"]


@pytest.fixture(scope="module")
def web_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebNode]:
    data_dir: Path = tmp_path_factory.mktemp("web-node")
    limits = {"MLOPS_MAX_JSON_BYTES": str(2 * MIB), "MLOPS_MAX_UPLOAD_BYTES": str(4 * MIB)}
    node = start_web_node(data_dir, **limits)
    yield node
    node.stop()


@pytest.fixture(scope="module")
def client(web_node: WebNode) -> Iterator[httpx.Client]:
    with web_node.sign_in() as client:
        yield client


def zeros(n_bytes: int) -> Iterator[bytes]:
    while n_bytes > 0:
        yield bytes(min(n_bytes, 65536))
        n_bytes -= 65536


def assert_refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["connection"] == "close"
    assert set(answer.json()) == {"message", "link", "exceptionType", "code", "fields"}
    assert answer.json()["code"] == status


@pytest.mark.parametrize("path", OTHERS)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(
    client: httpx.Client, path: str, is_chunked: bool
) -> None:
    size = 2 * MIB + 1
    answer = client.post(path, content=zeros(size) if is_chunked else bytes(size))
    assert_refused(answer, 413)
    assert str(2 * MIB) in answer.json()["message"]


def test_an_announced_body_beyond_the_limit_does_not_reach_the_scoring_lane(
    client: httpx.Client,
) -> None:
    assert_refused(client.post("/api/a/1", content=bytes(2 * MIB + 1)), 413)


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_upload_beyond_its_own_limit_is_refused(
    client: httpx.Client, path: str, is_chunked: bool
) -> None:
    size = 4 * MIB + 1
    answer = client.post(path, content=zeros(size) if is_chunked else bytes(size))
    assert_refused(answer, 413)
    assert str(4 * MIB) in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "size"),
    [*((path, 4 * MIB) for path in UPLOADS), *((path, 2 * MIB) for path in OTHERS)],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_of_just_the_limit_is_passed_on(
    client: httpx.Client, path: str, size: int, is_chunked: bool
) -> None:
    answer = client.post(path, content=zeros(size) if is_chunked else bytes(size))
    assert answer.status_code in (400, 403, 404, 405)


@pytest.mark.parametrize("path", [*UPLOADS, *OTHERS, "/login"])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("token", ["", "Bearer forged", "Basic YTpi"])
def test_strangers_may_send_a_megabyte_and_no_more(
    web_node: WebNode, path: str, is_chunked: bool, token: str
) -> None:
    headers = {"Authorization": token} if token else {}
    size = MIB + 1
    body = zeros(size) if is_chunked else bytes(size)
    answer = web_node.http.post(path, content=body, headers=headers)
    assert_refused(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    within = web_node.http.post("/login", content=bytes(MIB), headers=headers)
    assert within.json()["exceptionType"] == "NotSignedIn"
    assert "megabyte" not in within.json()["message"]


def test_an_announced_giant_is_refused_before_it_is_sent(web_node: WebNode) -> None:
    with socket.create_connection(("127.0.0.1", web_node.port), timeout=60) as raw:
        raw.sendall(
            b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")


def test_the_next_request_finds_the_node_well(web_node: WebNode, client: httpx.Client) -> None:
    assert client.post("/sessions", content=bytes(3 * MIB)).status_code == 413
    assert client.get("/sessions").status_code == 200
    assert "Traceback" not in web_node.log.read_text()
