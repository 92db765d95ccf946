"""The onebox app: all processes on one machine."""

from django.apps import AppConfig


class OneBoxConfig(AppConfig):
    """Starts and supervises web node, compute node and worker on one machine."""

    name = "mlops.onebox"
    label = "onebox"
