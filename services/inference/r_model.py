"""An R object in an .rds or .RData file: a fitted model that has a method for predict."""

from typing import Any

from services.inference.looking import Looker, look_into, misled
from services.inference.proposal import Column, Proposal
from services.schema import Parameter
from services.staged import StagedFile

SUFFIXES = (".rds", ".rdata", ".rda")
INPUT, OUTPUT = Parameter("inputData", "data.frame"), Parameter("outputData", "data.frame")

_BY_ROWS = frozenset(
    {"lm", "glm", "rpart", "randomForest", "gam", "loess", "nls", "svm", "gbm", "ranger", "lda"}
)


def propose(file: StagedFile, *, by: Looker) -> Proposal:
    """What can be published of the file; raises as `looking.look_into`."""
    report = look_into(file, runtime="R", by=by)
    try:
        return proposal_of(file, report)
    except (LookupError, TypeError, ValueError):
        raise misled(file.name) from None


def proposal_of(file: StagedFile, report: dict[str, Any]) -> Proposal:
    """The proposal for what was reported of the file."""
    package, kind = str(report["package"]), str(report["class"])
    title = f"{kind} model" + (f" of the R package {package}" if package else "")
    warnings = [str(text) for text in report["warnings"]]
    missing = [package] if report["missing"] else []
    if missing:
        warnings.append(
            f"{file.name} needs the R package {package}, which the compute nodes do not have. Ask "
            f'an administrator to install it there (install.packages("{package}")), then choose '
            "the file again."
        )
    columns = [
        Column(each["name"], each["type"], tuple(map(str, each["values"])))
        for each in report["columns"]
    ]
    if not report["has_predict"] or not columns:
        if not missing:
            what = "has no method for predict" if not report["has_predict"] else "has no formula"
            warnings.append(
                f"{file.name} holds an object of class {kind}, which {what}. The init code loads "
                "it as `model`; write the code that uses it."
            )
        return Proposal(
            kind="r",
            title=title,
            runtime_type="R",
            init_code=_init_code(file.name, report, []),
            files=[file],
            warnings=warnings,
            missing=missing,
        )
    if report["tried"]:
        warnings.append(f"A call with an example row did not work: {report['tried']}")
    factors = [each["name"] for each in report["columns"] if each["factor"]]
    response = str(report["response"])
    name = f"{response}_Pred" if response else "prediction"
    code, output_columns = _code(report, name, factors)
    independent = kind in _BY_ROWS
    return Proposal(
        kind="r",
        title=title,
        runtime_type="R",
        inputs=[INPUT],
        outputs=[OUTPUT],
        columns=columns,
        output_columns=output_columns,
        init_code=_init_code(file.name, report, factors),
        code=code,
        files=[file],
        row_independent=independent,
        row_independence_reason=(
            "Each row is predicted by itself, so calls that wait together can be run as one."
            if independent
            else "Not known to predict each row by itself: turn it on if you know it does."
        ),
        example={"inputData": {each["name"]: [each["example"]] for each in report["columns"]}},
        description=f"{title}. Columns: {', '.join(each.name for each in columns)}.",
        warnings=warnings,
    )


def _init_code(name: str, report: dict[str, Any], factors: list[str]) -> str:
    lines = []
    package = str(report["package"])
    if package and package != "stats":
        lines.append(f"library({package})")
    if report["loader"] == "readRDS":
        lines.append(f"model <- readRDS({_text(name)})")
    else:
        lines.append(f"load({_text(name)})")
        if report["name"] != "model":
            lines.append(f"model <- `{report['name']}`")
    if factors:
        lines.append("LEVELS <- list(")
        by_name = {each["name"]: each["values"] for each in report["columns"]}
        lines.append(
            ",\n".join(
                f"  `{factor}` = c({', '.join(_text(str(value)) for value in by_name[factor])})"
                for factor in factors
            )
        )
        lines.append(")")
    return "\n".join(lines) + "\n"


def _code(report: dict[str, Any], name: str, factors: list[str]) -> tuple[str, list[Column]]:
    lines = []
    if factors:
        lines += [
            "for (column in names(LEVELS)) {",
            "  inputData[[column]] <- factor(inputData[[column]], levels = LEVELS[[column]])",
            "}",
        ]
    option = f', type = "{report["type"]}"' if report["type"] else ""
    lines.append(f"predicted <- predict(model, newdata = inputData{option})")
    if report["output_columns"]:
        lines.append("outputData <- as.data.frame(predicted)")
        names = [str(each) for each in report["output_columns"]]
        return "\n".join(lines) + "\n", [Column(each, "numeric") for each in names]
    lines.append(f"outputData <- data.frame({_argument(name)} = unname(predicted))")
    return "\n".join(lines) + "\n", [Column(name, str(report["output_type"]))]


def _argument(name: str) -> str:
    return name if name.replace("_", "").replace(".", "").isalnum() else f"`{name}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
