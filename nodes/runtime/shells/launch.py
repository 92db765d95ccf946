"""Become a shell of another language, or the template of Python shells.

    launch.py exec <pid of the node> <memory bytes> <control group> <program> [arguments]
    launch.py template <pid of the node> <memory bytes> <number of the socket>

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
    kind, node_pid, memory_bytes, *rest = sys.argv[1:]
    if kind == "template":
        _load("template").serve(int(node_pid), int(memory_bytes), int(rest[0]))
    bounds = _load("bounds")
    bounds.bind_to_node(int(node_pid))
    bounds.limit_resources(int(memory_bytes), rest[0])
    os.execvp(rest[1], rest[1:])  # noqa: S606 (the node's own command line)


if __name__ == "__main__":
    main()
