"""Leaving the node's own place: into a sandbox, into a control group, and to another user."""

import ctypes
import os
import select
import signal
from pathlib import Path

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWPID = 0x2000_0000
_CLONE_NEWIPC = 0x0800_0000
_CLONE_NEWNET = 0x4000_0000
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522
_libc = ctypes.CDLL(None, use_errno=True)


def enter(sandbox: int, *, has_network: bool) -> None:
    """Has the processes that this one forks be in the sandbox whose first process is `sandbox`, a
    pidfd; OSError when it cannot be entered.

    Takes a process of a single thread. What is not root gets all its rights within the sandbox by
    this, see `drop_privileges`.
    """
    spaces = _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC
    if not has_network:
        spaces |= _CLONE_NEWNET
    if os.geteuid() != 0:
        spaces |= _CLONE_NEWUSER
    if _libc.setns(sandbox, spaces) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the sandbox cannot be entered: {os.strerror(number)}")


def join_group(control_group: str) -> None:
    """Puts this process into the control group; "" is none."""
    if control_group:
        Path(control_group, "cgroup.procs").write_text(str(os.getpid()))


def drop_privileges(uid: int | None) -> None:
    """Becomes the user, if one is given, with no right that is special, never to get one again."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # The user is of this shell alone: what it may see of itself it may see as before.
        _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    elif os.geteuid() != 0:
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        if _libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
            raise OSError(ctypes.get_errno(), "privileges cannot be dropped")
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with(node: int) -> None:
    """Dies with the node, whose pidfd this is, and whose child this process is.

    Comes after `drop_privileges`, by which the kernel forgets it.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if has_ended(node):  # it died before we asked to be told
        os._exit(1)


def keep_descendants() -> None:
    """Has orphans below this process become its own children."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def has_ended(process: int, *, seconds: float | None = 0) -> bool:
    """Whether the process, a pidfd, has ended or does within that time; None: however long."""
    return bool(select.select([process], [], [], seconds)[0])
