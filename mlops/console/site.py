"""The console: one admin site at /console/ for everybody who has a role."""

from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, reverse
from unfold.sites import UnfoldAdminSite

from mlops.accounts.models import User
from mlops.accounts.roles import role_of
from mlops.console.forms import SignInForm

_WITHOUT = {"password_change", "password_change_done"}


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]
    """An admin site that asks for a role of the product instead of Django's staff status."""

    login_form = SignInForm
    login_template = "console/sign_in.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the browser's user is active and has a role."""
        user = request.user
        return isinstance(user, User) and user.is_active and role_of(user) is not None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The site's routes, without Django's page for changing one's password.

        It would leave access tokens alive; `manage.py set_password` ends them.
        """
        return [route for route in super().get_urls() if getattr(route, "name", "") not in _WITHOUT]

    def search(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The pages whose name matches; 404 for a part of the result that does not exist."""
        try:
            found: HttpResponse = super().search(request, extra_context)
        except (ValueError, InvalidPage):
            raise Http404 from None
        return found

    def index(
        self,
        request: HttpRequest,  # noqa: ARG002 - the signature is Django's
        extra_context: dict[str, object] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """The list of services, the first thing people come for."""
        return HttpResponseRedirect(reverse("console:services_version_changelist"))


site = ConsoleSite(name="console")
