"""The accounts app: users, roles, tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, roles, sign-in methods and tokens."""

    name = "mlops.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Have browser sessions known by their logins, and the settings checked."""
        from mlops import checks  # noqa: F401 - it needs the settings

        # They need the models.
        from mlops.accounts import browser_sessions  # noqa: F401
        from mlops.accounts.sign_in import browser  # noqa: F401
