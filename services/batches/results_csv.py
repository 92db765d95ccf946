"""The results of a batch as CSV: a line for each item, its outputs in columns of their own."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from mlops.csv_text import csv_lines
from services.batches import reading
from services.models import Batch, BatchResult

Column = tuple[str, str]  # output, and column of its frame if it is one of a single row


def as_csv(batch: Batch) -> Iterator[bytes]:
    """The lines of all items, in order; those without a result yet have only their number.

    A data frame of a single row has a column for each of its own, which the first result that
    has it decides; other outputs that are no scalars are JSON.
    """
    columns: Sequence[Column] = _columns(batch)
    with_files = bool(batch.version and batch.version.output_files)
    names = [f"{output}.{column}" if column else output for output, column in columns]
    header = ["item", "success", *names, "errorMessage"]
    yield csv_lines([[*header, "files"] if with_files else header])
    n_written = 0
    for page in reading.result_pages(batch):
        rows: list[list[object]] = []
        files = _files(batch, page) if with_files else {}
        for index, body in page:
            rows.extend(_pending(n) for n in range(n_written + len(rows), index))
            row = _row(index, json.loads(body), columns)
            rows.append([*row, ", ".join(files.get(index, ()))] if with_files else row)
        yield csv_lines(rows)
        n_written += len(rows)
    for first in range(n_written, batch.n_items, 1000):
        yield csv_lines([_pending(n) for n in range(first, min(first + 1000, batch.n_items))])


def _columns(batch: Batch) -> list[Column]:
    declared = batch.version.output_parameters if batch.version else []
    frames = {each["name"] for each in declared if each["type"] == "data.frame"}
    succeeded = BatchResult.objects.filter(batch=batch, is_failure=False).order_by("index")
    outputs: dict[str, Any] = {}
    if frames and (first := succeeded.values_list("body", flat=True).first()):
        outputs = json.loads(bytes(first)).get("outputParameters") or {}
    columns: list[Column] = []
    for each in declared:
        name = each["name"]
        inner = list(outputs[name]) if name in frames and _is_row(outputs.get(name)) else []
        columns.extend((name, column) for column in inner)
        if not inner:
            columns.append((name, ""))
    return columns


def _is_row(value: object) -> TypeGuard[dict[str, list[Any]]]:
    """Whether it is a data frame of a single row."""
    return isinstance(value, dict) and all(
        isinstance(column, list) and len(column) == 1 for column in value.values()
    )


def _row(index: int, result: dict[str, Any], columns: Sequence[Column]) -> list[object]:
    outputs = result.get("outputParameters") or {}
    cells: list[object] = [index, bool(result.get("success"))]
    for output, column in columns:
        value = outputs.get(output)
        if column and _is_row(value):
            value = value.get(column, [None])[0]
        elif column and (output, column) != next(each for each in columns if each[0] == output):
            value = None  # it is no row here, and whole in the first of the output's columns
        cells.append(value)
    return [*cells, result.get("errorMessage") or ""]


def _pending(index: int) -> list[object]:
    return [index]


def _files(batch: Batch, page: Sequence[tuple[int, bytes]]) -> dict[int, list[str]]:
    return reading.files_of(batch.pk, page[0][0], page[-1][0]) if page else {}
