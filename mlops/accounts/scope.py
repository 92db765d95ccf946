"""What an API key that is bound to services opens: calls of these services, nothing else."""

from typing import TYPE_CHECKING

from mlops.errors import Forbidden

if TYPE_CHECKING:
    from rest_framework.request import Request

OUTSIDE = "This API key is for other services only."


def require_scope(services: frozenset[str] | None, name: str) -> None:
    """Nothing; raises Forbidden unless a key bound to `services` may call the service `name`."""
    if services is not None and name not in services:
        raise Forbidden(OUTSIDE)


def is_within(services: frozenset[str] | None, request: "Request") -> bool:
    """Whether a key bound to `services` opens the view that serves the request.

    Only views that say `calls_a_service` are open to it, those of its services: what comes later
    is shut until it says so.
    """
    if services is None:
        return True
    context = request.parser_context or {}
    is_call = getattr(context.get("view"), "calls_a_service", False)
    return is_call and context["kwargs"].get("name") in services
