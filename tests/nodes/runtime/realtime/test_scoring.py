"""Realtime versions on a compute node: loaded once, bounded, answering in time."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nodes.runtime.errors import Busy, InvalidInput
from nodes.runtime.manifests import parse_manifest
from nodes.runtime.realtime import loaded
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.realtime.in_process import Place, body, until
from tests.nodes.runtime.realtime.models import adding, doubling_matrix, endless
from tests.nodes.runtime.running import (
    Published,
    RunningNode,
    realtime_manifest,
    running_node,
    start_node,
)

RESULT_KEYS = [
    *("success", "errorMessage", "consoleOutput"),
    *("changedFiles", "outputParameters", "outputFiles"),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with two threads for models, whose calls may take 3 seconds."""
    with running_node(
        tmp_path_factory.mktemp("node"),
        MLOPS_RSCRIPT=NO_R,
        MLOPS_REALTIME_THREADS="2",
        MLOPS_REALTIME_SECONDS="3",
    ) as running:
        yield running


def outputs(published: Published, x: Any) -> Any:
    return published.outputs({"inputData": {"x": x}})["outputData"]


# -- on a node -----------------------------------------------------------------------------------


def test_a_result_has_the_form_of_all_results(node: RunningNode) -> None:
    result = node.publish_model(adding()).score({"inputData": {"x": [1, 2]}})
    assert list(result) == RESULT_KEYS
    assert result == {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "",
        "changedFiles": [],
        "outputParameters": {"outputData": {"y": [2.0, 3.0]}},
        "outputFiles": {},
    }


def test_a_wrong_frame_is_400_and_named(node: RunningNode) -> None:
    answer = node.publish_model(adding()).post({"inputData": {"z": [1]}})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid-input"
    assert answer.json()["fields"] == "inputData.x"


def test_models_do_not_get_mixed_up_under_load(node: RunningNode) -> None:
    models = [node.publish_model(adding(float(number))) for number in range(4)]
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda call: outputs(models[call % 4], call), range(64))
    assert list(answers) == [{"y": [float(call + call % 4)]} for call in range(64)]


def test_a_call_beyond_its_time_is_answered_and_its_thread_set_free(node: RunningNode) -> None:
    stuck = node.publish_model(endless())
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda _: stuck.score({"inputData": {"x": [1]}}), range(2)))
    assert [result["success"] for result in results] == [False, False]
    assert "stopped after 3 seconds" in results[0]["errorMessage"]
    assert outputs(stuck, -1) == {"y": [-1.0]}


def test_a_restarted_node_still_has_its_models(tmp_path: Path) -> None:
    first = start_node(tmp_path, environment={"MLOPS_RSCRIPT": NO_R})
    published = first.publish_model(adding())
    assert outputs(published, 1) == {"y": [2.0]}
    first.stop()
    again = start_node(tmp_path, port=first.port, environment={"MLOPS_RSCRIPT": NO_R})
    try:
        assert outputs(Published(again, published.id), 1) == {"y": [2.0]}
    finally:
        again.stop()


@pytest.mark.parametrize(
    "payload", [b"PK\3\4", b"blobPMML<x/>", b"blobONNX"], ids=["zip", "tag", "short"]
)
def test_a_bundle_that_is_no_model_is_refused(payload: bytes, node: RunningNode) -> None:
    text = json.loads(realtime_manifest(b""))
    text["payload"] |= {"sha256": hashlib.sha256(payload).hexdigest(), "size": len(payload)}
    raw = json.dumps(text, sort_keys=True, separators=(",", ":")).encode()
    path = f"/v1/bundles/{hashlib.sha256(raw).hexdigest()}"
    answer = node.http.put(path, content=len(raw).to_bytes(4) + raw + payload)
    assert (answer.status_code, answer.json()["code"]) == (400, "bundle-invalid")
    assert node.http.post(f"{path}/score", content=b"{}").status_code == 404


def test_code_and_model_do_not_go_together() -> None:
    manifest = json.loads(realtime_manifest(adding()))
    for change in ({"code": "x"}, {"payload": None}):
        with pytest.raises(ValueError, match="a realtime version has a model and no code"):
            parse_manifest({**manifest, **change})


# -- within the node's process -------------------------------------------------------------------

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def loadings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundles whose models were loaded, in that order."""
    seen: list[str] = []
    load = loaded.LoadedModels._in_thread

    async def counting(self: loaded.LoadedModels, path: Path) -> Any:
        seen.append(path.parent.parent.name)
        return await load(self, path)

    monkeypatch.setattr(loaded.LoadedModels, "_in_thread", counting)
    return seen


def test_concurrent_first_calls_load_a_model_once(
    place: Place, loadings: list[str], run: Run
) -> None:
    bundle = place.bundle("a", adding())

    async def main() -> None:
        scorer = place.scorer()
        results = await asyncio.gather(*(scorer.score(bundle, body(x)) for x in range(5)))
        values = [json.loads(each)["outputParameters"]["outputData"]["y"] for each in results]
        assert values == [[x + 1.0] for x in range(5)]
        scorer.stop()

    run(main())
    assert loadings == ["a"]


def test_the_model_used_least_recently_makes_room(
    place: Place, loadings: list[str], run: Run
) -> None:
    bundles = {name: place.bundle(name, adding()) for name in "abc"}

    async def main() -> None:
        scorer = place.scorer(realtime_memory_bytes=5 * 1024**2 // 2)  # two of a megabyte and more
        for name in "abacab":
            await scorer.score(bundles[name], body(1))
        assert scorer.bundles_in_use() == {"a", "b"}
        scorer.stop()

    run(main())
    assert loadings == ["a", "b", "c", "b"]


def test_a_model_in_use_is_not_dropped(place: Place, loadings: list[str], run: Run) -> None:
    used, other = place.bundle("used", endless()), place.bundle("other", adding())

    async def main() -> None:
        scorer = place.scorer(realtime_memory_bytes=1, realtime_threads=2)
        call = asyncio.create_task(scorer.score(used, body(1)))
        await until(lambda: any(job.has_begun for job in scorer._jobs))
        await scorer.score(other, body(1))
        assert "used" in scorer.bundles_in_use()
        assert (await scorer.score(used, body(-1))).startswith(b'{"success":true')
        call.cancel()
        await until(lambda: not scorer._jobs)
        scorer.stop()

    run(main())
    assert loadings == ["used", "other"]


def test_a_full_queue_is_busy_at_once(place: Place, run: Run) -> None:
    bundle = place.bundle("a", endless())

    async def main() -> None:
        scorer = place.scorer(queue_length=1)
        calls = [asyncio.create_task(scorer.score(bundle, body(1))) for _ in range(2)]
        await until(lambda: len(scorer._jobs) == 2)
        with pytest.raises(Busy, match="Too many calls"):
            await scorer.score(bundle, body(1))
        for call in calls:
            call.cancel()
        # The threads are free again: nobody waits for those runs.
        await until(lambda: not scorer._jobs)
        assert b'"success":true' in await scorer.score(bundle, body(-1))
        scorer.stop()

    run(main())


def test_a_call_that_waited_too_long_is_busy_and_not_run(place: Place, run: Run) -> None:
    bundle = place.bundle("a", endless())

    async def main() -> None:
        scorer = place.scorer(queue_seconds=0.2)
        first = asyncio.create_task(scorer.score(bundle, body(1)))
        await until(lambda: any(job.has_begun for job in scorer._jobs))
        with pytest.raises(Busy, match="were busy for too long"):
            await scorer.score(bundle, body(1))
        first.cancel()
        await until(lambda: not scorer._jobs)
        scorer.stop()

    run(main())


def test_a_wrong_frame_costs_no_thread(place: Place, run: Run) -> None:
    bundle = place.bundle("a", doubling_matrix(2))

    async def main() -> None:
        scorer = place.scorer()
        with pytest.raises(InvalidInput) as refusal:
            await scorer.score(bundle, b'{"inputData": {"a": [1]}}')
        assert refusal.value.fields == "inputData"
        assert not scorer._jobs
        scorer.stop()

    run(main())


def test_a_file_that_cannot_be_loaded_is_a_result_and_not_tried_at_once_again(
    place: Place, loadings: list[str], run: Run
) -> None:
    bundle = place.bundle("a", b"garbage")

    async def main() -> None:
        scorer = place.scorer()
        for _ in range(2):
            result = json.loads(await scorer.score(bundle, body(1)))
            assert result["success"] is False
            assert "cannot load the model" in result["errorMessage"]
        scorer.stop()

    run(main())
    assert loadings == ["a"]
