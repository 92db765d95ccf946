"""The check of a model before it is published, in a process of its own.

    check.py <file> <most memory in bytes> <most processor seconds>

The file is the payload of a container: bytes that nobody has looked at. It is parsed, loaded and
run on rows of nothing here, under limits, so that what crashes or never ends does so here and not
in a node. The verdict is a line of JSON on stdout: {"refusal": text}, empty when there is none, and
then also what the model takes and gives: "named", whether its columns have names of their own, and
"inputs" and "outputs", a list of {"name": text, "type": text} each.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_REHEARSED_ROWS = 2
_TYPES = {"f": "numeric", "i": "integer", "u": "integer", "b": "logical"}  # by kind of dtype


def main() -> None:
    """See the module."""
    path, memory_bytes, cpu_seconds = sys.argv[1:]
    verdict = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _limit(int(memory_bytes), int(cpu_seconds))
    # As a program this file is no part of a package yet.
    sys.path.insert(0, str(Path(__file__).parents[3]))
    with verdict:
        json.dump(_verdict(Path(path)), verdict)


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for what, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (limit, limit))


def _verdict(path: Path) -> dict[str, Any]:
    """Why the model cannot be served, or what it takes and gives."""
    from nodes.runtime.realtime.errors import ModelFailed, ModelRefused
    from nodes.runtime.realtime.model import Model
    from nodes.runtime.realtime.structure import require_self_contained

    try:
        require_self_contained(path)
        model = Model(path)
    except ModelRefused as error:
        return {"refusal": str(error)}
    except MemoryError:
        return {"refusal": "The model needs more memory than a check may use."}
    outputs: dict[str, Any] = {}
    try:
        n_rows = 1 if model.signature.takes_single_rows else _REHEARSED_ROWS
        outputs = model.rehearse(n_rows, model.new_run())
    except ModelRefused as error:
        return {"refusal": str(error)}
    except MemoryError:
        return {"refusal": "The model needs more memory than a check may use."}
    except ModelFailed as error:
        # Empty texts are not for every model; rows of zeros are.
        if not model.signature.takes_texts:
            return {"refusal": f"On rows of zeros: {error}"}
    return {"refusal": "", **_interface(model.signature, outputs)}


def _interface(signature: Any, outputs: dict[str, Any]) -> dict[str, Any]:
    """The columns with their types, those of the outputs from a run if there was one."""
    from nodes.runtime.realtime.answer import declared_columns

    kinds = [
        _TYPES.get(np_kind, "character")
        for tensor in signature.tensors
        for np_kind in [_kind_of(tensor.dtype)] * tensor.width
    ]
    for place in signature.logical:
        kinds[place] = "logical"
    names = signature.names or [f"x{place + 1}" for place in range(signature.width)]
    given = outputs or declared_columns(signature)
    return {
        "named": signature.names is not None,
        "inputs": [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)],
        "outputs": [{"name": name, "type": _type_of(column)} for name, column in given.items()],
    }


def _kind_of(dtype: Any) -> str:
    import numpy as np

    return str(np.dtype(dtype).kind)


def _type_of(column: Any) -> str:
    """The type of a column of the outputs; "" when it has no values."""
    dtype = getattr(column, "dtype", None)
    if dtype is not None:
        return _TYPES.get(dtype.kind, "character")
    if not len(column):
        return ""
    return {bool: "logical", int: "integer", float: "numeric"}.get(type(column[0]), "character")


if __name__ == "__main__":
    main()
