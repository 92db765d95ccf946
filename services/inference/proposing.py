"""Which kind of file an upload is, and what can be published of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from mlops.accounts.roles import Role
from mlops.errors import InvalidRequest
from nodes.runtime.realtime.container import MAGIC
from services import uploads
from services.inference import mlflow, onnx_model, python_model, r_model, tables
from services.inference.looking import Looker
from services.inference.proposal import Proposal
from services.models import Upload
from services.one_off import never
from services.permissions import require_role
from services.staged import StagedFile

if TYPE_CHECKING:
    from mlops.accounts.models import User

_TABLES = (".csv", ".tsv", ".json", ".txt")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_CODE = {".py": "Python", ".r": "R"}
_MODELS = (*onnx_model.SUFFIXES, *python_model.SUFFIXES, *r_model.SUFFIXES)
_CODE_BYTES = 1024**2
UNDERSTOOD = (
    "ONNX (.onnx), scikit-learn and other Python models (.joblib, .pkl, .dill), boosters of "
    "XGBoost (.ubj, .json) and LightGBM (.txt), R models (.rds, .RData), MLflow model folders (a "
    "zip or tar.gz of it, or all its files), code (.py, .R) and sample rows (.csv, .json)"
)


def propose(
    chosen: Upload | Sequence[Upload],
    *,
    user: "User",
    cancelled: Callable[[], bool] = never,
    report: Callable[[str], None] = lambda text: None,  # noqa: ARG005 - what it is told
) -> Proposal:
    """What can be published of one complete upload, or of several that are a folder's files.

    It may take minutes: start it as the job "inspect". Raises Forbidden below Contributor,
    InvalidRequest for what is no model or is damaged, and Busy, NodeFailure and NodeTimeout when a
    compute node is needed and cannot be had; Stopping once `cancelled`. `report` is told of what
    goes on.
    """
    require_role(user, Role.CONTRIBUTOR)
    by = Looker(user, cancelled=cancelled, report=report)
    together = [chosen] if isinstance(chosen, Upload) else list(chosen)
    if not together:
        raise InvalidRequest("Choose a file first.", fields="files")
    if len(together) > 1:
        return _of_several(together, by)
    return _of_one(together[0], by)


def _of_one(upload: Upload, by: Looker) -> Proposal:
    name = upload.name.rpartition("/")[2]
    file = StagedFile(name, str(upload.pk))
    by.report("Reading what was uploaded")
    beginning = b"".join(islice(uploads.chunks_of(upload), 1))[:1024]
    lower = name.lower()
    if lower.endswith(onnx_model.SUFFIXES) or beginning.startswith(MAGIC):
        return onnx_model.propose(file, user=by.user)
    if lower.endswith(_ARCHIVES):
        return mlflow.propose_archive(upload, by=by)
    if lower.endswith(python_model.SUFFIXES) or beginning.startswith(python_model.BOOSTERS):
        return python_model.propose(file, by=by)
    if lower.endswith(r_model.SUFFIXES):
        return r_model.propose(file, by=by)
    if lower.endswith(_TABLES):
        return tables.propose_parameters(_text_of(upload, tables.MAX_BYTES))
    for suffix, runtime in _CODE.items():
        if lower.endswith(suffix):
            return Proposal(
                kind="code",
                title=f"{runtime} code",
                runtime_type=runtime,
                code=_text_of(upload, _CODE_BYTES),
                warnings=["Declare the inputs and outputs of the code, or infer them from a row."],
            )
    raise _unknown(name, beginning)


def _of_several(together: Sequence[Upload], by: Looker) -> Proposal:
    """A folder's files, or a model with what it needs beside it."""
    if any(each.name.rpartition("/")[2] == mlflow.MARK for each in together):
        return mlflow.propose_files(together, by=by)
    models = [each for each in together if each.name.lower().endswith(_MODELS)]
    models = models or [each for each in together if each.name.lower().endswith(tuple(_CODE))]
    if len(models) != 1:
        raise InvalidRequest(
            f"Of these {len(together)} files {len(models)} could be the model. Choose one model, "
            "together with what it needs beside it; or all files of one MLflow model folder, with "
            f"its {mlflow.MARK}.",
            fields="files",
        )
    (model,) = models
    folder = model.name[: -len(model.name.rpartition("/")[2])]
    beside = [
        StagedFile(each.name.removeprefix(folder), str(each.pk))
        for each in together
        if each != model
    ]
    proposal = _of_one(model, replace(by, beside=beside))
    return replace(proposal, files=[*proposal.files, *beside])


def _text_of(upload: Upload, max_bytes: int) -> str:
    if upload.size > max_bytes:
        raise InvalidRequest(
            f"{upload.name} has {upload.size} bytes; a text of that kind may have {max_bytes}. A "
            "few rows are enough.",
            fields="files",
        )
    try:
        return b"".join(uploads.chunks_of(upload)).decode("utf-8-sig")
    except ValueError:
        raise InvalidRequest(f"{upload.name} is not UTF-8 text.", fields="files") from None


def _unknown(name: str, beginning: bytes) -> InvalidRequest:
    hint = ""
    if beginning.startswith(b"PK\x03\x04"):
        hint = " It begins as a zip does: if it is an MLflow model folder, call it .zip."
    elif beginning.startswith(b"\x80"):
        hint = " It begins as a pickle does: if it is a Python model, call it .pkl."
    return InvalidRequest(
        f"What {name} holds is not understood. These are: {UNDERSTOOD}.{hint} Any other file can "
        "be put beside code that you write.",
        fields="files",
    )
