"""The calls to copy are run as they are, against a real web node."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from services.console.calls import Snippet, calls_for
from services.models import Service, Version
from tests.nodes.web import WebNode

pytestmark = pytest.mark.any_database

NAME, LABEL = "it's a café", "1.0 β"
INPUTS = {
    "flag": ("logical", True),
    "n": ("integer", 3),
    "x": ("numeric", 0.1234567890123),
    "text": ("character", 'it\'s "quoted" \\ ünd\n$HOME `ls`'),
    "few": ("vector", [7]),
    "mixed": ("vector", ["a", 1, None]),
    "cells": ("matrix", [[1, 2], [3, 4]]),
    "frame": ("data.frame", [{"a b": 1.5, "if": "it's"}, {"a b": None, "if": "x"}]),
}
CODE = """
import json
rows = json.loads(frame.to_json(orient="records"))
given = dict(flag=flag, n=n, x=x, text=text, few=few, mixed=mixed, cells=cells, frame=rows)
seen = json.dumps(given, default=lambda array: array.tolist())
"""


def version_of(inputs: dict[str, tuple[str, Any]]) -> Version:
    parameters = [{"name": name, "type": kind} for name, (kind, _) in inputs.items()]
    return Version(service=Service(name=NAME), version=LABEL, input_parameters=parameters)


@pytest.fixture(scope="module")
def address(web_node: WebNode) -> Iterator[str]:
    """The web node, which has the version that says what it was called with."""
    path = "/services/it's%20a%20caf%C3%A9/1.0%20%CE%B2"
    inputs = [{"name": name, "type": kind} for name, (kind, _) in INPUTS.items()]
    body = {
        "code": CODE,
        "runtimeType": "Python",
        "inputParameterDefinitions": inputs,
        "outputParameterDefinitions": [{"name": "seen", "type": "character"}],
    }
    with web_node.sign_in() as client:
        client.post(path, json=body).raise_for_status()
        yield web_node.url
        client.delete(path)


def run(web_node: WebNode, snippet: Snippet, *command: str) -> str:
    with web_node.sign_in() as client:
        key = client.headers["Authorization"].removeprefix("Bearer ")
    done = subprocess.run(
        [*command, snippet.code],
        env={**os.environ, "MLOPS_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def calls(address: str) -> dict[str, Snippet]:
    example = {name: value for name, (_, value) in INPUTS.items()}
    return {each.language: each for each in calls_for(version_of(INPUTS), address, example)}


EXPECTED = {name: value for name, (_, value) in INPUTS.items()}


def test_the_one_for_a_terminal_works(web_node: WebNode, address: str) -> None:
    said = json.loads(run(web_node, calls(address)["curl"], "bash", "-c"))
    assert json.loads(said["outputParameters"]["seen"]) == EXPECTED


def test_the_one_for_python_works(web_node: WebNode, address: str) -> None:
    said = run(web_node, calls(address)["Python"], sys.executable, "-c")
    assert json.loads(ast.literal_eval(said)["seen"]) == EXPECTED


@pytest.mark.r
def test_the_one_for_r_works(web_node: WebNode, address: str) -> None:
    shown = calls(address)["R"].code.removesuffix("$outputParameters)\n")
    shown = shown.replace("print(fromJSON", "cat(fromJSON") + "$outputParameters$seen)"
    said = run(web_node, Snippet("R", shown), "Rscript", "-e")
    assert json.loads(said) == EXPECTED


def test_inputs_without_an_example_get_a_value_of_their_type() -> None:
    curl = calls_for(version_of({"frame": ("data.frame", None)}), "http://web/")[0]
    assert '{"frame": [{"column": 1}]}' in curl.code


@pytest.mark.r
def test_a_version_without_inputs_is_called_with_an_empty_object() -> None:
    curl, python, r = calls_for(version_of({}), "http://web")
    assert "--data '{}'" in curl.code
    assert "inputs = {}\n" in python.code
    done = subprocess.run(
        ["Rscript", "-e", r.code.split("call <-")[0] + "cat(toJSON(inputs))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{}"
