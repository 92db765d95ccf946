"""Jobs of batches: storing what takes too long for a request."""

from typing import Any
from uuid import UUID

from django.conf import settings

from mlops.accounts.token_cache import Caller
from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import NotFound
from mlops.jobs.kinds import job
from mlops.jobs.running import JobContext
from services.actions.cancel_batch import cancel_batch
from services.actions.lookup import version_to_consume
from services.actions.retry_batch import retry_batch
from services.actions.start_batch import start_batch
from services.batches.tables import read_table

START, RETRY, CANCEL = "start batch", "retry batch", "cancel batches"


@job(START)
def start(
    context: JobContext, *, name: str, version: str, blob_id: int, parallel_count: int
) -> dict[str, Any]:
    """The id of a new batch of the rows of a table, which is a blob."""
    blob = Blob.objects.filter(pk=blob_id).first()
    if blob is None:
        raise NotFound("The table is not there any more: send it again.")
    context.report({"step": "checking the rows"})
    called = version_to_consume(caller=Caller.of(context.user), name=name, version=version)
    declared = [(each["name"], each["type"]) for each in called.input_parameters]
    text = b"".join(storage.read(blob)).decode()
    table = read_table(text, declared, max_items=settings.BATCH_MAX_ITEMS)
    context.raise_if_cancelled()
    context.report({"step": f"storing {table.n_items:,} items"})
    batch = start_batch(
        user=context.user,
        name=name,
        version=version,
        body=table.body,
        parallel_count=parallel_count,
    )
    return {"batch": str(batch.pk)}


@job(RETRY)
def retry(context: JobContext, *, batch_id: str) -> dict[str, Any]:
    """The id of a new batch of what failed in another one."""
    context.report({"step": "storing the items"})
    return {"batch": str(retry_batch(user=context.user, batch_id=UUID(batch_id)).pk)}


@job(CANCEL)
def cancel(context: JobContext, *, batch_ids: list[str]) -> dict[str, Any]:
    """How many batches were removed with their results."""
    n_removed = 0
    for batch_id in batch_ids:
        context.raise_if_cancelled()
        try:
            cancel_batch(user=context.user, batch_id=UUID(batch_id))
            n_removed += 1
        except NotFound:
            pass  # somebody else has done it
        context.report({"done": n_removed, "total": len(batch_ids)})
    return {"removed": n_removed}
