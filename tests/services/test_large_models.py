"""A large model on its way through a real web node to a real compute node."""

import os

import pytest
from onnx import helper

from tests.nodes.runtime.realtime.models import FLOAT, contained, model
from tests.nodes.web import WebNode

MIB = 1024**2


@pytest.fixture(scope="module")
def large_model() -> bytes:
    """A model of 64 MiB that adds 1 to `x`; most of it is weights that it does not need."""
    weights = helper.make_tensor("weights", FLOAT, [16, MIB], os.urandom(64 * MIB), raw=True)
    return contained(
        model(
            [helper.make_node("Add", ["x", "one"], ["y"])],
            [("x", FLOAT, [None, 1])],
            [("y", FLOAT, [None, 1])],
            constants=[weights, helper.make_tensor("one", FLOAT, [1], [1.0])],
        )
    )


def test_a_large_model_is_published_and_scored_without_being_held_in_memory(
    web_node: WebNode, large_model: bytes
) -> None:
    with web_node.sign_in() as client:
        client.get("/services")
        before = web_node.peak_memory()
        answer = client.post(
            "/realtime-services/large/v1",
            files={"model": ("model", large_model)},
            data={"operationId": "predict"},
        )
        assert (answer.status_code, answer.json()) == (201, "v1"), answer.text
        scored = client.post("/api/large/v1", json={"inputData": {"x": [1]}})
        assert scored.json()["outputParameters"] == {"outputData": {"y": [2.0]}}
        assert web_node.peak_memory() - before < 40 * MIB
        assert client.delete("/services/large/v1").status_code == 200


def test_a_file_sent_where_a_text_belongs_is_not_held_in_memory(
    web_node: WebNode, large_model: bytes
) -> None:
    with web_node.sign_in() as client:
        client.get("/services")
        before = web_node.peak_memory()
        answer = client.post(
            "/realtime-services/large/v2", files={"description": ("model", large_model)}
        )
        assert answer.status_code == 400
        assert "belongs in the part called model" in answer.json()["message"]
        assert web_node.peak_memory() - before < 40 * MIB
