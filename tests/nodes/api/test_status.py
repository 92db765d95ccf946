"""/status (wire-api section 6)."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from rest_framework.test import APIClient

from mlops.accounts.models import User
from nodes import status
from nodes.models import NodeEntry, NodeHealth
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import RunningNode, wait_until
from tests.ports import free_port
from tests.services.api.exchange import body_of, error_of

GONE = "http://127.0.0.1:1/"  # where nothing ever listens


@pytest.fixture
def client(bob: User, client_for: Callable[[User], APIClient]) -> APIClient:
    return client_for(bob)


def status_of(client: APIClient) -> Any:
    return body_of(client.get("/status"), 200, "getStatus")


def declare(*uris: str) -> None:
    for uri in uris:
        NodeEntry.objects.create(uri=uri)


def backends_of(client: APIClient) -> tuple[str, dict[str, str]]:
    """The roll-up, and the status of each compute node."""
    backends = status_of(client)["components"]["backends"]
    return backends["statusCode"], {
        address: node["statusCode"] for address, node in backends["components"].items()
    }


def answering(report: dict[str, Any]) -> Callable[[Peer], Any]:
    async def answer(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.answer(json.dumps(report).encode())

    return answer


def runtime(*, available: bool = True, can_open: bool = True) -> dict[str, Any]:
    figures = {"maxPoolSize": 80, "activeShellCount": 1, "currentPoolSize": 5}
    return {"available": available, "canOpenShell": can_open, **figures}


def test_the_whole_report_to_the_letter(client: APIClient) -> None:
    report = {
        "runtimes": {"Python": runtime(can_open=False), "R": runtime()},
        "apiVersion": "1.0",
        "logPath": "/var/log/node",
        "version": "9",
    }
    with serving_in_thread(answering(report)) as server:
        address = f"{server.url}/"
        declare(address)
        response = client.get("/status")
    is_sqlite = connection.vendor == "sqlite"
    expected = {
        "statusCode": "pass",
        "details": {"logPath": str(settings.LOG_DIR)},
        "components": {
            "backends": {
                "statusCode": "pass",
                "details": {},
                "components": {
                    address: {
                        "statusCode": "pass",
                        "details": {
                            "rMaxPoolSize": 80,
                            "rActiveShellCount": 1,
                            "rCurrentPoolSize": 5,
                            "rCanOpenShell": "True",
                            "pythonMaxPoolSize": 80,
                            "pythonActiveShellCount": 1,
                            "pythonCurrentPoolSize": 5,
                            "pythonCanOpenShell": "False",
                            "apiVersion": "1.0",
                            "logPath": "/var/log/node",
                        },
                        "components": None,
                    }
                },
            },
            "authentication": {
                "statusCode": "pass",
                "details": {},
                "components": {
                    "localAdmin": {"statusCode": "pass", "details": {}, "components": None}
                },
            },
            "database": {
                "statusCode": "pass",
                "details": {
                    "type": "sqlite" if is_sqlite else "postgresql",
                    "name": "main" if is_sqlite else connection.settings_dict["NAME"],
                    "state": "Open",
                },
                "components": None,
            },
        },
    }
    assert body_of(response, 200, "getStatus") == expected
    assert response.content.decode() == json.dumps(expected, separators=(",", ":"))


def test_a_runtime_that_is_not_installed_is_left_out(client: APIClient) -> None:
    report = {"runtimes": {"Python": runtime(), "R": runtime(available=False)}}
    with serving_in_thread(answering(report)) as server:
        declare(f"{server.url}/")
        (node,) = status_of(client)["components"]["backends"]["components"].values()
    assert node["statusCode"] == "pass"
    assert [name for name in node["details"] if name.startswith("r")] == []


def test_a_real_node_passes(client: APIClient, declared_node: RunningNode) -> None:
    wait_until(lambda: declared_node.health()["currentPoolSize"] > 0)
    (node,) = status_of(client)["components"]["backends"]["components"].values()
    assert node["statusCode"] == "pass"
    assert node["details"]["pythonCurrentPoolSize"] > 0
    assert node["details"]["pythonCanOpenShell"] == "True"
    assert node["details"]["apiVersion"] == "1.0"
    assert node["details"]["logPath"]


def test_a_node_of_another_major_version_fails_with_the_reason(client: APIClient) -> None:
    report = {"apiVersion": "2.0", "runtimes": {"Python": runtime()}}
    with serving_in_thread(answering(report)) as server:
        declare(f"{server.url}/")
        (node,) = status_of(client)["components"]["backends"]["components"].values()
    assert node["statusCode"] == "fail"
    assert node["details"]["apiVersion"] == "2.0"
    assert "this web node speaks version 1.0" in node["details"]["reason"]


def test_without_any_node_it_fails(client: APIClient) -> None:
    assert backends_of(client) == ("fail", {})
    assert status_of(client)["statusCode"] == "fail"


def test_with_some_nodes_down_it_warns(client: APIClient, declared_node: RunningNode) -> None:
    declare(GONE)
    code, nodes = backends_of(client)
    assert nodes == {f"{declared_node.address}/": "pass", GONE: "fail"}
    assert code == status_of(client)["statusCode"] == "warn"


def test_with_all_nodes_down_it_fails(client: APIClient) -> None:
    unused = f"http://127.0.0.1:{free_port()}/"
    declare(GONE, unused, "http://127.0.0.1:2-3/")
    assert backends_of(client) == (
        "fail",
        {GONE: "fail", unused: "fail", "http://127.0.0.1:2-3/": "fail"},
    )


def test_absent_members_of_a_range_are_left_out(client: APIClient) -> None:
    with serving_in_thread(answering({"runtimes": {"Python": runtime()}})) as server:
        declare(f"http://127.0.0-1.1-2:{server.port}/")
        assert backends_of(client) == ("pass", {f"http://127.0.0.1:{server.port}/": "pass"})


def test_in_a_large_range_those_are_asked_who_have_answered_before(client: APIClient) -> None:
    with serving_in_thread(answering({"runtimes": {"Python": runtime()}})) as server:
        entry = f"http://127.0.0.0-255:{server.port}-{server.port + 1}/"
        declare(entry)
        assert backends_of(client) == ("fail", {entry: "fail"})
        member = f"{server.url}/"
        now = timezone.now()
        NodeHealth.objects.create(address=member, last_probe_at=now, last_seen_at=now)
        assert backends_of(client) == ("pass", {member: "pass"})


def test_what_does_not_answer_as_a_node_does_fails(
    client: APIClient, declared_node: RunningNode
) -> None:
    with serving_in_thread(answering({"runtimes": "none"})) as server:
        node = {f"{declared_node.address}/": "pass"}
        declare(f"http://127.0.0.1-2:{server.port}/")
        assert backends_of(client) == ("pass", node)  # a proxy may answer for absent members
        declare(f"{server.url}/")
        assert backends_of(client) == ("warn", {**node, f"{server.url}/": "fail"})


def test_all_nodes_are_asked_at_once(client: APIClient) -> None:
    both_asked = threading.Barrier(2)
    reply = answering({"runtimes": {}})

    async def wait_for_the_other(peer: Peer) -> None:
        await asyncio.to_thread(both_asked.wait, 60)
        await reply(peer)

    with serving_in_thread(wait_for_the_other) as one:
        declare(f"{one.url}/", f"http://localhost:{one.port}/")
        assert backends_of(client)[0] == "pass"


def test_without_its_database_the_web_node_cannot_report_itself(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(status, "report", away)
    error = error_of(client.get("/status"), 500, "getStatus")
    assert "database" in error["message"]
