"""Whatever user code does to its interpreter fails its own call, clearly, and nothing else."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import RunningNode, running_node, shells_and_theirs, wait_until

NUMERIC_X = [("x", "numeric")]


@pytest.fixture(autouse=True)
def _node_serves_afterwards(node: RunningNode) -> Iterator[None]:
    yield
    assert node.publish("x = 1", outputs=NUMERIC_X).outputs() == {"x": 1}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that lets a call run for two seconds."""
    directory = tmp_path_factory.mktemp("impatient")
    with running_node(
        directory, MLOPS_RSCRIPT=NO_R, MLOPS_RUN_SECONDS="2", MLOPS_SHELL_FILE_MB="2"
    ) as running:
        yield running


def test_an_endless_loop_is_stopped_at_the_run_limit(impatient: RunningNode) -> None:
    result = impatient.publish("print('begun', flush=True)\nwhile True: pass").score()
    assert result["success"] is False
    assert "stopped after 2 seconds" in result["errorMessage"]
    assert result["consoleOutput"] == "begun\n"


def test_an_endless_loop_in_init_code_is_stopped_at_the_run_limit(impatient: RunningNode) -> None:
    result = impatient.publish("x = 1", init_code="while True: pass").score()
    assert "stopped after 2 seconds" in result["errorMessage"]


def test_python_objects_without_end_are_a_memory_error(node: RunningNode) -> None:
    result = node.publish("hoard = []\nwhile True: hoard.append('x' * 1_000_000)").score()
    assert result["success"] is False
    assert result["errorMessage"].startswith("MemoryError: A shell may use 768 MiB of memory.")


def test_one_array_too_large_is_a_memory_error(node: RunningNode) -> None:
    result = node.publish("import numpy\nx = numpy.ones((10, 1000, 1000, 1000))").score()
    assert "MemoryError" in result["errorMessage"]


def test_a_file_beyond_its_bound_cannot_be_written(impatient: RunningNode) -> None:
    code = "with open('large', 'wb') as file:\n    file.truncate(3_000_000)"
    result = impatient.publish(code).score()
    assert result["success"] is False
    assert "File too large" in result["errorMessage"]


def test_no_program_can_give_a_shell_privileges(node: RunningNode) -> None:
    code = "status = open('/proc/self/status').read()"
    status = node.publish(code, outputs=[("status", "character")]).outputs()["status"]
    assert "NoNewPrivs:\t1" in status


def test_memory_spread_over_children_is_stopped(node: RunningNode) -> None:
    code = (
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        hoard = bytearray(os.urandom(1_000_000) * 300)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    result = node.publish(code).score()
    assert "more than the 768 MiB of memory" in result["errorMessage"]


def test_a_shell_that_poses_as_the_keeper_of_a_sandbox_is_stopped_as_well(
    node: RunningNode,
) -> None:
    hoarding = (
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        hoard = bytearray(os.urandom(1_000_000) * 300)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    code = (
        "import os, shutil, sys\n"
        "shutil.copy(os.path.realpath(sys.executable), 'bwrap')\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    if os.path.exists(f'/proc/self/fd/{name}'): os.set_inheritable(int(name), True)\n"
        "os.environ['PYTHONHOME'] = sys.base_prefix\n"
        f"os.execv('bwrap', ['bwrap', '-c', {hoarding!r}])\n"
    )
    result = node.publish(code).score()
    assert "more than the 768 MiB of memory" in result["errorMessage"]


# Where the kernel's own bound is reached first, fork fails; else the guardian stops the call.
TOO_MANY = re.compile("more than 24 processes|only so many processes")


def test_a_fork_bomb_is_stopped_and_leaves_no_process(node: RunningNode) -> None:
    result = node.publish("import os\nwhile True: os.fork()").score()
    assert result["success"] is False
    assert TOO_MANY.search(result["errorMessage"])
    wait_until(lambda: only_shells_are_left(node))


def test_a_fork_bomb_of_detached_processes_is_stopped(node: RunningNode) -> None:
    code = (
        "import os, time\n"
        "while True:\n"
        "    if os.fork() == 0: os.setsid(); os.fork(); time.sleep(60)\n"
    )
    result = node.publish(code).score()
    assert TOO_MANY.search(result["errorMessage"])
    wait_until(lambda: only_shells_are_left(node))


def test_a_gigabyte_of_console_is_cut_and_the_node_stays_small(node: RunningNode) -> None:
    code = "line = 'x' * 999_999\nfor _ in range(1000): print(line)\ndone = True"
    before = peak_memory(node)
    result = node.publish(code, outputs=[("done", "logical")]).score()
    assert result["success"] is True
    assert result["consoleOutput"].endswith(
        f"[{1_000_000_000 - 65536} more bytes of console output were dropped]\n"
    )
    assert peak_memory(node) - before < 20_000_000


def test_os_exit_is_reported_with_its_code(node: RunningNode) -> None:
    result = node.publish("import os\nprint('last words', flush=True)\nos._exit(7)").score()
    assert result["success"] is False
    assert "exit code 7" in result["errorMessage"]
    assert result["consoleOutput"] == "last words\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_signal_is_reported_by_its_name(node: RunningNode, number: signal.Signals) -> None:
    result = node.publish(f"import os\nos.kill(os.getpid(), {int(number)})").score()
    assert result["success"] is False
    assert number.name in result["errorMessage"]


def test_a_shell_that_stops_itself_is_stopped_at_the_run_limit(impatient: RunningNode) -> None:
    result = impatient.publish("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)").score()
    assert "stopped after 2 seconds" in result["errorMessage"]


def test_a_shell_that_closes_all_descriptors_fails_its_call(node: RunningNode) -> None:
    result = node.publish("import os, time\nos.closerange(3, 1000)\ntime.sleep(60)").score()
    assert "closed its connection" in result["errorMessage"]


@pytest.mark.parametrize("exit_call", ["sys.exit(3)", "raise SystemExit('enough')", "exit()"])
def test_ending_the_interpreter_politely_is_a_failure(node: RunningNode, exit_call: str) -> None:
    result = node.publish(f"import sys\n{exit_call}").score()
    assert result["success"] is False
    assert "sys.exit" in result["errorMessage"] or "NameError" in result["errorMessage"]


def test_a_fork_that_runs_on_does_not_answer_in_place_of_the_shell(node: RunningNode) -> None:
    service = node.publish("import os\nx = os.fork()", outputs=NUMERIC_X)
    assert all(service.outputs()["x"] > 0 for _ in range(5))


def test_endless_recursion_is_a_failure(node: RunningNode) -> None:
    result = node.publish("def f(): f()\nf()").score()
    assert result["errorMessage"].startswith("RecursionError")


def test_an_error_tells_the_line_of_the_users_code_and_nothing_of_ours(node: RunningNode) -> None:
    result = node.publish("def half(x):\n    return x / 0\n\nhalf(1)").score()
    assert result["errorMessage"] == (
        "ZeroDivisionError: division by zero\n"
        '  File "<code>", line 4, in <module>\n'
        "    half(1)\n"
        '  File "<code>", line 2, in half\n'
        "    return x / 0"
    )


def test_wrong_syntax_tells_the_line(node: RunningNode) -> None:
    result = node.publish("x = 1\ny = (2").score()
    assert result["success"] is False
    assert "SyntaxError" in result["errorMessage"]
    assert "line 2" in result["errorMessage"]


def test_wrong_syntax_in_init_code_tells_the_line(node: RunningNode) -> None:
    result = node.publish("x = 1", init_code="\n\ny = (2").score()
    assert "<initCode>, line 3" in result["errorMessage"]


@pytest.mark.parametrize("place", ["code", "init"])
def test_a_missing_package_is_named(node: RunningNode, place: str) -> None:
    missing = "import no_such_package"
    service = node.publish(missing) if place == "code" else node.publish("x = 1", init_code=missing)
    for _ in range(2):
        assert "No module named 'no_such_package'" in service.score()["errorMessage"]


def test_an_object_that_json_cannot_hold_names_output_and_type(node: RunningNode) -> None:
    result = node.publish("y = {'a': [object()]}", outputs=[("y", "vector")]).score()
    assert result["success"] is False
    assert "Output y (vector)" in result["errorMessage"]
    assert "type object" in result["errorMessage"]


def test_not_a_number_is_null(node: RunningNode) -> None:
    service = node.publish("x = float('nan')", outputs=NUMERIC_X)
    assert '"x":null' in service.post().text


def test_an_error_whose_text_fails_is_still_reported(node: RunningNode) -> None:
    code = "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd"
    assert node.publish(code).score()["errorMessage"].startswith("Odd: (its text cannot be shown)")


@pytest.mark.parametrize("bytes_printed", [b"\xff\xfe\x00\x1b[0m", b'"}{\\', "é\u2028".encode()])
def test_any_bytes_on_the_console_give_valid_json(node: RunningNode, bytes_printed: bytes) -> None:
    code = f"import os\nos.write(1, {bytes_printed!r})"
    result = node.publish(code).score()
    assert result["consoleOutput"] == bytes_printed.decode("utf-8", "replace")


def test_half_a_surrogate_pair_is_printed_and_returned_as_a_replacement(node: RunningNode) -> None:
    result = node.publish("y = '\\ud800'\nprint(y)", outputs=[("y", "character")]).score()
    assert result["success"] is True
    assert result["outputParameters"] == {"y": "?"}


def test_what_c_code_and_children_print_is_captured(node: RunningNode) -> None:
    code = (
        "import ctypes, os, subprocess, sys\n"
        "ctypes.CDLL(None).printf(b'from C\\n')\n"
        "subprocess.run(['echo', 'from a child'])\n"
        "print('from stderr', file=sys.stderr)"
    )
    printed = node.publish(code).score()["consoleOutput"]
    assert set(printed.splitlines()) == {"from C", "from a child", "from stderr"}


def test_the_shell_knows_nothing_of_the_node(node: RunningNode) -> None:
    code = "import os, sys\nenv = dict(os.environ)\nnames = [n for n in globals()]\nargv = sys.argv"
    kinds = [("env", "vector"), ("names", "vector"), ("argv", "vector")]
    outputs = node.publish(code, outputs=kinds).outputs()
    assert not [name for name in outputs["env"] if name.startswith(("MLOPS", "DJANGO"))]
    assert {n for n in outputs["names"] if not n.startswith("__")} == {"os", "sys", "env"}
    assert outputs["argv"] == [""]


def only_shells_are_left(node: RunningNode) -> bool:
    return len(shells_and_theirs(node)) == node.health()["currentPoolSize"]


def peak_memory(node: RunningNode) -> int:
    for line in Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(os.uname())
