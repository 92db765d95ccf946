"""Capacity evaluation and traces of services on a real web node with a real compute node."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops.accounts.models import TokenFamily, User
from nodes.stopwatch import STAGES
from services.capacity.evaluation import CannotMeasure, evaluate
from services.capacity.options import LATENCY, THREAD, Options
from services.diagnostics.trace_service import trace_service
from services.web_node import signed_in
from tests.nodes.web import WebNode

pytestmark = [pytest.mark.any_database, pytest.mark.django_db(transaction=True)]

NAME, VERSION = "capacity-churn", "v1"
CHURN: dict[str, Any] = {
    "code": "answer = x + 1",
    "runtimeType": "Python",
    "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
    "outputParameterDefinitions": [{"name": "answer", "type": "numeric"}],
}
INPUTS = '{"x": 1}'
SERVICE = {"service": NAME, "version": VERSION, "inputs": INPUTS}


@pytest.fixture(scope="module")
def owner(web_node: WebNode) -> Iterator[httpx.Client]:
    client = web_node.sign_in()
    client.post(f"/services/{NAME}/{VERSION}", json=CHURN).raise_for_status()
    yield client
    client.close()


def token_of(client: httpx.Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


def test_the_default_service_is_measured_and_deleted(
    web_node: WebNode, owner: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    steps = ("--min-thread", "2", "--max-thread", "4", "--increment", "2", "--seconds", "1")
    run = subprocess.run(
        web_node.command(
            *("capacity", "--strategy", "thread", *steps),
            *("--endpoint", web_node.url, "--report", str(path)),
        ),
        capture_output=True,
        text=True,
        check=False,
        **web_node.surroundings(),
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == f"Calling [default-service] at {web_node.url}."
    assert any(line.strip().startswith("Average latency is ") for line in lines)
    assert lines[-2].startswith("4 threads: the average server-side time is ")
    assert lines[-1] == f"Report: {path}"
    assert "2 threads" in path.read_text()
    assert {each["name"] for each in owner.get("/services").json()} == {NAME}


def test_the_stages_add_up_and_a_latency_ends_it(
    web_node: WebNode, owner: httpx.Client, admin: User
) -> None:
    told: list[dict[str, Any]] = []
    report = evaluate(
        user=admin,
        options=Options(LATENCY, latency=1, seconds=0.5, **SERVICE),
        endpoint=web_node.url,
        token=token_of(owner),
        on_progress=told.append,
    )
    assert report["stopped"] == "The average latency is above 1 ms."
    (step,) = report["steps"]
    assert step["failed"] == 0
    assert told[-1]["steps"][-1]["threads"] == step["threads"] == 10
    for _, total, web, *parts in step["points"]:
        assert min(total, web, *parts) >= 0
        assert len(parts) == len(STAGES) - 1
        assert sum(parts) <= web + 0.01
        assert web <= total + 0.01


def test_it_can_be_cancelled(web_node: WebNode, owner: httpx.Client, admin: User) -> None:
    report = evaluate(
        user=admin,
        options=Options(THREAD, min_threads=1, seconds=60, **SERVICE),
        endpoint=web_node.url,
        token=token_of(owner),
        is_cancelled=lambda: True,
    )
    assert report["stopped"] == "It was cancelled."
    assert len(report["steps"]) == 1


def test_what_never_answers_well_cannot_be_measured(
    web_node: WebNode, owner: httpx.Client, admin: User
) -> None:
    options = Options(THREAD, service=NAME, version="v9")
    with pytest.raises(CannotMeasure, match="404"):
        evaluate(user=admin, options=options, endpoint=web_node.url, token=token_of(owner))


def test_a_contributors_token_is_told_no_stages(
    web_node: WebNode, owner: httpx.Client, admin: User
) -> None:
    account = {"name": "capacity-robot", "role": "Contributor"}
    owner.post("/serviceaccounts", json=account).raise_for_status()
    body = {"name": "test", "account": account["name"]}
    key = owner.post("/apikeys", json=body).raise_for_status().json()["key"]
    options = Options(THREAD, **SERVICE)
    with pytest.raises(CannotMeasure, match="no Owner's"):
        evaluate(user=admin, options=options, endpoint=web_node.url, token=key)


def test_a_call_is_traced_and_its_id_is_in_the_log(
    web_node: WebNode, owner: httpx.Client, admin: User
) -> None:
    report = trace_service(
        user=admin,
        name=NAME,
        version=VERSION,
        inputs=INPUTS,
        endpoint=web_node.url,
        token=token_of(owner),
    )
    assert report["outputParameters"] == {"answer": 2}
    names = {step["name"] for step in report["steps"]}
    assert {"Token and permission", "Routing", *list(STAGES.values())[1:3]} <= names
    assert report["id"] in web_node.log.read_text()


def test_the_token_made_for_a_run_is_dead_afterwards(admin: User) -> None:
    with signed_in(admin) as web_node:
        assert web_node.token
        assert TokenFamily.objects.alive().exists()
    assert not TokenFamily.objects.alive().exists()
