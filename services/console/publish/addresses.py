"""Where what was published is on the console."""

from django.urls import reverse

from services.models import Version


def published_address(version: Version) -> str:
    """Where the calls of a version are to be copied."""
    return reverse("console:published", args=[version.name, version.version])


def version_address(version: Version) -> str:
    """Where the page of a version is."""
    return reverse("console:version", args=[version.name, version.version])
