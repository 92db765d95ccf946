"""Running a definition on a real node before it is published."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings

from mlops.accounts.roles import Role
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from services.actions.baking import stored_parameters, unsaved_version
from services.models import RuntimeType, Version
from services.one_off import OneOff, never, run_once
from services.payloads import Payload, model_file, zipped
from services.permissions import require_role
from services.schema import REALTIME, REALTIME_INPUTS, REALTIME_OUTPUTS, Definition
from services.staged import StagedFile

if TYPE_CHECKING:
    from mlops.accounts.models import User

CODE, INIT_CODE = "code", "init_code"

# Where the user's lines are in the messages of both runtimes' shells: tracebacks of Python, its
# syntax errors, lines of R that led to an error, and R's own syntax errors.
_PLACES = re.compile(
    r'File "<(?P<a>code|initCode)>", line (?P<la>\d+)'
    r"|\(<(?P<b>code|initCode)>, line (?P<lb>\d+)\)"
    r"|^  <(?P<c>code|initCode)>, line (?P<lc>\d+):"
    r"|<(?P<d>code|initCode)>:(?P<ld>\d+):\d+:",
    re.MULTILINE,
)
_PARTS = {"code": CODE, "initCode": INIT_CODE}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """What came of a test run; `error_part` is "code" or "init_code" where a line is known.

    `timings` are milliseconds: to send the bundle to the node, 0 when it was there; then of the
    call, until a shell was free (queue), to load the bundle into it, to run the code and read its
    outputs, and on the way there and back (hop); the call, and the total.
    """

    __test__ = False  # not a test, whatever pytest makes of the name

    success: bool
    outputs: Mapping[str, Any] = field(default_factory=dict)
    output_files: Mapping[str, str] = field(default_factory=dict)  # in base64
    changed_files: Sequence[str] = ()
    console: str = ""
    error: str = ""
    error_part: str = ""
    error_line: int | None = None
    node: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """In plain JSON, for a job's result."""
        return asdict(self)


def test_run(
    *,
    user: "User",
    definition: Definition,
    files: Sequence[StagedFile],
    kept: Blob | None = None,  # noqa: PT028 - no test
    inputs: Mapping[str, Any],
    correlation_id: str,
    cancelled: Callable[[], bool] = never,  # noqa: PT028 - no test
) -> TestRun:
    """The outcome of one call with `inputs` of the version that the rest would make.

    `kept` is the payload of a published version, which takes the place of the files. It runs on a
    compute node exactly as the published version would, and leaves nothing but a bundle, which the
    node drops when it needs the room. Failures of the user's code are outcomes.
    Raises Forbidden below Contributor, InvalidRequest for a definition, files or inputs that cannot
    be right, Busy without a node, NodeFailure and NodeTimeout, and Stopping once `cancelled`.
    """
    require_role(user, Role.CONTRIBUTOR)
    body = json.dumps(inputs).encode()
    with _prepared(user, definition, files, kept) as (version, payload):
        run = run_once(
            version,
            payload,
            body,
            operation="TEST RUN",
            correlation_id=correlation_id,
            seconds=settings.TEST_RUN_SECONDS,
            cancelled=cancelled,
        )
    return _outcome(run)


test_run.__test__ = False  # type: ignore[attr-defined]


def error_place(message: str) -> tuple[str, int | None]:
    """In which part of the user's code the error happened, and in which line of it, from 1.

    The innermost line of theirs; "" and None when the message names none.
    """
    part, line = "", None
    for found in _PLACES.finditer(message):
        (name, number) = (text for text in found.groups() if text is not None)
        part, line = _PARTS[name], int(number)
    return part, line


@contextmanager
def _prepared(
    user: "User", definition: Definition, files: Sequence[StagedFile], kept: Blob | None
) -> Iterator[tuple[Version, Payload | None]]:
    """The version to run, which is in no database, and its payload."""
    if definition.runtime_type == REALTIME:
        version = Version(
            published_by=user.username,
            runtime_type=RuntimeType.REALTIME,
            input_parameters=stored_parameters(REALTIME_INPUTS),
            output_parameters=stored_parameters(REALTIME_OUTPUTS),
        )
        if kept is not None:
            yield version, Payload.of(kept)
            return
        with model_file(files, user=user) as model:
            model.check()  # nodes load it into their own process
            yield version, Payload.read(model.chunks)
        return
    definition = definition.checked()
    if definition.code is None:
        raise InvalidRequest("There is no code to run yet.", fields="code")
    version = unsaved_version(definition, version="test-run", user=user)
    if kept is not None or not files:
        yield version, Payload.of(kept) if kept else None
        return
    with zipped(files, user=user) as payload:
        yield version, payload


def _outcome(run: OneOff) -> TestRun:
    result = run.parsed()
    error = result["errorMessage"]
    part, line = error_place(error)
    return TestRun(
        success=result["success"],
        outputs=result["outputParameters"],
        output_files=result["outputFiles"],
        changed_files=result["changedFiles"],
        console=result["consoleOutput"],
        error=error,
        error_part=part,
        error_line=line,
        node=run.node,
        timings={name: round(ms, 2) for name, ms in _timings(run).items()},
    )


def _timings(run: OneOff) -> dict[str, float]:
    return {
        "send": run.send_ms,
        "queue": run.stages["shell"],
        "load": run.stages["load"],
        "run": run.stages["node"],
        "hop": run.stages["hop"],
        "call": run.call_ms,
        "total": run.send_ms + run.call_ms,
    }
