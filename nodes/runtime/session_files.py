"""The files of a session's working directory, by relative name.

Its code may put links in the way at any moment, so every name is walked folder by folder from the
directory itself, and no link on it is followed.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .archive import regular_files
from .errors import FileUnknown, InvalidRequest

# What a snapshot holds beside the user's files, at the top of its zip.
WORKSPACE_FILES = {"Python": ".dill", "R": ".RData"}
PACKAGES = ".packages"  # of Python; those of R are among the files
_RESERVED = frozenset({*WORKSPACE_FILES.values(), PACKAGES, ".library"})

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not keep us waiting


def list_files(root: Path) -> list[str]:
    """The names of the plain files below `root`, sorted, `/` between folders."""
    names = (path.relative_to(root).as_posix() for path in regular_files(root))
    return sorted(name for name in names if _is_text(name) and _top(name) not in _RESERVED)


def open_file(root: Path, name: str) -> BinaryIO:
    """The file, open for reading; `FileUnknown` when there is no plain file of that name."""
    with _folder_of(root, name, make=False) as (folder, last):
        try:
            descriptor = os.open(last, _FILE, dir_fd=folder)
        except OSError:
            raise _unknown(name) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unknown(name)
    return os.fdopen(descriptor, "rb")


def place_file(root: Path, name: str, source: Path) -> None:
    """Moves `source` to the name, replacing a file that has it and making its folders;
    `InvalidRequest` when something else is in the way."""
    with _folder_of(root, name, make=True) as (folder, last):
        try:
            os.replace(source, last, dst_dir_fd=folder)
        except OSError as error:
            raise _in_the_way(name, error) from None


def delete_file(root: Path, name: str) -> None:
    """Removes the file, or the link itself; `FileUnknown` when there is none of that name."""
    with _folder_of(root, name, make=False) as (folder, last):
        try:
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


@contextlib.contextmanager
def _folder_of(root: Path, name: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """The open folder that holds the name, and the name's last part."""
    check_name(name)
    if _top(name) in _RESERVED:
        raise (
            InvalidRequest(f"{_top(name)} is kept by the server itself.")
            if make
            else _unknown(name)
        )
    *folders, last = name.split("/")
    try:
        descriptor = os.open(root, _FOLDER)
    except OSError as error:
        raise _in_the_way(name, error) if make else _unknown(name) from None
    try:
        for part in folders:
            try:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=descriptor)
                below = os.open(part, _FOLDER, dir_fd=descriptor)
            except OSError as error:
                raise _in_the_way(name, error) if make else _unknown(name) from None
            os.close(descriptor)
            descriptor = below
        yield descriptor, last
    finally:
        os.close(descriptor)


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


def _in_the_way(name: str, error: OSError) -> InvalidRequest:
    return InvalidRequest(f"The file {name[:200]} cannot be written: {error.strerror}.")
