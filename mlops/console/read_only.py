"""What all lists of the console share while they are read-only."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from mlops.accounts.models import User
from mlops.accounts.roles import Role, role_of


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Lists and pages that everybody with a role may see, and nobody may change here.

    Set `empty_hint`, and `empty_command` if there is one, to what an empty list should advise.
    """

    actions = None
    list_per_page = 50
    needed_role = Role.READER
    empty_hint = ""
    empty_command = ""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the user has the role that the list takes."""
        role = role_of(request.user) if isinstance(request.user, User) else None
        return role is not None and role >= self.needed_role

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Whether the user has the role that the list takes."""
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
