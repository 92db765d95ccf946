"""The state of the interpreter beside the namespace: put back after each call, or given up on."""

import _thread
import builtins
import ctypes
import decimal
import gc
import locale
import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

_THREAD_GRACE_SECONDS = 0.05
_libc = ctypes.CDLL(None)


class InterpreterState:
    """What one service's code may have changed of the process it shares with the next call."""

    def __init__(self, work: Path) -> None:
        self._work = str(work)
        self._environment = dict(os.environ)
        self._environment_then = dict(self._variables())
        self._path = list(sys.path)
        self._meta_path = list(sys.meta_path)
        self._path_hooks = list(sys.path_hooks)
        self._argv = list(sys.argv)
        self._filters = list(warnings.filters)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._hooks = (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook)
        self._recursion_limit = sys.getrecursionlimit()
        self._builtins = dict(vars(builtins))
        self._modules = set(sys.modules)
        self._module_count = len(sys.modules)
        self._main = sys.modules["__main__"]
        self._float_errors = np.geterr()
        self._print_options = np.get_printoptions()
        root = logging.root
        self._root_logger = (root.level, list(root.handlers), root.manager.disable)
        self._threads = _thread._count()
        self._had_children = has_children()
        self._umask = _umask()
        self._decimal_context = decimal.getcontext().copy()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._consoles = (_identity(1), _identity(2))

    def own_modules(self) -> list[str]:
        """The loaded modules whose source is among the service's files."""
        return [
            name
            for name, module in list(sys.modules.items())
            if name != "__main__" and _is_below(getattr(module, "__file__", None), self._work)
        ]

    def restore(self) -> str:
        """Puts back what can be; the reason to retire the shell when something cannot."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.enable()
        decimal.setcontext(self._decimal_context.copy())
        sys.settrace(None)
        sys.setprofile(None)
        if self._variables() != self._environment_then:
            os.environ.clear()
            os.environ.update(self._environment)
        sys.path[:] = self._path
        sys.meta_path[:] = self._meta_path
        sys.path_hooks[:] = self._path_hooks
        sys.argv = list(self._argv)
        if warnings.filters != self._filters:
            warnings.filters[:] = self._filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook) = self._hooks
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        if np.geterr() != self._float_errors:
            np.seterr(**self._float_errors)
        level, handlers, logging.root.manager.disable = self._root_logger
        logging.root.setLevel(level)
        logging.root.handlers[:] = handlers
        os.umask(self._umask)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        self._restore_print_options()
        self._restore_modules()
        self._return_to_work()
        return self._reason_to_retire()

    @staticmethod
    def _variables() -> dict[bytes, bytes]:
        # The mapping below os.environ: twenty times faster to compare than decoding every name.
        encoded: dict[bytes, bytes] = vars(os.environ)["_data"]
        return encoded

    def _restore_print_options(self) -> None:
        if np.get_printoptions() != self._print_options:
            np.set_printoptions(**self._print_options)

    def _restore_modules(self) -> None:
        sys.modules["__main__"] = self._main
        if len(sys.modules) == self._module_count:
            return
        for name in self.own_modules():
            # Read from a file that is not there before each call.
            if name not in self._modules:
                del sys.modules[name]
        self._module_count = len(sys.modules)

    def _return_to_work(self) -> None:
        try:
            if os.getcwd() == self._work:  # noqa: PTH109
                return
        except FileNotFoundError:
            Path(self._work).mkdir(mode=0o700, exist_ok=True)
        os.chdir(self._work)

    def _reason_to_retire(self) -> str:
        if vars(builtins) != self._builtins:
            return "builtins were changed"
        if (sys.stdin, sys.stdout, sys.stderr) != self._streams or sys.stdout.closed:
            return "the standard streams were replaced"
        if (_identity(1), _identity(2)) != self._consoles:
            return "the console was redirected"
        if not self._had_children and has_children():
            return "child processes were left behind"
        if self._has_more_threads():
            return "threads were left behind"
        return ""

    def _has_more_threads(self) -> bool:
        # A thread that was joined may still be on its last instructions.
        until = time.monotonic() + _THREAD_GRACE_SECONDS
        while _thread._count() > self._threads:
            if time.monotonic() > until:
                return True
            time.sleep(0.001)
        return False


def has_children() -> bool:
    """Whether a child process is running; those that have ended are reaped."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return False
        if ended is None:
            return True


def flush_streams() -> None:
    """Sends what is still in the buffers of Python and C to the console."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # user code closed or replaced it
            continue
    _libc.fflush(None)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _identity(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_below(file: Any, directory: str) -> bool:
    return isinstance(file, str) and file.startswith(directory + os.sep)
