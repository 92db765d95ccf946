"""What a web node counts of scoring, with real calls on scripted nodes."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from mlops.accounts.models import User
from nodes.compute_node import close_connections
from nodes.models import NodeEntry
from services import metrics
from services.actions.delete import delete_version
from services.batches.driver import Driver
from services.models import Version
from tests.figures import Figures, require_histogram
from tests.services.create import create_batch, create_version
from tests.services.scripted_node import ScriptedNode, declared, refusal
from tests.services.test_lane import post, succeed, token_of

# What scores reads the database from several threads.
pytestmark = pytest.mark.django_db(transaction=True)

NAME = "counted"  # of this module's versions alone
PATH = f"/api/{NAME}/v1"


async def fail(node: ScriptedNode, body: bytes) -> bytes:
    result = b'{"success":false,"errorMessage":"no","consoleOutput":"",'
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(result), result)


async def refuse(node: ScriptedNode, body: bytes) -> bytes:
    return refusal("400 Bad Request", "invalid-input", "x is missing.", fields="x")


def seen() -> Figures:
    return Figures(metrics.report().decode())


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice, name=NAME)


@pytest.mark.parametrize(
    ("score", "status", "success"),
    [(succeed, "200", "true"), (fail, "200", "false"), (refuse, "400", "false")],
)
def test_a_call_counts_for_its_version_node_and_end(
    version: Version, bob: User, score: Any, status: str, success: str
) -> None:
    before = seen()
    node = ScriptedNode(score=score)
    answer = post(PATH, token=token_of(bob), node=node)
    assert str(answer.status_code) == status
    after = seen()
    (call,) = [
        sample
        for sample in after.of("mlops_calls_total", name=NAME)
        if sample.value > before.sum("mlops_calls_total", **sample.labels)
    ]
    assert call.labels == {
        "name": NAME,
        "version": "v1",
        "source": "call",
        "node": f"{node.url}/",
        "status": status,
        "success": success,
    }
    assert after.rise(before, "mlops_scoring_requests_total", status=status) == 1


def test_the_time_of_calls_is_a_histogram(version: Version, bob: User) -> None:
    before = seen()
    token = token_of(bob)
    post(PATH, token=token, node=ScriptedNode(score=succeed))
    NodeEntry.objects.all().delete()
    post(PATH, token=token, node=ScriptedNode(score=fail))
    after = seen()
    assert after.rise(before, "mlops_call_seconds_count", name=NAME) == 2
    count = after.sum("mlops_call_seconds_count", name=NAME)
    require_histogram(after.of("mlops_call_seconds_bucket", name=NAME), count)
    assert after.rise(before, "mlops_call_seconds_sum", name=NAME) > 0


def test_a_call_that_no_node_was_ready_for_counts_without_a_node(
    version: Version, bob: User
) -> None:
    before = seen()
    assert post(PATH, token=token_of(bob)).status_code == 503
    labels = {"name": NAME, "node": "", "status": "503", "success": "false"}
    assert seen().rise(before, "mlops_calls_total", **labels) == 1


def test_refused_requests_count_without_a_name(version: Version, bob: User) -> None:
    before = seen()
    unknown = "/api/never-published/v1"
    assert post(unknown, token=token_of(bob)).status_code == 404
    assert post(PATH, token="no token").status_code == 401
    after = seen()
    for status in ("404", "401"):
        assert after.rise(before, "mlops_scoring_requests_total", status=status) == 1
    assert not after.of("mlops_calls_total", name="never-published")
    assert after.rise(before, "mlops_calls_total") == 0


def test_items_of_batches_count_as_such(version: Version, bob: User) -> None:
    create_batch(bob, n_items=3, name=NAME)
    before = seen()

    async def main() -> None:
        try:
            async with asyncio.timeout(60), declared(ScriptedNode(score=succeed)):
                await Driver().run()
        finally:
            await close_connections()

    async_to_sync(main)()
    labels = {"name": NAME, "source": "batch", "status": "200"}
    assert seen().rise(before, "mlops_calls_total", **labels) == 3


def test_what_was_counted_of_a_deleted_version_goes(
    version: Version, alice: User, bob: User
) -> None:
    post(PATH, token=token_of(bob), node=ScriptedNode(score=succeed))
    assert seen().of("mlops_version_info", name=NAME, bundle=version.bundle_id)
    delete_version(user=alice, name=NAME, version="v1")
    assert not [each for each in seen().samples if each.labels.get("name") == NAME]
    create_version(bob, name=NAME)
    assert not seen().of("mlops_calls_total", name=NAME)


def test_what_was_counted_of_an_undeclared_node_goes(version: Version, bob: User) -> None:
    before = seen()
    node = ScriptedNode(score=succeed)
    post(PATH, token=token_of(bob), node=node)
    assert seen().of("mlops_calls_total", node=f"{node.url}/")
    NodeEntry.objects.all().delete()
    after = seen()
    assert not after.of("mlops_calls_total", node=f"{node.url}/")
    assert after.rise(before, "mlops_call_seconds_count", name=NAME) == 1
