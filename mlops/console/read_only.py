"""What all lists of the console share while they are read-only."""

from datetime import datetime
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from mlops.accounts.models import User
from mlops.accounts.roles import role_of


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Lists and pages that everybody with a role may see, and nobody may change here.

    Set `empty_hint`, and `empty_command` if there is one, to what an empty list should advise.
    """

    actions = None
    list_per_page = 50
    empty_hint = ""
    empty_command = ""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the user has a role."""
        return isinstance(request.user, User) and role_of(request.user) is not None

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Whether the user has a role."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """False."""
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:  # noqa: ARG002
        """Whether the address may filter by `lookup`: only by what the list offers.

        Django would allow every field, and `?code__startswith=` would tell a Reader the code.
        """
        offered = [name for name in self.get_list_filter(request) if isinstance(name, str)]
        return lookup in {f"{name}__exact" for name in offered}


def relative_time(when: datetime | None) -> SafeString | str:
    """`when` as "3 minutes ago", with the exact time on hover."""
    if when is None:
        return "never"
    exact = timezone.localtime(when).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', when.isoformat(), exact, naturaltime(when)
    )
