"""Sessions on a real node, and short forms of what tests ask of them."""

import contextlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import dill
import httpx

from tests.nodes.runtime.running import RunningNode, wait_until


class OpenSession:
    """One open session of a node."""

    def __init__(self, node: RunningNode, runtime: str = "Python") -> None:
        self.node = node
        self.runtime = runtime
        self.id = str(uuid.uuid4())
        self.path = f"/v1/sessions/{self.id}"
        answer = node.http.post("/v1/sessions", json={"id": self.id, "runtime": runtime})
        assert (answer.status_code, answer.json()) == (201, {})
        self.threads = ThreadPoolExecutor(8)

    # Running code.

    def post(
        self, code: str, inputs: dict[str, Any] | None = None, outputs: Sequence[str] = ()
    ) -> httpx.Response:
        body = {
            "code": code,
            "inputs": [{"name": name, "value": value} for name, value in (inputs or {}).items()],
            "outputs": list(outputs),
        }
        with self.node.client() as client:
            return client.post(f"{self.path}/execute", content=json.dumps(body))

    def execute(self, code: str, **parts: Any) -> dict[str, Any]:
        answer = self.post(code, **parts)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def run(self, code: str, **parts: Any) -> dict[str, Any]:
        """The outputs by name of code that succeeds."""
        result = self.execute(code, **parts)
        assert result["success"], (result["errorMessage"], result["consoleOutput"])
        assert result["errorMessage"] == ""
        return {one["name"]: one["value"] for one in result["outputParameters"]}

    def printed(self, code: str, **parts: Any) -> str:
        """The console of code that succeeds."""
        result = self.execute(code, **parts)
        assert result["success"], (result["errorMessage"], result["consoleOutput"])
        text: str = result["consoleOutput"]
        return text

    def start(self, code: str, until: str = "begun", **parts: Any) -> "Future[dict[str, Any]]":
        """The code on its way, when it has printed `until`."""
        self.run("")  # else its console would be that of the last block for a moment
        future = self.threads.submit(self.execute, code, **parts)
        wait_until(lambda: future.done() or until in self.console())
        return future

    def console(self) -> str:
        text: str = self.get_json("console")["consoleOutput"]
        return text

    def cancel(self) -> None:
        answer = self.node.http.post(f"{self.path}/cancel")
        assert (answer.status_code, answer.json()) == (200, {})

    def history(self) -> list[str]:
        history: list[str] = self.get_json("history")["history"]
        return history

    # Files.

    def files(self) -> list[str]:
        files: list[str] = self.get_json("files")["files"]
        return files

    def put_file(self, name: str, content: bytes) -> httpx.Response:
        return self.node.http.put(f"{self.path}/files/{name}", content=content)

    def get_file(self, name: str) -> httpx.Response:
        return self.node.http.get(f"{self.path}/files/{name}")

    def delete_file(self, name: str) -> httpx.Response:
        return self.node.http.delete(f"{self.path}/files/{name}")

    # Objects.

    def put(self, name: str, value: Any) -> httpx.Response:
        return self.put_bytes(name, dill.dumps(value))

    def put_bytes(self, name: str, data: bytes) -> httpx.Response:
        return self.node.http.put(f"{self.path}/workspace/{name}", content=data)

    def get(self, name: str) -> httpx.Response:
        return self.node.http.get(f"{self.path}/workspace/{name}")

    def value(self, name: str) -> Any:
        return dill.loads(self.get(name).content)  # noqa: S301 (our own object)

    def names(self) -> list[str]:
        objects: list[str] = self.get_json("workspace")["objects"]
        return objects

    # All of it.

    def snapshot(self) -> bytes:
        answer = self.node.http.post(f"{self.path}/snapshot")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/zip"
        return answer.content

    def snapshot_names(self) -> list[str]:
        with zipfile.ZipFile(io.BytesIO(self.snapshot())) as archive:
            return archive.namelist()

    def load(self, snapshot: bytes) -> httpx.Response:
        return self.node.http.put(f"{self.path}/snapshot", content=snapshot)

    def close(self, force: str = "") -> httpx.Response:
        return self.node.http.delete(self.path + force)

    def get_json(self, what: str) -> dict[str, Any]:
        answer = self.node.http.get(f"{self.path}/{what}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@contextlib.contextmanager
def open_session(node: RunningNode, runtime: str = "Python") -> Iterator[OpenSession]:
    """A session that is closed at the end, whatever it does by then."""
    session = OpenSession(node, runtime)
    try:
        yield session
    finally:
        session.close("?force=1")
        session.threads.shutdown()
