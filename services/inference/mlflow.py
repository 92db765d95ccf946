"""An MLflow model: a folder with a file MLmodel, as an archive or as its single files."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from mlops.errors import InvalidRequest
from services.inference import onnx_model, python_model
from services.inference.looking import Looker, is_installed
from services.inference.proposal import Column, Proposal
from services.models import Upload
from services.payloads import Sources
from services.schema import Parameter
from services.staged import StagedFile

MARK = "MLmodel"

_MARK_BYTES = 1024**2
_EXAMPLE_BYTES = 1024**2
_TYPES = {
    "boolean": "logical",
    "integer": "integer",
    "long": "integer",
    "float": "numeric",
    "double": "numeric",
    "string": "character",
    "datetime": "character",
    "binary": "character",
}
_BLANKS: dict[str, Any] = {"logical": False, "integer": 0, "numeric": 0.0}
_INPUT = Parameter("inputData", "data.frame")
_OUTPUT = Parameter("outputData", "data.frame")
_FOLDER = "model"


def propose_archive(upload: Upload, *, by: Looker) -> Proposal:
    """What can be published of a zip or tar.gz of the folder; see `proposing.propose`."""
    with Sources(by.user) as sources:
        members = sources.members(str(upload.pk))
        files = {member: StagedFile(member, str(upload.pk), member) for member in members}
        return _propose(files, sources, upload.name, by)


def propose_files(chosen: Sequence[Upload], *, by: Looker) -> Proposal:
    """The same of the folder's files, whose names have their paths."""
    with Sources(by.user) as sources:
        files = {each.name: StagedFile(each.name, str(each.pk)) for each in chosen}
        return _propose(files, sources, "The folder", by)


def _propose(files: Mapping[str, StagedFile], sources: Sources, shown: str, by: Looker) -> Proposal:
    folder = _Folder(files, sources, shown)
    flavors = folder.said.get("flavors")
    if not isinstance(flavors, dict):
        raise InvalidRequest(f"{shown}: its {MARK} names no flavors.", fields="files")
    if "sklearn" in flavors:
        path = str(flavors["sklearn"].get("pickled_model", "model.pkl"))
        proposal = python_model.propose(folder.file(path), by=by, kind="mlflow")
    elif "onnx" in flavors:
        path = str(flavors["onnx"].get("data", "model.onnx"))
        proposal = onnx_model.propose(folder.file(path), user=by.user, kind="mlflow")
    elif "python_function" in flavors:
        proposal = _of_python_function(folder, flavors["python_function"], by)
    else:
        raise InvalidRequest(
            f"{shown} has the flavors {', '.join(map(str, flavors))}; those that can be published "
            "are sklearn, onnx and python_function.",
            fields="files",
        )
    return _with_signature(proposal, folder)


class _Folder:
    """The files of the model, by paths below the folder of its MLmodel."""

    def __init__(self, files: Mapping[str, StagedFile], sources: Sources, shown: str) -> None:
        marks = sorted(
            (path for path in files if path.rpartition("/")[2] == MARK),
            key=lambda path: path.count("/"),
        )
        if not marks:
            raise InvalidRequest(
                f"{shown} holds no file {MARK}, so it is no MLflow model. Choose the folder that "
                "mlflow's save_model or log_model has written, as a whole.",
                fields="files",
            )
        root = marks[0][: -len(MARK)]
        self.paths = {
            path.removeprefix(root): file for path, file in files.items() if path.startswith(root)
        }
        self._sources = sources
        self._shown = shown
        try:
            self.said = yaml.safe_load(self.read(MARK, _MARK_BYTES))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"{shown}: its {MARK} is not what MLflow writes: {str(error)[:300]}", fields="files"
            ) from None
        if not isinstance(self.said, dict):
            raise InvalidRequest(f"{shown}: its {MARK} is not what MLflow writes.", fields="files")

    def file(self, path: str) -> StagedFile:
        """The one at the path, to lie beside the code under its last name."""
        found = self.paths.get(path)
        if found is None:
            raise InvalidRequest(
                f"{self._shown}: its {MARK} names {path}, which is not in the folder.",
                fields="files",
            )
        return dataclasses.replace(found, name=path.rpartition("/")[2])

    def all_files(self) -> list[StagedFile]:
        """All of them, to lie in the folder `model` beside the code."""
        return [
            dataclasses.replace(file, name=f"{_FOLDER}/{path}")
            for path, file in sorted(self.paths.items())
        ]

    def read(self, path: str, max_bytes: int) -> str:
        """The text of a file; raises InvalidRequest for more than `max_bytes`."""
        text = b""
        for chunk in self._sources.chunks(self.paths[path]):
            text += chunk
            if len(text) > max_bytes:
                raise InvalidRequest(f"{self._shown}: {path} is too large.", fields="files")
        return text.decode()


def _of_python_function(folder: _Folder, said: Any, by: Looker) -> Proposal:
    loader = str(said.get("loader_module", "")) if isinstance(said, dict) else ""
    warnings, missing = [], []
    if not is_installed("mlflow", by=by):
        missing = ["mlflow"]
        warnings.append(
            f"This model is run by MLflow itself ({loader or 'python_function'}), and the compute "
            "nodes do not have the Python package mlflow. Ask an administrator to install it there "
            "(pip install mlflow), or save the model with a flavor that needs no MLflow: sklearn "
            "or onnx."
        )
    return Proposal(
        kind="mlflow",
        title=f"MLflow model ({loader or 'python_function'})",
        runtime_type="Python",
        inputs=[_INPUT],
        outputs=[_OUTPUT],
        init_code=(
            "import mlflow.pyfunc\n"
            "import pandas as pd\n\n"
            f'model = mlflow.pyfunc.load_model("{_FOLDER}")\n'
        ),
        code=(
            "predicted = model.predict(inputData)\n"
            "if not isinstance(predicted, (dict, pd.DataFrame)):\n"
            '    predicted = {"prediction": list(predicted)}\n'
            "outputData = pd.DataFrame(predicted)\n"
        ),
        files=folder.all_files(),
        row_independence_reason="Not known to predict each row by itself: turn it on if you know "
        "it does.",
        description="MLflow model.",
        warnings=warnings,
        missing=missing,
    )


def _with_signature(proposal: Proposal, folder: _Folder) -> Proposal:
    """The proposal with the types of the model's signature, and the example that it brings."""
    columns = _columns_in(folder.said.get("signature"))
    if not columns:
        return proposal
    known = {each.name: each for each in proposal.columns}
    columns = [
        dataclasses.replace(each, values=known[each.name].values if each.name in known else ())
        for each in columns
    ]
    given = proposal.example.get("inputData", {})
    example = {each.name: given.get(each.name) or [_BLANKS.get(each.type, "")] for each in columns}
    example.update(_quietly(lambda: _example_in(folder, set(example))))
    return dataclasses.replace(proposal, columns=columns, example={"inputData": example})


def _columns_in(signature: Any) -> list[Column]:
    """The named columns of the inputs; none for tensors and for what is not understood."""
    if not isinstance(signature, dict):
        return []
    try:
        inputs = json.loads(signature["inputs"])
        columns = [Column(str(each["name"]), _TYPES.get(each["type"], "")) for each in inputs]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return columns


def _example_in(folder: _Folder, names: set[str]) -> dict[str, Any]:
    """The first row of the input example, as columns of one value."""
    path = folder.said["saved_input_example_info"]["artifact_path"]
    data = json.loads(folder.read(path, _EXAMPLE_BYTES))
    if "columns" in data:  # split
        found = dict(zip(data["columns"], data["data"][0], strict=True))
    elif isinstance(data, dict) and "dataframe_split" in data:
        split = data["dataframe_split"]
        found = dict(zip(split["columns"], split["data"][0], strict=True))
    else:
        return {}
    return {name: [value] for name, value in found.items() if name in names}


def _quietly(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is read, or nothing: an example is a convenience."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, IndexError, RecursionError, InvalidRequest):
        return {}
