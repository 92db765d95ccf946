"""The official Python client against a real one-box (clients.md part A)."""

import json
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from azureml.common.http_client import HttpException
from sklearn.linear_model import LinearRegression

from tests.clients import official

# The client makes numpy matrices, which numpy would rather see gone.
pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


@pytest.fixture
def model() -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])


def sessions_and_snapshots(client: Any) -> tuple[int, int]:
    http = client._http_client
    return len(http.get("/sessions").json()), len(http.get("/snapshots").json())


@pytest.fixture
def nothing_left_behind(client: Any) -> Iterator[None]:
    before = sessions_and_snapshots(client)
    yield
    assert sessions_and_snapshots(client) == before


# -- functions that the client ships as source ---------------------------------------------------


def predict(x):
    return float(model.predict([[x]])[0])  # `model` is an object of the service


def add(x, y):
    return x + y


def subtract(x, y):
    return x - y


def init():
    import math

    global offset
    offset = math.floor(10.5)


def add_offset(x):
    return x + offset + extra  # noqa: F821 - from init and from the objects


def echo(value):
    return value


def draw(n):
    from pathlib import Path

    print("drawing", n)  # noqa: T201 - what the caller gets as console output
    Path("numbers.txt").write_text("\n".join(str(i) for i in range(n)))
    Path("note.bin").write_bytes(bytes([0, 255, 10]))
    return n


def total(frame):
    return frame.sum().to_frame().T


def fail(x):
    raise ValueError(f"no luck with {x}")


# -- sign-in -------------------------------------------------------------------------------------


def test_a_wrong_password_raises_401(one_box: Any) -> None:
    with pytest.raises(HttpException) as raised:
        official.sign_in(one_box.url, "admin", "not the password")
    assert raised.value.status == 401


def test_an_existing_token_signs_in(one_box: Any, client: Any) -> None:
    token = client._http_client.authorization.removeprefix("Bearer ")
    other = official.DeployClient(one_box.url, use=official.MLServer, auth=token)
    assert isinstance(other.list_services(), list)


# -- deploy and consume --------------------------------------------------------------------------


def test_an_api_key_stands_for_a_token(one_box: Any, client: Any, name: str) -> None:
    client.service(name).version("1").code_fn(add).inputs(x=float, y=float).outputs(
        answer=float
    ).deploy()
    made = client._http_client.post("/apikeys", data=json.dumps({"name": name})).json()
    by_key = official.DeployClient(one_box.url, use=official.MLServer, auth=made["key"])
    result = by_key.get_service(name, version="1").add(2.0, 3.0)
    assert result.output("answer") == 5.0
    client._http_client.delete(f"/apikeys/{made['id']}")
    with pytest.raises(HttpException, match="401"):
        by_key.list_services()


def test_a_model_deployed_with_a_function_predicts_like_the_model(
    client: Any, name: str, model: LinearRegression, nothing_left_behind: None
) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        description="A line",
        code_fn=predict,
        models={"model": model},
        inputs={"x": float},
        outputs={"answer": float},
    )
    response = service.predict(2.5)
    assert response.error == ""
    assert response.output("answer") == pytest.approx(float(model.predict([[2.5]])[0]), abs=1e-12)


def test_init_function_and_objects_are_there_for_the_code(client: Any, name: str) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        code_fn=add_offset,
        init_fn=init,
        objects={"extra": 5},
        inputs={"x": int},
        outputs={"answer": int},
    )
    assert service.add_offset(1).output("answer") == 16


def test_source_text_deploys_without_alias_and_is_called_consume(client: Any, name: str) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        code_str="answer = x * factor",
        init_str="factor = 3",
        inputs={"x": int},
        outputs={"answer": int},
    )
    assert service.consume(14).output("answer") == 42


def test_an_alias_names_the_method(client: Any, name: str) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        code_fn=add,
        alias="plus",
        inputs={"x": float, "y": float},
        outputs={"answer": float},
    )
    assert service.plus(1.5, 2.25).output("answer") == 3.75
    assert service.capabilities()["operation_id"] == "plus"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 7),
        (float, 0.1 + 0.2),
        (str, 'Grüße, 世界 \u2028 "quoted" \\ tail'),
        (bool, True),
        ("numpy.array", np.array([1.5, -2.0, 1e-300])),
        ("numpy.matrix", np.matrix([[1.0, 2.0], [3.0, 4.5]])),
        ("pandas.DataFrame", pd.DataFrame({"b": [1, 2], "a": ["x", "y"], "c": [0.5, 1.5]})),
    ],
    ids=["int", "float", "str", "bool", "array", "matrix", "DataFrame"],
)
def test_each_type_comes_back_as_it_was_sent(client: Any, name: str, kind: Any, value: Any) -> None:
    kind = {
        "numpy.array": np.array,
        "numpy.matrix": np.matrix,
        "pandas.DataFrame": pd.DataFrame,
    }.get(kind, kind)
    service = client.deploy_service(
        name, version="v1", code_fn=echo, inputs={"value": kind}, outputs={"answer": kind}
    )
    response = service.echo(value)
    assert response.error == ""
    answer = response.output("answer")
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(answer, value)
    elif isinstance(value, np.ndarray):
        assert type(answer) is type(value)
        np.testing.assert_array_equal(answer, value)
    else:
        assert answer == value
        assert type(answer) is type(value)


def test_a_data_frame_goes_in_and_out(client: Any, name: str) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        code_fn=total,
        inputs={"frame": pd.DataFrame},
        outputs={"sums": pd.DataFrame},
    )
    frame = pd.DataFrame({"z": [1.0, 2.0], "a": [10.0, 20.0]})
    answer = service.total(frame).output("sums")
    assert list(answer.columns) == ["z", "a"]
    assert answer.iloc[0].tolist() == [3.0, 30.0]


def test_artifacts_and_console_output_come_back(client: Any, name: str) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        code_fn=draw,
        inputs={"n": int},
        outputs={"count": int},
        artifacts=["numbers.txt", "note.bin", "never-written.txt"],
    )
    response = service.draw(3)
    assert response.output("count") == 3
    assert response.console_output.strip() == "drawing 3"
    assert response.artifact("numbers.txt") == b"0\n1\n2"
    assert response.artifact("note.bin") == bytes([0, 255, 10])
    assert sorted(response.artifacts) == ["note.bin", "numbers.txt"]


def test_an_error_of_the_code_comes_back_as_text(client: Any, name: str) -> None:
    service = client.deploy_service(
        name, version="v1", code_fn=fail, inputs={"x": int}, outputs={"answer": int}
    )
    response = service.fail(3)
    assert "no luck with 3" in response.error
    assert response.output("answer") is None


def test_none_travels_both_ways(client: Any, name: str) -> None:
    service = client.deploy_service(
        name,
        version="v1",
        code_str="was_none = value is None\nnothing = None",
        inputs={"value": str},
        outputs={"was_none": bool, "nothing": float},
    )
    response = service.consume(None)
    assert response.output("was_none") is True
    assert response.output("nothing") is None


def test_functions_and_classes_of_a_users_own_script_arrive(one_box: Any, name: str) -> None:
    script = textwrap.dedent(
        """
        import os, sys
        from tests.clients import official

        class Doubler:
            def __init__(self, factor): self.factor = factor
            def __call__(self, x): return helper(x) * self.factor

        def helper(x): return x + 1

        client = official.sign_in(os.environ["URL"], "admin", os.environ["PASSWORD"])
        service = client.deploy_service(
            sys.argv[1], version="v1", code_str="answer = doubler(x)",
            objects={"doubler": Doubler(2), "helper": helper},
            inputs={"x": int}, outputs={"answer": int})
        response = service.consume(20)
        assert response.error == "", response.error
        print(response.output("answer"))
        """
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, name],
        env={"URL": one_box.url, "PASSWORD": one_box.admin_password, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("42", 0), done.stderr


# -- versions ------------------------------------------------------------------------------------


def test_without_version_a_guid_is_made_and_is_the_latest(client: Any, name: str) -> None:
    client.deploy_service(name, version="v1", code_str="a = 1", inputs={}, outputs={"a": int})
    service = client.deploy_service(name, code_str="a = 2", inputs={}, outputs={"a": int})
    version = service.capabilities()["version"]
    assert str(uuid.UUID(version)) == version
    assert service.consume().output("a") == 2
    assert client.get_service(name).capabilities()["version"] == version


def test_services_are_listed_by_name_and_version(client: Any, name: str) -> None:
    for version in ("v2", "v1"):
        client.deploy_service(
            name, version=version, code_str="a = 1", inputs={}, outputs={"a": int}
        )
    assert [s["version"] for s in client.list_services(name)] == ["v2", "v1"]
    assert [s["version"] for s in client.list_services(name, version="v1")] == ["v1"]
    assert {(s["name"], s["version"]) for s in client.list_services()} >= {
        (name, "v1"),
        (name, "v2"),
    }


def test_an_unknown_service_is_a_value_error(client: Any, name: str) -> None:
    assert client.list_services(name) == []
    with pytest.raises(ValueError, match="No service found"):
        client.get_service(name)


def test_the_same_version_twice_is_refused_and_cleans_up(
    client: Any, name: str, nothing_left_behind: None
) -> None:
    client.deploy_service(name, version="v1", code_str="a = 1", inputs={}, outputs={"a": int})
    with pytest.raises(HttpException) as raised:
        client.deploy_service(name, version="v1", code_str="a = 2", inputs={}, outputs={"a": int})
    assert raised.value.status == 409
    assert client.get_service(name, version="v1").consume().output("a") == 1


def test_a_failing_publish_cleans_up_after_itself(
    client: Any, name: str, nothing_left_behind: None
) -> None:
    with pytest.raises(HttpException) as raised:
        client.deploy_service(name, version="v1", code_str="   ", inputs={}, outputs={})
    assert raised.value.status == 400
    assert client.list_services(name) == []


def test_swagger_describes_the_service(client: Any, name: str) -> None:
    service = client.deploy_service(
        name, version="v1", code_fn=add, inputs={"x": float, "y": float}, outputs={"a": float}
    )
    assert f'"/api/{name}/v1"' in service.swagger()


def test_a_deleted_version_is_gone(client: Any, name: str) -> None:
    service = client.deploy_service(
        name, version="v1", code_str="a = 1", inputs={}, outputs={"a": int}
    )
    assert client.delete_service(name, version="v1") is True
    with pytest.raises(HttpException) as raised:
        service.consume()
    assert raised.value.status == 404


# -- redeploy ------------------------------------------------------------------------------------


@pytest.fixture
def published(client: Any, name: str, model: LinearRegression) -> str:
    client.deploy_service(
        name,
        version="v1",
        description="first",
        code_fn=predict,
        models={"model": model},
        inputs={"x": float},
        outputs={"answer": float},
    )
    return name


def test_redeploying_the_description_keeps_code_and_model(
    client: Any, published: str, nothing_left_behind: None
) -> None:
    service = client.redeploy_service(published, version="v1", description="second")
    assert service.capabilities()["description"] == "second"
    assert service.predict(2.0).output("answer") == pytest.approx(5.0)


def test_redeploying_the_model_keeps_the_code(client: Any, published: str) -> None:
    steeper = LinearRegression().fit([[0.0], [1.0]], [0.0, 10.0])
    service = client.redeploy_service(published, version="v1", models={"model": steeper})
    assert service.predict(2.0).output("answer") == pytest.approx(20.0)
    assert service.capabilities()["description"] == "first"


def test_redeploying_the_code_changes_what_runs(client: Any, name: str) -> None:
    definition = {"inputs": {"x": int, "y": int}, "outputs": {"answer": int}}
    client.deploy_service(name, version="v1", code_fn=add, **definition)
    service = client.redeploy_service(name, version="v1", code_fn=subtract, **definition)
    assert service.subtract(5, 3).output("answer") == 2


def test_redeploying_an_unknown_version_is_refused_and_cleans_up(
    client: Any, published: str, nothing_left_behind: None
) -> None:
    with pytest.raises(HttpException) as raised:
        client.redeploy_service(published, version="v9", description="lost")
    assert raised.value.status == 404
