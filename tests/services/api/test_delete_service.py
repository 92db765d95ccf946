from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.models import Version
from tests.services.api.exchange import error_of
from tests.services.create import create_version, published

ClientFor = Callable[[User], APIClient]

PATH = "/services/churn/v1"


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> APIClient:
    create_version(alice)
    return client_for(alice)


def refusal(client: APIClient, status: int, path: str = PATH) -> None:
    """Nothing; fails if anything was deleted."""
    before = published()
    error_of(client.delete(path), status, "deleteWebServiceVersion")
    assert published() == before


@pytest.mark.parametrize("content_type", ["", "application/json"])
def test_deleting_answers_200_without_a_body(client: APIClient, content_type: str) -> None:
    response = client.generic("DELETE", PATH, b"", content_type=content_type)
    assert (response.status_code, response.content) == (200, b"")
    assert not Version.objects.exists()


def test_a_deleted_version_is_404(client: APIClient) -> None:
    client.delete(PATH)
    refusal(client, 404)


@pytest.mark.parametrize("path", ["churn/v2", "other/v1", "churn/%00", "..%5C/v1"])
def test_an_unknown_version_is_404(client: APIClient, path: str) -> None:
    refusal(client, 404, path=f"/services/{path}")


@pytest.mark.parametrize("other", ["bob", "rita"])
def test_somebody_elses_version_is_403(
    client: APIClient, client_for: ClientFor, request: pytest.FixtureRequest, other: str
) -> None:
    refusal(client_for(request.getfixturevalue(other)), 403)


def test_an_owner_may_delete_it(client: APIClient, admin: User, client_for: ClientFor) -> None:
    assert client_for(admin).delete(PATH).status_code == 200


def test_without_a_token_it_is_401(client: APIClient) -> None:
    refusal(APIClient(), 401)
