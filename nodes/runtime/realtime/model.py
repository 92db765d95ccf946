"""One model, loaded with ONNX Runtime and called with JSON."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from ..inputs import InputError
from .answer import UnfitOutput, body_of, columns_of, declared_columns
from .errors import ModelFailed, ModelRefused
from .frame import read_frame
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

    def new_run(self) -> Run:
        """What `score` takes, to stop it with."""
        return Run()

    def score(self, body: bytes, run: Run) -> bytes:
        """The body of the result for a caller's JSON; InputError or ModelFailed."""
        tensors, n_rows = read_frame(body, self.signature)
        columns = self._columns(tensors, n_rows, run) if n_rows else self._empty_columns(run)
        return body_of(columns)

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
