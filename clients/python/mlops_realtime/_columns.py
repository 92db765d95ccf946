"""The columns that a model takes, as a sample shows them, and their values as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMERIC, LOGICAL, CHARACTER = "numeric", "logical", "character"


@dataclass(frozen=True)
class Column:
    """A column: its name, its type on the wire, whether it holds whole numbers only."""

    name: str
    type: str
    is_whole: bool = False


def columns_of(sample: Any) -> list[Column]:
    """The columns of a data frame; TypeError or ValueError names what cannot be one."""
    if not hasattr(sample, "columns") or not hasattr(sample, "dtypes"):
        raise TypeError(
            "sample must be a pandas data frame with some rows of the model's input columns, not "
            f"{type(sample).__name__}."
        )
    if not len(sample):
        raise ValueError("sample must have at least one row: the conversion is tested on it.")
    names = list(sample.columns)
    if len(set(names)) < len(names):
        raise ValueError("sample has two columns of the same name.")
    return [_column(name, sample[name]) for name in names]


def _column(name: Any, values: Any) -> Column:
    if not isinstance(name, str):
        raise TypeError(f"The columns of sample must be named by strings, not by {name!r}.")
    kind = getattr(values.dtype, "kind", "O")
    if kind == "b":
        return Column(name, LOGICAL)
    if kind in "iu":
        return Column(name, NUMERIC, is_whole=True)
    if kind == "f":
        return Column(name, NUMERIC)
    present = {type(value) for value in values.dropna()}
    if kind in "OTU" and present and present <= {str, np.str_}:
        return Column(name, CHARACTER)
    raise TypeError(
        f"Column {name!r} of sample is of type {values.dtype}; a realtime model takes numbers, "
        "strings and logical values. Convert it before you fit the model."
    )


def tensors_of(
    sample: Any, columns: Sequence[Column], inputs: Sequence[tuple[str, str, bool]]
) -> dict[str, Any]:
    """The sample as the server hands it to the model.

    `inputs` are the model's: name, ONNX type, whether it takes all columns as one matrix.
    """
    arrays = {column.name: _array(sample[column.name], column) for column in columns}
    tensors: dict[str, Any] = {}
    for name, kind, is_matrix in inputs:
        parts = list(arrays.values()) if is_matrix else [arrays[name]]
        tensors[name] = np.stack(parts, axis=1).astype(_DTYPES[kind])
    return tensors


def _array(values: Any, column: Column) -> Any:
    if column.type == CHARACTER:
        missing = values.isna()
        texts = ["" if gone else text for text, gone in zip(values, missing, strict=True)]
        return np.array(texts, dtype=object)
    return values.to_numpy(dtype=bool if column.type == LOGICAL else np.float64)


_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(string)": object,
}
