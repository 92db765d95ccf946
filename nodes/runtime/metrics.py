"""The figures of a compute node in Prometheus' text format."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from .exposition import HistogramFamily, as_text
from .figures import PoolFigures
from .lending import Lender
from .manifests import REALTIME
from .processes import descendants, proportional_bytes, scan

if TYPE_CHECKING:
    from .node import ComputeNode

_GENERIC = "generic"  # the pool of all versions that have none of their own
_POOL = ("runtime", "pool")
_Labels = tuple[str, str]
_OF_REALTIME = (REALTIME, _GENERIC)


async def report(node: "ComputeNode") -> bytes:
    """All of the node's figures as text, and how much memory its shells have."""
    families, lines = list(_families(node)), _lines(node)  # here, where nothing changes meanwhile
    pids = {labels: pool.pids() for labels, pool in _pools(node).items()}
    return await asyncio.to_thread(lambda: as_text([*families, _memory(pids)], lines))


def _memory(pids: Mapping[_Labels, list[int]]) -> Metric:
    memory = GaugeMetricFamily(
        "mlops_node_shell_memory_bytes",
        "Memory of shells and what they have started; shared pages count in proportion.",
        labels=_POOL,
    )
    table = scan()
    for labels, roots in pids.items():
        below = [process.pid for process in descendants(table, *roots)]
        memory.add_metric(labels, sum(map(proportional_bytes, {*roots, *below})))
    return memory


def _pools(node: "ComputeNode") -> dict[_Labels, Lender]:
    """All pools of shells by their labels."""
    pools: dict[_Labels, Lender] = {(name, _GENERIC): pool for name, pool in node.pools.items()}
    for dedicated in node.dedicated.all():
        # Of two pools of one bundle the second is what is left of a former one.
        pools.setdefault((dedicated.runtime, dedicated.bundle.id), dedicated)
    return pools


def _families(node: "ComputeNode") -> Iterator[Metric]:
    yield _calls(node)
    pools, realtime = _pools(node), node.realtime
    yield from _shells(pools)
    waiting = GaugeMetricFamily(
        "mlops_node_waiting_calls", "Calls that wait in line.", labels=_POOL
    )
    for labels, pool in pools.items():
        waiting.add_metric(labels, pool.n_waiting + node.scorer.merger.n_waiting(pool))
    waiting.add_metric(_OF_REALTIME, realtime.n_waiting)
    yield waiting
    failed = CounterMetricFamily(
        "mlops_node_failed_loads", "Versions that could not be loaded.", labels=_POOL
    )
    for labels, figures in _figures(node).items():
        failed.add_metric(labels, figures.n_failed_loads)
    yield failed
    yield from _merging(node)
    threads = GaugeMetricFamily(
        "mlops_node_realtime_threads", "Threads for realtime versions.", labels=["state"]
    )
    for state, count in realtime.threads_by_state().items():
        threads.add_metric([state], count)
    yield threads
    yield GaugeMetricFamily(
        "mlops_node_realtime_models_bytes",
        "Sizes of the realtime models in memory, as their limit counts them.",
        value=realtime.models_bytes,
    )
    yield GaugeMetricFamily("mlops_node_sessions", "Open sessions.", value=len(node.sessions.ids()))


def _calls(node: "ComputeNode") -> Metric:
    calls = CounterMetricFamily(
        "mlops_node_calls",
        "Scoring calls by HTTP status, and whether the run succeeded.",
        labels=["bundle", "runtime", "status", "success"],
    )
    node.calls.forget_all_but(node.bundles.ids())
    for bundle_id, ends in node.calls.by_bundle.items():
        for (runtime, status, is_success), count in ends.items():
            labels = [bundle_id, runtime, str(status), str(is_success).lower()]
            calls.add_metric(labels, count)
    return calls


def _shells(pools: Mapping[_Labels, Lender]) -> Iterator[Metric]:
    shells = GaugeMetricFamily(
        "mlops_node_shells", "Shells by what they do.", labels=[*_POOL, "state"]
    )
    starts = CounterMetricFamily(
        "mlops_node_shell_starts", "Starts of shells.", labels=[*_POOL, "success"]
    )
    deaths = CounterMetricFamily(
        "mlops_node_shell_deaths",
        "Shells that ended by themselves or were killed for what they did.",
        labels=_POOL,
    )
    for labels, pool in pools.items():
        for state, count in pool.shells_by_state().items():
            shells.add_metric([*labels, state], count)
        starts.add_metric([*labels, "true"], pool.figures.n_starts)
        starts.add_metric([*labels, "false"], pool.figures.n_failed_starts)
        deaths.add_metric(labels, pool.figures.n_deaths)
    yield from (shells, starts, deaths)


def _figures(node: "ComputeNode") -> dict[_Labels, PoolFigures]:
    """What was counted of all pools of shells, and of the threads of realtime versions."""
    figures = {labels: pool.figures for labels, pool in _pools(node).items()}
    return {**figures, _OF_REALTIME: node.realtime.figures}


def _lines(node: "ComputeNode") -> list[HistogramFamily]:
    """How long calls waited in line, and how long it took to load what they run."""
    waits = HistogramFamily(
        "mlops_node_queue_seconds",
        "Time that calls waited until a shell or a thread took them.",
        _POOL,
    )
    loads = HistogramFamily(
        "mlops_node_load_seconds", "Time of loading a version, failures included.", _POOL
    )
    rows = HistogramFamily("mlops_node_merged_rows", "Rows in each run of several calls.", _POOL)
    calls = HistogramFamily("mlops_node_merged_calls", "Calls in each run of several calls.", _POOL)
    for labels, figures in _figures(node).items():
        waits.add(labels, figures.waits)
        loads.add(labels, figures.load_times)
        rows.add(labels, figures.merging.rows)
        calls.add(labels, figures.merging.calls)
    return [waits, loads, rows, calls]


def _merging(node: "ComputeNode") -> Iterator[Metric]:
    """How calls that may be merged came to run."""
    flushed = CounterMetricFamily(
        "mlops_node_flushed_calls",
        "Calls that may be merged, by why they waited no longer.",
        labels=[*_POOL, "reason"],
    )
    unmerged = CounterMetricFamily(
        "mlops_node_unmerged_calls",
        "Calls that were to be merged and ran alone, by the reason.",
        labels=[*_POOL, "reason"],
    )
    for labels, figures in _figures(node).items():
        for reason, count in figures.merging.flushed.items():
            flushed.add_metric([*labels, reason], count)
        for reason, count in figures.merging.unmerged.items():
            unmerged.add_metric([*labels, reason], count)
    yield from (flushed, unmerged)
