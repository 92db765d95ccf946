"""Whether a model stands for itself: no data in other files, no operators from elsewhere.

Parses bytes that nobody has looked at yet, so only the process of the check uses it (check.py).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError, Message

from .errors import ModelRefused

# Those that ONNX Runtime itself brings.
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
_READS_FILES = {"EPContext"}


def require_self_contained(path: Path) -> None:
    """Nothing; `ModelRefused` when the file is no ONNX model or needs anything beside it."""
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise ModelRefused(f"What comes after blobONNX is no ONNX model: {error}.") from None
    if not model.HasField("graph"):
        raise ModelRefused("What comes after blobONNX is no ONNX model: it has no graph.")
    domains = _DOMAINS | {function.domain for function in model.functions}
    for message in _all_below(model):
        if isinstance(message, onnx.TensorProto):
            _check_tensor(message)
        elif isinstance(message, onnx.NodeProto):
            _check_node(message, domains)


def _check_tensor(tensor: Any) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data):
        raise ModelRefused(
            f"The model keeps its tensor {tensor.name[:100]!r} in another file. Save it in one "
            "piece: onnx.save_model(model, path, save_as_external_data=False)."
        )


def _check_node(node: Any, domains: set[str]) -> None:
    if node.domain not in domains or node.op_type in _READS_FILES:
        raise ModelRefused(
            f"The model uses the operator {node.op_type[:100]!r} of {node.domain[:100] or 'ONNX'!r}"
            ", which is not served here: only those of ONNX and ONNX Runtime are, without "
            "extensions that are loaded from files. Convert the model without it."
        )


def _all_below(root: Message) -> Iterable[Message]:
    """The message and all that are nested in it."""
    waiting = [root]
    while waiting:
        message = waiting.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            if isinstance(value, Message):
                waiting.append(value)
            else:
                waiting.extend(value)
