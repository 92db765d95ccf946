"""Static files, served by the web node itself with DEBUG off."""

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import Client

from mlops.asgi import application

# Requests end by looking after the database connection, even those that never use it.
pytestmark = pytest.mark.django_db(transaction=True)

STYLES = "/static/unfold/css/styles.css"


def fetch(address: str, **headers: str) -> httpx.Response:
    """The answer of the ASGI application; a warning on the way fails the test."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://mlops") as client:
            return await client.get(address, headers=headers)

    return async_to_sync(get)()


def test_debug_is_off() -> None:
    assert settings.DEBUG is False


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (STYLES, "text/css"),
        ("/static/console/console.css", "text/css"),
        ("/static/console/favicon.svg", "image/svg+xml"),
        ("/static/rest_framework/css/bootstrap.min.css", "text/css"),
        ("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js", "javascript"),
    ],
)
def test_files_of_all_packages_arrive_whole(address: str, kind: str) -> None:
    response = fetch(address)
    assert response.status_code == 200
    assert kind in response.headers["Content-Type"]
    assert len(response.content) == int(response.headers["Content-Length"]) > 0
    assert "public" in response.headers["Cache-Control"]


def test_an_unchanged_file_is_not_sent_again() -> None:
    response = fetch(STYLES, **{"If-None-Match": fetch(STYLES).headers["ETag"]})
    assert response.status_code == 304
    assert response.content == b""


def test_a_part_of_a_file_arrives() -> None:
    response = fetch(STYLES, Range="bytes=0-9")
    assert response.status_code == 206
    assert response.content == fetch(STYLES).content[:10]


def test_no_other_site_is_invited_to_read_them() -> None:
    assert "Access-Control-Allow-Origin" not in fetch(STYLES).headers


@pytest.mark.parametrize(
    "address",
    ["/static/", "/static/none.css", "/static/../manage.py", "/static/%2e%2e/%2e%2e/etc/passwd"],
)
def test_nothing_else_is_served(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404
