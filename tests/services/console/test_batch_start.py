"""Starting batches on the console."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from mlops.accounts.models import AuditEntry, User
from mlops.jobs import running
from mlops.jobs.models import Job
from services.console import batch_storing
from services.console.batch_start import _digest
from services.models import Batch, Service
from services.schema import Parameter
from tests.mlops.console.browser import csrf_token, signed_in
from tests.services.create import create_batch, create_version, finish_batch

PAGE = "/console/batch/start/"
ROWS = "x\n1\n2\n3\n"


@pytest.fixture
def browser(alice: User) -> Client:
    create_version(alice, inputs=[Parameter("x", "numeric")])
    return signed_in("alice")


def send(browser: Client, headers: dict[str, str] | None = None, **form: Any) -> HttpResponse:
    token = csrf_token(browser.get(PAGE))
    said = {"csrfmiddlewaretoken": token, "version": "churn/v1", "parallel_count": "2"}
    return browser.post(PAGE, {**said, **form}, headers=headers or {})


def previewed_in(response: HttpResponse) -> str:
    found = re.search(r'name="previewed" value="(\w*)"', response.content.decode())
    assert found
    return found[1]


def test_the_first_push_shows_the_rows_and_the_second_starts_them(
    browser: Client, alice: User
) -> None:
    shown = send(browser, rows=ROWS)
    assert "<strong>3</strong> items" in shown.content.decode()
    assert not Batch.objects.exists()
    started = send(browser, rows=ROWS, previewed=previewed_in(shown))
    batch = Batch.objects.get()
    assert started["Location"] == f"/console/batch/{batch.pk}/"
    assert (batch.n_items, batch.parallel_count, batch.owner) == (3, 2, alice)
    assert AuditEntry.objects.latest("pk").action == "start batch"


def test_what_is_started_is_what_was_shown(browser: Client) -> None:
    shown = send(browser, rows=ROWS)
    changed = send(browser, rows=f"{ROWS}4\n", previewed=previewed_in(shown))
    assert "<strong>4</strong> items" in changed.content.decode()
    assert not Batch.objects.exists()


def test_a_file_takes_the_place_of_the_rows(browser: Client) -> None:
    file = SimpleUploadedFile("rows.csv", b"\xef\xbb\xbfx\r\n1\r\n2\r\n")
    shown = send(browser, rows="nonsense", file=file)
    assert "<strong>2</strong> items" in shown.content.decode()


def test_while_it_is_typed_only_the_preview_is_sent(browser: Client) -> None:
    part = send(browser, {"HX-Request": "true"}, rows=ROWS).content.decode()
    assert "<html" not in part
    assert "<strong>3</strong> items" in part


@pytest.mark.parametrize(
    ("form", "said", "status"),
    [
        ({"rows": "x\nmany\n"}, "Line 2, column x", 400),
        ({"rows": ""}, "There are no rows", 400),
        ({"version": ""}, "Choose a version first", 400),
        ({"version": "churn/v9", "rows": ROWS}, "no such version", 404),
        ({"version": "churn", "rows": ROWS}, "no such version", 404),
        ({"file": SimpleUploadedFile("a.csv", b"x\n\xff\n")}, "not UTF-8", 400),
    ],
)
def test_what_is_wrong_is_said_at_the_form(
    browser: Client, form: dict[str, Any], said: str, status: int
) -> None:
    answer = send(browser, **form)
    assert answer.status_code == status
    assert said in answer.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_the_number_at_a_time_must_be_one(browser: Client, count: str) -> None:
    previewed = previewed_in(send(browser, rows=ROWS))
    answer = send(browser, rows=ROWS, parallel_count=count, previewed=previewed)
    assert answer.status_code == 400
    assert not Batch.objects.exists()


def test_a_version_that_is_closed_is_not_offered_and_not_started(
    browser: Client, bob: User
) -> None:
    service = Service.objects.get()
    service.grants = [{"right": "consume", "kind": "user", "name": "nobody"}]
    service.save()
    other = signed_in("bob")
    assert 'value="churn/v1"' in browser.get(PAGE).content.decode()
    assert 'value="churn/v1"' not in other.get(PAGE).content.decode()
    assert send(other, rows=ROWS).status_code == 403


@pytest.mark.usefixtures("declared_groups")
def test_readers_start_batches_too(alice: User, rita: User) -> None:
    create_version(alice, inputs=[Parameter("x", "numeric")])
    browser = signed_in("rita")
    send(browser, rows=ROWS, previewed=previewed_in(send(browser, rows=ROWS)))
    assert Batch.objects.get().owner == rita


@pytest.mark.django_db(transaction=True)
def test_a_large_table_is_stored_by_a_worker(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_storing, "_AT_ONCE_LETTERS", 5)
    answer = send(browser, rows=ROWS, previewed=previewed_in(send(browser, rows=ROWS)))
    waiting = answer["Location"]
    assert "Waiting for a worker" in browser.get(waiting).content.decode()
    running.run(Job.objects.get().pk)
    batch = Batch.objects.get()
    assert browser.get(waiting)["Location"] == f"/console/batch/{batch.pk}/"
    part = browser.get(waiting, headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == f"/console/batch/{batch.pk}/"


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_with_a_large_table_is_said_where_it_is_waited_for(
    browser: Client, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_storing, "_AT_ONCE_LETTERS", 5)
    rows = f"{ROWS}many\n"
    waiting = send(browser, rows=rows, previewed=_digest("churn/v1", rows))["Location"]
    running.run(Job.objects.get().pk)
    page = browser.get(waiting)
    assert "Line 5, column x" in page.content.decode()
    assert page["X-Live-Ended"] == "1"
    assert signed_in("bob").get(waiting).status_code == 404
    assert not Batch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_items_are_retried_by_a_worker(
    browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_storing, "_AT_ONCE_ITEMS", 1)
    batch = finish_batch(create_batch(alice), failures={0, 2})
    token = csrf_token(browser.get(PAGE))
    form = {"csrfmiddlewaretoken": token, "confirmed": "yes"}
    waiting = browser.post(f"/console/batch/{batch.pk}/retry/", form)["Location"]
    running.run(Job.objects.get().pk)
    retried = Batch.objects.exclude(pk=batch.pk).get()
    assert browser.get(waiting)["Location"] == f"/console/batch/{retried.pk}/"
