"""Batches on the console."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from mlops.jobs import running
from mlops.jobs.models import Job
from services.batches import leases
from services.batches.outcomes import Outcome
from services.models import Batch, BatchState
from services.schema import Parameter
from tests.mlops.console.browser import csrf_token, signed_in
from tests.services.create import batch_rows, create_batch, create_version, finish_batch, success

LIST, CANCEL = "/console/services/batch/", "/console/batches/cancel/"


@pytest.fixture
def browser(alice: User) -> Client:
    create_version(
        alice,
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("answer", "numeric")],
    )
    return signed_in("alice")


def text_of(browser: Client, address: str, **options: Any) -> str:
    response = browser.get(address, **options)
    assert response.status_code == 200, response
    return response.content.decode()


def page_of(batch: Batch, part: str = "") -> str:
    return f"/console/batch/{batch.pk}/{part}"


def post(browser: Client, address: str, **form: Any) -> HttpResponse:
    token = csrf_token(browser.get(f"{LIST}?q=none"))
    return browser.post(address, {"csrfmiddlewaretoken": token, **form})


def listed(page: str) -> list[str]:
    return re.findall(r'class="batch-link" href="/console/batch/([^/]+)/"', page)


def n_statements(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as statements:
        text_of(browser, address)
    return len(statements)


def create_states(user: User) -> dict[str, Batch]:
    """A batch in each state."""
    batches = {state: create_batch(user, n_items=4) for state in BatchState.values}
    now = timezone.now()
    rows = Batch.objects.filter
    rows(pk=batches["Pending"].pk).update(ready_at=None)
    rows(pk=batches["InProgress"].pk).update(started_at=now)
    rows(pk=batches["Complete"].pk).update(started_at=now, finished_at=now, n_failed=1)
    rows(pk=batches["Failed"].pk).update(started_at=now, finished_at=now, error="Lost.")
    return batches


def test_everybody_sees_the_own_batches_and_owners_all(
    browser: Client, alice: User, bob: User, admin: User
) -> None:
    hers, his = create_batch(alice), create_batch(bob)
    assert listed(text_of(browser, LIST)) == [str(hers.pk)]
    assert set(listed(text_of(signed_in("admin"), LIST))) == {str(hers.pk), str(his.pk)}
    for part in ("", "retry/", "results.json/", "results.csv/", "0/a.txt/"):
        assert browser.get(page_of(his, part)).status_code == 404
    before = batch_rows()
    assert post(browser, page_of(his, "retry/"), confirmed="yes").status_code == 404
    assert post(browser, CANCEL, batch=str(his.pk), confirmed="yes").status_code == 404
    assert batch_rows() == before


def test_the_filter_finds_the_batches_in_a_state(browser: Client, alice: User) -> None:
    for state, batch in create_states(alice).items():
        batch.refresh_from_db()
        assert batch.state == state
        assert listed(text_of(browser, f"{LIST}?state={state}")) == [str(batch.pk)]


def test_failures_versions_and_users_are_found(browser: Client, alice: User, admin: User) -> None:
    create_version(alice, name="other")
    other = create_batch(alice, name="other")
    states = create_states(alice)
    assert listed(text_of(browser, f"{LIST}?state=failures")) == [str(states["Complete"].pk)]
    assert listed(text_of(browser, f"{LIST}?version=other")) == [str(other.pk)]
    assert listed(text_of(browser, f"{LIST}?version=other/v2")) == []
    assert len(listed(text_of(signed_in("admin"), f"{LIST}?owner=ALICE"))) == 6


@pytest.mark.parametrize("length", [3, 12, 36])
def test_a_batch_is_found_by_how_its_id_begins(browser: Client, alice: User, length: int) -> None:
    create_states(alice)
    batch = Batch.objects.earliest("pk")
    found = listed(text_of(browser, f"{LIST}?q={str(batch.pk)[:length]}"))
    assert str(batch.pk) in found
    assert listed(text_of(browser, f"{LIST}?q=nonsense")) == []


def test_many_batches_take_as_many_statements_as_one(browser: Client, alice: User) -> None:
    create_batch(alice)
    before = n_statements(browser, LIST)
    version = Batch.objects.get().version
    Batch.objects.bulk_create(
        Batch(version=version, owner=alice, parallel_count=1, n_items=9, n_completed=n % 9)
        for n in range(2000)
    )
    assert n_statements(browser, LIST) == before


def test_many_items_take_as_many_statements_as_few(browser: Client, alice: User) -> None:
    few = finish_batch(create_batch(alice, n_items=2))
    many = finish_batch(create_batch(alice, n_items=300, parallel_count=50))
    assert n_statements(browser, page_of(many)) == n_statements(browser, page_of(few))


def test_a_running_batch_tells_how_far_it_is(browser: Client, alice: User) -> None:
    batch = finish_batch(create_batch(alice, n_items=8), n_done=2, failures={1})
    page = text_of(browser, page_of(batch))
    for said in ("<strong>2</strong> of 8 items done, 25 %", "to go", "with a worker"):
        assert said in page
    assert "Retry failed only" not in page
    part = browser.get(page_of(batch), headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert "X-Live-Ended" not in part.headers


def test_at_its_end_the_page_stops_asking(browser: Client, alice: User) -> None:
    batch = finish_batch(create_batch(alice), failures={1})
    part = browser.get(page_of(batch), headers={"HX-Request": "true"})
    assert part["X-Live-Ended"] == "1"
    assert "Retry failed only" in part.content.decode()


def test_items_show_what_was_sent_and_what_came_of_it(browser: Client, alice: User) -> None:
    batch = finish_batch(
        create_batch(alice, n_items=2), failures={1}, outputs=lambda n: {"answer": n + 41}
    )
    page = text_of(browser, page_of(batch))
    for said in ("{&quot;x&quot;: 0}", "{&quot;answer&quot;: 41}", "Item 1 is odd."):
        assert said in page
    assert "&quot;answer&quot;" not in text_of(browser, f"{page_of(batch)}?items=failed")


def test_items_come_in_pages(browser: Client, alice: User) -> None:
    batch = finish_batch(create_batch(alice, n_items=60), failures=set(range(30)))
    page = text_of(browser, f"{page_of(batch)}?items=failed&p=2")
    assert re.findall(r'data-label="Item">(\d+)<', page) == [str(n) for n in range(25, 30)]
    assert "Page 2 of 2" in page
    assert "Page 3 of 3" in text_of(browser, f"{page_of(batch)}?p=99")


def test_the_json_is_what_the_api_answers(browser: Client, alice: User, client_for: Any) -> None:
    batch = finish_batch(create_batch(alice), failures={1}, outputs=lambda n: {"answer": n})
    answer = browser.get(page_of(batch, "results.json/"))
    assert answer["Content-Disposition"] == f'attachment; filename="batch-{batch.pk}.json"'
    api = client_for(alice).get(f"/api/churn/v1/batch/{batch.pk}")
    assert b"".join(answer.streaming_content) == b"".join(api.streaming_content)


def test_the_csv_has_a_line_for_each_item(browser: Client, alice: User) -> None:
    batch = finish_batch(create_batch(alice), failures={1}, outputs=lambda n: {"answer": -n})
    content = b"".join(browser.get(page_of(batch, "results.csv/")).streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["answer"] for row in rows] == ["0", "", "-2"]
    assert [row["success"] for row in rows] == ["true", "false", "true"]


def test_files_of_an_item_are_downloaded(browser: Client, alice: User) -> None:
    batch = create_batch(alice, n_items=1)
    now = timezone.now()
    grant = leases.claim(batch.pk, holder="w", n_slots=1, n_items=1, now=now)
    assert grant
    outcome = Outcome(0, success({}), {"plot one.png": b"\x89PNG"})
    options = {"outcomes": [outcome], "n_slots": 1, "n_items": 0, "now": now}
    leases.exchange(batch.pk, grant.lease_id, **options)
    page = text_of(browser, page_of(batch))
    [address] = re.findall(rf'"({page_of(batch)}0/[^"]+)"', page)
    answer = browser.get(address)
    assert b"".join(answer.streaming_content) == b"\x89PNG"
    assert answer["Content-Disposition"] == 'attachment; filename="plot one.png"'
    assert browser.get(page_of(batch, "0/none/")).status_code == 404


def test_cancelling_asks_first_and_is_noted(browser: Client, alice: User) -> None:
    batch = create_batch(alice)
    assert "3 items that are not done yet" in text_of(browser, f"{CANCEL}?batch={batch.pk}")
    assert post(browser, CANCEL, batch=str(batch.pk)).status_code == 200
    assert Batch.objects.exists()
    assert post(browser, CANCEL, batch=str(batch.pk), confirmed="yes")["Location"] == LIST
    assert not Batch.objects.exists()
    assert AuditEntry.objects.latest("pk").action == "cancel batch"


@pytest.mark.django_db(transaction=True)
def test_many_are_cancelled_by_a_worker_and_others_batches_stay(
    browser: Client, alice: User, bob: User
) -> None:
    chosen = [str(create_batch(alice).pk) for _ in range(2)]
    kept, his = create_batch(alice), create_batch(bob)
    page = post(browser, LIST, action="cancel", _selected_action=chosen)
    assert "Cancel 2 batches?" in page.content.decode()
    post(browser, CANCEL, batch=[*chosen, str(his.pk), "nonsense"], confirmed="yes")
    running.run(Job.objects.get().pk)
    assert set(Batch.objects.all()) == {kept, his}
    assert AuditEntry.objects.filter(action="cancel batch", username="alice").count() == 2


def test_retrying_leads_to_the_new_batch(browser: Client, alice: User) -> None:
    batch = finish_batch(create_batch(alice, n_items=4), failures={1, 3})
    assert "Run 2 items again?" in text_of(browser, page_of(batch, "retry/"))
    answer = post(browser, page_of(batch, "retry/"), confirmed="yes")
    retried = Batch.objects.exclude(pk=batch.pk).get()
    assert answer["Location"] == page_of(retried)
    assert retried.n_items == 2


def test_what_cannot_be_retried_is_said(browser: Client, alice: User) -> None:
    batch = create_batch(alice)
    answer = post(browser, page_of(batch, "retry/"), confirmed="yes")
    assert answer.status_code == 409
    assert "still running" in answer.content.decode()


def test_the_csv_of_the_list_has_every_batch_of_the_filter(browser: Client, alice: User) -> None:
    states = create_states(alice)
    content = b"".join(browser.get(f"{LIST}csv/?state=Failed").streaming_content).decode()
    [row] = csv.DictReader(io.StringIO(content))
    assert (row["Id"], row["Error"]) == (str(states["Failed"].pk), "Lost.")
    assert json.loads(row["Items"]) == 4


@pytest.mark.parametrize("sort", range(1, 10))
def test_every_column_sorts(browser: Client, alice: User, sort: int) -> None:
    create_states(alice)
    assert len(listed(text_of(browser, f"{LIST}?o={sort}"))) == 5
