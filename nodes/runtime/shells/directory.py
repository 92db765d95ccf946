"""The directories of a shell: what a run changed in them, and how they are put back."""

import base64
import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

Mark = tuple[int, ...]


class Directory:
    """One directory as it was after the load.

    Its files come back from `source`, where they are the same there, else from copies in `keep`.
    """

    def __init__(self, root: Path, keep: Path, source: Path | None = None) -> None:
        self.root = root
        self._keep = keep
        self._source = source
        self._base: dict[str, Mark] = {}

    def capture(self) -> None:
        """Remembers what is here now as what `restore` brings back."""
        for name, status in walk(self.root):
            if stat.S_ISREG(status.st_mode):
                if not self._in_source(name, status):
                    self._copy_to_keep(name)
                _age(self.root / name)
            elif stat.S_ISLNK(status.st_mode):
                self._copy_to_keep(name)
        self._base = {name: _mark(status) for name, status in walk(self.root)}

    def changed(self) -> list[str]:
        """The files created or modified since, relative, with slashes."""
        return sorted(
            name
            for name, status in walk(self.root)
            if not stat.S_ISDIR(status.st_mode) and self._base.get(name) != _mark(status)
        )

    def restore(self) -> None:
        """Removes what was created, rewrites what was changed or deleted."""
        if not self._base and self.root.is_dir() and not os.listdir(self.root):  # noqa: PTH208
            return
        self.root.mkdir(mode=0o700, exist_ok=True)
        now = dict(walk(self.root))
        same = {name for name, status in now.items() if self._base.get(name) == _mark(status)}
        for name in sorted(now.keys() - same, reverse=True):  # contents before their directory
            directory = stat.S_ISDIR(now[name].st_mode)
            if directory and name in self._base and stat.S_ISDIR(self._base[name][0]):
                (self.root / name).chmod(stat.S_IMODE(self._base[name][0]))
            else:
                _remove(self.root / name)
        for name, mark in self._base.items():  # a directory comes before its contents
            if name not in same:
                self._bring_back(name, mark)

    def read_files(self, names: Iterable[str]) -> dict[str, str]:
        """Those of `names` that are files here, in base64."""
        found = {}
        for name in names:
            path = self.root / name
            with contextlib.suppress(OSError, ValueError):
                if stat.S_ISREG(path.stat().st_mode):
                    found[name] = base64.b64encode(path.read_bytes()).decode()
        return found

    def _in_source(self, name: str, status: os.stat_result) -> bool:
        if self._source is None:
            return False
        try:
            there = (self._source / name).lstat()
        except OSError:
            return False
        return (there.st_mode, there.st_size, there.st_mtime_ns) == (
            status.st_mode,
            status.st_size,
            status.st_mtime_ns,
        )

    def _copy_to_keep(self, name: str) -> None:
        target = self._keep / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self.root / name, target, follow_symlinks=False)

    def _bring_back(self, name: str, mark: Mark) -> None:
        target = self.root / name
        source = self._keep / name
        if not source.is_symlink() and not source.exists() and self._source:
            source = self._source / name
        if stat.S_ISDIR(mark[0]):
            target.mkdir(mode=stat.S_IMODE(mark[0]), parents=True, exist_ok=True)
        elif source.is_symlink() or source.exists():
            shutil.copy2(source, target, follow_symlinks=False)
            if not target.is_symlink():
                _age(target)
        self._base[name] = _mark(target.lstat())


def walk(root: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """All entries below `root` by relative name, a directory before its contents."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = prefix + entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield name, status
        if stat.S_ISDIR(status.st_mode):
            yield from walk(Path(entry.path), f"{name}/")


def _mark(status: os.stat_result) -> Mark:
    if stat.S_ISDIR(status.st_mode):  # its times and size change with its contents
        return (status.st_mode,)
    return (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)


def _age(path: Path) -> None:
    # Times advance in steps of milliseconds: a file changed within the step of its making would
    # look unchanged. With a time in the past every write shows.
    moment = 1_000_000_000
    os.utime(path, (moment, moment))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
