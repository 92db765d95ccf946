"""Removing batches that nobody wants any more."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import User
from services.actions.delete import delete_version
from services.batches import leases, removal
from services.batches.outcomes import Outcome
from services.models import Batch
from tests.services.create import batch_rows, create_batch, create_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(alice: User) -> Batch:
    """A batch that runs and has a result with a file."""
    create_version(alice)
    batch = create_batch(alice)
    now = timezone.now()
    grant = leases.claim(batch.pk, holder="w", n_slots=1, n_items=1, now=now)
    assert grant
    outcome = Outcome(0, b"{}", {"a.txt": b"a"})
    leases.exchange(batch.pk, grant.lease_id, outcomes=[outcome], n_slots=1, n_items=1, now=now)
    return batch


def test_a_batch_is_removed_with_all_that_belongs_to_it(batch: Batch) -> None:
    assert all(batch_rows().values())
    removal.remove(batch)
    assert not any(batch_rows().values())


def test_with_its_version_a_batch_goes(batch: Batch, alice: User) -> None:
    delete_version(user=alice, name="churn", version="v1")
    assert not Batch.objects.visible_to(alice).exists()
    assert removal.sweep(now=timezone.now()) == 1
    assert not any(batch_rows().values())


def test_with_its_owner_a_batch_goes(batch: Batch, alice: User, admin: User) -> None:
    alice.delete()
    assert not Batch.objects.visible_to(admin).exists()
    assert removal.sweep(now=timezone.now()) == 1
    assert not any(batch_rows().values())


def test_a_finished_batch_is_kept_with_its_files_for_the_time_of_the_setting(
    batch: Batch, settings: Settings
) -> None:
    settings.BATCH_RETENTION_SECONDS = 100
    now = timezone.now()
    Batch.objects.update(finished_at=now)
    before = batch_rows()
    assert removal.sweep(now=now + timedelta(seconds=99)) == 0
    assert batch_rows() == before
    assert removal.sweep(now=now + timedelta(seconds=101)) == 1
    assert not any(batch_rows().values())


def test_a_batch_that_runs_is_kept_however_long(batch: Batch) -> None:
    before = batch_rows()
    assert removal.sweep(now=timezone.now() + timedelta(days=1000)) == 0
    assert batch_rows() == before


def test_a_batch_whose_storing_was_broken_off_goes_after_an_hour(batch: Batch) -> None:
    Batch.objects.update(ready_at=None)
    assert removal.sweep(now=timezone.now() + timedelta(minutes=59)) == 0
    assert removal.sweep(now=timezone.now() + timedelta(minutes=61)) == 1
