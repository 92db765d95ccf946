"""The dashboard of the console."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mlops.accounts.models import User
from nodes.models import NodeEntry, NodeHealth
from services.models import Batch, DedicatedPool, Version
from services.usage import scopes
from tests.mlops.console.browser import signed_in
from tests.services.create import create_batch, create_version
from tests.services.usage.recorded import record, record_calls

pytestmark = pytest.mark.django_db

PAGE = "/console/"
LIVE = {"HX-Request": "true"}


def dashboard(browser: Client, **query: str) -> str:
    answer = browser.get(PAGE, query)
    assert answer.status_code == 200
    return answer.content.decode()


def create_node(address: str = "http://node-1:12805/", state: str = "ready", **more: Any) -> None:
    now = timezone.now()
    pool = {"available": True, "activeShellCount": 3, "currentPoolSize": 8, "canOpenShell": True}
    report = {"runtimes": {"Python": pool}, **more.pop("report", {})}
    NodeEntry.objects.create(uri=address)
    NodeHealth.objects.create(
        address=address,
        state=state,
        last_probe_at=now,
        last_seen_at=now,
        report=report,
        **more,
    )


def close_to(version: Version, name: str) -> None:
    version.service.grants = [{"right": "consume", "kind": "user", "name": name}]
    version.service.save()


def test_it_is_the_first_page(admin: User) -> None:
    assert '<h2 id="attention-title">' in dashboard(signed_in("admin"))


def test_figures_of_the_last_minutes_are_tiles(admin: User) -> None:
    create_node()
    now = timezone.now()
    for minutes in range(5):
        record_calls(now - timedelta(minutes=minutes), 120, failures=6)
    record_calls(now - timedelta(minutes=30), 60)
    browser = signed_in("admin")
    tiles = browser.get(PAGE).context["tiles"]
    by_label = {tile.label: tile for tile in tiles}
    rate = float(by_label["Requests / min"].figure)
    assert 120 <= rate <= 150  # the current minute is not over
    assert by_label["Error rate"].figure.split() == ["5", "%"]
    assert by_label["Busy shells"].figure == "3"
    assert by_label["Busy shells"].note == "Python 3 of 8"
    for label in ("Median time (p50)", "p95", "p99"):
        assert by_label[label].figure.endswith("ms")
        assert "in the hour before" in by_label[label].note


def test_services_with_errors_are_named_with_the_reason(admin: User, alice: User) -> None:
    create_node()
    create_version(alice, name="churn")
    record(timezone.now(), 0.1, 0.1, is_success=False)
    record(timezone.now(), 0.1, 0.1)
    page = dashboard(signed_in("admin"))
    assert "churn/v1" in page
    assert "2 of 4 calls failed in the last 15 minutes: 2 in its own code." in page


def test_versions_that_no_node_can_run_are_named(admin: User, alice: User) -> None:
    create_node()
    create_version(alice, name="forest", runtime_type="R", code="x <- 1")
    page = dashboard(signed_in("admin"))
    assert "No compute node that is ready runs R: the only version cannot be called." in page


def test_a_pool_that_is_short_is_named_with_what_its_node_says(admin: User, alice: User) -> None:
    version = create_version(alice)
    DedicatedPool.objects.create(version=version, initial_size=2, max_size=2)
    reports = [{"bundle": version.bundle_id, "status": "Pending", "reason": "No module named x."}]
    create_node(report={"pools": reports})
    page = dashboard(signed_in("admin"))
    assert "Its dedicated pool is ready on 0 of 1 node. No module named x." in page


def test_failed_batches_are_named(admin: User, alice: User) -> None:
    create_node()
    create_version(alice)
    batch = create_batch(alice)
    Batch.objects.filter(pk=batch.pk).update(finished_at=timezone.now(), error="It broke.")
    assert "1 batch failed in the last day: It broke." in dashboard(signed_in("admin"))


def test_nodes_are_shown_with_state_and_why(admin: User) -> None:
    create_node()
    create_node("http://node-2:12805/", state="down", reason="Connection refused.")
    page = dashboard(signed_in("admin"))
    assert "1 ready" in page
    assert "1 down" in page
    assert "Connection refused." in page
    assert page.index("square-down") < page.index("square-ready")


def test_of_many_nodes_some_are_shown(admin: User) -> None:
    now = timezone.now()
    NodeHealth.objects.bulk_create(
        NodeHealth(address=f"http://node-{n}:12805/", state="ready", last_probe_at=now)
        for n in range(500)
    )
    page = dashboard(signed_in("admin"))
    assert "500 ready" in page
    assert page.count("square-ready") == 120
    assert "and 380 more" in page


def test_what_somebody_may_not_consume_is_not_there(
    admin: User, alice: User, bob: User, rita: User
) -> None:
    create_node()
    close_to(create_version(alice, name="secret-one"), "bob")
    create_version(alice, name="open-one")
    for name in ("secret-one", "open-one"):
        record(timezone.now(), 0.1, name=name, is_success=False)
    for user, is_there in ((admin, True), (bob, True), (alice, True), (rita, False)):
        page = dashboard(signed_in(user.username))
        assert ("secret-one" in page) == is_there
        assert "open-one" in page
    answer = signed_in("rita").get(PAGE, {"part": "charts"}, headers=LIVE)
    assert "open-one/v1 published" in answer.content.decode()
    assert "secret-one" not in answer.content.decode()


def test_owners_see_the_latest_changes_of_the_audit_trail(admin: User, alice: User) -> None:
    create_node()
    create_version(alice)
    changes = signed_in("admin").get(PAGE).context["changes"]
    assert [(line.text, line.reason) for line in changes] == [("publish version churn/v1", "alice")]


def test_others_see_what_was_published(rita: User, alice: User) -> None:
    create_node()
    create_version(alice)
    changes = signed_in("rita").get(PAGE).context["changes"]
    assert [(line.text, line.reason) for line in changes] == [("publish version churn/v1", "alice")]
    assert all("auditentry" not in line.link for line in changes)


def test_a_new_installation_says_what_to_do_next(admin: User, rita: User, alice: User) -> None:
    assert "python manage.py publish path/to/folder" in dashboard(signed_in("admin"))
    assert "python manage.py nodes add" in dashboard(signed_in("admin"))
    assert "ask a colleague" in dashboard(signed_in("rita"))
    create_version(alice)
    assert "python manage.py score churn v1" in dashboard(signed_in("admin"))
    record(timezone.now(), 0.1)
    assert "python manage.py score" not in dashboard(signed_in("admin"))


def test_live_parts_are_fragments(admin: User) -> None:
    create_node()
    browser = signed_in("admin")
    for part in ("now", "charts"):
        text = browser.get(PAGE, {"part": part, "span": "7d"}, headers=LIVE).content.decode()
        assert "<html" not in text
    assert "part=charts&amp;span=7d" in dashboard(browser, span="7d")


def test_queries_do_not_grow_with_what_there_is(
    admin: User, alice: User, django_assert_max_num_queries: Any
) -> None:
    browser = signed_in("admin")
    for number in range(15):
        version = create_version(alice, name=f"service-{number}")
        DedicatedPool.objects.create(version=version, initial_size=1, max_size=1)
        create_node(f"http://node-{number}:12805/")
        record(timezone.now(), 0.1, name=f"service-{number}", is_success=False)
        batch = create_batch(alice, name=f"service-{number}")
        Batch.objects.filter(pk=batch.pk).update(finished_at=timezone.now(), error="It broke.")
    with django_assert_max_num_queries(25):
        dashboard(browser)
    with django_assert_max_num_queries(21):
        browser.get(PAGE, {"part": "now"}, headers=LIVE)
    assert scopes.EVERYTHING == ""
