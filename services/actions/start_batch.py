"""Starting a batch (wire-api section 3)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mlops.accounts.audit import record
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import InvalidRequest, NotFound
from services.actions.lookup import version_to_consume
from services.batches import removal
from services.batches.items import Items, read_items
from services.batches.nudges import nudge_workers
from services.models import Batch, BatchChunk, BatchInput, Version
from services.permissions import require_role

if TYPE_CHECKING:
    from uuid import UUID

    from mlops.accounts.models import User

DEFAULT_PARALLEL_COUNT = 10

_BYTES_PER_TRANSACTION = 4 * 1024 * 1024
_ROWS_PER_TRANSACTION = 2000


@noting_refusals("start batch")
def start_batch(
    *,
    user: "User",
    name: str,
    version: str,
    body: bytes,
    parallel_count: int = DEFAULT_PARALLEL_COUNT,
) -> Batch:
    """A new batch of the items in `body`, stored whole; workers are told.

    Raises NotFound, Forbidden where grants keep the user out, or InvalidRequest that names the
    item; nothing is stored then.
    """
    require_role(user, Role.READER)
    called = version_to_consume(caller=Caller.of(user), name=name, version=version)
    if parallel_count < 1:
        raise InvalidRequest("parallelCount must be at least 1.", fields="parallelCount")
    declared = [(each["name"], each["type"]) for each in called.input_parameters]
    items = read_items(body, declared, max_items=settings.BATCH_MAX_ITEMS)
    return store_batch(
        "start batch", user=user, version=called, items=items, parallel_count=parallel_count
    )


def store_batch(
    action: str,
    *,
    user: "User",
    version: Version,
    items: Items,
    parallel_count: int,
    retried: "UUID | None" = None,
) -> Batch:
    """A new batch of the items, stored whole and noted as `action`; workers are told.

    `retried` is the batch that the items come from, if they do.
    """
    batch = Batch.objects.create(
        version=version,
        owner=user,
        parallel_count=min(parallel_count, settings.MAX_THREADS_PER_BATCH),
        n_items=len(items),
    )
    said = {"items": batch.n_items, "parallelCount": batch.parallel_count}
    try:
        for inputs, chunks in _portions(batch, items):
            with transaction.atomic():
                BatchInput.objects.bulk_create(inputs)
                BatchChunk.objects.bulk_create(chunks)
        batch.ready_at = timezone.now()
        with transaction.atomic():
            if not Batch.objects.live().filter(pk=batch.pk).update(ready_at=batch.ready_at):
                raise NotFound("The version was deleted meanwhile.")
            record(
                action,
                user=user,
                object=f"{version} batch {batch.pk}",
                after=said | ({"retried": str(retried)} if retried else {}),
            )
    except BaseException:
        removal.remove(batch)
        raise
    nudge_workers()
    return batch


def _portions(batch: Batch, items: Items) -> Iterator[tuple[list[BatchInput], list[BatchChunk]]]:
    """The rows of the items in portions that make short transactions."""
    inputs: list[BatchInput] = []
    chunks: list[BatchChunk] = []
    size = 0
    for first, bodies in items.chunks(n_slots=batch.parallel_count):
        chunks.append(BatchChunk(batch=batch, first=first, n_items=len(bodies)))
        for index, body in enumerate(bodies, first):
            inputs.append(BatchInput(batch=batch, index=index, body=body))
            size += len(body)
        if size > _BYTES_PER_TRANSACTION or len(inputs) > _ROWS_PER_TRANSACTION:
            yield inputs, chunks
            inputs, chunks, size = [], [], 0
    if chunks:
        yield inputs, chunks
