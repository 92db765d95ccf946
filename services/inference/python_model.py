"""A Python object in a pickle, joblib or dill file: what scikit-learn calls an estimator."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.inference.looking import Looker, look_into, misled
from services.inference.proposal import Column, Proposal
from services.schema import Parameter
from services.staged import StagedFile

SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".sav", ".ubj", ".xgb", ".lgb")
# How the boosters of XGBoost and LightGBM begin that are saved as JSON and text.
BOOSTERS = (b'{"learner"', b'{"version"', b"tree\nversion=")
INPUT, OUTPUT = Parameter("inputData", "data.frame"), Parameter("outputData", "data.frame")

_LIBRARIES = {"sklearn": "scikit-learn", "xgboost": "XGBoost", "lightgbm": "LightGBM"}
_PACKAGES = {"sklearn": "scikit-learn", "cv2": "opencv-python", "yaml": "PyYAML", "PIL": "pillow"}
_LOADERS = {
    "joblib": ("import joblib", "model = joblib.load({})"),
    "dill": ("import dill", 'with open({}, "rb") as file:\n    model = dill.load(file)'),
    "xgboost": ("import xgboost", "model = xgboost.Booster(model_file={})"),
    "lightgbm": ("import lightgbm", "model = lightgbm.Booster(model_file={})"),
    "pickle": ("import pickle", 'with open({}, "rb") as file:\n    model = pickle.load(file)'),
}
_LINE = 88
# What answers a row by its own content alone.
_STATELESS = frozenset({"sklearn", "xgboost", "lightgbm", "catboost", "imblearn"})
_BY_NEIGHBOURS = frozenset({"LocalOutlierFactor", "DBSCAN", "AgglomerativeClustering"})


def propose(file: StagedFile, *, by: Looker, kind: str = "python") -> Proposal:
    """What can be published of the file; raises as `looking.look_into`."""
    report = look_into(file, runtime="Python", by=by)
    try:
        return proposal_of(file, report, kind=kind)
    except (LookupError, TypeError, ValueError):
        raise misled(file.name) from None


def proposal_of(file: StagedFile, report: dict[str, Any], *, kind: str = "python") -> Proposal:
    """The proposal for what was reported of the file."""
    if report.get("missing"):
        return _without_package(file, report, kind)
    library = str(report["library"])
    shown = _LIBRARIES.get(library, library)
    inner = f"{report['inner']} in a " if report["inner"] != report["class"] else ""
    title = f"{inner}{report['class']} of {shown} {report['version']}".strip()
    warnings = [_told(text) for text in report["warnings"]]
    init = _init_code(file.name, str(report["loader"]))
    if not report["has_predict"]:
        warnings.append(
            f"{file.name} holds a {report['class']}, which has no method predict. The init code "
            "loads it as `model`; write the code that uses it."
        )
        return Proposal(
            kind=kind,
            title=title,
            runtime_type="Python",
            init_code=init,
            files=[file],
            warnings=warnings,
        )
    columns = [_column(each) for each in report["columns"]]
    example = {each["name"]: [_example(each)] for each in report["columns"]}
    if not columns:
        warnings.append(
            "The model does not say which columns it takes; check the data frame that the code "
            "gives it, and put a row of yours into the test run."
        )
    elif not report["named"]:
        warnings.append(
            "The model was fitted on columns without names, so they are called "
            f"{columns[0].name} to {columns[-1].name} here, in the order of fitting. Rename them "
            "in COLUMNS of the init code if you like."
        )
    if report["tried"]:
        warnings.append(f"A call with an example row did not work: {report['tried']}")
    elif any(not each.type for each in columns):
        warnings.append("The model does not tell the types of all its columns; check the example.")
    code, output_columns = _code(report)
    independent = library in _STATELESS and report["class"] not in _BY_NEIGHBOURS
    return Proposal(
        kind="sklearn" if kind == "python" and library in _STATELESS else kind,
        title=title,
        runtime_type="Python",
        inputs=[INPUT],
        outputs=[OUTPUT],
        columns=columns,
        output_columns=output_columns,
        init_code=_init_code(
            file.name, str(report["loader"]), [each.name for each in columns], report
        ),
        code=code,
        files=[file],
        row_independent=independent,
        row_independence_reason=(
            "Each row is predicted by itself, so calls that wait together can be run as one."
            if independent
            else "Not known to predict each row by itself: turn it on if you know it does."
        ),
        example={"inputData": example} if example else {},
        description=_description(title, columns),
        warnings=warnings,
    )


def _without_package(file: StagedFile, report: dict[str, Any], kind: str) -> Proposal:
    missing = str(report["missing"])
    package = _PACKAGES.get(missing, missing)
    warnings = [_told(text) for text in report["warnings"]]
    if missing == "__main__" or not missing.isidentifier():
        warnings.append(f"{file.name} needs what compute nodes lack: {report['error']}.")
    else:
        warnings.append(
            f"{file.name} needs the Python package {package}, which the compute nodes do not have. "
            f"Ask an administrator to install it there (pip install {package}), then choose the "
            "file again; if it is a module of your own, upload that beside the model."
        )
    return Proposal(
        kind=kind,
        title=f"A model that needs {package}",
        runtime_type="Python",
        inputs=[INPUT],
        outputs=[OUTPUT],
        init_code=_init_code(file.name, "joblib"),
        files=[file],
        warnings=warnings,
        missing=[package],
    )


def _init_code(
    name: str, loader: str, columns: Sequence[str] = (), report: Mapping[str, Any] | None = None
) -> str:
    importing, loading = _LOADERS[loader]
    takes, categorical = (report["takes"], report["categorical"]) if report else ("frame", {})
    lines = [importing, "import pandas as pd", *(["import xgboost"] * (takes == "matrix"))]
    lines = [*dict.fromkeys(lines)]
    lines += ["", loading.format(_text(name))]
    if columns and takes != "text":
        lines.append(f"COLUMNS = {_listed([_text(each) for each in columns])}")
    if categorical:
        members = [f"{_text(each)}: {values!r}" for each, values in categorical.items()]
        lines.append("CATEGORIES = {" + ", ".join(members) + "}")
    return "\n".join(lines) + "\n"


def _listed(texts: Sequence[str]) -> str:
    """A list of them, on lines of their own when it would be long."""
    line = ", ".join(texts)
    if len(line) <= _LINE:
        return f"[{line}]"
    lines = [""]
    for text in texts:  # names may have blanks in them
        if lines[-1] and len(lines[-1]) + len(text) > _LINE:
            lines.append("")
        lines[-1] += f"{text}, "
    return "[\n    " + "\n    ".join(each.rstrip() for each in lines) + "\n]"


def _code(report: Mapping[str, Any]) -> tuple[str, list[Column]]:
    """The code of a call, and the columns that come of it."""
    kind, width = str(report["output_type"]), int(report["width"])
    lines = [f"rows = {_rows(report)}"]
    if report["categorical"]:
        lines += [
            "for column, values in CATEGORIES.items():",
            "    texts = pd.Categorical(rows[column], categories=values)",
            "    rows = rows.assign(**{column: texts})",
        ]
    if width > 1:
        names = [f"prediction_{place + 1}" for place in range(width)]
        lines += [
            "predicted = model.predict(rows)",
            "outputData = pd.DataFrame(",
            '    {f"prediction_{place + 1}": predicted[:, place] for place in '
            "range(predicted.shape[1])}",
            ")",
        ]
    else:
        names = ["prediction"]
        lines.append('outputData = pd.DataFrame({"prediction": model.predict(rows)})')
    columns = [Column(name, kind) for name in names]
    if report["proba"] and width == 1:
        lines += [
            "probabilities = model.predict_proba(rows)",
            "for place, label in enumerate(model.classes_):",
            '    outputData[f"probability_{label}"] = probabilities[:, place]',
        ]
        columns += [Column(f"probability_{label}", "numeric") for label in report["classes"]]
    return "\n".join(lines) + "\n", columns


def _rows(report: Mapping[str, Any]) -> str:
    """What the model takes, as an expression."""
    if report["takes"] == "text":
        return 'inputData["text"]'
    if not report["columns"]:
        return "inputData"
    if report["takes"] == "matrix":
        return "xgboost.DMatrix(inputData[COLUMNS])"
    return "inputData[COLUMNS]" if report["named"] else "inputData[COLUMNS].to_numpy()"


def _column(said: dict[str, Any]) -> Column:
    return Column(str(said["name"]), str(said["type"]), tuple(map(str, said["values"])))


def _example(said: dict[str, Any]) -> Any:
    if said["example"] is not None:
        return said["example"]
    return "" if said["type"] == "character" else 0.0


def _description(title: str, columns: list[Column]) -> str:
    names = ", ".join(each.name for each in columns[:30])
    more = f" and {len(columns) - 30} more" if len(columns) > 30 else ""
    return f"{title}. Columns: {names}{more}." if columns else f"{title}."


def _told(text: str) -> str:
    """A warning of a library on one line; other versions as a person says it."""
    text = re.sub(r"\s+", " ", str(text)).strip()
    found = re.match(
        r"Trying to unpickle estimator (\S+) from version (\S+) when using version (\S+?)\.? ", text
    )
    if found:
        name, then, now = found.groups()
        return (
            f"{name} was saved with scikit-learn {then}, and the compute nodes have {now}: it may "
            "fail or predict otherwise. Compare a prediction that you know in the test run, or "
            f"save the model with {now}. ({text})"
        )
    return text


def _text(value: str) -> str:
    """The text as a literal with double quotes."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if value.isprintable() else repr(value)
