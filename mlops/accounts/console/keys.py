"""The API keys of an account on its page: made, shown this once, revoked."""

import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone

from mlops.accounts.api_keys.actions import (
    DEFAULT_DAYS,
    MAX_DAYS,
    create_api_key,
    revoke_api_key,
    visible_keys,
)
from mlops.accounts.console.doing import Show, ask, confirmed
from mlops.accounts.models import User
from mlops.console.api_calls import ApiCall
from mlops.console.pages import user_of
from mlops.errors import InvalidRequest, NotFound

_SEPARATORS = re.compile(r"[,\s]+")


def context(request: HttpRequest, account: User, *, may_make: bool) -> dict[str, Any]:
    """What the list of keys and the form for a new one need."""
    base_url = request.build_absolute_uri("/").rstrip("/")
    body = {"name": "dashboard", "days": DEFAULT_DAYS}
    if account.pk != user_of(request).pk:
        body["account"] = account.username
    return {
        "keys": account.api_keys.all(),
        "now": timezone.now(),
        "may_make_keys": may_make,
        "default_days": DEFAULT_DAYS,
        "max_days": MAX_DAYS,
        "base_url": base_url,
        "create_key_call": ApiCall(base_url, "POST", "/apikeys", body, key="create-key"),
    }


def make(request: HttpRequest, account: User, *, show: Show) -> HttpResponseBase:
    """The page with the new key, which is nowhere else: neither stored nor in an address.

    Nothing keeps pages of the console: they are sent with `no-store`.
    """
    form = request.POST
    made = create_api_key(
        user=user_of(request),
        name=form.get("name", "").strip(),
        account=account.username,
        services=[name for name in _SEPARATORS.split(form.get("services", "")) if name] or None,
        days=_days(form.get("days", "")),
    )
    return show(request, account, made=made)


def revoke(request: HttpRequest, account: User, *, back: str) -> HttpResponseBase:
    """Asks first: applications that use the key stop working at once."""
    key_id = request.POST.get("key", "")
    keys = visible_keys(user_of(request)).filter(user=account)
    key = keys.filter(pk=key_id).first() if key_id.isprintable() else None
    if key is None:
        raise NotFound("There is no such API key, or no longer.")
    if not confirmed(request):
        used = f"{key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never"
        bounds = "all services" if key.services is None else ", ".join(key.services)
        return ask(
            request,
            question=f"Revoke the API key “{key.name}” of {account.username}?",
            button="Revoke the key",
            depends=[
                "Whoever uses it gets 401 from now on; that cannot be undone.",
                f"It was last used: {used}.",
                f"It opens: {bounds}.",
            ],
            back=back,
        )
    revoke_api_key(user=user_of(request), key_id=key.pk)
    messages.success(request, f"The API key “{key.name}” is revoked.")
    return HttpResponseRedirect(back)


def _days(text: str) -> int:
    if not text.strip():
        return DEFAULT_DAYS
    if not text.strip().isdecimal() or len(text) > 6:
        raise InvalidRequest(f"The days must be a number from 1 to {MAX_DAYS}.", fields="days")
    return int(text)
