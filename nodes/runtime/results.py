"""The result object of a call (wire-api section 3), put together without parsing the outputs."""

import json

from .errors import RunFailed

_SUCCESS = b'{"success":true,'
_FAILURE = b'{"success":false,'
_EMPTY_BODY = b'{"changedFiles":[],"outputParameters":{},"outputFiles":{}}'
_QUIET_SUCCESS = b'{"success":true,"errorMessage":"","consoleOutput":"",'


def result(*, success: bool, error_message: str, console: str, body: bytes = _EMPTY_BODY) -> bytes:
    """The compact JSON of a result; `body` is the shell's part of it, an object from
    `changedFiles` on."""
    flag = "true" if success else "false"
    message, printed = json.dumps(error_message), json.dumps(console)
    head = f'{{"success":{flag},"errorMessage":{message},"consoleOutput":{printed},'
    return head.encode() + body[1:]


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
    return result(success=False, error_message=error_message, console=console)
