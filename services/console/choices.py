"""Services to choose in forms of Owners, and inputs to begin with."""

import json

from services.examples import example_inputs
from services.leftovers import PREFIX
from services.models import Version

_MOST = 500  # proposed; any other may be typed


def services_to_choose() -> list[str]:
    """The newest versions, each as name/version."""
    newest = (
        Version.objects.exclude(service__name__startswith=PREFIX)
        .order_by("-created_at")
        .values_list("service__name", "version")[:_MOST]
    )
    return [f"{name}/{version}" for name, version in newest]


def example_of(service: str) -> str:
    """Inputs of the version name/version as JSON text; an empty object when there is none."""
    name, _, label = service.partition("/")
    version = Version.objects.named(name, label).first() if name and label else None
    if version is None:
        return "{}"
    inputs = example_inputs(version.input_parameters, version.example)
    return json.dumps(inputs, ensure_ascii=False, indent=2)
