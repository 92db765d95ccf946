"""Figures, sizes and times as people read them."""

from datetime import datetime

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING = "\N{EN DASH}"
_NO_BREAK = "\N{NO-BREAK SPACE}"


def relative_time(when: datetime | None) -> SafeString | str:
    """`when` as "3 minutes ago", with the exact time on hover."""
    if when is None:
        return "never"
    exact = timezone.localtime(when).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', when.isoformat(), exact, naturaltime(when)
    )


def number(value: float | None) -> str:
    """With about three digits, as "12.4 k" or "0.25"."""
    if value is None:
        return NOTHING
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{_digits(value / (1e3 if unit == 'k' else size))}{_NO_BREAK}{unit}"
    return _digits(value)


def milliseconds(value: float | None) -> str:
    """As "12.4 ms", or "1.24 s" from one second on."""
    if value is None:
        return NOTHING
    if value >= 1000:
        return f"{_digits(value / 1000)}{_NO_BREAK}s"
    return f"{_digits(value)}{_NO_BREAK}ms"


def file_size(value: float | None) -> str:
    """In bytes, KiB, MiB or GiB."""
    if value is None:
        return NOTHING
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{_digits(value)}{_NO_BREAK}{unit}"
        value /= 1024
    return f"{_digits(value)}{_NO_BREAK}GiB"


def percent(value: float | None) -> str:
    """Of a share between 0 and 1, as "2.5 %"."""
    if value is None:
        return NOTHING
    text = "< 0.1" if 0 < value < 0.001 else _digits(value * 100)
    return f"{text}{_NO_BREAK}%"


def duration(seconds: float | None) -> str:
    """As "42 s", "3 min 5 s", "2 h 10 min" or "3 d 4 h"."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{_digits(seconds)}{_NO_BREAK}s"
    whole = round(seconds)
    for size, unit, smaller, name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            more = f" {rest}{_NO_BREAK}{name}" if rest else ""
            return f"{whole // size}{_NO_BREAK}{unit}{more}"
    return NOTHING


def sparkline_points(values: list[float]) -> str:
    """The points of a line through `values` in a box of 96 by 20."""
    if not values:
        return ""
    top, steps = max(values) or 1, max(len(values) - 1, 1)
    return " ".join(
        f"{96 * index / steps:.1f},{19 - 18 * value / top:.1f}"
        for index, value in enumerate(values)
    )


def _digits(value: float) -> str:
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"
