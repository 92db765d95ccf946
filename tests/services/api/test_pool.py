"""The pool calls as the bundled clients of the original server make them (clients.md A3, C4)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from nodes.models import NodeEntry
from services.models import DedicatedPool
from services.pools.reconciling import reconcile_pools
from tests.nodes.runtime.running import RunningNode, wait_until
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_version, published

pytestmark = pytest.mark.django_db(transaction=True)

ClientFor = Callable[[User], APIClient]

PATH = "/services/churn/v1/pool"
POST, GET, DELETE = "createOrUpdateServicePool", "getServicePoolStatus", "deleteServicePool"
AWAY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> APIClient:
    create_version(alice)
    return client_for(alice)


def post(client: APIClient, body: Any, path: str = PATH) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    return client.generic("POST", path, raw, content_type="application/json")


def sizes() -> list[tuple[int, int]]:
    return list(DedicatedPool.objects.values_list("initial_size", "max_size"))


def refusal(client: APIClient, status: int, body: Any) -> Any:
    """The error object; fails if anything was changed."""
    before = published()
    error = error_of(post(client, body), status, POST)
    assert published() == before
    return error


def test_creating_answers_at_once_and_the_status_follows_on_each_node(
    client: APIClient, declared_node: RunningNode
) -> None:
    def statuses() -> set[str]:
        return {entry["status"] for entry in body_of(client.get(PATH), 200, GET)}

    assert statuses() == {"NotFound"}
    body = body_of(post(client, {"InitialPoolSize": 1, "MaxPoolSize": 2}), 200, POST)
    assert isinstance(body, str)
    (entry,) = body_of(client.get(PATH), 200, GET)
    assert entry == {
        "computeNodeEndpoint": f"{declared_node.address}/",
        "status": "Pending",
        "ComputeNodeEndpoint": f"{declared_node.address}/",
        "Status": "Pending",
    }
    reconcile_pools()
    wait_until(lambda: statuses() == {"Success"})
    assert isinstance(body_of(client.delete(PATH), 200, DELETE), str)
    reconcile_pools()
    assert statuses() == {"NotFound"}


def test_deleting_may_be_repeated(client: APIClient) -> None:
    post(client, {"InitialPoolSize": 0, "MaxPoolSize": 2})
    for _ in range(2):
        response = client.generic("DELETE", PATH, b"", content_type="application/json")
        body_of(response, 200, DELETE)
    assert sizes() == []


@pytest.mark.parametrize(
    "body",
    [
        {"InitialPoolSize": 1, "MaxPoolSize": 2},
        {"initialPoolSize": 1, "maxPoolSize": 2, "other": 3},
        {"INITIALPOOLSIZE": 1, "maxpoolsize": 2},
    ],
    ids=str,
)
def test_members_match_in_any_case(client: APIClient, body: Any) -> None:
    body_of(post(client, body), 200, POST)
    assert sizes() == [(1, 2)]


def test_posting_again_resizes(client: APIClient) -> None:
    post(client, {"InitialPoolSize": 1, "MaxPoolSize": 2})
    body_of(post(client, {"MaxPoolSize": 1}), 200, POST)
    assert sizes() == [(0, 1)]


@pytest.mark.parametrize("body", [b"", {}, {"InitialPoolSize": 0, "MaxPoolSize": 0}], ids=str)
def test_a_maximum_of_0_takes_the_pool_away(client: APIClient, body: Any) -> None:
    post(client, {"InitialPoolSize": 1, "MaxPoolSize": 2})
    body_of(post(client, body), 200, POST)
    assert sizes() == []


@pytest.mark.parametrize(
    "body",
    [
        {"InitialPoolSize": 2, "MaxPoolSize": 1},
        {"InitialPoolSize": -1, "MaxPoolSize": 1},
        {"InitialPoolSize": 1},
        {"InitialPoolSize": 0, "MaxPoolSize": 10**30},
        {"InitialPoolSize": 0, "MaxPoolSize": 1.5},
        {"InitialPoolSize": "0", "MaxPoolSize": 1},
        {"InitialPoolSize": True, "MaxPoolSize": 1},
        {"InitialPoolSize": None, "MaxPoolSize": 1},
        b'{"MaxPoolSize": NaN}',
        b'{"MaxPoolSize": Infinity}',
        b"[1, 2]",
        b"{",
    ],
    ids=str,
)
def test_sizes_that_cannot_be_right_are_400(client: APIClient, body: Any) -> None:
    refusal(client, 400, body)


def test_a_reader_gets_403_and_may_look(
    client: APIClient, rita: User, client_for: ClientFor
) -> None:
    post(client, {"InitialPoolSize": 1, "MaxPoolSize": 2})
    before = published()
    reader = client_for(rita)
    error_of(post(reader, {"MaxPoolSize": 9}), 403, POST)
    error_of(reader.delete(PATH), 403, DELETE)
    assert published() == before
    body_of(reader.get(PATH), 200, GET)


def test_an_unknown_version_is_404(client: APIClient) -> None:
    path = "/services/churn/v2/pool"
    error_of(client.get(path), 404, GET)
    error_of(post(client, {"MaxPoolSize": 1}, path), 404, POST)
    error_of(client.delete(path), 404, DELETE)


def test_a_declared_node_that_is_away_is_pending_while_a_pool_is_wanted(client: APIClient) -> None:
    NodeEntry.objects.create(uri=AWAY)
    (entry,) = body_of(client.get(PATH), 200, GET)
    assert (entry["ComputeNodeEndpoint"], entry["Status"]) == (f"{AWAY}/", "NotFound")
    post(client, {"MaxPoolSize": 1})
    (entry,) = body_of(client.get(PATH), 200, GET)
    assert entry["Status"] == "Pending"


def test_without_nodes_there_are_no_entries(client: APIClient) -> None:
    post(client, {"MaxPoolSize": 1})
    assert body_of(client.get(PATH), 200, GET) == []
