"""Service folders: a `service.toml` and beside it the code, models and files of one version.

    name = "bos-rf"
    version = "1.0.0"              # left out: a GUID is generated
    runtime = "R"                  # or "Python"
    code = "score.R"               # the file whose source is run for each call
    init = "init.R"                # optional: source run before it
    alias = "predict"              # optional: name of the operation for generated clients
    description = "House prices"   # optional
    files = ["zones.csv"]          # optional: copied to the working directory under the same names
    artifacts = ["plot.png"]       # optional: names of the files that a call returns
    row_independent = true         # optional: calls that wait together may be run as one
    example = "example.json"       # optional: inputs to show to those who call it

    [inputs]                       # optional: names and types, in this order
    inputData = "data.frame"

    [outputs]                      # optional, likewise
    answer = "data.frame"

    [models]                       # optional: variables and the files that hold them
    model = "model.RData"

A realtime version is a model and no code:

    name = "iris"
    version = "1.0.0"
    runtime = "Realtime"
    model = "iris.onnx"            # an ONNX model, with the bytes blobONNX before it or without

and `alias`, `description` and `example` as above, nothing else.

Models of code are read by the compute node, never by the web node. Python ones are pickle or dill
files, R ones .RData or .rds files. What only its own library can read, like joblib's files, belongs
under `files` and is loaded in the init code.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops.errors import InvalidRequest
from services.row_independence import require_rows_of
from services.schema import CODE_RUNTIMES, REALTIME, Definition, Parameter, require_name

FILE_NAME = "service.toml"
MODEL_SUFFIXES = {
    "Python": (".pkl", ".pickle", ".dill"),
    "R": (".rdata", ".rda", ".rds"),
}
_KEYS: dict[str, type[Any]] = {
    "name": str,
    "version": str,
    "runtime": str,
    "code": str,
    "init": str,
    "alias": str,
    "description": str,
    "files": list,
    "artifacts": list,
    "row_independent": bool,
    "example": str,
    "inputs": dict,
    "outputs": dict,
    "models": dict,
    "model": str,
}
_REALTIME_KEYS = {"name", "version", "runtime", "model", "alias", "description", "example"}
_KINDS: dict[type[Any], str] = {
    str: "text",
    list: "a list of texts",
    dict: "a table of texts",
    bool: "true or false",
}
# How the rules of the wire call what the folder calls otherwise.
_KEY_OF_FIELD = {
    "inputParameterDefinitions": "inputs",
    "outputParameterDefinitions": "outputs",
    "outputFileNames": "artifacts",
    "operationId": "alias",
    "initCode": "init",
    "rowIndependent": "row_independent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFolder:
    """What a service folder says.

    `models` are files by variable, `files` by name in the zip; `model` is the one of a realtime
    version, None for others.
    """

    name: str
    version: str | None
    runtime: str
    definition: Definition
    models: Mapping[str, Path]
    files: Mapping[str, Path]
    model: Path | None = None


def read(folder: Path) -> ServiceFolder:
    """The folder's content, checked; raises InvalidRequest that names the file and the key."""
    toml = _Toml(folder)
    runtime = toml.text("runtime")
    if runtime not in (*CODE_RUNTIMES, REALTIME):
        known = ", ".join(CODE_RUNTIMES)
        raise toml.wrong("runtime", f"must be {known} or {REALTIME}, not {runtime!r}")
    is_realtime = runtime == REALTIME
    toml.require_keys_of(runtime, is_realtime)
    definition = Definition(
        description=toml.optional_text("description"),
        operation_id=toml.optional_text("alias"),
        example=toml.example(),
    )
    if not is_realtime:
        definition = replace(
            definition,
            code=toml.source("code"),
            init_code=toml.source("init") if "init" in toml.said else None,
            inputs=toml.parameters("inputs"),
            outputs=toml.parameters("outputs"),
            runtime_type=runtime,
            output_files=toml.texts("artifacts"),
            row_independent=bool(toml.said.get("row_independent")),
        )
    name, version = toml.text("name"), toml.optional_text("version")
    try:
        require_name("name", name)
        if version is not None:
            require_name("version", version)
        definition = definition.checked()
        if definition.row_independent:
            require_rows_of(
                inputs=definition.inputs or [],
                outputs=definition.outputs or [],
                output_files=definition.output_files or [],
            )
    except InvalidRequest as error:
        raise toml.refused(error) from None
    return ServiceFolder(
        name=name,
        version=version,
        runtime=runtime,
        definition=definition,
        models={} if is_realtime else toml.models(MODEL_SUFFIXES[runtime]),
        files={Path(name).as_posix(): toml.file("files", name) for name in toml.texts("files")},
        model=toml.file("model", toml.text("model")) if is_realtime else None,
    )


class _Toml:
    """A parsed `service.toml`; every complaint names it and the key."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._folder = folder
        try:
            self.said: dict[str, Any] = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidRequest(f"{self.path} cannot be read: {error.strerror}.") from None
        except ValueError as error:  # not UTF-8, or not TOML
            raise InvalidRequest(f"{self.path} is not valid TOML: {error}") from None
        for key, value in self.said.items():
            self._require_kind(key, value)

    def _require_kind(self, key: str, value: Any) -> None:
        kind = _KEYS.get(key)
        if kind is None:
            raise self.wrong(key, f"is not known; the keys are {', '.join(_KEYS)}")
        texts = list(value.values()) if isinstance(value, dict) else value
        is_right = isinstance(value, kind) and (
            kind is bool or all(isinstance(text, str) for text in texts)
        )
        if not is_right:
            raise self.wrong(key, f"must be {_KINDS[kind]}")

    def require_keys_of(self, runtime: str, is_realtime: bool) -> None:
        """Nothing; raises InvalidRequest when a key belongs to other runtimes."""
        for key in self.said:
            if (key not in _REALTIME_KEYS) if is_realtime else key == "model":
                raise self.wrong(key, f"is no key of a version that runs on {runtime}")

    def wrong(self, key: str, complaint: str) -> InvalidRequest:
        return InvalidRequest(f"{self.path}: {key} {complaint}.", fields=key)

    def refused(self, error: InvalidRequest) -> InvalidRequest:
        """The same complaint in the words of the file."""
        message, fields = error.message, error.fields
        for field, key in _KEY_OF_FIELD.items():
            message, fields = message.replace(field, key), fields.replace(field, key)
        return InvalidRequest(f"{self.path}: {message}", fields=fields)

    def text(self, key: str) -> str:
        if not self.said.get(key):
            raise self.wrong(key, "is missing")
        return str(self.said[key])

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self.said else None

    def texts(self, key: str) -> list[str]:
        return list(self.said.get(key, []))

    def parameters(self, key: str) -> list[Parameter]:
        return [Parameter(name, kind) for name, kind in self.said.get(key, {}).items()]

    def source(self, key: str) -> str:
        path = self.file(key, self.text(key))
        try:
            return path.read_text(encoding="utf-8")
        except ValueError:
            raise self.wrong(key, f"names {path.name}, which is not UTF-8 text") from None

    def example(self) -> dict[str, Any] | None:
        """The inputs in the file that the key names; None when there is no such key."""
        if "example" not in self.said:
            return None
        path = self.file("example", self.text("example"))
        try:
            inputs = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            inputs = None
        if not isinstance(inputs, dict):
            raise self.wrong("example", f"names {path.name}, which is no JSON object")
        return inputs

    def models(self, suffixes: tuple[str, ...]) -> dict[str, Path]:
        found = {}
        for variable, name in self.said.get("models", {}).items():
            key = f"models.{variable}"
            found[variable] = self.file(key, name)
            if found[variable].suffix.lower() not in suffixes:
                raise self.wrong(
                    key,
                    f"names {name}; a model of this runtime is one of {', '.join(suffixes)}; "
                    "list other files under `files` and load them in the init code",
                )
        return found

    def file(self, key: str, name: str) -> Path:
        """The regular file `name` inside the folder."""
        path = self._folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name:
            raise self.wrong(key, f"must name files inside the folder, not {name!r}")
        try:
            is_file = path.is_file()
        except ValueError:  # a null character
            is_file = False
        if not is_file:
            raise self.wrong(key, f"names {name!r}, which is no file in {self._folder}")
        return path
