"""A data frame read from the body of a call, or written to that of an answer."""

from ..inputs import InputError
from . import arrow_stream, csv_text
from .columns import Column, Columns
from .media import ARROW


def read(name: str, body: bytes, form: str) -> dict[str, Column]:
    """The columns of the frame in `body`, which is CSV or Arrow; `InputError` with the name of the
    input when there is none."""
    try:
        return arrow_stream.read(body) if form == ARROW else csv_text.read(body)
    except InputError as error:
        raise InputError(error.message, name) from None


def write(columns: Columns, form: str) -> bytes:
    """The frame as CSV or Arrow; ValueError with the reason when the format cannot hold it."""
    return arrow_stream.write(columns) if form == ARROW else csv_text.write(columns)
