"""Ending with one's parent, even when that was killed and could not say so."""

import ctypes
import os
import signal
import threading
import time

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.5

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Lets the kernel kill this process when the thread that forked it ends.

    For use between fork and exec, which it survives. `parent` is the process that forked; it may
    be dead by now.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
        os._exit(1)


def exit_with_parent() -> None:
    """Kills this process soon after its parent has ended.

    For children that any thread of the parent may have forked: the kernel's way would kill them
    when that thread ends.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
