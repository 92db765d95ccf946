"""Charts of the console: what is drawn, for the templates and for charts.js."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Colour = Literal["primary", "success", "warning", "danger", "info", "neutral"]
Value = float | int | None


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one set of bars; None where nothing is known."""

    label: str
    values: Sequence[Value]
    colour: Colour = "primary"
    kind: Literal["line", "bar", "area"] = "line"


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened at a moment, drawn as an upright line."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over common times."""

    title: str
    times: Sequence[datetime]
    series: Sequence[Series]
    unit: str = ""
    markers: Sequence[Marker] = field(default=())
    is_stacked: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """What charts.js draws."""
        return {
            "times": [each.isoformat() for each in self.times],
            "series": [asdict(each) for each in self.series],
            "unit": self.unit,
            "markers": [{"at": each.at.isoformat(), "label": each.label} for each in self.markers],
            "isStacked": self.is_stacked,
        }

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known at any time."""
        return not any(value for each in self.series for value in each.values)

    @property
    def summary(self) -> list[tuple[str, Value, Value]]:
        """Of each series its label, last and greatest value, for who cannot see the chart."""
        rows = []
        for each in self.series:
            known = [value for value in each.values if value is not None]
            rows.append((each.label, known[-1] if known else None, max(known, default=None)))
        return rows
