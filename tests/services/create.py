"""Rows that the tests of services start from."""

import io
import json
import zipfile
from collections.abc import Callable, Collection
from typing import Any

from django.utils import timezone

from mlops.accounts.models import User
from mlops.blobs import storage
from nodes.models import Snapshot
from services.actions.publish import publish_version
from services.actions.publish_realtime import publish_realtime
from services.actions.start_batch import start_batch
from services.batches import leases
from services.batches.outcomes import Outcome, failed
from services.model_files import ModelFile
from services.models import (
    Batch,
    BatchChunk,
    BatchFile,
    BatchInput,
    BatchLease,
    BatchResult,
    CatalogueStamp,
    DedicatedPool,
    Service,
    Version,
)
from services.schema import Definition
from tests.nodes.runtime.realtime.models import adding, contained


def create_snapshot(
    owner: User, *, runtime: str = "Python", files: dict[str, bytes] | None = None
) -> Snapshot:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in (files or {}).items():
            archive.writestr(name, data)
    blob = storage.save([content.getvalue()])
    return Snapshot.objects.create(owner=owner, runtime=runtime, blob=blob, is_empty=not files)


def create_version(
    user: User, *, name: str = "churn", version: str = "v1", **definition: Any
) -> Version:
    """A version published through the action, with everything set unless told otherwise."""
    said: dict[str, Any] = {"code": "answer = x + 1", "runtime_type": "Python", **definition}
    return publish_version(user=user, name=name, version=version, definition=Definition(**said))


def create_batch(
    user: User, *, n_items: int = 3, name: str = "churn", version: str = "v1", **options: Any
) -> Batch:
    """A batch of `{"x": 0}`, `{"x": 1}` and so on, that waits for a worker."""
    body = json.dumps([{"x": index} for index in range(n_items)]).encode()
    return start_batch(user=user, name=name, version=version, body=body, **options)


def finish_batch(
    batch: Batch,
    *,
    failures: Collection[int] = (),
    n_done: int | None = None,
    outputs: Callable[[int], dict[str, Any]] = lambda _: {},
    error: str = "",
) -> Batch:
    """The batch with results as if a node had run it, or its first items; it is over then."""
    now = timezone.now()
    for grant in iter(
        lambda: leases.claim(batch.pk, holder="w", n_slots=1, n_items=batch.n_items, now=now), None
    ):
        indexes = [item.index for chunk in grant.chunks for item in chunk.items]
        outcomes = [
            failed(index, f"Item {index} is odd.")
            if index in failures
            else Outcome(index, success(outputs(index)))
            for index in indexes[:n_done]
        ]
        options = {"outcomes": outcomes, "n_slots": 1, "n_items": 0, "now": now}
        leases.exchange(batch.pk, grant.lease_id, **options)
        if n_done is not None:
            break
        leases.release(grant.lease_id)
    if error:
        Batch.objects.filter(pk=batch.pk).update(error=error, finished_at=now)
    batch.refresh_from_db()
    return batch


def success(outputs: dict[str, Any]) -> bytes:
    """The result object of a call that gave these outputs."""
    result = {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "",
        "changedFiles": [],
        "outputParameters": outputs,
        "outputFiles": {},
    }
    return json.dumps(result, separators=(",", ":")).encode()


def batch_rows() -> dict[str, int]:
    """How many rows there are of all that belongs to batches."""
    kinds: list[Any] = [Batch, BatchChunk, BatchFile, BatchInput, BatchLease, BatchResult]
    return {kind.__name__: kind.objects.count() for kind in kinds}


def create_realtime(
    user: User,
    *,
    name: str = "churn",
    version: str = "v1",
    payload: bytes | None = None,
    **definition: Any,
) -> Version:
    """A realtime version published through the action; unless told otherwise it adds 1 to `x`."""
    with ModelFile() as model:
        model.write(contained(adding() if payload is None else payload))
        return publish_realtime(
            user=user, name=name, version=version, model=model, definition=Definition(**definition)
        )


def published() -> list[dict[str, Any]]:
    """Everything that publishing leaves in the database, to prove that nothing changed."""
    return [
        *Service.objects.order_by("pk").values(),
        *Version.objects.order_by("pk").values(),
        *DedicatedPool.objects.order_by("pk").values(),
        *CatalogueStamp.objects.values(),
    ]
