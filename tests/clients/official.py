"""The official Python client (`azureml-model-management-sdk`), made usable on Python 3.8 and later.

One function of it builds a code object by hand with the arguments of Python 3.7 and earlier; it is
replaced by one that does the same through a signature. Nothing else of the client is touched.
"""

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports `imp` and has invalid escapes
    from azureml.deploy import DeployClient
    from azureml.deploy.server import MLServer
    from azureml.deploy.server import service as client_service


def _function_beget(
    _fn: Callable[..., Any], name: str, parameters: Sequence[str], doc: str = ""
) -> Callable[..., Any]:
    signature = inspect.Signature(
        [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in parameters]
    )

    def consume(*args: Any, **kwargs: Any) -> Any:
        bound = dict(signature.bind(*args, **kwargs).arguments)
        service = bound.pop("self")
        return service._consume(bound)

    consume.__name__ = name
    consume.__doc__ = doc
    return consume


client_service.function_beget = _function_beget


def sign_in(url: str, username: str, password: str) -> Any:
    """A client of the server at `url`, signed in the way its users do."""
    return DeployClient(url, use=MLServer, auth=(username, password))
