"""The page of a compute node."""

import pytest
from django.test import Client
from django.utils import timezone

from mlops.accounts.models import User
from nodes.models import NodeHealth, NodeUsage, Session
from services.models import Version
from tests.mlops.console.browser import signed_in
from tests.nodes.console.test_node_list import PYTHON, A, text_of
from tests.nodes.test_dependents import create_health
from tests.services.create import create_version

REPORT = {
    "version": "0.1.0",
    "apiVersion": "1.0",
    "runtimes": {"Python": PYTHON, "R": {"available": False, "reason": "R is not installed."}},
    "isolation": {"level": "sandbox", "network": False, "reason": ""},
    "memory": {"nodeBytes": 1024**2, "shellBytes": 3 * 1024**2},
    "logPath": "/var/log/mlops",
    "capacity": 4,
}


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in("admin")


def page_of(browser: Client, row: NodeHealth, query: str = "") -> str:
    return text_of(browser, f"/console/node/{row.pk}/{query}")


def test_it_says_all_that_the_node_has_reported(browser: Client) -> None:
    row = create_health(A, report=REPORT, latencies=[1.5, 2.5, 3.5])
    page = page_of(browser, row)
    for said in (
        "3 busy",
        "2 idle, at most 80",
        "R is not installed.",
        "sandbox",
        "/var/log/mlops",
    ):
        assert said in page
    assert "4\N{NO-BREAK SPACE}MiB" in page
    assert "2.5\N{NO-BREAK SPACE}ms" in page


def test_warm_versions_are_named_to_who_may_call_them(
    browser: Client, alice: User, bob: User
) -> None:
    open_one = create_version(alice)
    closed = create_version(alice, name="secret", code="1")
    closed.service.grants = [{"right": "consume", "kind": "user", "name": "nobody"}]
    closed.service.save()
    bundles = list(Version.objects.values_list("bundle_id", flat=True))
    row = create_health(A, report={**REPORT, "loaded": bundles})
    assert str(open_one) in page_of(browser, row)
    assert "secret/v1" in page_of(browser, row)
    page = page_of(signed_in("bob"), row)
    assert "churn/v1" in page
    assert "secret" not in page
    assert "and 1 other" in page


def test_others_sessions_are_only_counted(alice: User, bob: User) -> None:
    row = create_health(A, report=REPORT)
    Session.objects.create(owner=alice, runtime="R", name="hers", node=A)
    page = page_of(signed_in("bob"), row)
    assert "1 of other users." in page
    assert "hers" not in page
    assert "hers" in page_of(signed_in("alice"), row)


def test_recorded_load_becomes_charts(browser: Client) -> None:
    row = create_health(A, report=REPORT)
    minute = int(timezone.now().timestamp()) // 60 - 5
    NodeUsage.objects.create(
        of=A, resolution=1, minute=minute, looks=2, python_busy=4, python_shells=8, answers=2
    )
    page = page_of(browser, row)
    assert "data-chart" in page
    assert "Python, busy" in page


def test_a_page_that_is_open_gets_what_changes(browser: Client) -> None:
    row = create_health(A, state="down", reason="Connection refused", report=REPORT)
    address = f"/console/node/{row.pk}/"
    part = text_of(browser, address, headers={"HX-Request": "true"})
    assert "<html" not in part
    assert "Connection refused" in part


@pytest.mark.parametrize(
    ("expires", "colour"),
    [("2020-01-01T00:00:00Z", "danger"), ("2999-01-01T00:00:00Z", "success"), ("?", "success")],
)
def test_the_certificate_tells_when_it_ends(browser: Client, expires: str, colour: str) -> None:
    certificate = {"subject": "CN=node", "expires": expires}
    row = create_health("https://10.0.0.1:12805/", report={**REPORT, "certificate": certificate})
    assert f'<span class="badge badge-{colour}"' in page_of(browser, row).partition("Connection")[2]


def test_a_node_that_is_gone_is_said_to_be(browser: Client) -> None:
    response = browser.get("/console/node/4711/")
    assert response.status_code == 404
    assert "was removed" in response.content.decode()
