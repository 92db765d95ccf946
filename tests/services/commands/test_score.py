import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mlops.accounts.models import User
from services.schema import Parameter
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_version

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(alice: User, declared_node: RunningNode) -> None:
    create_version(
        alice,
        code="answer = x + 1",
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("answer", "numeric")],
    )


def score(*arguments: object) -> Any:
    """The result that the command prints."""
    printed = io.StringIO()
    call_command("score", *map(str, arguments), stdout=printed)
    return json.loads(printed.getvalue())


def test_it_prints_the_result(version: None) -> None:
    result = score("churn", "v1", '{"x": 1}')
    assert result["success"] is True
    assert result["outputParameters"] == {"answer": 2}


def test_the_latest_version_is_called_without_one(version: None, alice: User) -> None:
    create_version(alice, version="v0", code="answer = 0", outputs=[Parameter("answer", "numeric")])
    assert score("churn", "{}")["outputParameters"] == {"answer": 0}
    assert score("churn")["outputParameters"] == {"answer": 0}


def test_inputs_come_from_a_file(version: None, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"x": 2}')
    result = score("churn", "v1", "--inputs", tmp_path / "inputs.json")
    assert result["outputParameters"] == {"answer": 3}


@pytest.mark.parametrize("arguments", [["churn", "v1", "-"], ["churn", "-"]], ids=str)
def test_inputs_come_from_standard_input(
    version: None, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"x": 3}')))
    assert score(*arguments)["outputParameters"] == {"answer": 4}


def test_code_that_fails_is_printed_and_exits_with_3(version: None, alice: User) -> None:
    create_version(alice, version="v2", code="1 / 0")
    printed = io.StringIO()
    with pytest.raises(CommandError, match="ZeroDivisionError") as caught:
        call_command("score", "churn", "v2", stdout=printed)
    assert caught.value.returncode == 3
    assert json.loads(printed.getvalue())["success"] is False


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["unknown"], "no such service"),
        (["churn", "v9"], "no such version"),
        (["churn", "v1", "{"], "JSON"),
        (["churn", "v1", "{}"], "x"),
        (["churn", "v1", "--inputs", "/absent.json"], "cannot be read"),
    ],
    ids=str,
)
def test_what_cannot_be_called_exits_with_1(
    version: None, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint) as caught:
        score(*arguments)
    assert caught.value.returncode == 1


def test_inputs_given_twice_exit_with_2(version: None) -> None:
    with pytest.raises(CommandError, match="either") as caught:
        score("churn", "v1", "{}", "--inputs", "x.json")
    assert caught.value.returncode == 2


def test_without_a_node_it_exits_with_1(alice: User) -> None:
    create_version(alice)
    with pytest.raises(CommandError, match="No compute node is ready"):
        score("churn")
