"""The log file of one supervised program, bounded by rotation."""

from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
KEPT_FILES = 3


class RotatingLog:
    """Appends what a program writes to `path`; full files move to `path`.1 and so on."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._max_bytes = max_bytes

    def write(self, text: bytes) -> None:
        """Adds `text`; raises OSError, for example when the disk is full."""
        if self._size() + len(text) > self._max_bytes:
            self._rotate()
        with self.path.open("ab") as file:
            file.write(text)

    def tail(self, lines: int) -> str:
        """The last lines, for a person who wonders why the program does not start."""
        try:
            text = self.path.read_bytes()[-64 * 1024 :]
        except OSError:
            return ""
        return "\n".join(text.decode(errors="replace").splitlines()[-lines:])

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _rotate(self) -> None:
        for number in range(KEPT_FILES, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path
