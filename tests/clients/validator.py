"""What the original's node validator does with a server, step by step, on each of its web nodes.

    MLOPS_PASSWORD=... python -m tests.clients.validator admin http://host:12800 [http://other:12800]

Exits with 0 when every step went well, else with 1 and says which one did not. What it makes, it
removes, also when a step fails. A compute node with R and a role that may publish are needed.
"""

import contextlib
import getpass
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from onnx import helper

from tests.nodes.runtime.realtime.models import FLOAT, contained, model

TIMEOUT_SECONDS = 300
FIT = "carsModel <- glm(am ~ hp + wt, data = mtcars, family = binomial)"
CODE = """answer <- (function (hp, wt) {
    newdata <- data.frame(hp = hp, wt = wt)
    predict(carsModel, newdata, type = "response")
})(hp, wt)"""
CAR = {"hp": 120, "wt": 2.8}
PROBABILITY = 0.641812508  # that this car has a manual transmission, as R itself says
SCORE = {"inputData": {"hp": [120.0, 66.0], "wt": [2.5, 2.0]}}
SUMS = [122.5, 68.0]

Say = Callable[[str], Any]


class StepFailed(Exception):  # noqa: N818 - named for what happened
    """The server did not do what this step wants."""


def validate(urls: list[str], username: str, password: str, say: Say) -> None:
    """Take every web node through the whole flow, then hold their statuses against each other."""
    statuses = []
    for url in urls:
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as http:
            server = _Server(http, say)
            server.log_in(username, password)
            server.require_health()
            server.run_everything()
            statuses += [_comparable(server.status()), _comparable(server.status())]
    say("compare the statuses")
    _require(all(status == statuses[0] for status in statuses), f"they differ: {statuses}")


def _comparable(status: Any) -> Any:
    """It without the web node's own certificate."""
    own = ("certificateSubject", "certificateExpires")
    details = {name: value for name, value in status["details"].items() if name not in own}
    return {**status, "details": details}


class _Server:
    """One web node; each method is a step or some of them."""

    def __init__(self, http: httpx.Client, say: Say) -> None:
        self._http = http
        self._say = say

    def log_in(self, username: str, password: str) -> None:
        self._say(f"log in to {self._http.base_url}")
        credentials = {"username": username, "password": password}
        token = self._ask("POST", "/login", 200, json=credentials)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def status(self) -> Any:
        return self._ask("GET", "/status", 200)

    def require_health(self) -> None:
        self._say("look at the status")
        status = self.status()
        _require(status["statusCode"] == "pass", f"it is {status}")

    def run_everything(self) -> None:
        with self._session() as session, self._snapshot(session) as (snapshot_id, forget_snapshot):
            definition = {
                "code": CODE,
                "snapshotId": snapshot_id,
                "operationId": "manualTransmission",
                "inputParameterDefinitions": [
                    {"name": "hp", "type": "numeric"},
                    {"name": "wt", "type": "numeric"},
                ],
                "outputParameterDefinitions": [{"name": "answer", "type": "numeric"}],
            }
            with self._published("services", json=definition) as service:
                self._check_swagger(service, "manualTransmission")
                self._check_probability(service)
                container = self._model_file(session)
                parts = {"model": ("model", container, "application/octet-stream")}
                told = {"operationId": "sum"}
                with self._published("realtime-services", files=parts, data=told) as realtime:
                    self._check_swagger(realtime, "sum")
                    self._say("consume the realtime service")
                    outputs = self._outputs(realtime, SCORE)
                    _require(outputs["outputData"] == {"sum": SUMS}, f"it answered {outputs}")
                    forget_snapshot()
                    self._check_probability(service)

    @contextlib.contextmanager
    def _session(self) -> Iterator[str]:
        self._say("open a session and fit a model in it")
        session = f"/sessions/{self._ask('POST', '/sessions', 201, json={})['sessionId']}"
        try:
            self._execute(session, FIT)
            yield session
        finally:
            self._say("close the session")
            self._ask("DELETE", session, 200)

    @contextlib.contextmanager
    def _snapshot(self, session: str) -> Iterator[tuple[str, Callable[[], None]]]:
        """The snapshot's id, and what deletes it before its time."""
        self._say("save a snapshot")
        name = {"name": f"validator-{uuid.uuid4()}"}
        snapshot_id = self._ask("POST", f"{session}/snapshot", 201, json=name)["snapshotId"]

        def forget() -> None:
            self._say("delete the snapshot")
            self._ask("DELETE", f"/snapshots/{snapshot_id}", 200)
            cleaning.pop_all()

        with contextlib.ExitStack() as cleaning:
            cleaning.callback(self._ask, "DELETE", f"/snapshots/{snapshot_id}", 200)
            yield snapshot_id, forget

    @contextlib.contextmanager
    def _published(self, kind: str, **sent: Any) -> Iterator[str]:
        """The service's name and version, as paths have them."""
        self._say(f"publish to /{kind}")
        service = f"validator-{uuid.uuid4()}/1.0.0"
        version = self._ask("POST", f"/{kind}/{service}", 201, **sent)
        _require(version == "1.0.0", f"it answered {version}")
        try:
            yield service
        finally:
            self._say("delete it")
            self._ask("DELETE", f"/services/{service}", 200)

    def _check_swagger(self, service: str, alias: str) -> None:
        self._say("fetch its swagger.json")
        paths = self._ask("GET", f"/api/{service}/swagger.json", 200)["paths"]
        operation = paths.get(f"/api/{service}", {}).get("post", {})
        _require(operation.get("operationId") == alias, f"it says {paths}")

    def _check_probability(self, service: str) -> None:
        self._say("consume the R service")
        outputs = self._outputs(service, CAR)
        _require(abs(outputs["answer"] - PROBABILITY) < 1e-6, f"it answered {outputs}")

    def _model_file(self, session: str) -> bytes:
        """A realtime model written by code in the session, and fetched from there."""
        self._say("write a model file in the session and download it")
        container = contained(
            model(
                [helper.make_node("Add", ["hp", "wt"], ["sum"])],
                [("hp", FLOAT, [None, 1]), ("wt", FLOAT, [None, 1])],
                [("sum", FLOAT, [None, 1])],
            )
        )
        numbers = ", ".join(str(byte) for byte in container)
        done = self._execute(session, f'writeBin(as.raw(c({numbers})), "model.blob")')
        _require("model.blob" in done["changedFiles"], f"it changed {done['changedFiles']}")
        fetched = self._request("GET", f"{session}/files/model.blob", 200).content
        _require(fetched == container, "another file came back")
        return fetched

    def _execute(self, session: str, code: str) -> Any:
        done = self._ask("POST", f"{session}/execute", 200, json={"code": code})
        _require(done["success"] is True and done["errorMessage"] == "", f"it answered {done}")
        return done

    def _outputs(self, service: str, inputs: Any) -> Any:
        result = self._ask("POST", f"/api/{service}", 200, json=inputs)
        _require(result["success"] is True and result["errorMessage"] == "", f"{result}")
        return result["outputParameters"]

    def _ask(self, method: str, path: str, status: int, **sent: Any) -> Any:
        """The decoded answer, None without one."""
        response = self._request(method, path, status, **sent)
        return response.json() if response.content else None

    def _request(self, method: str, path: str, status: int, **sent: Any) -> httpx.Response:
        response = self._http.request(method, path, **sent)
        _require(
            response.status_code == status,
            f"{method} {path} answered {response.status_code}, not {status}: {response.text[:500]}",
        )
        return response


def _require(is_right: bool, otherwise: str) -> None:
    if not is_right:
        raise StepFailed(otherwise)


def main(arguments: list[str]) -> int:
    """The exit status."""
    if len(arguments) < 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    username, *urls = arguments
    password = os.environ.get("MLOPS_PASSWORD") or getpass.getpass()
    try:
        validate(urls, username, password, lambda step: sys.stdout.write(f"{step}\n"))
    except (StepFailed, httpx.HTTPError) as failure:
        sys.stderr.write(f"Failed: {failure}\n")
        return 1
    sys.stdout.write("All is well.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
