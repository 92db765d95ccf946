"""Bodies of calls and answers turned from one format into another, where user code never runs.

What takes long, or comes from anybody in a format that is hard to read, is done in a process of its
own: the node answers others meanwhile, and loses nothing by the end of that process.
"""

from typing import Any

from ..formats import bodies
from ..formats.columns import Column, compact, pack, unpack
from ..formats.media import JSON
from ..inputs import InputError, read_inputs
from ..r_values import encode_inputs
from ..realtime.frame import INPUT, frame_in

Reply = tuple[dict[str, Any], bytes]


def translate(header: dict[str, Any], body: bytes) -> Reply:
    """The reply to a request of `translators.py`."""
    try:
        match header["to"]:
            case "r":
                return _for_r(body, header["request"], [tuple(each) for each in header["inputs"]])
            case "columns":
                return _columns(body, header["request"])
            case form:
                return {"ok": True}, bodies.write(unpack(body), form)
    except InputError as error:
        return {"kind": "invalid", "message": error.message, "field": error.fields}, b""
    except MemoryError:
        return {"kind": "too-large"}, b""
    except ValueError as error:
        return {"kind": "unwritable", "message": str(error)}, b""


def _for_r(body: bytes, form: str, declared: list[tuple[str, str]]) -> Reply:
    """The inputs as R reads them, and whether some are mixed (see `encode_inputs`)."""
    if form == JSON:
        values = read_inputs(body, declared)
    else:
        ((name, _),) = declared
        frame = bodies.read(name, body, form)
        values = {name: {each: _listed(column) for each, column in frame.items()}}
    data, is_mixed = encode_inputs(values, declared)
    return {"ok": True, "mixed": is_mixed}, data


def _columns(body: bytes, form: str) -> Reply:
    """The frame of a realtime call as packed columns; `ok` is false for one that is no such, which
    its model is to see as it is."""
    if form != JSON:
        return {"ok": True}, pack(bodies.read(INPUT, body, form))
    frame = frame_in(body)
    if isinstance(frame, list) and all(isinstance(row, dict) for row in frame):
        names = dict.fromkeys(name for row in frame for name in row)
        frame = {name: [row.get(name) for row in frame] for name in names}
    if not isinstance(frame, dict) or not all(isinstance(each, list) for each in frame.values()):
        return {"ok": False}, b""
    return {"ok": True}, pack({name: compact(cells) for name, cells in frame.items()})


def _listed(column: Column) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
