"""The supervisor over real processes, which it really kills; see run_supervisor.py."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from django.conf import settings

from nodes.runtime.processes import read_process
from tests.nodes.runtime.running import wait_until


class RunningSupervisor:
    def __init__(self, folder: Path, *toys: str, below_nohup: bool) -> None:
        self.folder = folder
        # Inherited by what is started, whatever is so for the tests themselves.
        former = signal.signal(signal.SIGHUP, signal.SIG_IGN if below_nohup else signal.SIG_DFL)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.mlops.onebox.run_supervisor", str(folder), *toys],
                cwd=settings.BASE_DIR,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            signal.signal(signal.SIGHUP, former)

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout
        return self.process.stdout

    def says(self, text: str) -> str:
        for line in self.output:
            if text in line:
                return line
        pytest.fail(f"it ended without saying {text!r}")

    def pid(self, name: str) -> int:
        file = self.folder / f"{name}.pid"
        wait_until(lambda: file.exists() and file.read_text())
        return int(file.read_text())

    def new_pid(self, name: str, *, after: int) -> int:
        wait_until(lambda: self.pid(name) != after)
        return self.pid(name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.output.read()
        return self.process.wait()


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., RunningSupervisor]]:
    started: list[RunningSupervisor] = []

    def start(*toys: str, below_nohup: bool = False) -> RunningSupervisor:
        started.append(RunningSupervisor(tmp_path, *toys, below_nohup=below_nohup))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        each.output.close()


def is_alive(pid: int) -> bool:
    process = read_process(pid)
    return process is not None and process.state not in "ZX"


def test_a_killed_program_is_started_again_and_the_others_live_on(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=good", "node=good")
    supervisor.says("up")
    web, node = supervisor.pid("web"), supervisor.pid("node")
    os.kill(web, signal.SIGKILL)
    assert "was killed by SIGKILL; starting it again" in supervisor.says("web")
    assert is_alive(supervisor.new_pid("web", after=web))
    assert supervisor.pid("node") == node
    assert is_alive(node)


def test_a_program_that_hangs_is_killed_and_started_again(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=good")
    supervisor.says("up")
    hung = supervisor.pid("web")
    os.kill(hung, signal.SIGSTOP)
    assert "no sign of life" in supervisor.says("web")
    assert is_alive(supervisor.new_pid("web", after=hung))
    assert not is_alive(hung)


def test_a_program_that_dies_again_and_again_is_started_again_each_time(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=good")
    supervisor.says("up")
    for _ in range(4):
        pid = supervisor.pid("web")
        os.kill(pid, signal.SIGKILL)
        supervisor.new_pid("web", after=pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything(
    supervise: Callable[..., RunningSupervisor], number: signal.Signals
) -> None:
    supervisor = supervise("web=good", "node=good")
    supervisor.says("up")
    pids = [supervisor.pid("web"), supervisor.pid("node")]
    assert supervisor.stop(number) == 0
    assert not any(is_alive(pid) for pid in pids)


def test_below_nohup_it_outlives_the_terminal(supervise: Callable[..., RunningSupervisor]) -> None:
    supervisor = supervise("web=good", below_nohup=True)
    supervisor.says("up")
    supervisor.process.send_signal(signal.SIGHUP)
    os.kill(web := supervisor.pid("web"), signal.SIGKILL)
    supervisor.new_pid("web", after=web)
    assert supervisor.process.poll() is None


def test_what_others_need_is_stopped_last(supervise: Callable[..., RunningSupervisor]) -> None:
    supervisor = supervise("node=last", "web=good")
    supervisor.says("up")
    supervisor.stop()
    assert (supervisor.folder / "ended").read_text().split() == ["web", "node"]


def test_a_program_that_ignores_the_request_to_end_is_killed(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=stubborn")
    supervisor.says("up")
    assert supervisor.stop() == 0
    assert not is_alive(supervisor.pid("web"))


def test_nothing_that_a_program_started_outlives_it(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=parent")
    supervisor.says("up")
    web, orphan = supervisor.pid("web"), supervisor.pid("orphan")
    os.kill(web, signal.SIGKILL)
    supervisor.new_pid("web", after=web)
    assert not is_alive(orphan)
    supervisor.new_pid("orphan", after=orphan)
    supervisor.stop()
    assert not is_alive(supervisor.pid("orphan"))


def test_the_programs_die_with_a_supervisor_that_is_killed(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=stubborn", "node=good")
    supervisor.says("up")
    supervisor.process.kill()
    wait_until(lambda: not is_alive(supervisor.pid("web")))
    wait_until(lambda: not is_alive(supervisor.pid("node")))


def test_a_program_that_never_comes_up_ends_the_start_with_its_log(
    supervise: Callable[..., RunningSupervisor],
) -> None:
    supervisor = supervise("web=broken", "node=good")
    output = supervisor.output.read()
    assert supervisor.process.wait() == 1
    assert "The web does not start: it ended with exit status 1." in output
    assert "the toy is broken" in output
    assert not is_alive(supervisor.pid("node"))
