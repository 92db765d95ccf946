"""A few threads that run jobs in the order in which they came."""

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class Threads:
    """Daemon threads, so that one that never comes back does not keep the process from ending."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._is_started = False

    def submit(self, job: Job) -> None:
        """Have `job`, which raises nothing, run when a thread is free for it."""
        if not self._is_started:
            self._is_started = True
            for number in range(self._count):
                name = f"{self._name}-{number}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put(job)

    def stop(self) -> None:
        """Let the threads end after what was submitted."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # or it would live until the next one comes
