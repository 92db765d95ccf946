"""R shells of their own for tests: started as a node starts them, spoken to in frames."""

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from nodes.runtime.frames import FrameDecoder, encode_head
from nodes.runtime.r_values import score_request

R_SHELL = Path(__file__).parents[3] / "nodes/runtime/shells/r_shell.R"
START_SECONDS = 60
REPLY_SECONDS = 60
BODY_MAX_BYTES = 512 * 1024**2
OUTPUTS_MAX_BYTES = 4 * 1024**2


class RShellEndedError(Exception):
    """R ended before it answered; the text is its console."""


@dataclass(frozen=True)
class Run:
    """What one score request came to."""

    success: bool
    error: str
    retire: str
    console: str
    outputs: dict[str, Any]
    changed: list[str]
    files: dict[str, str]


@dataclass(frozen=True)
class Execution:
    """What code in a session came to."""

    success: bool
    error: str
    console: str
    outputs: dict[str, Any]
    changed: list[str]


class RShell:
    """One R process in directories of its own below `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / "work"
        for name in ("work", "tmp", "home", "bundle"):
            (home / name).mkdir(parents=True)
        self.secret = secrets.token_hex(32)
        self._decoder = FrameDecoder(BODY_MAX_BYTES)
        self._console = b""
        self._pipe, writing = os.pipe()
        os.set_blocking(self._pipe, False)
        with contextlib.ExitStack() as undo, socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(START_SECONDS)
            self.process = subprocess.Popen(
                ["Rscript", "--vanilla", str(R_SHELL)],
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                cwd=self.work,
                env=self._environment(),
                start_new_session=True,
            )
            os.close(writing)
            undo.callback(self._end)
            self.process.stdin.write(f"{listener.getsockname()[1]}\n{self.secret}\n".encode())
            self.process.stdin.close()
            self._socket, _ = listener.accept()
            self.greeting = self._receive_line()
            self.ready, _ = self._reply()
            undo.pop_all()

    def __enter__(self) -> "RShell":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._end()

    def load(
        self,
        code: str,
        *,
        init: str | None = None,
        inputs: dict[str, str] | None = None,
        outputs: dict[str, str] | None = None,
        output_files: list[str] | None = None,
        files: dict[str, bytes] | None = None,
    ) -> dict[str, Any]:
        """The reply to a bundle of this content; `inputs` and `outputs` map names to types."""
        self._inputs = list((inputs or {}).items())
        bundle = self.home / "bundle"
        (bundle / "files").mkdir()
        for name, content in (files or {}).items():
            path = bundle / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        manifest = {
            "code": code,
            "initCode": init,
            "inputs": [{"name": n, "type": t} for n, t in (inputs or {}).items()],
            "outputs": [{"name": n, "type": t} for n, t in (outputs or {}).items()],
            "outputFiles": output_files or [],
            "runtime": "R",
            "payload": None,
        }
        (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return self.ask("load", bundle=str(bundle))

    def request(self, body: bytes) -> tuple[dict[str, Any], bytes]:
        """What the node sends on to have this JSON text scored."""
        return score_request(body, self._inputs)

    def score(self, **inputs: Any) -> Run:
        """One run with these inputs."""
        return self.score_bytes(json.dumps(inputs).encode())

    def score_bytes(self, body: bytes) -> Run:
        """One run with this JSON text."""
        self.console()
        header, result = self.call(*self.request(body))
        assert header["kind"] == "result", header
        values = json.loads(result)
        return Run(
            success=header["success"],
            error=header["errorMessage"],
            retire=header["retire"],
            console=self.console(),
            outputs=values["outputParameters"],
            changed=values["changedFiles"],
            files=values["outputFiles"],
        )

    def execute(self, code: str, *outputs: str, **inputs: Any) -> "Execution":
        """What comes of code in a session."""
        self.console()
        self.start(code, *outputs, **inputs)
        return self.execution()

    def start(self, code: str, *outputs: str, **inputs: Any) -> None:
        """Sends code for a session and does not wait."""
        request = {
            "code": code,
            "inputs": [{"name": name, "value": value} for name, value in inputs.items()],
            "outputs": outputs,
        }
        self.send({"op": "execute", "maxBytes": OUTPUTS_MAX_BYTES}, json.dumps(request).encode())

    def execution(self) -> "Execution":
        """What came of the code that was sent."""
        header, body = self._reply()
        assert header["kind"] == "executed", header
        result = json.loads(body)
        return Execution(
            success=header["success"],
            error=header["errorMessage"],
            console=self.console(),
            outputs={member["name"]: member["value"] for member in result["outputParameters"]},
            changed=result["changedFiles"],
        )

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal sends: to R and to what it has started."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        """The reply's header to a request without a body."""
        return self.call({"op": op, **arguments})[0]

    def call(self, header: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """The reply frame to one request frame."""
        self.send(header, body)
        return self._reply()

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Sends a request frame and does not wait."""
        self.send_bytes(encode_head(header, len(body)) + body)

    def send_bytes(self, data: bytes) -> None:
        """Sends bytes that need not be a frame."""
        self._socket.sendall(data)

    def reply(self) -> dict[str, Any]:
        """The header of the next reply."""
        return self._reply()[0]

    def hang_up(self) -> None:
        """Closes the connection as a node does that is done with the shell."""
        self._socket.close()

    def console(self) -> str:
        """What was printed since the last look."""
        self._drain_console()
        text, self._console = self._console.decode(), b""
        return text

    def wait_for_console(self, text: str) -> None:
        """Returns when the code has printed `text`."""
        while text.encode() not in self._console:
            if not select.select([self._pipe], [], [], REPLY_SECONDS)[0]:
                raise TimeoutError(f"the R shell did not print {text!r}: {self._console!r}")
            self._drain_console()

    def _reply(self) -> tuple[dict[str, Any], bytes]:
        while (frame := self._decoder.next_frame()) is None:
            ready, _, _ = select.select([self._socket, self._pipe], [], [], REPLY_SECONDS)
            if not ready:
                raise TimeoutError("the R shell did not answer")
            self._drain_console()
            if self._socket in ready:
                data = self._socket.recv(1024 * 1024)
                if not data:
                    raise RShellEndedError(self.console())
                self._decoder.feed(data)
        return frame

    def _receive_line(self) -> str:
        line = b""
        while not line.endswith(b"\n"):
            line += self._socket.recv(1)
        return line.decode().rstrip("\n")

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._pipe)
        shutil.rmtree(self.home)

    def _drain_console(self) -> None:
        try:
            while data := os.read(self._pipe, 1024 * 1024):
                self._console += data
        except BlockingIOError:
            pass

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home / "home"),
            "TMPDIR": str(self.home / "tmp"),
        }


def run_r(script: str, *arguments: str) -> str:
    """What an ordinary Rscript prints for this script, apart from any shell of ours."""
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", script, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=REPLY_SECONDS,
    )
    return done.stdout
