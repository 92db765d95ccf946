"""What was found out about a file: a definition that could be published, and what to say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from services.schema import REALTIME, Definition, Parameter
from services.staged import StagedFile


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data frame: numeric, integer, logical or character; "" when it is not known.

    `values` are those that the model knows, where it was fitted on categories.
    """

    name: str
    type: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A definition inferred from a file, the files that it needs, and how to call it.

    `example` is a whole body of a call. `row_independence_reason` says why calls may be merged, or
    why not. `missing` are packages that the compute nodes lack. Without `code` the file was not
    understood far enough, and the warnings say what is left to write.
    """

    kind: str  # onnx, sklearn, python, mlflow, r, table or code
    title: str
    runtime_type: str
    inputs: Sequence[Parameter] = ()
    outputs: Sequence[Parameter] = ()
    columns: Sequence[Column] = ()
    output_columns: Sequence[Column] = ()
    init_code: str = ""
    code: str = ""
    files: Sequence[StagedFile] = ()
    row_independent: bool = False
    row_independence_reason: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    warnings: Sequence[str] = ()
    missing: Sequence[str] = ()

    @property
    def definition(self) -> Definition:
        """As publishing and `test_run` take it, together with `files`."""
        return Definition(
            code=self.code or None,
            init_code=self.init_code or None,
            description=self.description,
            inputs=list(self.inputs),
            outputs=list(self.outputs),
            runtime_type=self.runtime_type,
            row_independent=self.row_independent,
            example=self.example,
        )

    def as_json(self) -> dict[str, Any]:
        """In plain JSON, for a job's result or a draft."""
        return {**asdict(self), "is_realtime": self.runtime_type == REALTIME}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Proposal":
        """What `as_json` has made."""
        said = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        for name in ("inputs", "outputs"):
            said[name] = [Parameter(**each) for each in said.get(name, [])]
        for name in ("columns", "output_columns"):
            said[name] = [
                Column(each["name"], each.get("type", ""), tuple(each.get("values", ())))
                for each in said.get(name, [])
            ]
        said["files"] = [StagedFile.of(each) for each in said.get("files", [])]
        return cls(**said)


def definition_from(data: Mapping[str, Any]) -> Definition:
    """The definition in plain JSON, as drafts keep it."""

    def parameters(name: str) -> list[Parameter]:
        return [Parameter(str(each["name"]), str(each["type"])) for each in data.get(name) or []]

    return Definition(
        code=data.get("code") or None,
        init_code=data.get("init_code") or None,
        description=data.get("description") or None,
        operation_id=data.get("operation_id") or None,
        inputs=parameters("inputs"),
        outputs=parameters("outputs"),
        runtime_type=data.get("runtime_type"),
        output_files=list(data.get("output_files") or []),
        row_independent=bool(data.get("row_independent")),
        example=data.get("example") or None,
    )
