"""What happens to the cluster while it is called."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.calls import Trouble
from tests.cluster.cluster import Cluster, address_of, disk_of
from tests.cluster.programs import Program
from tests.cluster.services import FRESH

_LONG = 16.0  # seconds of a trouble: longer than any time-out that matters
_SHORT = 8.0
_BETWEEN = 8.0  # seconds until the next of several nodes is restarted
_SLOWER = 0.2  # seconds
_N_FRESH = 40  # calls, all at once


@dataclass(frozen=True)
class Scenario:
    """`act` does it and undoes it; a text instead of times says why it was skipped."""

    name: str
    title: str
    act: Callable[[Cluster], Trouble | str]
    recovery: float = 10.0  # seconds of load after it


@dataclass
class _Clock:
    """When a trouble began and ended."""

    began_at: float = 0.0
    ended_at: float = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.began_at = time.monotonic()
        try:
            yield
        finally:
            self.ended_at = time.monotonic()

    def of(self, program: Program, *, is_web: bool = False) -> Trouble:
        """What befell this one."""
        host = program.host
        return Trouble(host.name, host.address, self.began_at, self.ended_at, is_web)


def _kill_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[0], _Clock()
    with clock.running():
        node.kill()
        time.sleep(_SHORT)
    node.start()
    return clock.of(node)


def _pause_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[1], _Clock()
    with clock.running():
        node.signal(signal.SIGSTOP)
        time.sleep(_LONG)
        node.signal(signal.SIGCONT)
    return clock.of(node)


def _unplug_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[2], _Clock()
    with clock.running(), node.host.unplugged():
        time.sleep(_LONG)
    return clock.of(node)


def _mute_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[2], _Clock()
    with clock.running(), node.host.mute():
        time.sleep(_LONG)
    return clock.of(node)


def _slow_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[3], _Clock()
    with node.host.slow(_SLOWER), clock.running():
        time.sleep(_LONG)
    return clock.of(node)


def _fill_disk(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[3], _Clock()
    with clock.running(), _filled(disk_of(node.host)):
        time.sleep(_SHORT / 2)
        cluster.publish(FRESH)  # the node cannot keep it
        cluster.call(FRESH, _N_FRESH)
        time.sleep(_SHORT)
    return clock.of(node)


@contextlib.contextmanager
def _filled(folder: Path) -> Iterator[None]:
    """Nothing more can be written there; what others remove is filled as well."""
    file, block, is_over = folder / "filled", bytes(64 * 1024), threading.Event()

    def fill() -> None:
        with file.open("wb", buffering=0) as output:
            while not is_over.is_set():
                try:
                    output.write(block)
                except OSError:
                    is_over.wait(0.02)

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        yield
    finally:
        is_over.set()
        filler.join()
        file.unlink()


def _drain(cluster: Cluster) -> Trouble | str:
    if "drain" not in cluster.manage("nodes", "--help"):
        return "`manage.py nodes` knows no `drain` yet"
    node, clock = cluster.compute[0], _Clock()
    cluster.manage("nodes", "drain", address_of(node))
    with clock.running():
        time.sleep(_SHORT)
        cluster.manage("nodes", "resume", address_of(node))
    return clock.of(node)


def _add_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[-1], _Clock()
    node.start()
    node.wait()
    cluster.manage("nodes", "add", address_of(node))
    clock.began_at = clock.ended_at = time.monotonic()
    return clock.of(node)


def _remove_compute_node(cluster: Cluster) -> Trouble:
    node, clock = cluster.compute[-1], _Clock()
    cluster.manage("nodes", "remove", address_of(node))
    clock.began_at, clock.ended_at = time.monotonic(), math.inf
    return clock.of(node)


def _restart_compute_nodes(cluster: Cluster) -> Trouble:
    return _restart(cluster.compute[:-1])


def _restart_web_nodes(cluster: Cluster) -> Trouble:
    return _restart(cluster.web)


def _restart(programs: Sequence[Program]) -> Trouble:
    clock = _Clock()
    with clock.running():
        for program in programs:
            program.stop()
            program.start()
            program.wait()
            time.sleep(_BETWEEN)
    return Trouble()


def _kill_web_node(cluster: Cluster) -> Trouble:
    web, clock = cluster.web[0], _Clock()
    with clock.running():
        web.kill()
        time.sleep(_SHORT)
    web.start()
    return clock.of(web, is_web=True)


def _stop_database(cluster: Cluster) -> Trouble:
    clock = _Clock()
    with clock.running():
        cluster.database.stop()
        time.sleep(5)
        cluster.database.start()
        cluster.database.wait()
    return Trouble()


def _nothing(cluster: Cluster) -> Trouble:
    time.sleep(_SHORT)
    return Trouble()


SCENARIOS: Sequence[Scenario] = (
    Scenario("nothing", "nothing happens", _nothing, recovery=2),
    Scenario(
        "kill", "a compute node is killed, and started again after 8 s", _kill_compute_node, 15
    ),
    Scenario("pause", "a compute node stands still for 16 s (SIGSTOP)", _pause_compute_node),
    Scenario("unplug", "the link of a compute node is down for 16 s", _unplug_compute_node),
    Scenario("mute", "packets of a compute node are dropped for 16 s", _mute_compute_node),
    Scenario("slow", "a compute node answers 200 ms later, for 16 s", _slow_compute_node),
    Scenario("disk", "the disk of a compute node is full for 12 s", _fill_disk),
    Scenario("drain", "a compute node is drained, and resumed after 8 s", _drain),
    Scenario("add", "a compute node is added", _add_compute_node),
    Scenario("remove", "a compute node is removed from the list", _remove_compute_node),
    Scenario("restart-compute", "all compute nodes are restarted in turn", _restart_compute_nodes),
    Scenario("restart-web", "both web nodes are restarted in turn", _restart_web_nodes, 5),
    Scenario("kill-web", "a web node is killed, and started again after 8 s", _kill_web_node),
    Scenario("database", "the database is stopped for 5 s", _stop_database),
)
