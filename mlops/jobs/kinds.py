"""The kinds of jobs: what each of them runs, and for how long its results are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops.jobs.running import JobContext

Function = Callable[..., Any]
KEPT_DAYS = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """What a job of this kind runs, and for how many days it is kept once it has ended."""

    function: "Callable[..., Any]"
    kept_days: int


_kinds: dict[str, Kind] = {}


def job(kind: str, *, keep_days: int = KEPT_DAYS) -> Callable[[Function], Function]:
    """Make the function what jobs of this `kind` run.

    It gets a JobContext, and the arguments of the job by name. What it returns, which JSON must be
    able to hold, is the result; an MlopsError that it raises is its error.
    """

    def register(function: Function) -> Function:
        _kinds[kind] = Kind(function, keep_days)
        return function

    return register


def kind_called(name: str) -> Kind:
    """The kind with this name; raises KeyError when there is none."""
    return _kinds[name]


def all_kinds() -> dict[str, Kind]:
    """Every kind by its name."""
    return dict(_kinds)


def call(context: "JobContext", name: str, arguments: dict[str, Any]) -> Any:
    """What a job of this kind returns."""
    return kind_called(name).function(context, **arguments)
