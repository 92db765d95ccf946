"""The loaded state of a service in memory, put back after each call.

Remembered are the names of the namespace and what is in the small mutable objects reachable from
them through each other: lists, dicts, sets, bytearrays, deques, arrays, frames, series, and the
attributes, defaults and closures of functions, classes and instances that the service itself
defines. They are put back in place, so an alias of one, say in a default argument, sees it too.
Objects of installed libraries, models above all, are taken to be constant: putting back the Python
half of an object that has a native half would break it.
"""

import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

_MAX_OBJECTS = 50_000
_MAX_ITEMS = 500_000
_MAX_BYTES = 16 * 1024**2
# Before copy-on-write a shallow copy shares what the call may change.
_COPY_DEEP = int(pd.__version__.split(".")[0]) < 3

_IMMUTABLE = (str, bytes, int, float, bool, complex, type(None), types.ModuleType)


class MemoryImage:
    """What `capture` saw, put back by `restore`."""

    def __init__(self, namespace: dict[str, Any], own_modules: Iterable[str]) -> None:
        self._own_modules = {"__main__", *own_modules}
        self._undo: list[Callable[[], None]] = []
        self._seen: dict[int, Any] = {}  # keeps them alive, so that no id is used twice
        self._items = 0
        self._bytes = 0
        self._queue: deque[Any] = deque([namespace, _pandas_options()])
        for name in own_modules:
            self._queue.append(sys.modules[name].__dict__)
        self._capture()

    def restore(self) -> None:
        """Puts every remembered object back, in place."""
        for undo in self._undo:
            undo()

    def _capture(self) -> None:
        while self._queue and len(self._seen) < _MAX_OBJECTS:
            value = self._queue.popleft()
            if isinstance(value, _IMMUTABLE) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            self._remember(value)

    def _remember(self, value: Any) -> None:
        kind = type(value)
        if kind in (dict, OrderedDict, defaultdict):
            self._remember_mapping(value)
        elif kind in (list, set, bytearray, deque):
            self._remember_container(value)
        elif kind in (tuple, frozenset):
            self._queue.extend(value)
        elif isinstance(value, np.ndarray):
            self._remember_array(value)
        elif kind in (pd.DataFrame, pd.Series):
            self._remember_frame(value)
        elif isinstance(value, types.FunctionType):
            self._remember_function(value)
        elif isinstance(value, type):
            self._remember_class(value)
        elif kind.__module__ in self._own_modules:
            self._remember_instance(value)

    def _fits(self, items: int, size: int = 0) -> bool:
        self._items += items
        self._bytes += size
        return self._items <= _MAX_ITEMS and self._bytes <= _MAX_BYTES

    def _remember_mapping(self, value: dict[Any, Any]) -> None:
        if not self._fits(len(value)):
            return
        saved = dict(value)
        self._queue.extend(saved.values())

        def undo() -> None:
            value.clear()
            value.update(saved)

        self._undo.append(undo)

    def _remember_container(self, value: Any) -> None:
        if not self._fits(0 if isinstance(value, bytearray) else len(value), sys.getsizeof(value)):
            return
        saved = bytes(value) if isinstance(value, bytearray) else list(value)
        if isinstance(saved, list):
            self._queue.extend(saved)
        refill = value.update if isinstance(value, set) else value.extend

        def undo() -> None:
            value.clear()
            refill(saved)

        self._undo.append(undo)

    def _remember_array(self, value: "np.ndarray[Any, Any]") -> None:
        if not value.flags.writeable or not self._fits(1, value.nbytes):
            return
        saved = value.copy()

        def undo() -> None:
            if value.shape == saved.shape and value.dtype == saved.dtype:
                value[...] = saved

        self._undo.append(undo)

    def _remember_frame(self, value: Any) -> None:
        size = int(value.memory_usage(index=True, deep=False).sum()) if value.ndim == 2 else 0
        if not self._fits(1, size or value.nbytes):
            return
        saved = value.copy(deep=True)
        attributes = dict(value.attrs)

        def undo() -> None:
            value._mgr = saved.copy(deep=_COPY_DEEP)._mgr
            value.attrs = attributes

        self._undo.append(undo)

    def _remember_function(self, value: types.FunctionType) -> None:
        if value.__module__ not in self._own_modules and not value.__closure__:
            return
        defaults, keyword_defaults = value.__defaults__, value.__kwdefaults__
        self._queue.extend(defaults or ())
        self._queue.append(value.__dict__)
        if keyword_defaults:
            self._queue.append(keyword_defaults)
        for cell in value.__closure__ or ():
            self._remember_cell(cell)

        def undo() -> None:
            value.__defaults__ = defaults
            value.__kwdefaults__ = keyword_defaults

        self._undo.append(undo)

    def _remember_cell(self, cell: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # empty
            return
        self._queue.append(content)
        self._undo.append(lambda: setattr(cell, "cell_contents", content))

    def _remember_class(self, value: type) -> None:
        if value.__module__ not in self._own_modules:
            return
        saved = dict(vars(value))
        if not self._fits(len(saved)):
            return
        self._queue.extend(saved.values())

        def undo() -> None:
            now = vars(value)
            if now == saved:
                return
            for name in now.keys() - saved.keys():
                delattr(value, name)
            for name, item in saved.items():
                if now.get(name) is not item:
                    setattr(value, name, item)

        self._undo.append(undo)

    def _remember_instance(self, value: Any) -> None:
        if hasattr(value, "__dict__"):
            self._queue.append(vars(value))
        slots = [
            name
            for base in type(value).__mro__
            for name, item in vars(base).items()
            if isinstance(item, types.MemberDescriptorType)
        ]
        saved = {name: getattr(value, name) for name in slots if hasattr(value, name)}
        self._queue.extend(saved.values())

        def undo() -> None:
            for name in slots:
                if name in saved:
                    object.__setattr__(value, name, saved[name])
                elif hasattr(value, name):
                    object.__delattr__(value, name)

        if slots:
            self._undo.append(undo)


def _pandas_options() -> dict[str, Any]:
    options: dict[str, Any] = pd._config.config._global_config  # type: ignore[attr-defined]
    return options
