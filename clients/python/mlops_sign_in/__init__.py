"""Sign in at the provider of an mlops server with a code that is typed into any browser.

From a terminal or a notebook that has no browser of its own:

    token = access_token(
        "https://login.microsoftonline.com/<tenant>", client_id="...", audience="..."
    )
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from msal.oauth2cli.oidc import Client

__all__ = ["SignInFailed", "access_token", "write_privately"]

_MICROSOFT = {
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
}
_DOCUMENT = "/.well-known/openid-configuration"
_SECONDS = 30


class SignInFailed(Exception):  # noqa: N818 - named for what happened
    """There is no token; the text says why."""


def access_token(
    authority: str,
    *,
    client_id: str,
    audience: str,
    ca: str | Path | None = None,
    scope: str = "",
    show: Callable[[str], object] = print,
) -> str:
    """An access token for the server that is `audience` at the provider.

    `show` gets the sentence with the address and the code; then it is waited until somebody has
    signed in there. `client_id` is the native application of the provider, `ca` a file with the
    authorities of a private one. Raises SignInFailed.
    """
    is_microsoft = urlsplit(authority).hostname in _MICROSOFT
    authority = authority.rstrip("/").removesuffix("/v2.0" if is_microsoft else "")
    resource = audience if urlsplit(audience).scheme else f"api://{audience}"
    if is_microsoft:
        scopes, more = [scope or f"{resource}/.default"], {}
    else:
        scopes, more = [scope or "openid"], {"resource": resource}
    with _Http(ca) as http:
        try:
            document = http.get(f"{authority}{'/v2.0' if is_microsoft else ''}{_DOCUMENT}")
            document.raise_for_status()
            client = Client(document.json(), client_id, http_client=http)
            flow = client.initiate_device_flow(scopes, data=more)
            if "user_code" not in flow:
                raise SignInFailed(_reason(flow))
            show(_instruction(flow))
            result = client.obtain_token_by_device_flow(flow, data=dict(more))
        except (requests.RequestException, ValueError) as error:
            raise SignInFailed(f"{authority} cannot be used: {error}") from None
    if "access_token" not in result:
        raise SignInFailed(_reason(result))
    return str(result["access_token"])


def write_privately(token: str, path: Path) -> None:
    """Write the token to a file that nobody but its owner can read, in place of a former one."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(token)
    draft.replace(path)


class _Http(requests.Session):
    """A session that trusts `ca` alone, if it is given, and waits for a bounded time."""

    def __init__(self, ca: str | Path | None) -> None:
        super().__init__()
        self._trusted: str | bool = str(ca) if ca else True

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", _SECONDS)
        options.setdefault("verify", self._trusted)
        return super().request(*arguments, **options)


def _instruction(flow: dict[str, Any]) -> str:
    if message := flow.get("message"):
        return str(message)
    return f"To sign in, open {flow['verification_uri']} and enter the code {flow['user_code']}."


def _reason(result: dict[str, Any]) -> str:
    if result.get("error") == "authorization_pending":
        return "Nobody has signed in with the code in time. Start again."
    return str(result.get("error_description") or result.get("error") or json.dumps(result))
