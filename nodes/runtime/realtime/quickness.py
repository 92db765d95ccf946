"""Whether calls of a model are over before a thread could have taken them.

Such calls run on the event loop itself, which stands still meanwhile. So this is for models alone
whose time is bounded by the size of what they get: operators of a list, one after the other, with
no loops, branches or functions, that were seen to be quick.
"""

import mmap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ModelFailed

if TYPE_CHECKING:
    from .model import Model

SMALL_BODY_BYTES = 4096  # a few rows

_QUICK_SECONDS = 0.0001
_REHEARSALS = 3
_BOUNDED_NAMES = """
Abs Add And ArgMax ArgMin ArrayFeatureExtractor BatchNormalization Binarizer Cast CastLike
CategoryMapper Ceil Clip Concat Constant Div Dropout Elu Equal Erf Exp FeatureVectorizer Flatten
Floor Gather GatherElements Gelu Gemm Greater GreaterOrEqual HardSigmoid Identity Imputer IsInf
IsNaN LabelEncoder LayerNormalization LeakyRelu Less LessOrEqual LinearClassifier LinearRegressor
Log LogSoftmax MatMul Max Mean Min Mul Neg Normalizer Not OneHotEncoder Or Pow ReduceL1 ReduceL2
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Round
SVMClassifier SVMRegressor Scaler Selu Shape Sigmoid Sign Slice Softmax Softplus Split Sqrt Squeeze
Sub Sum Tanh TopK Transpose TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor Unsqueeze
Where Xor ZipMap
"""
_BOUNDED = frozenset(_BOUNDED_NAMES.split())

# Numbers of fields in onnx.proto.
_GRAPH, _FUNCTIONS = 7, 25  # of ModelProto
_NODE = 1  # of GraphProto
_OPERATOR, _ATTRIBUTE = 4, 5  # of NodeProto
_SUBGRAPHS = (6, 11)  # of AttributeProto
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


def is_quick(model: "Model", path: Path) -> bool:
    """Whether a loaded model, from the file at `path`, is such a one; tries it out."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        is_bounded = operators_in(memoryview(data)) <= _BOUNDED
        return is_bounded and min(_rehearsed(model) for _ in range(_REHEARSALS)) <= _QUICK_SECONDS
    except (ModelFailed, ValueError, IndexError):  # fails on nothing, or is written otherwise
        return False


def operators_in(model: memoryview) -> set[str]:
    """The operators that a serialized model uses; with "" among them when it has graphs within its
    graph, or functions."""
    found = set()
    for number, value in _fields(model):
        if number == _FUNCTIONS:
            found.add("")
        elif number == _GRAPH:
            for part, node in _fields(value):
                if part == _NODE:
                    found.update(_operators_of(node))
    return found


def _operators_of(node: memoryview) -> Iterator[str]:
    for number, value in _fields(node):
        if number == _OPERATOR:
            yield bytes(value).decode(errors="replace")
        elif number == _ATTRIBUTE and any(part in _SUBGRAPHS for part, _ in _fields(value)):
            yield ""


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The number of each field of a protobuf message, and what is in it if that has a length."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        size = 0
        if kind == _VARINT:
            _, place = _varint(message, place)
        elif kind == _BYTES:
            size, place = _varint(message, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"no protobuf: a field of kind {kind}")
        with message[place : place + size] as value:
            yield key >> 3, value
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """The number that begins at `place`, and where it ends."""
    number = shift = 0
    while True:
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, place


def _rehearsed(model: "Model") -> float:
    """The seconds of processor time that one row took."""
    run = model.new_run()
    began = time.thread_time()
    model.rehearse(1, run)
    return time.thread_time() - began
