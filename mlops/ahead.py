"""Reading anew what is about to be too old, while what is there still serves.

Caches that must not be older than a second are read again after half of it, in the background, so
that under steady load no request waits for the database.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class Ahead:
    """Runs one reading at a time in the background of the event loop."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def begin(self, read: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have `read` run, unless another one still does."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(_run(read))


async def _run(read: Callable[[], Coroutine[Any, Any, object]]) -> None:
    try:
        await read()
    except Exception:
        logger.debug("A reading ahead of time failed.", exc_info=True)
