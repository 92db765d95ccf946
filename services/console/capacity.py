"""Capacity evaluation on the console: start, watch, look at, compare and download."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import mark_safe

from mlops.accounts.roles import Role
from mlops.console.charts import Chart, Series
from mlops.console.pages import is_fragment, page, render, user_of
from mlops.errors import Conflict, InvalidRequest, MlopsError, NotFound
from mlops.jobs.models import Job
from services import runs
from services.capacity import report as report_file
from services.capacity.evaluation import DEFAULT_SERVICE, conclusion
from services.capacity.options import STRATEGIES, Options
from services.capacity.samples import SERIES
from services.console.choices import example_of, services_to_choose
from services.console.curves import curves
from services.console.watching import refreshed, shown_state
from services.web_node import own_url

_SHOWN_RUNS = 50
_DEFAULTS = Options("latency")
_NUMBERS = {
    "latency": "Latency limit [ms]",
    "min_threads": "First step [threads]",
    "increment": "Increment [threads]",
    "max_threads": "Last step [threads]",
    "seconds": "Length of a step [s]",
}
_HELP = {
    "latency": "The strategy latency ends when the average is above it.",
    "max_threads": "The strategy thread ends with it.",
}
_OWNER = Role.OWNER


@page("capacity/", name="capacity", role=_OWNER, posts=_OWNER)
def capacity(request: HttpRequest) -> HttpResponse:
    """What to evaluate, and former evaluations."""
    given: dict[str, Any] = _DEFAULTS.as_json()
    if request.method == "POST":
        given |= {name: request.POST.get(name, "") for name in given}
        try:
            job = runs.start_capacity(user=user_of(request), options=_options(given, request))
        except MlopsError as error:
            return _form(request, given, error)
        return redirect("console:capacity_run", run_id=job.pk)
    if service := request.GET.get("service", ""):
        given |= {"service": service, "inputs": example_of(service)}
    return _form(request, given)


def _options(given: dict[str, Any], request: HttpRequest) -> Options:
    """The options in the form; InvalidRequest for what is no number."""
    values = dict(given)
    name, _, version = request.POST.get("service", "").strip().partition("/")
    values |= {"service": name, "version": version, "inputs": given["inputs"] or "{}"}
    for number, title in _NUMBERS.items():
        kind = type(getattr(_DEFAULTS, number))
        try:
            values[number] = kind(values[number])
        except ValueError:
            raise InvalidRequest(
                f"{title}: {values[number]!r} is no number.", fields=number
            ) from None
    return Options.of(values)


def _form(
    request: HttpRequest, given: dict[str, Any], error: MlopsError | None = None
) -> HttpResponse:
    service = request.POST.get("service", given["service"])
    problem_field = error.body().get("fields", "") if error else ""
    former = runs.runs_of(runs.CAPACITY).defer("result")[:_SHOWN_RUNS]
    context = {
        "given": given,
        "service": service,
        "services": services_to_choose(),
        "strategies": STRATEGIES,
        "numbers": [
            (name, title, _plain(given[name]), _HELP.get(name, ""), name == problem_field)
            for name, title in _NUMBERS.items()
        ],
        "problem": error.message if error else "",
        "web_node": own_url(),
        "former": [_listed(job) for job in former],
    }
    status = error.status if error else 200
    return render(request, "services/capacity.html", context, title="Capacity", status=status)


def _plain(value: object) -> object:
    """Numbers without a fraction that says nothing."""
    return f"{value:g}" if isinstance(value, float) else value


@page("capacity/<uuid:run_id>/", name="capacity_run", role=_OWNER)
def capacity_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One evaluation: how it goes while it runs, and its report."""
    job = runs.run_of(runs.CAPACITY, run_id)
    context: dict[str, Any] = {"job": job, "state": shown_state(job), "listed": _listed(job)}
    if not job.is_ended:
        context |= {"progress": job.progress, "chart": _live_chart(job)}
        if is_fragment(request):
            return refreshed(request, "services/capacity_live.html", context)
    elif is_fragment(request):
        return refreshed(request, "services/capacity_live.html", context)
    report = job.result or (job.progress if job.progress.get("steps") else None)
    if job.is_ended and report:
        context |= {
            "report": report,
            "conclusion": conclusion(report),
            "titles": report_file.TITLES.values(),
            "rows": report_file.rows(report),
            "latencies": curves({"Average latency": _latencies(report)}),
            "rates": curves({"Calls/s": _rates(report)}),
        }
        if job.result:
            context["data"] = mark_safe(report_file.as_data(report))  # noqa: S308 - escaped there
    title = f"Capacity of {_listed(job)['service']}"
    return render(request, "services/capacity_run.html", context, title=title)


@page("capacity/<uuid:run_id>/cancel/", name="capacity_cancel", role=_OWNER, posts=_OWNER)
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Have an evaluation end; what it has measured stays."""
    if request.method == "POST":
        runs.cancel_run(user=user_of(request), kind=runs.CAPACITY, run_id=run_id)
    return redirect("console:capacity_run", run_id=run_id)


@page("capacity/<uuid:run_id>/report/", name="capacity_report", role=_OWNER)
def download(request: HttpRequest, run_id: UUID) -> HttpResponse:  # noqa: ARG001 - a view's signature
    """The report as an HTML file."""
    job = runs.run_of(runs.CAPACITY, run_id)
    if not job.result:
        raise Conflict("There is no report of it: it has not come to its end.")
    name = report_file.file_name(job.result)
    return HttpResponse(
        report_file.html(job.result),
        content_type="text/html; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@page("capacity/compare/", name="capacity_compare", role=_OWNER)
def compare(request: HttpRequest) -> HttpResponse:
    """Two evaluations side by side."""
    chosen = request.GET.getlist("run")
    if len(chosen) != 2:
        raise InvalidRequest("Choose two evaluations in the list, to compare them.")
    try:
        found = [runs.run_of(runs.CAPACITY, UUID(each)) for each in chosen]
    except ValueError:
        raise NotFound("There is no such run.") from None
    jobs = sorted(found, key=lambda job: job.created_at)  # the older one is A
    if not all(job.progress.get("steps") for job in jobs):
        raise Conflict("One of them has measured nothing.")
    first, second = (job.progress for job in jobs)
    context = {
        "runs": [_listed(job) for job in jobs],
        "rows": _side_by_side(first, second),
        "latencies": curves({"A": _latencies(first), "B": _latencies(second)}),
        "rates": curves({"A": _rates(first), "B": _rates(second)}),
    }
    return render(request, "services/capacity_compare.html", context, title="Compare capacity")


def _listed(job: Job) -> dict[str, Any]:
    """A run as lists have it; without its result, which may be large."""
    options = job.arguments["options"]
    service = f"{options['service']}/{options['version']}" if options["service"] else ""
    steps = job.progress.get("steps", [])
    return {
        "job": job,
        "state": shown_state(job),
        "service": service or DEFAULT_SERVICE,
        "options": options,
        "last": steps[-1] if steps else None,
    }


def _live_chart(job: Job) -> Chart | None:
    ticks = job.progress.get("ticks", [])
    if not ticks or job.seen_at is None:
        return None
    times = [job.seen_at - timedelta(seconds=len(ticks) - index) for index in range(len(ticks))]
    latencies, threads = zip(*ticks, strict=True)
    series = [Series("Average latency", latencies), Series("Threads", threads, "neutral")]
    return Chart("Average latency, and threads", times, series, unit="ms")


def _latencies(report: dict[str, Any]) -> list[tuple[float, float]]:
    return [(step["threads"], step["latency"]) for step in report["steps"]]


def _rates(report: dict[str, Any]) -> list[tuple[float, float]]:
    return [(step["threads"], step["perSecond"]) for step in report["steps"]]


def _side_by_side(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """For each number of threads and each figure what both have, and the ratio."""
    steps = [{step["threads"]: step for step in each["steps"]} for each in (first, second)]
    rows = []
    for threads in sorted(steps[0].keys() | steps[1].keys()):
        one, other = (_figures(each.get(threads)) for each in steps)
        figures = [
            (title, a, b, b / a if a and b else None)
            for (title, a), (_, b) in zip(one, other, strict=True)
        ]
        rows.append({"threads": threads, "figures": figures})
    return rows


def _figures(step: dict[str, Any] | None) -> list[tuple[str, float | None]]:
    """What is compared of a step, with titles; None where the step was not run."""
    return [
        ("Calls/s", step["perSecond"] if step else None),
        ("Latency [ms]", step["latency"] if step else None),
        *(
            (f"{report_file.TITLES[name]} [ms]", step["stages"][name] if step else None)
            for name in SERIES
        ),
    ]
