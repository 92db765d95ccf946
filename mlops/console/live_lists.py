"""Lists that keep themselves up to date."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from mlops.console.pages import is_fragment


class LiveList:
    """Mixin of an admin list whose rows are read anew every few seconds; what is selected stays.

    `live_summary_template`, if there is one, stands above the list and is renewed with it.
    """

    change_list_template = "console/live_list.html"
    live_seconds = 5
    live_summary_template = ""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, or only its rows for a page that is open."""
        context = {
            "live_address": request.get_full_path(),
            "live_seconds": self.live_seconds,
            "live_summary": self.live_summary_template,
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)  # type: ignore[misc]
        if is_fragment(request) and isinstance(response, TemplateResponse):
            response.template_name = "console/live_list_rows.html"
        return response
