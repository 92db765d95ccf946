"""Become a shell of another language, or the template of Python shells.

    launch.py exec <node pid> <memory bytes> <file bytes> <control group> <program> [arguments]
    launch.py template <node pid> <memory bytes> <file bytes> <number of the socket>

Runs as a script outside any package.
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

_PACKAGE = "mlops_shell"


def _load(name: str) -> ModuleType:
    """A module of this directory, from a package under a name nobody else uses.

    The directory itself is not put on the path: its modules would hide those of user code.
    """
    if _PACKAGE not in sys.modules:
        runtime_dir = Path(__file__).resolve().parent.parent
        spec = importlib.util.spec_from_file_location(
            _PACKAGE, runtime_dir / "__init__.py", submodule_search_locations=[str(runtime_dir)]
        )
        if spec is None:
            raise ImportError(f"no package at {runtime_dir}")
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{_PACKAGE}.shells.{name}")


def main() -> None:
    """See the module."""
    kind, *numbers, text = sys.argv[1:6]
    node_pid, memory_bytes, file_bytes = map(int, numbers)
    if kind == "template":
        _load("template").serve(node_pid, memory_bytes, file_bytes, int(text))
    program = sys.argv[6:]
    bounds = _load("bounds")
    bounds.bind_to_node(node_pid)
    bounds.limit_resources(memory_bytes, file_bytes, text)
    os.execvp(program[0], program)  # noqa: S606 (the node's own command line)


if __name__ == "__main__":
    main()
