"""Files in the directories of shells, reached without following a link.

Code in the shell may put links in the way at any moment, which would lead the node to files that
the shell cannot reach itself. So every name is walked folder by folder from the directory, and what
is opened is what was looked at.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not keep us waiting


@contextlib.contextmanager
def folder_of(root: Path, folders: Sequence[str]) -> Iterator[int]:
    """The descriptor of a folder below `root`; OSError when there is none."""
    descriptor = os.open(root, _FOLDER)
    try:
        for name in folders:
            below = os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(name: str, folder: int) -> BinaryIO:
    """The plain file of the folder, open for reading; OSError when it is none."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(name)
    return os.fdopen(descriptor, "rb")


def place(
    source: Path, root: Path, name: Sequence[str], *, uid: int | None, by_force: bool = False
) -> None:
    """Moves a file of the node to a name below `root`, as the user's, in place of a file there.

    Folders are made as needed. What else is in the way is removed by force, or an OSError.
    """
    *folders, last = name
    for depth, folder in enumerate(folders):
        with folder_of(root, folders[:depth]) as above:
            _make_folder(folder, above, uid, by_force=by_force)
    if uid is not None:
        os.chown(source, uid, uid, follow_symlinks=False)
    with folder_of(root, folders) as there:
        if by_force and _is_folder(last, there):
            shutil.rmtree(last, dir_fd=there)
        os.replace(source, last, dst_dir_fd=there)


def open_files(root: Path) -> Iterator[tuple[str, BinaryIO]]:
    """The plain files below `root` in order, by relative name with slashes, each open until the
    next is asked for."""
    for directory, files, folder in _walk(root):
        for name in files:
            try:
                file = open_file(name, folder)
            except OSError:  # code may run meanwhile
                continue
            with file:
                yield Path(directory, name).relative_to(root).as_posix(), file


def list_files(root: Path) -> Iterator[str]:
    """The names of the plain files below `root`, relative with slashes."""
    for directory, files, folder in _walk(root):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
                    yield Path(directory, name).relative_to(root).as_posix()


def _walk(root: Path) -> Iterator[tuple[str, list[str], int]]:
    """Each folder from `root` on with its files in order and its descriptor; none without a root,
    which code may have removed."""
    with contextlib.suppress(FileNotFoundError):
        for directory, names, files, folder in os.fwalk(root):
            names.sort()
            yield directory, sorted(files), folder


def _make_folder(name: str, above: int, uid: int | None, *, by_force: bool) -> None:
    if by_force and not _is_folder(name, above):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=above)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
        if uid is not None:
            os.chown(name, uid, uid, dir_fd=above, follow_symlinks=False)


def _is_folder(name: str, above: int) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(name, dir_fd=above).st_mode)
    except FileNotFoundError:
        return False
