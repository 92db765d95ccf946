"""The Django project and what all apps share."""

from mlops.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
