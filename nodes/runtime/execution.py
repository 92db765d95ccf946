"""What the web node sends to have code run in a session, and the body of the answer."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from .errors import InvalidRequest
from .inputs import strict_json

CANCELLED = "The execution was cancelled."  # as shells say it

_INLINE_PARSE_BYTES = 64 * 1024
_NOTHING = b'{"changedFiles":[],"outputParameters":[]}'
# In compact JSON this stands nowhere else before the outputs: in a text the quote would be escaped.
_OUTPUTS = b'],"outputParameters":'


@dataclass(eq=False)
class Execution:
    """One block of code on its way through a session."""

    code: str
    body: bytes  # for the shell
    begun: bool = False
    interrupted: bool = False
    expired: bool = False  # and therefore interrupted


async def read_execution(body: bytes, runtime: str) -> Execution:
    """The execution that the body asks for; `InvalidRequest` when it is not well formed."""
    if len(body) <= _INLINE_PARSE_BYTES:
        return _read(body, runtime)
    return await asyncio.to_thread(_read, body, runtime)


def answer(header: dict[str, Any], data: bytes, console: str) -> bytes:
    """The execute body of wire-api section 4 from the shell's reply."""
    if header.get("kind") != "executed":  # refused, which is not foreseen
        return failure(str(header.get("message") or "The interpreter refused the code."), console)
    return _body(bool(header["success"]), str(header["errorMessage"]), data, console)


def failure(error_message: str, console: str) -> bytes:
    """The execute body of a run that did not come to its outputs."""
    return _body(False, error_message, _NOTHING, console)


def _body(success: bool, error_message: str, data: bytes, console: str) -> bytes:
    """The compact JSON in the order of the contract; the outputs, which may be large, unparsed."""
    changed, found, outputs = data.partition(_OUTPUTS)
    if not found:
        raise ValueError("The shell's reply is not what shells reply.")
    head = f'{{"success":{json.dumps(success)},"errorMessage":{json.dumps(error_message)}'
    return b'%b,"outputParameters":%b,"consoleOutput":%b,%b]}' % (
        head.encode(),
        outputs[:-1],
        json.dumps(console).encode(),
        changed[1:],
    )


def _read(body: bytes, runtime: str) -> Execution:
    try:
        request = json.loads(body)
        code, inputs, outputs = request["code"], request["inputs"], request["outputs"]
        well_formed = (
            isinstance(code, str)
            and all(isinstance(item["name"], str) and "value" in item for item in inputs)
            and isinstance(outputs, list)
            and all(isinstance(name, str) for name in outputs)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        well_formed = False
    if not well_formed:
        raise InvalidRequest("The body must be an object with code, inputs and outputs.")
    if runtime == "R":
        body = strict_json(request)
    return Execution(code, body)
