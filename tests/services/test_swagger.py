import re
from typing import Any

import pytest

from services import swagger
from services.models import Service, Version

DEFINITIONS = [
    "InputParameters",
    "OutputParameters",
    "Error",
    "WebServiceResult",
    "StartBatchExecutionResponse",
    "BatchWebServiceResult",
    "LoginRequest",
    "RenewTokenRequest",
    "AccessTokenResponse",
]


def document(**stored: Any) -> dict[str, Any]:
    """The document of a version that no database needs to know."""
    values = {
        "version": "v1",
        "input_parameters": [{"name": "x", "type": "numeric"}],
        "output_parameters": [{"name": "answer", "type": "numeric"}],
        **stored,
    }
    name = values.pop("name", "churn")
    return swagger.document(Version(service=Service(name=name), **values))


def test_the_top_level_keys_are_in_order() -> None:
    assert list(document()) == [
        "swagger",
        "info",
        "schemes",
        "securityDefinitions",
        "tags",
        "consumes",
        "produces",
        "paths",
        "definitions",
    ]


def test_the_service_is_named_and_described() -> None:
    described = document(description="Who leaves?")
    assert list(described["info"].items()) == [
        ("description", "Who leaves?"),
        ("title", "churn"),
        ("version", "v1"),
    ]
    assert described["tags"] == [{"name": "churn", "description": "Who leaves?"}]


def test_without_a_description_it_is_empty() -> None:
    assert document(description=None)["info"]["description"] == ""


def test_the_constant_parts() -> None:
    described = document()
    assert described["swagger"] == "2.0"
    assert described["schemes"] == ["http", "https"]
    assert described["consumes"] == described["produces"] == ["application/json"]
    assert described["securityDefinitions"] == {
        "Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}
    }


@pytest.mark.parametrize(
    ("alias", "operation_id"), [(None, "ConsumeWebService"), ("predict", "predict")]
)
def test_the_operation_is_the_alias_or_the_usual_name(alias: str | None, operation_id: str) -> None:
    consume = document(operation_id=alias)["paths"]["/api/churn/v1"]["post"]
    assert consume["operationId"] == operation_id
    assert consume["tags"] == ["churn"]
    assert consume["security"] == [{"Bearer": []}]
    assert consume["parameters"] == [
        {
            "name": "WebServiceParameters",
            "in": "body",
            "required": True,
            "schema": {"$ref": "#/definitions/InputParameters"},
        }
    ]
    assert list(consume["responses"]) == ["200", "400", "500", "default"]


def test_the_calls_are_those_of_the_contract() -> None:
    calls = {
        path: {method: call["operationId"] for method, call in operations.items()}
        for path, operations in document()["paths"].items()
    }
    batch = "/api/churn/v1/batch"
    assert calls == {
        "/login": {"post": "login"},
        "/login/refreshToken": {"post": "renewToken", "delete": "revokeRefreshToken"},
        "/api/churn/v1": {"post": "ConsumeWebService"},
        batch: {"post": "StartBatchExecution", "get": "GetBatchExecutions"},
        f"{batch}/{{executionId}}": {
            "get": "GetBatchExecutionStatus",
            "delete": "CancelAndDeleteBatchExecution",
        },
        f"{batch}/{{executionId}}/{{index}}/files": {"get": "GetBatchExecutionFiles"},
        f"{batch}/{{executionId}}/{{index}}/files/{{fileName}}": {"get": "GetBatchExecutionFile"},
    }


def batch_calls() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, call)
        for path, operations in document()["paths"].items()
        if "/batch" in path
        for call in operations.values()
    ]


def test_batch_calls_need_a_token_and_have_the_tag_of_the_service() -> None:
    for _, call in batch_calls():
        assert call["security"] == [{"Bearer": []}]
        assert call["tags"] == ["churn"]


def test_batch_calls_declare_what_stands_in_their_paths() -> None:
    for path, call in batch_calls():
        in_path = [each["name"] for each in call["parameters"] if each["in"] == "path"]
        assert in_path == re.findall("{(.*?)}", path)


def test_a_batch_is_started_with_an_array_of_inputs() -> None:
    start = document()["paths"]["/api/churn/v1/batch"]["post"]
    body, count = start["parameters"]
    assert body["schema"] == {"type": "array", "items": {"$ref": "#/definitions/InputParameters"}}
    assert (count["name"], count["in"], count["format"]) == ("parallelCount", "query", "int32")
    assert list(start["responses"]) == ["202", "400", "500", "default"]


def test_the_other_batch_calls_have_one_good_answer() -> None:
    for _, call in batch_calls():
        if call["operationId"] != "StartBatchExecution":
            assert list(call["responses"]) == ["200", "default"]


def test_the_file_of_an_item_is_a_file() -> None:
    paths = document()["paths"]
    (path,) = [path for path in paths if path.endswith("{fileName}")]
    assert paths[path]["get"]["responses"]["200"]["schema"] == {"type": "file"}


def test_names_are_percent_encoded_in_the_path() -> None:
    assert "/api/my%20%7Bservice%7D/v%201" in document(name="my {service}", version="v 1")["paths"]


def test_signing_in_needs_no_token() -> None:
    paths = document()["paths"]
    operations = [*paths["/login"].values(), *paths["/login/refreshToken"].values()]
    assert [each["operationId"] for each in operations] == [
        "login",
        "renewToken",
        "revokeRefreshToken",
    ]
    assert not any("security" in each for each in operations)
    assert all(list(each["responses"]) == ["200", "default"] for each in operations)


def test_there_are_nine_definitions_in_order() -> None:
    assert list(document()["definitions"]) == DEFINITIONS


@pytest.mark.parametrize(
    ("type_name", "schema_type"),
    [
        ("integer", "integer"),
        ("numeric", "number"),
        ("logical", "boolean"),
        ("character", "string"),
        ("vector", "object"),
        ("matrix", "object"),
        ("data.frame", "object"),
    ],
)
def test_each_type_has_its_schema(type_name: str, schema_type: str) -> None:
    parameters = [{"name": "x", "type": type_name}]
    definitions = document(input_parameters=parameters, output_parameters=parameters)["definitions"]
    expected = {
        "type": "object",
        "properties": {"x": {"type": schema_type, "description": type_name}},
    }
    assert definitions["InputParameters"] == definitions["OutputParameters"] == expected


def test_parameters_keep_the_order_of_publishing() -> None:
    parameters = [{"name": name, "type": "numeric"} for name in ("b", "a", "c")]
    definitions = document(input_parameters=parameters)["definitions"]
    assert list(definitions["InputParameters"]["properties"]) == ["b", "a", "c"]


def test_the_result_has_the_members_of_the_wire() -> None:
    properties = document()["definitions"]["WebServiceResult"]["properties"]
    assert list(properties) == [
        "success",
        "errorMessage",
        "consoleOutput",
        "changedFiles",
        "outputParameters",
    ]
    assert properties["outputParameters"] == {"$ref": "#/definitions/OutputParameters"}


def test_without_outputs_they_are_dropped() -> None:
    definitions = document(output_parameters=[])["definitions"]
    assert "OutputParameters" not in definitions
    assert "outputParameters" not in definitions["WebServiceResult"]["properties"]


def test_declared_files_are_in_the_result() -> None:
    properties = document(output_files=["plot.png"])["definitions"]["WebServiceResult"][
        "properties"
    ]
    assert properties["outputFiles"] == {
        "type": "object",
        "additionalProperties": {"type": "string", "format": "byte"},
    }


def test_every_reference_has_its_definition() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [each for value in part.values() for each in references(value)]
        return (
            [each for value in part for each in references(value)] if isinstance(part, list) else []
        )

    described = document(output_files=["plot.png"])
    for reference in references(described):
        assert reference.removeprefix("#/definitions/") in described["definitions"]


def test_the_states_of_a_batch_are_spelled_as_generated_code_knows_them() -> None:
    state = document()["definitions"]["BatchWebServiceResult"]["properties"]["state"]
    assert state["enum"] == ["pending", "inProgress", "ready", "complete", "failed"]
