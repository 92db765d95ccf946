"""Archives that users upload: read without trust, and never extracted to disk."""

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings

from mlops.errors import InvalidRequest
from nodes.names import check_path

_CHUNK_BYTES = 1024**2
MAX_MEMBERS = 10_000


class Archive:
    """The plain files of a zip, tar or tar.gz that nobody has looked at, read one at a time.

    Nothing is extracted to disk. Links, absolute names and `..` are refused, as is more than
    MAX_UPLOAD_BYTES of content, which is counted as it is read and not believed.
    """

    def __init__(self, name: str, chunks: Iterator[bytes]) -> None:
        self._name = name
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the archive
        self._left = settings.MAX_UPLOAD_BYTES
        try:
            for chunk in chunks:
                self._file.write(chunk)
            self._file.seek(0)
            self._zip: zipfile.ZipFile | None = None
            self._tar: tarfile.TarFile | None = None
            self._names: dict[str, zipfile.ZipInfo | tarfile.TarInfo] = {}
            with self._explained():
                self._open()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def names(self) -> list[str]:
        """The paths of its files."""
        return list(self._names)

    def size(self, name: str) -> int:
        """How many bytes it says the file has."""
        entry = self._entry(name)
        return entry.file_size if isinstance(entry, zipfile.ZipInfo) else entry.size

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file's bytes."""
        entry = self._entry(name)
        with self._explained():
            if isinstance(entry, zipfile.ZipInfo) and self._zip is not None:
                reading: IO[bytes] | None = self._zip.open(entry)
            elif isinstance(entry, tarfile.TarInfo) and self._tar is not None:
                reading = self._tar.extractfile(entry)
            else:
                reading = None
            if reading is None:
                raise self._refusal(f"its entry {name[:200]!r} is no file")
            with reading:
                while chunk := reading.read(_CHUNK_BYTES):
                    self._count(len(chunk))
                    yield chunk

    def _entry(self, name: str) -> zipfile.ZipInfo | tarfile.TarInfo:
        if name not in self._names:
            raise InvalidRequest(f"There is no file {name[:200]!r} in {self._name}.")
        return self._names[name]

    def _open(self) -> None:
        if zipfile.is_zipfile(self._file):
            self._zip = zipfile.ZipFile(self._file)
            for entry in self._zip.infolist():
                if not entry.is_dir():
                    self._add(entry.filename, entry, (entry.external_attr >> 16) & 0o170000)
            return
        self._file.seek(0)
        # Not as tarfile's own decompression, which goes on for ever through a bomb.
        plain = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the archive
        try:
            self._gunzip(plain)
        except BaseException:
            plain.close()
            raise
        self._file.close()
        self._file = plain
        self._file.seek(0)
        self._tar = tarfile.open(fileobj=self._file, mode="r:")  # noqa: SIM115 - as well
        for member in self._tar:
            if not member.isdir():
                self._add(member.name, member, 0 if member.isreg() else 1)

    def _gunzip(self, target: IO[bytes]) -> None:
        if self._file.read(2) != b"\x1f\x8b":
            self._file.seek(0)
            shutil.copyfileobj(self._file, target, _CHUNK_BYTES)
            return
        self._file.seek(0)
        left = settings.MAX_UPLOAD_BYTES
        reader = zlib.decompressobj(wbits=31)
        while chunk := self._file.read(64 * 1024):
            while chunk and not reader.eof:
                piece = reader.decompress(chunk, _CHUNK_BYTES)
                left -= len(piece)
                if left < 0:
                    raise self._refusal("its contents are larger than what may be uploaded")
                target.write(piece)
                chunk = reader.unconsumed_tail

    def _add(self, name: str, entry: zipfile.ZipInfo | tarfile.TarInfo, kind: int) -> None:
        name = name.removeprefix("./")
        try:
            check_path(name)
        except InvalidRequest:
            kind = 1
        if kind not in (0, 0o100000):
            raise self._refusal(f"its entry {name[:200]!r} is not a plain file inside")
        if len(self._names) >= MAX_MEMBERS:
            raise self._refusal(f"it has more than {MAX_MEMBERS} files")
        self._names[name] = entry

    def _count(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise self._refusal("its contents are larger than what may be uploaded")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (
            *(zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, zlib.error),
            *(NotImplementedError, EOFError, RuntimeError, ValueError),
        ) as error:
            raise self._refusal(f"it is no usable archive: {error}") from None

    def _refusal(self, why: str) -> InvalidRequest:
        return InvalidRequest(f"{Path(self._name).name} is refused: {why}.", fields="files")
