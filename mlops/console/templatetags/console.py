"""The filters of mlops.console.shown for templates."""

import json
from typing import Any

from django import template

from mlops.console import shown

register = template.Library()

for _filter in (
    shown.relative_time,
    shown.number,
    shown.milliseconds,
    shown.file_size,
    shown.percent,
    shown.duration,
    shown.sparkline_points,
):
    register.filter(_filter.__name__, _filter)


@register.filter
def as_json(value: Any) -> str:
    """The value as JSON, for an attribute."""
    return json.dumps(value)
