"""The check of a model before it is published, in a process of its own.

    check.py <file> <most memory in bytes> <most processor seconds>

The file is the payload of a container: bytes that nobody has looked at. It is parsed, loaded and
run on rows of nothing here, under limits, so that what crashes or never ends does so here and not
in a node. The verdict is a line of JSON on stdout: {"refusal": text}, empty when there is none.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_REHEARSED_ROWS = 2


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
        json.dump({"refusal": _refusal(Path(path))}, verdict)


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


def _refusal(path: Path) -> str:
    """Why the model cannot be served; empty when it can."""
    from nodes.runtime.realtime.errors import ModelFailed, ModelRefused
    from nodes.runtime.realtime.model import Model
    from nodes.runtime.realtime.structure import require_self_contained

    try:
        require_self_contained(path)
        model = Model(path)
        n_rows = 1 if model.signature.takes_single_rows else _REHEARSED_ROWS
        model.rehearse(n_rows, model.new_run())
    except ModelRefused as error:
        return str(error)
    except MemoryError:
        return "The model needs more memory than a check may use."
    except ModelFailed as error:
        # Empty texts are not for every model; rows of zeros are.
        return "" if model.signature.takes_texts else f"On rows of zeros: {error}"
    return ""


if __name__ == "__main__":
    main()
