"""A node starts clean, ends clean, and leaves nothing behind even when it is killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import (
    ROOT,
    RunningNode,
    answers,
    processes_below,
    running_node,
    start_node,
    wait_until,
)

PID = [("pid", "integer")]
# A child that left the session, ignores the end of its parent and keeps no pipe to the node.
STRAY = (
    "import os, subprocess\n"
    "quiet = subprocess.DEVNULL\n"
    "pid = subprocess.Popen(['setsid', 'sleep', '600'], stdout=quiet, stderr=quiet).pid\n"
)
ENVIRONMENT = {"MLOPS_RSCRIPT": NO_R}


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[RunningNode]:
    """A node of this test alone."""
    with running_node(tmp_path, **ENVIRONMENT) as running:
        wait_until(lambda: running.health()["currentPoolSize"] == 1)
        yield running


def test_sigterm_leaves_no_process_and_no_work_directory(lone: RunningNode) -> None:
    lone.publish("x = 1", init_code=STRAY).score()
    assert len(processes_below(lone.work_root)) >= 2
    assert lone.stop() == 0
    assert processes_below(lone.work_root) == []
    assert list(lone.work_root.iterdir()) == []


def test_sigint_stops_it_as_well(lone: RunningNode) -> None:
    lone.process.send_signal(signal.SIGINT)
    assert lone.process.wait(60) == 0
    assert processes_below(lone.work_root) == []


def test_a_running_call_does_not_hold_up_the_stop(lone: RunningNode) -> None:
    service = lone.publish("while True: pass")
    with socket_calling(service.id, lone):
        wait_until(lambda: lone.health()["activeShellCount"] == 1)
        assert lone.stop() == 0
    assert processes_below(lone.work_root) == []


def test_kill_9_leaves_no_process_and_no_work_directory(lone: RunningNode) -> None:
    lone.publish("x = 1", init_code=STRAY).score()
    assert len(processes_below(lone.work_root)) >= 2
    lone.process.kill()
    lone.process.wait()
    wait_until(lambda: processes_below(lone.work_root) == [])
    wait_until(lambda: list(lone.work_root.iterdir()) == [])


def test_a_guardian_that_is_killed_is_replaced(lone: RunningNode) -> None:
    (guardian,) = guardians_of(lone)
    os.kill(guardian, signal.SIGKILL)
    wait_until(lambda: guardians_of(lone) not in ([], [guardian]))
    lone.publish("x = 1", init_code=STRAY).score()
    lone.process.kill()
    wait_until(lambda: processes_below(lone.work_root) == [])


def test_a_restarted_node_still_has_its_bundles_and_none_of_its_old_directories(
    lone: RunningNode,
) -> None:
    service = lone.publish("x = 1", outputs=[("x", "integer")])
    lone.process.kill()
    lone.process.wait()
    leftover = lone.work_root / "of-a-run-without-guardian" / "shell" / "work"
    leftover.mkdir(parents=True)
    again = start_node(lone.data_dir, port=lone.port, environment=ENVIRONMENT)
    try:
        answer = again.http.post(f"/v1/bundles/{service.id}/score", content=b"{}")
        assert answer.json()["outputParameters"] == {"x": 1}
        assert not leftover.exists()
    finally:
        again.stop()


def test_a_second_node_on_the_same_directory_is_refused(lone: RunningNode) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "computenode", "--port", str(lone.port)],
        cwd=ROOT,
        env={**os.environ, "MLOPS_DATA_DIR": str(lone.data_dir), "MLOPS_CLUSTER_KEY": "k"},
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert "Another compute node uses" in second.stderr
    assert answers(lone)


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic a", "Bearer", "Bearer é"])
def test_without_the_cluster_key_nothing_is_answered(
    node: RunningNode, authorization: str | None
) -> None:
    service = node.publish("x = 1")
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    with httpx.Client(base_url=node.address, headers=headers, timeout=120) as stranger:
        for method, path in [
            ("GET", "/v1/health"),
            ("POST", f"/v1/bundles/{service.id}/score"),
            ("POST", "/v1/sessions"),
            ("GET", "/nowhere"),
        ]:
            answer = stranger.request(method, path)
            assert answer.status_code == 401
            assert answer.json()["code"] == "not-authorized"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/v1/health", 405)]
)
def test_an_unknown_route_is_refused_in_the_form_of_the_api(
    node: RunningNode, method: str, path: str, status: int
) -> None:
    answer = node.http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message"}


def test_the_cluster_key_is_in_no_command_line_and_no_shell(node: RunningNode) -> None:
    code = "import os\nenv = list(os.environ.values())"
    values = node.publish(code, outputs=[("env", "vector")]).outputs()["env"]
    assert not [value for value in values if node.cluster_key in value]
    for pid in [node.process.pid, *processes_below(node.work_root)]:
        with contextlib.suppress(OSError):  # what only helps to fork a shell ends at once
            assert node.cluster_key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_caller_that_hangs_up_stops_its_run(node: RunningNode) -> None:
    mark = node.data_dir / "started"
    code = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    service = node.publish(code)
    with socket_calling(service.id, node):
        wait_until(lambda: mark.exists() and mark.read_text())
    pid = int(mark.read_text())
    wait_until(lambda: pid not in processes_below(node.work_root))
    wait_until(lambda: node.health()["activeShellCount"] == 0)


def test_a_caller_that_hangs_up_while_waiting_in_line_takes_no_shell(node: RunningNode) -> None:
    mark = node.data_dir / "second"
    waiting = node.publish(f"open({str(mark)!r}, 'w').close()\n")
    with socket_calling(waiting.id, node):
        pass
    assert node.publish("x = 1").score()["success"] is True


def guardians_of(node: RunningNode) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (path / "cmdline").read_bytes()
            if b"guardian.py\0" in command and str(node.work_root).encode() in command:
                found.append(int(path.name))
    return found


class socket_calling:  # noqa: N801 (reads as what it does)
    """A scoring call whose caller hangs up at the end of the block."""

    def __init__(self, bundle_id: str, node: RunningNode) -> None:
        self._socket = socket.create_connection(("127.0.0.1", node.port))
        self._socket.sendall(
            f"POST /v1/bundles/{bundle_id}/score HTTP/1.1\r\nHost: node\r\n"
            f"Authorization: Bearer {node.cluster_key}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._socket.close()
