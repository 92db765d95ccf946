"""Real one-boxes for tests: `manage.py onebox` as a process, spoken to over HTTP."""

import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from nodes.runtime.processes import Process, scan
from tests.contract.exchanges import CHECKED
from tests.database_option import own_database
from tests.nodes.runtime.running import ROOT, wait_until
from tests.ports import free_port

START_SECONDS = 300
ADMIN_PASSWORD = "Open-Sesame-1"
# What each program's command line has in it.
PROGRAMS = {
    "web node": "webnode",
    "compute node": "computenode",
    "worker": "celery@",
    "batch worker": "batch@",
}


@dataclass
class OneBox:
    """A box on ports and in a directory of its own, started or not."""

    data_dir: Path
    admin_password: str = ADMIN_PASSWORD
    port: int = field(default_factory=free_port)
    compute_port: int = field(default_factory=free_port)
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    database: dict[str, str] = field(default_factory=own_database)
    tls: ssl.SSLContext | None = None  # with which the web node is spoken to

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def begin(self, **environment: str) -> None:
        """Starts it and returns at once."""
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "onebox"],
            cwd=ROOT,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=[self.process.stdout])
        self._reader.start()

    def start(self, **environment: str) -> "OneBox":
        """Starts it and returns when it says that it is ready."""
        self.begin(**environment)
        self.says(f"ready: {self.url}")
        return self

    def says(self, text: str) -> None:
        """Returns when a line has `text` in it; fails when the box ends without that."""
        wait_until(lambda: text in self.output or self.has_ended(), START_SECONDS)
        assert text in self.output, self.output

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def end(self) -> int:
        """Its exit status once it has ended by itself."""
        assert self.process
        status = self.process.wait(START_SECONDS)
        self._reader.join()
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it with a signal; nothing of it is left."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.end() == 0, self.output
        assert self.processes() == []

    def kill_supervisor(self) -> None:
        """Kills it and returns when nothing of the box is left."""
        assert self.process
        self.process.kill()
        self.end()
        wait_until(lambda: self.processes() == [])

    def manage(self, *arguments: str, text: str = "") -> str:
        """What a management command prints, run beside the box."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self, **more: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
        return {
            **ours,
            "MLOPS_DATA_DIR": str(self.data_dir),
            "MLOPS_PORT": str(self.port),
            "MLOPS_STOP_SECONDS": "5",
            "MLOPS_COMPUTE_PORT": str(self.compute_port),
            "MLOPS_ADMIN_PASSWORD": self.admin_password,
            **self.database,
            **more,
        }

    def client(self) -> httpx.Client:
        """A client signed in as admin."""
        credentials = {"username": "admin", "password": self.admin_password}
        verify = self.tls or False
        answer = httpx.post(f"{self.url}/login", json=credentials, timeout=120, verify=verify)
        token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=120,
            event_hooks=CHECKED,
            verify=verify,
        )

    def services(self) -> list[dict[str, Any]]:
        with self.client() as client:
            services: list[dict[str, Any]] = client.get("/services").json()
            return services

    def processes(self) -> list[Process]:
        """Everything that runs for the box, the supervisor excepted."""
        marks = (f"MLOPS_ONEBOX={self.data_dir}\0", f"HOME={self.data_dir}/")
        return [
            process
            for process in scan().values()
            if process.state not in "ZX"
            and any(mark in read_process(process.pid, "environ") for mark in marks)
        ]

    def shells(self, runtime: str) -> list[int]:
        """The process ids of its shells of one language."""
        file, mark = {"Python": ("comm", "python-shell"), "R": ("cmdline", "r_shell.R")}[runtime]
        return [
            process.pid for process in self.processes() if mark in read_process(process.pid, file)
        ]

    def pid(self, program: str) -> int:
        """The process id of one of PROGRAMS, 0 while there is none."""
        assert self.process
        for process in self.processes():
            command = read_process(process.pid, "cmdline")
            if process.parent == self.process.pid and PROGRAMS[program] in command:
                return process.pid
        return 0

    def kill(self, program: str) -> None:
        """Kills one of PROGRAMS and returns when another process has taken its place."""
        wait_until(lambda: self.pid(program))
        killed = self.pid(program)
        assert killed  # 0 would be this test run
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.pid(program) not in (0, killed))

    def _read(self, output: Any) -> None:
        with output:
            for line in output:
                self.lines.append(line.rstrip("\n"))


def read_process(pid: int, name: str) -> str:
    """A file of a process under /proc; empty when the process has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="session")
def one_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneBox]:
    """A box with its demo services, shared by all tests; nothing of it is left at the end."""
    box = OneBox(tmp_path_factory.mktemp("one-box"))
    try:
        yield box.start()
    finally:
        box.stop()


@pytest.fixture(scope="module")
def open_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneBox]:
    """A box of the module's own, whose services talk to the tests by files."""
    box = OneBox(tmp_path_factory.mktemp("one-box"))
    try:
        yield box.start(MLOPS_SHELL_ISOLATION="process")
    finally:
        box.stop()


@pytest.fixture
def new_box(tmp_path: Path) -> Iterator[OneBox]:
    """A box of the test's own, not yet started."""
    box = OneBox(tmp_path / "box")
    yield box
    box.stop()


def generated_password(box: OneBox) -> str:
    """The password that the box printed."""
    found = re.search(r"with password (\S+)", box.output)
    assert found, box.output
    return found[1]
