"""Every purpose-built page of the console asked by everybody: a wrong caller changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.accounts.roles import Role
from mlops.jobs.models import Job
from nodes.models import NodeEntry, NodeHealth
from services import runs
from services.capacity.options import Options
from services.models import Batch, Version
from tests.conftest import CONTRIBUTORS, READERS, create_user
from tests.contract.console_pages import Page, all_pages
from tests.contract.routes import CONSOLE
from tests.contract.things import everything
from tests.mlops.console.browser import csrf_token_in, open_browser, signed_in
from tests.services.create import create_batch, create_version, finish_batch

pytestmark = pytest.mark.any_database

OWNERS = "chiefs"
CAST = {
    "olga": (OWNERS, Role.OWNER),
    "carol": (CONTRIBUTORS, Role.CONTRIBUTOR),
    "rita": (READERS, Role.READER),
}
PAGES = all_pages()
POSTED = {route: page for route, page in PAGES.items() if page.posts is not None}

# What addresses may name; each area adds what its pages are about.
THINGS: dict[str, Callable[[], Any]] = {
    "{name}": lambda: Version.objects.get().name,
    "{version}": lambda: Version.objects.get().version,
    "{version_id}": lambda: Version.objects.get().pk,
    "{node}": lambda: NodeHealth.objects.get().pk,
    "{person}": lambda: User.objects.get(username="alice").pk,
    "{entry}": lambda: NodeEntry.objects.get().pk,
    "{batch}": lambda: Batch.objects.get().pk,
    "{diagnostics}": lambda: Job.objects.get(kind=runs.DIAGNOSTICS).pk,
    "{trace}": lambda: Job.objects.get(kind=runs.TRACE).pk,
    "{capacity}": lambda: Job.objects.get(kind=runs.CAPACITY).pk,
}


@pytest.fixture(autouse=True)
def everybody(db: None, settings: Settings) -> None:
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [CONTRIBUTORS], "Reader": [READERS]}
    for name, (group, _) in CAST.items():
        create_user(name, group=group)
    alice = create_user("alice", group=CONTRIBUTORS)
    create_version(alice)
    finish_batch(create_batch(alice), failures={1})
    entry = NodeEntry.objects.create(uri="http://10.0.0.1:12805/")
    NodeHealth.objects.create(address=entry.uri, last_probe_at=entry.created_at)
    olga = User.objects.get(username="olga")
    runs.start_diagnostics(user=olga)
    runs.start_trace(user=olga, what=runs.CODE, runtime="Python", code="1")
    runs.start_capacity(user=olga, options=Options("thread"))


def address_of(route: str, page: Page) -> str:
    address = page.address or route
    for name, value in THINGS.items():
        if name in address:
            address = address.replace(name, str(value()))
    return CONSOLE + address


def send(browser: Client, route: str, page: Page, *, token: str) -> HttpResponse:
    form = {"csrfmiddlewaretoken": token, **(page.form or {})}
    return browser.post(address_of(route, page), form)


def token_of(browser: Client) -> str:
    return csrf_token_in(browser.get(f"{CONSOLE}signed-in/").content.decode())


@pytest.mark.parametrize("name", CAST)
@pytest.mark.parametrize("route", PAGES)
def test_each_role_gets_the_pages_that_it_may_see(name: str, route: str) -> None:
    page, role = PAGES[route], CAST[name][1]
    answer = signed_in(name).get(address_of(route, page))
    assert answer.status_code == (page.status if role >= page.role else page.others)


@pytest.mark.parametrize("route", PAGES)
def test_who_is_not_signed_in_is_sent_to_sign_in(route: str) -> None:
    before = everything()
    for method in ("get", "post"):
        answer = getattr(Client(), method)(address_of(route, PAGES[route]))
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"{CONSOLE}login/")
    assert everything() == before


@pytest.mark.parametrize("route", PAGES)
def test_a_script_learns_that_the_session_has_ended(route: str) -> None:
    before = everything()
    for method in ("get", "post"):
        call = getattr(Client(), method)
        answer = call(address_of(route, PAGES[route]), headers={"X-Console": "1"})
        assert answer.status_code == 401
    assert everything() == before


@pytest.mark.parametrize(
    ("name", "route"),
    [
        (name, route)
        for name, (_, role) in CAST.items()
        for route, page in PAGES.items()
        if page.posts is None or role < page.posts
    ],
)
def test_a_role_that_is_too_low_changes_nothing(name: str, route: str) -> None:
    page, browser = PAGES[route], signed_in(name)
    token, before = token_of(browser), everything()
    assert send(browser, route, page, token=token).status_code in (403, 404, 405)
    assert everything() == before


@pytest.mark.parametrize("route", POSTED)
def test_nothing_is_changed_without_a_csrf_token(route: str) -> None:
    browser = signed_in("olga")
    before = everything()
    assert send(browser, route, POSTED[route], token="").status_code == 403
    assert everything() == before


@pytest.mark.parametrize("route", POSTED)
def test_a_stale_token_is_told_apart_for_scripts(route: str) -> None:
    browser = open_browser()
    answer = browser.post(address_of(route, POSTED[route]), headers={"X-Console": "1"})
    assert answer.status_code == 403
    assert answer["X-Csrf-Failed"] == "1"
