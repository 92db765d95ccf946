"""What the representations of all apps share."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request

from mlops.accounts.models import User
from mlops.accounts.token_cache import Caller
from mlops.rest import ErrorBody

# What a call that asks a compute node can answer on top, see `error_responses`.
NODE_ERRORS = (500, 503, 504)


class Text(serializers.CharField):
    """A JSON string as it is; numbers and switches are not taken for text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The string; ValidationError for any other kind."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class WholeNumber(serializers.IntegerField):
    """A JSON number without fraction; texts and switches are not taken for numbers."""

    def to_internal_value(self, data: Any) -> int:
        """The number; ValidationError for any other kind."""
        if isinstance(data, bool) or not isinstance(data, int | float) or data != data // 1:
            self.fail("invalid")
        return int(data)


class Switch(serializers.BooleanField):
    """JSON's true or false; texts and numbers are not taken for one."""

    def to_internal_value(self, data: Any) -> bool:
        """The value; ValidationError for any other kind."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def wire_time(moment: datetime) -> str:
    """A moment as the contract spells it: ISO 8601 without zone, UTC, microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def caller(request: Request) -> User:
    """The caller, whom the permission check has found to be signed in."""
    return cast(User, request.user)


def caller_of(request: Request) -> Caller:
    """The same caller with role and groups, as the scoring lane knows them."""
    return Caller.of(caller(request))


def error_responses(*codes: int) -> dict[int, OpenApiResponse]:
    """What the OpenAPI document says: the error object for 401, 403, 503 and each of `codes`.

    503 is what everything answers while the database is away.
    """
    return _described(401, 403, 503, *codes)


def anonymous_error_responses(*codes: int) -> dict[int, OpenApiResponse]:
    """The same for an operation that asks for no token."""
    return _described(503, *codes)


def _described(*codes: int) -> dict[int, OpenApiResponse]:
    return {
        code: OpenApiResponse(ErrorBody, description=HTTPStatus(code).phrase)
        for code in sorted(set(codes))
    }
