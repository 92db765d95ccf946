"""One bundle loaded into this shell: each call runs its code over the loaded state."""

import contextvars
import gc
import json
import os
import shutil
from pathlib import Path
from types import CodeType
from typing import Any

from ..formats import bodies
from ..formats.media import JSON
from ..groups import Group, together
from ..inputs import read_inputs
from .directory import Directory
from .frame_outputs import encode_frame
from .interpreter import InterpreterState, flush_streams
from .memory import MemoryImage
from .merged import Merged
from .outputs import OutputError, encode_outputs
from .packages import PACKAGES, add_packages
from .rows import KINDS, NotByRows, encode_apart
from .tracebacks import CODE_FILE, INIT_FILE, compile_source, describe
from .values import to_python
from .workspace import WORKSPACE_FILE, Workspace

# After these, what libraries have imported and remembered meanwhile is frozen too: it stays, and
# would be looked at after every run.
_SETTLING_RUNS = (1, 5, 25)


class Service:
    """A bundle's objects, files, init state and compiled code (wire-api section 11)."""

    def __init__(self, bundle: Path, workspace: Workspace, home: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_bytes())
        self._inputs = [(item["name"], item["type"]) for item in manifest["inputs"]]
        self._outputs = [(item["name"], item["type"]) for item in manifest["outputs"]]
        self._output_files: list[str] = manifest["outputFiles"]
        self._names = workspace.names
        self._work = home / "work"
        self._syntax_error = ""
        self._code = self._compile(manifest["code"])
        self._load(bundle, manifest["initCode"], workspace)
        self._directory = Directory(self._work, home / "keep" / "work", bundle / "files")
        self._scratch = [Directory(home / name, home / "keep" / name) for name in ("tmp", "home")]
        for directory in (self._directory, *self._scratch):
            directory.capture()
        os.chdir(self._work)
        self._interpreter = InterpreterState(self._work)
        gc.collect()
        gc.freeze()  # loaded objects stay: collections of a call need not look at them again
        self._memory = MemoryImage(self._names, self._interpreter.own_modules())
        self._n_runs = 0

    def score(
        self, body: bytes, request: str = JSON, answer: str = JSON
    ) -> tuple[dict[str, Any], bytes]:
        """The reply frame of one call, in the format `answer` if it was a success; `InputError`
        before anything is run."""
        values = self._read(body, request)
        error, result = self._run(values, answer)
        values.clear()
        retire = self._restore()
        header = {
            "kind": "result",
            "success": not error,
            "errorMessage": error,
            "retire": retire,
        }
        return header, result

    def score_together(self, bodies: list[bytes], max_rows: int) -> tuple[dict[str, Any], bytes]:
        """The reply frame of several calls, run as few: see `merged.py`.

        Which could not be run so is to be run alone, whatever was the matter with it.
        """
        merged = Merged(bodies, self._inputs, max_rows, KINDS)
        retire = ""
        for group in merged.groups:
            if retire:
                break
            merged.take(group, self._run_together(group))
            retire = self._restore()
        return merged.reply(retire)

    def _run_together(self, group: Group) -> list[bytes] | str:
        """The outputs of each call, or in a word why the group cannot be run as one."""
        if self._code is None:
            return "error"
        try:
            self._run_code(self._code, together(group, self._inputs))
            outputs = encode_apart(self._assigned(), group)
        except NotByRows:
            return "rows"
        except BaseException:  # noqa: BLE001 (user code may raise anything)
            return "error"
        return "files" if self._directory.changed() else outputs

    def _compile(self, source: str) -> CodeType | None:
        # Wrong syntax fails every call, but the shell can stay: nothing of it was run.
        try:
            return compile_source(source, CODE_FILE)
        except (SyntaxError, ValueError) as error:
            self._syntax_error = describe(error, str(self._work))
            return None

    def _load(self, bundle: Path, init_code: str | None, workspace: Workspace) -> None:
        files = bundle / "files"
        if files.is_dir():
            ours = (WORKSPACE_FILE, PACKAGES)
            shutil.copytree(
                files,
                self._work,
                dirs_exist_ok=True,
                ignore=lambda directory, _: ours if Path(directory) == files else (),
            )
            if (files / PACKAGES).is_dir():
                add_packages(files / PACKAGES)
            if (files / WORKSPACE_FILE).exists():
                workspace.load(files / WORKSPACE_FILE)
        if init_code and init_code.strip():
            _execute(compile_source(init_code, INIT_FILE), self._names)

    def _read(self, body: bytes, form: str) -> dict[str, Any]:
        if form == JSON:
            return read_inputs(body, self._inputs)
        ((name, _),) = self._inputs
        return {name: bodies.read(name, body, form)}

    def _run(self, values: dict[str, Any], form: str) -> tuple[str, bytes]:
        error = self._syntax_error
        outputs = b"{}"
        if self._code is not None:
            try:
                self._run_code(self._code, values)
                if form != JSON:
                    ((name, (_, value)),) = self._assigned().items()
                    return error, encode_frame(name, value, form)
                outputs = encode_outputs(self._assigned())
            except OutputError as failure:
                error = str(failure)
            except BaseException as failure:  # noqa: BLE001 (user code may raise anything)
                error = describe(failure, str(self._work)) or "The code failed."
        changed = _compact(self._directory.changed())
        files = _compact({} if error else self._directory.read_files(self._output_files))
        head = f'{{"changedFiles":{changed},"outputParameters":'.encode()
        return error, b"".join((head, outputs, b',"outputFiles":', files.encode(), b"}"))

    def _run_code(self, code: CodeType, values: dict[str, Any]) -> None:
        for name, kind in self._inputs:
            self._names[name] = to_python(kind, values[name])
        # In a context of its own, where context variables of the call stay.
        contextvars.copy_context().run(_execute, code, self._names)

    def _assigned(self) -> dict[str, tuple[str, Any]]:
        return {name: (kind, self._names.get(name)) for name, kind in self._outputs}

    def _restore(self) -> str:
        self._memory.restore()
        gc.collect()  # what the call left in cycles ends, and prints, with its own call
        self._n_runs += 1
        if self._n_runs in _SETTLING_RUNS:
            gc.freeze()
        retire = self._interpreter.restore()
        for directory in (self._directory, *self._scratch):
            directory.restore()
        return retire


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _execute(code: CodeType, names: dict[str, Any]) -> None:
    own_pid = os.getpid()
    try:
        exec(code, names)  # noqa: S102
    finally:
        if os.getpid() != own_pid:  # the code forked and let its copy run on: not into our part
            flush_streams()
            os._exit(0)
