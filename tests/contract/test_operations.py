"""The routes and the OpenAPI document against the table of the contract."""

from typing import Any

import pytest

from tests.contract.document import document, nameless, operations
from tests.contract.notation import described, text
from tests.contract.operations import ANYBODY, CORE, DOCUMENTED, ERROR, OPERATIONS, Operation
from tests.contract.routes import BESIDE, api_routes, routes_beside


def operation_of(row: Operation) -> Any:
    return operations()[row.method, nameless(row.path)]


def type_of(schema: Any) -> Any:
    return described(schema, document()["components"]["schemas"])


def test_the_table_has_the_43_core_operations() -> None:
    assert len({(row.method, row.path) for row in CORE}) == 43


def test_what_the_table_has_is_served_and_nothing_else() -> None:
    assert api_routes() == {(row.method, nameless(row.path)) for row in OPERATIONS}
    assert routes_beside() == BESIDE


def test_what_the_table_has_is_documented_and_nothing_else() -> None:
    assert set(operations()) == {(row.method, nameless(row.path)) for row in DOCUMENTED}


def test_every_operation_id_is_there_once() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", DOCUMENTED, ids=str)
def test_the_document_says_what_the_table_says(row: Operation) -> None:
    operation = operation_of(row)
    assert operation["operationId"] == row.operation_id
    assert {int(status) for status in operation["responses"]} == row.statuses
    is_open = operation["security"] == [{}]
    assert is_open == (row.role == ANYBODY)
    answer = operation["responses"][str(row.success)].get("content")
    if row.answer is None:
        assert answer is None
    else:
        assert answer is not None
        assert list(answer) == [row.answers, *row.also_answers]
        assert text(type_of(answer[row.answers]["schema"])) == text(row.answer)


@pytest.mark.parametrize("row", DOCUMENTED, ids=str)
def test_the_document_takes_what_the_table_takes(row: Operation) -> None:
    operation = operation_of(row)
    parameters = operation.get("parameters", [])
    in_path = [each for each in parameters if each["in"] == "path"]
    assert len(in_path) == row.path.count("{")
    assert all(each["required"] for each in in_path)
    assert {
        each["name"] if each.get("required") else f"{each['name']}?": type_of(each["schema"])
        for each in parameters
        if each["in"] == "query"
    } == row.query
    taken = operation.get("requestBody", {}).get("content")
    if row.request is None:
        assert taken is None
    else:
        assert taken is not None
        assert row.takes in taken
        assert text(type_of(taken[row.takes]["schema"])) == text(row.request)


@pytest.mark.parametrize("row", DOCUMENTED, ids=str)
def test_every_refusal_is_the_one_error_object(row: Operation) -> None:
    for status, response in operation_of(row)["responses"].items():
        if int(status) >= 400:
            content = response["content"]
            assert list(content) == ["application/json"]
            assert text(type_of(content["application/json"]["schema"])) == text(ERROR)
