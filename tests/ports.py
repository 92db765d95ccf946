"""Ports that are free and stay free until a process of the test listens there."""

import os
import random
import socket

# Below those that the system gives to connections by itself, from 32768 on: none of these takes
# a port between its choice and its use. Each worker process of a test run has its own.
_FIRST, _PER_WORKER, _WORKERS = 15_000, 2_000, 8
_given: set[int] = set()


def free_port() -> int:
    """A port of this machine where nobody listens, another one at each call."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first = _FIRST + number * _PER_WORKER
    chosen = random.SystemRandom()  # runs at the same time are not to choose alike
    while True:
        port = chosen.randrange(first, first + _PER_WORKER)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
