"""Loading a bundle into a blank shell."""

import time

from .bundles import Bundle
from .errors import LoadFailed
from .shell import Shell


async def load(shell: Shell, bundle: Bundle, *, deadline: float, expired: str) -> None:
    """Makes the shell warm for the bundle: its snapshot is restored and its initCode run.

    `LoadFailed` when that went wrong, `ShellDied` when the shell did not survive it; either way the
    shell is of no more use.
    """
    began = time.monotonic()
    try:
        await _load(shell, bundle, deadline, expired)
    finally:
        if shell.on_loaded:
            shell.on_loaded(time.monotonic() - began, shell.bundle_id is not None)


async def _load(shell: Shell, bundle: Bundle, deadline: float, expired: str) -> None:
    shell.console.begin()
    answer, _ = await shell.call(
        {"op": "load", "bundle": str(bundle.directory)}, deadline=deadline, expired=expired
    )
    if not answer.get("ok"):
        message = str(answer.get("message") or "The service could not be loaded.")
        raise LoadFailed(message, shell.console.finish())
    shell.bundle_id = bundle.id
