"""Cancelling and deleting a batch (wire-api section 3)."""

from typing import TYPE_CHECKING

from mlops.accounts.roles import Role
from mlops.errors import NotFound
from services.batches import removal
from services.batches.reading import UNKNOWN
from services.models import Batch
from services.permissions import require_role

if TYPE_CHECKING:
    from uuid import UUID

    from mlops.accounts.models import User


def cancel_batch(*, user: "User", batch_id: "UUID") -> None:
    """Remove the batch with its results; nothing of it is started or recorded any more.

    What is running is broken off within about a second. Raises NotFound for a batch that the user
    cannot see.
    """
    require_role(user, Role.READER)
    batch = Batch.objects.visible_to(user).filter(pk=batch_id).first()
    if batch is None or not Batch.objects.live().filter(pk=batch_id).update(version=None):
        raise NotFound(UNKNOWN)
    removal.remove(batch)
