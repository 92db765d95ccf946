"""An ONNX model: what it takes and gives, and a row to try it with."""

from typing import TYPE_CHECKING, Any

from services.inference.proposal import Column, Proposal
from services.payloads import model_file
from services.schema import REALTIME, REALTIME_INPUTS, REALTIME_OUTPUTS
from services.staged import StagedFile

if TYPE_CHECKING:
    from mlops.accounts.models import User

SUFFIXES = (".onnx",)

_EXAMPLES: dict[str, Any] = {"integer": 0, "numeric": 0.0, "logical": False, "character": ""}


def propose(file: StagedFile, *, user: "User", kind: str = "onnx") -> Proposal:
    """A realtime version of the model; raises InvalidRequest for one that cannot be served."""
    with model_file([file], user=user) as model:
        found = model.check()
    columns = [Column(each["name"], each["type"]) for each in found["inputs"]]
    warnings = []
    if not found["named"]:
        warnings.append(
            "The model does not name its columns: only their order counts, and they are called "
            f"{columns[0].name} to {columns[-1].name} here."
        )
    title = f"ONNX model with {len(columns)} column{'s' if len(columns) != 1 else ''}"
    return Proposal(
        kind=kind,
        title=title,
        runtime_type=REALTIME,
        inputs=REALTIME_INPUTS,
        outputs=REALTIME_OUTPUTS,
        columns=columns,
        output_columns=[Column(each["name"], each["type"]) for each in found["outputs"]],
        files=[file],
        row_independence_reason="Realtime versions run calls that wait together as one.",
        example={"inputData": {each.name: [_EXAMPLES[each.type]] for each in columns}},
        description=f"{title}: {', '.join(each.name for each in columns[:30])}.",
        warnings=warnings,
    )
