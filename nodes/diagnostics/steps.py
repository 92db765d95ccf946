"""The steps of something traced, with the id under which the logs of both nodes have each."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from mlops.correlation import correlated, new_id
from nodes.stopwatch import note_trace

_BAR = 30  # characters


@dataclass(frozen=True, slots=True)
class Step:
    """One step; times in milliseconds since the trace began."""

    name: str
    start: float
    milliseconds: float
    note: str = ""
    id: str = ""
    is_inner: bool = False  # part of the step before it

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {
            "start": round(self.start, 3),
            "milliseconds": round(self.milliseconds, 3),
        }


class Trace:
    """The steps so far; `on_step` is told of each one as it ends."""

    def __init__(self, on_step: Callable[[Step], None] = lambda _: None) -> None:
        self._began = time.perf_counter()
        self._on_step = on_step
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str, note: str = "") -> Iterator[list[str]]:
        """What runs in the context is a step with an id of its own, in the logs as well.

        The list is for further notes.
        """
        start, notes, correlation_id = self._now(), [note] if note else [], new_id()
        try:
            with correlated(correlation_id, is_traced=True):
                note_trace(f"{name}.")
                yield notes
        finally:
            length = self._now() - start
            self.add(Step(name, start, length, " ".join(notes), correlation_id))

    def add(self, step: Step) -> None:
        """A step that has ended."""
        self.steps.append(step)
        self._on_step(step)

    def _now(self) -> float:
        return (time.perf_counter() - self._began) * 1000


def waterfall(steps: Sequence[Step]) -> Iterator[str]:
    """The steps as lines: when each began, how long it took, and where that lies in the whole."""
    end = max((step.start + step.milliseconds for step in steps), default=0.0) or 1.0
    width = max((len(step.name) + 2 * step.is_inner for step in steps), default=0)
    for step in steps:
        name = f"{'  ' * step.is_inner}{step.name}".ljust(width)
        before = min(_BAR - 1, round(step.start / end * _BAR))
        length = max(1, min(_BAR - before, round(step.milliseconds / end * _BAR)))
        bar = f"{' ' * before}{'=' * length}".ljust(_BAR)
        times = f"{step.start:9.2f} ms {step.milliseconds:9.2f} ms"
        yield f"{times}  {name}  |{bar}|  {step.note}".rstrip()
        if step.id:
            yield f"{'':27}id {step.id}"
