"""The findings as Markdown."""

import math
from collections.abc import Sequence

from tests.cluster.calls import Outcome
from tests.cluster.scenarios import Scenario

_HEAD = [
    "what happens",
    "calls",
    "failed",
    "of them in flight on what was lost",
    "given to it later",
    "wrong",
    "99 % within",
    "longest",
    "longer than 1 s",
    "no call to it after",
    "used again after",
]


def table(found: Sequence[tuple[Scenario, Outcome | str]]) -> str:
    """A row for each scenario; what failed, below it."""
    lines = [_row(_HEAD), _row(["---", *["---:"] * (len(_HEAD) - 1)])]
    lines += [_row(_cells(scenario, outcome)) for scenario, outcome in found]
    notes = [
        f"- {scenario.title}: {_problems(outcome)}"
        for scenario, outcome in found
        if isinstance(outcome, Outcome) and outcome.problems
    ]
    return "\n".join([*lines, *(["", "What failed:", "", *notes] if notes else [])])


def _cells(scenario: Scenario, outcome: Outcome | str) -> list[str]:
    if isinstance(outcome, str):
        return [f"{scenario.title}: skipped, {outcome}", *[""] * (len(_HEAD) - 1)]
    return [
        scenario.title,
        f"{outcome.n_calls:,}",
        str(outcome.n_failures),
        str(outcome.n_in_flight),
        str(outcome.n_sent_later),
        str(outcome.n_wrong),
        _seconds(outcome.p99),
        _seconds(outcome.longest),
        str(outcome.n_held_up),
        _seconds(outcome.stopped_after),
        _seconds(outcome.used_again_after),
    ]


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return "used all the time" if math.isinf(value) else f"{value:.2f} s"


def _problems(outcome: Outcome) -> str:
    return ", ".join(f"{count} times {kind}" for kind, count in outcome.problems.most_common())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
