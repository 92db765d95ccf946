"""Realtime models on their way in: spooled to disk, checked, saved (wire-api section 2)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.conf import settings

from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import Busy, InvalidRequest
from nodes.runtime.realtime import check
from nodes.runtime.realtime.container import HEADER_BYTES, MODEL_FILE, require_onnx
from nodes.runtime.realtime.errors import ModelRefused

_CHUNK_BYTES = 1024**2
_CHECKS_AT_A_TIME = 2
_MIB = 1024**2

_checks = threading.BoundedSemaphore(_CHECKS_AT_A_TIME)


class ModelFile:
    """A model's container as it arrives, on disk for the time of the context."""

    def __enter__(self) -> Self:
        self._directory = tempfile.mkdtemp(prefix="mlops-model-")
        # Alone in its directory and without its header: as a node has it, and as it is loaded.
        self._path = Path(self._directory, MODEL_FILE)
        self._file = self._path.open("wb")
        self._header = b""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def write(self, chunk: bytes) -> None:
        """Append the next bytes of the container."""
        n_missing = HEADER_BYTES - len(self._header)
        if n_missing:
            self._header += chunk[:n_missing]
            chunk = chunk[n_missing:]
        self._file.write(chunk)

    def check(self) -> dict[str, Any]:
        """What the model takes and gives, as `nodes.runtime.realtime.check` says it.

        Raises InvalidRequest for one that cannot be served, and Busy.
        """
        self._file.flush()
        try:
            require_onnx(self._header, self._path.stat().st_size)
            return _check(self._path)
        except ModelRefused as refusal:
            raise InvalidRequest(str(refusal), fields="model") from None

    def save(self) -> Blob:
        """The blob of the whole container; raises InvalidRequest for one that cannot be served."""
        self.check()
        return storage.save(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """The whole container."""
        yield self._header
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def _check(path: Path) -> dict[str, Any]:
    """The verdict; ModelRefused when the model cannot be served, or breaks its process.

    At most a few run at a time; raises Busy when there is no turn in the time that one may take.
    """
    seconds = settings.MODEL_CHECK_SECONDS
    if not _checks.acquire(timeout=seconds):
        raise Busy("Too many models are being checked; publish again in a moment.")
    try:
        process = subprocess.run(
            [
                *(sys.executable, "-I", "-B", check.__file__, str(path)),
                *(str(settings.MODEL_CHECK_MEMORY_MB * _MIB), str(seconds + 1)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=path.parent,
            env={"PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelRefused(
            f"The model was not loaded and run on a few rows within {seconds} seconds, the longest "
            "that its check may take."
        ) from None
    finally:
        _checks.release()
    try:
        verdict: dict[str, Any] = json.loads(process.stdout)
        refusal = str(verdict["refusal"])
    except (ValueError, KeyError, TypeError):
        raise ModelRefused(
            "The model broke the process that checked it "
            f"({_how_it_ended(process.returncode)}), so it is not served. The check may use "
            f"{settings.MODEL_CHECK_MEMORY_MB} MiB of memory."
        ) from None
    if refusal:
        raise ModelRefused(refusal)
    return verdict


def _how_it_ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
