"""Two web nodes on one PostgreSQL, with one compute node behind them."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest

from tests.database_option import own_database
from tests.nodes.runtime.running import RunningNode, wait_until
from tests.nodes.web import PASSWORD, WebNode
from tests.ports import free_port

pytestmark = pytest.mark.postgresql

SERVICE = {"code": "answer = 1", "runtimeType": "Python", "outputParameterDefinitions": [
    {"name": "answer", "type": "integer"}]}  # fmt: skip
CREATE_ADMIN = f"""
from mlops.accounts.actions import set_password
set_password(username="admin", password={PASSWORD!r})
"""


@pytest.fixture(scope="module")
def web_nodes(
    tmp_path_factory: pytest.TempPathFactory, compute_node: RunningNode
) -> Iterator[list[WebNode]]:
    """Both, started at once on an empty database."""
    directories = [tmp_path_factory.mktemp(name) for name in ("left", "right")]
    shared = own_database() | {
        "MLOPS_CLUSTER_KEY": compute_node.cluster_key,
        "MLOPS_TOKEN_SIGNING_KEY_FILE": str(directories[0] / "token_signing_key.pem"),
        "MLOPS_SECRET_KEY": "the same on both",
    }
    nodes = [WebNode(directory, free_port(), shared) for directory in directories]
    with ThreadPoolExecutor() as pool:
        list(pool.map(WebNode.start, nodes))
    nodes[0].run(CREATE_ADMIN)
    nodes[0].declare(f"{compute_node.address}/")
    yield nodes
    for node in nodes:
        node.stop()


@pytest.fixture(scope="module")
def left(web_nodes: list[WebNode]) -> Iterator[httpx.Client]:
    with web_nodes[0].sign_in() as client:
        yield client


@pytest.fixture(scope="module")
def right(web_nodes: list[WebNode], left: httpx.Client) -> Iterator[httpx.Client]:
    """The other node, called with the token that the first one gave."""
    with httpx.Client(
        base_url=web_nodes[1].url, headers={"Authorization": left.headers["Authorization"]},
        timeout=120,
    ) as client:  # fmt: skip
        yield client


def answer_of(client: httpx.Client, path: str) -> object:
    """What the service says; the status when it says nothing."""
    response = client.post(path, json={})
    if response.status_code != 200:
        return response.status_code
    return response.json()["outputParameters"]["answer"]


def test_a_start_of_two_on_an_empty_database_makes_the_tables_once(
    web_nodes: list[WebNode],
) -> None:
    for node in web_nodes:
        assert node.http.get("/ping").status_code == 200
        assert "Traceback" not in node.log.read_text()


def test_one_of_two_that_publish_the_same_wins(left: httpx.Client, right: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        calls = [
            pool.submit(client.post, f"/services/race/v{number}", json=SERVICE)
            for number in range(8)
            for client in (left, right)
        ]
        statuses = [call.result().status_code for call in calls]
    assert sorted(statuses) == [201] * 8 + [409] * 8
    assert len(right.get("/services/race").json()) == 8


def test_what_is_published_patched_and_deleted_on_one_counts_on_the_other(
    left: httpx.Client, right: httpx.Client
) -> None:
    path, called = "/services/shared/v1", "/api/shared/v1"
    assert answer_of(right, called) == 404
    assert left.post(path, json=SERVICE).status_code == 201
    assert answer_of(right, called) == 1  # looked for at once, because unknown
    assert left.patch(path, json={"code": "answer = 2"}).status_code == 200
    wait_until(lambda: answer_of(right, called) == 2)
    assert left.delete(path).status_code == 200
    wait_until(lambda: answer_of(right, called) == 404)


def test_a_batch_started_on_one_is_listed_shown_and_cancelled_on_the_other(
    left: httpx.Client, right: httpx.Client
) -> None:
    assert left.post("/services/batched/v1", json=SERVICE).status_code == 201
    path = "/api/batched/v1/batch"
    batch = left.post(path, json=[{}, {}]).json()["batchExecutionId"]
    assert right.get(path).json() == [batch]
    assert right.get(f"{path}/{batch}").json()["totalItemCount"] == 2
    assert right.delete(f"{path}/{batch}").status_code == 200
    assert left.get(f"{path}/{batch}").status_code == 404


def test_a_token_is_good_on_both_until_it_is_revoked_on_one(web_nodes: list[WebNode]) -> None:
    one, other = web_nodes
    body = {"username": "admin", "password": PASSWORD}
    first = one.http.post("/login", json=body).json()
    second = other.http.post(
        "/login/refreshToken", json={"refreshToken": first["refresh_token"]}
    ).json()

    def status(node: WebNode, pair: dict[str, str]) -> int:
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        return node.http.get("/services", headers=headers).status_code

    assert [status(node, first) for node in web_nodes] == [401, 401]
    assert [status(node, second) for node in web_nodes] == [200, 200]
    query = {"refreshToken": second["refresh_token"]}
    assert one.http.delete("/login/refreshToken", params=query).status_code == 200
    assert [status(node, second) for node in web_nodes] == [401, 401]


_SLACK_SECONDS = 9  # for a machine that does other things meanwhile


def statuses(client: httpx.Client) -> list[int]:
    """Those of a REST call and of a scoring call."""
    calls = [client.get("/services"), client.post("/api/open/v1", json={})]
    return [call.status_code for call in calls]


def shuts_within_a_second(node: WebNode, bearer: str, act: Callable[[], object]) -> bool:
    """Whether both ways into the node, which knows the caller already, are shut after `act`."""
    with node.client(Authorization=f"Bearer {bearer}") as client:
        assert statuses(client) == [200, 200]
        act()
        done = time.monotonic()
        while (found := statuses(client)) != [401, 401]:
            if time.monotonic() - done > 1 + _SLACK_SECONDS:
                return False
            assert found[0] == 401  # the database is asked each time
    return True


@pytest.fixture
def service(left: httpx.Client) -> None:
    left.post("/services/open/v1", json=SERVICE)


def test_a_revocation_on_one_counts_on_the_other_within_a_second(
    web_nodes: list[WebNode], service: None
) -> None:
    one, other = web_nodes
    pair = one.http.post("/login", json={"username": "admin", "password": PASSWORD}).json()
    query = {"refreshToken": pair["refresh_token"]}
    assert shuts_within_a_second(
        other,
        pair["access_token"],
        lambda: one.http.delete("/login/refreshToken", params=query).raise_for_status(),
    )


def test_a_refresh_token_used_again_on_one_ends_the_login_on_the_other_within_a_second(
    web_nodes: list[WebNode], service: None
) -> None:
    one, other = web_nodes
    stolen = one.http.post("/login", json={"username": "admin", "password": PASSWORD}).json()
    body = {"refreshToken": stolen["refresh_token"]}
    newest = one.http.post("/login/refreshToken", json=body).json()

    def reuse() -> None:
        assert one.http.post("/login/refreshToken", json=body).status_code == 401

    assert shuts_within_a_second(other, newest["access_token"], reuse)


def test_an_api_key_revoked_on_one_is_dead_on_the_other_within_a_second(
    web_nodes: list[WebNode], service: None, left: httpx.Client
) -> None:
    made = left.post("/apikeys", json={"name": "shared"}).json()
    assert shuts_within_a_second(
        web_nodes[1], made["key"], lambda: left.delete(f"/apikeys/{made['id']}").raise_for_status()
    )


def test_a_service_account_removed_on_one_is_out_on_the_other_within_a_second(
    web_nodes: list[WebNode], service: None, left: httpx.Client
) -> None:
    left.post("/serviceaccounts", json={"name": "robot", "role": "Reader"}).raise_for_status()
    made = left.post("/apikeys", json={"name": "shared", "account": "robot"}).json()
    assert shuts_within_a_second(
        web_nodes[1], made["key"], lambda: left.delete("/serviceaccounts/robot").raise_for_status()
    )


def test_a_new_token_key_is_taken_up_by_running_nodes(
    web_nodes: list[WebNode], service: None
) -> None:
    one, other = web_nodes
    credentials = {"username": "admin", "password": PASSWORD}
    before = one.http.post("/login", json=credentials).json()["access_token"]
    one.run("from django.core.management import call_command; call_command('rotate_token_key')")
    after = one.http.post("/login", json=credentials).json()["access_token"]
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    for node in (one, other):
        for token in (before, after):
            with node.client(Authorization=f"Bearer {token}") as client:
                assert statuses(client) == [200, 200]


def test_a_session_opened_on_one_is_used_and_closed_on_the_other(
    left: httpx.Client, right: httpx.Client
) -> None:
    opened = left.post("/sessions", json={"runtimeType": "Python"})
    address = f"/sessions/{opened.json()['sessionId']}"
    assert right.post(f"{address}/workspace/x", content=b"\x80\x04K\x07.").status_code == 200
    assert left.get(f"{address}/workspace").json() == ["x"]
    snapshot = left.post(f"{address}/snapshot").json()["snapshotId"]
    assert right.get(f"/snapshots/{snapshot}").status_code == 200
    assert right.delete(address).status_code == 200
    assert left.get(f"{address}/workspace").status_code == 404


def test_a_compute_node_removed_on_one_is_called_by_neither(
    left: httpx.Client, right: httpx.Client
) -> None:
    assert left.post("/services/moved/v1", json=SERVICE).status_code == 201
    entries = {"entries": right.get("/computenodes").json()["computeNodes"]}
    assert answer_of(right, "/api/moved/v1") == 1
    assert left.request("DELETE", "/computenodes", json=entries).status_code == 200
    wait_until(lambda: answer_of(right, "/api/moved/v1") == 503)
    assert right.put("/computenodes", json=entries).status_code == 200
    wait_until(lambda: answer_of(left, "/api/moved/v1") == 1)


def test_both_report_the_same_status(left: httpx.Client, right: httpx.Client) -> None:
    def components(client: httpx.Client) -> object:
        return client.get("/status").json()["components"]

    wait_until(lambda: components(left) == components(right))  # once shells have come and gone
    assert left.get("/status").json()["statusCode"] == "pass"


def test_one_goes_on_when_the_other_is_killed(
    web_nodes: list[WebNode], left: httpx.Client, right: httpx.Client
) -> None:
    assert left.post("/services/survivor/v1", json=SERVICE).status_code == 201
    web_nodes[0].stop(signal.SIGKILL)
    assert answer_of(right, "/api/survivor/v1") == 1
    web_nodes[0].http = httpx.Client(base_url=web_nodes[0].url, timeout=120)
    web_nodes[0].start()
    assert answer_of(left, "/api/survivor/v1") == 1
