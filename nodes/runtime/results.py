"""The result object of a call (wire-api section 3), put together without parsing the outputs."""

import asyncio
import json

from .errors import RunFailed
from .pieces import LARGE_BYTES, Pieces, sliced

_SUCCESS = b'{"success":true,'
_FAILURE = b'{"success":false,'
_EMPTY_BODY = b'{"changedFiles":[],"outputParameters":{},"outputFiles":{}}'
_QUIET_SUCCESS = b'{"success":true,"errorMessage":"","consoleOutput":"",'


async def result(*, success: bool, error_message: str, console: str, body: bytes) -> bytes:
    """The compact JSON of a result; `body` is the shell's part of it, an object from
    `changedFiles` on. Others have their turns while a large one is put together."""
    head = _head(success=success, error_message=error_message, console=console)
    if len(body) <= LARGE_BYTES:
        return head + body[1:]
    pieces = Pieces()
    pieces.add(head)
    for piece in sliced(body, 1):
        pieces.add(piece)
        await asyncio.sleep(0)
    return pieces.whole()


def is_of_success(result: bytes) -> bool:
    """Whether `success` is true in a result that this module has put together."""
    return result.startswith(_SUCCESS)


def require_success(answer: bytes) -> None:
    """Nothing; `RunFailed` when the answer, which is to be a data frame, is a result that failed.

    No frame begins as that does.
    """
    if answer.startswith(_FAILURE):
        failed = json.loads(answer)
        printed = failed["consoleOutput"].strip()
        message = failed["errorMessage"] or "The code failed."
        raise RunFailed(f"{message}\nIt printed: {printed}" if printed else message)


def quiet_success(body: bytes) -> bytes:
    """The result of a call that printed nothing, `body` as in `result`."""
    return _QUIET_SUCCESS + body[1:]


def failure(error_message: str, console: str) -> bytes:
    """The result of a call that did not come to its outputs."""
    return _head(success=False, error_message=error_message, console=console) + _EMPTY_BODY[1:]


def _head(*, success: bool, error_message: str, console: str) -> bytes:
    flag = "true" if success else "false"
    message, printed = json.dumps(error_message), json.dumps(console)
    return f'{{"success":{flag},"errorMessage":{message},"consoleOutput":{printed},'.encode()
