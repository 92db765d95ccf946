"""Signing a browser in at the provider: the authorization code flow, with PKCE, state and nonce."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any, Literal

from mlops.accounts.sign_in.directory import DirectoryEntry
from mlops.accounts.sign_in.entra.client import client
from mlops.accounts.sign_in.entra.people import person
from mlops.accounts.sign_in.entra.provider import provider
from mlops.accounts.sign_in.entra.tokens import judged
from mlops.errors import DirectoryUnavailable, NotSignedIn

logger = logging.getLogger(__name__)

# The answer comes as a query, not as a form: browsers send cookies with the former only, and
# without the verifier in its session the code in it is of no use to anybody.
warnings.filterwarnings("ignore", "response_mode='form_post'", UserWarning)

Problem = Literal["denied", "refused", "unavailable", "stale", "no-user", "name-taken", "no-role"]
Flow = dict[str, Any]

_SCOPES = ["openid", "profile", "email"]
_UNAVAILABLE = {"server_error", "temporarily_unavailable"}


class SignInFailed(Exception):  # noqa: N818 - named for what happened
    """Nobody is signed in; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)


def begin(redirect_uri: str, *, is_again: bool) -> Flow:
    """A flow that begins at its `auth_uri`; all of it is a secret of the browser's session.

    `is_again` has the provider ask who it is, even if it knows. Raises DirectoryUnavailable.
    """
    prompt = {"prompt": "login"} if is_again else {}
    with client(provider()) as asking:
        flow: Flow = asking.initiate_auth_code_flow(
            _SCOPES, redirect_uri=redirect_uri, response_mode="query", **prompt
        )
    return flow


def finish(flow: Flow, answer: Mapping[str, str]) -> DirectoryEntry:
    """The user whom the provider's answer to `flow` names.

    Raises SignInFailed, also when the provider cannot be reached.
    """
    judge = provider()
    try:
        if answer.get("iss", "") not in {"", *judge.known().issuers}:
            raise SignInFailed("stale")
        with client(judge) as asking:
            result = asking.obtain_token_by_auth_code_flow(flow, dict(answer))
        if "error" in result:
            raise _failure(result)
        return person(judge.entra, judged(str(result.get("id_token", "")), judge))
    except DirectoryUnavailable:
        raise SignInFailed("unavailable") from None
    except NotSignedIn as error:
        logger.error("The provider signed somebody in whom nobody can be made of: %s", error)
        raise SignInFailed("no-user") from None
    except (RuntimeError, ValueError):  # what msal finds wrong: state, nonce
        raise SignInFailed("stale") from None


def _failure(result: Mapping[str, Any]) -> SignInFailed:
    """What an error that the provider names means for people; the log has the rest."""
    error = str(result["error"])
    if error == "access_denied":
        return SignInFailed("denied")
    logger.error(
        "The provider refuses a sign-in: %.64r %.300r", error, result.get("error_description", "")
    )
    return SignInFailed("unavailable" if error in _UNAVAILABLE else "refused")
