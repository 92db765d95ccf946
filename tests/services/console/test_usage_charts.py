"""Charts of recorded figures."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from mlops.accounts.models import User
from mlops.accounts.token_cache import Caller
from mlops.usage.minutes import SPANS
from nodes.models import NodeHealth
from services.console.usage_charts import charts_for, publish_markers, usage_of
from services.models import Version
from services.overview import versions_for
from services.usage import scopes
from tests.mlops.console.browser import signed_in
from tests.services.create import create_version
from tests.services.usage.recorded import NODE, NOW, record

pytestmark = pytest.mark.django_db

DAY = SPANS["24h"]


def test_traffic_and_times_of_a_version_are_charts() -> None:
    record(NOW - timedelta(minutes=30), 0.02, 0.03)
    traffic, times = charts_for(scopes.of_version("churn", "v1"), DAY, now=NOW)
    assert not traffic.is_empty
    assert not times.is_empty
    assert sum(value or 0 for value in traffic.series[0].values) == pytest.approx(0.2)
    assert charts_for(scopes.of_version("churn", "v2"), DAY, now=NOW)[0].is_empty


def test_a_node_has_its_shells_too() -> None:
    titles = [chart.title for chart in charts_for(scopes.of_node(NODE), DAY, now=NOW)]
    assert titles[-1] == "Shells"
    assert [chart.title for chart in charts_for("", DAY, now=NOW)] == titles


def test_markers_are_what_was_published_and_changed_in_the_span(alice: User) -> None:
    now = timezone.now()
    for name, created, updated in (("a", 48, 2), ("b", 3, 3), ("c", 48, 48), ("d", 5, 1)):
        pk = create_version(alice, name=name).pk
        Version.objects.filter(pk=pk).update(
            created_at=now - timedelta(hours=created), updated_at=now - timedelta(hours=updated)
        )
    found = publish_markers(Version.objects.all(), DAY, now=now)
    labels = [marker.label for marker in found]
    assert labels == ["d/v1 published", "b/v1 published", "a/v1 changed", "d/v1 changed"]


def test_what_a_user_may_not_consume_is_not_marked(alice: User, rita: User) -> None:
    version = create_version(alice, name="secret")
    version.service.grants = [{"right": "consume", "kind": "user", "name": "alice"}]
    version.service.save()
    for user, n_markers in ((alice, 1), (rita, 0)):
        versions = versions_for(Caller.of(user))
        assert len(publish_markers(versions, DAY, now=timezone.now())) == n_markers


@pytest.mark.parametrize(
    ("asked", "chosen"), [("7d", "7 days"), ("", "24 hours"), ("x", "24 hours")]
)
def test_the_address_chooses_the_span_and_keeps_the_rest(asked: str, chosen: str) -> None:
    request = RequestFactory().get("/", {"span": asked, "tab": "usage"})
    usage = usage_of(request, scopes.EVERYTHING)
    assert [choice.label for choice in usage.choices if choice.is_chosen] == [chosen]
    assert usage.choices[0].address == "?span=1h&tab=usage#usage"


def test_charts_take_few_queries_however_many_rows(
    alice: User, django_assert_max_num_queries: Any
) -> None:
    for minutes in range(30):
        record(NOW - timedelta(minutes=minutes), 0.02)
        create_version(alice, version=f"v{minutes}")
    with django_assert_max_num_queries(3):
        usage_of(RequestFactory().get("/"), scopes.EVERYTHING, versions=Version.objects.all())


def test_the_page_of_a_node_shows_the_calls_that_ended_there(admin: User) -> None:
    now = timezone.now()
    node = NodeHealth.objects.create(address=NODE, state="ready", last_probe_at=now)
    record(now - timedelta(minutes=5), 0.02)
    page = signed_in("admin").get(f"/console/node/{node.pk}/")
    titles = [chart.title for chart in page.context["charts"]]
    assert titles == ["Calls", "Time of a call"]
