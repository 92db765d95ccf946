"""Probing compute nodes and recording what was seen."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from nodes import health, uris
from nodes.health import pause_after, probe_nodes, record
from nodes.models import NodeEntry, NodeHealth
from nodes.picture import load_picture
from nodes.state import Sighting
from nodes.tasks import probe_nodes as probe_nodes_task
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import RunningNode
from tests.ports import free_port

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
REPORT = {"version": "1", "apiVersion": "1.0", "runtimes": {"R": {"available": True}}}
NODE = "http://10.0.0.1:12805/"

pytestmark = pytest.mark.django_db


async def healthy(peer: Peer) -> None:
    while True:
        await peer.read_request()
        await peer.answer(json.dumps(REPORT).encode())


def known(address: str, *, seen: datetime = NOW) -> NodeHealth:
    return NodeHealth.objects.create(address=address, last_seen_at=seen, last_probe_at=seen)


def test_a_node_that_answers_is_recorded_with_its_report() -> None:
    with serving_in_thread(healthy) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        probe_nodes(now=NOW)
    row = NodeHealth.objects.get()
    assert row.address == f"{server.url}/"
    assert (row.last_seen_at, row.last_probe_at, row.last_error) == (NOW, NOW, "")
    assert row.report == REPORT
    assert row.is_answering


def test_a_real_node_answers_the_prober(declared_node: RunningNode) -> None:
    probe_nodes_task()
    row = NodeHealth.objects.get()
    assert row.is_answering
    assert row.report["runtimes"]["Python"]["available"]


def test_a_single_address_that_does_not_answer_is_recorded_with_the_reason() -> None:
    NodeEntry.objects.create(uri=f"http://127.0.0.1:{free_port()}/")
    probe_nodes(now=NOW)
    row = NodeHealth.objects.get()
    assert row.last_seen_at is None
    assert "cannot be reached" in row.last_error
    assert not row.is_answering


def test_a_node_that_stops_answering_keeps_its_last_report() -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    NodeEntry.objects.create(uri=address)
    earlier = NOW - timedelta(seconds=5)
    record([Sighting(address, earlier, report=REPORT)])
    probe_nodes(now=NOW)
    row = NodeHealth.objects.get()
    assert (row.last_seen_at, row.last_probe_at) == (earlier, NOW)
    assert row.report == REPORT
    assert (row.state, row.since) == ("degraded", NOW)


def test_something_else_at_the_address_is_no_node() -> None:
    async def other(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"<html>")

    with serving_in_thread(other) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        probe_nodes(now=NOW)
    assert "does not answer as a compute node" in NodeHealth.objects.get().last_error


def test_only_members_of_a_range_that_answer_are_recorded() -> None:
    with serving_in_thread(healthy) as server:
        uri = f"http://127.0.0.1:{server.port}-{min(server.port + 5, 65535)}/"
        NodeEntry.objects.create(uri=uri)
        probe_nodes(now=NOW)
    rows = NodeHealth.objects.all()
    assert f"{server.url}/" in [row.address for row in rows]
    assert all(row.is_answering for row in rows)


def test_of_65536_addresses_the_three_that_are_there_are_found_and_called() -> None:
    there = [(3, 7), (77, 1), (255, 254)]
    hosts = [f"127.0.{third}.{fourth}" for third, fourth in there]
    n_rounds = 65_536 // 1024
    with serving_in_thread(healthy, hosts=hosts) as server:
        NodeEntry.objects.create(uri=f"http://127.0.0-255.0-255:{server.port}/")
        addresses = [f"http://{host}:{server.port}/" for host in hosts]
        first_round = int(NOW.timestamp()) // health.PROBE_EVERY_SECONDS
        turns = {(256 * third + fourth - first_round) % n_rounds for third, fourth in there}
        for turn in sorted(turns):
            probe_nodes(now=NOW + timedelta(seconds=turn * health.PROBE_EVERY_SECONDS))
    assert sorted(NodeHealth.objects.values_list("address", flat=True)) == sorted(addresses)
    assert sorted(load_picture().addresses) == sorted(addresses)


def test_a_member_of_a_range_that_answered_lately_is_probed_every_time() -> None:
    address = f"http://127.0.0.1:{free_port()}/"
    NodeEntry.objects.create(uri="http://127.0.0.1:1024-65535/")
    known(address, seen=NOW - timedelta(minutes=59))
    probe_nodes(now=NOW)
    assert NodeHealth.objects.get(address=address).last_probe_at == NOW


def test_a_member_of_a_range_unseen_for_an_hour_is_forgotten() -> None:
    address = f"http://127.0.0.1:{free_port()}/"
    NodeEntry.objects.create(uri=address.removesuffix("/") + "-65535")
    known(address, seen=NOW - timedelta(hours=1))
    probe_nodes(now=NOW)
    assert not NodeHealth.objects.filter(address=address).exists()


def test_a_node_that_is_no_longer_declared_is_forgotten() -> None:
    known(NODE)
    probe_nodes(now=NOW)
    assert not NodeHealth.objects.exists()


@pytest.mark.parametrize(
    "entries",
    [
        [],
        ["http://10.0.0.0-1:80"],
        ["http://10.0.0-3.0-255:80"],
        ["http://10.0.0-3.0-255:80", "http://10.0.4.1:80-81"],
        ["http://10.0.0-3.0-255:80-81", "http://node:1-7", "https://10.9.9.1-2"],
        ["http://10.0.0-255.0-255:12805"],
    ],
)
def test_every_member_of_a_range_has_its_turn_and_no_round_is_too_long(entries: list[str]) -> None:
    ranges = [uris.parse(entry) for entry in entries]
    members = [address for uri in ranges for address in uri.expand()]
    n_rounds = max(1, -(-len(members) // 1024))
    turns = [list(health._turn(ranges, 7_000_000 + number)) for number in range(n_rounds)]
    assert sorted(address for turn in turns for address in turn) == sorted(members)
    assert all(len(turn) <= 1024 for turn in turns)


def test_a_later_sighting_is_never_overwritten_by_an_earlier_one() -> None:
    record([Sighting(NODE, NOW, report=REPORT)])
    record([Sighting(NODE, NOW - timedelta(seconds=1), error="refused")])
    row = NodeHealth.objects.get()
    assert (row.last_probe_at, row.last_error) == (NOW, "")


def test_recording_needs_no_more_queries_than_nodes(
    django_assert_max_num_queries: object,
) -> None:
    addresses = [f"http://10.0.0.{number}:12805/" for number in range(100)]
    record([Sighting(address, NOW, report=REPORT) for address in addresses])
    with django_assert_max_num_queries(103):  # type: ignore[operator]
        record([Sighting(address, NOW, report=REPORT) for address in addresses])


# What does not answer.


def test_a_node_is_left_alone_ever_longer_up_to_a_minute() -> None:
    pauses = [pause_after(n_failures).total_seconds() for n_failures in (1, 3, 4, 5, 6, 7, 10**6)]
    assert pauses == [5, 5, 10, 20, 40, 60, 60]


def silent_for(n_failures: int, *, seen: datetime | None, probed: datetime) -> NodeHealth:
    address = f"http://127.0.0.1:{free_port()}/"
    NodeEntry.objects.create(uri=address)
    return NodeHealth.objects.create(
        address=address, last_seen_at=seen, last_probe_at=probed, n_failures=n_failures
    )


def looked_at(row: NodeHealth) -> bool:
    probe_nodes(now=NOW)
    return NodeHealth.objects.get(pk=row.pk).last_probe_at == NOW


def test_what_never_answered_is_looked_at_less_often() -> None:
    for seconds, expected in ((5, False), (40, False), (60, True)):
        assert (
            looked_at(silent_for(20, seen=None, probed=NOW - timedelta(seconds=seconds)))
            == expected
        )


def test_what_answered_lately_is_looked_at_every_time() -> None:
    seen = NOW - timedelta(minutes=59)
    assert looked_at(silent_for(500, seen=seen, probed=NOW - timedelta(seconds=5)))


# Several probers.


@pytest.mark.django_db(transaction=True)
def test_probers_that_race_lose_no_failure_and_count_none_twice() -> None:
    record([Sighting(NODE, NOW, report=REPORT)])

    def probe(number: int) -> None:
        try:
            for turn in range(1, 11):
                at = NOW + timedelta(seconds=5 * turn, milliseconds=number)
                record([Sighting(NODE, at, error="refused")])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(probe, range(4)))
    row = NodeHealth.objects.get()
    assert row.last_probe_at == NOW + timedelta(seconds=50, milliseconds=3)
    assert row.state == "down"
    # Those that come late are dropped, so there may be fewer, but never more than turns.
    assert 3 <= row.n_failures <= 10
    assert row.since <= NOW + timedelta(seconds=50)


@pytest.mark.django_db(transaction=True)
def test_probers_that_race_for_a_new_node_make_one_row_of_it() -> None:
    def probe(number: int) -> None:
        try:
            record([Sighting(NODE, NOW + timedelta(milliseconds=number), report=REPORT)])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(probe, range(8)))
    row = NodeHealth.objects.get()
    assert (row.state, row.last_probe_at) == ("ready", NOW + timedelta(milliseconds=7))
