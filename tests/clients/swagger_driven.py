"""A client that nobody here wrote: `bravado` makes one from the swagger.json of a service.

It holds the document against the official schema of Swagger 2.0, what is sent against the document,
and what comes back as well where that is wanted.
"""

import warnings
from typing import Any
from urllib.parse import urlsplit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports a deprecated part of jsonschema
    from bravado.client import SwaggerClient
    from bravado.exception import HTTPBadRequest, HTTPError
    from bravado.requests_client import RequestsClient
    from swagger_spec_validator.validator20 import validate_spec

__all__ = ["HTTPBadRequest", "HTTPError"]

# What it uses of jsonschema at every turn.
IGNORED_WARNINGS = (
    r"ignore:(jsonschema\.RefResolver|Accessing Validator|Passing a schema):DeprecationWarning"
)


def load(url: str, token: str, *, validate_responses: bool = True) -> Any:
    """The operations of the service whose /api address is given, one method each."""
    http = RequestsClient()
    host = urlsplit(url).netloc
    http.set_api_key(host, f"Bearer {token}", param_name="Authorization", param_in="header")
    client = SwaggerClient.from_url(
        f"{url}/swagger.json",
        http_client=http,
        config={"use_models": False, "validate_responses": validate_responses},
    )
    return getattr(client, client.swagger_spec.spec_dict["info"]["title"])


def validate(document: dict[str, Any]) -> None:
    """Raise unless the document is valid Swagger 2.0 by its official schema."""
    validate_spec(document)
