"""Telling a worker that a pool was changed."""

from django.db import transaction

from mlops.nudging import nudge
from services.tasks import reconcile_pools


def nudge_after_commit() -> None:
    """Have some worker compare nodes with what is wanted, once the transaction is through."""
    transaction.on_commit(_nudge, robust=True)


def _nudge() -> None:
    nudge(reconcile_pools, harm="a pool is changed later")
