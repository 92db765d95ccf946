"""The process that shells are forked from, with all that Python ones need imported once.

Importing takes seconds, a fork milliseconds, and the memory of what was imported is shared; a shell
of another language executes its own program after the fork. No code of a user runs here. A shell is
to be a child of the node, which waits for its children and dies with them, and not of this process.
So it is forked by way of a helper, which ends when the node has noted the shell's pid; then the
kernel hands the shell to the node, the reaper of orphans below it. The helper is also what enters a
sandbox: only what a process forks afterwards is in it.

Messages on the socket are JSON, a packet each: `{}` when ready; from the node what the shell is to
be (as descriptors its output, its connection, and its sandbox if any); from the helper the pid;
`{}` from the node; `{}` when the shell has been handed over. In place of any of ours:
`{"error": <text>}`.
"""

import gc
import json
import os
import socket
import sys
import tempfile
import traceback
from multiprocessing.process import current_process
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import bounds, entering, python_shell

_REQUEST_MAX_BYTES = 65536
_DESCRIPTORS = 3


def serve(node_pid: int, descriptor: int) -> NoReturn:
    """Forks a shell at each request, until the node hangs up."""
    control = socket.socket(fileno=descriptor)
    node = os.pidfd_open(node_pid)
    entering.die_with(node)
    _call_this_process("python-template")
    gc.collect()
    gc.freeze()  # a collection in a shell would otherwise copy the pages it looks through
    control.send(b"{}")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _REQUEST_MAX_BYTES, _DESCRIPTORS)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if _fork_orphan(control, request, *descriptors[2:]):
            for number in (control.detach(), *descriptors[2:]):
                os.close(number)
            _become_shell(node, request, *descriptors[:2])
        for number in descriptors:
            os.close(number)


def _fork_orphan(control: socket.socket, request: dict[str, Any], sandbox: int = -1) -> bool:
    """True in a new process that is a child of the node; False here, where the node was told."""
    try:
        helper = os.fork()
        if helper == 0:
            return _fork_and_end(control, request, sandbox)
        _, status = os.waitpid(helper, 0)
        code = os.waitstatus_to_exitcode(status)
        answer = {"error": os.strerror(abs(code))} if code else {}
    except OSError as error:
        answer = {"error": str(error.strerror)}
    control.send(json.dumps(answer).encode())
    return False


def _fork_and_end(control: socket.socket, request: dict[str, Any], sandbox: int) -> bool:
    """True in the forked process, once this one has ended with an error number, 0 for none."""
    try:
        helper = os.pidfd_open(os.getpid())
        entering.join_group(request["group"])
        if sandbox >= 0:
            entering.enter(sandbox, has_network=request["network"])
        pid = os.fork()
        if pid == 0:
            entering.has_ended(helper, seconds=None)
            os.close(helper)
            return True
        control.send(b'{"pid":%d}' % pid)
        control.recv(_REQUEST_MAX_BYTES)
    except OSError as error:
        os._exit(error.errno or 1)
    os._exit(0)


def _become_shell(node: int, request: dict[str, Any], output: int, connection: int) -> NoReturn:
    try:
        os.setsid()
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output, stream.fileno())
        os.close(output)
        bounds.limit_resources(request["memory"], request["files"], request["tasks"])
        _call_this_process("python-shell")
        entering.drop_privileges(request["uid"])
        entering.die_with(node)
        entering.keep_descendants()
        os.close(node)
        os.chdir(request["work"])
        if request["command"]:
            _become_program(request, connection)
        os.environ.clear()
        os.environ.update(request["environment"])
        _forget_what_copies_share()
        python_shell.main(connection)
    except BaseException:  # noqa: BLE001 (nothing of the template may run on in a shell)
        traceback.print_exc()
        os._exit(1)


def _become_program(request: dict[str, Any], connection: int) -> NoReturn:
    """Executes the command. On its standard input are the number of a port of loopback, where it
    is to connect, and what it is to begin with there; the node gets the listening socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=4) as listener:
        port = listener.getsockname()[1]
        with socket.socket(fileno=connection) as node:
            socket.send_fds(node, [b"{}"], [listener.fileno()])
    reading, writing = os.pipe()
    os.write(writing, f"{port}\n{request['secret']}\n".encode())
    os.close(writing)
    os.dup2(reading, sys.stdin.fileno())
    os.close(reading)
    command = request["command"]
    os.execvpe(command[0], command, request["environment"])  # noqa: S606 (the node's own)


def _forget_what_copies_share() -> None:
    """Has this process draw its own lots; `random` does so by itself."""
    np.random.seed()
    current_process().authkey = os.urandom(32)
    tempfile.tempdir = None


def _call_this_process(name: str) -> None:
    """Sets the name that `ps` and `top` show, of at most 15 characters."""
    Path("/proc/self/comm").write_text(name)
