"""Failures of batches that ended before they were counted."""

from importlib import import_module

import pytest
from django.apps import apps

from mlops.accounts.models import User
from services.models import Batch, BatchResult
from tests.services.create import create_batch, create_version, finish_batch

migration = import_module("services.migrations.0009_failures_of_batches")


@pytest.mark.django_db
def test_the_migration_finds_them_in_the_results(alice: User) -> None:
    create_version(alice)
    batch = finish_batch(create_batch(alice, n_items=4), failures={1, 3})
    whole = finish_batch(create_batch(alice))
    BatchResult.objects.update(is_failure=False)
    Batch.objects.update(n_failed=0)
    migration.count_failures(apps, None)
    failed = BatchResult.objects.filter(is_failure=True).order_by("index")
    assert list(failed.values_list("batch", "index")) == [(batch.pk, 1), (batch.pk, 3)]
    assert dict(Batch.objects.values_list("pk", "n_failed")) == {batch.pk: 2, whole.pk: 0}
