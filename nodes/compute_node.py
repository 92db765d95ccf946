"""The calls a web node makes to one compute node, typed, with the product's own errors.

Every call carries the cluster key, which appears in no error and no log, and the correlation id of
the request it is made for.
"""

import json
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict
from urllib.parse import quote
from uuid import UUID

from django.conf import settings

from mlops.correlation import current_id, is_traced
from mlops.errors import (
    BundleUnknown,
    Busy,
    Gone,
    InvalidRequest,
    MlopsError,
    NodeError,
    NodeFailure,
    NodeStopping,
    NodeUntrusted,
    NotAcceptable,
    NotFound,
    PoolMissing,
    RunFailed,
    TooLarge,
    UnsupportedFormat,
)
from nodes import hop, multiplex
from nodes.background import run_sync
from nodes.connection import Response
from nodes.runtime import laps
from nodes.runtime.errors import ClientRefused
from nodes.runtime.multiplex import CALL_BYTES, OFFER
from nodes.runtime.tls import PLAIN_HTTP_CODE
from nodes.stopwatch import Stopwatch

__all__ = ["PLAIN", "Answer", "BundleUnknown", "ComputeNode", "NodePool", "PoolMissing", "run_sync"]

_REFUSAL_BYTES = 1024**2
_JSON = b"application/json"
_POOL_SECONDS = 60  # to take a definition, not to build what it says


_BY_CODE: Mapping[str, type[MlopsError]] = {
    "bundle-unknown": BundleUnknown,
    "session-unknown": Gone,
    "object-unknown": NotFound,
    "pool-missing": PoolMissing,
    "stopping": NodeStopping,
    "cut-off": NodeFailure,
    "file-unknown": NotFound,
}
_BY_STATUS: Mapping[int, type[MlopsError]] = {
    400: InvalidRequest,
    406: NotAcceptable,
    413: TooLarge,
    415: UnsupportedFormat,
    422: RunFailed,
    503: Busy,
}

PLAIN: Mapping[str, str] = {}  # JSON both ways


class Answer(NamedTuple):
    """What a node answered to a scoring call."""

    body: bytes
    content_type: bytes


@dataclass(frozen=True, slots=True)
class NodePool:
    """A dedicated pool as its node reports it; `owner` is the mark in the bundle's manifest."""

    bundle_id: str
    owner: int | None
    initial_size: int
    max_size: int
    is_ready: bool
    reason: str

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "NodePool":
        """What the report says."""
        return cls(
            report["bundle"],
            report["pool"],
            report["initialSize"],
            report["maxSize"],
            report["status"] == "Success",
            report["reason"],
        )


class Input(TypedDict):
    """A variable that an execute sets before it runs."""

    name: str
    value: Any


class ComputeNode:
    """The compute node at `address`.

    All calls raise NodeUnreachable, NodeFailure or NodeTimeout (nodes/hop.py), and Busy when the
    node had no shell free; those of a session raise Gone when the node has lost it.
    """

    __slots__ = ("_base", "address")

    def __init__(self, address: str) -> None:
        self.address = address
        self._base = f"{address.rstrip('/')}/v1"

    async def health(self, *, seconds: float) -> dict[str, Any]:
        """What the node reports of itself: version, runtimes with their pools, log path."""
        response = await self._call("GET", "/health", seconds=seconds)
        return self._understood(response, runtimes=dict)

    # Published versions.

    async def put_bundle(
        self, bundle_id: str, manifest: bytes, payload: AsyncIterable[bytes] | None = None
    ) -> None:
        """Give the node what it needs to run a version: its manifest, and its snapshot if any."""

        async def body() -> AsyncIterable[bytes]:
            yield len(manifest).to_bytes(4, "big") + manifest
            if payload is not None:
                async for chunk in payload:
                    yield chunk

        await self._call("PUT", f"/bundles/{bundle_id}", body=body())

    async def score(
        self,
        bundle_id: str,
        body: bytes,
        *,
        correlation_id: str = "",
        formats: Mapping[str, str] = PLAIN,
        watch: Stopwatch | None = None,
    ) -> Answer:
        """The result object as JSON bytes (wire-api section 3) for the caller's body, untouched.

        `formats` are the caller's headers that say otherwise: the answer is then a data frame.
        Raises BundleUnknown, PoolMissing, InvalidRequest (its `fields` name the input) or TooLarge;
        where formats are given also UnsupportedFormat, NotAcceptable and RunFailed. With a `watch`
        the node is asked where the time goes.
        """
        if not formats and watch is None and len(body) <= CALL_BYTES:
            connection = multiplex.connection_to(self.address)
            if connection is not None:
                reply = await connection.score(
                    bundle_id,
                    body,
                    correlation_id=correlation_id,
                    seconds=settings.NODE_REQUEST_SECONDS,
                )
                if reply.status >= 300:
                    raise self._refusal(reply.status, reply.body)
                return Answer(reply.body, _JSON)
        headers = {"X-Correlation-Id": correlation_id} if correlation_id else {}
        if formats:
            headers |= formats
        on_connected = None
        if watch is not None:
            headers["X-Laps"] = "trace" if watch.is_traced else "1"
            watch.sending()
            on_connected = watch.connected
        response = await self._call(
            "POST",
            f"/bundles/{bundle_id}/score",
            body=body,
            headers=headers,
            on_connected=on_connected,
        )
        if watch is not None:
            watch.answered(self.address, response.headers.get(laps.HEADER))
        if OFFER in response.headers:
            multiplex.open_soon(
                self.address, key=settings.CLUSTER_KEY, seconds=settings.NODE_CONNECT_SECONDS
            )
        return Answer(response.body, response.headers.get(b"content-type", _JSON))

    # Dedicated pools.

    async def put_pool(self, bundle_id: str, *, initial_size: int, max_size: int) -> None:
        """Have the node build the bundle's pool, or change its size; raises BundleUnknown."""
        body = json.dumps({"initialSize": initial_size, "maxSize": max_size}).encode()
        await self._call("PUT", f"/bundles/{bundle_id}/pool", body=body, seconds=_POOL_SECONDS)

    async def delete_pool(self, bundle_id: str) -> None:
        """Have the node end the bundle's pool, if it has one."""
        await self._call("DELETE", f"/bundles/{bundle_id}/pool", seconds=_POOL_SECONDS)

    async def pools(self, *, seconds: float) -> tuple[list[NodePool], set[str]]:
        """The node's pools, and the ids of the bundles that it is receiving just now."""
        response = await self._call("GET", "/pools", seconds=seconds)
        answer = self._understood(response, pools=list, receiving=list)
        try:
            return [NodePool.of(report) for report in answer["pools"]], set(answer["receiving"])
        except (KeyError, TypeError):
            raise NodeFailure(f"{self.address} does not answer as a compute node does.") from None

    # Sessions.

    async def open_session(self, session_id: UUID, runtime: str) -> None:
        """Lend a shell to the session."""
        body = json.dumps({"id": str(session_id), "runtime": runtime}).encode()
        await self._call("POST", "/sessions", body=body)

    async def close_session(
        self, session_id: UUID, *, force: bool = False, seconds: float | None = None
    ) -> None:
        """Free the shell and its working directory; with `force` kill it first."""
        path = f"/sessions/{session_id}{'?force=1' if force else ''}"
        await self._call("DELETE", path, seconds=seconds)

    async def list_sessions(self, *, seconds: float) -> list[str]:
        """The ids of all sessions that the node holds, whoever opened them."""
        response = await self._call("GET", "/sessions", seconds=seconds)
        return [str(one) for one in self._understood(response, sessions=list)["sessions"]]

    async def execute(
        self, session_id: UUID, code: str, inputs: Sequence[Input], outputs: Sequence[str]
    ) -> bytes:
        """The execute body (wire-api section 4) as JSON bytes; earlier calls come first.

        Cancelling it interrupts what runs.
        """
        body = json.dumps({"code": code, "inputs": inputs, "outputs": outputs}).encode()
        path = f"/sessions/{session_id}/execute"
        return (await self._call("POST", path, body=body)).body

    async def console_output(self, session_id: UUID) -> str:
        """What the current or last execute has printed."""
        response = await self._call("GET", f"/sessions/{session_id}/console")
        return str(self._understood(response, consoleOutput=str)["consoleOutput"])

    async def history(self, session_id: UUID) -> list[str]:
        """The texts executed, oldest first."""
        response = await self._call("GET", f"/sessions/{session_id}/history")
        return [str(code) for code in self._understood(response, history=list)["history"]]

    async def cancel(self, session_id: UUID) -> None:
        """Interrupt what the session executes, if anything."""
        await self._call("POST", f"/sessions/{session_id}/cancel")

    async def list_files(self, session_id: UUID) -> list[str]:
        """The names of the files in the working directory; `/` separates folders."""
        response = await self._call("GET", f"/sessions/{session_id}/files")
        return [str(name) for name in self._understood(response, files=list)["files"]]

    async def put_file(self, session_id: UUID, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Store a file in the working directory, in place of a former one."""
        await self._call("PUT", self._file_path(session_id, name), body=chunks)

    async def get_file(self, session_id: UUID, name: str) -> Response:
        """A stream of the file's bytes; raises NotFound."""
        return await self._call("GET", self._file_path(session_id, name), stream=True)

    async def delete_file(self, session_id: UUID, name: str) -> None:
        """Remove the file; raises NotFound."""
        await self._call("DELETE", self._file_path(session_id, name))

    async def list_objects(self, session_id: UUID) -> list[str]:
        """The names of the user's objects in the session's workspace."""
        response = await self._call("GET", f"/sessions/{session_id}/workspace")
        return [str(name) for name in self._understood(response, objects=list)["objects"]]

    async def put_object(self, session_id: UUID, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Bind the object (dill or RData bytes) to `name`; InvalidRequest when it is unreadable."""
        await self._call("PUT", self._object_path(session_id, name), body=chunks)

    async def get_object(self, session_id: UUID, name: str) -> Response:
        """A stream of the object's bytes (dill or RData); raises NotFound."""
        return await self._call("GET", self._object_path(session_id, name), stream=True)

    async def delete_object(self, session_id: UUID, name: str) -> None:
        """Remove the object; raises NotFound."""
        await self._call("DELETE", self._object_path(session_id, name))

    async def save_snapshot(self, session_id: UUID) -> Response:
        """A stream of the session as a zip (wire-api section 5)."""
        return await self._call("POST", f"/sessions/{session_id}/snapshot", stream=True)

    async def load_snapshot(self, session_id: UUID, chunks: AsyncIterable[bytes]) -> None:
        """Merge a snapshot's zip into the session; InvalidRequest when it does not fit."""
        await self._call("PUT", f"/sessions/{session_id}/snapshot", body=chunks)

    # How they are made.

    def _object_path(self, session_id: UUID, name: str) -> str:
        return f"/sessions/{session_id}/workspace/{quote(name, safe='')}"

    def _file_path(self, session_id: UUID, name: str) -> str:
        return f"/sessions/{session_id}/files/{quote(name)}"

    def _understood(self, response: Response, **kinds: type) -> dict[str, Any]:
        """The JSON object of an answer, which has a member of each of the `kinds`."""
        try:
            answer = json.loads(response.body)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and all(
            isinstance(answer.get(name), kind) for name, kind in kinds.items()
        ):
            return answer
        raise NodeFailure(f"{self.address} does not answer as a compute node does.")

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        stream: bool = False,
        on_connected: Callable[[bool], None] | None = None,
    ) -> Response:
        deadline_seconds = settings.NODE_REQUEST_SECONDS if seconds is None else seconds
        own_headers = {"Authorization": f"Bearer {settings.CLUSTER_KEY}"}
        if correlation_id := current_id():
            own_headers["X-Correlation-Id"] = correlation_id
        if is_traced():
            own_headers["X-Laps"] = "trace"
        response = await hop.request(
            method,
            self._base + path,
            headers={**own_headers, **(headers or {})},
            body=body,
            deadline_seconds=deadline_seconds,
            connect_seconds=settings.NODE_CONNECT_SECONDS,
            stream=stream,
            on_connected=on_connected,
        )
        if response.status >= 300:
            raw = await _read_some(response) if stream else response.body
            raise self._refusal(response.status, raw)
        return response

    def _refusal(self, status: int, raw: bytes) -> MlopsError:
        """The error that an answer other than 2xx stands for."""
        try:
            answer = json.loads(raw)
            code, message = str(answer["code"]), str(answer["message"])
        except (ValueError, TypeError, KeyError):
            return NodeFailure(f"{self.address} answered {status} without saying why.")
        if status == 401:
            return NodeFailure(
                f"{self.address} does not accept this web node's cluster key;"
                " MLOPS_CLUSTER_KEY must be the same on all nodes."
            )
        if code in (PLAIN_HTTP_CODE, ClientRefused.code):
            return NodeUntrusted(f"{self.address} refuses this web node. {message}")
        kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
        if kind is None:
            return NodeError(f"{self.address} failed: {message}")
        if kind is InvalidRequest:
            return InvalidRequest(message, fields=str(answer.get("fields", "")))
        return kind(message)


async def close_connections() -> None:
    """Close the running event loop's connections that are not in use, so that it can be closed."""
    await multiplex.close_all()
    await hop.close_idle()


async def _read_some(response: Response) -> bytes:
    raw = b""
    async with response:
        async for chunk in response:
            raw += chunk
            if len(raw) > _REFUSAL_BYTES:
                break
    return raw
