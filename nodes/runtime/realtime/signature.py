"""What a loaded model takes and gives, in terms of the columns of data frames.

A model's input is one tensor per column, each of shape (n_rows, 1) or (n_rows,), or tensors of
several columns, (n_rows, n_columns). Its metadata may say more than its tensors do:

    mlops.columns   JSON array: the names of the input columns in order, each a text or an object
                    {"name": text, "type": "numeric" | "logical" | "character"}
    mlops.response  name of the predicted column: the first output is then called <name>_Pred
    mlops.classes   JSON array: the names of the classes, in the order of the probabilities
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ModelRefused

_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_OUTPUT_MAPS = ("seq(map(string,tensor(float)))", "seq(map(int64,tensor(float)))")


@dataclass(frozen=True, slots=True)
class InputTensor:
    """One input of the model and the columns that it takes, from `start` up to `stop`."""

    name: str
    dtype: Any
    rank: int
    start: int
    stop: int

    @property
    def width(self) -> int:
        """The number of its columns."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs of a model; `names` are those of the columns, None when only their order counts.

    `logical` are the columns that take true and false although their tensor holds numbers.
    """

    tensors: tuple[InputTensor, ...]
    names: list[str] | None
    width: int
    logical: frozenset[int]
    takes_single_rows: bool
    outputs: tuple[str, ...]
    output_widths: tuple[int, ...]  # as declared, 1 where nothing is; some declare wrongly
    response: str
    classes: list[str]

    @property
    def takes_texts(self) -> bool:
        """Whether any column holds strings."""
        return any(tensor.dtype is np.object_ for tensor in self.tensors)


def read_signature(inputs: Sequence[Any], outputs: Sequence[Any], said: Any) -> Signature:
    """The signature from what the runtime reports; `ModelRefused` when frames do not fit it.

    `inputs` and `outputs` have name, type and shape each, `said` is the model's own metadata.
    """
    if not inputs or not outputs:
        raise ModelRefused("The model must have at least one input and one output.")
    for output in outputs:
        if output.type not in _DTYPES and output.type not in _OUTPUT_MAPS:
            raise ModelRefused(
                f"Output {output.name!r} of the model is of type {output.type}; an output must be "
                "a tensor of numbers, strings or logical values, or a ZipMap of probabilities."
            )
    tensors: list[InputTensor] = []
    single = False
    for each in inputs:
        start = tensors[-1].stop if tensors else 0
        tensor, takes_single_rows = _tensor(each, start)
        tensors.append(tensor)
        single = single or takes_single_rows
    columns = _columns_said(said, tensors[-1].stop)
    names = [name for name, _ in columns] if columns else _names_of(tensors)
    if names is not None and len(set(names)) < len(names):
        raise ModelRefused("The model names one of its input columns twice.")
    return Signature(
        tensors=tuple(tensors),
        names=names,
        width=tensors[-1].stop,
        logical=frozenset(i for i, (_, kind) in enumerate(columns) if kind == "logical"),
        takes_single_rows=single,
        outputs=tuple(output.name for output in outputs),
        output_widths=tuple(_declared_width(output.shape) for output in outputs),
        response=str(said.get("mlops.response", "")),
        classes=[str(name) for name in _json_list(said, "mlops.classes")],
    )


def _declared_width(shape: Sequence[Any]) -> int:
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else 1


def _tensor(reported: Any, start: int) -> tuple[InputTensor, bool]:
    """The input, and whether it takes exactly one row at a time."""
    dtype = _DTYPES.get(reported.type)
    if dtype is None:
        raise ModelRefused(
            f"Input {reported.name!r} of the model is of type {reported.type}; an input must be a "
            "tensor of numbers, strings or logical values."
        )
    shape = list(reported.shape)
    if len(shape) not in (1, 2):
        raise ModelRefused(
            f"Input {reported.name!r} of the model has {len(shape)} dimensions; data frames fit "
            "inputs of the shapes [N], [N, 1] and [N, number of columns]."
        )
    n_rows, width = shape[0], shape[1] if len(shape) == 2 else 1
    if isinstance(n_rows, int) and n_rows != 1:
        raise ModelRefused(
            f"Input {reported.name!r} of the model takes exactly {n_rows} rows at a time; convert "
            "it with a free first dimension, so that it takes any number of rows."
        )
    if not isinstance(width, int) or width < 1:
        raise ModelRefused(
            f"Input {reported.name!r} of the model does not say how many columns it takes; "
            "convert it with a fixed second dimension."
        )
    return InputTensor(reported.name, dtype, len(shape), start, start + width), n_rows == 1


def _names_of(tensors: Sequence[InputTensor]) -> list[str] | None:
    if len(tensors) == 1 and tensors[0].width > 1:
        return None
    names: list[str] = []
    for each in tensors:
        names += (
            [each.name]
            if each.width == 1
            else [f"{each.name}.{index}" for index in range(each.width)]
        )
    return names


def _columns_said(said: Mapping[str, str], width: int) -> list[tuple[str, str]]:
    """Names and types of the columns from the metadata; empty when it says nothing."""
    columns = []
    for each in _json_list(said, "mlops.columns"):
        name = each.get("name") if isinstance(each, dict) else each
        kind = each.get("type", "") if isinstance(each, dict) else ""
        if not isinstance(name, str):
            raise ModelRefused("The model's metadata mlops.columns must be a list of names.")
        columns.append((name, str(kind)))
    if columns and len(columns) != width:
        raise ModelRefused(
            f"The model's metadata mlops.columns names {len(columns)} columns, its inputs take "
            f"{width}."
        )
    return columns


def _json_list(said: Mapping[str, str], key: str) -> list[Any]:
    if key not in said:
        return []
    try:
        value = json.loads(said[key])
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise ModelRefused(f"The model's metadata {key} must be a JSON array.")
    return value
