"""The realtime and pool calls of the official Python client against a real one-box."""

import uuid
from typing import Any

import pandas as pd
import pytest
from azureml.common.http_client import HttpException
from mlops_realtime import realtime_model
from sklearn.tree import DecisionTreeClassifier

from tests.nodes.runtime.realtime.models import adding, contained
from tests.nodes.runtime.running import wait_until

pytestmark = pytest.mark.any_database

FRAME = pd.DataFrame({"x": [1.0, 2.5]})


def consumed(service: Any) -> list[float]:
    response = service.consume(FRAME)
    assert response.error == ""
    return list(response.output("outputData")["y"])


def test_a_model_is_deployed_and_scores_a_frame(client: Any, name: str) -> None:
    service = client.deploy_realtime(
        name, version="v1", description="Adds", serialized_model=contained(adding(2.0))
    )
    assert consumed(service) == [3.0, 4.5]
    described = service.capabilities()
    assert (described["version"], described["description"]) == ("v1", "Adds")
    assert f'"/api/{name}/v1"' in service.swagger()
    assert client.delete_service(name, version="v1") is True


def test_a_scikit_learn_model_is_deployed_and_scores_classes(client: Any, name: str) -> None:
    flowers = pd.DataFrame({"length": [1.0, 2.0, 3.0, 4.0], "width": [4.0, 3.0, 1.0, 2.0]})
    fitted = DecisionTreeClassifier(random_state=0).fit(flowers, ["a", "a", "b", "b"])
    blob = realtime_model(fitted, flowers, response="species")
    service = client.deploy_realtime(name, version="v1", serialized_model=blob, alias="classify")
    answered = service.classify(flowers).output("outputData")
    assert list(answered) == ["species_Pred", "probabilities.a", "probabilities.b"]
    assert list(answered["species_Pred"]) == ["a", "a", "b", "b"]
    assert list(answered["probabilities.b"]) == [0.0, 0.0, 1.0, 1.0]


def test_without_version_a_guid_is_made_and_the_alias_is_the_method(client: Any, name: str) -> None:
    service = client.deploy_realtime(name, alias="add", serialized_model=contained(adding(2.0)))
    version = service.capabilities()["version"]
    assert str(uuid.UUID(version)) == version
    assert list(service.add(FRAME).output("outputData")["y"]) == [3.0, 4.5]


def test_a_redeployed_model_takes_the_place_of_the_old_one(client: Any, name: str) -> None:
    model = contained(adding(2.0))
    client.deploy_realtime(name, version="v1", description="Adds", serialized_model=model)
    service = client.redeploy_realtime(name, version="v1", serialized_model=contained(adding(-1.0)))
    assert consumed(service) == [0.0, 1.5]
    assert service.capabilities()["description"] == "Adds"


def test_a_model_of_the_original_is_refused(client: Any, name: str) -> None:
    with pytest.raises(HttpException) as raised:
        client.deploy_realtime(name, version="v1", serialized_model=b"blob" + bytes(100))
    assert raised.value.status == 400
    assert client.list_services(name) == []


def test_records_of_frames_are_scored_in_a_batch(client: Any, name: str) -> None:
    service = client.deploy_realtime(name, version="v1", serialized_model=contained(adding(2.0)))
    batch = service.batch([{"inputData": {"x": [number]}} for number in (0.0, 1.0)]).start()
    wait_until(lambda: batch.results().state in ("Complete", "Failed"), seconds=120)
    results = batch.results()
    outputs = [results.execution(index).output("outputData") for index in (0, 1)]
    assert [list(output["y"]) for output in outputs] == [[2.0], [3.0]]


def test_a_pool_is_built_watched_and_deleted_as_the_client_of_9_3_does(
    client: Any, name: str
) -> None:
    service = client.deploy_service(
        name, version="v1", code_str="answer = x", inputs={"x": int}, outputs={"answer": int}
    )
    http, pool = client._http_client, f"/services/{name}/v1/pool"
    sizes = {"InitialPoolSize": 1, "MaxPoolSize": 1}
    assert http.post(pool, json=sizes).status_code == 200

    def statuses() -> set[str]:
        return {entry["status"] for entry in http.get(pool).json()}

    wait_until(lambda: statuses() == {"Success"}, seconds=120)
    assert service.consume(3).output("answer") == 3
    assert http.delete(pool).status_code == 200
    wait_until(lambda: statuses() == {"NotFound"}, seconds=120)
    assert service.consume(4).output("answer") == 4
