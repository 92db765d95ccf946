"""Remote sessions on real nodes, over HTTP, as a client has them (clients.md, B and C)."""

import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.nodes.runtime.running import wait_until
from tests.nodes.web import WebNode

MIB = 1024**2
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Language:
    """The same small programs in a language."""

    runtime: str
    add: str  # z = x + y, printed
    fail: str  # sets `kept`, fails, would set `lost`
    write: str  # out/data.txt
    plot: str
    hold: str  # prints "begun" and goes on until a file is there
    tick: str  # counts and prints, for a minute
    ticks: str  # prints how far it has come
    set_x: str
    get_x: str


PYTHON = Language(
    runtime="Python",
    add="z = x + sum(y)\nprint('adding')\nz",
    fail="kept = 1\nraise ValueError('what went wrong')\nlost = 1",
    write="import os\nos.makedirs('out')\nopen('out/data.txt', 'w').write('written')",
    plot="import matplotlib.pyplot as plt\nfigure = plt.plot([1, 2, 3])",
    hold="import os, time\nprint('begun', flush=True)\n"
    "while not os.path.exists({!r}): time.sleep(0.05)",
    tick="import time\nfor n in range(600):\n    print('tick', n)\n    time.sleep(0.1)",
    ticks="print(n)",
    set_x="x = 'of the snapshot'",
    get_x="print(x)",
)
R = Language(
    runtime="R",
    add="z <- x + sum(y)\ncat('adding\\n')\nz",
    fail="kept <- 1\nstop('what went wrong')\nlost <- 1",
    write="dir.create('out')\ncat('written', file = 'out/data.txt')",
    plot="plot(1:3)",
    hold="cat('begun\\n')\nwhile (!file.exists({!r})) Sys.sleep(0.05)",
    tick="for (n in 0:599) {\n  cat('tick', n, '\\n')\n  Sys.sleep(0.1)\n}",
    ticks="cat(n, '\\n')",
    set_x="x <- 'of the snapshot'",
    get_x="cat(x, '\\n')",
)
LANGUAGES = [pytest.param(PYTHON, id="Python"), pytest.param(R, id="R", marks=pytest.mark.r)]


class Remote:
    """A session of admin on a real web node and compute node."""

    def __init__(self, web_node: WebNode, client: httpx.Client, path: str) -> None:
        self.web_node = web_node
        self.client = client
        self.path = path
        self.threads = ThreadPoolExecutor(4)

    def post(
        self, code: str, inputs: dict[str, Any] | None = None, outputs: Sequence[str] = ()
    ) -> httpx.Response:
        body = {
            "code": code,
            "inputParameters": [
                {"name": name, "value": value} for name, value in (inputs or {}).items()
            ],
            "outputParameters": list(outputs),
        }
        with self.web_node.sign_in() as client:  # of its own: others may call meanwhile
            return client.post(f"{self.path}/execute", json=body)

    def execute(self, code: str, **parts: Any) -> Any:
        answer = self.post(code, **parts)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def begin(self, code: str) -> "Future[httpx.Response]":
        """Have it run; returns when it has printed that it has begun."""
        call = self.threads.submit(self.post, code)
        wait_until(lambda: "begun" in self.console() or call.done())
        assert not call.done(), call.result().text
        return call

    def console(self) -> str:
        text: str = self.get("console-output")["consoleOutput"]
        return text

    def get(self, route: str) -> Any:
        return self.client.get(f"{self.path}/{route}").raise_for_status().json()

    def upload(self, name: str, content: Any) -> httpx.Response:
        return self.client.post(f"{self.path}/files", files={"file": (name, content)})


@contextmanager
def opened(web_node: WebNode, **body: Any) -> Iterator[Remote]:
    with web_node.sign_in() as client:
        answer = client.post("/sessions", json=body)
        assert answer.status_code == 201, answer.text
        remote = Remote(web_node, client, f"/sessions/{answer.json()['sessionId']}")
        yield remote
        client.delete(f"{remote.path}/force")
        remote.threads.shutdown()


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param
    return found


# For what is up to the web node alone.
one_language = pytest.mark.parametrize("language", LANGUAGES[:1], indirect=True)


@pytest.fixture
def remote(web_node: WebNode, language: Language) -> Iterator[Remote]:
    with opened(web_node, runtimeType=language.runtime) as remote:
        yield remote


# Running code.


def test_code_runs_on_inputs_and_answers_with_outputs(remote: Remote, language: Language) -> None:
    result = remote.execute(language.add, inputs={"x": 0.5, "y": [1, 2]}, outputs=["z", "x"])
    assert (result["success"], result["errorMessage"]) == (True, "")
    assert result["outputParameters"] == [{"name": "z", "value": 3.5}, {"name": "x", "value": 0.5}]
    assert result["consoleOutput"].startswith("adding\n")
    assert "3.5" in result["consoleOutput"]
    assert result["changedFiles"] == []
    assert remote.get("history") == [language.add]
    assert sorted(remote.get("workspace")) == ["x", "y", "z"]


def test_code_that_fails_keeps_what_it_did_and_the_session(
    remote: Remote, language: Language
) -> None:
    result = remote.execute(language.fail, outputs=["kept"])
    assert result["success"] is False
    assert "what went wrong" in result["errorMessage"]
    assert result["outputParameters"] == []
    assert remote.get("workspace") == ["kept"]
    assert remote.execute("", outputs=["kept"])["outputParameters"] == [
        {"name": "kept", "value": 1}
    ]


def test_code_that_prints_for_a_minute_is_watched_and_cancelled_and_the_session_used_again(
    remote: Remote, language: Language
) -> None:
    running = remote.threads.submit(remote.post, language.tick)
    seen = [0]  # how many lines there were, each time that one looked

    def has_grown() -> bool:
        console = remote.console()
        lines = console[: console.rfind("\n") + 1].splitlines()  # the last may be half a line yet
        assert [line.split() for line in lines] == [["tick", str(n)] for n in range(len(lines))]
        if len(lines) > seen[-1]:
            seen.append(len(lines))
        return len(seen) > 3 or running.done()

    wait_until(has_grown)
    assert not running.done(), running.result().text
    assert remote.get("files") == []
    assert remote.get("history") == [language.tick]
    answer = remote.client.post(f"{remote.path}/cancel")
    assert (answer.status_code, type(answer.json())) == (200, str)

    result = running.result(60).json()
    assert (result["success"], result["errorMessage"]) == (False, "The execution was cancelled.")
    assert result["consoleOutput"].startswith("tick 0")
    assert remote.client.post(f"{remote.path}/cancel").status_code == 200  # idle: no effect
    again = remote.execute(language.ticks)
    assert again["success"]
    assert seen[-1] - 1 <= int(again["consoleOutput"]) < 599
    assert remote.console() == again["consoleOutput"]


@one_language
def test_calls_wait_for_their_turn_in_order(
    remote: Remote, language: Language, tmp_path: Path
) -> None:
    first = remote.begin(language.hold.format(str(tmp_path / "go")))
    second = remote.threads.submit(remote.execute, language.set_x)
    third = remote.threads.submit(remote.upload, "x.txt", b"x")
    assert not second.done()
    assert not third.done()
    (tmp_path / "go").touch()
    assert first.result(60).json()["success"]
    assert second.result(60)["success"]
    assert third.result(60).status_code == 201
    assert remote.get("history")[1] == language.set_x


@one_language
def test_a_client_that_hangs_up_interrupts_its_code(
    remote: Remote, language: Language, tmp_path: Path
) -> None:
    code = language.hold.format(str(tmp_path / "never"))
    with pytest.raises(httpx.ReadTimeout):
        remote.client.post(
            f"{remote.path}/execute", json={"code": code}, timeout=httpx.Timeout(60, read=3)
        )
    assert remote.execute(language.set_x)["success"]
    assert remote.get("history")[-1] == language.set_x


@one_language
def test_force_closes_a_session_while_it_runs_code(
    remote: Remote, language: Language, tmp_path: Path
) -> None:
    running = remote.begin(language.hold.format(str(tmp_path / "never")))
    answer = remote.client.delete(f"{remote.path}/force")
    assert (answer.status_code, type(answer.json())) == (200, str)
    assert running.result(60).status_code >= 400
    for route in ("console-output", "history", "files", "workspace"):
        assert remote.client.get(f"{remote.path}/{route}").status_code == 404


# Files.


def test_files_go_up_and_down(remote: Remote, language: Language) -> None:
    assert remote.upload("données 1.csv", b"what there was before, and longer").status_code == 201
    answer = remote.upload("données 1.csv", b"a,b\r\n1,2\r\n\0")
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["content-type"].startswith("text/plain")
    result = remote.execute(language.write)
    assert result["success"], result
    assert result["changedFiles"] == ["out/data.txt"]
    assert remote.get("files") == ["données 1.csv", "out/data.txt"]
    for name, content in (
        ("données 1.csv", b"a,b\r\n1,2\r\n\0"),
        ("out/data.txt", b"written"),
    ):
        answer = remote.client.get(f"{remote.path}/files/{name}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert remote.client.delete(f"{remote.path}/files/{name}").status_code == 200
        assert remote.client.get(f"{remote.path}/files/{name}").status_code == 404
        assert remote.client.delete(f"{remote.path}/files/{name}").status_code == 404
    assert remote.get("files") == []


def test_a_plot_comes_as_a_picture(remote: Remote, language: Language) -> None:
    result = remote.execute(language.plot)
    assert result["success"], result
    [name] = result["changedFiles"]
    assert name.endswith(".png")
    assert remote.client.get(f"{remote.path}/files/{name}").content.startswith(PNG)


def test_a_large_file_passes_through_without_being_held_in_memory(web_node: WebNode) -> None:
    content = random.Random(1).randbytes(100 * MIB)
    with opened(web_node, runtimeType="Python") as remote:
        before = web_node.peak_memory()
        assert remote.upload("big", io.BytesIO(content)).status_code == 201
        assert remote.client.get(f"{remote.path}/files/big").content == content
        assert web_node.peak_memory() - before < 40 * MIB


# Snapshots.


def test_a_snapshot_brings_objects_and_files_into_a_new_session(
    web_node: WebNode, remote: Remote, language: Language
) -> None:
    client = remote.client
    remote.execute(language.set_x)
    remote.execute(language.write)
    answer = client.post(f"{remote.path}/snapshot", json={"name": "mine"})
    assert answer.status_code == 201
    snapshot_id = answer.json()["snapshotId"]
    zipped = client.get(f"/snapshots/{snapshot_id}").content
    workspace_file = {"R": ".RData", "Python": ".dill"}[language.runtime]
    assert sorted(zipfile.ZipFile(io.BytesIO(zipped)).namelist()) == [
        workspace_file,
        "out/data.txt",
    ]
    summary = next(one for one in client.get("/snapshots").json() if one["id"] == snapshot_id)
    assert (summary["name"], summary["owner"]) == ("mine", "admin")
    assert summary["contentSize"] == len(zipped)

    with opened(web_node, runtimeType=language.runtime, snapshotId=snapshot_id) as other:
        assert other.execute(language.get_x)["consoleOutput"].strip() == "of the snapshot"
        assert other.get("files") == ["out/data.txt"]
    with opened(web_node, runtimeType=language.runtime) as other:
        other.upload("kept.txt", b"kept")
        answer = client.post(f"{other.path}/loadsnapshot/{snapshot_id}")
        assert (answer.status_code, answer.content) == (200, b"")
        assert other.execute(language.get_x)["consoleOutput"].strip() == "of the snapshot"
        assert other.get("files") == ["kept.txt", "out/data.txt"]
    wrong = {"R": "Python", "Python": "R"}[language.runtime]
    refused = client.post("/sessions", json={"runtimeType": wrong, "snapshotId": snapshot_id})
    assert refused.status_code == 400
    answer = client.delete(f"/snapshots/{snapshot_id}")
    assert (answer.status_code, type(answer.json())) == (200, str)
    assert client.get(f"/snapshots/{snapshot_id}").status_code == 404
