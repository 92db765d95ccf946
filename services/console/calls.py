"""Calls of a version to copy: for a terminal, Python and R.

They take the API key from the variable MLOPS_KEY, so that it stands in no code.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from services.examples import example_inputs
from services.models import Version

_R_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._]*")
_R_WORDS = re.compile(
    "if|else|repeat|while|function|for|next|break|TRUE|FALSE|NULL|Inf|NaN|NA(_.*)?|in"
)
_LINE = 76  # characters, so that a line of the call fits on most screens
_R_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Snippet:
    """A call to copy: what runs it, and the text."""

    language: str
    code: str


def calls_for(
    version: Version, base_url: str, example: Mapping[str, Any] | None = None
) -> list[Snippet]:
    """The call of `version` for curl, Python and R, below `base_url`.

    Inputs that `example` has no value for get some value of their type.
    """
    address = call_address(version, base_url)
    inputs = example_inputs(version.input_parameters, example)
    types = {each["name"]: each["type"] for each in version.input_parameters}
    return [
        Snippet("curl", _curl(address, inputs)),
        Snippet("Python", _python(address, inputs)),
        Snippet("R", _r(address, inputs, types)),
    ]


def call_address(version: Version, base_url: str) -> str:
    """Where `version` is called."""
    name, label = quote(version.name, safe=""), quote(version.version, safe="")
    return f"{base_url.rstrip('/')}/api/{name}/{label}"


def _curl(address: str, inputs: Mapping[str, Any]) -> str:
    # In JSON an apostrophe can be spelt so that no shell ends the text there.
    body = json.dumps(inputs, ensure_ascii=False).replace("'", "\\u0027")
    return (
        f"curl '{address.replace(chr(39), '%27')}' \\\n"
        '  -H "Authorization: Bearer $MLOPS_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  --data '{body}'\n"
    )


def _python(address: str, inputs: Mapping[str, Any]) -> str:
    value = _python_value(inputs)
    return (
        "import os\n\n"
        "import requests\n\n"
        f"inputs = {value}\n"
        "answer = requests.post(\n"
        f"    {json.dumps(address)},\n"
        "    json=inputs,\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'MLOPS_KEY\']}"},\n'
        ")\n"
        "answer.raise_for_status()\n"
        'print(answer.json()["outputParameters"])\n'
    )


def _python_value(value: Any, indent: str = "") -> str:
    """The value as Python spells it, over several lines where it is long."""
    inner = f"{indent}    "
    if isinstance(value, Mapping):
        parts = [f"{_python_text(key)}: {_python_value(value[key], inner)}" for key in value]
        brackets = "{}"
    elif isinstance(value, list):
        parts, brackets = [_python_value(each, inner) for each in value], "[]"
    else:
        return _python_text(value) if isinstance(value, str) else repr(value)
    return _enclosed(parts, *brackets, indent=indent, trailing=",")


def _python_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _enclosed(
    parts: list[str], first: str, last: str, *, indent: str, trailing: str = "", step: str = "    "
) -> str:
    """The parts between brackets, each on a line of its own where one line is too short."""
    line = f"{first}{', '.join(parts)}{last}"
    if "\n" not in line and len(indent) + len(line) <= _LINE:
        return line
    lines = f",\n{indent}{step}".join(parts)
    return f"{first}\n{indent}{step}{lines}{trailing}\n{indent}{last}"


def _r(address: str, inputs: Mapping[str, Any], types: Mapping[str, str]) -> str:
    arguments = [f"{_r_name(key)} = {_r_input(inputs[key], types[key])}" for key in inputs]
    given = "setNames(list(), character())"  # which is {} in JSON
    if arguments:
        given = _enclosed(arguments, "list(", ")", indent="", step="  ")
    return (
        "library(curl)\n"
        "library(jsonlite)\n\n"
        f"inputs <- {given}\n"
        "call <- new_handle(\n"
        "  postfields = toJSON(\n"
        '    inputs, auto_unbox = TRUE, digits = NA, na = "null", null = "null"\n'
        "  ),\n"
        "  failonerror = TRUE\n"
        ")\n"
        "handle_setheaders(\n"
        "  call,\n"
        '  Authorization = paste("Bearer", Sys.getenv("MLOPS_KEY")),\n'
        '  "Content-Type" = "application/json"\n'
        ")\n"
        f"answer <- curl_fetch_memory({_r_text(address)}, call)\n"
        "print(fromJSON(rawToChar(answer$content))$outputParameters)\n"
    )


def _r_input(value: Any, type_name: str) -> str:
    if type_name == "data.frame":
        columns = _columns(value)
        if columns:
            arguments = [f"{_r_name(key)} = {_r_vector(cells)}" for key, cells in columns.items()]
            names = [] if all(map(_R_NAME.fullmatch, columns)) else ["check.names = FALSE"]
            return _enclosed([*arguments, *names], "data.frame(", ")", indent="  ", step="  ")
    if type_name == "matrix" and value and all(isinstance(row, list) and row for row in value):
        cells = _r_vector([cell for row in value for cell in row])
        return f"matrix({cells}, nrow = {len(value)}, byrow = TRUE)"
    return _r_value(value)


def _columns(value: Any) -> dict[str, list[Any]]:
    """The columns of a data frame, given as rows or as columns."""
    if isinstance(value, Mapping):
        return {key: cells if isinstance(cells, list) else [cells] for key, cells in value.items()}
    names = dict.fromkeys(key for row in value for key in row)
    return {key: [row.get(key) for row in value] for key in names}


def _r_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"list({', '.join(f'{_r_name(key)} = {_r_value(value[key])}' for key in value)})"
    if isinstance(value, list):
        # c() would make one type of several; I() keeps an array of one an array.
        if not value or len({_kind(each) for each in value}) > 1 or _kind(value[0]) is None:
            return f"list({', '.join(map(_r_value, value))})"
        return f"I({_r_vector(value)})" if len(value) == 1 else _r_vector(value)
    return "NULL" if value is None else _r_scalar(value)


def _kind(value: Any) -> type | None:
    """What R makes of a scalar; None for what is none."""
    if isinstance(value, bool | str):
        return type(value)
    return float if isinstance(value, int | float) else None


def _r_vector(cells: list[Any]) -> str:
    texts = [_r_scalar(cell) for cell in cells]
    if not texts:
        return "character(0)"
    return texts[0] if len(texts) == 1 else f"c({', '.join(texts)})"


def _r_scalar(value: Any) -> str:
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return _r_text(value) if isinstance(value, str) else json.dumps(value)


def _r_name(name: str) -> str:
    is_plain = _R_NAME.fullmatch(name) and not _R_WORDS.fullmatch(name)
    return name if is_plain else _r_text(name)


def _r_text(text: str) -> str:
    return f'"{"".join(_R_ESCAPES.get(letter, letter) for letter in text)}"'
