"""Single ASGI layers for tests, and requests to them."""

from typing import Any

import httpx
from asgiref.sync import async_to_sync


async def handed_in(scope: Any, receive: Any, send: Any) -> None:
    """An innermost application that answers 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"handed in"})


def get(app: Any, path: str = "/", **options: Any) -> httpx.Response:
    """The answer of `app` to one request."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            return await client.request(options.pop("method", "GET"), path, **options)

    response: httpx.Response = async_to_sync(main)()
    return response
