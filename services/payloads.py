"""The payload of a version to be, made from staged uploads: on disk, never in memory."""

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO, Self

from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from nodes.names import check_path
from nodes.runtime.realtime.container import MAGIC, ONNX
from services import uploads
from services.archives import Archive
from services.model_files import ModelFile
from services.staged import StagedFile

_CHUNK_BYTES = 1024**2
_COMPRESSED_BYTES = 16 * 1024**2  # what is larger is mostly numbers: to deflate it takes long
_OURS = (".packages", ".dill")  # which nodes would take for the content of a snapshot


class Payload:
    """The bytes of a bundle as `chunks` gives them, each time it is called, with their digest."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]], *, digest: str, size: int) -> None:
        self.chunks = chunks
        self.digest = digest
        self.size = size

    @classmethod
    def read(cls, chunks: Callable[[], Iterator[bytes]]) -> Self:
        """Of bytes that are read once to know them."""
        digest, size = hashlib.sha256(), 0
        for chunk in chunks():
            digest.update(chunk)
            size += len(chunk)
        return cls(chunks, digest=digest.hexdigest(), size=size)

    @classmethod
    def of(cls, blob: Blob) -> Self:
        """Of a finished blob."""
        return cls(partial(storage.read, blob), digest=blob.digest or "", size=blob.size)

    def save(self) -> Blob:
        """The blob that keeps them, to be referred to within an hour."""
        return storage.save(self.chunks())

    def unsaved(self) -> Blob:
        """What tells a bundle's manifest of them, in no database."""
        return Blob(digest=self.digest, size=self.size)


@contextmanager
def zipped(files: Sequence[StagedFile], *, user: User) -> Iterator[Payload]:
    """The payload of a version of code with these files, for the time of the context.

    The same files give the same bytes. Raises NotFound for uploads of somebody else, and
    InvalidRequest for unfinished ones and for names that cannot be.
    """
    _check_names(files)
    with tempfile.TemporaryFile() as target, Sources(user) as sources:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for each in sorted(files, key=lambda each: each.name):
                entry = zipfile.ZipInfo(each.name)  # of the year 1980
                size = sources.size(each)
                is_small = size <= _COMPRESSED_BYTES
                entry.compress_type = zipfile.ZIP_DEFLATED if is_small else zipfile.ZIP_STORED
                with archive.open(entry, "w", force_zip64=True) as copy:
                    for chunk in sources.chunks(each):
                        copy.write(chunk)
        yield Payload.read(lambda: _read(target))


@contextmanager
def model_file(files: Sequence[StagedFile], *, user: User) -> Iterator[ModelFile]:
    """The model of a realtime version, for the time of the context; its one file."""
    if len(files) != 1:
        raise InvalidRequest(
            "A Realtime version is one ONNX model: upload exactly one file.", fields="files"
        )
    with ModelFile() as model:
        for chunk in _container(files[0], user=user):
            model.write(chunk)
        yield model


def _read(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _container(model: StagedFile, *, user: User) -> Iterator[bytes]:
    """The model with the bytes blobONNX before it, whether or not the upload has them."""
    beginning = b""
    with Sources(user) as sources:
        for chunk in sources.chunks(model):
            if len(beginning) < len(MAGIC):
                beginning += chunk
                if len(beginning) < len(MAGIC):
                    continue
                chunk = beginning if beginning.startswith(MAGIC) else MAGIC + ONNX + beginning
            yield chunk


class Sources:
    """Reads staged files of one user; archives are spooled to disk for the time of the context."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._archives: dict[str, Archive] = {}

    def __enter__(self) -> "Sources":
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.close()

    def members(self, upload_id: str) -> list[str]:
        """The paths of the files in an upload that is an archive."""
        return self._archive(upload_id).names()

    def size(self, file: StagedFile) -> int:
        """How many bytes it has."""
        if file.member:
            return self._archive(file.upload).size(file.member)
        return uploads.own_upload(user=self._user, upload_id=file.upload).size

    def chunks(self, file: StagedFile) -> Iterator[bytes]:
        """Its bytes."""
        if file.member:
            return self._archive(file.upload).chunks(file.member)
        return uploads.chunks_of(uploads.own_upload(user=self._user, upload_id=file.upload))

    def _archive(self, upload_id: str) -> Archive:
        if upload_id not in self._archives:
            upload = uploads.own_upload(user=self._user, upload_id=upload_id)
            self._archives[upload_id] = Archive(upload.name, uploads.chunks_of(upload))
        return self._archives[upload_id]


def _check_names(files: Sequence[StagedFile]) -> None:
    seen: set[str] = set()
    for each in files:
        check_path(each.name)
        if each.name in seen:
            raise InvalidRequest(f"Two files are called {each.name}.", fields="files")
        if each.name.partition("/")[0] in _OURS:
            raise InvalidRequest(
                f"{each.name} is a name that compute nodes use themselves: give it another.",
                fields="files",
            )
        seen.add(each.name)
