import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from mlops.accounts.models import User
from mlops.errors import Busy, InvalidRequest, NodeFailure, NotFound, TooLarge
from nodes.compute_node import close_connections
from nodes.models import NodeEntry
from services import bundles
from services.actions.configure_pool import configure_pool
from services.actions.delete import delete_version
from services.actions.delete_pool import delete_pool
from services.actions.patch import patch_version
from services.catalogue import PublishedVersion, published_version
from services.models import Version
from services.schema import Definition
from services.scoring import score
from tests.services.create import create_snapshot, create_version
from tests.services.scripted_node import ScriptedNode, declared, echo, refusal

# The payload is read in a thread of its own, which must see what the test has saved.
pytestmark = pytest.mark.django_db(transaction=True)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    async def wait() -> Any:
        try:
            return await main
        finally:
            await close_connections()

    return async_to_sync(wait)()


@pytest.fixture
def published(alice: User) -> PublishedVersion:
    snapshot = create_snapshot(alice, files={"model": b"x" * 100_000})
    create_version(alice, snapshot_id=str(snapshot.pk))
    return published_version("churn", "v1")


def call(published: PublishedVersion, body: bytes = b"{}") -> Coroutine[Any, Any, bytes]:
    return score(published, body, correlation_id="c0ffee")


def test_the_body_and_the_answer_pass_untouched(published: PublishedVersion) -> None:
    async def main() -> None:
        async with declared(ScriptedNode()):
            body = b' {"x" : NaN,\n"y":"\xc3\xa9"}\xff '
            assert await call(published, body) == body

    run(main())


def test_the_node_gets_the_correlation_id(published: PublishedVersion) -> None:
    async def main() -> None:
        node = ScriptedNode()
        async with declared(node):
            await call(published)
        assert b"X-Correlation-Id: c0ffee\r\n" in node.heads[-1]

    run(main())


def test_a_node_that_lacks_the_bundle_gets_it_and_is_asked_again(
    published: PublishedVersion,
) -> None:
    async def main() -> ScriptedNode:
        node = ScriptedNode()
        async with declared(node):
            await call(published)
            await call(published)
        return node

    node = run(main())
    assert (node.n_pushes, node.n_scores) == (1, 3)
    version = Version.objects.select_related("payload").get()
    manifest, payload = node.bundles[version.bundle_id]
    assert manifest == bundles.manifest(version)
    described = json.loads(manifest)["payload"]
    assert described == {
        "kind": "snapshot",
        "sha256": version.payload.digest,  # type: ignore[union-attr]
        "size": len(payload),
    }


def test_a_version_without_a_snapshot_has_no_payload(alice: User) -> None:
    create_version(alice)

    async def main() -> ScriptedNode:
        node = ScriptedNode()
        async with declared(node):
            await call(await sync_to_async(published_version)("churn", "v1"))
        return node

    ((manifest, payload),) = run(main()).bundles.values()
    assert payload == b""
    assert json.loads(manifest)["payload"] is None


def test_concurrent_first_calls_push_once(published: PublishedVersion) -> None:
    async def main() -> None:
        node = ScriptedNode()
        async with declared(node):
            bodies = [b'{"x":%d}' % number for number in range(32)]
            answers = await asyncio.gather(*(call(published, body) for body in bodies))
        assert answers == bodies
        assert node.n_pushes == 1

    run(main())


def test_a_node_that_lost_the_bundle_gets_it_again(published: PublishedVersion) -> None:
    async def main() -> None:
        node = ScriptedNode()
        async with declared(node):
            await call(published)
            node.bundles.clear()
            assert await call(published) == b"{}"
        assert node.n_pushes == 2

    run(main())


def test_a_first_caller_who_gives_up_does_not_break_off_the_push(
    published: PublishedVersion,
) -> None:
    async def main() -> None:
        node = ScriptedNode()
        async with declared(node):
            first = asyncio.create_task(call(published))
            second = asyncio.create_task(call(published))
            while node.n_scores < 2:
                await asyncio.sleep(0.001)
            first.cancel()
            assert await second == b"{}"
        assert node.n_pushes == 1

    run(main())


def test_a_version_patched_meanwhile_is_scored_as_it_is_now(
    alice: User, published: PublishedVersion
) -> None:
    patched = patch_version(
        user=alice, name="churn", version="v1", definition=Definition(code="answer = 0")
    )

    async def main() -> None:
        node = ScriptedNode()
        async with declared(node):
            await call(published)
        assert node.scored == [patched.bundle_id]

    run(main())


def test_a_version_deleted_meanwhile_is_not_found(alice: User, published: PublishedVersion) -> None:
    delete_version(user=alice, name="churn", version="v1")

    async def main() -> None:
        async with declared(ScriptedNode()):
            with pytest.raises(NotFound):
                await call(published)

    run(main())


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("400 Bad Request", "invalid-input", InvalidRequest),
        ("413 Too Large", "too-large", TooLarge),
        ("503 Unavailable", "busy", Busy),
        ("503 Unavailable", "runtime-unavailable", Busy),
        ("500 Oops", "internal", NodeFailure),
    ],
)
def test_what_the_node_refuses_becomes_our_error(
    published: PublishedVersion, status: str, code: str, error: type[Exception]
) -> None:
    async def refuse(node: ScriptedNode, body: bytes) -> bytes:
        return refusal(status, code, "x is wrong.", fields="x")

    async def main() -> None:
        async with declared(ScriptedNode(score=refuse)):
            with pytest.raises(error, match=r"x is wrong\."):
                await call(published)

    run(main())


def test_a_refused_input_is_named(published: PublishedVersion) -> None:
    async def refuse(node: ScriptedNode, body: bytes) -> bytes:
        return refusal("400 Bad Request", "invalid-input", "x is missing.", fields="x")

    async def main() -> None:
        async with declared(ScriptedNode(score=refuse)):
            with pytest.raises(InvalidRequest) as caught:
                await call(published)
        assert caught.value.fields == "x"

    run(main())


def test_a_busy_node_hands_on_to_another(published: PublishedVersion) -> None:
    n_refused = 0

    async def refuse_once(node: ScriptedNode, body: bytes) -> bytes:
        nonlocal n_refused
        if n_refused:
            return await echo(node, body)
        n_refused += 1
        return refusal("503 Unavailable", "busy", "No shell is free.")

    async def main() -> None:
        async with declared(ScriptedNode(score=refuse_once), ScriptedNode(score=refuse_once)):
            assert await call(published) == b"{}"
        assert n_refused == 1

    run(main())


def test_a_node_that_has_the_pool_is_found_without_building_another(
    alice: User, published: PublishedVersion
) -> None:
    version = configure_pool(user=alice, name="churn", version="v1", initial_size=1, max_size=2)

    async def main() -> None:
        having, lacking = ScriptedNode(), ScriptedNode()
        async with declared(having, lacking):
            having.bundles[version.bundle_id] = bundles.manifest(version), b""
            having.pools[version.bundle_id] = {}
            assert [await call(published) for _ in range(8)] == [b"{}"] * 8
        assert lacking.pools == {}
        assert len(having.scored) == 8

    run(main())


def test_when_no_node_has_the_pool_one_builds_it_for_the_call(
    alice: User, published: PublishedVersion
) -> None:
    version = configure_pool(user=alice, name="churn", version="v1", initial_size=1, max_size=2)

    async def main() -> None:
        nodes = ScriptedNode(), ScriptedNode()
        async with declared(*nodes):
            bodies = [b'{"x":%d}' % number for number in range(8)]
            assert await asyncio.gather(*(call(published, body) for body in bodies)) == bodies
        sizes = {"initialSize": 1, "maxSize": 2}
        assert all(pools == {version.bundle_id: sizes} for node in nodes if (pools := node.pools))
        assert all(scored == version.bundle_id for node in nodes for scored in node.scored)

    run(main())


def test_a_pool_deleted_meanwhile_is_not_built_again(
    alice: User, published: PublishedVersion
) -> None:
    configure_pool(user=alice, name="churn", version="v1", initial_size=1, max_size=2)
    stale = published_version("churn", "v1")
    delete_pool(user=alice, name="churn", version="v1")

    async def main() -> None:
        node = ScriptedNode()
        async with declared(node):
            await call(stale)
        assert node.pools == {}
        assert node.scored == [published.bundle_id]

    run(main())


def test_a_node_that_is_away_hands_on_to_another(published: PublishedVersion) -> None:
    NodeEntry.objects.create(uri="http://127.0.0.1:9")  # the discard port: nothing listens

    async def main() -> None:
        async with declared(ScriptedNode()):
            assert [await call(published) for _ in range(8)] == [b"{}"] * 8

    run(main())


def test_a_call_that_broke_off_is_not_run_again(published: PublishedVersion) -> None:
    async def break_off(node: ScriptedNode, body: bytes) -> bytes:
        raise ConnectionError

    async def main() -> None:
        nodes = ScriptedNode(score=break_off), ScriptedNode(score=break_off)
        async with declared(*nodes):
            with pytest.raises(NodeFailure, match=r"\(id c0ffee\)$"):
                await call(published)
        assert sum(len(node.scored) for node in nodes) == 1

    run(main())


def test_without_a_node_the_caller_may_retry(published: PublishedVersion) -> None:
    async def main() -> None:
        async with declared():
            with pytest.raises(Busy, match="No compute node is ready"):
                await call(published)

    run(main())
