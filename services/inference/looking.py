"""A look into a file, by a script in a shell of a compute node: never in a process of ours."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from mlops.correlation import current_id
from mlops.errors import Busy, InvalidRequest, NodeTimeout
from services.actions.baking import unsaved_version
from services.one_off import never, run_once
from services.payloads import zipped
from services.schema import Definition, Parameter
from services.staged import StagedFile

if TYPE_CHECKING:
    from mlops.accounts.models import User

_SCRIPTS = Path(__file__).parent / "scripts"
_OF_A_SCRIPT = re.compile(
    r"Can't get attribute '(?P<a>\w+)' on <module '__main__'"
    r"|module '__main__' has no attribute '(?P<b>\w+)'"
)
_REPORT_LENGTH = 8 * 1024**2
_SCRIPT_OF = {"Python": "inspect_python.py", "R": "inspect_r.R"}


@dataclass(frozen=True, slots=True)
class Looker:
    """Who looks, with what beside the file; whether they still want to, and whom to tell."""

    user: "User"
    beside: Sequence[StagedFile] = ()
    cancelled: Callable[[], bool] = never
    report: Callable[[str], None] = lambda text: None  # noqa: ARG005 - what it is told


def look_into(file: StagedFile, *, runtime: str, by: Looker) -> dict[str, Any]:
    """What the script of the runtime reports of the file, which a shell of a node reads.

    Raises InvalidRequest for a file that cannot be read, NodeTimeout, Busy and NodeFailure.
    """
    script = (_SCRIPTS / _SCRIPT_OF[runtime]).read_text(encoding="utf-8")
    report = _run(script, file.name, [file, *by.beside], runtime=runtime, by=by)
    if (error := report.get("error")) and not report.get("missing"):
        raise InvalidRequest(_explained(file.name, str(error), report), fields="files")
    return report


def is_installed(package: str, *, by: Looker) -> bool:
    """Whether the Python shells of a compute node can import the package; raises as `look_into`."""
    script = (_SCRIPTS / "find_package.py").read_text(encoding="utf-8")
    return bool(_run(script, package, [], runtime="Python", by=by)["found"])


def _run(
    script: str, name: str, files: Sequence[StagedFile], *, runtime: str, by: Looker
) -> dict[str, Any]:
    """The JSON that the script leaves in `report`, having found `file_name`."""
    definition = Definition(
        code=script,
        runtime_type=runtime,
        inputs=[Parameter("file_name", "character")],
        outputs=[Parameter("report", "character")],
    ).checked()
    version = unsaved_version(definition, version="inspection", user=by.user)
    body = json.dumps({"file_name": name}).encode()
    by.report("Taking the file to a compute node and looking into it there")
    try:
        with zipped(files, user=by.user) if files else nullcontext() as payload:
            run = run_once(
                version,
                payload,
                body,
                operation="INSPECT FILE",
                correlation_id=current_id(),
                seconds=settings.INSPECTION_SECONDS,
                cancelled=by.cancelled,
            )
    except NodeTimeout as error:
        raise NodeTimeout(
            f"{name} could not be read within {settings.INSPECTION_SECONDS} seconds. It may be too "
            "large for that, or wait for something that compute nodes do not have: load it in the "
            "init code yourself, or ask an administrator to raise MLOPS_INSPECTION_SECONDS."
        ) from error
    except Busy as error:
        raise Busy(
            f"{name} is read on a compute node that runs {runtime}, and there is none free at the "
            f"moment. {error.message}"
        ) from error
    try:
        result = run.parsed()
    except InvalidRequest:
        raise misled(name) from None
    if not result["success"]:
        raise InvalidRequest(
            f"{name} could not be read on a compute node: {result['errorMessage']}", fields="files"
        )
    text = result["outputParameters"].get("report")
    try:
        report = json.loads(text) if len(text) <= _REPORT_LENGTH else None
    except (TypeError, ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise misled(name)
    return report


def misled(name: str) -> InvalidRequest:
    """The refusal of a file that reached into the look at it, as code in it can."""
    return InvalidRequest(
        f"{name} could not be read on a compute node: nothing sensible came of it.", fields="files"
    )


def _explained(name: str, error: str, report: dict[str, Any]) -> str:
    """Why the file cannot be read, and what to do."""
    text = f"{name} cannot be read: {error.rstrip('.')}."
    said = " ".join(str(each) for each in report.get("warnings", []))
    if said:
        text = f"{text} {said}"
    if lost := _OF_A_SCRIPT.search(error):
        thing = lost["a"] or lost["b"]
        return (
            f"{name} cannot be read: it uses {thing}, which was defined in the notebook or script "
            f"that saved it. Put {thing} into a file of its own, such as helpers.py, import it "
            "from there, save the model again, and choose both files together."
        )
    where = f"Python {report['python']}" if "python" in report else f"R {report.get('r', '')}"
    return (
        f"{text} The file may be damaged, of another kind than its name says, or saved with other "
        f"versions of packages than the compute nodes have ({where.strip()}): save it again with "
        "those versions."
    )
