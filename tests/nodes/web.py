"""Real web nodes for tests: started as processes, spoken to over HTTP."""

import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.contract.exchanges import CHECKED
from tests.database_option import own_database
from tests.nodes.runtime.running import ROOT, wait_until
from tests.ports import free_port

_QUICK = {"MLOPS_STOP_SECONDS": "5"}
PASSWORD = "Quite-Secret-1"
_SET_UP = f"""
from django.core.management import call_command
from mlops.accounts.models import User
call_command("migrate", verbosity=0)
User.objects.create_superuser("admin", password={PASSWORD!r})
"""
_DECLARE = """
from nodes.models import NodeEntry
NodeEntry.objects.create(uri={uri!r})
"""


@dataclass
class WebNode:
    """A web node process with an `admin`; what it logs goes to `log`."""

    data_dir: Path
    port: int
    environment: Mapping[str, str]
    tls: ssl.SSLContext | None = None  # with which it is spoken to
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        self.log = self.data_dir / "log"
        self.http = self.client()

    def run(self, code: str) -> None:
        """Run Python code in the web node's environment, beside it."""
        subprocess.run(self.command("shell", "-c", code), check=True, **self.surroundings())

    def declare(self, uri: str) -> None:
        """Declare a compute node."""
        self.run(_DECLARE.format(uri=uri))

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("webnode", "--port", str(self.port)),
                stderr=log,
                **self.surroundings(),
            )
        wait_until(lambda: self.process.poll() is not None or self._answers())
        assert self.process.poll() is None, self.log.read_text()

    def sign_in(self) -> httpx.Client:
        """A client with a token of `admin`."""
        body = {"username": "admin", "password": PASSWORD}
        token = self.http.post("/login", json=body).raise_for_status().json()["access_token"]
        return self.client(Authorization=f"Bearer {token}")

    def client(self, **headers: str) -> httpx.Client:
        """A client that sends these headers."""
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=120,
            event_hooks=CHECKED,
            verify=self.tls or False,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after the signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.http.close()
        return code

    def peak_memory(self) -> int:
        """The most bytes the process ever had in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/ping").status_code == 200
        return False

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "manage.py", *arguments]

    def surroundings(self) -> dict[str, object]:
        environment = {**os.environ, **_QUICK, "MLOPS_DATA_DIR": str(self.data_dir)}
        environment |= self.environment
        return {"cwd": ROOT, "env": environment}


def start_web_node(
    data_dir: Path, *, tls: ssl.SSLContext | None = None, **environment: str
) -> WebNode:
    """A running web node on a database of its own."""
    node = set_up_web_node(data_dir, tls=tls, **environment)
    node.start()
    return node


def set_up_web_node(
    data_dir: Path, *, tls: ssl.SSLContext | None = None, **environment: str
) -> WebNode:
    """A web node on a database of its own, not yet started."""
    node = WebNode(data_dir, free_port(), {**own_database(), **environment}, tls)
    node.run(_SET_UP)
    return node
