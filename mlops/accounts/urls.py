"""Routes of this app, mounted at the root."""

from django.urls import path

from mlops.accounts.api.login import LoginView, RefreshTokenPathView, RefreshTokenView

urlpatterns = [
    # /login
    path("login", LoginView.as_view(), name="login"),
    path("login/refreshToken", RefreshTokenView.as_view(), name="refresh-token"),
    path(
        "login/refreshToken/<path:refresh_token>",
        RefreshTokenPathView.as_view(),
        name="refresh-token-by-path",
    ),
]
