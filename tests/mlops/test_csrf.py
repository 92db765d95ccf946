"""Nothing is changed on behalf of a browser's user without the token against forged requests."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from mlops.accounts.models import AuditEntry, User
from services.models import Version
from tests.contract.asking import GUID, NAMES
from tests.mlops.console.browser import signed_in
from tests.services.create import create_version

METHODS = ["POST", "PUT", "PATCH", "DELETE"]
# They take no notice of who a browser is signed in as; what they need is in the request itself.
WITHOUT_SESSION = {
    *("/ping", "/login", "/login/refreshToken", f"/login/refreshToken/{GUID}"),
    *("/docs", "/openapi.json"),
}


def addresses(
    patterns: Sequence[URLPattern | URLResolver] | None = None, prefix: str = "/"
) -> Iterator[str]:
    """An address for every route that there is."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route)
        elif "(?P" not in route:  # what the admin site catches leads elsewhere
            yield re.sub(r"<(?:\w+:)?(\w+)>", lambda found: NAMES.get(found[1], GUID), route)


def everything() -> dict[str, list[Any]]:
    """All rows of all tables but those of browsers' sessions, and of refusals."""
    models = [model for model in apps.get_models() if model not in (AuditEntry, Session)]
    rows = {
        model.__name__: list(model._default_manager.order_by("pk").values()) for model in models
    }
    return rows | {"done": list(AuditEntry.objects.filter(outcome="success").values())}


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


def answered(browser: Client, address: str, method: str, **headers: str) -> int:
    """The status, without a look at what the REST contract says of it."""
    request = {"POST": browser.post, "PUT": browser.put}.get(method)
    send = request or {"PATCH": browser.patch, "DELETE": browser.delete}[method]
    return int(send(address, b"", content_type="application/json", **headers).status_code)


def test_every_route_is_found() -> None:
    found = set(addresses())
    assert {"/login", "/services/churn/v1", "/console/logout/", "/computenodes"} <= found
    assert len(found) > 40


@pytest.mark.parametrize("address", sorted(set(addresses()) - WITHOUT_SESSION))
def test_without_the_token_nothing_is_changed(version: Version, admin: User, address: str) -> None:
    browser = signed_in("admin")
    before = everything()
    for method in METHODS:
        assert answered(browser, address, method) == 403, method
        assert answered(browser, address, method, HTTP_X_CSRFTOKEN="x" * 32) == 403, method
    assert everything() == before
    assert browser.get("/console/services/service/").status_code == 200  # still signed in


@pytest.mark.parametrize("address", sorted(WITHOUT_SESSION))
def test_calls_without_a_session_take_no_notice_of_one(
    version: Version, admin: User, address: str
) -> None:
    browser = signed_in("admin")
    before = everything()
    for method in METHODS:
        assert answered(browser, address, method) in (200, 401, 403, 405)
    assert everything() == before
