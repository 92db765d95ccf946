"""The namespace that code, objects and inputs share: that of a `__main__` module of its own."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dill

WORKSPACE_FILE = ".dill"


class Workspace:
    """The global variables of user code.

    Objects that were dilled in the `__main__` of a client refer to `__main__` here: it must be
    installed before anything is unpickled.
    """

    def __init__(self) -> None:
        self._module = types.ModuleType("__main__")
        sys.modules["__main__"] = self._module
        dill._dill._main_module = self._module
        for kind in (dill.Unpickler, dill.Pickler):
            kind._main = self._module
        self.names: dict[str, Any] = vars(self._module)
        self.names["__builtins__"] = __builtins__

    def objects(self) -> dict[str, Any]:
        """What a user would call the objects: no modules, no double underscores."""
        return dict(self._objects())

    def put(self, name: str, path: Path) -> None:
        """Binds the dilled object in the file."""
        self.names[name] = _load(path)

    def save(self, path: Path) -> int:
        """Writes all objects as one pickle, so that what they share stays shared; their number."""
        objects = self.objects()
        if objects:
            try:
                dump(objects, path)
            except Exception as error:
                refused = ", ".join(name for name in objects if not _can_dump(objects[name]))
                if not refused:
                    raise
                raise TypeError(
                    f"{refused} cannot be saved ({error}). Delete it, then repeat."
                ) from None
        return len(objects)

    def load(self, path: Path) -> None:
        """Merges the objects of a saved workspace."""
        objects = _load(path)
        if not isinstance(objects, dict) or not all(isinstance(name, str) for name in objects):
            raise TypeError("this is not a saved workspace")
        self.names.update(objects)

    def _objects(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.names.items():
            dunder = name.startswith("__") and name.endswith("__")
            if not dunder and not isinstance(value, types.ModuleType):
                yield name, value


def dump(value: Any, path: Path) -> None:
    """Writes `value` with dill."""
    with path.open("wb") as file:
        dill.dump(value, file)


def _can_dump(value: Any) -> bool:
    try:
        dill.dumps(value)
    except Exception:  # noqa: BLE001 (objects may refuse in any way)
        return False
    return True


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return dill.load(file)  # noqa: S301 (this process exists to run what users send)
