"""What lists of the console can be taken away as."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from mlops.csv_text import csv_lines
from mlops.streaming import streamed

_ROWS_AT_ONCE = 1000


class CsvList:
    """Mixin of an admin list that can be exported: what it shows now, on all its pages, as CSV.

    Set `csv_columns` to the headers and how a row gets to each value, or have `csv_of` do it all.
    """

    csv_columns: Mapping[str, Callable[[Any], object]]
    csv_name = ""  # of the file; that of the list when empty
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
        response = streamed(request, self.csv_of(found), content_type="text/csv")
        of_list = str(self.opts.verbose_name_plural).replace(" ", "-")  # type: ignore[attr-defined]
        name = self.csv_name or of_list
        response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response

    def csv_of(self, found: QuerySet[Any]) -> Iterator[bytes]:
        """The headers and all rows, a piece at a time."""
        yield csv_lines([list(self.csv_columns)])
        rows = found.iterator(chunk_size=_ROWS_AT_ONCE)
        for row in rows:
            yield csv_lines([[value(row) for value in self.csv_columns.values()]])
