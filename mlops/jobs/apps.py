"""The jobs app."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    """Jobs and their kinds."""

    name = "mlops.jobs"
    label = "jobs"

    def ready(self) -> None:
        """Load the kinds of jobs that the apps have in their `jobs` modules."""
        autodiscover_modules("jobs")
