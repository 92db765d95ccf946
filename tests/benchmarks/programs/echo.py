"""The second hop of the limit: answers with the body it gets. Plain ASGI."""

from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo."""
    message = await receive()
    body = message["body"]
    if message["more_body"]:
        pieces = [body]
        while message["more_body"]:
            message = await receive()
            pieces.append(message["body"])
        body = b"".join(pieces)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
