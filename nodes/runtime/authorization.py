"""Who may speak to a compute node: whoever has the cluster key, from an address that is allowed."""

import hmac
import ipaddress
import json
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import NotAuthorized

METRICS_PATH = "/metrics"
_BEARER = b"Bearer "


class ClusterKeys:
    """The keys by which web nodes prove themselves: one, and another while it is replaced."""

    def __init__(self, *keys: str) -> None:
        self._keys = [key.encode() for key in keys if key]

    def accept(self, shown: bytes) -> bool:
        """Whether it is one of them; tells nothing by the time it takes."""
        return True in [hmac.compare_digest(shown, key) for key in self._keys]


class AllowedClients:
    """The addresses from which connections are taken: of some networks, or all where none is named.

    ValueError when one is no address or network, and says which.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def include(self, address: str) -> bool:
        """Whether the address is one of them."""
        if not self._networks:
            return True
        client = ipaddress.ip_address(address)
        mapped = getattr(client, "ipv4_mapped", None)  # as a socket for both versions shows IPv4
        return any((mapped or client) in network for network in self._networks)


class ClusterKeyRequired:
    """Passes on what carries a cluster key as bearer token; answers 401 to everything else.

    Where there is a metrics token it opens /metrics as well, and nothing else.
    """

    def __init__(self, app: ASGIApp, cluster_keys: ClusterKeys, metrics_token: str = "") -> None:
        self._app = app
        self._cluster_keys = cluster_keys
        self._of_metrics = _BEARER + metrics_token.encode() if metrics_token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] == "http" and not self._is_authorized(scope):
            await _refuse(send)
            return
        await self._app(scope, receive, send)

    def _is_authorized(self, scope: Scope) -> bool:
        shown = authorization(scope["headers"])
        if shows_key(shown, self._cluster_keys):
            return True
        return (
            self._of_metrics is not None
            and scope["path"] == METRICS_PATH
            and hmac.compare_digest(shown, self._of_metrics)
        )


def authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What a request shows; b"" when it shows nothing."""
    for name, value in headers:
        if name == b"authorization":
            return value
    return b""


def shows_key(shown: bytes, cluster_keys: ClusterKeys) -> bool:
    """Whether that is a cluster key."""
    return shown.startswith(_BEARER) and cluster_keys.accept(shown[len(_BEARER) :])


async def _refuse(send: Send) -> None:
    error = NotAuthorized("The cluster key is missing or wrong.")
    body = json.dumps(error.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
        (b"connection", b"close"),  # so that its body is not read
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
