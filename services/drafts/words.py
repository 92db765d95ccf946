"""Refusals in the words of the Publish page, at the field that they are about."""

import re
from typing import Any

from mlops.errors import Conflict, MlopsError
from services.drafts.differences import ChangedMeanwhile
from services.drafts.keeping import ChangedElsewhere

# How the rules of the wire call what the page calls otherwise: field of the page, words.
_FIELDS = {
    "inputParameterDefinitions": ("inputs", "The list of inputs"),
    "outputParameterDefinitions": ("outputs", "The list of outputs"),
    "outputFileNames": ("output_files", "The list of output files"),
    "operationId": ("operation_id", "The alias"),
    "rowIndependent": ("row_independent", "Row independence"),
    "initCode": ("init_code", "The init code"),
    "InitialPoolSize": ("pool", "The initial size"),
    "MaxPoolSize": ("pool", "The largest size"),
    "snapshotId": ("files", "The snapshot"),
    "model": ("files", "The model"),
}
_ONE_OF_A_LIST = re.compile(r"(input|output)ParameterDefinitions\.(\d+)\.(name|type)")


def problem_of(error: MlopsError) -> dict[str, Any]:
    """What was refused, in JSON: its `message`, the `field` of the page and, where known, more."""
    problem: dict[str, Any] = {
        "message": _message(error.message),
        "field": _field(error),
        "status": error.status,
    }
    if isinstance(error, ChangedMeanwhile):
        problem["changes"] = [each.as_json() for each in error.changes]
        problem["current"] = error.current
    elif isinstance(error, ChangedElsewhere):
        problem["content"] = error.draft.content
        problem["revision"] = error.draft.revision
    return problem


def _field(error: MlopsError) -> str:
    if isinstance(error, Conflict) and not error.fields:
        return "version"
    first, *rest = error.fields.split(",")[0].split(".")
    return ".".join([_FIELDS[first][0] if first in _FIELDS else first, *rest])


def _message(text: str) -> str:
    text = _ONE_OF_A_LIST.sub(
        lambda found: f"The {found[3]} of {found[1]} {int(found[2]) + 1}", text
    )
    for name, (_, words) in _FIELDS.items():
        if name != "model":
            text = text.replace(name, words)
    return text[:1].upper() + text[1:]
