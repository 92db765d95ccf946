"""Small ONNX models, put together by hand."""

import json
from collections.abc import Sequence
from typing import Any

from onnx import TensorProto, helper

FLOAT, DOUBLE, INT64, BOOL, STRING = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.BOOL,
    TensorProto.STRING,
)

Value = tuple[str, int, Sequence[Any] | None]


def model(
    nodes: Sequence[Any],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    *,
    constants: Sequence[Any] = (),
    domains: Sequence[str] = (),
    said: dict[str, Any] | None = None,
) -> bytes:
    """A serialized model; `said` is its metadata, as JSON where it is no text."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        list(constants),
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    opsets += [helper.make_opsetid(domain, 1) for domain in domains]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    helper.set_model_props(
        made,
        {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in (said or {}).items()
        },
    )
    return bytes(made.SerializeToString())


def adding(constant: float = 1.0, said: dict[str, Any] | None = None) -> bytes:
    """One column `x`; `y` is x and the constant."""
    return model(
        [helper.make_node("Add", ["x", "c"], ["y"])],
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
        constants=[helper.make_tensor("c", FLOAT, [1], [constant])],
        said=said,
    )


def echoing(**columns: int) -> bytes:
    """One column of each given type, and outputs `<column>_out` with the same values."""
    return model(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in columns],
        [(name, kind, [None, 1]) for name, kind in columns.items()],
        [(f"{name}_out", kind, [None, 1]) for name, kind in columns.items()],
    )


def doubling_matrix(
    width: int = 3, *, n_rows: int | None = None, kind: int = FLOAT, **said: Any
) -> bytes:
    """A matrix `m` of `width` columns; `twice` is two times it."""
    return model(
        [helper.make_node("Add", ["m", "m"], ["twice"])],
        [("m", kind, [n_rows, width])],
        [("twice", kind, [n_rows, width])],
        said={f"mlops.{key}": value for key, value in said.items()},
    )


def endless() -> bytes:
    """One column `x`, a loop that ends only when it is negative."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Mul", ["s", "s"], ["t"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("s", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", BOOL, []),
            helper.make_tensor_value_info("t", FLOAT, None),
        ],
    )
    return model(
        [
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Greater", ["most", "zero"], ["go"]),
            helper.make_node("Loop", ["", "go", "x"], ["y"], body=body),
        ],
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
        constants=[helper.make_tensor("zero", FLOAT, [], [0.0])],
    )


def centring() -> bytes:
    """One column `x`; `y` is what it is above the mean of all rows."""
    return model(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
    )


def reading_file(location: str) -> bytes:
    """A model whose constant is in another file."""
    constant = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[16])
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value=location)
    return model(
        [
            helper.make_node("Cast", ["w"], ["c"], to=FLOAT),
            helper.make_node("Add", ["x", "c"], ["y"]),
        ],
        [("x", FLOAT, [None, 16])],
        [("y", FLOAT, [None, 16])],
        constants=[constant],
    )


def contained(payload: bytes) -> bytes:
    """The container of an ONNX model."""
    return b"blobONNX" + payload
