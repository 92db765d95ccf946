"""What calling one address again and again does not show: a crowded box, cold versions, batches."""

import json
import pickle
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.ours import PYTHON, REALTIME, VERSION, OneBox, R, publish_folder
from tests.benchmarks.report import markdown
from tests.benchmarks.rounds import measure, say
from tests.benchmarks.target import JSON, Running, Target
from tests.benchmarks.workload import LINEAR, Workload

VERSIONS, NODES = 1000, 100
PLAIN, WITH_VERSIONS, WITH_NODES = "alone", f"{VERSIONS} more versions", f"{NODES} nodes"
ROUNDS = 9
SECONDS = 2
CLIENTS = 32
COLD_VERSIONS = 10
ITEMS = 10_000
PARALLEL = 10
MEASURED = [REALTIME[0], PYTHON[0], R[0]]
_LISTEN_EVERYWHERE = {"MLOPS_HOST": "0.0.0.0"}  # noqa: S104 - a hundred addresses of loopback
_FORGET_SOON = {"MLOPS_SHELL_IDLE_SECONDS": "1"}
_RECYCLED_SECONDS = 8  # after which such shells are gone, and blank ones there


def table(directory: Path, workload: Workload) -> str:
    """Targets with our figures."""
    rows = [
        *_crowd(directory, workload),
        *_cold(directory, workload),
        *_batches(directory, workload),
    ]
    return markdown(["what", "wanted", "found", "met"], rows)


def _crowd(directory: Path, workload: Workload) -> Iterator[list[str]]:
    """How much slower a box is with many versions or nodes; all are up and take turns."""
    boxes: dict[str, Running] = {}
    try:
        for name in (PLAIN, WITH_VERSIONS, WITH_NODES):
            boxes[name] = _started(directory / name, workload, MEASURED, _LISTEN_EVERYWHERE)
        _publish_many(boxes[WITH_VERSIONS])
        _declare_many(boxes[WITH_NODES])
        for target in MEASURED:
            rates: dict[str, list[float]] = {name: [] for name in boxes}
            for _ in range(ROUNDS + 1):
                for name, box in boxes.items():
                    call = box.call(target, workload, 1)
                    rates[name].append(measure(call, clients=CLIENTS, seconds=SECONDS).rate)
            medians = {name: statistics.median(found[1:]) for name, found in rates.items()}
            for name in (WITH_VERSIONS, WITH_NODES):
                lost = 1 - medians[name] / medians[PLAIN]
                found = f"{lost:.1%} ({medians[PLAIN]:,.0f} → {medians[name]:,.0f}/s)"
                say(f"{target.name}, {name}: {found}")
                yield [f"{target.name}, {name}", "< 5 % slower", found, _met(lost < 0.05)]
    finally:
        for box in boxes.values():
            box.server.stop()


def _publish_many(box: Running) -> None:
    definition = {
        "code": "y = x",
        "runtimeType": "Python",
        "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
        "outputParameterDefinitions": [{"name": "y", "type": "numeric"}],
    }
    with httpx.Client(base_url=box.url, headers=box.headers, timeout=120) as http:
        for number in range(VERSIONS):
            path = f"/services/crowd{number % 50}/1.0.{number}"
            http.post(path, json=definition).raise_for_status()


def _declare_many(box: Running) -> None:
    """The one node there is, under many addresses."""
    port = box.server.environment["MLOPS_COMPUTE_PORT"]
    entries = [f"http://127.0.1.{last}:{port}" for last in range(1, NODES)]
    with httpx.Client(base_url=box.url, headers=box.headers, timeout=120) as http:
        http.post("/computenodes", json={"entries": entries}).raise_for_status()


def _cold(directory: Path, workload: Workload) -> Iterator[list[str]]:
    """The time to the first answer of versions whose bundles the node has, but no shell."""
    box = _started(directory / "cold", workload, [], _FORGET_SOON)
    names = [f"cold{number}" for number in range(COLD_VERSIONS)]
    try:
        for name in names:
            publish_folder(name, PYTHON[0], workload, box.server)
        body = workload.bodies(1, "column_body", PYTHON[0].write).read_text().splitlines()[0]
        with httpx.Client(base_url=box.url, headers={**box.headers, **JSON}, timeout=120) as http:
            paths = [f"/api/{name}/{VERSION}" for name in names]
            first: list[float] = []
            for is_measured in (False, True):
                for path in paths:
                    time.sleep(0.5)  # in which a blank shell gets ready
                    seconds = _seconds(http, path, body)
                    if is_measured:
                        first.append(seconds)
                time.sleep(_RECYCLED_SECONDS)
            again = statistics.median(_seconds(http, paths[0], body) for _ in range(20))
    finally:
        box.server.stop()
    model = workload.file(f"{LINEAR}.pkl").read_bytes()
    began = time.perf_counter()
    pickle.loads(model)  # noqa: S301 - our own
    own = 1000 * (time.perf_counter() - began)
    found = 1000 * statistics.median(first)
    say(f"cold: {found:.0f} ms, again {1000 * again:.1f} ms")
    yield [
        "a cold version of python-linear without a pool, to its first answer",
        "≤ 150 ms + the model's own load time",
        f"{found:.0f} ms, of which {own:.1f} the model's; {1000 * again:.1f} when warm",
        _met(found <= 150 + own),
    ]


def _seconds(http: httpx.Client, path: str, body: str) -> float:
    began = time.perf_counter()
    answer = http.post(path, content=body)
    took = time.perf_counter() - began
    answer.raise_for_status()
    if not answer.json()["success"]:
        raise RuntimeError(answer.text)
    return took


def _batches(directory: Path, workload: Workload) -> Iterator[list[str]]:
    """The rate of a batch beside that of as many callers."""
    targets = [PYTHON[0], REALTIME[0]]
    box = _started(directory / "batches", workload, targets, {})
    try:
        for target in targets:
            sync, batch = [], []
            for _ in range(3):
                call = box.call(target, workload, 1)
                sync.append(measure(call, clients=PARALLEL, seconds=5).rate)
                batch.append(_batch_rate(box, target, workload))
            one, other = statistics.median(sync), statistics.median(batch)
            say(f"{target.name}: {one:.0f}/s, in a batch {other:.0f}/s")
            yield [
                f"a batch of {ITEMS:,} rows, {target.name}, {PARALLEL} at a time",
                "≥ 80 % of the synchronous rate",
                f"{other / one:.0%} ({one:,.0f} → {other:,.0f}/s)",
                _met(other >= 0.8 * one),
            ]
    finally:
        box.server.stop()


def _batch_rate(box: Running, target: Target, workload: Workload) -> float:
    lines = workload.bodies(1, "column_body", target.write).read_text().splitlines()
    records = [json.loads(lines[number % len(lines)]) for number in range(ITEMS)]
    with httpx.Client(base_url=box.url, headers=box.headers, timeout=120) as http:
        path = f"{target.path}/batch"
        began = time.perf_counter()
        started = http.post(path, params={"parallelCount": PARALLEL}, json=records)
        started.raise_for_status()
        execution = f"{path}/{started.json()['batchExecutionId']}"
        while True:
            state: dict[str, Any] = http.get(execution, params={"showPartialResults": False}).json()
            if state["state"] in ("Complete", "Failed"):
                break
            time.sleep(0.2)
        took = time.perf_counter() - began
        done = http.get(execution).json()["batchExecutionResults"]
    if not all(result["success"] for result in done):
        raise RuntimeError("An item of a batch has failed.")
    return ITEMS / took


def _started(
    directory: Path, workload: Workload, targets: list[Target], environment: dict[str, str]
) -> Running:
    directory.mkdir()
    say(f"Starting the {directory.name} box")
    return OneBox(environment).start(directory, workload, targets)


def _met(is_met: bool) -> str:
    return "yes" if is_met else "**no**"
