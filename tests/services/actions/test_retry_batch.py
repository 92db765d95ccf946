"""Running again what failed in a batch."""

import json

import pytest

from mlops.accounts.models import AuditEntry, User
from mlops.errors import Conflict, Forbidden, InvalidRequest, NotFound
from services.actions.retry_batch import retry_batch
from services.models import Batch, BatchInput
from tests.conftest import create_user
from tests.services.create import batch_rows, create_batch, create_version, finish_batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(alice: User) -> Batch:
    """Five items, of which the second and the fifth have failed."""
    create_version(alice)
    return finish_batch(create_batch(alice, n_items=5, parallel_count=2), failures={1, 4})


def inputs(batch: Batch) -> list[object]:
    bodies = BatchInput.objects.filter(batch=batch).order_by("index")
    return [json.loads(bytes(body)) for body in bodies.values_list("body", flat=True)]


def test_a_new_batch_has_the_inputs_of_the_failed_items_in_their_order(
    batch: Batch, alice: User
) -> None:
    retried = retry_batch(user=alice, batch_id=batch.pk)
    assert inputs(retried) == [{"x": 1}, {"x": 4}]
    assert (retried.owner, retried.version, retried.parallel_count) == (alice, batch.version, 2)
    assert retried.ready_at
    batch.refresh_from_db()
    assert (batch.n_items, batch.n_failed, batch.state) == (5, 2, "Complete")


def test_the_trail_says_which_batch_was_retried(batch: Batch, alice: User) -> None:
    retried = retry_batch(user=alice, batch_id=batch.pk)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.object) == ("retry batch", f"churn/v1 batch {retried.pk}")
    assert entry.after == {"items": 2, "parallelCount": 2, "retried": str(batch.pk)}


def test_what_a_batch_that_was_given_up_did_not_run_is_run(alice: User) -> None:
    create_version(alice)
    batch = finish_batch(create_batch(alice, n_items=4), failures={0}, n_done=2, error="Lost.")
    assert inputs(retry_batch(user=alice, batch_id=batch.pk)) == [{"x": 0}, {"x": 2}, {"x": 3}]


def test_a_batch_that_runs_is_not_retried(alice: User) -> None:
    create_version(alice)
    batch = create_batch(alice)
    before = batch_rows()
    with pytest.raises(Conflict, match="still running"):
        retry_batch(user=alice, batch_id=batch.pk)
    assert batch_rows() == before


def test_a_batch_without_failures_is_not_retried(alice: User) -> None:
    create_version(alice)
    batch = finish_batch(create_batch(alice))
    with pytest.raises(Conflict, match="No item of this batch failed"):
        retry_batch(user=alice, batch_id=batch.pk)


def test_a_batch_of_somebody_else_is_unknown(batch: Batch, bob: User) -> None:
    before = batch_rows()
    with pytest.raises(NotFound):
        retry_batch(user=bob, batch_id=batch.pk)
    assert batch_rows() == before


def test_an_owner_retries_anybodys_as_a_batch_of_their_own(batch: Batch, admin: User) -> None:
    assert retry_batch(user=admin, batch_id=batch.pk).owner == admin


def test_who_may_not_call_the_version_any_more_is_refused(batch: Batch, bob: User) -> None:
    service = batch.version.service  # type: ignore[union-attr]
    service.grants = [{"right": "consume", "kind": "user", "name": "nobody"}]
    service.save()
    Batch.objects.update(owner=bob)
    with pytest.raises(Forbidden):
        retry_batch(user=bob, batch_id=batch.pk)
    assert AuditEntry.objects.latest("pk").outcome == "refused"


def test_inputs_that_no_longer_fit_are_refused(batch: Batch, alice: User) -> None:
    version = batch.version
    assert version
    version.input_parameters = [{"name": "y", "type": "numeric"}]
    version.save()
    before = batch_rows()
    with pytest.raises(InvalidRequest, match="y"):
        retry_batch(user=alice, batch_id=batch.pk)
    assert batch_rows() == before


def test_who_has_no_role_is_refused(batch: Batch, declared_groups: None) -> None:
    mallory = create_user("mallory")
    with pytest.raises(Forbidden):
        retry_batch(user=mallory, batch_id=batch.pk)
