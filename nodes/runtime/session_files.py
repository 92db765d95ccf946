"""The files of a session's working directory, by relative name."""

import os
from pathlib import Path
from typing import BinaryIO

from . import beneath
from .errors import FileUnknown, InvalidRequest

# What a snapshot holds beside the user's files, at the top of its zip.
WORKSPACE_FILES = {"Python": ".dill", "R": ".RData"}
PACKAGES = ".packages"  # of Python; those of R are among the files
_RESERVED = frozenset({*WORKSPACE_FILES.values(), PACKAGES, ".library"})


def list_files(root: Path) -> list[str]:
    """The names of the plain files below `root`, sorted, `/` between folders."""
    names = beneath.list_files(root)
    return sorted(name for name in names if _is_text(name) and _top(name) not in _RESERVED)


def open_file(root: Path, name: str) -> BinaryIO:
    """The file, open for reading; `FileUnknown` when there is no plain file of that name."""
    *folders, last = _parts(name)
    try:
        with beneath.folder_of(root, folders) as folder:
            return beneath.open_file(last, folder)
    except OSError:
        raise _unknown(name) from None


def place_file(root: Path, name: str, source: Path, uid: int | None) -> None:
    """Moves `source` to the name as the user's, replacing a file that has it and making its
    folders; `InvalidRequest` when something else is in the way."""
    check_name(name)
    if _top(name) in _RESERVED:
        raise InvalidRequest(f"{_top(name)} is kept by the server itself.")
    try:
        beneath.place(source, root, name.split("/"), uid=uid)
    except OSError as error:
        raise InvalidRequest(
            f"The file {name[:200]} cannot be written: {error.strerror}."
        ) from None


def delete_file(root: Path, name: str) -> None:
    """Removes the file, or the link itself; `FileUnknown` when there is none of that name."""
    *folders, last = _parts(name)
    try:
        with beneath.folder_of(root, folders) as folder:
            os.unlink(last, dir_fd=folder)
    except OSError:
        raise _unknown(name) from None


def check_name(name: str) -> None:
    """`InvalidRequest` unless the name is that of a file below the directory."""
    parts = name.split("/")
    if not _is_text(name) or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InvalidRequest(
            f"{name[:200]!r} is no name of a file: give a path relative to the working directory."
        )


def _parts(name: str) -> list[str]:
    """The parts of the name of a file that there may be."""
    check_name(name)
    if _top(name) in _RESERVED:
        raise _unknown(name)
    return name.split("/")


def _top(name: str) -> str:
    return name.partition("/")[0]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return True


def _unknown(name: str) -> FileUnknown:
    return FileUnknown(f"There is no file {name[:200]}.")
