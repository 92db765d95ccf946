"""Telling workers that there is work. A message that is lost does no harm: they look anyway."""

import logging

from kombu.exceptions import OperationalError

from services.tasks import run_batches

logger = logging.getLogger(__name__)

_EXPIRES_SECONDS = 60  # by then the periodic message has done the same
_AT_MOST_TWICE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


def nudge_workers() -> None:
    """Have some worker look for batches at once, if the broker can be reached."""
    try:
        run_batches.apply_async(
            expires=_EXPIRES_SECONDS, retry=True, retry_policy=_AT_MOST_TWICE, ignore_result=True
        )
    except OperationalError as error:
        logger.warning("The broker cannot be reached; a batch starts later: %s", error)
