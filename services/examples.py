"""Example inputs: what examples of calls and forms are filled with."""

from collections.abc import Iterable, Mapping
from typing import Any

_OF_TYPE: dict[str, Any] = {
    "logical": True,
    "integer": 1,
    "numeric": 1.5,
    "character": "text",
    "vector": [1, 2, 3],
    "matrix": [[1, 2], [3, 4]],
    "data.frame": [{"column": 1}],
}


def example_inputs(
    parameters: Iterable[Mapping[str, str]], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A value for each declared input: the given one, else some value of its type."""
    given = given or {}
    return {
        each["name"]: given[each["name"]] if each["name"] in given else _OF_TYPE[each["type"]]
        for each in parameters
    }
