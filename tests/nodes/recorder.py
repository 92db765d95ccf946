"""A compute node that runs nothing: it notes what it was asked and answers as it is told."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlops.accounts.models import User
from nodes.models import NodeEntry, Session
from tests.nodes.loopback import Peer, serving_in_thread


def _now() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Recorder:
    """A node that answers everything with the same, and a session of alice on it."""

    answer: bytes
    status: str = "200 OK"
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    path: str = ""
    answers_when: threading.Event = field(default_factory=_now)

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, body = await peer.read_request()
            self.requests.append((head.split(b" HTTP/")[0].decode(), body))
            await asyncio.to_thread(self.answers_when.wait, 60)
            await peer.answer(self.answer, head=b"HTTP/1.1 " + self.status.encode())

    def body(self) -> object:
        """The JSON of the only request."""
        [(_, body)] = self.requests
        return json.loads(body)


@contextmanager
def recording(user: User, answer: bytes = b"{}") -> Iterator[Recorder]:
    """A declared node and a session of the user on it."""
    recorder = Recorder(answer)
    with serving_in_thread(recorder) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        session = Session.objects.create(owner=user, runtime="R", node=f"{server.url}/")
        recorder.path = f"/sessions/{session.pk}"
        yield recorder
