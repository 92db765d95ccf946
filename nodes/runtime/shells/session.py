"""Code of a session: run in its workspace as in a REPL (wire-api sections 4, 12 and 15)."""

import __future__

import ast
import contextlib
import io
import json
import linecache
import os
import subprocess
import sys
import traceback
from collections import deque
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from . import interrupts
from .changes import Changes
from .interpreter import flush_streams
from .interrupts import Interrupts
from .outputs import OutputError, encode_named
from .packages import Environment
from .plots import Plots
from .tracebacks import block_name, describe, is_code
from .values import infer
from .workspace import Workspace

CANCELLED = "The execution was cancelled."
_CONSOLES = {1: "stdout", 2: "stderr"}
_SOURCES = 200  # blocks whose lines tracebacks can show
_FUTURES = [getattr(__future__, name) for name in __future__.all_feature_names]


class Session:
    """What makes a shell one that executes blocks of code in turn."""

    def __init__(self, workspace: Workspace, work: Path, interrupts: Interrupts) -> None:
        self._workspace = workspace
        self._work = work
        self._interrupts = interrupts
        self._environment = Environment(work.parent)
        self._environment.activate()
        self._plots = Plots(work)
        self._n_blocks = 0
        self._sources: deque[str] = deque()
        self._flags = 0  # of the `from __future__ import` of all blocks so far
        os.system = _system
        for number, name in _CONSOLES.items():
            _open_console(number, name)

    def refresh(self) -> None:
        """Makes ready for the next call."""
        self._environment.refresh()

    def execute(self, body: bytes, max_bytes: int) -> tuple[dict[str, Any], bytes]:
        """The reply to an `execute` frame, whose body may not be larger than `max_bytes`."""
        request = json.loads(body)
        _mend_streams()
        changes = Changes(self._work)
        error = self._run(request["code"], request["inputs"])
        error = self._finish_plots() or error
        changed = json.dumps(changes.names(), separators=(",", ":")).encode()
        outputs = b"[]"
        if not error:
            error, outputs = self._read(request["outputs"])
        if len(outputs) > max_bytes:
            error = f"The outputs are larger than the {max_bytes} bytes that can be returned."
            outputs = b"[]"
        header = {"kind": "executed", "success": not error, "errorMessage": error}
        return header, b'{"changedFiles":%b,"outputParameters":%b}' % (changed, outputs)

    def _run(self, code: str, inputs: list[dict[str, Any]]) -> str:
        """Runs the code; why it failed, if it did."""
        try:
            for item in inputs:
                self._workspace.names[item["name"]] = infer(item["value"])
            parts = self._compile(code)
            self._interrupts.run(lambda: _execute(parts, self._workspace.names))
        except BaseException as error:  # noqa: BLE001 (user code may raise anything)
            return self._explain(error)
        return ""

    def _finish_plots(self) -> str:
        try:
            self._interrupts.run(self._plots.finish)
        except BaseException as error:  # noqa: BLE001
            return self._explain(error)
        return ""

    def _explain(self, error: BaseException) -> str:
        """Shows the error on the console as an interpreter does; its text for the caller."""
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return ""  # the end of the block, and not of the session
        if not isinstance(error, SystemExit):
            _print_traceback(error)
        elif not isinstance(error.code, int):
            print(error.code, file=sys.stderr)  # noqa: T201 (as an interpreter does)
        if self._interrupts.stopped:
            return CANCELLED
        return describe(error, str(self._work)) or "The code failed."

    def _compile(self, code: str) -> list[CodeType]:
        """The statements, and the last one apart when its value is to be shown."""
        name = self._keep_source(code)
        flags = self._flags | ast.PyCF_ONLY_AST
        tree: ast.Module = compile(code, name, "exec", flags, dont_inherit=True)
        shown = tree.body[-1:] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
        if shown:
            del tree.body[-1]
        parts = [compile(tree, name, "exec", self._flags, dont_inherit=True)]
        for feature in _FUTURES:
            self._flags |= parts[0].co_flags & feature.compiler_flag
        if shown:
            last = ast.Interactive(body=shown)
            parts.append(compile(last, name, "single", self._flags, dont_inherit=True))
        return parts

    def _keep_source(self, code: str) -> str:
        """The name under which tracebacks find the lines of the code, now and later."""
        self._n_blocks += 1
        name = block_name(self._n_blocks)
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        self._sources.append(name)
        if len(self._sources) > _SOURCES:
            linecache.cache.pop(self._sources.popleft(), None)
        return name

    def _read(self, names: list[str]) -> tuple[str, bytes]:
        """The first that is wrong with the outputs, and those that can be given."""
        try:
            return self._interrupts.run(lambda: self._encode(names))
        except BaseException as error:  # noqa: BLE001 (an interrupt, as a rule)
            return self._explain(error), b"[]"

    def _encode(self, names: list[str]) -> tuple[str, bytes]:
        error, parts = "", []
        for name in dict.fromkeys(names):
            if name not in self._workspace.names:
                error = error or f"The output {name} does not exist."
                continue
            try:
                parts.append(encode_named(name, self._workspace.names[name]))
            except OutputError as failure:
                error = error or str(failure)
            except Exception as failure:  # noqa: BLE001 (methods of the user's objects are called)
                error = error or describe(failure, str(self._work))
        return error, b"[%b]" % b",".join(parts)


def _execute(parts: list[CodeType], names: dict[str, Any]) -> None:
    own_pid = os.getpid()
    try:
        for part in parts:
            exec(part, names)  # noqa: S102
    except BaseException as error:
        if os.getpid() != own_pid:
            _end_copy(error)
        raise
    if os.getpid() != own_pid:
        _end_copy(None)


def _end_copy(error: BaseException | None) -> None:
    """Ends a process that the code forked and let run on: not into our part."""
    status: Any = 0
    if isinstance(error, SystemExit):
        status = error.code
    elif error:
        _print_traceback(error)
        status = 1
    flush_streams()
    os._exit(status if isinstance(status, int) else int(status is not None))


def _print_traceback(error: BaseException) -> None:
    place: TracebackType | None = error.__traceback__
    while place and not is_code(place.tb_frame.f_code.co_filename):
        place = place.tb_next
    with contextlib.suppress(Exception):  # parts of the text are made by user code
        told = traceback.TracebackException(type(error), error, place)
        if told.stack and told.stack[-1].filename == interrupts.__file__:
            del told.stack[-1]  # where the signal was turned into the error
        told.print()


def _mend_streams() -> None:
    """Opens the standard streams again that code has closed, as exit() does with stdin."""
    if getattr(sys.stdin, "closed", True):
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    for number, name in _CONSOLES.items():
        if getattr(getattr(sys, name), "closed", True):
            _open_console(number, name)


def _open_console(number: int, name: str) -> None:
    """Gives sys a stream without a buffer: all is seen at once, in order with the other stream."""
    raw = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115
    raw.name = f"<{name}>"  # as the interpreter sets it; dill goes by that and by the mode
    stream = io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)
    stream.mode = "w"  # type: ignore[misc]
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _system(command: Any) -> int:
    """As os.system, but it can be interrupted: that one ignores SIGINT while it waits."""
    status = subprocess.call(command, shell=True)  # noqa: S602 (what the user asks for)
    return -status if status < 0 else status << 8
