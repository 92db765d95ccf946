"""Looking at compute nodes from time to time, and recording what was seen."""

import asyncio
import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from mlops.errors import MlopsError
from nodes import uris
from nodes.background import run_sync
from nodes.compute_node import ComputeNode
from nodes.models import NodeHealth
from nodes.registry import declared_uris
from nodes.uris import NodeUri

PROBE_EVERY_SECONDS = 5  # as mlops/celery.py schedules it
_PROBE_SECONDS = 3
_AT_ONCE = 128
# Members of ranges that have never answered, looked for in one round: most may not exist, and each
# of those takes its full time. The others' turn comes in the next rounds.
_UNKNOWN_AT_ONCE = 128
_FORGET_AFTER = timedelta(hours=1)  # a member of a range: scaled away


@dataclass(frozen=True)
class Sighting:
    """What one probe saw; `error` is empty when the node answered."""

    address: str
    at: datetime
    error: str = ""
    report: dict[str, Any] = field(default_factory=dict)


def probe_nodes(*, now: datetime) -> None:
    """Probe the declared nodes and record the sightings.

    Every single address and every member of a range that has lately answered is probed each time,
    the other members of ranges a few at a time.
    """
    entries = declared_uris()
    single = {str(uri) for uri in entries if not uri.is_range}
    ranges = [uri for uri in entries if uri.is_range]
    seen = dict(NodeHealth.objects.values_list("address", "last_seen_at"))
    known = {
        address
        for address, at in seen.items()
        if at and now - at < _FORGET_AFTER and names(ranges, address)
    }
    NodeHealth.objects.filter(address__in=seen.keys() - single - known).delete()
    turn = _turn(ranges, int(now.timestamp()) // PROBE_EVERY_SECONDS)
    unknown = set(turn) - single - known
    sightings = run_sync(_probe_all([*single, *known - single, *unknown], at=now))
    record(one for one in sightings if not (one.error and one.address in unknown))


def names(entries: Iterable[NodeUri], address: str) -> bool:
    """Whether one of the entries names the address."""
    uri = uris.parse(address)
    return any(entry.contains(uri) for entry in entries)


def _turn(ranges: Sequence[NodeUri], round_number: int) -> Iterator[str]:
    """The addresses whose turn it is; all had one after enough rounds. No others are made."""
    ends = list(itertools.accumulate(uri.count() for uri in ranges))
    n_members = ends[-1] if ends else 0
    n_parts = -(-n_members // _UNKNOWN_AT_ONCE) or 1
    for place in range(round_number % n_parts, n_members, n_parts):
        index = bisect.bisect_right(ends, place)
        yield ranges[index].address_at(place - (ends[index - 1] if index else 0))


async def _probe_all(addresses: Sequence[str], *, at: datetime) -> list[Sighting]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def probe(address: str) -> Sighting:
        async with free:
            try:
                report = await ComputeNode(address).health(seconds=_PROBE_SECONDS)
            except MlopsError as error:
                return Sighting(address, at, error=error.message)
            return Sighting(address, at, report=report)

    return await asyncio.gather(*map(probe, addresses))


def record(sightings: Iterable[Sighting]) -> None:
    """Store the sightings, each unless a later one of the same node is there already."""
    with transaction.atomic():
        # In one order, so that two probers never wait for each other.
        for seen in sorted(sightings, key=lambda one: one.address):
            values: dict[str, Any] = {"last_probe_at": seen.at, "last_error": seen.error}
            if not seen.error:
                values |= {"last_seen_at": seen.at, "report": seen.report}
            earlier = Q(address=seen.address, last_probe_at__lte=seen.at)
            if not NodeHealth.objects.filter(earlier).update(**values):
                NodeHealth.objects.get_or_create(address=seen.address, defaults=values)
