"""The measuring: all servers up, all targets in turns, round after round."""

import contextlib
import itertools
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import usage
from tests.benchmarks.load import Call, Load, Measurement, measure
from tests.benchmarks.servers import StartError
from tests.benchmarks.target import Provider, Running, Target
from tests.benchmarks.workload import Workload

# Processes are looked at so long after the beginning and before the end.
MARGIN_SECONDS = 0.4


@dataclass(frozen=True, order=True)
class Size:
    """How a target is called."""

    rows: int  # of a request
    clients: int


@dataclass(frozen=True)
class Role:
    """The processes of one kind: how many, and what they used all together."""

    name: str
    count: int
    cores: float
    memory_bytes: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One target at one size: medians over the rounds; times in ms."""

    rate: float
    p50: float
    p95: float
    p99: float
    errors: int
    roles: tuple[Role, ...]  # of the last round
    other_cores: float = 0.0  # used by programs that have nothing to do with it

    @property
    def cores(self) -> float:
        """CPU seconds per second, of all its processes."""
        return sum(role.cores for role in self.roles)

    @property
    def memory_bytes(self) -> float:
        """Of all its processes."""
        return sum(role.memory_bytes for role in self.roles)


Results = dict[tuple[str, Size], Figures]


@contextlib.contextmanager
def started(
    providers: Sequence[Provider], chosen: Sequence[Target], directory: Path, workload: Workload
) -> Iterator[dict[str, Running]]:
    """The servers by name that have something chosen; one that does not start is left out."""
    with contextlib.ExitStack() as stack:
        running = {}
        for provider in providers:
            wanted = [target for target in provider.targets if target in chosen]
            if not wanted:
                continue
            say(f"Starting {provider.name}")
            place = directory / provider.name
            place.mkdir()
            try:
                running[provider.name] = provider.start(place, workload, wanted)
            except StartError as error:
                sys.stderr.write(f"{error}\n")
                continue
            stack.callback(running[provider.name].server.stop)
        yield running


def working(
    targets: Sequence[Target], running: dict[str, Running], workload: Workload
) -> list[Target]:
    """Those that answer rightly; the others are named with what they answer."""
    found = []
    for target in targets:
        if target.server not in running:
            continue
        load = measure(running[target.server].call(target, workload, 1), clients=1, seconds=1)
        if load.right:
            found.append(target)
        else:
            sys.stderr.write(f"{target.name} is left out, it answers: {load.example}\n")
    return found


def run(
    targets: Sequence[Target],
    running: dict[str, Running],
    workload: Workload,
    *,
    sizes: Sequence[Size],
    rounds: int,
    seconds: int,
) -> Results:
    """The figures of each target at each size."""
    measured: dict[tuple[str, Size], list[tuple[Load, usage.Window]]] = defaultdict(list)
    for number, size, target in itertools.product(range(rounds), sizes, targets):
        server = running[target.server]
        call = server.call(target, workload, size.rows)
        if number == 0:  # shells, pools and caches get warm
            measure(call, clients=size.clients, seconds=1)
            usage.settle(server.server.pid)
        load, window = _observed(call, server, size.clients, seconds)
        usage.settle(server.server.pid)  # with requests whose client has gone
        measured[target.name, size].append((load, window))
        say(
            f"{number + 1}/{rounds} {target.name:18} {size.rows:6} rows {size.clients:3} clients"
            f" {load.rate:9.0f}/s  p50 {load.p50:8.2f} ms  errors {load.errors} {load.example}"
        )
    return {key: _figures(found) for key, found in measured.items()}


def _observed(call: Call, server: Running, clients: int, seconds: int) -> tuple[Load, usage.Window]:
    """A measurement, and what the processes did in the midst of it."""
    measurement = Measurement(call, clients=clients, seconds=seconds)
    time.sleep(MARGIN_SECONDS)
    sample = usage.Sample(server.server.pid, measurement.pid)
    time.sleep(seconds - 2 * MARGIN_SECONDS)
    window = sample.until_now()
    return measurement.result(), window


def other_cores(results: Results) -> float:
    """What was used by programs that have nothing to do with it."""
    return statistics.median(figures.other_cores for figures in results.values())


def say(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _figures(measured: Sequence[tuple[Load, usage.Window]]) -> Figures:
    loads = [load for load, _ in measured]
    windows = [window for _, window in measured]
    return Figures(
        rate=statistics.median(load.rate for load in loads),
        p50=statistics.median(load.p50 for load in loads),
        p95=statistics.median(load.p95 for load in loads),
        p99=statistics.median(load.p99 for load in loads),
        errors=sum(load.errors for load in loads),
        roles=tuple(_roles(windows[-1].processes)),
        other_cores=statistics.median(window.other_cores for window in windows),
    )


def _roles(processes: Sequence[usage.Used]) -> Iterator[Role]:
    for name, count in Counter(one.role for one in processes).items():
        mine = [one for one in processes if one.role == name]
        cores = sum(one.cores for one in mine)
        yield Role(name, count, cores, sum(one.memory_bytes for one in mine))
