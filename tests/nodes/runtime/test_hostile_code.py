"""Code that is after what is not its own gets nothing, at each level of isolation."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.runtime.processes import read_process
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.isolated_nodes import CLUSTER_KEY, KEY_IN_FILE, isolated_node
from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import ROOT, RunningNode, processes_below, wait_until
from tests.ports import free_port

LOOT = "what one user told the server"


@pytest.fixture(scope="module", params=["sandbox", "sandbox of a user", "user"])
def isolated(request: pytest.FixtureRequest) -> Iterator[RunningNode]:
    # Not below the directory of pytest, which other users cannot enter.
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as directory,
        isolated_node(
            request.param,
            Path(directory),
            MLOPS_RSCRIPT=NO_R,
            MLOPS_SHELL_MEMORY_MB="768",
            MLOPS_SHELL_MAX_PROCESSES="24",
            MLOPS_SHELL_DISK_MB="64",
            MLOPS_SHELL_CPU_SECONDS="2",
        ) as node,
    ):
        yield node


@pytest.fixture
def hostile(isolated: RunningNode) -> Iterator[OpenSession]:
    with open_session(isolated) as session:
        yield session


@pytest.fixture
def victim(isolated: RunningNode) -> Iterator[OpenSession]:
    with open_session(isolated) as session:
        session.run(f"loot = {LOOT!r}\nopen('loot.txt', 'w').write(loot)")
        yield session


def test_the_level_is_in_the_health_report(isolated: RunningNode) -> None:
    isolation = isolated.http.get("/v1/health").json()["isolation"]
    assert isolation["level"] in ("sandbox", "user")


def test_the_key_file_cannot_be_read(isolated: RunningNode, hostile: OpenSession) -> None:
    secret = isolated.data_dir.parent / "key.pem"
    assert secret.read_text() == KEY_IN_FILE
    code = f"try:\n    text = open({str(secret)!r}).read()\nexcept OSError:\n    text = ''"
    assert hostile.run(code, outputs=["text"])["text"] == ""


def test_nothing_below_the_data_directory_but_its_own_can_be_listed(
    isolated: RunningNode, hostile: OpenSession, victim: OpenSession
) -> None:
    code = (
        "import os\n"
        "found = [os.path.join(place, name)"
        f" for place, _, names in os.walk({str(isolated.data_dir)!r}) for name in names]\n"
        "mine = os.path.dirname(os.getcwd())\n"
        "strange = [name for name in found if not name.startswith(mine)]"
    )
    assert hostile.run(code, outputs=["strange"])["strange"] == []
    assert victim.files() == ["loot.txt"]


def test_the_directory_of_another_shell_cannot_be_read_by_its_name(
    hostile: OpenSession, victim: OpenSession
) -> None:
    place = victim.run("import os\nplace = os.getcwd()", outputs=["place"])["place"]
    code = f"try:\n    text = open({place + '/loot.txt'!r}).read()\nexcept OSError:\n    text = ''"
    assert hostile.run(code, outputs=["text"])["text"] == ""


@pytest.mark.parametrize("file", ["mem", "environ", "maps", "cwd/loot.txt", "fd/1"])
def test_no_process_but_its_own_lets_itself_be_read(
    hostile: OpenSession,
    victim: OpenSession,
    file: str,
) -> None:
    code = (
        "import os\n"
        "opened = []\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    if int(pid) == os.getpid():\n"
        "        continue\n"
        "    try:\n"
        f"        with open(f'/proc/{{pid}}/{file}', 'rb') as file:\n"
        "            if file.read(1):\n"
        "                opened.append(pid)\n"
        "    except OSError:\n"
        "        pass"
    )
    opened = hostile.run(code, outputs=["opened"])["opened"]
    # The keeper of a sandbox may be of the same user; it was started with nothing in it.
    assert set(opened) <= {"1"}


def test_its_environment_is_the_stated_one(hostile: OpenSession) -> None:
    code = "import os\nnames = sorted(os.environ)\nvalues = ' '.join(os.environ.values())"
    answer = hostile.run(code, outputs=["names", "values"])
    assert not [name for name in answer["names"] if name.startswith("MLOPS")]
    assert CLUSTER_KEY not in answer["values"]


def test_the_port_of_the_node_refuses_it(isolated: RunningNode, hostile: OpenSession) -> None:
    code = (
        "import urllib.request, urllib.error\n"
        "try:\n"
        f"    urllib.request.urlopen('{isolated.address}/v1/health', timeout=5)\n"
        "    status = 200\n"
        "except urllib.error.HTTPError as error:\n"
        "    status = error.code"
    )
    assert hostile.run(code, outputs=["status"])["status"] == 401


def test_the_node_and_other_shells_cannot_be_killed(
    isolated: RunningNode, hostile: OpenSession, victim: OpenSession
) -> None:
    code = (
        "import os, signal\n"
        "hit = []\n"
        f"for pid in (*range(3, 70_000), {isolated.process.pid}):\n"
        "    if pid == os.getpid():\n"
        "        continue\n"
        "    try:\n"
        "        os.kill(pid, 0)\n"
        "        hit.append(pid)\n"
        "    except OSError:\n"
        "        pass"
    )
    assert hostile.run(code, outputs=["hit"])["hit"] == []
    assert victim.run("", outputs=["loot"])["loot"] == LOOT


@pytest.mark.parametrize("place", ["/usr/lib", "/etc", "nodes/runtime/shells", "bundles"])
def test_the_system_and_the_product_cannot_be_written(
    isolated: RunningNode, hostile: OpenSession, place: str
) -> None:
    root = Path(__file__).parents[3] if place.startswith("nodes") else isolated.work_root.parent
    target = root / place / "left-by-code"
    code = (
        f"try:\n    open({str(target)!r}, 'w').close()\n    wrote = True\n"
        "except OSError:\n    wrote = False"
    )
    assert hostile.run(code, outputs=["wrote"])["wrote"] is False
    assert not target.exists()


def test_a_link_to_the_key_file_is_not_followed_for_it(
    isolated: RunningNode, hostile: OpenSession
) -> None:
    secret = isolated.data_dir.parent / "key.pem"
    hostile.run(f"import os\nos.symlink({str(secret)!r}, 'innocent.txt')")
    answer = hostile.get_file("innocent.txt")
    assert answer.status_code == 404
    assert KEY_IN_FILE not in answer.text


def test_a_folder_that_became_a_link_leads_no_upload_elsewhere(
    isolated: RunningNode, hostile: OpenSession
) -> None:
    hostile.run(f"import os\nos.symlink({str(isolated.data_dir.parent)!r}, 'folder')")
    assert hostile.put_file("folder/left.txt", b"x").status_code == 400
    assert not (isolated.data_dir.parent / "left.txt").exists()


def test_its_own_directories_cannot_be_put_aside_for_links(hostile: OpenSession) -> None:
    code = (
        "import os\n"
        "moved = []\n"
        "for name in ('exchange', 'packages', 'work'):\n"
        "    path = os.path.join(os.path.dirname(os.getcwd()), name)\n"
        "    try:\n"
        "        os.rename(path, path + '-aside')\n"
        "        moved.append(name)\n"
        "    except OSError:\n"
        "        pass"
    )
    assert hostile.run(code, outputs=["moved"])["moved"] == []


def test_it_has_no_privilege_and_gets_none(hostile: OpenSession) -> None:
    code = "status = open('/proc/self/status').read()"
    status = hostile.run(code, outputs=["status"])["status"]
    values = dict(line.split(":\t", 1) for line in status.splitlines())
    assert values["NoNewPrivs"] == "1"
    assert int(values["CapEff"], 16) == int(values["CapPrm"], 16) == 0


def test_what_outlives_its_parent_ends_with_the_session(isolated: RunningNode) -> None:
    with open_session(isolated) as session:
        code = (
            "import os, time\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        os.chdir('/')\n"
            "        open('/proc/self/comm', 'w').write('hanger-on')\n"
            "        time.sleep(600)\n"
            "    os._exit(0)\n"
            "import time; time.sleep(0.2)"
        )
        session.execute(code)
        wait_until(lambda: named("hanger-on"))
    wait_until(lambda: not named("hanger-on"))


def test_a_fork_bomb_stops_its_own_call_alone(isolated: RunningNode, victim: OpenSession) -> None:
    result = isolated.publish("import os\nwhile True: os.fork()").score()
    assert result["success"] is False
    assert victim.run("", outputs=["loot"])["loot"] == LOOT


def test_memory_without_end_stops_its_own_call_alone(
    isolated: RunningNode, victim: OpenSession
) -> None:
    result = isolated.publish("hoard = []\nwhile True: hoard.append('x' * 1_000_000)").score()
    assert "768 MiB" in result["errorMessage"]
    assert victim.run("", outputs=["loot"])["loot"] == LOOT


def test_files_without_end_stop_their_own_call_alone(
    isolated: RunningNode, victim: OpenSession
) -> None:
    code = (
        "import time\n"
        "for n in range(600):\n"
        "    with open(f'{n}', 'wb') as file: file.write(bytes(1_000_000))\n"
        "    time.sleep(0.01)"
    )
    result = isolated.publish(code).score()
    assert result["success"] is False
    assert "its files took more than the 64 MiB" in result["errorMessage"]
    assert victim.run("", outputs=["loot"])["loot"] == LOOT


def test_processor_time_without_end_stops_its_own_call_alone(
    isolated: RunningNode, victim: OpenSession
) -> None:
    result = isolated.publish("while True: pass").score()
    assert result["success"] is False
    assert "more than 2 seconds of processor time" in result["errorMessage"]
    assert victim.run("", outputs=["loot"])["loot"] == LOOT


def test_bundles_are_found_by_nobody_who_does_not_know_them(
    isolated: RunningNode, hostile: OpenSession
) -> None:
    if isolated.work_root.stat().st_uid != 0:
        pytest.skip("without root the shell is of the user that the bundles belong to")
    isolated.publish("x = 1")
    bundles = isolated.work_root.parent / "bundles"
    code = (
        f"import os\ntry:\n    names = os.listdir({str(bundles)!r})\n"
        "except OSError:\n    names = []"
    )
    assert hostile.run(code, outputs=["names"])["names"] == []
    assert list(bundles.iterdir())


def test_a_node_that_is_killed_takes_everything_along() -> None:
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as directory,
        isolated_node("sandbox", Path(directory), MLOPS_RSCRIPT=NO_R) as node,
    ):
        node.publish("x = 1", outputs=[("x", "numeric")]).outputs()
        assert mentioning(directory)
        node.process.kill()
        node.process.wait()
        wait_until(lambda: not mentioning(directory))


def test_a_shell_without_network_reaches_nothing_and_works() -> None:
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as directory,
        isolated_node("sandbox", Path(directory), MLOPS_SHELL_NETWORK="off") as node,
    ):
        assert node.http.get("/v1/health").json()["isolation"]["network"] is False
        code = (
            "import socket\ntry:\n"
            f"    socket.create_connection(('127.0.0.1', {node.port}), 2)\n"
            "    reached = True\n"
            "except OSError:\n    reached = False"
        )
        outputs = [("reached", "logical")]
        assert node.publish(code, outputs=outputs).outputs() == {"reached": False}
        r_code = (
            "reached <- tryCatch("
            f"{{ close(socketConnection(port = {node.port}, timeout = 2)); TRUE }},"
            " error = function(e) FALSE, warning = function(w) FALSE)"
        )
        published = node.publish(r_code, outputs=outputs, runtime="R")
        assert published.outputs() == {"reached": False}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"MLOPS_SHELL_ISOLATION": "vault"}, "MLOPS_SHELL_ISOLATION is auto, sandbox, user"),
        (
            {"MLOPS_SHELL_ISOLATION": "process", "MLOPS_SHELL_NETWORK": "off"},
            "MLOPS_SHELL_NETWORK=off needs MLOPS_SHELL_ISOLATION=sandbox",
        ),
        ({"MLOPS_SHELL_ISOLATION": "sandbox", "PATH": "/nonexistent"}, "bwrap cannot be started"),
    ],
)
def test_a_node_that_cannot_isolate_as_it_is_told_to_refuses_to_start(
    tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    code, output = refused(tmp_path, variables)
    assert code == 1
    assert reason in output


def refused(directory: Path, variables: dict[str, str]) -> tuple[int, str]:
    """The exit code and the output of a node that does not start."""
    node = subprocess.run(
        [sys.executable, "manage.py", "computenode", "--port", str(free_port())],
        cwd=ROOT,
        env={**os.environ, "MLOPS_DATA_DIR": str(directory), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return node.returncode, node.stdout + node.stderr


def named(name: str) -> list[int]:
    """The living processes of that name."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if (path / "comm").read_text().strip() == name:
                    found.append(int(path.name))
            except OSError:
                continue
    return found


def mentioning(directory: str) -> list[int]:
    """The processes that have to do with the directory, by what they are or were started with."""
    found = set(processes_below(Path(directory)))
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and path.name != str(os.getpid()):
            try:
                if directory.encode() in (path / "cmdline").read_bytes():
                    found.add(int(path.name))
            except OSError:
                continue
    return sorted(pid for pid in found if (seen := read_process(pid)) and seen.state != "Z")
