"""Views that notice when their client goes away before it was answered."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request

from nodes.background import HangUp

View = Callable[..., HttpResponseBase]


def noticing_hang_up(view: View) -> Callable[..., Any]:
    """A DRF view, in the thread of its request as always, that may ask for `hang_up_of` it."""

    @functools.wraps(view)
    async def noticing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        hang_up = HangUp()
        request.hang_up = hang_up  # type: ignore[attr-defined]
        answering = asyncio.ensure_future(sync_to_async(view)(request, *args, **kwargs))
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:  # Django's way to say that the client has gone
            hang_up.happen()
            await asyncio.wait([answering])
            raise

    return noticing


def hang_up_of(request: Request) -> HangUp:
    """What happens when the client of the request goes away."""
    return cast(HangUp, request._request.hang_up)  # type: ignore[attr-defined]
