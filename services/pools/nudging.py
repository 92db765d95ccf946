"""Telling a worker that a pool was changed. No harm when the message is lost: it looks anyway."""

import logging

from django.db import transaction
from kombu.exceptions import OperationalError

from services.tasks import reconcile_pools

logger = logging.getLogger(__name__)

_EXPIRES_SECONDS = 60  # by then the periodic message has done the same
_AT_MOST_TWICE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


def nudge_after_commit() -> None:
    """Have some worker compare nodes with what is wanted, once the transaction is through."""
    transaction.on_commit(_nudge, robust=True)


def _nudge() -> None:
    try:
        reconcile_pools.apply_async(
            expires=_EXPIRES_SECONDS, retry=True, retry_policy=_AT_MOST_TWICE, ignore_result=True
        )
    except OperationalError as error:
        logger.warning("The broker cannot be reached; a pool is changed later: %s", error)
