"""Figures that are drawn and not saved: written into the working directory, as R does.

matplotlib is not imported here: that takes a while, and most code does without it.
"""

import functools
import importlib.abc
import importlib.util
import io
import re
import sys
import traceback
import weakref
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_NAME = re.compile(r"plot(\d{3,})\.png")

Action = Callable[[ModuleType], None]


class Plots:
    """What becomes of figures in this process once its code imports matplotlib."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._saved: weakref.WeakSet[Any] = weakref.WeakSet()
        actions: dict[str, Action] = {
            "matplotlib.backend_bases": self._prepare_show,
            "matplotlib.figure": self._prepare_savefig,
        }
        sys.meta_path.insert(0, _AfterImport(actions))

    def finish(self) -> None:
        """Writes the open figures that were not saved, and closes all."""
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        for manager in helpers.Gcf.get_all_fig_managers() if helpers else ():
            self._show(manager)

    def _prepare_show(self, module: ModuleType) -> None:
        # What plt.show() and Figure.show() come to where there is no screen.
        plots = self

        def show(manager: Any) -> None:
            plots._show(manager)

        module.FigureManagerBase.show = show

    def _prepare_savefig(self, module: ModuleType) -> None:
        saved, original = self._saved, module.Figure.savefig

        @functools.wraps(original)
        def savefig(figure: Any, *args: Any, **options: Any) -> Any:
            result = original(figure, *args, **options)
            saved.add(figure)
            return result

        module.Figure.savefig = savefig

    def _show(self, manager: Any) -> None:
        figure = manager.canvas.figure
        try:
            if figure not in self._saved:
                image = io.BytesIO()
                figure.savefig(image, format="png")
                self._next_name().write_bytes(image.getvalue())
        except Exception as error:  # noqa: BLE001 (drawing runs what users put into figures)
            reason = "".join(traceback.format_exception_only(error))
            sys.stderr.write(f"A figure was not written: {reason}")
        finally:
            sys.modules["matplotlib.pyplot"].close(figure)

    def _next_name(self) -> Path:
        names = (_NAME.fullmatch(path.name) for path in self._directory.iterdir())
        number = max((int(name[1]) for name in names if name), default=0) + 1
        return self._directory / f"plot{number:03}.png"


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls an action with a module once it has been imported."""

    def __init__(self, actions: dict[str, Action]) -> None:
        self._actions = actions

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 (part of the interface)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The spec that the other finders give, with the action added to its loader."""
        action = self._actions.pop(fullname, None)
        if action is None:
            return None
        try:
            spec = importlib.util.find_spec(fullname)  # by the others: the action is gone
        finally:
            self._actions[fullname] = action
        if spec and spec.loader:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                action(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
