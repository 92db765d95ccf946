"""Looking at compute nodes from time to time, and recording what was seen."""

import asyncio
import bisect
import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from mlops.errors import MlopsError
from nodes import uris
from nodes.background import run_sync
from nodes.compute_node import ComputeNode
from nodes.models import NodeHealth
from nodes.picture import declared_uris
from nodes.state import DOWN_AFTER, Sighting, after_look
from nodes.uris import NodeUri

PROBE_EVERY_SECONDS = 5  # as mlops/celery.py schedules it
_PROBE_SECONDS = 3
_AT_ONCE = 256
# Members of ranges that have never answered, looked for in one round: most may not exist, and each
# of those takes its full time, which is shorter. The others' turn comes in the next rounds, so that
# the largest list is gone through in some five minutes.
_UNKNOWN_PER_ROUND = 1024
_UNKNOWN_SECONDS = 1
_LONGEST_PAUSE_SECONDS = 60
_LEAST_JITTER = 0.7
_FORGET_AFTER = timedelta(hours=1)  # a member of a range: scaled away


def probe_nodes(*, now: datetime) -> None:
    """Probe the declared nodes and record the sightings.

    Every address that has lately answered is probed each time, single ones that have not ever less
    often, the other members of ranges a few at a time.
    """
    entries = declared_uris()
    single = {str(uri) for uri in entries if not uri.is_range}
    ranges = [uri for uri in entries if uri.is_range]
    rows = {row.address: row for row in NodeHealth.objects.all()}
    lately = {
        address
        for address, row in rows.items()
        if row.last_seen_at and now - row.last_seen_at < _FORGET_AFTER
    }
    known = {address for address in lately if names(ranges, address)}
    due = {
        address
        for address in single
        if address in lately or address not in rows or _is_due(rows[address], now)
    }
    NodeHealth.objects.filter(address__in=rows.keys() - single - known).delete()
    turn = _turn(ranges, int(now.timestamp()) // PROBE_EVERY_SECONDS)
    unknown = set(turn) - single - known
    waits = dict.fromkeys(due | known, _PROBE_SECONDS) | dict.fromkeys(unknown, _UNKNOWN_SECONDS)
    sightings = run_sync(_probe_all(waits, at=now))
    record(one for one in sightings if not (one.error and one.address in unknown))


def _is_due(row: NodeHealth, now: datetime) -> bool:
    jitter = random.uniform(_LEAST_JITTER, 1.0)  # noqa: S311 - spreads looks, guards nothing
    return now - row.last_probe_at >= pause_after(row.n_failures) * jitter


def pause_after(n_failures: int) -> timedelta:
    """For how long a node is left alone that has not answered so many times in a row."""
    doublings = max(0, min(n_failures, 60) - DOWN_AFTER)
    return timedelta(seconds=min(PROBE_EVERY_SECONDS * 2**doublings, _LONGEST_PAUSE_SECONDS))


def names(entries: Iterable[NodeUri], address: str) -> bool:
    """Whether one of the entries names the address."""
    uri = uris.parse(address)
    return any(entry.contains(uri) for entry in entries)


def _turn(ranges: Sequence[NodeUri], round_number: int) -> Iterator[str]:
    """The addresses whose turn it is; all had one after enough rounds. No others are made."""
    ends = list(itertools.accumulate(uri.count() for uri in ranges))
    n_members = ends[-1] if ends else 0
    n_parts = -(-n_members // _UNKNOWN_PER_ROUND) or 1
    for place in range(round_number % n_parts, n_members, n_parts):
        index = bisect.bisect_right(ends, place)
        yield ranges[index].address_at(place - (ends[index - 1] if index else 0))


async def _probe_all(waits: Mapping[str, int], *, at: datetime) -> list[Sighting]:
    """What was seen at each address, for which it was waited so many seconds."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def probe(address: str) -> Sighting:
        async with free:
            began = asyncio.get_running_loop().time()
            try:
                report = await ComputeNode(address).health(seconds=waits[address])
            except MlopsError as error:
                return Sighting(address, at, error=error.message)
            took = asyncio.get_running_loop().time() - began
            return Sighting(address, at, report=report, milliseconds=took * 1000)

    return await asyncio.gather(*map(probe, waits))


def record(sightings: Iterable[Sighting]) -> None:
    """Store the sightings, each unless a later one of the same node is there already.

    Two probers may record at the same time: each change is made only to the row that it was worked
    out from, else worked out anew.
    """
    # In one order, so that two probers never wait for each other.
    ordered = sorted(sightings, key=lambda one: one.address)
    with transaction.atomic():
        rows = NodeHealth.objects.in_bulk([one.address for one in ordered], field_name="address")
        for seen in ordered:
            before = rows.get(seen.address)
            while not _replace(before, seen):
                before = NodeHealth.objects.filter(address=seen.address).first()


def _replace(before: NodeHealth | None, seen: Sighting) -> bool:
    """Whether the sighting is stored, or overtaken; not if the row is no longer as `before`."""
    if before is None:
        defaults = after_look(None, seen)
        _, is_new = NodeHealth.objects.get_or_create(address=seen.address, defaults=defaults)
        return is_new
    if before.last_probe_at > seen.at:
        return True
    unchanged = NodeHealth.objects.filter(
        pk=before.pk, last_probe_at=before.last_probe_at, n_failures=before.n_failures
    )
    return bool(unchanged.update(**after_look(before, seen)))
