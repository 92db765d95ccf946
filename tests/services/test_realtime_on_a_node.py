"""Realtime calls all the way: real token, real application, real compute nodes."""

from pathlib import Path

import pytest

from mlops.accounts.models import User
from nodes.actions import declare_node
from services.actions.delete import delete_version
from services.actions.patch_realtime import patch_realtime
from services.model_files import ModelFile
from services.schema import Definition
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.realtime.models import FLOAT, STRING, adding, contained, echoing
from tests.nodes.runtime.running import RunningNode, start_node
from tests.services.api.exchange import ERROR_KEYS
from tests.services.create import create_realtime
from tests.services.test_lane_on_a_node import Caller

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/churn/v1"


@pytest.fixture
def caller(bob: User, declared_node: RunningNode) -> Caller:
    return Caller(bob)


def frame(*values: float) -> dict[str, dict[str, list[float]]]:
    return {"inputData": {"x": list(values)}}


def patch(user: User, payload: bytes) -> None:
    with ModelFile() as model:
        model.write(contained(payload))
        patch_realtime(user=user, name="churn", version="v1", model=model, definition=Definition())


def test_a_model_answers_in_columns(alice: User, caller: Caller) -> None:
    create_realtime(alice)
    (response,) = caller.post(PATH, frame(1, 2.5))
    assert response.json() == {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "",
        "changedFiles": [],
        "outputParameters": {"outputData": {"y": [2.0, 3.5]}},
        "outputFiles": {},
    }


def test_a_thousand_rows_in_one_call(alice: User, caller: Caller) -> None:
    create_realtime(alice, payload=echoing(Number=FLOAT, Start=STRING))
    columns = {
        "Number": [float(row) for row in range(1000)],
        "Start": [f"stop {row}" for row in range(1000)],
    }
    (output,) = caller.outputs(PATH, {"inputData": columns})
    assert output["outputData"] == {f"{name}_out": column for name, column in columns.items()}


def test_a_wrong_frame_is_400_and_named(alice: User, caller: Caller) -> None:
    create_realtime(alice)
    (response,) = caller.post(PATH, {"inputData": {"x": ["one"]}})
    assert response.status_code == 400
    assert list(response.json()) == ERROR_KEYS
    assert response.json()["fields"] == "inputData.x"


def test_a_patch_counts_for_the_next_call(alice: User, caller: Caller) -> None:
    create_realtime(alice)
    assert caller.outputs(PATH, frame(1)) == [{"outputData": {"y": [2.0]}}]
    patch(alice, adding(10))
    answers = caller.outputs(PATH, *[frame(1)] * 8)
    assert answers == [{"outputData": {"y": [11.0]}}] * 8
    patch(alice, adding())
    assert caller.outputs(PATH, frame(1)) == [{"outputData": {"y": [2.0]}}]


def test_a_deleted_model_is_404(alice: User, caller: Caller) -> None:
    create_realtime(alice)
    caller.outputs(PATH, frame(1))
    delete_version(user=alice, name="churn", version="v1")
    (response,) = caller.post(PATH, frame(1))
    assert response.status_code == 404


def test_another_node_answers_when_one_is_gone(
    alice: User, caller: Caller, declared_node: RunningNode, tmp_path: Path
) -> None:
    other = start_node(
        tmp_path,
        cluster_key=declared_node.cluster_key,
        environment={"MLOPS_RSCRIPT": NO_R},
    )
    try:
        declare_node(uri=other.address)
        create_realtime(alice, payload=adding(3))
        for _ in range(2):
            answers = caller.outputs(PATH, *[frame(1)] * 12)
            assert answers == [{"outputData": {"y": [4.0]}}] * 12
            other.stop()
    finally:
        other.stop()
