"""Rows of recorded figures, to which any number of processes add at the same time.

Whoever records adds to the row of the minute and to that of its hour in one transaction: so hours
are complete at any time, and there is nothing that has to be rolled up later.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, models, transaction

from mlops.usage.minutes import HOUR, MINUTE, RESOLUTIONS, minute_of

_VALUES_AT_ONCE = 9000  # of one statement; SQLite takes 32766
_REMOVED_AT_ONCE = 5000  # makes short transactions


class Recorded(models.Model):
    """Figures of something, added up over a minute or an hour."""

    of = models.CharField(max_length=300)
    resolution = models.PositiveSmallIntegerField()  # minutes that it covers: MINUTE or HOUR
    minute = models.PositiveIntegerField()  # the first of them, counted since 1970

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.of or 'everything'}, minute {self.minute}+{self.resolution}"


Figures = Sequence[float]
# What to add, by what it is of and by minute.
News = Mapping[tuple[str, int], Figures]


def add(model: type[Recorded], columns: Sequence[str], news: News) -> None:
    """Add the figures to the rows of their minutes and hours, all or none; makes missing rows."""
    rows: dict[tuple[str, int, int], list[float]] = {}
    for (of, minute), figures in news.items():
        for resolution in RESOLUTIONS:
            key = (of, resolution, minute - minute % resolution)
            known = rows.get(key)
            rows[key] = [
                one + other for one, other in zip(known or [0] * len(figures), figures, strict=True)
            ]
    # In one order, so that two processes never wait for each other.
    ordered: list[_Row] = [(*key, *rows[key]) for key in sorted(rows)]
    with transaction.atomic(), connection.cursor() as cursor:
        for some in _parts(ordered, _VALUES_AT_ONCE // (len(columns) + 3)):
            values: list[str | float] = [value for row in some for value in row]
            cursor.execute(_statement(model, columns, len(some)), values)


def _statement(model: type[Recorded], columns: Sequence[str], n_rows: int) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    keys = ["of", "resolution", "minute"]
    names = ", ".join(connection.ops.quote_name(name) for name in (*keys, *columns))
    row = f"({', '.join(['%s'] * (len(keys) + len(columns)))})"
    sums = ", ".join(f'"{name}" = {table}."{name}" + excluded."{name}"' for name in columns)
    target = ", ".join(map(connection.ops.quote_name, keys))
    return (
        f"INSERT INTO {table} ({names}) VALUES {', '.join([row] * n_rows)}"  # noqa: S608 - no text of others
        f" ON CONFLICT ({target}) DO UPDATE SET {sums}"
    )


_Row = tuple[str | float, ...]


def _parts(rows: Sequence[_Row], size: int) -> Iterable[Sequence[_Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def remove_old(model: type[Recorded], *, now: datetime) -> int:
    """Delete the rows that are older than the settings keep them; how many they were."""
    kept = {
        MINUTE: timedelta(hours=settings.USAGE_MINUTES_KEPT_HOURS),
        HOUR: timedelta(days=settings.USAGE_HOURS_KEPT_DAYS),
    }
    n_removed = 0
    for resolution, age in kept.items():
        rows = model._default_manager.filter(
            resolution=resolution, minute__lt=minute_of(now - age, resolution)
        )
        while some := list(rows.values_list("pk", flat=True)[:_REMOVED_AT_ONCE]):
            n_removed += model._default_manager.filter(pk__in=some)._raw_delete(rows.db)
    return n_removed
