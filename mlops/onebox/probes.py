"""How the supervisor tells that a program works, and not only exists.

A probe returns whether the program gave a sign of life just now. It never raises and always ends.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

PROBE_SECONDS = 5.0

Probe = Callable[[], Awaitable[bool]]


def answers(
    url: str, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Probe:
    """A probe of an HTTP address: alive when it answers 200 in time."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    lines = [f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = "\r\n".join([*lines, "", ""]).encode()

    async def status() -> bytes:
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        try:
            writer.write(request)
            return await reader.readline()
        finally:
            writer.close()

    async def probe() -> bool:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return (await status()).split()[1:2] == [b"200"]
        except (OSError, ValueError):  # TimeoutError is an OSError
            return False

    return probe


def touches(files: Sequence[Path], *, within_seconds: float) -> Probe:
    """A probe of programs that touch files: alive when all were touched lately."""

    async def probe() -> bool:
        oldest = time.time() - within_seconds
        try:
            return all(file.stat().st_mtime >= oldest for file in files)
        except OSError:
            return False

    return probe
