from typing import Any

import pytest

from mlops.errors import InvalidRequest
from services.inference import Proposal, propose_parameters

pytestmark = pytest.mark.any_database


def inputs(proposal: Proposal) -> dict[str, str]:
    return {each.name: each.type for each in proposal.inputs}


def columns(proposal: Proposal) -> dict[str, str]:
    return {each.name: each.type for each in proposal.columns}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"age": 31}', {"age": "integer"}),
        ('{"age": 31.5, "ok": true}', {"age": "numeric", "ok": "logical"}),
        ('{"name": "Ann", "age": null}', {"name": "character", "age": "character"}),
        ('{"x": [1, 2, 3]}', {"x": "vector"}),
        ('{"x": [1, 2], "rate": 0.5}', {"x": "vector", "rate": "numeric"}),
        ('{"m": [[1, 2], [3, 4]]}', {"m": "matrix"}),
        ('{"inputData": {"a": [1], "b": ["x"]}}', {"inputData": "data.frame"}),
        ('{"inputData": {"a": 1, "b": "x"}}', {"inputData": "data.frame"}),
        ('{"rows": [{"a": 1}, {"a": 2}]}', {"rows": "data.frame"}),
        ('{"a": [1, 2], "b": [3, 4]}', {"inputData": "data.frame"}),
        ('[{"a": 1}, {"a": 2}]', {"inputData": "data.frame"}),
        ("[1, 2, 3]", {"inputVector": "vector"}),
        ("[[1, 2], [3, 4]]", {"inputMatrix": "matrix"}),
        ("a,b\n1,2", {"inputData": "data.frame"}),
        ("1,2\n3,4", {"inputData": "data.frame"}),
    ],
)
def test_the_shape_of_a_sample_makes_the_inputs(text: str, expected: dict[str, str]) -> None:
    assert inputs(propose_parameters(text)) == expected


@pytest.mark.parametrize(
    ("cells", "expected", "example"),
    [
        (["1", "2"], "integer", [1, 2]),
        (["1", "2.5"], "numeric", [1.0, 2.5]),
        (["1e3", "-.5"], "numeric", [1000.0, -0.5]),
        (["TRUE", "false"], "logical", [True, False]),
        (["a", "b"], "character", ["a", "b"]),
        (["1", "b"], "character", ["1", "b"]),
        (["NA", "2"], "integer", [None, 2]),
        (["01234", "99999"], "character", ["01234", "99999"]),
        (["2026-11-22", "2026-11-23"], "character", ["2026-11-22", "2026-11-23"]),
        (["12345678901234567890", "1"], "numeric", [12345678901234567890.0, 1.0]),
        (["NA", "nan"], "", [None, None]),
    ],
)
def test_the_cells_of_csv_make_the_type(cells: list[str], expected: str, example: Any) -> None:
    proposal = propose_parameters("id,value\n" + "\n".join(f"k,{cell}" for cell in cells))
    assert columns(proposal)["value"] == expected
    assert proposal.example["inputData"]["value"] == example


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_has_any_usual_delimiter(delimiter: str) -> None:
    proposal = propose_parameters(f'\ufeffa{delimiter}b\r\n"x{delimiter}y"{delimiter}2\r\n')
    assert proposal.example == {"inputData": {"a": [f"x{delimiter}y"], "b": [2]}}


def test_columns_without_a_head_are_numbered() -> None:
    proposal = propose_parameters("1,red\n2,blue")
    assert columns(proposal) == {"x1": "integer", "x2": "character"}
    assert "no names" in proposal.warnings[0]


def test_lines_of_json_are_rows() -> None:
    proposal = propose_parameters('{"a": 1}\n{"a": 2, "b": "x"}\n')
    assert columns(proposal) == {"a": "integer", "b": "character"}
    assert proposal.example["inputData"] == {"a": [1, 2], "b": [None, "x"]}


def test_dates_are_told() -> None:
    proposal = propose_parameters("day,n\n2026-11-22,1")
    assert "day look like dates" in proposal.warnings[0]


def test_the_example_has_a_few_rows_of_many() -> None:
    proposal = propose_parameters("a\n" + "\n".join(map(str, range(1000))))
    assert proposal.title == "1000 rows of 1 column"
    assert proposal.example["inputData"]["a"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("  ", "nothing to look at"),
        ("{", "not JSON"),
        ("[]", "is empty"),
        ("{}", "is empty"),
        ('[1, {"a": 2}]', "neither"),
        ('{"a": {"b": {"c": 1}}}', "a is no value"),
        ('[{"a": [1]}]', "column a holds more"),
        ("a,b\n1,2\n3", "Row 3 has 1 value, the first has 2"),
        ("a,b", "names of columns only"),
        ("[" * 100_000, "JSON"),
        ("x" * 5 * 1024**2, "too much"),
    ],
)
def test_what_is_no_sample_is_told(text: str, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        propose_parameters(text)


def test_a_proposal_survives_json() -> None:
    proposal = propose_parameters("a,b\n1,x")
    assert Proposal.of(proposal.as_json()) == Proposal.of(Proposal.of(proposal.as_json()).as_json())
    assert Proposal.of(proposal.as_json()).definition == proposal.definition
