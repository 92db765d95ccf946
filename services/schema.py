"""What a publisher may say about a version: names, parameters, types, file names.

Knows the rules of wire-api sections 0 (names), 2 (PublishRequest) and 12 (types) and nothing of
the database, so that the REST API, the actions and the commands all refuse the same things.
"""

import dataclasses
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mlops.errors import InvalidRequest

PARAMETER_TYPES = ("logical", "numeric", "integer", "character", "vector", "matrix", "data.frame")
TYPE_ALIASES = {"string": "character", "dataframe": "data.frame"}
CODE_RUNTIMES = ("R", "Python")
DEFAULT_RUNTIME = "R"

REALTIME = "Realtime"

MAX_NAME_LENGTH = 128
MAX_IDENTIFIER_LENGTH = 255
MAX_EXAMPLE_LENGTH = 64 * 1024  # of its JSON
_FORBIDDEN_IN_NAMES = frozenset("/\\?#%")
_PATH_STEPS = frozenset({".", ".."})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared input or output: the variable's name and its type."""

    name: str
    type: str


# Of every realtime version (wire-api section 2).
REALTIME_INPUTS = (Parameter("inputData", "data.frame"),)
REALTIME_OUTPUTS = (Parameter("outputData", "data.frame"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a publish or patch request says about a version; None means not said."""

    code: str | None = None
    init_code: str | None = None
    snapshot_id: str | None = None
    description: str | None = None
    operation_id: str | None = None
    inputs: Sequence[Parameter] | None = None
    outputs: Sequence[Parameter] | None = None
    runtime_type: str | None = None
    output_files: Sequence[str] | None = None
    row_independent: bool | None = None
    example: Mapping[str, Any] | None = None  # inputs to show to who calls it

    def checked(self) -> "Definition":
        """The same definition with canonical type names; raises InvalidRequest naming the field."""
        for field, text in (
            ("code", self.code),
            ("initCode", self.init_code),
            ("description", self.description),
        ):
            _require_storable(field, text)
        if self.code is not None and not self.code.strip():
            raise InvalidRequest("code must not be blank.", fields="code")
        if self.operation_id:
            _require_identifier("operationId", self.operation_id)
        if self.snapshot_id is not None:
            _require_guid("snapshotId", self.snapshot_id)
        if self.runtime_type is not None:
            _require_runtime(self.runtime_type)
        if self.example is not None:
            _require_example(self.example)
        return dataclasses.replace(
            self,
            inputs=_parameters("inputParameterDefinitions", self.inputs),
            outputs=_parameters("outputParameterDefinitions", self.outputs),
            output_files=_file_names(self.output_files),
        )


def is_name(text: str) -> bool:
    """Whether `text` can be the name or the version of a service (wire-api section 0)."""
    return (
        0 < len(text) <= MAX_NAME_LENGTH
        and text not in _PATH_STEPS
        and _FORBIDDEN_IN_NAMES.isdisjoint(text)
        and not _has_unprintable(text)
    )


def require_name(field: str, text: str) -> None:
    """Nothing; raises InvalidRequest when `text` cannot be a service name or version."""
    if not is_name(text):
        raise InvalidRequest(
            f"The {field} must have 1 to {MAX_NAME_LENGTH} characters, none of them a control "
            "character or one of / \\ ? # %, and must not be . or ..",
            fields=field,
        )


def canonical_type(text: str) -> str | None:
    """The parameter type that `text` names, an alias resolved; None when there is none."""
    name = TYPE_ALIASES.get(text, text)
    return name if name in PARAMETER_TYPES else None


def _parameters(field: str, parameters: Sequence[Parameter] | None) -> list[Parameter] | None:
    if parameters is None:
        return None
    _require_unique(field, (parameter.name for parameter in parameters))
    return [_parameter(f"{field}.{index}", each) for index, each in enumerate(parameters)]


def _parameter(field: str, parameter: Parameter) -> Parameter:
    _require_identifier(f"{field}.name", parameter.name)
    type_name = canonical_type(parameter.type)
    if type_name is None:
        raise InvalidRequest(
            f"{field}.type must be one of {', '.join(PARAMETER_TYPES)}, "
            f"not {_quoted(parameter.type)}.",
            fields=f"{field}.type",
        )
    return Parameter(parameter.name, type_name)


def _file_names(names: Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    field = "outputFileNames"
    _require_unique(field, names)
    for index, name in enumerate(names):
        _require_identifier(f"{field}.{index}", name)
        if name in _PATH_STEPS or "/" in name or "\\" in name:
            raise InvalidRequest(
                f"{field} must hold plain names of files in the working directory, "
                f"not {_quoted(name)}.",
                fields=f"{field}.{index}",
            )
    return list(names)


def _require_runtime(runtime: str) -> None:
    if runtime == REALTIME:
        raise InvalidRequest(
            "A Realtime version is a model without code; publish it at /realtime-services.",
            fields="runtimeType",
        )
    if runtime not in CODE_RUNTIMES:
        raise InvalidRequest(
            f"runtimeType must be {' or '.join(CODE_RUNTIMES)}, not {_quoted(runtime)}.",
            fields="runtimeType",
        )


def _require_unique(field: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidRequest(f"{field} names {_quoted(name)} twice.", fields=field)
        seen.add(name)


def _require_identifier(field: str, text: str) -> None:
    if not 0 < len(text) <= MAX_IDENTIFIER_LENGTH or _has_unprintable(text):
        raise InvalidRequest(
            f"{field} must have 1 to {MAX_IDENTIFIER_LENGTH} characters, none of them a control "
            "character.",
            fields=field,
        )


def _require_guid(field: str, text: str) -> None:
    try:
        UUID(text)
    except ValueError:
        raise InvalidRequest(
            f"{field} must be a GUID, not {_quoted(text)}.", fields=field
        ) from None


def _require_storable(field: str, text: str | None) -> None:
    """Refuses what no UTF-8 text column can hold: the null character and lone surrogates."""
    if text is not None and ("\0" in text or _has_surrogate(text)):
        raise InvalidRequest(
            f"{field} must not contain null characters or unpaired surrogates.", fields=field
        )


def _require_example(example: Mapping[str, Any]) -> None:
    """Refuses what is too large to show, or what no database can hold as JSON."""
    try:
        text = json.dumps(example, ensure_ascii=False, allow_nan=False)
        _require_storable("example", text.replace("\\u0000", "\0"))
    except ValueError:
        raise InvalidRequest("example must not hold NaN or infinity.", fields="example") from None
    if len(text) > MAX_EXAMPLE_LENGTH:
        raise InvalidRequest(
            f"example must not be longer than {MAX_EXAMPLE_LENGTH} characters.", fields="example"
        )


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _has_unprintable(text: str) -> bool:
    """Whether `text` has a control character or a lone surrogate."""
    return any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)


def _quoted(text: str) -> str:
    """`text` for a message: escaped and cut."""
    return ascii(text if len(text) <= 60 else f"{text[:60]}…")
