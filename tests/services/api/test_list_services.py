import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.actions.patch import patch_version
from services.schema import Definition, Parameter
from tests.conftest import READERS, create_user
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_snapshot, create_version

ClientFor = Callable[[User], APIClient]

WEB_SERVICE_KEYS = [
    "creationTime",
    "name",
    "version",
    "versionPublishedBy",
    "snapshotId",
    "runtimeType",
    "initCode",
    "code",
    "description",
    "operationId",
    "inputParameterDefinitions",
    "outputParameterDefinitions",
    "outputFileNames",
    "myPermissionOnService",
]


def labels(services: list[dict[str, str]]) -> list[str]:
    return [f"{each['name']}/{each['version']}" for each in services]


def test_a_service_is_described_in_full_to_its_publisher(
    alice: User, client_for: ClientFor
) -> None:
    snapshot = create_snapshot(alice, files={"x": b"1"})
    create_version(
        alice,
        code="answer = x",
        init_code="import math",
        description="Adds",
        operation_id="add",
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("answer", "numeric")],
        output_files=["plot.png"],
        snapshot_id=str(snapshot.pk),
    )
    (described,) = body_of(client_for(alice).get("/services"), 200, "getAllServices")
    assert list(described) == WEB_SERVICE_KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", described.pop("creationTime"))
    assert described == {
        "name": "churn",
        "version": "v1",
        "versionPublishedBy": "alice",
        "snapshotId": str(snapshot.pk),
        "runtimeType": "Python",
        "initCode": "import math",
        "code": "answer = x",
        "description": "Adds",
        "operationId": "add",
        "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
        "outputParameterDefinitions": [{"name": "answer", "type": "numeric"}],
        "outputFileNames": ["plot.png"],
        "myPermissionOnService": "read/write",
    }


def test_what_was_not_given_is_null_or_an_empty_array(alice: User, client_for: ClientFor) -> None:
    create_version(alice)
    (described,) = body_of(client_for(alice).get("/services"), 200, "getAllServices")
    for key in ("snapshotId", "initCode", "description", "operationId"):
        assert described[key] is None
    for key in ("inputParameterDefinitions", "outputParameterDefinitions", "outputFileNames"):
        assert described[key] == []


def test_the_json_has_no_blanks(alice: User, client_for: ClientFor) -> None:
    create_version(alice)
    assert (
        b'"version":"v1","versionPublishedBy":"alice",'
        in client_for(alice).get("/services").content
    )


@pytest.mark.parametrize(
    ("reader", "permission", "sees_code"),
    [
        ("alice", "read/write", True),
        ("admin", "read/write", True),
        ("bob", "read only", False),
        ("rita", "read only", False),
    ],
)
def test_only_those_who_may_change_it_see_the_code(
    alice: User,
    client_for: ClientFor,
    request: pytest.FixtureRequest,
    reader: str,
    permission: str,
    sees_code: bool,
) -> None:
    create_version(alice, init_code="import math")
    client = client_for(request.getfixturevalue(reader))
    (described,) = body_of(client.get("/services/churn/v1"), 200, "getAllServicesByNameAndVersion")
    assert described["myPermissionOnService"] == permission
    assert (described["code"] is not None) is sees_code
    assert (described["initCode"] is not None) is sees_code


def test_a_publisher_who_became_a_reader_sees_no_code(
    alice: User, rita: User, client_for: ClientFor
) -> None:
    create_version(alice)
    alice.groups.set(rita.groups.filter(name=READERS))
    (described,) = body_of(client_for(alice).get("/services"), 200, "getAllServices")
    assert described["code"] is None
    assert described["myPermissionOnService"] == "read only"


def test_all_services_of_all_users_are_listed_oldest_first(
    alice: User, bob: User, client_for: ClientFor
) -> None:
    create_version(alice, name="b", version="2")
    create_version(bob, name="a", version="9")
    create_version(alice, name="b", version="1")
    services = body_of(client_for(bob).get("/services"), 200, "getAllServices")
    assert labels(services) == ["b/2", "a/9", "b/1"]


def test_the_last_of_a_name_is_its_latest_even_after_a_patch(
    alice: User, client_for: ClientFor
) -> None:
    create_version(alice, version="1.0")
    create_version(alice, version="0.9")
    create_version(alice, name="other")
    patch_version(
        user=alice, name="churn", version="1.0", definition=Definition(description="patched")
    )
    services = body_of(client_for(alice).get("/services/churn"), 200, "getAllServicesByName")
    assert labels(services) == ["churn/1.0", "churn/0.9"]


@pytest.mark.parametrize("name", ["unknown", "Churn", "%00", "..%5C..", "x" * 10_000])
def test_an_unknown_name_gives_an_empty_list(alice: User, client_for: ClientFor, name: str) -> None:
    create_version(alice)
    response = client_for(alice).get(f"/services/{name}")
    assert body_of(response, 200, "getAllServicesByName") == []


@pytest.mark.parametrize(
    "path", ["churn/v2", "Churn/v1", "churn/V1", "%00/v1", "churn/" + "x" * 10_000]
)
def test_an_unknown_version_is_404(alice: User, client_for: ClientFor, path: str) -> None:
    create_version(alice)
    error_of(client_for(alice).get(f"/services/{path}"), 404, "getAllServicesByNameAndVersion")


def test_names_with_blanks_and_other_letters_are_found(alice: User, client_for: ClientFor) -> None:
    create_version(alice, name="мой сервис", version="v 1")
    response = client_for(alice).get(
        "/services/%D0%BC%D0%BE%D0%B9%20%D1%81%D0%B5%D1%80%D0%B2%D0%B8%D1%81/v%201"
    )
    assert labels(body_of(response, 200, "getAllServicesByNameAndVersion")) == ["мой сервис/v 1"]


@pytest.mark.parametrize("path", ["/services", "/services/churn", "/services/churn/v1"])
def test_without_a_token_it_is_401(db: None, path: str) -> None:
    response = APIClient().get(path)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/services", "/services/churn", "/services/churn/v1"])
def test_without_a_role_it_is_403(
    db: None, declared_groups: None, client_for: ClientFor, path: str
) -> None:
    assert client_for(create_user("mallory")).get(path).status_code == 403


def test_a_json_content_type_without_a_body_is_no_mistake(
    alice: User, client_for: ClientFor
) -> None:
    response = client_for(alice).get("/services", CONTENT_TYPE="application/json")
    assert body_of(response, 200, "getAllServices") == []


@pytest.mark.parametrize("accept", ["application/xml", "application/octet-stream", "image/png"])
def test_any_accept_header_gets_json(alice: User, client_for: ClientFor, accept: str) -> None:
    response = client_for(alice).get("/services", HTTP_ACCEPT=accept)
    assert body_of(response, 200, "getAllServices") == []


def test_the_number_of_queries_does_not_grow_with_the_list(
    alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)

    def n_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/services")
        return len(queries)

    create_version(alice, version="v0")
    before = n_queries()
    for number in range(1, 8):
        create_version(alice, name=f"churn-{number}", version="v1")
        create_version(alice, version=f"v{number}")
    assert n_queries() == before
