import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.models import Version
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_snapshot, create_version, published

ClientFor = Callable[[User], APIClient]

PATH = "/services/churn/v1"
OPERATION = "publishWebServiceVersion"
BODY = {"code": "answer = x", "runtimeType": "Python"}


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> APIClient:
    return client_for(alice)


def refusal(client: APIClient, status: int, body: Any, path: str = PATH) -> Any:
    """The error object; fails if anything was changed."""
    before = published()
    raw = body if isinstance(body, bytes) else json.dumps(body)
    response = client.generic("POST", path, raw, content_type="application/json")
    error = error_of(response, status, OPERATION)
    assert published() == before
    return error


def test_publishing_answers_201_with_the_version(client: APIClient) -> None:
    response = client.post(PATH, BODY, format="json")
    assert body_of(response, 201, OPERATION) == "v1"
    assert Version.objects.get().code == "answer = x"


def test_publishing_without_a_version_answers_the_generated_guid(client: APIClient) -> None:
    response = client.post("/services/churn", BODY, format="json")
    version = body_of(response, 201, "publishWebService")
    assert str(uuid.UUID(version)) == version
    assert Version.objects.get().version == version


def test_the_whole_request_arrives(alice: User, client: APIClient) -> None:
    snapshot = create_snapshot(alice, files={"x": b"1"})
    body = {
        "code": "  y = x\n",
        "initCode": "import math",
        "snapshotId": str(snapshot.pk),
        "description": "",
        "operationId": "predict",
        "inputParameterDefinitions": [{"name": "x", "type": "string"}],
        "outputParameterDefinitions": [{"name": "y", "type": "dataframe"}],
        "runtimeType": "Python",
        "outputFileNames": ["plot.png"],
    }
    assert client.post(PATH, body, format="json").status_code == 201
    (described,) = client.get(PATH).json()
    body["inputParameterDefinitions"] = [{"name": "x", "type": "character"}]
    body["outputParameterDefinitions"] = [{"name": "y", "type": "data.frame"}]
    assert {name: described[name] for name in body} == body


def test_nulls_count_as_absent(client: APIClient) -> None:
    body = {
        "code": "x",
        "initCode": None,
        "snapshotId": None,
        "description": None,
        "operationId": None,
        "inputParameterDefinitions": None,
        "outputParameterDefinitions": None,
        "runtimeType": None,
        "outputFileNames": None,
    }
    assert client.post(PATH, body, format="json").status_code == 201
    assert Version.objects.get().runtime_type == "R"


def test_property_names_match_in_any_case_and_unknown_ones_are_ignored(client: APIClient) -> None:
    body = {
        "Code": "x",
        "RUNTIMETYPE": "Python",
        "inputparameterdefinitions": [{"Name": "x", "TYPE": "numeric", "extra": 1}],
        "somethingElse": {"a": [1]},
    }
    assert client.post(PATH, body, format="json").status_code == 201
    stored = Version.objects.get()
    assert (stored.code, stored.runtime_type) == ("x", "Python")
    assert stored.input_parameters == [{"name": "x", "type": "numeric"}]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain", "application/octet-stream"]
)
def test_the_content_type_does_not_matter(client: APIClient, content_type: str) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(BODY).encode()
    response = client.generic("POST", PATH, raw, content_type=content_type)
    assert body_of(response, 201, OPERATION) == "v1"


@pytest.mark.parametrize(
    "raw",
    [b"{", b"nonsense", b'{"code":"x"} more', b'{"code":"\xc3\x28"}', b"[" * 50_000, b"a=1&b=2"],
    ids=["open", "word", "trailing", "bad-utf8", "deep", "form"],
)
def test_malformed_json_is_400(client: APIClient, raw: bytes) -> None:
    refusal(client, 400, raw)


@pytest.mark.parametrize("body", [[], [1], "text", 5, True, None], ids=repr)
def test_a_body_that_is_no_object_is_400(client: APIClient, body: Any) -> None:
    refusal(client, 400, body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", None),
        ("code", 5),
        ("code", ["x"]),
        ("code", ""),
        ("code", "x\0"),
        ("code", "\ud800"),
        ("initCode", True),
        ("snapshotId", 5),
        ("snapshotId", "not-a-guid"),
        ("snapshotId", "6f0c9a51-7b43-4f0e-8d6c-52f7a4f1b0aa"),
        ("description", {}),
        ("description", "\udfff"),
        ("operationId", 1.5),
        ("inputParameterDefinitions", {"x": "numeric"}),
        ("inputParameterDefinitions", ["x"]),
        ("inputParameterDefinitions", [None]),
        ("inputParameterDefinitions", [{"name": "x"}]),
        ("inputParameterDefinitions", [{"type": "numeric"}]),
        ("inputParameterDefinitions", [{"name": 5, "type": "numeric"}]),
        ("inputParameterDefinitions", [{"name": "x", "type": "float"}]),
        ("inputParameterDefinitions", [{"name": "x", "type": "numeric"}] * 2),
        ("outputParameterDefinitions", "x"),
        ("outputParameterDefinitions", [{"name": "", "type": "numeric"}]),
        ("runtimeType", "Julia"),
        ("runtimeType", "Realtime"),
        ("runtimeType", 3),
        ("outputFileNames", "plot.png"),
        ("outputFileNames", [1]),
        ("outputFileNames", ["../plot.png"]),
    ],
    ids=ascii,
)
def test_a_wrong_member_is_400_and_named(client: APIClient, field: str, value: Any) -> None:
    assert field in refusal(client, 400, {**BODY, field: value})["fields"]


def test_missing_code_is_400(client: APIClient) -> None:
    assert refusal(client, 400, {"runtimeType": "Python"})["fields"] == "code"


def test_an_empty_body_is_400(client: APIClient) -> None:
    assert refusal(client, 400, b"")["fields"] == "code"


@pytest.mark.parametrize(
    "name", ["..", ".", "a%5Cb", "a%3Fb", "a%23b", "a%25b", "a%00b", "a%0Ab", "x" * 10_000]
)
def test_a_hostile_name_is_400(client: APIClient, name: str) -> None:
    refusal(client, 400, BODY, path=f"/services/{name}/v1")
    refusal(client, 400, BODY, path=f"/services/churn/{name}")


def test_a_duplicate_is_409(client: APIClient, bob: User, client_for: ClientFor) -> None:
    client.post(PATH, BODY, format="json")
    refusal(client, 409, BODY)
    refusal(client_for(bob), 409, BODY)


def test_another_contributor_may_add_a_version_to_the_name(
    client: APIClient, bob: User, client_for: ClientFor
) -> None:
    client.post(PATH, BODY, format="json")
    response = client_for(bob).post("/services/churn/v2", BODY, format="json")
    assert body_of(response, 201, OPERATION) == "v2"


def test_a_reader_is_refused_whatever_the_body(rita: User, client_for: ClientFor) -> None:
    refusal(client_for(rita), 403, BODY)
    refusal(client_for(rita), 403, b"{")


def test_without_a_token_it_is_401(db: None) -> None:
    refusal(APIClient(), 401, BODY)


def test_a_foreign_snapshot_is_400(alice: User, bob: User, client_for: ClientFor) -> None:
    snapshot = create_snapshot(alice, files={"x": b"1"})
    body = {**BODY, "snapshotId": str(snapshot.pk)}
    assert refusal(client_for(bob), 400, body)["fields"] == "snapshotId"


def test_the_number_of_queries_does_not_grow_with_what_is_published(
    alice: User, client: APIClient, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        create_version(alice, version=f"old{number}")
    with django_assert_max_num_queries(20):
        assert client.post(PATH, BODY, format="json").status_code == 201
