"""What the check of exchanges finds."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from mlops.accounts.models import User
from tests.contract.exchanges import ContractError, check

SERVICE: dict[str, Any] = {
    "creationTime": "2026-01-02T03:04:05.000006",
    "name": "churn",
    "version": "v1",
    "versionPublishedBy": "alice",
    "snapshotId": None,
    "runtimeType": "Python",
    "initCode": None,
    "code": None,
    "description": None,
    "operationId": None,
    "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
    "outputParameterDefinitions": [],
    "outputFileNames": [],
    "myPermissionOnService": "read only",
}


def answered(body: Any, *, status: int = 200, content_type: str = "application/json") -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    check("GET", "/services", sent=None, status=status, content_type=content_type, body=raw)


def published(sent: Any) -> None:
    check(
        "POST",
        "/services/churn/v1",
        sent=json.dumps(sent).encode(),
        status=201,
        content_type="application/json",
        body=b'"v1"',
    )


def test_a_documented_answer_passes() -> None:
    answered([SERVICE, SERVICE])


@pytest.mark.parametrize(
    "wrong",
    [
        {name: value for name, value in SERVICE.items() if name != "code"},
        {**SERVICE, "owner": "alice"},
        dict(reversed(SERVICE.items())),
        {**SERVICE, "version": 1},
        {**SERVICE, "outputFileNames": None},
        {**SERVICE, "runtimeType": "Julia"},
        {**SERVICE, "inputParameterDefinitions": [{"type": "numeric", "name": "x"}]},
    ],
    ids=["missing", "unknown", "order", "type", "null", "enumeration", "inner-order"],
)
def test_an_object_that_is_not_as_documented_is_found(wrong: Any) -> None:
    with pytest.raises(ContractError):
        answered([SERVICE, wrong])


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ([], {"status": 418}),
        ([], {"content_type": "text/plain"}),
        (b"[", {}),
        (b"[NaN]", {}),
        (b"[ ]", {}),
        ([], {"status": 403}),
    ],
    ids=["status", "content-type", "no-json", "nan", "blanks", "error-body"],
)
def test_an_undocumented_answer_is_found(body: Any, how: Any) -> None:
    with pytest.raises(ContractError):
        answered(body, **how)


def test_members_of_a_request_may_be_spelt_in_any_case_and_others_are_ignored() -> None:
    published({"CODE": "a = 1", "outputFileNames": ["a"], "extra": 1})


@pytest.mark.parametrize("sent", [{}, {"code": 1}, {"code": "a", "outputFileNames": "a"}], ids=str)
def test_a_request_that_succeeded_against_the_document_is_found(sent: Any) -> None:
    with pytest.raises(ContractError):
        published(sent)


def test_what_is_beside_the_api_passes() -> None:
    check("GET", "/console/", sent=None, status=418, content_type="", body=b"?")


def test_a_call_of_a_test_client_is_checked(
    alice: User, client_for: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.representation.wire_time", lambda moment: 5)
    client = client_for(alice)
    body = json.dumps({"code": "a = 1"})
    client.generic("POST", "/services/churn/v1", body, content_type="application/json")
    with pytest.raises(ContractError, match="creationTime"):
        client.get("/services")
