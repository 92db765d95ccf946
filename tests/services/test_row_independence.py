"""Declaring rows independent: stored, shown, part of the bundle, refused where it cannot hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from mlops.errors import InvalidRequest
from services import folders
from services.actions.patch import patch_version
from services.models import Version
from services.schema import Definition, Parameter
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_version, published

PATH = "/services/churn/v1"
FRAME = Parameter("x", "data.frame")
VECTOR = Parameter("answer", "vector")
BODY: dict[str, Any] = {
    "code": "answer = x.sum(axis=1)",
    "runtimeType": "Python",
    "inputParameterDefinitions": [{"name": "x", "type": "data.frame"}],
    "outputParameterDefinitions": [{"name": "answer", "type": "vector"}],
}


def declared(user: User, **said: object) -> Version:
    return create_version(
        user, **{"inputs": [FRAME], "outputs": [VECTOR], "row_independent": True, **said}
    )


def patch(user: User, **said: object) -> Version:
    definition = Definition(**said)  # type: ignore[arg-type]
    return patch_version(user=user, name="churn", version="v1", definition=definition)


def test_over_rest_it_is_shown_only_where_it_is_declared(
    alice: User, client_for: Callable[[User], APIClient]
) -> None:
    client = client_for(alice)
    client.post(PATH, {**BODY, "rowIndependent": True}, format="json")
    (described,) = body_of(client.get(PATH), 200, "getAllServicesByNameAndVersion")
    assert described["rowIndependent"] is True
    client.patch(PATH, {"rowIndependent": False}, format="json")
    assert "rowIndependent" not in client.get(PATH).json()[0]


@pytest.mark.parametrize("value", ["true", 1, []])
def test_over_rest_it_is_true_or_false(
    value: object, alice: User, client_for: Callable[[User], APIClient]
) -> None:
    response = client_for(alice).post(PATH, {**BODY, "rowIndependent": value}, format="json")
    error = error_of(response, 400, "publishWebServiceVersion")
    assert error["fields"] == "rowIndependent"
    assert published() == []


def test_the_bundle_follows_the_declaration(alice: User) -> None:
    version = declared(alice)
    patched = patch(alice, row_independent=False)
    assert patched.bundle_id != version.bundle_id
    assert patched.bundle_id == declared(alice, version="v2", row_independent=False).bundle_id


def test_a_patch_that_does_not_say_it_keeps_it(alice: User) -> None:
    declared(alice)
    assert patch(alice, description="new").row_independent


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"inputs": [Parameter("x", "numeric")]}, "needs an input that has rows"),
        ({"outputs": []}, "needs an output"),
        ({"outputs": [VECTOR, Parameter("mean", "numeric")]}, "'mean' is declared as numeric"),
        ({"output_files": ["plot.png"]}, "excludes outputFileNames"),
    ],
    ids=["no rows in", "nothing out", "a scalar out", "a file out"],
)
def test_what_cannot_hold_is_refused_with_the_reason(
    said: dict[str, object], reason: str, alice: User
) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        declared(alice, **said)
    assert caught.value.fields == "rowIndependent"
    assert published() == []


def test_a_patch_that_takes_the_rows_away_is_refused(alice: User) -> None:
    declared(alice)
    before = published()
    with pytest.raises(InvalidRequest, match="'n' is declared as integer"):
        patch(alice, outputs=[Parameter("n", "integer")])
    assert published() == before


def test_a_folder_declares_it(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(BODY["code"])
    (tmp_path / "service.toml").write_text(
        "name = 'churn'\nruntime = 'Python'\ncode = 'score.py'\nrow_independent = true\n"
        "inputs.x = 'data.frame'\noutputs.answer = 'vector'\n"
    )
    assert folders.read(tmp_path).definition.row_independent
