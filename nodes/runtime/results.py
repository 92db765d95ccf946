"""The result object of a call (wire-api section 3), put together without parsing the outputs."""

import json

_SUCCESS = b'{"success":true,'
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


def quiet_success(body: bytes) -> bytes:
    """The result of a call that printed nothing, `body` as in `result`."""
    return _QUIET_SUCCESS + body[1:]


def failure(error_message: str, console: str) -> bytes:
    """The result of a call that did not come to its outputs."""
    return result(success=False, error_message=error_message, console=console)
