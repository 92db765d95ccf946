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


def measure(call: Call, *, clients: int, seconds: int, is_exact: bool = False) -> Load:
    """What `clients` connections got that send one request after the other.

    `is_exact` gives each of them a thread, so that an answer must be that to its own request and
    not just to one that is under way.
    """
    threads = clients if is_exact else 1
    headers = [word for name, value in call.headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            *("wrk", "-t", str(threads), "-c", str(clients), "-d", f"{seconds}s"),
            *("--timeout", f"{TIMEOUT_SECONDS}s", "-s", str(SCRIPT), *headers, call.url, "--"),
            *(str(call.bodies), str(call.expected), call.pattern, repr(call.tolerance)),
            str(int(is_exact)),
        ],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or "\nresult " not in done.stdout:
        raise RuntimeError(f"wrk failed: {done.stdout} {done.stderr}")
    return parse(done.stdout)


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
