"""The console app: the admin site."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The admin site, its templates and static files."""

    name = "mlops.console"
    label = "console"
