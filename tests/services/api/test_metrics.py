"""GET /metrics: who may, and what comes."""

from collections.abc import Callable

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts.models import User
from tests.figures import Figures
from tests.services.api.exchange import ERROR_KEYS
from tests.services.create import create_version

ClientFor = Callable[[User], APIClient]

PATH = "/metrics"
TOKEN = "for metrics alone"


@pytest.fixture
def metrics_token(settings: Settings) -> str:
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


def bearing(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def refused(client: APIClient, status: int, path: str = PATH) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert list(response.json()) == ERROR_KEYS


def test_an_owner_gets_what_prometheus_reads(
    admin: User, alice: User, client_for: ClientFor
) -> None:
    version = create_version(alice, name="""größe "1", {x="2"} 'Maß'""")
    response = client_for(admin).get(PATH, headers={"Accept": "text/plain;version=0.0.4"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    figures = Figures(response.content.decode())
    assert figures.of("mlops_version_info", name=version.service.name, runtime="Python")
    assert figures.sum("process_resident_memory_bytes") > 10_000_000


def test_whoever_shows_the_metrics_token_gets_it(db: None, metrics_token: str) -> None:
    assert bearing(metrics_token).get(PATH).status_code == 200


def test_the_metrics_token_is_good_for_nothing_else(admin: User, metrics_token: str) -> None:
    for path in ("/services", "/status", "/computenodes"):
        refused(bearing(metrics_token), 401, path)


@pytest.mark.parametrize("token", ["", "another", TOKEN[:-1], TOKEN + "x", "größe"])
def test_another_token_is_401(db: None, metrics_token: str, token: str) -> None:
    refused(bearing(token.encode().decode("latin-1")), 401)


@pytest.mark.parametrize("token", ["", " ", TOKEN])
def test_without_a_metrics_token_there_is_none_to_show(db: None, token: str) -> None:
    refused(bearing(token), 401)


def test_nobody_gets_it_without_a_token(db: None) -> None:
    refused(APIClient(), 401)


@pytest.mark.parametrize("who", ["alice", "rita"])
def test_contributors_and_readers_are_403(
    client_for: ClientFor, request: pytest.FixtureRequest, who: str
) -> None:
    refused(client_for(request.getfixturevalue(who)), 403)


def test_an_owner_at_the_console_may_look(admin: User) -> None:
    client = APIClient()
    client.force_login(admin)
    assert client.get(PATH).status_code == 200
