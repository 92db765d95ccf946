"""The accounts app: users, roles, tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, roles, sign-in methods and tokens."""

    name = "mlops.accounts"
    label = "accounts"
