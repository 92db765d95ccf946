"""The console: one admin site at /console/ for everybody who has a role."""

from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from unfold.sites import UnfoldAdminSite

from mlops.accounts.models import User
from mlops.accounts.roles import role_of
from mlops.accounts.sign_in import methods
from mlops.console import provider_sign_in
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
        own = [
            path("login/provider", provider_sign_in.begin, name="provider_sign_in"),
            path("login/provider/answer", provider_sign_in.finish, name="provider_answer"),
        ]
        theirs = super().get_urls()
        return own + [route for route in theirs if getattr(route, "name", "") not in _WITHOUT]

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The sign-in page, or the way to the provider for a browser that was there already."""
        if methods.of_people() == methods.ENTRA:
            if response := provider_sign_in.straight_on(request):
                return response
            extra_context = {**(extra_context or {}), **provider_sign_in.page_context(request)}
        answer: HttpResponse = super().login(request, extra_context)
        return answer

    def logout(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The end of the browser's session here."""
        return provider_sign_in.forget(super().logout(request, extra_context))

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
