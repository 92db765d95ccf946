"""Running again what failed in a batch."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import Conflict, NotFound
from services.actions.start_batch import store_batch
from services.batches.items import read_items
from services.batches.reading import UNKNOWN
from services.models import Batch, BatchInput, BatchResult
from services.permissions import require_consume, require_role

if TYPE_CHECKING:
    from uuid import UUID

    from mlops.accounts.models import User


@noting_refusals("retry batch")
def retry_batch(*, user: "User", batch_id: "UUID") -> Batch:
    """A new batch of the user's, of the inputs of those items that did not succeed, in their order.

    Of a batch that was given up these are also the ones that were not run. The batch itself stays
    as it is. Raises NotFound for a batch that the user cannot see, Conflict while it runs and when
    nothing of it failed, Forbidden when the version is closed to the user by now, and
    InvalidRequest when the inputs do not fit the version any more.
    """
    require_role(user, Role.READER)
    visible = Batch.objects.visible_to(user).select_related("version__service")
    batch = visible.filter(pk=batch_id).first()
    if batch is None or batch.version is None:
        raise NotFound(UNKNOWN)
    require_consume(batch.version, Caller.of(user))
    if batch.finished_at is None:
        raise Conflict("The batch is still running: what failed can be run again once it ends.")
    bodies = _failed_inputs(batch)
    if not bodies:
        raise Conflict("No item of this batch failed, so there is nothing to run again.")
    declared = [(each["name"], each["type"]) for each in batch.version.input_parameters]
    whole = b"[" + b",".join(bodies) + b"]"
    items = read_items(whole, declared, max_items=settings.BATCH_MAX_ITEMS)
    return store_batch(
        "retry batch",
        user=user,
        version=batch.version,
        items=items,
        parallel_count=batch.parallel_count,
        retried=batch.pk,
    )


def _failed_inputs(batch: Batch) -> list[bytes]:
    succeeded = BatchResult.objects.filter(batch=batch, index=OuterRef("index"), is_failure=False)
    inputs = BatchInput.objects.filter(~Exists(succeeded), batch=batch).order_by("index")
    return [bytes(body) for body in inputs.values_list("body", flat=True)]
