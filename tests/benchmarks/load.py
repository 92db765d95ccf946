"""One measurement: wrk against one address, every answer checked."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "load.lua"
ECHO = "echo"
# wrk gives up an answer after this time.
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is sent to one address, and how its answers are read."""

    url: str
    headers: Mapping[str, str]
    bodies: Path  # a request body in each line
    expected: Path | str  # the predictions for it in the same line; ECHO: the body itself
    pattern: str  # of Lua; its capture is the list of predictions
    tolerance: float = 1e-6


@dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk saw; latencies in milliseconds."""

    seconds: float
    right: int
    errors: int  # wrong answers, and requests without one
    example: str  # the first wrong answer
    p50: float
    p95: float
    p99: float

    @property
    def rate(self) -> float:
        """Right answers per second."""
        return self.right / self.seconds


class Measurement:
    """A run of wrk: `clients` connections that send one request after the other.

    `is_exact` gives each of them a thread, so that an answer must be that to its own request and
    not just to one that is under way.
    """

    def __init__(self, call: Call, *, clients: int, seconds: int, is_exact: bool = False) -> None:
        threads = clients if is_exact else 1
        headers = [
            part for name, value in call.headers.items() for part in ("-H", f"{name}: {value}")
        ]
        self._process = subprocess.Popen(
            [
                *("wrk", "-t", str(threads), "-c", str(clients), "-d", f"{seconds}s"),
                *("--timeout", f"{TIMEOUT_SECONDS}s", "-s", str(SCRIPT), *headers, call.url, "--"),
                *(str(call.bodies), str(call.expected), call.pattern, repr(call.tolerance)),
                str(int(is_exact)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    @property
    def pid(self) -> int:
        """The process id of wrk."""
        return self._process.pid

    def result(self) -> Load:
        """What it saw, when it has ended."""
        output, _ = self._process.communicate()
        if self._process.returncode != 0 or "\nresult " not in output:
            raise RuntimeError(f"wrk failed: {output}")
        return parse(output)


def measure(call: Call, *, clients: int, seconds: int, is_exact: bool = False) -> Load:
    """The result of a `Measurement`."""
    return Measurement(call, clients=clients, seconds=seconds, is_exact=is_exact).result()


def parse(output: str) -> Load:
    """What the script wrote at the end of wrk's own lines."""
    said = json.loads(output.rpartition("\nresult ")[2])
    return Load(
        seconds=said["seconds"],
        right=said["right"],
        errors=said["wrong"] + said["failed"],
        example=said["example"],
        p50=said["p50"] / 1000,
        p95=said["p95"] / 1000,
        p99=said["p99"] / 1000,
    )
