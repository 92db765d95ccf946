import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services import swagger
from services.actions.patch import patch_version
from services.schema import Definition, Parameter
from tests.conftest import create_user
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_version

ClientFor = Callable[[User], APIClient]

PATH = "/api/churn/v1/swagger.json"
OPERATION = "getWebServiceSwagger"


@pytest.mark.parametrize("reader", ["alice", "bob", "rita"])
def test_every_reader_gets_the_document(
    alice: User, client_for: ClientFor, request: pytest.FixtureRequest, reader: str
) -> None:
    version = create_version(alice)
    response = client_for(request.getfixturevalue(reader)).get(PATH)
    assert body_of(response, 200, OPERATION) == swagger.document(version)


def test_it_follows_a_patch(alice: User, client_for: ClientFor) -> None:
    create_version(alice)
    definition = Definition(operation_id="predict", inputs=[Parameter("z", "matrix")])
    patch_version(user=alice, name="churn", version="v1", definition=definition)
    described = body_of(client_for(alice).get(PATH), 200, OPERATION)
    assert described["paths"]["/api/churn/v1"]["post"]["operationId"] == "predict"
    assert list(described["definitions"]["InputParameters"]["properties"]) == ["z"]


def test_a_browser_gets_the_document_too(alice: User, client_for: ClientFor) -> None:
    create_version(alice)
    response = client_for(alice).get(PATH, HTTP_ACCEPT="text/html,application/xhtml+xml")
    assert json.loads(response.content)["swagger"] == "2.0"


@pytest.mark.parametrize("path", ["churn/v2", "other/v1", "%00/v1"])
def test_an_unknown_version_is_404(alice: User, client_for: ClientFor, path: str) -> None:
    create_version(alice)
    error_of(client_for(alice).get(f"/api/{path}/swagger.json"), 404, OPERATION)


def test_without_a_token_it_is_401(alice: User) -> None:
    create_version(alice)
    error_of(APIClient().get(PATH), 401, OPERATION)


def test_without_a_role_it_is_403(
    alice: User, declared_groups: None, client_for: ClientFor
) -> None:
    create_version(alice)
    error_of(client_for(create_user("mallory")).get(PATH), 403, OPERATION)


def test_it_takes_one_query_beside_the_sign_in(
    alice: User, client_for: ClientFor, django_assert_num_queries: Any
) -> None:
    create_version(alice)
    client = client_for(alice)
    with django_assert_num_queries(2 + 1):
        client.get(PATH)
