"""The process that Python shells are forked from, with all that they need imported once.

Importing takes seconds, a fork milliseconds, and the memory of what was imported is shared. No code
of a user runs here. A shell is to be a child of the node, which waits for its children and dies
with them, and not of this process. So it is forked by way of a helper, which ends when the node has
noted the shell's pid; then the kernel hands the shell to the node, the reaper of orphans below it.

Messages on the socket are JSON, a packet each: `{}` when ready; from the node what the shell is to
be (with its output and its connection as descriptors); from the helper the pid; `{}` from the node;
`{}` when the shell has been handed over. In place of any of ours: `{"error": <text>}`.
"""

import gc
import json
import os
import socket
import sys
import tempfile
import time
import traceback
from multiprocessing.process import current_process
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import bounds, python_shell

_REQUEST_MAX_BYTES = 65536
_LOOK_SECONDS = 0.0005


def serve(node_pid: int, memory_bytes: int, file_bytes: int, descriptor: int) -> NoReturn:
    """Forks a shell at each request, until the node hangs up."""
    control = socket.socket(fileno=descriptor)
    _call_this_process("python-template")
    gc.collect()
    gc.freeze()  # a collection in a shell would otherwise copy the pages it looks through
    control.send(b"{}")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _REQUEST_MAX_BYTES, 2)
        if not message:
            os._exit(0)
        if _fork_orphan(control):
            control.close()
            request = {"memory": memory_bytes, "files": file_bytes, **json.loads(message)}
            _become_shell(node_pid, request, *descriptors)
        for number in descriptors:
            os.close(number)


def _fork_orphan(control: socket.socket) -> bool:
    """True in a new process that is a child of the node; False here, where the node was told."""
    try:
        helper = os.fork()
        if helper == 0:
            return _fork_and_end(control)
        _, status = os.waitpid(helper, 0)
        code = os.waitstatus_to_exitcode(status)
        answer = {"error": os.strerror(abs(code))} if code else {}
    except OSError as error:
        answer = {"error": str(error.strerror)}
    control.send(json.dumps(answer).encode())
    return False


def _fork_and_end(control: socket.socket) -> bool:
    """True in the forked process, once this one has ended with an error number, 0 for none."""
    try:
        helper = os.getpid()
        pid = os.fork()
        if pid == 0:
            while os.getppid() == helper:
                time.sleep(_LOOK_SECONDS)
            return True
        control.send(b'{"pid":%d}' % pid)
        control.recv(_REQUEST_MAX_BYTES)
    except OSError as error:
        os._exit(error.errno or 1)
    os._exit(0)


def _become_shell(node_pid: int, request: dict[str, Any], output: int, connection: int) -> NoReturn:
    try:
        os.setsid()
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output, stream.fileno())
        os.close(output)
        bounds.bind_to_node(node_pid)
        bounds.limit_resources(request["memory"], request["files"], request["group"])
        os.chdir(request["work"])
        os.environ.clear()
        os.environ.update(request["environment"])
        _call_this_process("python-shell")
        _forget_what_copies_share()
        python_shell.main(connection)
    except BaseException:  # noqa: BLE001 (nothing of the template may run on in a shell)
        traceback.print_exc()
        os._exit(1)


def _forget_what_copies_share() -> None:
    """Has this process draw its own lots; `random` does so by itself."""
    np.random.seed()
    current_process().authkey = os.urandom(32)
    tempfile.tempdir = None


def _call_this_process(name: str) -> None:
    """Sets the name that `ps` and `top` show, of at most 15 characters."""
    Path("/proc/self/comm").write_text(name)
