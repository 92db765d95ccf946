"""The broker of one box: a directory of message files, safe to share between processes.

Kombu's own file transport may read a message that is still being written, and carries messages
through the temporary directory that all users share; here each step is one rename within the
broker's directory. A message taken by a worker that is then killed is gone: messages are nudges.
"""

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads

MAX_WAIT_SECONDS = 0.2


class Channel(filesystem.Channel):
    """Puts and gets messages atomically; `data_folder_in` is the one directory of messages."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]  # noqa: ARG002
        """Adds a message to `queue`; it appears complete or not at all."""
        unique = f"{time.time_ns():020}_{uuid.uuid4()}"
        draft = self._folder / f"{unique}.draft"
        draft.write_text(dumps(payload))
        draft.rename(self._folder / f"{unique}.{queue}.msg")

    def _get(self, queue: str, timeout: Any = None) -> Any:  # noqa: ARG002
        """The oldest message of `queue`, taken by this process alone; raises Empty."""
        for name in sorted(os.listdir(self._folder)):  # noqa: PTH208 - polled: names suffice
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = self._folder / f"{name}.taken"
            try:
                (self._folder / name).rename(taken)
            except FileNotFoundError:
                continue  # another process was faster
            payload = loads(taken.read_text())
            taken.unlink()
            return payload
        raise Empty

    @property
    def _folder(self) -> Path:
        return Path(self.data_folder_in)


class Transport(filesystem.Transport):
    """Files as kombu knows them, with the channel above."""

    Channel = Channel
    global_state = virtual.BrokerState()

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Delivers one message; raises TimeoutError when there is none for `timeout` seconds.

        Earlier than asked for, because a worker looks only between two waits whether it shall stop.
        """
        patience = None if timeout is None else min(timeout, MAX_WAIT_SECONDS)
        super().drain_events(connection, timeout=patience, **kwargs)  # type: ignore[no-untyped-call]
