"""The peers: what each is told to serve, and how it is called. All have two workers."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import environments
from tests.benchmarks.servers import Server, StartError, answers, environment
from tests.benchmarks.target import Kind, Running, Target
from tests.benchmarks.workload import FEATURES, FOREST, LINEAR, Rows, Workload, compact
from tests.ports import free_port

PROGRAMS = Path(__file__).parent / "programs"
_LIST = r"^%[([^%]]*)%]"
_PREDICTION = r'"prediction":%[([^%]]*)%]'


@dataclass(frozen=True)
class Place:
    """Where a peer is to live: its port, its models, and a folder of its own."""

    port: int
    workload: Workload
    directory: Path

    @property
    def models(self) -> dict[str, str]:
        return {"BENCH_MODELS": str(self.workload.directory)}


@dataclass(frozen=True)
class Peer:
    """A server of somebody else; `serve` prepares its files and says how it is started."""

    name: str
    serve: Callable[[Place], Server]
    targets: list[Target]

    def start(self, directory: Path, workload: Workload, chosen: Sequence[Target]) -> Running:
        """It, answering."""
        place = Place(free_port(), workload, directory)
        server = self.serve(place)
        server.start()
        url = f"http://127.0.0.1:{place.port}"
        with server.stopped_on_failure():
            server.wait_until(lambda: answers(url))
        return Running(server=server, url=url)


def tensor_body(rows: Rows) -> str:
    """A request of the Open Inference Protocol, all columns in one tensor."""
    tensor = {
        "name": "x",
        "shape": list(rows.shape),
        "datatype": "FP64",
        "data": rows.ravel().tolist(),
    }
    return compact({"inputs": [tensor]})


def split_body(rows: Rows) -> str:
    """A request of MLflow's scoring server."""
    return compact({"dataframe_split": {"columns": FEATURES, "data": rows.tolist()}})


def _server(place: Place, name: str, *command: str, folder: Path = PROGRAMS) -> Server:
    program = environments.prepare(name) / command[0]
    return Server(
        name=name,
        command=[str(program), *command[1:]],
        directory=folder,
        log=place.directory / "log",
        environment={
            **place.models,
            "PATH": f"{program.parent}:/usr/bin:/bin",  # some start their workers by name
            "BENTOML_HOME": str(place.directory),
            "BENTOML_DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
    )


def _target(name: str, model: str, path: str, pattern: str, **more: object) -> Target:
    return Target(
        name=name,
        kind=Kind.PEER,
        model=model,
        path=path,
        pattern=pattern,
        **{"server": name, **more},  # type: ignore[arg-type]
    )


def _fastapi(place: Place) -> Server:
    options = ["--workers", "2", "--no-access-log", "--log-level", "warning"]
    port = ["--port", str(place.port)]
    return _server(place, "fastapi", "uvicorn", "fastapi_app:app", *options, *port)


def _mlserver(place: Place) -> Server:
    settings = {
        "host": "127.0.0.1",
        "http_port": place.port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,  # on two cores one process is faster than one that asks another
        "debug": False,
    }
    (place.directory / "settings.json").write_text(json.dumps(settings))
    batching = {"max_batch_size": 64, "max_batch_time": 0.002}
    for name, model, more in (
        (LINEAR, LINEAR, {}),
        (FOREST, FOREST, {}),
        ("batched", LINEAR, batching),
    ):
        folder = place.directory / name
        folder.mkdir()
        # Its runtime goes by the suffix: a pickle file is one that joblib reads.
        (folder / "model.joblib").write_bytes(place.workload.file(f"{model}.pkl").read_bytes())
        said = {
            "name": name,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib"},
            **more,
        }
        (folder / "model-settings.json").write_text(json.dumps(said))
    return _server(place, "mlserver", "mlserver", "start", ".", folder=place.directory)


def _bentoml(place: Place) -> Server:
    options = ["--host", "127.0.0.1", "--port", str(place.port)]
    return _server(place, "bentoml", "bentoml", "serve", "bentoml_service:Models", *options)


def _mlflow(model: str) -> Callable[[Place], Server]:
    def serve(place: Place) -> Server:
        folder = place.directory / "model"
        pickle = place.workload.file(f"{model}.pkl")
        done = subprocess.run(
            [environments.prepare("mlflow") / "python", "mlflow_model.py", pickle, folder],
            cwd=PROGRAMS,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StartError(f"MLflow does not take the model:\n{done.stderr[-2000:]}")
        options = ["--env-manager", "local", "--workers", "2", "--port", str(place.port)]
        command = ["mlflow", "models", "serve", "--model-uri", str(folder), *options]
        return _server(place, "mlflow", *command)

    return serve


def _litserve(model: str) -> Callable[[Place], Server]:
    def serve(place: Place) -> Server:
        return _server(place, "litserve", "python", "litserve_app.py", str(place.port), model)

    return serve


def _plumber(place: Place) -> Server:
    return Server(
        name="plumber",
        command=[
            *("Rscript", "--vanilla", "plumber.R"),
            *(str(place.port), str(place.workload.file("linear.rds"))),
        ],
        directory=PROGRAMS,
        log=place.directory / "log",
    )


def _tensor_target(name: str, model: str, served_as: str) -> Target:
    return _target(
        name,
        model,
        f"/v2/models/{served_as}/infer",
        r'"outputs":.*"data":%[([^%]]*)%]',
        server="mlserver",
        write=tensor_body,
    )


PEERS = [
    Peer(
        "mlserver",
        _mlserver,
        [
            _tensor_target("mlserver-linear", LINEAR, LINEAR),
            _tensor_target("mlserver-forest", FOREST, FOREST),
            _tensor_target("mlserver-batched", LINEAR, "batched"),
        ],
    ),
    Peer(
        "fastapi",
        _fastapi,
        [
            _target(f"fastapi-{model}", model, f"/{model}", _PREDICTION, server="fastapi")
            for model in (LINEAR, FOREST)
        ],
    ),
    Peer(
        "bentoml",
        _bentoml,
        [
            _target(f"bentoml-{model}", model, f"/{model}", _LIST, server="bentoml")
            for model in (LINEAR, FOREST)
        ],
    ),
    *(
        Peer(
            f"mlflow-{model}",
            _mlflow(model),
            [
                _target(
                    f"mlflow-{model}",
                    model,
                    "/invocations",
                    r'"predictions": ?%[([^%]]*)%]',
                    write=split_body,
                )
            ],
        )
        for model in (LINEAR, FOREST)
    ),
    *(
        Peer(
            f"litserve-{model}",
            _litserve(model),
            [_target(f"litserve-{model}", model, "/predict", _PREDICTION)],
        )
        for model in (LINEAR, FOREST)
    ),
    Peer("plumber", _plumber, [_target("plumber", LINEAR, "/linear", _LIST, language="R")]),
]
