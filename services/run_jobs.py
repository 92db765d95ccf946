"""What the jobs of diagnostics and capacity evaluations run."""

from typing import Any

from mlops.diagnostics.findings import Finding, as_json
from mlops.jobs.kinds import job
from mlops.jobs.running import JobContext
from nodes.diagnostics.steps import Step
from nodes.diagnostics.trace_code import trace_code
from services.capacity.evaluation import evaluate, without_points
from services.capacity.options import Options
from services.diagnostics.checks import configuration_test
from services.diagnostics.trace_service import trace_service
from services.runs import CAPACITY, CODE, DIAGNOSTICS, PING, TRACE

_TICKS = 600  # shown while a capacity evaluation runs


@job(DIAGNOSTICS, keep_days=90)
def diagnose(context: JobContext) -> dict[str, Any]:
    """The configuration test."""
    findings: list[Finding] = []
    for finding in configuration_test(context.user, is_job=True):
        findings.append(finding)
        context.report(as_json(findings))
        context.raise_if_cancelled()
    return as_json(findings)


@job(TRACE, keep_days=30)
def trace(context: JobContext, *, what: str, arguments: dict[str, str]) -> dict[str, Any]:
    """A trace of code or of a service."""
    steps: list[dict[str, Any]] = []

    def show(step: Step) -> None:
        steps.append(step.as_json())
        context.report({"steps": steps})

    if what == CODE:
        return trace_code(user=context.user, on_step=show, **arguments)
    return trace_service(user=context.user, on_step=show, **arguments)


@job(CAPACITY, keep_days=365)
def capacity(context: JobContext, *, options: dict[str, Any]) -> dict[str, Any]:
    """A capacity evaluation."""
    ticks: list[tuple[float, int]] = []

    def show(progress: dict[str, Any]) -> None:
        ticks.append((progress["latest"], progress["steps"][-1]["threads"]))
        context.report({**progress, "ticks": ticks[-_TICKS:]})

    report = evaluate(
        user=context.user,
        options=Options.of(options),
        on_progress=show,
        is_cancelled=lambda: context.cancelled,
    )
    context.report({**without_points(report), "ticks": ticks[-_TICKS:]})
    return report


@job(PING)
def ping(context: JobContext) -> None:
    """Nothing: that it has run is what counts."""
