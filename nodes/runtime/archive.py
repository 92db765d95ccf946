"""Snapshot zips: written from a working directory, extracted without trust."""

import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from . import beneath

_MAX_ENTRIES = 100_000
_CHUNK_BYTES = 1024**2


class ArchiveError(Exception):
    """The zip must not or cannot be extracted; the text says why."""


def extract(source: Path, target: Path, *, max_bytes: int) -> None:
    """Extracts the zip `source` into the directory `target`: plain files below it, nothing else.

    `ArchiveError` on absolute names, `..`, links, special files, broken data, or more than
    `max_bytes` in all; `target` may hold a part by then.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            if len(entries) > _MAX_ENTRIES:
                raise ArchiveError(f"it has more than {_MAX_ENTRIES} entries")
            remaining = max_bytes
            for entry in entries:
                remaining -= _extract_entry(archive, entry, target, remaining)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise ArchiveError(f"it is no usable zip: {error}") from None
    except (OSError, RuntimeError, ValueError) as error:  # names too long, encrypted, bad deflate
        raise ArchiveError(f"it cannot be extracted: {error}") from None


def write(source: Path, target: Path, extra: dict[str, Path]) -> None:
    """Writes the regular files below `source` as the zip `target`, and those of `extra`, which are
    files or folders, in place of what has their names."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, file in beneath.open_files(source):
            if name.partition("/")[0] not in extra:
                _add(archive, file, name)
        for top, place in extra.items():
            if place.is_dir():
                for name, file in beneath.open_files(place):
                    _add(archive, file, f"{top}/{name}")
            else:
                with place.open("rb") as file:
                    _add(archive, file, top)


def merge(source: Path, target: Path, uid: int | None) -> None:
    """Moves the files below `source` to the same names below `target`, replacing what is there, as
    files of the user."""
    for name in sorted(beneath.list_files(source)):
        beneath.place(source / name, target, name.split("/"), uid=uid, by_force=True)


def _add(archive: zipfile.ZipFile, file: BinaryIO, name: str) -> None:
    entry = zipfile.ZipInfo(name)  # no times: the same files give the same zip
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | stat.S_IMODE(os.fstat(file.fileno()).st_mode)) << 16
    with archive.open(entry, "w", force_zip64=True) as writing:
        shutil.copyfileobj(file, writing, _CHUNK_BYTES)


def _extract_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, remaining: int
) -> int:
    path = target.joinpath(*_safe_parts(entry))
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(entry) as reading, path.open("wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):  # what the header claims is not trusted
            size += len(chunk)
            if size > remaining:
                raise ArchiveError("its contents are larger than this node takes")
            writing.write(chunk)
    if (entry.external_attr >> 16) & stat.S_IXUSR:
        path.chmod(0o700)
    return size


def _safe_parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    name = entry.filename
    pure = PurePosixPath(name)
    unsafe = (
        pure.is_absolute()
        or ".." in pure.parts
        or not pure.parts
        or "\\" in name
        or any(ord(character) < 32 for character in name)
    )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if unsafe or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(f"its entry {name[:200]!r} is not a plain file inside")
    return pure.parts
