"""What all lists of the console share while they are read-only."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseRedirect
from unfold.admin import ModelAdmin

from mlops.accounts.models import User
from mlops.accounts.roles import Role, role_of


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Lists and pages that everybody with a role may see, and nobody may change here.

    Set `empty_hint`, and `empty_command` if there is one, to what an empty list should advise.
    """

    actions: Sequence[str] | None = None
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
        offered = {
            f"{each}__exact" if isinstance(each, str) else each.parameter_name
            for each in self.get_list_filter(request)
        }
        return lookup in offered


class LeadsOn:
    """Mixin of a list whose rows have pages of their own, or none: Django's lead there."""

    def page_of(self, object_id: str) -> str:
        """The address of the page; raises ValueError for what can be no id."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, *_: Any, **__: Any
    ) -> HttpResponseRedirect:
        """The way to the page."""
        may_look: bool = self.has_view_permission(request)  # type: ignore[attr-defined]
        if not may_look or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        try:
            return HttpResponseRedirect(self.page_of(object_id))
        except ValueError:
            raise Http404 from None

    history_view = change_view
