"""Our one-box, started from the working tree, with the services that are measured."""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks import usage
from tests.benchmarks.servers import Server, StartError, environment
from tests.benchmarks.target import Kind, Running, Target
from tests.benchmarks.workload import FOREST, LINEAR, Workload
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVER = "one-box"
SHELLS = 2  # of each service, as the peers have two workers
VERSION = "1.0.0"
_PYTHON = "prediction = model.predict(inputData)\n"
_R = "prediction <- unname(predict(model, inputData))\n"
# Single precision in the model, and what is summed up in it.
_SINGLE = 2e-5
_OUTPUT = r'^{"success":true,.-"prediction":%[?([^%]}]*)'
_REALTIME_OUTPUT = r'^{"success":true,.-"y_Pred":%[([^%]]*)%]'


def _code(name: str, model: str, language: str = "Python") -> Target:
    return Target(
        name=name,
        kind=Kind.OURS,
        server=SERVER,
        model=model,
        path=f"/api/{name}/{VERSION}",
        pattern=_OUTPUT,
        language=language,
    )


def _realtime(model: str) -> Target:
    return Target(
        name=f"realtime-{model}",
        kind=Kind.OURS,
        server=SERVER,
        model=model,
        path=f"/api/realtime-{model}/{VERSION}",
        pattern=_REALTIME_OUTPUT,
        tolerance=_SINGLE,
    )


REALTIME = [_realtime(LINEAR), _realtime(FOREST)]
PYTHON = [_code("python-linear", LINEAR), _code("python-forest", FOREST)]
R = [_code("r-linear", LINEAR, "R"), _code("r-merged", LINEAR, "R")]
MERGED = [_code("python-merged", LINEAR), R[1]]
TARGETS = [*REALTIME, *PYTHON, MERGED[0], *R]


class OneBox:
    """A box of its own with a service for each target; `environment` are further settings."""

    name = SERVER
    targets = TARGETS

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment or {}

    def start(self, directory: Path, workload: Workload, chosen: Sequence[Target]) -> Running:
        """The box with its services; one that cannot be published is named and left out."""
        password = f"Aa1-{secrets.token_urlsafe(12)}"
        port = free_port()
        server = Server(
            name=SERVER,
            command=[sys.executable, "manage.py", "onebox"],
            directory=ROOT,
            log=directory / "log",
            environment={
                "MLOPS_DATA_DIR": str(directory / "data"),
                "MLOPS_PORT": str(port),
                "MLOPS_COMPUTE_PORT": str(free_port()),
                "MLOPS_ADMIN_PASSWORD": password,
                **self._environment,
            },
        )
        server.start()
        with server.stopped_on_failure():
            server.wait_until(lambda: "ready: http" in server.output())
            usage.settle(server.pid)
            idle_bytes, _ = usage.held(server.pid)
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=120) as http:
                credentials = {"username": "admin", "password": password}
                token = _need(http.post("/login", json=credentials))["access_token"]
                authorization = {"Authorization": f"Bearer {token}"}
                http.headers.update(authorization)
                for target in chosen:
                    publish = _publish_realtime if target in REALTIME else _publish_code
                    try:
                        publish(http, target, workload, server)
                    except StartError as error:
                        sys.stderr.write(f"{error}\n")
        note = f"The box by itself, at rest, with its demo services: {idle_bytes / 1024**2:.0f} MB."
        return Running(server=server, url=url, headers=authorization, note=note)


def _publish_realtime(
    http: httpx.Client, target: Target, workload: Workload, server: Server
) -> None:
    model = workload.file(f"{target.model}.onnx").read_bytes()
    address = f"/realtime-services/{target.name}/{VERSION}"
    _need(http.post(address, files={"model": ("model", model)}))


def _publish_code(http: httpx.Client, target: Target, workload: Workload, server: Server) -> None:
    publish_folder(target.name, target, workload, server)
    sizes = {"InitialPoolSize": SHELLS, "MaxPoolSize": SHELLS}
    _need(http.post(f"/services/{target.name}/{VERSION}/pool", json=sizes))


def publish_folder(name: str, target: Target, workload: Workload, server: Server) -> None:
    """Publish what `target` is as a service of this name, without a pool of its own."""
    is_r = target in R
    model = workload.file(f"{target.model}.{'rds' if is_r else 'pkl'}")
    folder = server.log.parent / name
    folder.mkdir()
    shutil.copy(model, folder)
    (folder / "score").write_text(f"{_R if is_r else _PYTHON}# {name}\n")
    service = {
        "name": name,
        "version": VERSION,
        "runtime": "R" if is_r else "Python",
        "code": "score",
        **({"row_independent": True} if target in MERGED else {}),
        "inputs": {"inputData": "data.frame"},
        "outputs": {"prediction": "vector"},
        "models": {"model": model.name},
    }
    (folder / "service.toml").write_text(_toml(service))
    done = subprocess.run(
        [sys.executable, "manage.py", "publish", str(folder)],
        cwd=ROOT,
        env=environment(**server.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StartError(f"{name} cannot be published: {done.stderr.strip()}")


def _toml(values: Mapping[str, Any]) -> str:
    """TOML of texts, truth values and, at the end, tables of texts."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"[{name}]", *(f"{key} = {json.dumps(text)}" for key, text in value.items())]
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join([*lines, ""])


def _need(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise StartError(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
    return answer.json()
