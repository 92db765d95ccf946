"""Real compute nodes for tests: started as processes, spoken to over HTTP."""

import contextlib
import hashlib
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from nodes.runtime.processes import read_process
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
CLUSTER_KEY = "a key of the tests"
Parameters = Sequence[tuple[str, str]]


@dataclass
class RunningNode:
    """A node process, and short forms of what tests ask of it."""

    process: subprocess.Popen[bytes]
    port: int
    cluster_key: str
    data_dir: Path
    tls: ssl.SSLContext | None = None  # with which it is spoken to

    def __post_init__(self) -> None:
        self.address = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        self.http = self.client()

    def client(self, *, cluster_key: str = "") -> httpx.Client:
        headers = {"Authorization": f"Bearer {cluster_key or self.cluster_key}"}
        verify = self.tls or False
        return httpx.Client(base_url=self.address, headers=headers, timeout=120, verify=verify)

    @property
    def work_root(self) -> Path:
        return self.data_dir / f"computenode-{self.port}" / "work"

    def health(self, runtime: str = "Python") -> dict[str, Any]:
        return self.http.get("/v1/health").json()["runtimes"][runtime]

    def publish(self, code: str, **parts: Any) -> "Published":
        """A bundle with this code on the node; see `manifest` for the parts."""
        payload = parts.get("payload")
        text = manifest(code, **parts)
        return self._put(text, payload or b"")

    def _put(self, text: bytes, payload: bytes) -> "Published":
        bundle_id = hashlib.sha256(text).hexdigest()
        body = len(text).to_bytes(4) + text + payload
        answer = self.http.put(f"/v1/bundles/{bundle_id}", content=body)
        assert answer.status_code == 201, answer.text
        return Published(self, bundle_id)

    def publish_model(self, model: bytes) -> "Published":
        """A realtime bundle on the node, of a serialized ONNX model."""
        return self._put(realtime_manifest(model), b"blobONNX" + model)

    def stop(self) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@dataclass(frozen=True)
class Published:
    """One bundle on one node."""

    node: RunningNode
    id: str

    def post(self, inputs: Any = None, client: httpx.Client | None = None) -> httpx.Response:
        body = inputs if isinstance(inputs, bytes) else json.dumps(inputs or {}).encode()
        return (client or self.node.http).post(f"/v1/bundles/{self.id}/score", content=body)

    def score(self, inputs: Any = None) -> dict[str, Any]:
        answer = self.post(inputs)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def outputs(self, inputs: Any = None) -> dict[str, Any]:
        result = self.score(inputs)
        assert result["success"], result["errorMessage"]
        outputs: dict[str, Any] = result["outputParameters"]
        return outputs


def manifest(
    code: str,
    *,
    init_code: str | None = None,
    inputs: Parameters = (),
    outputs: Parameters = (),
    output_files: Sequence[str] = (),
    runtime: str = "Python",
    payload: bytes | None = None,
    pool: int | None = None,
    row_independent: bool = False,
) -> bytes:
    """Canonical manifest JSON; `pool` marks the bundle of a version with a dedicated pool."""
    body = {
        **({} if pool is None else {"pool": pool}),
        **({"rowIndependent": True} if row_independent else {}),
        "code": code,
        "initCode": init_code,
        "inputs": [{"name": name, "type": kind} for name, kind in inputs],
        "outputs": [{"name": name, "type": kind} for name, kind in outputs],
        "outputFiles": list(output_files),
        "runtime": runtime,
        "payload": None
        if payload is None
        else {
            "kind": "snapshot",
            "sha256": hashlib.sha256(payload).hexdigest(),
            "size": len(payload),
        },
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def realtime_manifest(model: bytes) -> bytes:
    """The canonical manifest JSON of a realtime version."""
    payload = b"blobONNX" + model
    body = {
        "code": None,
        "initCode": None,
        "inputs": [{"name": "inputData", "type": "data.frame"}],
        "outputs": [{"name": "outputData", "type": "data.frame"}],
        "outputFiles": [],
        "runtime": "Realtime",
        "payload": {
            "kind": "model",
            "sha256": hashlib.sha256(payload).hexdigest(),
            "size": len(payload),
        },
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """A zip with these entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def start_node(
    data_dir: Path,
    *,
    cluster_key: str = CLUSTER_KEY,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
    user: int | None = None,
    tls: ssl.SSLContext | None = None,
    log: Path | None = None,
    prelude: str = "",
) -> RunningNode:
    """A node process that answers, of the user if one is given; shells may still be starting.

    `prelude` is run in it before, and may import nothing that needs settings.
    """
    port = port or free_port()
    program = ["manage.py"]
    if prelude:
        run = "import runpy, sys; sys.argv[0] = 'manage.py'"
        program = ["-c", f"{prelude}; {run}; runpy.run_path('manage.py', run_name='__main__')"]
    with (log or Path(os.devnull)).open("ab") as errors:
        process = subprocess.Popen(
            [python, *program, "computenode", "--port", str(port)],
            cwd=ROOT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            stderr=errors if log else None,
            env={
                **os.environ,
                "MLOPS_DATA_DIR": str(data_dir),
                "MLOPS_CLUSTER_KEY": cluster_key,
                "MLOPS_POOL_INITIAL_SIZE": "1",
                "MLOPS_STOP_SECONDS": "3",
                # Code of many tests talks to them by files, which a sandbox keeps from it.
                "MLOPS_SHELL_ISOLATION": "process",
                **(environment or {}),
            },
        )
    node = RunningNode(process, port, cluster_key, data_dir, tls)
    wait_until(lambda: process.poll() is not None or answers(node))
    assert process.poll() is None, "the compute node did not start"
    return node


@contextlib.contextmanager
def running_node(data_dir: Path, **environment: str) -> Iterator[RunningNode]:
    """A node with these variables, stopped at the end."""
    node = start_node(data_dir, environment=environment)
    try:
        yield node
    finally:
        node.stop()


def answers(node: RunningNode) -> bool:
    try:
        return node.http.get("/v1/health").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 60, *, every: float = 0.02) -> None:
    """Returns when the condition holds; fails the test when it never does.

    Whoever asks a server that has work to do asks less often.
    """
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "what the test waits for did not happen"
        time.sleep(every)


def processes_below(directory: Path) -> list[int]:
    """The processes whose HOME or working directory is below the directory."""
    mark = b"HOME=" + str(directory).encode()
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                is_there = Path(os.readlink(path / "cwd")).is_relative_to(directory)  # noqa: PTH115
                if is_there or mark in (path / "environ").read_bytes():
                    found.append(int(path.name))
    return found


def shells_and_theirs(node: RunningNode) -> list[int]:
    """The shells of the node and what they started: all but what Python shells are forked from."""
    return [pid for pid in processes_below(node.work_root) if name_of(pid) != "python-template"]


def shells_of(node: RunningNode) -> list[int]:
    """The pids of the node's shells."""
    return [pid for pid in shells_and_theirs(node) if _parent(pid) == node.process.pid]


def name_of(pid: int) -> str:
    """What the process is called; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    process = read_process(pid)
    return process.parent if process else 0
