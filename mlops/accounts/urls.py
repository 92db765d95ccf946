"""Routes of this app, mounted at the root."""

from django.urls import path

from mlops.accounts.api.audit import AuditTrail
from mlops.accounts.api.keys import ApiKeyById, ApiKeys
from mlops.accounts.api.login import LoginView, RefreshTokenPathView, RefreshTokenView
from mlops.accounts.api.service_accounts import ServiceAccountByName, ServiceAccounts

urlpatterns = [
    # /login
    path("login", LoginView.as_view(), name="login"),
    path("login/refreshToken", RefreshTokenView.as_view(), name="refresh-token"),
    path(
        "login/refreshToken/<path:refresh_token>",
        RefreshTokenPathView.as_view(),
        name="refresh-token-by-path",
    ),
    # /apikeys
    path("apikeys", ApiKeys.as_view(), name="api-keys"),
    path("apikeys/<str:key_id>", ApiKeyById.as_view(), name="api-key"),
    # /serviceaccounts
    path("serviceaccounts", ServiceAccounts.as_view(), name="service-accounts"),
    path("serviceaccounts/<str:username>", ServiceAccountByName.as_view(), name="service-account"),
    # /audit
    path("audit", AuditTrail.as_view(), name="audit"),
]
