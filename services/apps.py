"""The services app: what is published."""

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    """Services and their versions."""

    name = "services"
