"""What a draft holds, as the Publish page writes it, and what of it is to be published.

The content is a JSON object: `runtime_type`, `name`, `version`, `description`, `operation_id`,
`code`, `init_code`, `inputs`, `outputs`, `output_files`, `row_independent` as a definition has
them; `files` staged for it, or `keeps_files` for those of the version it is based on, whose payload
is `payload`; `columns` of the data frame and `example`, the inputs to try it with; `pool`
(`initial`, `max`), null for none; and `grants`, null where they are to stay as they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops.errors import InvalidRequest
from services.grants import Grant
from services.inference.proposal import definition_from
from services.models import DedicatedPool, Version
from services.schema import (
    MAX_EXAMPLE_LENGTH,
    REALTIME,
    REALTIME_INPUTS,
    REALTIME_OUTPUTS,
    Definition,
    Parameter,
)
from services.staged import StagedFile

MAX_CODE_BYTES = 1024**2
_TEXTS = ("runtime_type", "name", "version", "description", "operation_id", "code", "init_code")
_PARAMETERS = ("inputs", "outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a draft wants published; `pool` and `grants` are None where they are to stay."""

    name: str
    version: str
    definition: Definition
    files: list[StagedFile]
    keeps_files: bool
    pool: tuple[int, int] | None
    grants: list[Grant] | None

    @property
    def is_realtime(self) -> bool:
        """Whether it is a model without code."""
        return self.definition.runtime_type == REALTIME


def blank(kind: str) -> dict[str, Any]:
    """The content of a draft in which nothing was typed."""
    is_realtime = kind == REALTIME
    return {
        "runtime_type": kind,
        "name": "",
        "version": "",
        "description": "",
        "operation_id": "",
        "code": "",
        "init_code": "",
        "inputs": _stored(REALTIME_INPUTS) if is_realtime else [],
        "outputs": _stored(REALTIME_OUTPUTS) if is_realtime else [],
        "columns": [],
        "output_files": [],
        "row_independent": False,
        "files": [],
        "keeps_files": False,
        "payload": "",
        "example": {},
        "pool": None,
        "grants": None,
    }


def content_of(version: Version) -> dict[str, Any]:
    """The content of a draft that says what `version` is."""
    pool = DedicatedPool.objects.filter(version=version).first()
    return {
        **blank(version.runtime_type),
        "name": version.name,
        "version": version.version,
        "description": version.description or "",
        "operation_id": version.operation_id or "",
        "code": version.code or "",
        "init_code": version.init_code or "",
        "inputs": version.input_parameters,
        "outputs": version.output_parameters,
        "output_files": version.output_files,
        "row_independent": version.row_independent,
        "keeps_files": version.payload is not None,
        "payload": version.payload.digest if version.payload else "",
        "example": version.example or {},
        "pool": {"initial": pool.initial_size, "max": pool.max_size} if pool else None,
    }


def read(content: Mapping[str, Any]) -> Wanted:
    """What the content says; raises InvalidRequest that names the member which cannot be right."""
    for name in _TEXTS:
        if not isinstance(content.get(name, ""), str):
            raise InvalidRequest(f"{name} must be text.", fields=name)
    for name in ("code", "init_code"):
        if len(content.get(name, "").encode(errors="replace")) > MAX_CODE_BYTES:
            raise InvalidRequest("Code may have 1 MiB: put data into files.", fields=name)
    for name in _PARAMETERS:
        _require_parameters(name, content.get(name))
    try:
        output_files = [str(each) for each in content.get("output_files") or []]
        files = [StagedFile.of(each) for each in content.get("files") or []]
    except (KeyError, TypeError, AttributeError):
        raise InvalidRequest("The list of files is malformed.", fields="files") from None
    return Wanted(
        name=content.get("name", "").strip(),
        version=content.get("version", "").strip(),
        definition=replace(
            definition_from({**content, "output_files": output_files}),
            example=_example(content.get("example")),
        ),
        files=files,
        keeps_files=bool(content.get("keeps_files")) and not files,
        pool=_pool(content.get("pool")),
        grants=_grants(content.get("grants")),
    )


def _require_parameters(name: str, rows: Any) -> None:
    if not isinstance(rows, list):
        raise InvalidRequest(f"{name} must be a list.", fields=name)
    for index, each in enumerate(rows):
        if not isinstance(each, dict) or not all(
            isinstance(each.get(key), str) for key in ("name", "type")
        ):
            raise InvalidRequest("A parameter has a name and a type.", fields=f"{name}.{index}")
        if not each["name"].strip():
            raise InvalidRequest("Give it a name, or remove it.", fields=f"{name}.{index}.name")


def _example(example: Any) -> dict[str, Any] | None:
    if not isinstance(example, dict) or not example:
        return None
    return example if len(json.dumps(example)) <= MAX_EXAMPLE_LENGTH else None


def _pool(pool: Any) -> tuple[int, int] | None:
    if pool is None:
        return None
    try:
        return int(pool["initial"]), int(pool["max"])
    except (KeyError, TypeError, ValueError):
        raise InvalidRequest(
            "The sizes of the pool must be whole numbers.", fields="pool"
        ) from None


def _grants(grants: Any) -> list[Grant] | None:
    if grants is None:
        return None
    try:
        return [Grant(str(g["right"]), str(g["kind"]), str(g["name"]).strip()) for g in grants]
    except (KeyError, TypeError):
        raise InvalidRequest("The list of grants is malformed.", fields="grants") from None


def _stored(parameters: tuple[Parameter, ...]) -> list[dict[str, str]]:
    return [{"name": each.name, "type": each.type} for each in parameters]
