"""The Python shell: answers the node's frames until the node hangs up."""

import itertools
import os
import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..frames import FrameDecoder, encode_head
from ..inputs import InputError
from .interpreter import flush_streams
from .interrupts import Interrupts
from .service import Service
from .session import Session
from .tracebacks import describe
from .translation import translate
from .workspace import Workspace, dump

try:
    import sklearn.base  # what most services need: imported while the shell is still blank
except ImportError:
    sklearn = None

_CHUNK_BYTES = 256 * 1024
_OF_SESSIONS = {"execute", "put_object", "get_object", "load_workspace", "save_workspace"}
Reply = tuple[dict[str, Any], bytes]


class PythonShell:
    """One operation of the shell protocol per method, named as on the wire."""

    def __init__(self) -> None:
        self._workspace = Workspace()
        self._work = Path.cwd()
        self._service: Service | None = None
        self._session: Session | None = None
        self.interrupts = Interrupts()
        self._operations: dict[str, Callable[..., dict[str, Any]]] = {
            "ping": self._ping,
            "load": self._load,
            "put_object": self._put_object,
            "get_object": self._get_object,
            "delete_object": self._delete_object,
            "list_objects": self._list_objects,
            "save_workspace": self._save_workspace,
            "load_workspace": self._load_workspace,
        }

    def answer(self, header: dict[str, Any], body: bytes) -> Reply:
        """The reply to one request frame."""
        operation = header.pop("op")
        if operation == "score":
            return self._score(body, header)
        if operation == "translate":
            return translate(header, body)
        if operation == "score_together":
            return self._loaded().score_together(_cut(body, header["sizes"]), header["maxRows"])
        try:
            if operation in _OF_SESSIONS:
                session = self._enter_session()
                if operation == "execute":
                    return session.execute(body, header["maxBytes"])
            return self._operations[operation](**header), b""
        except BaseException as error:  # noqa: BLE001 (objects and init code may raise anything)
            return {"ok": False, "message": describe(error, str(self._work))}, b""

    def _score(self, body: bytes, header: dict[str, Any]) -> Reply:
        try:
            return self._loaded().score(body, **header)
        except InputError as error:
            return {"kind": "invalid", "message": error.message, "field": error.fields}, b""

    def _loaded(self) -> Service:
        if self._service is None:
            raise RuntimeError("no bundle is loaded")
        return self._service

    def _enter_session(self) -> Session:
        """The session, from the first call on that says this shell is lent to one."""
        if self._session is None:
            self._session = Session(self._workspace, self._work, self.interrupts)
        self._session.refresh()
        return self._session

    def _ping(self) -> dict[str, Any]:
        return {"ok": True}

    def _load(self, bundle: str) -> dict[str, Any]:
        self._service = Service(Path(bundle), self._workspace, self._work.parent)
        return {"ok": True}

    def _put_object(self, name: str, path: str) -> dict[str, Any]:
        self._workspace.put(name, Path(path))
        return {"ok": True}

    def _get_object(self, name: str, path: str) -> dict[str, Any]:
        objects = self._workspace.objects()
        if name not in objects:
            return _unknown(name)
        dump(objects[name], Path(path))
        return {"ok": True}

    def _delete_object(self, name: str) -> dict[str, Any]:
        if name not in self._workspace.objects():
            return _unknown(name)
        del self._workspace.names[name]
        return {"ok": True}

    def _list_objects(self) -> dict[str, Any]:
        return {"ok": True, "objects": sorted(self._workspace.objects())}

    def _save_workspace(self, path: str) -> dict[str, Any]:
        return {"ok": True, "objects": self._workspace.save(Path(path))}

    def _load_workspace(self, path: str) -> dict[str, Any]:
        self._workspace.load(Path(path))
        return {"ok": True}


def _cut(body: bytes, sizes: list[int]) -> list[bytes]:
    """The pieces of these sizes, one after the other."""
    ends = itertools.accumulate(sizes)
    return [body[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _unknown(name: str) -> dict[str, Any]:
    return {"ok": False, "code": "object-unknown", "message": f"There is no object {name}."}


def main(descriptor: int) -> NoReturn:
    """Serves the socket with number `descriptor` until its end."""
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    # A forked copy of this process must never answer in its place.
    os.register_at_fork(after_in_child=connection.close)
    sys.argv = [""]
    sys.path.insert(0, str(Path.cwd()))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    shell = PythonShell()
    decoder = FrameDecoder(body_max_bytes=2**63)
    _send(connection, {"event": "ready", "version": platform.python_version()}, b"")
    while data := connection.recv(_CHUNK_BYTES):
        decoder.feed(data)
        while frame := decoder.next_frame():
            header, body = shell.answer(*frame)
            flush_streams()
            shell.interrupts.forget()
            _send(connection, header, body)
    os._exit(0)  # the node is gone: nobody waits for exit handlers or threads of user code


def _send(connection: socket.socket, header: dict[str, Any], body: bytes) -> None:
    connection.sendall(encode_head(header, len(body)) + body)
