"""The report of a capacity evaluation as one HTML file, which needs no network."""

import json
from datetime import datetime
from importlib.resources import files
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from nodes.stopwatch import STAGES
from services.capacity.evaluation import conclusion
from services.capacity.samples import SERIES

_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&"}
TITLES = {"total": "Total", **STAGES}


def file_name(report: dict[str, Any]) -> str:
    """As in perf-run-2026-11-22-093000.html, by when it began."""
    began = datetime.fromisoformat(report["startedAt"])
    return f"perf-run-{began:%Y-%m-%d-%H%M%S}.html"


def html(report: dict[str, Any]) -> str:
    """The whole file."""
    context = {
        "report": report,
        "conclusion": conclusion(report),
        "titles": TITLES.values(),
        "rows": rows(report),
        "data": mark_safe(as_data(report)),  # noqa: S308 - escaped there
        "style": mark_safe(_static("capacity.css")),  # noqa: S308 - ours
        "script": mark_safe(_static("capacity.js")),  # noqa: S308 - ours
    }
    return render_to_string("services/capacity_report.html", context)


def as_data(report: dict[str, Any]) -> str:
    """What capacity.js draws, as JSON that cannot end its script element."""
    data = {
        "titles": list(TITLES.values()),
        "steps": [
            {name: step[name] for name in ("threads", "every", "calls", "points")}
            for step in report["steps"]
        ],
    }
    return json.dumps(data, separators=(",", ":")).translate(_ESCAPES)


def rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps, each with the averages of its stages in the order of the titles."""
    return [
        {**step, "means": [step["stages"][name] for name in SERIES]} for step in report["steps"]
    ]


def _static(name: str) -> str:
    return files("services").joinpath("static", "services", name).read_text(encoding="utf-8")
