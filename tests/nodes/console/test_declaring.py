"""Declaring compute nodes on the console."""

import re

import pytest
from django.http import HttpResponse
from django.test import Client

from mlops.accounts.models import AuditEntry, User
from nodes.console.declaring import previewed
from nodes.declared import declared_entries
from nodes.models import NodeEntry
from tests.mlops.console.browser import csrf_token, signed_in

pytestmark = pytest.mark.django_db

PAGE = "/console/nodes/declare/"
RANGE = "http://1.0.1-3.1-2:12805"


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in("admin")


def send(browser: Client, entries: str, previewed: str = "") -> HttpResponse:
    token = csrf_token(browser.get(PAGE))
    form = {"csrfmiddlewaretoken": token, "entries": entries, "previewed": previewed}
    return browser.post(PAGE, form)


def previewed_in(response: HttpResponse) -> str:
    found = re.search(r'name="previewed" value="([^"]*)"', response.content.decode())
    assert found
    return found[1]


def test_a_range_is_spelled_out() -> None:
    [line] = previewed(RANGE).lines
    assert line.addresses == [
        f"http://1.0.{third}.{fourth}:12805/" for third in (1, 2, 3) for fourth in (1, 2)
    ]


def test_of_a_large_range_the_first_are_shown_and_the_others_counted() -> None:
    [line] = previewed("http://10.0-1.0.1-200:12805").lines
    assert (len(line.addresses), line.n_more) == (12, 388)


def test_entries_are_separated_by_commas_blanks_and_lines() -> None:
    found = previewed(" http://a,http://b\nhttp://c  http://d ")
    assert (found.n_entries, found.n_new) == (4, 4)


def test_what_is_wrong_is_marked_at_its_character() -> None:
    found = previewed("http://1.0.3-1.1:12805")
    [line] = found.lines
    assert (line.before, line.wrong) == ("http://1.0.3-", "1.1:12805")
    assert line.fault == "a range goes upwards, not from 3 to 1"
    assert found.spelled == ""


def test_overlaps_and_what_is_declared_already_are_said() -> None:
    NodeEntry.objects.create(uri="http://1.0.1.1-9:12805/")
    found = previewed(f"{RANGE} http://1.0.1.1-9:12805")
    assert found.lines[0].preview
    assert found.lines[0].preview.overlaps == (("http://1.0.1.1-9:12805/", 2),)
    assert (found.lines[1].is_known, found.n_new, found.n_addresses) == (True, 1, 6)


def test_too_many_addresses_together_are_refused() -> None:
    NodeEntry.objects.create(uri="http://10.0.0-255.0-254:12805/")
    assert "more than the 65536 allowed" in previewed("http://10.1.0-255.0-254:12805").fault


def test_a_thousand_entries_are_looked_at_and_some_shown() -> None:
    found = previewed(",".join(f"http://10.0.{n // 250}.{n % 250}:12805" for n in range(1000)))
    assert (found.n_new, len(found.lines), found.n_more) == (1000, 50, 950)


def test_the_first_push_shows_and_the_second_declares(browser: Client) -> None:
    shown = send(browser, RANGE)
    assert shown.status_code == 200
    assert "http://1.0.3.2:12805/" in shown.content.decode()
    assert not declared_entries()
    done = send(browser, RANGE, previewed_in(shown))
    assert done.status_code == 302
    assert declared_entries() == [f"{RANGE}/"]
    assert AuditEntry.objects.latest("pk").action == "add compute nodes"


def test_what_is_declared_is_what_was_shown(browser: Client) -> None:
    shown = send(browser, RANGE)
    changed = send(browser, f"{RANGE}, http://evil:1", previewed_in(shown))
    assert changed.status_code == 200
    assert not declared_entries()


def test_while_it_is_typed_only_the_preview_is_sent(browser: Client) -> None:
    token = csrf_token(browser.get(PAGE))
    form = {"csrfmiddlewaretoken": token, "entries": RANGE}
    part = browser.post(PAGE, form, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "http://1.0.2.1:12805/" in part
    assert not declared_entries()


def test_nothing_typed_is_said(browser: Client) -> None:
    response = send(browser, "  ")
    assert response.status_code == 400
    assert "Type the address" in response.content.decode()
