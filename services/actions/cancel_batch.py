"""Cancelling and deleting a batch (wire-api section 3)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.audit import record
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.errors import NotFound
from services.batches import removal
from services.batches.reading import UNKNOWN
from services.models import Batch
from services.permissions import require_role

if TYPE_CHECKING:
    from uuid import UUID

    from mlops.accounts.models import User


@noting_refusals("cancel batch")
def cancel_batch(*, user: "User", batch_id: "UUID") -> None:
    """Remove the batch with its results; nothing of it is started or recorded any more.

    What is running is broken off within about a second. Raises NotFound for a batch that the user
    cannot see.
    """
    require_role(user, Role.READER)
    visible = Batch.objects.visible_to(user).select_related("version__service", "owner")
    batch = visible.filter(pk=batch_id).first()
    with transaction.atomic():
        if batch is None or not Batch.objects.live().filter(pk=batch_id).update(version=None):
            raise NotFound(UNKNOWN)
        record(
            "cancel batch",
            user=user,
            object=f"{batch.version} batch {batch.pk}",
            before={"owner": batch.owner and batch.owner.username, "items": batch.n_items},
        )
    removal.remove(batch)
