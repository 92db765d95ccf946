"""The blocks of code that a session has run, as they were sent."""

from collections import deque


class History:
    """The latest blocks, `max_bytes` of UTF-8 in all."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._blocks: deque[tuple[str, int]] = deque()
        self._bytes = 0

    def add(self, code: str) -> None:
        """Notes a block; the oldest ones make room for it."""
        size = len(code.encode("utf-8", "surrogatepass"))
        self._blocks.append((code, size))
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= self._blocks.popleft()[1]

    def blocks(self) -> list[str]:
        """What is kept, oldest first."""
        return [code for code, _ in self._blocks]
