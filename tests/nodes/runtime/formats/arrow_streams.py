"""Arrow streams as another implementation, nanoarrow, writes and reads them."""

import io
from collections.abc import Mapping
from typing import Any

import nanoarrow as na
import nanoarrow.ipc


def arrow_of(columns: Mapping[str, tuple[Any, list[Any]]]) -> bytes:
    """A stream with one batch; of each column nanoarrow's type and the cells."""
    children = [na.c_array(cells, kind) for kind, cells in columns.values()]
    schema = na.struct({name: kind for name, (kind, _) in columns.items()}, nullable=False)
    n_rows = len(next(iter(columns.values()))[1])
    array = na.c_array_from_buffers(schema, length=n_rows, buffers=[], children=children)
    out = io.BytesIO()
    with nanoarrow.ipc.StreamWriter.from_writable(out) as writer:
        writer.write_array(array)
    return out.getvalue()


def cells_of(stream: bytes) -> dict[str, list[Any]]:
    """The cells of each column."""
    columns: dict[str, list[Any]] = {}
    with nanoarrow.ipc.InputStream.from_readable(io.BytesIO(stream)) as source:
        batches = na.ArrayStream(source)
        columns = {field.name: [] for field in batches.schema.fields}
        for batch in batches:
            for place, cells in enumerate(columns.values()):
                cells += batch.child(place).to_pylist()
    return columns


def types_of(stream: bytes) -> dict[str, str]:
    """The type of each column."""
    with nanoarrow.ipc.InputStream.from_readable(io.BytesIO(stream)) as source:
        return {field.name: field.type.name for field in na.ArrayStream(source).schema.fields}
