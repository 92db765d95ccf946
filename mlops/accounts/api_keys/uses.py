"""When each API key was last used, to the minute.

Written by a thread of its own: no call waits for it, even while the database is busy writing.
"""

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone

from mlops.accounts.models import ApiKey
from mlops.database import kept_connection, release_connection

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60

_writer: Executor = ThreadPoolExecutor(1, thread_name_prefix="uses of API keys")
_noted_at: dict[str, float] = {}


def note(keys: Iterable[ApiKey]) -> None:
    """These keys are being used."""
    now = time.monotonic()
    due = [key.pk for key in keys if now - _noted_at.get(key.pk, -EVERY_SECONDS) >= EVERY_SECONDS]
    if due:
        _noted_at.update(dict.fromkeys(due, now))
        _writer.submit(_write, due, timezone.now())


def _write(key_ids: list[str], at: datetime) -> None:
    try:
        with kept_connection():
            ApiKey.objects.filter(pk__in=key_ids).update(last_used_at=at)
        release_connection()
    except DatabaseError:
        logger.debug("The last use of API keys could not be written.", exc_info=True)
