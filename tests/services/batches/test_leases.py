"""Who may run which items, and who may record results; the clock is an argument."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError
from pytest_django import Settings

from mlops.accounts.models import User
from services.actions.cancel_batch import cancel_batch
from services.actions.delete import delete_version
from services.batches import leases
from services.batches.leases import Grant, LeaseLost
from services.batches.outcomes import Outcome
from services.models import Batch, BatchChunk, BatchFile, BatchLease, BatchResult
from tests.services.create import create_batch, create_version

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE_SECONDS = 600


@pytest.fixture(autouse=True)
def lease_time(settings: Settings) -> None:
    settings.BATCH_LEASE_SECONDS = LEASE_SECONDS


@pytest.fixture
def batch(alice: User) -> Batch:
    """100 items, 10 at a time: chunks of two."""
    create_version(alice)
    return create_batch(alice, n_items=100, parallel_count=10)


def claim(batch: Batch, *, n_slots: int = 10, n_items: int = 20, holder: str = "w") -> Grant:
    grant = claim_some(batch, n_slots=n_slots, n_items=n_items, holder=holder)
    assert grant
    return grant


def claim_some(
    batch: Batch, *, n_slots: int = 10, n_items: int = 20, holder: str = "w"
) -> Grant | None:
    return leases.claim(batch.pk, holder=holder, n_slots=n_slots, n_items=n_items, now=NOW)


def exchange(
    batch: Batch, grant: Grant, *outcomes: Outcome, now: datetime = NOW, **wishes: int
) -> Grant:
    n_items, n_slots = wishes.get("n_items", 0), wishes.get("n_slots", 10)
    return leases.exchange(
        batch.pk, grant.lease_id, outcomes=outcomes, n_slots=n_slots, n_items=n_items, now=now
    )


def indexes(grant: Grant) -> list[int]:
    return [item.index for chunk in grant.chunks for item in chunk.items]


def outcome(index: int, result: bytes = b"{}") -> Outcome:
    return Outcome(index, result)


def run_whole(batch: Batch) -> None:
    grant = claim(batch, n_items=batch.n_items)
    outcomes = [outcome(index) for index in indexes(grant)]
    done = [chunk.pk for chunk in grant.chunks]
    leases.exchange(
        batch.pk, grant.lease_id, outcomes=outcomes, done=done, n_slots=1, n_items=0, now=NOW
    )
    leases.release(grant.lease_id)


def nobody_is_dead(holder: str) -> bool:
    return False


def take_away(*, now: datetime) -> int:
    return leases.take_away_lost(now=now, is_known_dead=nobody_is_dead)


def test_a_claim_gets_items_from_the_front_as_they_were_sent(batch: Batch) -> None:
    grant = claim(batch)
    assert indexes(grant) == list(range(20))
    assert grant.chunks[1].items[0].body == b'{"x": 2}'
    batch.refresh_from_db()
    assert (batch.state, batch.started_at) == ("InProgress", NOW)


def test_no_item_is_claimed_twice(batch: Batch) -> None:
    first = claim(batch, n_slots=5)
    second = claim(batch, n_slots=5)
    more = exchange(batch, first, n_slots=5, n_items=10)
    assert indexes(second) == list(range(20, 40))
    assert indexes(more) == list(range(40, 50))


def test_all_claims_together_never_get_more_than_the_parallel_count(batch: Batch) -> None:
    assert claim(batch, n_slots=4).n_slots == 4
    second = claim(batch, n_slots=9)
    assert second.n_slots == 6
    assert claim_some(batch, n_slots=1) is None
    assert exchange(batch, second, n_slots=9).n_slots == 6


def test_slots_given_back_are_free_for_others(batch: Batch) -> None:
    first = claim(batch)
    assert claim_some(batch) is None
    exchange(batch, first, n_slots=7)
    assert claim(batch).n_slots == 3
    leases.release(first.lease_id)
    assert claim(batch).n_slots == 7


def test_results_are_recorded_and_counted(batch: Batch) -> None:
    exchange(batch, claim(batch), outcome(1, b'{"a":1}'), outcome(0, b"{}"))
    batch.refresh_from_db()
    assert batch.n_completed == 2
    stored = BatchResult.objects.order_by("index").values_list("index", "body", "size")
    assert [(index, bytes(body), size) for index, body, size in stored] == [
        (0, b"{}", 2),
        (1, b'{"a":1}', 7),
    ]


def test_files_are_recorded_with_their_item(batch: Batch) -> None:
    exchange(batch, claim(batch), Outcome(4, b"{}", {"plot.png": b"\x00png"}))
    file = BatchFile.objects.get()
    assert (file.index, file.name, bytes(file.data)) == (4, "plot.png", b"\x00png")


def test_with_the_last_result_the_batch_is_complete(batch: Batch) -> None:
    run_whole(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.finished_at) == ("Complete", NOW)
    assert claim_some(batch) is None
    assert leases.claimable(besides=[], limit=10) == []


def test_a_second_result_of_an_item_is_refused_and_the_first_stays(batch: Batch) -> None:
    grant = claim(batch)
    exchange(batch, grant, outcome(0, b"first"))
    with pytest.raises(IntegrityError):
        exchange(batch, grant, outcome(1), outcome(0, b"second"))
    batch.refresh_from_db()
    assert batch.n_completed == 1
    assert [bytes(body) for body in BatchResult.objects.values_list("body", flat=True)] == [
        b"first"
    ]


def test_a_lease_that_is_renewed_is_not_taken_away(batch: Batch) -> None:
    grant = claim(batch)
    later = NOW + timedelta(seconds=LEASE_SECONDS - 1)
    exchange(batch, grant, now=later)
    assert take_away(now=NOW + timedelta(seconds=LEASE_SECONDS + 1)) == 0
    assert take_away(now=later + timedelta(seconds=LEASE_SECONDS)) == 1


def test_what_a_lost_worker_left_undone_is_claimed_again(batch: Batch) -> None:
    lost = claim(batch)
    exchange(batch, lost, outcome(0), outcome(3))
    assert take_away(now=NOW + timedelta(seconds=LEASE_SECONDS)) == 1
    again = claim(batch)
    assert again.n_slots == 10
    assert indexes(again) == [1, 2, *range(4, 20)]


def test_a_lost_worker_records_nothing_any_more(batch: Batch) -> None:
    lost = claim(batch)
    take_away(now=NOW + timedelta(seconds=LEASE_SECONDS))
    with pytest.raises(LeaseLost):
        exchange(batch, lost, outcome(0))
    assert not BatchResult.objects.exists()


def test_the_lease_of_a_dead_process_is_taken_away_before_it_expires(batch: Batch) -> None:
    claim(batch, n_slots=5, holder="dead")
    claim(batch, n_slots=5, holder="alive")
    assert leases.take_away_lost(now=NOW, is_known_dead=lambda holder: holder == "dead") == 1
    assert [lease.holder for lease in BatchLease.objects.all()] == ["alive"]


def test_what_was_given_back_can_be_claimed_at_once(batch: Batch) -> None:
    grant = claim(batch)
    leases.release(grant.lease_id)
    assert indexes(claim(batch)) == indexes(grant)
    assert not BatchChunk.objects.filter(n_lost__gt=0).exists()


def test_items_that_lose_every_worker_make_the_batch_fail(batch: Batch) -> None:
    for _ in range(leases.MOST_LOST):
        grant = claim(batch)
        take_away(now=NOW + timedelta(seconds=LEASE_SECONDS))
    batch.refresh_from_db()
    assert batch.state == "Failed"
    assert claim_some(batch) is None
    with pytest.raises(LeaseLost):
        exchange(batch, grant, outcome(0))


@pytest.mark.parametrize("how", ["cancelled", "version deleted", "owner deleted"])
def test_of_a_batch_that_is_gone_nothing_is_claimed_or_recorded(
    batch: Batch, alice: User, admin: User, how: str
) -> None:
    grant = claim(batch, n_slots=5)
    if how == "cancelled":
        cancel_batch(user=alice, batch_id=batch.pk)
    elif how == "version deleted":
        delete_version(user=alice, name="churn", version="v1")
    else:
        alice.delete()
    assert claim_some(batch) is None
    with pytest.raises(LeaseLost):
        exchange(batch, grant, outcome(0))
    assert not BatchResult.objects.exists()
    leases.release(grant.lease_id)


def test_batches_that_wait_are_found_the_oldest_first(batch: Batch, alice: User) -> None:
    second, third = create_batch(alice), create_batch(alice, parallel_count=500)
    assert leases.claimable(besides=[], limit=10) == [
        (batch.pk, 10),
        (second.pk, 10),
        (third.pk, 100),
    ]
    assert leases.claimable(besides=[second.pk], limit=1) == [(batch.pk, 10)]
    claim(second)
    claim(batch)  # with all its slots
    assert leases.claimable(besides=[], limit=10) == [(third.pk, 100)]


def test_a_batch_that_is_still_being_stored_is_not_run(batch: Batch) -> None:
    Batch.objects.update(ready_at=None)
    assert leases.claimable(besides=[], limit=10) == []
    assert claim_some(batch) is None


def test_an_unknown_batch_has_nothing_to_claim() -> None:
    grant = leases.claim(uuid4(), holder="w", n_slots=1, n_items=1, now=NOW)
    assert grant is None
