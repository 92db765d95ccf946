"""The cluster key: nobody else may speak to a compute node."""

import hmac
import json

from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import NotAuthorized

METRICS_PATH = "/metrics"


class ClusterKeyRequired:
    """Passes on what carries the cluster key as bearer token; answers 401 to everything else.

    Where there is a metrics token it opens /metrics as well, and nothing else.
    """

    def __init__(self, app: ASGIApp, cluster_key: str, metrics_token: str = "") -> None:
        self._app = app
        self._expected = b"Bearer " + cluster_key.encode()
        self._of_metrics = b"Bearer " + metrics_token.encode() if metrics_token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] == "http" and not self._is_authorized(scope):
            await _refuse(send)
            return
        await self._app(scope, receive, send)

    def _is_authorized(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"authorization":
                if hmac.compare_digest(value, self._expected):
                    return True
                return (
                    self._of_metrics is not None
                    and scope["path"] == METRICS_PATH
                    and hmac.compare_digest(value, self._of_metrics)
                )
        return False


async def _refuse(send: Send) -> None:
    error = NotAuthorized("The cluster key is missing or wrong.")
    body = json.dumps(error.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
