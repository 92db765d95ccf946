"""Who may call what: every row of the table asked by somebody whose role does not suffice."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.models import Version
from tests.conftest import create_user
from tests.contract.asking import address, content_type_of, rows
from tests.contract.operations import (
    ANYBODY,
    CONTRIBUTOR,
    ERROR,
    MANAGER,
    OWNER,
    PUBLISHER,
    READER,
    Operation,
)
from tests.services.create import create_version, published

ClientFor = Callable[[User], APIClient]


def refusal(client: APIClient, row: Operation, status: int) -> Any:
    """The error object; fails if the call changed a version."""
    before = published()
    response = client.generic(row.method, address(row), b"", content_type=content_type_of(row))
    assert response.status_code == status, response.content
    assert list(response.json()) == list(ERROR)
    assert published() == before
    return response


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


@pytest.mark.parametrize("row", rows(), ids=str)
def test_without_a_token_it_is_401_but_for_the_open_calls(version: Version, row: Operation) -> None:
    if row.role == ANYBODY:
        response = APIClient().generic(row.method, address(row), b"")
        assert response.status_code in row.statuses
    else:
        assert refusal(APIClient(), row, 401)["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("row", rows(READER, CONTRIBUTOR, OWNER, PUBLISHER, MANAGER), ids=str)
def test_without_a_role_it_is_403(
    version: Version, declared_groups: None, client_for: ClientFor, row: Operation
) -> None:
    refusal(client_for(create_user("mallory")), row, 403)


@pytest.mark.parametrize("row", rows(CONTRIBUTOR, OWNER, PUBLISHER, MANAGER), ids=str)
def test_what_changes_something_for_all_is_403_for_a_reader(
    version: Version, rita: User, client_for: ClientFor, row: Operation
) -> None:
    refusal(client_for(rita), row, 403)


@pytest.mark.parametrize("row", rows(PUBLISHER, MANAGER), ids=str)
def test_what_changes_a_service_is_403_for_another_contributor(
    version: Version, declared_groups: None, bob: User, client_for: ClientFor, row: Operation
) -> None:
    refusal(client_for(bob), row, 403)
