"""The body of an ASGI response, large ones a piece at a time."""

import asyncio

from starlette.types import Send

from .pieces import LARGE_BYTES, sliced


async def send_body(send: Send, body: bytes) -> None:
    """Send it; while a large one goes out others have their turns."""
    if len(body) > LARGE_BYTES:
        for piece in sliced(body):
            await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
            await asyncio.sleep(0)
        body = b""
    await send({"type": "http.response.body", "body": body})
