"""The version of the compute node API: web nodes and compute nodes of one major version agree."""

API_VERSION = "1.0"


def is_compatible(version: object) -> bool:
    """Whether a node of this API version understands us, and we it."""
    return str(version).partition(".")[0] == API_VERSION.partition(".")[0]
