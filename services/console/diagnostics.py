"""Diagnostics on the console: the configuration test, and traces of code and of services."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from mlops.accounts.roles import Role
from mlops.console.pages import is_fragment, page, render, user_of
from mlops.diagnostics.findings import FAIL, PASS, WARN
from mlops.errors import InvalidRequest, MlopsError
from mlops.jobs.models import Job, JobState
from nodes.models import Runtime
from services import runs
from services.console.choices import example_of, services_to_choose
from services.console.watching import refreshed, shown_state

_SHOWN_RUNS = 20
_EXAMPLE_CODE = {
    "Python": 'import sys\n\nprint("Hello from Python", sys.version)\n',
    "R": 'cat("Hello from", R.version.string, "\\n")\n',
}
_SEVERITY = [FAIL, WARN, PASS]
_OWNER = Role.OWNER


@page("diagnostics/", name="diagnostics", role=_OWNER, posts=_OWNER)
def diagnostics(request: HttpRequest) -> HttpResponse:
    """The last configuration test, former ones, and the button that starts one."""
    if request.method == "POST":
        job = runs.start_diagnostics(user=user_of(request))
        return redirect("console:diagnostics_run", run_id=job.pk)
    former = list(runs.runs_of(runs.DIAGNOSTICS)[:_SHOWN_RUNS])
    last = former[0] if former else None
    context = {"tab": "test", "former": former, **(_of_test(last) if last else {})}
    return render(request, "services/diagnostics.html", context, title="Diagnostics")


@page("diagnostics/runs/<uuid:run_id>/", name="diagnostics_run", role=_OWNER)
def diagnostics_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One configuration test; as a fragment while it runs."""
    context = _of_test(runs.run_of(runs.DIAGNOSTICS, run_id))
    if is_fragment(request):
        return refreshed(request, "services/diagnostics_findings.html", context)
    context["tab"] = "test"
    return render(request, "services/diagnostics.html", context, title="Diagnostics")


@page("diagnostics/code/", name="trace_code", role=_OWNER, posts=_OWNER)
def trace_code(request: HttpRequest) -> HttpResponse:
    """Code to trace, and former traces."""
    if request.method == "POST":
        runtime, code = request.POST.get("runtime", ""), request.POST.get("code", "")
        if runtime in Runtime.values and code.strip():
            job = runs.start_trace(
                user=user_of(request), what=runs.CODE, runtime=runtime, code=_unix(code)
            )
            return redirect("console:trace", run_id=job.pk)
        problem = "Write some code, and choose the language that it is in."
        return _code_form(request, runtime, code, problem, status=400)
    return _code_form(request, "Python", _EXAMPLE_CODE["Python"])


def _code_form(
    request: HttpRequest, runtime: str, code: str, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "tab": "code",
        "runtimes": Runtime.values,
        "runtime": runtime,
        "code": code,
        "problem": problem,
        "former": _traces(runs.CODE),
    }
    return render(request, "services/trace_code.html", context, title="Trace code", status=status)


@page("diagnostics/service/", name="trace_service", role=_OWNER, posts=_OWNER)
def trace_service(request: HttpRequest) -> HttpResponse:
    """A service to trace, with its inputs, and former traces."""
    if request.method == "POST":
        service, inputs = request.POST.get("service", "").strip(), request.POST.get("inputs", "")
        name, _, version = service.partition("/")
        try:
            if not name or not version:
                raise InvalidRequest("Choose a service, as in churn/v1.", fields="service")
            job = runs.start_trace(
                user=user_of(request),
                what=runs.SERVICE,
                name=name,
                version=version,
                inputs=inputs or "{}",
            )
        except MlopsError as error:
            return _service_form(request, service, inputs, error.message, status=error.status)
        return redirect("console:trace", run_id=job.pk)
    service = request.GET.get("service", "")
    return _service_form(request, service, example_of(service))


def _service_form(
    request: HttpRequest, service: str, inputs: str, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "tab": "service",
        "services": services_to_choose(),
        "service": service,
        "inputs": inputs,
        "problem": problem,
        "former": _traces(runs.SERVICE),
    }
    title = "Trace a service"
    return render(request, "services/trace_service.html", context, title=title, status=status)


@page("diagnostics/traces/<uuid:run_id>/", name="trace", role=_OWNER)
def trace(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One trace as a waterfall; as a fragment while it runs."""
    job = runs.run_of(runs.TRACE, run_id)
    arguments = job.arguments["arguments"]
    is_code = job.arguments["what"] == runs.CODE
    report = job.result or job.progress
    subject = f"{arguments['runtime']} code" if is_code else _service_of(arguments)
    context: dict[str, Any] = {
        "tab": job.arguments["what"],
        "job": job,
        "state": shown_state(job),
        "is_code": is_code,
        "arguments": arguments,
        "report": report,
        "bars": _bars(report.get("steps", [])),
    }
    if is_fragment(request):
        return refreshed(request, "services/trace_steps.html", context)
    return render(request, "services/trace.html", context, title=f"Trace of {subject}")


@page(
    "diagnostics/runs/<uuid:run_id>/cancel/", name="diagnostics_cancel", role=_OWNER, posts=_OWNER
)
def cancel_test(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Have a configuration test end."""
    return _cancelled(request, runs.DIAGNOSTICS, run_id, "console:diagnostics_run")


def _cancelled(request: HttpRequest, kind: str, run_id: UUID, then: str) -> HttpResponse:
    if request.method == "POST":
        runs.cancel_run(user=user_of(request), kind=kind, run_id=run_id)
    return redirect(then, run_id=run_id)


def _of_test(job: Job) -> dict[str, Any]:
    report = job.result or job.progress
    found = report.get("findings", [])
    if job.is_ended:  # what needs a look comes first
        found = sorted(found, key=lambda each: _SEVERITY.index(each["outcome"]))
    return {"job": job, "state": shown_state(job), "report": report, "findings": found}


def _traces(what: str) -> list[dict[str, Any]]:
    former = runs.runs_of(runs.TRACE).filter(arguments__what=what)[:_SHOWN_RUNS]
    return [
        {"job": job, "subject": _subject(job.arguments["arguments"]), "ending": _ending(job)}
        for job in former
    ]


def _subject(arguments: dict[str, str]) -> str:
    if "code" in arguments:
        lines = arguments["code"].strip().splitlines() or [""]
        return f"{arguments['runtime']}: {lines[0][:80]}"
    return _service_of(arguments)


def _service_of(arguments: dict[str, str]) -> str:
    return f"{arguments['name']}/{arguments['version']}"


def _ending(job: Job) -> dict[str, str]:
    if job.state != JobState.DONE or job.result is None:
        return shown_state(job)
    if job.result["success"]:
        return {"text": "ran", "colour": "success", "why": ""}
    return {"text": "failed", "colour": "danger", "why": str(job.result["errorMessage"])[:120]}


def _bars(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps with where their bars begin and how long they are, in percent of the whole."""
    end = max((step["start"] + step["milliseconds"] for step in steps), default=0) or 1
    return [
        {
            **step,
            "left": round(step["start"] / end * 100, 2),
            "width": max(0.4, round(step["milliseconds"] / end * 100, 2)),
        }
        for step in steps
    ]


def _unix(code: str) -> str:
    """Browsers send line ends of DOS."""
    return code.replace("\r\n", "\n")
