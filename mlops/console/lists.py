"""What lists of the console can be taken away as."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from mlops.csv_text import csv_lines
from mlops.streaming import streamed

_ROWS_AT_ONCE = 1000


class CsvList:
    """Mixin of an admin list that can be exported: what it shows now, on all its pages, as CSV.

    Set `csv_columns` to the headers and how a row gets to each value.
    """

    csv_columns: Mapping[str, Callable[[Any], object]]
    list_before_template = "console/csv_export.html"

    def get_urls(self) -> list[URLPattern]:
        """The list's routes, and that of its CSV."""
        options = self.opts  # type: ignore[attr-defined]
        name = f"{options.app_label}_{options.model_name}_csv"
        view = self.admin_site.admin_view(require_safe(self.export))  # type: ignore[attr-defined]
        return [path("csv/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """What the list would show with the same filters, on all its pages, as CSV."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        found = self.get_changelist_instance(request).queryset  # type: ignore[attr-defined]
        lines = chain([csv_lines([list(self.csv_columns)])], self._csv_of(found))
        response = streamed(request, lines, content_type="text/csv")
        name = str(self.opts.verbose_name_plural).replace(" ", "-")  # type: ignore[attr-defined]
        response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response

    def _csv_of(self, found: QuerySet[Model]) -> Iterator[bytes]:
        rows = found.iterator(chunk_size=_ROWS_AT_ONCE)
        for row in rows:
            yield csv_lines([[value(row) for value in self.csv_columns.values()]])
