"""What a web node counts of scoring, and its text for Prometheus."""

import logging
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import DatabaseError
from prometheus_client.core import CounterMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from mlops.errors import InvalidRequest
from nodes import uris
from nodes.picture import declared_uris
from nodes.runtime.exposition import HistogramFamily, as_text
from nodes.runtime.figures import Histogram
from services.catalogue import PublishedVersion, all_versions
from services.tallies import Key, Tallies, Tally
from services.usage.recording import CALLS, REQUESTS, TIMES, Recorder

logger = logging.getLogger(__name__)

CALLER_GONE = 499  # what web servers note for a client that went away before it was answered


def _filed(key: Key) -> Key:
    """The key as the file has it: times by version only, whatever the node."""
    return key[:4] if key[0] == TIMES else key


_tallies = Tallies(settings.DATA_DIR / "metrics", filed=_filed, follower=Recorder())


def note_call(
    published: PublishedVersion,
    *,
    source: str,
    node: str,
    status: int,
    is_success: bool,
    seconds: float,
) -> None:
    """A call of the version has ended, on `node` if any had been asked."""
    name, version = published.name, published.version
    _tallies.count_timed(
        (CALLS, name, version, source, node, status, is_success),
        (TIMES, name, version, source, node),
        seconds,
    )


def note_request(status: int) -> None:
    """A scoring request was answered, whatever it asked for."""
    _tallies.count((REQUESTS, status))


def report() -> bytes:
    """All counts as text; what was counted of versions and nodes that are gone is dropped."""
    totals = _tallies.totals()
    # Asked later than that: what is not there now will not come back with what was counted.
    try:
        versions = all_versions()
        gone = _of_what_is_gone(totals, versions)
    except DatabaseError:
        logger.warning("Metrics are shown without looking at what is published.", exc_info=True)
        versions, gone = [], set()
    if gone:
        _tallies.forget(gone)
    rows = {key: tally for key, tally in totals.items() if key not in gone}
    return as_text(_families(rows, versions), [_times(rows)])


def _of_what_is_gone(totals: Iterable[Key], versions: Iterable[PublishedVersion]) -> set[Key]:
    """The keys with versions that are not published, or nodes that are not declared."""
    published = {(each.name, each.version) for each in versions}
    declared = declared_uris()
    addresses = {str(key[4]) for key in totals if key[0] == CALLS} - {""}
    lost = {address for address in addresses if not _is_declared(address, declared)}
    return {
        key
        for key in totals
        if key[0] in (CALLS, TIMES)
        and (key[1:3] not in published or (key[0] == CALLS and key[4] in lost))
    }


def _is_declared(address: str, declared: Iterable[uris.NodeUri]) -> bool:
    try:
        parsed = uris.parse(address)
    except InvalidRequest:
        return False
    return any(uri.contains(parsed) for uri in declared)


def _families(rows: Mapping[Key, Tally], versions: Iterable[PublishedVersion]) -> Iterable[Metric]:
    calls = CounterMetricFamily(
        "mlops_calls",
        "Calls of versions by HTTP status, and whether the run succeeded.",
        labels=["name", "version", "source", "node", "status", "success"],
    )
    requests = CounterMetricFamily(
        "mlops_scoring_requests",
        "Scoring requests with a token by HTTP status, refused ones included.",
        labels=["status"],
    )
    infos = InfoMetricFamily(
        "mlops_version",
        "What is published, and the bundle by which compute nodes know it.",
        labels=["name", "version"],
    )
    for (family, *parts), tally in rows.items():
        labels = [str(part).lower() if isinstance(part, bool) else str(part) for part in parts]
        if family == CALLS:
            calls.add_metric(labels, tally[0])
        elif family == REQUESTS:
            requests.add_metric(labels, tally[0])
    for each in versions:
        info = {"runtime": each.runtime, "bundle": each.bundle_id}
        infos.add_metric([each.name, each.version], info)
    return calls, requests, infos


def _times(rows: Mapping[Key, Tally]) -> HistogramFamily:
    times = HistogramFamily(
        "mlops_call_seconds",
        "Time of calls of versions, from the web node to the compute node and back.",
        ["name", "version", "source"],
    )
    for key, tally in rows.items():
        if key[0] == TIMES:
            histogram = Histogram()
            histogram.counts, histogram.total = [int(count) for count in tally[:-1]], tally[-1]
            times.add([str(part) for part in key[1:]], histogram)
    return times
