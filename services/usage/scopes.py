"""What recorded scoring is of, as rows spell it."""

EVERYTHING = ""
REQUESTS = "requests"  # whatever was asked, refused ones included; they have no times
VERSION = "version:"  # begins what is of a version
_SERVICE, _NODE = "service:", "node:"


def of_service(name: str) -> str:
    """Of all versions of the service, those included that were deleted."""
    return f"{_SERVICE}{name}"


def of_version(name: str, version: str) -> str:
    """Of one version."""
    return f"{VERSION}{name}/{version}"


def of_node(address: str) -> str:
    """Of the calls that ended on the node."""
    return f"{_NODE}{address}"


def version_in(scope: str) -> tuple[str, str] | None:
    """Name and version that the scope is of; None when it is of something else."""
    if not scope.startswith(VERSION):
        return None
    name, _, version = scope.removeprefix(VERSION).partition("/")
    return name, version


def node_in(scope: str) -> str:
    """The address that the scope is of; empty when it is of something else."""
    return scope.removeprefix(_NODE) if scope.startswith(_NODE) else ""
