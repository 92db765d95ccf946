"""An API key at every operation: never more than its account may, nor beyond its services."""

import pytest
from rest_framework.test import APIClient

from mlops.accounts import tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.models import ApiKey, User
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import create_service_account
from services.models import Version
from tests.contract.asking import address, ask, rows
from tests.contract.operations import CONTRIBUTOR, OWNER, PUBLISHER, READER, Operation
from tests.services.create import create_version, published

CLOSED = rows(READER, CONTRIBUTOR, OWNER, PUBLISHER)
MANAGES_KEYS = {"createApiKey", "revokeApiKey", "createServiceAccount", "removeServiceAccount"}


def calls_a_service(row: Operation) -> bool:
    return row.path.startswith("/api/{name}/")


def client_with(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def everything() -> list[dict[str, object]]:
    keys = ApiKey.objects.values("pk", "user", "services", "expires_at")
    return [*published(), *User.objects.values(), *keys]


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


@pytest.mark.parametrize("row", CLOSED, ids=str)
@pytest.mark.parametrize("role", [Role.READER, Role.OWNER])
def test_a_key_opens_the_calls_of_its_services_and_nothing_else(
    version: Version, admin: User, role: Role, row: Operation
) -> None:
    create_service_account(user=admin, name="robot", role=role)
    make = {"user": admin, "account": "robot", "name": "x"}
    own = create_api_key(**make, services=["churn", "other"]).text
    another = create_api_key(**make, services=["other", "Churn", "chur", "churn2"]).text
    before = everything()
    assert ask(client_with(another), row, address(row)).status_code == 403
    assert everything() == before
    status = ask(client_with(own), row, address(row)).status_code
    if calls_a_service(row):
        assert status not in (401, 403)
    else:
        assert status == 403
        assert everything() == before


@pytest.mark.parametrize("row", CLOSED, ids=str)
def test_a_key_without_bounds_opens_what_its_account_may_and_manages_no_keys(
    version: Version, rita: User, row: Operation
) -> None:
    key = create_api_key(user=rita, name="x").text
    before = everything()
    by_key = ask(client_with(key), row, address(row)).status_code
    if row.operation_id in MANAGES_KEYS:
        assert by_key == 403
        assert everything() == before
    else:
        by_token = ask(client_with(tokens.issue(rita).access_token), row, address(row))
        assert by_key == by_token.status_code
        assert (by_key == 403) == (row.role != READER)
