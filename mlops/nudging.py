"""Telling workers that there is work. A message that is lost does no harm: they look anyway."""

import logging
from typing import Any

from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

_EXPIRES_SECONDS = 60  # by then the periodic message has done the same
_AT_MOST_TWICE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


def nudge(task: Any, *arguments: str, harm: str) -> None:
    """Have some worker run the task soon; `harm` is what comes of it without a broker."""
    try:
        task.apply_async(
            arguments,
            expires=_EXPIRES_SECONDS,
            retry=True,
            retry_policy=_AT_MOST_TWICE,
            ignore_result=True,
        )
    except OperationalError as error:
        logger.warning("The broker cannot be reached; %s: %s", harm, error)
