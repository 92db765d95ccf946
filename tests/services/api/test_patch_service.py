import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.api.representation import PatchRequest
from services.models import Version
from services.schema import Parameter
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_snapshot, create_version, published

ClientFor = Callable[[User], APIClient]

PATH = "/services/churn/v1"
OPERATION = "patchWebServiceVersion"


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> APIClient:
    snapshot = create_snapshot(alice, files={"model": b"1"})
    create_version(
        alice,
        description="first",
        inputs=[Parameter("x", "numeric")],
        output_files=["plot.png"],
        snapshot_id=str(snapshot.pk),
    )
    return client_for(alice)


def refusal(client: APIClient, status: int, body: Any, path: str = PATH) -> Any:
    """The error object; fails if anything was changed."""
    before = published()
    raw = body if isinstance(body, bytes) else json.dumps(body)
    response = client.generic("PATCH", path, raw, content_type="application/json")
    error = error_of(response, status, OPERATION)
    assert published() == before
    return error


def test_patching_answers_200_with_the_version(client: APIClient) -> None:
    response = client.patch(PATH, {"description": "second"}, format="json")
    assert body_of(response, 200, OPERATION) == "v1"
    assert Version.objects.get().description == "second"


def test_an_empty_body_changes_nothing(client: APIClient) -> None:
    before = client.get(PATH).content
    response = client.generic("PATCH", PATH, b"", content_type="application/json")
    assert body_of(response, 200, OPERATION) == "v1"
    assert client.get(PATH).content == before


def test_nulls_change_nothing(client: APIClient) -> None:
    before = client.get(PATH).content
    body = dict.fromkeys(PatchRequest().fields)
    assert client.patch(PATH, body, format="json").status_code == 200
    assert client.get(PATH).content == before


def test_empty_arrays_clear(client: APIClient) -> None:
    body = {"InputParameterDefinitions": [], "outputFileNames": []}
    client.patch(PATH, body, format="json")
    (described,) = client.get(PATH).json()
    assert described["inputParameterDefinitions"] == described["outputFileNames"] == []


def test_a_redeploy_of_the_description_keeps_the_model(alice: User, client: APIClient) -> None:
    (before,) = client.get(PATH).json()
    body = {
        "snapshotId": str(create_snapshot(alice).pk),
        "description": "second",
        "runtimeType": "Python",
    }
    assert body_of(client.patch(PATH, body, format="json"), 200, OPERATION) == "v1"
    (after,) = client.get(PATH).json()
    assert after == {**before, "description": "second"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("runtimeType", "R"),
        ("runtimeType", "Realtime"),
        ("code", ""),
        ("code", 5),
        ("snapshotId", "x"),
        ("inputParameterDefinitions", [{"name": "x", "type": "float"}]),
        ("outputFileNames", ["a/b"]),
    ],
    ids=ascii,
)
def test_a_wrong_member_is_400_and_named(client: APIClient, field: str, value: Any) -> None:
    assert field in refusal(client, 400, {"description": "new", field: value})["fields"]


@pytest.mark.parametrize("raw", [b"{", b"[]", b"5", b"null"])
def test_a_body_that_is_no_json_object_is_400(client: APIClient, raw: bytes) -> None:
    refusal(client, 400, raw)


def test_a_realtime_version_is_400(client: APIClient) -> None:
    Version.objects.update(runtime_type="Realtime", code=None)
    refusal(client, 400, {"description": "new"})


@pytest.mark.parametrize("path", ["churn/v2", "other/v1", "churn/%00", "..%5C/v1"])
def test_an_unknown_version_is_404(client: APIClient, path: str) -> None:
    refusal(client, 404, {"description": "new"}, path=f"/services/{path}")


@pytest.mark.parametrize("other", ["bob", "rita"])
def test_somebody_elses_version_is_403(
    client: APIClient, client_for: ClientFor, request: pytest.FixtureRequest, other: str
) -> None:
    refusal(client_for(request.getfixturevalue(other)), 403, {"description": "new"})


def test_an_owner_may_patch_it(client: APIClient, admin: User, client_for: ClientFor) -> None:
    response = client_for(admin).patch(PATH, {"description": "second"}, format="json")
    assert body_of(response, 200, OPERATION) == "v1"


def test_without_a_token_it_is_401(client: APIClient) -> None:
    refusal(APIClient(), 401, {"description": "new"})
