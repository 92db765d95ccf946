"""A PostgreSQL that goes away under a running web node, and comes back."""

from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import httpx
import pytest

from tests.nodes.runtime.running import wait_until
from tests.nodes.web import WebNode, start_web_node
from tests.postgresql import PASSWORD, Cluster
from tests.services.api.exchange import ERROR_KEYS

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    cluster = Cluster().start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, server: Cluster) -> Iterator[WebNode]:
    url = server.create_database()
    web_node = start_web_node(tmp_path_factory.mktemp("web-node"), MLOPS_DATABASE_URL=url)
    yield web_node
    web_node.stop()


def assert_unavailable(response: httpx.Response) -> None:
    assert response.status_code == 503, response.text
    assert list(response.json()) == ERROR_KEYS
    assert response.json()["code"] == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["correlationid"]


def test_meanwhile_callers_get_503_and_afterwards_all_is_well(
    server: Cluster, node: WebNode
) -> None:
    service = {"code": "x = 1", "runtimeType": "Python"}
    with node.sign_in() as client:
        assert client.post("/services/a/v1", json=service).status_code == 201
        assert client.post("/api/a/v1", json={}).status_code == 503  # without a compute node
        server.stop()
        assert node.http.get("/ping").status_code == 200
        assert_unavailable(client.get("/services"))
        wait_until(lambda: "database" in client.post("/api/a/v1", json={}).json()["message"])
        assert_unavailable(client.post("/api/a/v1", json={}))
        assert_unavailable(client.post("/services/b", content=bytes(1024**2 + 1)))
        assert_unavailable(node.http.post("/login", json={"username": "x", "password": "y"}))
        page = node.http.get("/console/", headers={"Cookie": f"sessionid={32 * 'x'}"})
        assert page.status_code == 503
        assert page.headers["retry-after"] == "1"
        assert "The database cannot be asked at the moment" in page.text
        server.start()
        assert client.get("/services").json()[0]["name"] == "a"
        assert client.delete("/services/a/v1").status_code == 200
        assert client.post("/api/a/v1", json={}).status_code == 404
    assert PASSWORD not in node.log.read_text()


def test_a_start_without_its_server_says_what_to_do(server: Cluster, tmp_path: Path) -> None:
    node = WebNode(tmp_path, 1, {"MLOPS_DATABASE_URL": server.url("postgres")})
    server.stop()
    for command in ("webnode", "onebox", "services", "migrate"):
        ended = run(
            node.command(command),
            **node.surroundings(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        assert "MLOPS_DATABASE_URL" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert PASSWORD not in ended.stderr
