"""The nodes app: where code runs."""

from django.apps import AppConfig


class NodesConfig(AppConfig):
    """Compute nodes, sessions and snapshots."""

    name = "nodes"
