"""The database wrapper that Django looks for here."""

import functools
import os
import threading
import weakref
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import OperationalError
from psycopg2 import BINARY
from psycopg2.extensions import new_type, register_type

_WAIT_SECONDS = 10


def _bytes(value: Any, cursor: Any) -> bytes | None:
    """A binary column as bytes, as SQLite has it, where the driver hands out a memoryview."""
    return None if value is None else bytes(BINARY(value, cursor))


_BYTES = new_type(BINARY.values, "BYTES", _bytes)


class DatabaseWrapper(base.DatabaseWrapper):
    """Waits for a free place before it connects, so that a burst of requests queues here.

    Each request has a thread and a connection of its own; without a bound they would use up what
    the server allows to all its clients.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A new connection; OperationalError when none becomes free in time."""
        places = _places(self.settings_dict["MAX_CONNECTIONS"])
        if not places.acquire(timeout=_WAIT_SECONDS):
            raise OperationalError(
                f"All {self.settings_dict['MAX_CONNECTIONS']} database connections of this process"
                " are in use (MLOPS_DATABASE_CONNECTIONS)."
            )
        try:
            connection = super().get_new_connection(conn_params)
        except BaseException:
            places.release()
            raise
        register_type(_BYTES, connection)
        # Not only when it is closed: its thread may end without doing so.
        self._leave = weakref.finalize(connection, places.release)
        return connection

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # unknown to the stubs
        finally:
            if self.connection is not None:
                self._leave()


@functools.cache
def _places(number: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(number)


os.register_at_fork(after_in_child=_places.cache_clear)  # what the parent holds is its own
