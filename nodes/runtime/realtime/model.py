"""One model, loaded with ONNX Runtime and called with JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from ..inputs import InputError
from .answer import UnfitOutput, body_of, columns_of, declared_columns, split
from .errors import ModelFailed, ModelRefused
from .frame import Columns, columns_of_frame, frame_in, read_columns, tensors_of
from .signature import Signature, read_signature

_FATAL_ONLY = 4
_RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    *(
        error
        for error in vars(onnxruntime_pybind11_state).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ),
    *(RuntimeError, ValueError, MemoryError),
)


class Run:
    """One call's hold on its run: `stop` ends it from another thread, between two operators."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()
        self.options.log_severity_level = _FATAL_ONLY

    def stop(self) -> None:
        """Make the run raise ModelFailed soon, whether or not it has begun."""
        self.options.terminate = True


@dataclass(frozen=True, slots=True)
class _Frame:
    """What one of several callers sent."""

    place: int
    columns: Columns
    n_rows: int


class Model:
    """A loaded model; any number of threads may call it at the same time."""

    def __init__(self, path: Path) -> None:
        """`ModelRefused` when the file cannot be loaded or does not fit data frames.

        From the path instead of from bytes: the runtime then refuses data in files elsewhere.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _RUNTIME_ERRORS as error:
            raise ModelRefused(
                f"ONNX Runtime {onnxruntime.__version__} cannot load the model: {_text(error)}"
            ) from None
        self.signature: Signature = read_signature(
            self._session.get_inputs(),
            self._session.get_outputs(),
            self._session.get_modelmeta().custom_metadata_map,
        )
        self._output_names = list(self.signature.outputs)
        self._empty: dict[str, Any] | None = None
        self.is_quick = False  # until somebody has found it to be (quickness.py)
        self.quick_run = Run()  # of all that are too short to be stopped

    def new_run(self) -> Run:
        """What `score` takes, to stop it with."""
        return Run()

    def score(self, body: bytes, run: Run) -> bytes:
        """The body of the result for a caller's JSON; InputError or ModelFailed."""
        return body_of(self.score_frame(frame_in(body), run))

    def score_frame(self, frame: Any, run: Run) -> dict[str, Any]:
        """The columns of the result for a frame as JSON has it, or for columns by name; InputError
        or ModelFailed."""
        columns, n_rows = columns_of_frame(frame, self.signature)
        tensors = tensors_of(columns, n_rows, self.signature)
        return self._columns(tensors, n_rows, run) if n_rows else self._empty_columns(run)

    def score_together(
        self, bodies: Sequence[bytes], run: Run, max_rows: int
    ) -> tuple[list[bytes | None], int, int]:
        """The same for several callers in one run, and how many calls and rows were in it.

        None for whom it is to be done alone: for a body that does not fit or has no rows, and
        for those for which there is no room. Raises InputError or ModelFailed when the run itself
        does not go well.
        """
        frames = self._frames_of(bodies, max_rows)
        try:
            tensors = self._tensors_of_all(frames)
        except InputError:
            frames = [frame for frame in frames if self._fits(frame)]
            tensors = self._tensors_of_all(frames)
        answers: list[bytes | None] = [None] * len(bodies)
        if len(frames) < 2:
            return answers, 0, 0
        n_rows = [frame.n_rows for frame in frames]
        columns = self._columns(tensors, sum(n_rows), run)
        for frame, its_own in zip(frames, split(columns, n_rows), strict=True):
            answers[frame.place] = body_of(its_own)
        return answers, len(frames), sum(n_rows)

    def _frames_of(self, bodies: Sequence[bytes], max_rows: int) -> list[_Frame]:
        frames = []
        total = 0
        for place, body in enumerate(bodies):
            try:
                columns, n_rows = read_columns(body, self.signature)
            except InputError:
                continue
            if n_rows and total + n_rows <= max_rows:
                frames.append(_Frame(place, columns, n_rows))
                total += n_rows
        return frames

    def _tensors_of_all(self, frames: Sequence[_Frame]) -> dict[str, Any]:
        columns = zip(*(frame.columns for frame in frames), strict=True)
        merged = [list(chain.from_iterable(parts)) for parts in columns]
        return tensors_of(merged, sum(frame.n_rows for frame in frames), self.signature)

    def _fits(self, frame: _Frame) -> bool:
        try:
            tensors_of(frame.columns, frame.n_rows, self.signature)
        except InputError:
            return False
        return True

    def rehearse(self, n_rows: int, run: Run) -> dict[str, Any]:
        """The columns for rows of zeros, empty texts and false; ModelFailed."""
        tensors: dict[str, Any] = {}
        for tensor in self.signature.tensors:
            shape = (n_rows,) if tensor.rank == 1 else (n_rows, tensor.width)
            blank = "" if tensor.dtype is np.object_ else 0
            tensors[tensor.name] = np.full(shape, blank, dtype=tensor.dtype)
        return self._columns(tensors, n_rows, run)

    def _columns(self, tensors: dict[str, Any], n_rows: int, run: Run) -> dict[str, Any]:
        try:
            if not self.signature.takes_single_rows or n_rows == 1:
                outputs = self._session.run(self._output_names, tensors, run.options)
                return columns_of(outputs, n_rows, self.signature)
            return self._row_by_row(tensors, n_rows, run)
        except UnicodeEncodeError:
            raise InputError("A text of the input has half of a surrogate pair.") from None
        except UnfitOutput as error:
            raise ModelFailed(str(error)) from None
        except _RUNTIME_ERRORS as error:
            raise ModelFailed(f"The model failed: {_text(error)}") from None

    def _row_by_row(self, tensors: dict[str, Any], n_rows: int, run: Run) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {}
        for row in range(n_rows):
            one = {name: tensor[row : row + 1] for name, tensor in tensors.items()}
            outputs = self._session.run(self._output_names, one, run.options)
            for name, column in columns_of(outputs, 1, self.signature).items():
                columns.setdefault(name, []).extend(column)
        return columns

    def _empty_columns(self, run: Run) -> dict[str, Any]:
        """The columns of no rows: those that one row of nothing gives, emptied.

        Many models fail on tensors without rows.
        """
        if self._empty is None:
            try:
                self._empty = {name: [] for name in self.rehearse(1, run)}
            except ModelFailed:
                if run.options.terminate:
                    raise
                # On that one row; what the model declares must do.
                self._empty = declared_columns(self.signature)
        return self._empty


def _text(error: BaseException) -> str:
    """The runtime's message, without its own prefix and cut to a readable length."""
    text = str(error).removeprefix("[ONNXRuntimeError] : ").strip() or type(error).__name__
    return text if len(text) <= 500 else f"{text[:500]}…"
