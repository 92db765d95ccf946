"""The console: one admin site at /console/ for everybody who has a role."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.middleware.csrf import get_token
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import require_safe
from unfold.sites import UnfoldAdminSite

from mlops.accounts.models import User
from mlops.accounts.roles import role_of
from mlops.accounts.sign_in import methods
from mlops.console import provider_sign_in
from mlops.console.forms import SignInForm

View = Callable[..., HttpResponseBase]

_WITHOUT = {"password_change", "password_change_done"}


def is_of_script(request: HttpRequest) -> bool:
    """Whether a script of a page asks, which shows what it gets in its place."""
    return "HX-Request" in request.headers or "X-Console" in request.headers


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]
    """An admin site that asks for a role of the product instead of Django's staff status."""

    login_form = SignInForm
    login_template = "console/sign_in.html"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._pages: dict[str, URLPattern] = {}

    def add_page(
        self, address: str, view: View, *, name: str, around: Callable[[View], View] | None = None
    ) -> None:
        """Serve `view` at `address`, for who has a role; see `mlops.console.pages`."""
        whole = self.admin_view(view)
        self._pages[name] = path(address, around(whole) if around else whole, name=name)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """The view for who has a role. Others are sent to sign in; their scripts get a 401."""
        guarded: View = super().admin_view(view, cacheable)

        @wraps(guarded)
        def answering_scripts(request: HttpRequest, *args: Any, **named: Any) -> HttpResponseBase:
            if is_of_script(request) and not self.has_permission(request):
                return HttpResponse("Your session has ended.", status=401)
            return guarded(request, *args, **named)

        return answering_scripts

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
            path("csrf/", self.admin_view(_csrf), name="csrf"),
        ]
        without = _WITHOUT | self._pages.keys()
        theirs = [each for each in super().get_urls() if getattr(each, "name", "") not in without]
        return [*own, *self._pages.values(), *theirs]

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


@require_safe
def _csrf(request: HttpRequest) -> HttpResponse:
    """A new CSRF token for a page that was open while its user signed in again."""
    return JsonResponse({"token": get_token(request)})


site = ConsoleSite(name="console")
