"""Become the template that shells are forked from.

    launch.py <node pid> <number of the socket>

Runs as a script outside any package.
"""

import importlib
import importlib.util
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
    node_pid, descriptor = map(int, sys.argv[1:])
    _load("template").serve(node_pid, descriptor)


if __name__ == "__main__":
    main()
